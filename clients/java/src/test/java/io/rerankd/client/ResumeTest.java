package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.rerankd.v1.Document;
import io.rerankd.v1.Outcome;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankStreamResponse;
import io.rerankd.v1.StreamEmit;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Streams that fail half-way: what goes on, what gives up, and what the caller gets. */
@Timeout(120)
class ResumeTest {
  private static final RerankOptions ALL = RerankOptions.getDefaultInstance();

  private final FakeServer server = new FakeServer();
  private final FakeService service = server.service;
  private RerankdClient client = RerankdClient.connect(server.target());
  private int resumes;

  @AfterEach
  void close() throws InterruptedException {
    client.close();
    server.close();
  }

  private RerankResponse rank(List<Document> documents, RerankOptions options) {
    return rank(documents, options, CallSettings.defaults());
  }

  private RerankResponse rank(
      Iterable<Document> documents, RerankOptions options, CallSettings settings) {
    try (RerankStream stream = client.rerankStream("q", documents, options, settings)) {
      RerankResponse answer = stream.summary();
      resumes = stream.resumes();
      return answer;
    }
  }

  private static RuntimeException unavailable() {
    return Status.UNAVAILABLE.withDescription("connection reset").asRuntimeException();
  }

  private void assertComplete(List<Document> documents, RerankOptions options, RerankResponse answer) {
    assertEquals(Expected.ranking(documents, options), answer.getResultsList());
    assertEquals(Outcome.OUTCOME_RERANKED, answer.getOutcome());
    assertEquals(documents.size(), answer.getUsage().getDocuments());
    assertEquals(documents.size(), answer.getUsage().getScoredDocuments());
    long truncated = documents.stream().filter(d -> d.getText().length() % 3 > 0).count();
    assertEquals(truncated, answer.getUsage().getTruncatedDocuments());
  }

