package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.rerankd.v1.Document;
import io.rerankd.v1.Limits;
import io.rerankd.v1.Outcome;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankStreamResponse;
import io.rerankd.v1.Snapshot;
import io.rerankd.v1.StreamEmit;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A stream that no failure interrupts. */
@Timeout(60)
class StreamTest {
  private final FakeServer server = new FakeServer();
  private final RerankdClient client = RerankdClient.connect(server.target());

  @AfterEach
  void close() throws InterruptedException {
    client.close();
    server.close();
  }

  private RerankResponse rank(List<Document> documents, RerankOptions options) {
    try (RerankStream stream =
        client.rerankStream("q", documents, options, CallSettings.defaults())) {
      return stream.summary();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1000, 0, false, 0, false",
    "1000, 10, false, 0, true",
    "1000, 0, true, 0, true",
    "1000, 5000, false, 0, false",
    "1000, 300, true, 250, false",
    "1000, 0, false, 250, true",
    "300, 280, false, 250, true",
    "1, 0, false, 0, false",
    "127, 3, false, 1, false",
    "128, 0, false, 0, false",
  })
  void theRankingIsThatOfTheWholeSet(
      int count, int topN, boolean withMinScore, int maxScored, boolean withDocuments) {
    List<Document> documents = Expected.documents(count, count);
    RerankOptions.Builder options =
        RerankOptions.newBuilder()
            .setTopN(topN)
            .setMaxScoredDocuments(maxScored)
            .setReturnDocuments(withDocuments);
    if (withMinScore) {
      options.setMinScore(0.4f);
    }

    RerankResponse answer = rank(documents, options.build());

    assertEquals(Expected.ranking(documents, options.build()), answer.getResultsList());
    assertEquals(Outcome.OUTCOME_RERANKED, answer.getOutcome());
    assertEquals(count, answer.getUsage().getDocuments());
    assertEquals(maxScored == 0 ? count : maxScored, answer.getUsage().getScoredDocuments());
    assertEquals(11, answer.getUsage().getTokens());
    assertEquals("r1", answer.getModel().getRevision());
    assertEquals(
        maxScored == 0 ? count : maxScored, server.service.streams.get(0).receivedIndexes.size());
  }

  @Test
  void negativeLogitsAreOrderedToo() {
    List<Document> documents = Documents.ofTexts("-3", "2", "-0.0", "0", "-7", "2", "5");
    for (int topN : new int[] {0, 5}) {
      RerankOptions options = RerankOptions.newBuilder().setRawScores(true).setTopN(topN).build();
      List<Integer> order = new ArrayList<>();
      rank(documents, options).getResultsList().forEach(result -> order.add(result.getIndex()));
      assertEquals(List.of(6, 1, 5, 2, 3, 0, 4).subList(0, order.size()), order);
    }
  }

  @Test
  void theServerIsAskedForScoresOnly() {
    RerankOptions options =
        RerankOptions.newBuilder()
            .setModel("m")
            .setTopN(7)
            .setMinScore(0.1f)
            .setReturnDocuments(true)
            .setMaxScoredDocuments(3)
            .setInstruction("i")
            .build();

    rank(Expected.documents(5, 1), options);

    RerankOptions sent = server.service.streams.get(0).start.getOptions();
    assertEquals("m", sent.getModel());
    assertEquals("i", sent.getInstruction());
    assertEquals(1, sent.getTopN());
    assertFalse(sent.hasMinScore());
    assertFalse(sent.getReturnDocuments());
    assertEquals(3, sent.getMaxScoredDocuments());
    assertEquals(
        StreamEmit.STREAM_EMIT_SCORES, server.service.streams.get(0).start.getEmit());
  }

