package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Metadata;
import io.grpc.Status;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Scope;
import io.rerankd.v1.Document;
import io.rerankd.v1.RerankOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.SubmissionPublisher;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The span that runs goes along with every call, whichever thread begins it. */
@Timeout(60)
class TracingTest {
  private static final String TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
  private static final String SPAN = "00f067aa0ba902b7";
  private static final String PARENT = "00-" + TRACE + "-" + SPAN + "-01";
  private static final Metadata.Key<String> KEY =
      Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER);

  private final FakeServer server = new FakeServer();
  private final RerankdClient client = RerankdClient.connect(server.target());

  @AfterEach
  void close() throws InterruptedException {
    client.close();
    server.close();
  }

  private static Scope inSpan() {
    return Span.wrap(
            SpanContext.create(TRACE, SPAN, TraceFlags.getSampled(), TraceState.getDefault()))
        .makeCurrent();
  }

  private void assertTold(int calls) {
    assertEquals(calls, server.metadata.size());
    for (Metadata metadata : server.metadata) {
      assertEquals(PARENT, metadata.get(KEY));
    }
  }

  @Test
  void ofUnaryCalls() {
    try (Scope traced = inSpan()) {
      client.rerank("q", Expected.documents(3, 1));
    }
    assertTold(1);
  }

  @Test
  void ofEachAttemptOfAStream() {
    server.service.scripts.add(
        FakeService.Script.failing(32, Status.UNAVAILABLE.asRuntimeException()));
    server.service.scripts.add(new FakeService.Script());
    List<Document> documents = Expected.documents(500, 1);
    try (Scope traced = inSpan();
        RerankStream stream =
            client.rerankStream(
                "q", documents, RerankOptions.getDefaultInstance(), CallSettings.defaults())) {
      assertEquals(500, stream.summary().getResultsCount());
      assertEquals(1, stream.resumes());
    }
    // Status comes first.
    assertTold(3);
  }

  @Test
  void ofCallsThatAPublishersThreadBegins() throws Exception {
    for (int count : new int[] {3, 3000}) {
      server.metadata.clear();
      try (SubmissionPublisher<Document> publisher = new SubmissionPublisher<>()) {
        var result =
            inSpanDo(
                () ->
                    client
                        .async()
                        .rerankAll(
                            "q",
                            publisher,
                            RerankOptions.getDefaultInstance(),
                            CallSettings.defaults()));
        while (publisher.getNumberOfSubscribers() == 0 && !result.isDone()) {
          Thread.onSpinWait();
        }
        Expected.documents(count, 1).forEach(publisher::submit);
        publisher.close();
        assertEquals(count, result.get().getResultsCount());
      }
      assertTrue(server.metadata.size() >= 1);
      assertTold(server.metadata.size());
    }
  }

  @Test
  void unlessTheCallerTellsItself() throws InterruptedException {
    String other = PARENT.replace(SPAN, "1111111111111111");
    try (RerankdClient own =
            RerankdClient.builder(server.target()).metadata("traceparent", other).build();
        Scope traced = inSpan()) {
      own.rerank("q", Expected.documents(3, 1));
    }
    assertEquals(List.of(other), toList(server.metadata.get(0).getAll(KEY)));
  }

  @Test
  void andNothingWithoutASpan() {
    client.rerank("q", Expected.documents(3, 1));
    assertTrue(server.metadata.stream().noneMatch(metadata -> metadata.containsKey(KEY)));
  }

  private static <T> T inSpanDo(Supplier<T> work) {
    try (Scope traced = inSpan()) {
      return work.get();
    }
  }

  private static List<String> toList(Iterable<String> values) {
    List<String> all = new ArrayList<>();
    values.forEach(all::add);
    return all;
  }
}
