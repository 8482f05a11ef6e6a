package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.rerankd.v1.Document;
import io.rerankd.v1.Limits;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankStreamResponse;
import io.rerankd.v1.StreamEmit;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.SubmissionPublisher;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Streams and large sets without a thread that waits. */
@Timeout(60)
class AsyncStreamTest {
  private static final RerankOptions OPTIONS = RerankOptions.newBuilder().setTopN(20).build();
  private static final CallSettings SCORES =
      CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SCORES).build();

  private final FakeServer server = new FakeServer();
  private final RerankdClient client = RerankdClient.connect(server.target());

  @AfterEach
  void close() throws InterruptedException {
    client.close();
    server.close();
  }

  private static Flow.Publisher<Document> publisher(List<Document> documents) {
    return new IteratorSource(documents, ForkJoinPool.commonPool());
  }

  @Test
  void eventsComeAsTheyAreRequested() throws InterruptedException {
    List<Document> documents = Expected.documents(3000, 1);
    server.service.scripts.add(
        FakeService.Script.failing(700, Status.UNAVAILABLE.asRuntimeException()));
    Collector collector = new Collector();

    client.async().rerankStream("q", publisher(documents), OPTIONS, SCORES).subscribe(collector);

    int scored = 0;
    while (true) {
      assertEquals(0, collector.messages.size(), "nothing comes that was not requested");
      collector.subscription.request(1);
      RerankStreamResponse message = collector.messages.take();
      if (message.hasSummary()) {
        assertEquals(
            Expected.ranking(documents, OPTIONS), message.getSummary().getResultsList());
        break;
      }
      scored += message.getScores().getIndexCount();
    }
    collector.ended.join();
    assertEquals(3000, scored);
    assertEquals(2, server.service.streams.size());
  }

  @Test
  void aStreamTakesOneSubscriber() {
    Flow.Publisher<RerankStreamResponse> stream =
        client
            .async()
            .rerankStream("q", publisher(Expected.documents(9, 1)), OPTIONS, SCORES);
    stream.subscribe(new Collector());
    Collector second = new Collector();
    stream.subscribe(second);
    assertInstanceOf(
        IllegalStateException.class,
        assertThrows(ExecutionException.class, second.ended::get).getCause());
  }

  @Test
  void cancellingTheSubscriptionCancelsTheCallAndTheSource() throws InterruptedException {
    Collector collector = new Collector();
    try (SubmissionPublisher<Document> source = new SubmissionPublisher<>()) {
      client.async().rerankStream("q", source, OPTIONS, SCORES).subscribe(collector);
      collector.subscription.request(1);
      int sent = 0;
      while (collector.messages.isEmpty()) {
        if (source.offer(Documents.of("", sent + ""), null) >= 0) {
          sent++;
        }
      }
      collector.subscription.cancel();
      assertTrue(server.service.streams.get(0).cancelled.await(30, TimeUnit.SECONDS));
      while (source.hasSubscribers()) {
        Thread.onSpinWait();
      }
    }
  }

  @Test
  void aRequestOfNothingIsAFault() {
    Collector collector = new Collector();
    client
        .async()
        .rerankStream("q", publisher(Expected.documents(9, 1)), OPTIONS, SCORES)
        .subscribe(collector);
    collector.subscription.request(0);
    assertInstanceOf(
        IllegalArgumentException.class,
        assertThrows(ExecutionException.class, collector.ended::get).getCause());
  }

  @Test
  void aPublisherIsAskedForNoMoreThanThereIsRoomFor() throws InterruptedException {
    server.service.gate = new Semaphore(0);
    AtomicLong asked = new AtomicLong();
    AtomicLong given = new AtomicLong();
    Flow.Publisher<Document> source =
        subscriber ->
            subscriber.onSubscribe(
                new Flow.Subscription() {
                  @Override
                  public void request(long n) {
                    asked.addAndGet(n);
                    for (long i = 0; i < n; i++) {
                      subscriber.onNext(Documents.of("", given.getAndIncrement() + ""));
                    }
                  }

                  @Override
                  public void cancel() {
                    // Nothing runs.
                  }
                });
    Collector collector = new Collector();
    client.async().rerankStream("q", source, OPTIONS, SCORES).subscribe(collector);
    collector.subscription.request(Long.MAX_VALUE);
    while (server.service.streams.isEmpty()
        || server.service.streams.get(0).receivedIndexes.size() < 128) {
      Thread.onSpinWait();
    }
    // The window of 128 is full and unscored; one chunk of 32 may be read ahead.
    assertTrue(asked.get() <= 128 + 32, () -> "asked for " + asked.get());
    collector.subscription.cancel();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 100, 101, 1000})
  void rerankAllChoosesByTheNumber(int count) throws Exception {
    server.service.limits =
        Limits.newBuilder().setMaxDocuments(100).setStreamWindowDocuments(64).build();
    List<Document> documents = Expected.documents(count, 5);

    assertEquals(
        Expected.ranking(documents, OPTIONS),
        client
            .async()
            .rerankAll("q", publisher(documents), OPTIONS, CallSettings.defaults())
            .get()
            .getResultsList());

    assertEquals(count <= 100 ? 1 : 0, server.service.unaryCalls.get());
    assertEquals(count <= 100 ? 0 : 1, server.service.streams.size());
  }

  @ParameterizedTest
  @ValueSource(ints = {3, 1500})
  void whatThePublisherFailsWithComesOut(int after) {
    IllegalStateException broken = new IllegalStateException("gone");
    Iterable<Document> failing =
        () ->
            Expected.documents(after + 1, 1).stream()
                .peek(
                    document -> {
                      if (document.getId().equals("d" + after)) {
                        throw broken;
                      }
                    })
                .iterator();
    ExecutionException failure =
        assertThrows(
            ExecutionException.class,
            () ->
                client
                    .async()
                    .rerankAll(
                        "q",
                        new IteratorSource(failing, ForkJoinPool.commonPool()),
                        OPTIONS,
                        CallSettings.defaults())
                    .get());
    assertSame(broken, failure.getCause());
  }

  @Test
  void cancellingRerankAllCancelsItsStream() throws InterruptedException {
    server.service.gate = new Semaphore(2);
    CompletableFuture<?> future =
        client
            .async()
            .rerankAll(
                "q",
                publisher(Expected.documents(2000, 1)),
                OPTIONS,
                CallSettings.defaults());
    while (server.service.streams.isEmpty()) {
      Thread.onSpinWait();
    }
    future.cancel(false);
    assertTrue(server.service.streams.get(0).cancelled.await(30, TimeUnit.SECONDS));
  }

  /** Requests nothing by itself. */
  private static final class Collector implements Flow.Subscriber<RerankStreamResponse> {
    private final BlockingQueue<RerankStreamResponse> messages = new LinkedBlockingQueue<>();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private volatile Flow.Subscription subscription;

    @Override
    public void onSubscribe(Flow.Subscription value) {
      subscription = value;
    }

    @Override
    public void onNext(RerankStreamResponse message) {
      messages.add(message);
    }

    @Override
    public void onError(Throwable thrown) {
      ended.completeExceptionally(thrown);
    }

    @Override
    public void onComplete() {
      ended.complete(null);
    }
  }
}