  @Test
  void eachScoreIsToldOnce() {
    List<Document> documents = Expected.documents(500, 3);
    CallSettings settings =
        CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SCORES).chunkDocuments(10).build();
    Map<Integer, Float> scores = new HashMap<>();
    int models = 0;
    try (RerankStream stream =
        client.rerankStream("q", documents, RerankOptions.getDefaultInstance(), settings)) {
      for (RerankStreamResponse event : stream) {
        models += event.getScores().hasModel() ? 1 : 0;
        for (int i = 0; i < event.getScores().getIndexCount(); i++) {
          Float before =
              scores.put(event.getScores().getIndex(i), event.getScores().getScore(i));
          assertEquals(null, before);
        }
      }
      stream
          .summary()
          .getResultsList()
          .forEach(result -> assertEquals(scores.get(result.getIndex()), result.getScore()));
      assertEquals(0, stream.resumes());
    }
    assertEquals(500, scores.size());
    assertEquals(1, models);
  }

  @Test
  void snapshotsAreTheBestSoFar() {
    List<Document> documents = Expected.documents(400, 4);
    RerankOptions options = RerankOptions.newBuilder().setTopN(5).build();
    CallSettings settings =
        CallSettings.newBuilder()
            .emit(StreamEmit.STREAM_EMIT_SNAPSHOTS)
            .snapshotInterval(Duration.ZERO)
            .build();
    List<Snapshot> snapshots = new ArrayList<>();
    RerankResponse answer;
    try (RerankStream stream = client.rerankStream("q", documents, options, settings)) {
      stream.forEachRemaining(event -> snapshots.add(event.getSnapshot()));
      answer = stream.summary();
    }
    int before = 0;
    for (Snapshot snapshot : snapshots) {
      assertTrue(snapshot.getResultsCount() <= 5);
      assertTrue(snapshot.getScored() >= before);
      assertTrue(snapshot.getReceived() >= snapshot.getScored());
      before = snapshot.getScored();
    }
    assertEquals(answer.getResultsList(), snapshots.get(snapshots.size() - 1).getResultsList());
  }

  @Test
  void aLongIntervalLeavesTheFirstAndTheLastSnapshot() {
    RerankOptions options = RerankOptions.newBuilder().setTopN(400).build();
    CallSettings settings =
        CallSettings.newBuilder()
            .emit(StreamEmit.STREAM_EMIT_SNAPSHOTS)
            .snapshotInterval(Duration.ofDays(400_000))
            .build();
    try (RerankStream stream =
        client.rerankStream("q", Expected.documents(400, 4), options, settings)) {
      assertTrue(stream.next().getSnapshot().getScored() < 400);
      assertEquals(400, stream.next().getSnapshot().getScored());
      assertFalse(stream.hasNext());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1001})
  void snapshotsNeedABoundedRanking(int topN) {
    RerankOptions options = RerankOptions.newBuilder().setTopN(topN).build();
    CallSettings settings =
        CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SNAPSHOTS).build();
    try (RerankStream stream =
        client.rerankStream("q", Expected.documents(3, 1), options, settings)) {
      InvalidRequestException refused =
          assertThrows(InvalidRequestException.class, stream::summary);
      assertEquals("options.top_n", refused.getFieldViolations().get(0).getField());
      assertEquals("INVALID_REQUEST", refused.getReason());
    }
  }

  @Test
  void anEmptySetIsRefusedAsByTheServer() {
    InvalidRequestException refused =
        assertThrows(
            InvalidRequestException.class,
            () -> rank(List.of(), RerankOptions.getDefaultInstance()));
    assertEquals("documents", refused.getFieldViolations().get(0).getField());
    assertEquals(Status.Code.INVALID_ARGUMENT, refused.getCode());
  }

  @Test
  void chunksHoldTheBoundsOfTheServer() {
    server.service.limits =
        Limits.newBuilder().setMaxChunkBytes(2000).setStreamWindowDocuments(64).build();
    List<Document> documents = new ArrayList<>();
    for (int i = 0; i < 200; i++) {
      documents.add(Documents.of("", i + " " + "y".repeat(i % 7 == 0 ? 1800 : 90)));
    }

    RerankResponse answer = rank(documents, RerankOptions.getDefaultInstance());

    assertEquals(200, answer.getResultsCount());
    assertEquals(
        IntStream.range(0, 200).boxed().collect(Collectors.toList()),
        server.service.streams.get(0).receivedIndexes);
  }

  @Test
  void aDocumentLargerThanAChunkIsNamed() {
    List<Document> documents = new ArrayList<>(Expected.documents(3, 1));
    documents.add(Documents.of("", "1 " + "z".repeat(1 << 20)));

    InvalidRequestException refused =
        assertThrows(
            InvalidRequestException.class,
            () -> rank(documents, RerankOptions.getDefaultInstance()));

    assertEquals("documents[3]", refused.getFieldViolations().get(0).getField());
    assertEquals("1048576", refused.getMetadata().get("limit"));
  }

  @Test
  void theWindowBoundsWhatWaits() {
    AtomicInteger read = new AtomicInteger();
    Semaphore gate = new Semaphore(0);
    server.service.gate = gate;
    Iterator<Document> source =
        IntStream.range(0, 2000)
            .peek(i -> read.incrementAndGet())
            .mapToObj(i -> Documents.of("", i + ""))
            .iterator();
    try (RerankStream stream =
        client.rerankStream(
            "q", source, RerankOptions.getDefaultInstance(), CallSettings.defaults())) {
      gate.release(10_000);
      assertEquals(2000, stream.summary().getResultsCount());
    }
    assertTrue(server.service.streams.get(0).maxWaiting <= 128);
    // Chunks are a quarter of the window of 128, so that it never drains between two of them.
    assertTrue(server.service.streams.get(0).chunkSizes.stream().allMatch(size -> size <= 32));
  }

  @Test
  void aConsumerThatDoesNotReadHoldsTheSendingUp() throws InterruptedException {
    AtomicInteger read = new AtomicInteger();
    CountDownLatch stalled = new CountDownLatch(1);
    Iterator<Document> source =
        IntStream.range(0, 100_000)
            .peek(
                i -> {
                  if (read.incrementAndGet() == 200) {
                    stalled.countDown();
                  }
                })
            .mapToObj(i -> Documents.of("", i + ""))
            .iterator();
    CallSettings settings =
        CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SCORES).build();
    try (RerankStream stream =
        client.rerankStream("q", source, RerankOptions.getDefaultInstance(), settings)) {
      assertTrue(stream.hasNext());
      assertTrue(stalled.await(30, TimeUnit.SECONDS));
      // 8 messages of 16 wait, 1 is held by the iterator, 128 documents are sent, 32 are read.
      assertTrue(read.get() <= 16 * 9 + 128 + 32, () -> "read " + read.get());
    }
  }

  @Test
  void rerankAllChoosesByTheLiveLimits() {
    server.service.limits = Limits.newBuilder().setMaxDocuments(50).build();
    RerankOptions options = RerankOptions.newBuilder().setTopN(4).build();
    for (int count : new int[] {50, 51}) {
      List<Document> documents = Expected.documents(count, 1);
      assertEquals(
          Expected.ranking(documents, options),
          client
              .rerankAll("q", documents, options, CallSettings.defaults())
              .getResultsList());
    }
    assertEquals(1, server.service.unaryCalls.get());
    assertEquals(1, server.service.streams.size());
  }
}
