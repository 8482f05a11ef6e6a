package io.rerankd.v1;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.Code;
import com.google.rpc.ErrorInfo;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.StatusRuntimeException;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Shows that the committed stubs run on the gRPC and protobuf runtimes that the build resolved. */
class StubsTest {
  private Server server;
  private ManagedChannel channel;

  @BeforeEach
  void start() throws IOException {
    String name = InProcessServerBuilder.generateName();
    server = InProcessServerBuilder.forName(name).directExecutor().addService(new Echo()).build();
    server.start();
    channel = InProcessChannelBuilder.forName(name).directExecutor().build();
  }

  @AfterEach
  void stop() {
    channel.shutdownNow();
    server.shutdownNow();
  }

  @Test
  void aRankingSurvivesTheWire() {
    RerankRequest request =
        RerankRequest.newBuilder()
            .setQuery("q")
            .addDocuments(Document.newBuilder().setId("a").setText("one").setOriginalScore(0.5f))
            .build();

    RerankResult result =
        RerankServiceGrpc.newBlockingStub(channel).rerank(request).getResults(0);

    assertEquals(request.getDocuments(0), result.getDocument());
    assertEquals(1, result.getRank());
  }

  @Test
  void aReasonSurvivesTheWire() throws InvalidProtocolBufferException {
    StatusRuntimeException failure =
        assertThrows(
            StatusRuntimeException.class,
            () ->
                RerankServiceGrpc.newBlockingStub(channel)
                    .rerank(RerankRequest.getDefaultInstance()));

    Any detail = StatusProto.fromThrowable(failure).getDetails(0);
    String reason = detail.unpack(ErrorInfo.class).getReason();

    assertEquals(
        ErrorReason.ERROR_REASON_INVALID_REQUEST, ErrorReason.valueOf("ERROR_REASON_" + reason));
  }

  private static final class Echo extends RerankServiceGrpc.RerankServiceImplBase {
    @Override
    public void rerank(RerankRequest request, StreamObserver<RerankResponse> observer) {
      if (request.getQuery().isEmpty()) {
        ErrorInfo info =
            ErrorInfo.newBuilder().setReason("INVALID_REQUEST").setDomain("rerankd").build();
        observer.onError(
            StatusProto.toStatusRuntimeException(
                com.google.rpc.Status.newBuilder()
                    .setCode(Code.INVALID_ARGUMENT_VALUE)
                    .addDetails(Any.pack(info))
                    .build()));
        return;
      }
      RerankResponse.Builder response = RerankResponse.newBuilder();
      for (Document document : request.getDocumentsList()) {
        response.addResults(RerankResult.newBuilder().setRank(1).setDocument(document));
      }
      observer.onNext(response.build());
      observer.onCompleted();
    }
  }
}