  @Test
  void lostConnectionsAreNotNoticed() throws IOException {
    List<Document> documents = Expected.documents(1000, 1);
    try (Relay relay = new Relay(server.port());
        RerankdClient through = RerankdClient.connect(relay.target())) {
      CallSettings settings =
          CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SCORES).build();
      try (RerankStream stream = through.rerankStream("q", documents, ALL, settings)) {
        int scored = 0;
        while (stream.hasNext()) {
          int before = scored;
          scored += stream.next().getScores().getIndexCount();
          // Each cut comes after new scores; the first when most documents are not even sent.
          if (scored / 250 > before / 250) {
            relay.cut();
          }
        }
        assertComplete(documents, ALL, stream.summary());
        assertTrue(stream.resumes() >= 1);
      }
    }
  }

  @Test
  void aServerThatStartsAgainIsFoundAgain() throws InterruptedException {
    List<Document> documents = Expected.documents(300, 1);
    FakeService.Script stopping = FakeService.Script.failing(100, unavailable());
    stopping.afterScores = server::stopGracefully;
    service.scripts.add(stopping);
    CallSettings settings = CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SCORES).build();
    try (RerankStream stream = client.rerankStream("q", documents, ALL, settings)) {
      assertTrue(stream.hasNext());
      server.awaitStop();
      server.startAgain();
      assertComplete(documents, ALL, stream.summary());
    }
  }

  @Test
  void aGracefulStopLetsTheStreamEnd() throws InterruptedException {
    List<Document> documents = Expected.documents(600, 2);
    FakeService.Script stopping = new FakeService.Script();
    stopping.failAfterScores = 100;
    stopping.afterScores = server::stopGracefully;
    service.scripts.add(stopping);

    assertComplete(documents, ALL, rank(documents, ALL));

    server.awaitStop();
    assertEquals(1, service.streams.size());
  }

  @Test
  void whatWasScoredIsNotSentAgainAndTheRestKeepsItsIndexes() {
    List<Document> documents = Expected.documents(500, 3);
    service.scripts.add(FakeService.Script.failing(200, unavailable()));

    assertComplete(documents, ALL, rank(documents, ALL));

    assertEquals(1, resumes);
    FakeStream second = service.streams.get(1);
    // 13 micro-batches of 16 had gone before the failure.
    assertEquals(500 - 208, second.receivedIndexes.size());
    List<Integer> ascending = new ArrayList<>(second.receivedIndexes);
    ascending.sort(null);
    assertEquals(ascending, second.receivedIndexes);
  }

  @Test
  void aStreamThatHadAllScoresNeedsNoOther() {
    List<Document> documents = Expected.documents(96, 3);
    FakeService.Script silent = FakeService.Script.failing(96, unavailable());
    service.scripts.add(silent);

    assertComplete(documents, ALL, rank(documents, ALL));

    assertEquals(1, service.streams.size());
    assertEquals(0, resumes);
  }

  @Test
  void aFailureBehindTheLastScoreOfASlowSourceDoesNotOpenAnEmptyStream() {
    // The source ends only after the first stream, which had a score for everything, has failed.
    CountDownLatch failed = new CountDownLatch(1);
    List<Document> documents = Expected.documents(32, 3);
    Iterator<Document> slow =
        new Iterator<>() {
          private int next;

          @Override
          public boolean hasNext() {
            if (next == 32) {
              awaitUninterruptibly(failed);
            }
            return next < 32;
          }

          @Override
          public Document next() {
            return documents.get(next++);
          }
        };
    service.scripts.add(FakeService.Script.failing(32, unavailable()));
    CallSettings settings =
        CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SCORES).chunkDocuments(32).build();
    try (RerankStream stream = client.rerankStream("q", () -> slow, ALL, settings)) {
      stream.next();
      stream.next();
      failed.countDown();
      assertComplete(documents, ALL, stream.summary());
    }
    assertEquals(1, service.streams.size());
  }

  @ParameterizedTest
  @CsvSource({"MODEL_LOADING", "OVERLOADED", "DRAINING"})
  void anyUnavailableResumesAfterTheServersDelay(String reason) {
    Duration delay = Duration.ofMillis(400);
    List<Document> documents = Expected.documents(100, 4);
    service.scripts.add(
        FakeService.Script.failing(
            32, FakeServer.error(Status.Code.UNAVAILABLE, reason, "later", delay)));

    assertComplete(documents, ALL, rank(documents, ALL));

    long between = service.streams.get(1).openedNanos - service.streams.get(0).openedNanos;
    assertTrue(between >= delay.toNanos(), () -> between + " ns");
  }

  @Test
  void anotherRevisionEndsTheCall() {
    service.scripts.add(FakeService.Script.failing(50, unavailable()));
    service.lastScript.revision = "r2";

    ModelChangedException failure =
        assertThrows(ModelChangedException.class, () -> rank(Expected.documents(200, 5), ALL));

    assertEquals(Status.Code.FAILED_PRECONDITION, failure.getCode());
    assertEquals("r1", failure.getMetadata().get("first_revision"));
    assertEquals("r2", failure.getMetadata().get("revision"));
  }

  @Test
  void aServerThatDoesNotTellItsModelIsNotTrustedWithIndexes() {
    FakeService.Script old = FakeService.Script.failing(50, unavailable());
    old.tellsModel = false;
    service.scripts.add(old);

    assertThrows(UnavailableException.class, () -> rank(Expected.documents(200, 5), ALL));

    assertEquals(1, service.streams.size());
  }

  @ParameterizedTest
  @CsvSource({
    "INTERNAL, BACKEND_FAILED",
    "INVALID_ARGUMENT, INVALID_REQUEST",
    "RESOURCE_EXHAUSTED, QUOTA_EXCEEDED"
  })
  void otherFailuresAreFinal(Status.Code code, String reason) {
    service.scripts.add(
        FakeService.Script.failing(50, FakeServer.error(code, reason, "no")));

    RerankdException failure =
        assertThrows(RerankdException.class, () -> rank(Expected.documents(200, 5), ALL));

    assertEquals(reason, failure.getReason());
    assertEquals(1, service.streams.size());
  }

  @Test
  void withoutAnyScoreThreeAttemptsAreMade() {
    service.lastScript = FakeService.Script.failing(0, unavailable());

    assertThrows(UnavailableException.class, () -> rank(Expected.documents(20, 6), ALL));

    assertEquals(3, service.streams.size());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 4})
  void afterAScoreResumeAttemptsCountsFailuresInARow(int attempts) {
    client.close();
    client = RerankdClient.builder(server.target()).resumeAttempts(attempts).build();
    service.scripts.add(FakeService.Script.failing(10, unavailable()));
    service.lastScript = FakeService.Script.failing(0, unavailable());

    UnavailableException failure =
        assertThrows(UnavailableException.class, () -> rank(Expected.documents(90, 6), ALL));

    assertTrue(failure.getMessage().contains("connection reset"));
    assertEquals(1 + attempts, service.streams.size());
  }

  @Test
  void delaysDoubleAndNeverFallShortOfTheServers() {
    ResumePolicy policy = new ResumePolicy(100);
    RerankdException plain = Errors.of(unavailable());
    policy.scored();
    double expected = 0.1;
    for (int i = 0; i < 10; i++) {
      assertTrue(policy.mayResume(plain));
      double seconds = policy.delay(plain).toNanos() / 1e9;
      assertTrue(seconds >= 0.8 * expected - 1e-6 && seconds <= 1.2 * expected + 1e-6);
      expected = Math.min(5, 2 * expected);
    }
    policy.scored();
    assertTrue(policy.mayResume(plain));
    assertTrue(policy.delay(plain).toMillis() <= 120);
    RerankdException asking =
        Errors.of(
            FakeServer.error(
                Status.Code.UNAVAILABLE, "OVERLOADED", "later", Duration.ofSeconds(30)));
    assertEquals(Duration.ofSeconds(30), policy.delay(asking));
  }

  @Test
  void aSummaryThatComesTooEarlyIsAFault() {
    FakeService.Script early = new FakeService.Script();
    early.ignoresHalfClose = true;
    service.scripts.add(early);
    service.lastScript = new FakeService.Script();
    early.failAfterScores = 40;
    early.failure = null;
    early.afterScores = () -> service.streams.get(0).endWithoutSummary();

    InternalException failure =
        assertThrows(InternalException.class, () -> rank(Expected.documents(200, 5), ALL));

    assertEquals("INTERNAL", failure.getReason());
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
  void interruptionsAtRandomChangeNothing(long seed) {
    Random random = new Random(seed);
    List<Document> documents = Expected.documents(200 + random.nextInt(800), seed);
    RerankOptions.Builder options = RerankOptions.newBuilder();
    options.setTopN(random.nextBoolean() ? 0 : 1 + random.nextInt(50));
    options.setReturnDocuments(random.nextBoolean());
    if (random.nextBoolean()) {
      options.setMinScore(random.nextFloat());
    }
    for (int i = random.nextInt(6); i >= 0; i--) {
      FakeService.Script script =
          FakeService.Script.failing(1 + random.nextInt(200), unavailable());
      script.microBatch = 1 + random.nextInt(40);
      service.scripts.add(script);
    }
    CallSettings settings =
        CallSettings.newBuilder()
            .emit(StreamEmit.STREAM_EMIT_SCORES)
            .chunkDocuments(1 + random.nextInt(60))
            .build();
    Set<Integer> told = new HashSet<>();
    int models = 0;
    try (RerankStream stream =
        client.rerankStream("q", documents, options.build(), settings)) {
      for (RerankStreamResponse event : stream) {
        models += event.getScores().hasModel() ? 1 : 0;
        event.getScores().getIndexList().forEach(index -> assertTrue(told.add(index)));
      }
      assertComplete(documents, options.build(), stream.summary());
      assertSame(stream.summary(), stream.summary());
    }
    assertEquals(
        IntStream.range(0, documents.size()).boxed().collect(Collectors.toSet()), told);
    assertEquals(1, models);
  }

  private static void awaitUninterruptibly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException unexpected) {
      Thread.currentThread().interrupt();
      throw new AssertionError(unexpected);
    }
  }
}
