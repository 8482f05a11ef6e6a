package io.rerankd.examples;

import io.rerankd.client.Documents;
import io.rerankd.client.RerankdClient;
import io.rerankd.client.RerankdException;
import io.rerankd.v1.RerankResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Reranks documents at a server that asks for a key, which {@code RERANKD_TOKEN} holds, and for a
 * certificate of the client's own (mutual TLS):
 *
 * <pre>
 * mvn -q test-compile exec:java -Dexec.classpathScope=test \
 *   -Dexec.mainClass=io.rerankd.examples.SecuredExample \
 *   -Dexec.args="localhost:50051 ca.pem client.pem client.key 'a query' 'a document'"
 * </pre>
 */
public final class SecuredExample {
  public static void main(String[] args) throws IOException {
    if (args.length < 6) {
      System.err.println("usage: SecuredExample TARGET CA CERTIFICATE KEY QUERY DOCUMENT...");
      System.exit(2);
    }
    List<String> texts = Arrays.asList(args).subList(5, args.length);
    byte[] authorities = Files.readAllBytes(Path.of(args[1]));
    byte[] certificate = Files.readAllBytes(Path.of(args[2]));
    byte[] key = Files.readAllBytes(Path.of(args[3]));
    boolean failed = false;
    try (RerankdClient client =
        RerankdClient.builder(args[0])
            .mutualTls(authorities, certificate, key)
            .token(System.getenv().getOrDefault("RERANKD_TOKEN", ""))
            .build()) {
      List<RerankResult> results =
          client.rerank(args[4], Documents.ofTexts(texts.toArray(new String[0]))).getResultsList();
      for (RerankResult result : results) {
        System.out.printf(
            Locale.ROOT,
            "%d. %.4f %s%n",
            result.getRank(),
            result.getScore(),
            texts.get(result.getIndex()));
      }
    } catch (RerankdException failure) {
      System.err.printf("%s %s %s%n", failure.getCode(), failure.getReason(), failure.getMessage());
      failed = true;
    }
    System.exit(failed ? 1 : 0);
  }
}
