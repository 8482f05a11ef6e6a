package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.ServerCredentials;
import io.grpc.TlsServerCredentials;
import io.rerankd.v1.Document;
import java.io.ByteArrayInputStream;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class TlsTest {
  private static final List<Document> DOCUMENTS = Documents.ofTexts("1 a", "2 b");

  @TempDir static Path folder;

  private static Certificates certificates;

  @BeforeAll
  static void makeCertificates() throws Exception {
    certificates = new Certificates(folder);
    certificates.sign("server");
    certificates.sign("client");
  }

  private static FakeServer server(boolean mutual) throws Exception {
    TlsServerCredentials.Builder credentials =
        TlsServerCredentials.newBuilder()
            .keyManager(
                new ByteArrayInputStream(certificates.certificateChain("server")),
                new ByteArrayInputStream(certificates.privateKey("server")));
    if (mutual) {
      credentials
          .trustManager(new ByteArrayInputStream(certificates.authority()))
          .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE);
    }
    ServerCredentials built = credentials.build();
    return new FakeServer(built);
  }

  @Test
  void theServerIsKnownByItsAuthority() throws Exception {
    try (FakeServer server = server(false);
        RerankdClient client =
            RerankdClient.builder(server.target()).tls(certificates.authority()).build();
        RerankdClient listed =
            RerankdClient.builder("ipv4:" + server.target())
                .tls(certificates.authority())
                .build();
        RerankdClient distrustful = RerankdClient.builder(server.target()).tls().build();
        RerankdClient plain = RerankdClient.connect(server.target())) {
      assertEquals(2, client.rerank("q", DOCUMENTS).getResultsCount());
      assertEquals(2, listed.rerank("q", DOCUMENTS).getResultsCount());
      assertThrows(UnavailableException.class, () -> distrustful.rerank("q", DOCUMENTS));
      assertThrows(UnavailableException.class, () -> plain.rerank("q", DOCUMENTS));
    }
  }

  @Test
  void theClientShowsItsCertificate() throws Exception {
    try (FakeServer server = server(true);
        RerankdClient client =
            RerankdClient.builder(server.target())
                .mutualTls(
                    certificates.authority(),
                    certificates.certificateChain("client"),
                    certificates.privateKey("client"))
                .build();
        RerankdClient nameless =
            RerankdClient.builder(server.target()).tls(certificates.authority()).build()) {
      assertEquals(2, client.rerank("q", DOCUMENTS).getResultsCount());
      assertThrows(UnavailableException.class, () -> nameless.rerank("q", DOCUMENTS));
    }
  }
}
