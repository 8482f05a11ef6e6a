package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.stub.StreamObserver;
import io.rerankd.v1.RerankBatchResponse;
import io.rerankd.v1.RerankBatchResult;
import io.rerankd.v1.RerankRequest;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankServiceGrpc;
import io.rerankd.v1.RerankStreamRequest;
import io.rerankd.v1.RerankStreamResponse;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The vectors of tests/conformance through this client, against a real server. */
class ConformanceTest {
  private static final String TARGET = System.getenv("RERANKD_TARGET");
  private static final String VECTORS = System.getenv("RERANKD_VECTORS");

  private static RerankdClient client;
  private static ManagedChannel channel;

  @BeforeAll
  static void connect() {
    if (TARGET != null) {
      client = RerankdClient.connect(TARGET);
      channel = Grpc.newChannelBuilder(TARGET, InsecureChannelCredentials.create()).build();
    }
  }

  @AfterAll
  static void close() {
    if (client != null) {
      client.close();
      channel.shutdownNow();
    }
  }

  @TestFactory
  Stream<DynamicTest> vectors() throws IOException {
    assumeTrue(TARGET != null, "RERANKD_TARGET names no server");
    Vectors vectors =
        Vectors.read(Path.of(VECTORS != null ? VECTORS : "../../tests/conformance/vectors"));
    return vectors.all().stream()
        .map(
            vector ->
                DynamicTest.dynamicTest(
                    vector.name(), () -> run(vector, vectors.expectationOf(vector))));
  }

  private void run(Vectors.Vector vector, Expectation expected) throws Exception {
    RerankResponse answer;
    try {
      if (vector.json().has("rerank_batch")) {
        expected.checkItems(client.rerankBatch(vector.batch(), CallSettings.defaults()));
        return;
      }
      answer = answer(vector);
    } catch (RerankdException failure) {
      expected.checkFailure(failure);
      return;
    }
    expected.checkAnswer(answer);
  }

  private RerankResponse answer(Vectors.Vector vector) throws Exception {
    JsonObject json = vector.json();
    if (json.has("rerank")) {
      return client.rerank(vector.request("rerank"), CallSettings.defaults());
    }
    if (json.has("rerank_all")) {
      RerankRequest request = vector.request("rerank_all");
      return client.rerankAll(
          request.getQuery(),
          request.getDocumentsList(),
          request.getOptions(),
          CallSettings.defaults());
    }
    if (json.has("rerank_stream")) {
      return stream(vector);
    }
    return raw(vector);
  }

  private RerankResponse stream(Vectors.Vector vector) throws InvalidProtocolBufferException {
    RerankRequest request = vector.request("rerank_stream");
    StreamEvents events = new StreamEvents(request);
    try (RerankStream stream =
        client.rerankStream(
            request.getQuery(),
            request.getDocumentsList(),
            request.getOptions(),
            vector.settings())) {
      stream.forEachRemaining(events::take);
      RerankResponse summary = stream.summary();
      events.check(summary, vector.settings());
      return summary;
    }
  }

  private RerankResponse raw(Vectors.Vector vector) throws Exception {
    CompletableFuture<RerankResponse> last = new CompletableFuture<>();
    StreamObserver<RerankStreamRequest> requests =
        RerankServiceGrpc.newStub(channel)
            .rerankStream(
                new StreamObserver<>() {
                  private RerankStreamResponse message;

                  @Override
                  public void onNext(RerankStreamResponse value) {
                    message = value;
                  }

                  @Override
                  public void onError(Throwable thrown) {
                    last.completeExceptionally(Errors.of(thrown));
                  }

                  @Override
                  public void onCompleted() {
                    last.complete(message.getSummary());
                  }
                });
    for (RerankStreamRequest request : vector.messages()) {
      requests.onNext(request);
    }
    requests.onCompleted();
    try {
      return last.get();
    } catch (ExecutionException failure) {
      throw (RerankdException) failure.getCause();
    }
  }

  /** The runner itself, on answers that are right and wrong. */
  @TestFactory
  Stream<DynamicTest> theRunnerTellsRightFromWrong() throws IOException {
    Vectors vectors = Vectors.read(Path.of("src/test/resources/conformance"));
    return vectors.all().stream()
        .map(
            vector ->
                DynamicTest.dynamicTest(
                    vector.name(),
                    () ->
                        assertEquals(
                            vector.json().get("right").getAsBoolean(),
                            isAccepted(vector, vectors.expectationOf(vector)))));
  }

  private static boolean isAccepted(Vectors.Vector vector, Expectation expected)
      throws InvalidProtocolBufferException {
    try {
      if (vector.json().has("batch_answer")) {
        RerankBatchResponse.Builder batch = RerankBatchResponse.newBuilder();
        batch.addResults(
            RerankBatchResult.newBuilder().setResponse(vector.answer("batch_answer")));
        expected.checkItems(batch.build());
      } else if (vector.json().has("failure")) {
        JsonObject failure = vector.json().getAsJsonObject("failure");
        expected.checkFailure(
            Errors.invalid(
                failure.get("field").getAsString(), failure.get("description").getAsString()));
      } else {
        expected.checkAnswer(vector.answer("answer"));
      }
      return true;
    } catch (AssertionError wrong) {
      return false;
    }
  }
}
