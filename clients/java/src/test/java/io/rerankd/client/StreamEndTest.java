package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.rerankd.v1.Document;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.StreamEmit;
import java.util.Iterator;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Streams that their own side ends early. */
@Timeout(60)
class StreamEndTest {
  private final FakeServer server = new FakeServer();
  private final RerankdClient client = RerankdClient.connect(server.target());

  @AfterEach
  void close() throws InterruptedException {
    client.close();
    server.close();
  }

  @Test
  void closingEarlyCancelsTheCallAndStopsTheReading() throws InterruptedException {
    CountDownLatch ended = new CountDownLatch(1);
    Iterator<Document> endless =
        IntStream.iterate(0, i -> i + 1).mapToObj(i -> Documents.of("", i + "")).iterator();
    RerankdClient own =
        RerankdClient.builder(server.target())
            .documentExecutor(
                task ->
                    new Thread(
                            () -> {
                              task.run();
                              ended.countDown();
                            })
                        .start())
            .build();
    try (own;
        RerankStream stream =
            own.rerankStream(
                "q",
                endless,
                RerankOptions.newBuilder().setTopN(3).build(),
                CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SCORES).build())) {
      assertTrue(stream.hasNext());
      stream.close();
      assertTrue(ended.await(30, TimeUnit.SECONDS));
      assertTrue(server.service.streams.get(0).cancelled.await(30, TimeUnit.SECONDS));
      assertTrue(stream.next().hasScores(), "what was waited for before is still there");
      assertThrows(CancelledException.class, stream::summary);
    }
  }

  @Test
  void whatTheSourceThrowsComesOutAsItIs() throws InterruptedException {
    IllegalStateException broken = new IllegalStateException("the cursor is closed");
    Iterator<Document> source =
        IntStream.range(0, 500)
            .mapToObj(
                i -> {
                  if (i == 300) {
                    throw broken;
                  }
                  return Documents.of("", i + "");
                })
            .iterator();
    try (RerankStream stream =
        client.rerankStream(
            "q", source, RerankOptions.getDefaultInstance(), CallSettings.defaults())) {
      assertSame(broken, assertThrows(IllegalStateException.class, stream::summary));
    }
    assertTrue(server.service.streams.get(0).cancelled.await(30, TimeUnit.SECONDS));
  }

  @Test
  void anErrorOfTheSourceDoesNotHangTheReader() {
    try (RerankStream stream =
        client.rerankStream(
            "q",
            () -> {
              throw new StackOverflowError("deep");
            },
            RerankOptions.getDefaultInstance(),
            CallSettings.defaults())) {
      assertThrows(StackOverflowError.class, stream::summary);
    }
  }

  @Test
  void aSourceThatWaitsForItsScoresIsServed() {
    // Each document is made only when the one before is scored: both directions must run at once.
    Semaphore scored = new Semaphore(1);
    Iterator<Document> source =
        IntStream.range(0, 20)
            .peek(i -> scored.acquireUninterruptibly())
            .mapToObj(i -> Documents.of("", i + ""))
            .iterator();
    CallSettings settings =
        CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SCORES).chunkDocuments(1).build();
    try (RerankStream stream =
        client.rerankStream("q", source, RerankOptions.getDefaultInstance(), settings)) {
      while (stream.hasNext()) {
        scored.release(stream.next().getScores().getIndexCount());
      }
      assertEquals(20, stream.summary().getResultsCount());
    }
  }

  @Test
  void anInterruptCancels() throws InterruptedException {
    server.service.gate = new Semaphore(0);
    try (RerankStream stream =
        client.rerankStream(
            "q",
            Expected.documents(10, 1),
            RerankOptions.getDefaultInstance(),
            CallSettings.defaults())) {
      Thread.currentThread().interrupt();
      CancelledException failure = assertThrows(CancelledException.class, stream::summary);
      assertTrue(Thread.interrupted());
      assertTrue(failure.getCause() instanceof InterruptedException);
    }
  }

  @Test
  void closingTheClientEndsItsStreams() {
    server.service.gate = new Semaphore(0);
    RerankStream stream =
        client.rerankStream(
            "q",
            Expected.documents(10, 1),
            RerankOptions.getDefaultInstance(),
            CallSettings.defaults());
    client.close();
    assertThrows(CancelledException.class, stream::summary);
    try (RerankStream late =
        client.rerankStream(
            "q",
            Expected.documents(10, 1),
            RerankOptions.getDefaultInstance(),
            CallSettings.defaults())) {
      assertThrows(CancelledException.class, late::summary);
    }
  }
}
