package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.rerankd.v1.DeadlineMode;
import io.rerankd.v1.Document;
import io.rerankd.v1.FailureMode;
import io.rerankd.v1.Outcome;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankResult;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the caller gets of a stream that fails for good, or runs out of time. */
@Timeout(120)
class OutcomeTest {
  private static final RerankOptions ALL = RerankOptions.getDefaultInstance();

  private final FakeServer server = new FakeServer();
  private final FakeService service = server.service;
  private final RerankdClient client = RerankdClient.connect(server.target());

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
      return stream.summary();
    }
  }

  @ParameterizedTest
  @CsvSource({"0, false", "5, false", "5, true", "0, true"})
  void originalOrderAnswersAFailure(int topN, boolean withDocuments) {
    RerankOptions options =
        RerankOptions.newBuilder()
            .setTopN(topN)
            .setReturnDocuments(withDocuments)
            .setMinScore(0.5f)
            .setOnFailure(FailureMode.FAILURE_MODE_ORIGINAL_ORDER)
            .build();
    List<Document> documents = Expected.documents(400, 7);
    service.scripts.add(
        FakeService.Script.failing(
            60, FakeServer.error(Status.Code.INTERNAL, "BACKEND_FAILED", "the device is gone")));

    RerankResponse answer = rank(documents, options);

    assertEquals(Outcome.OUTCOME_PASSTHROUGH, answer.getOutcome());
    assertEquals("BACKEND_FAILED: the device is gone", answer.getOutcomeReason());
    assertEquals(400, answer.getUsage().getDocuments());
    int count = topN == 0 ? 400 : topN;
    assertEquals(count, answer.getResultsCount());
    for (int i = 0; i < count; i++) {
      RerankResult result = answer.getResults(i);
      assertEquals(i, result.getIndex());
      assertEquals(i + 1, result.getRank());
      assertEquals("d" + i, result.getId());
      assertFalse(result.getScored());
      assertEquals(withDocuments, result.hasDocument());
    }
    assertEquals(
        FailureMode.FAILURE_MODE_UNSPECIFIED,
        service.streams.get(0).start.getOptions().getOnFailure());
  }

  @Test
  void originalOrderDoesNotHideTheCallersOwnFault() {
    RerankOptions options =
        RerankOptions.newBuilder()
            .setOnFailure(FailureMode.FAILURE_MODE_ORIGINAL_ORDER)
            .build();
    service.scripts.add(
        FakeService.Script.failing(
            0, FakeServer.error(Status.Code.NOT_FOUND, "MODEL_NOT_FOUND", "no such model")));

    assertThrows(ModelNotFoundException.class, () -> rank(Expected.documents(40, 8), options));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 130})
  void partialBetweenTwoAttempts(int topN) {
    RerankOptions options =
        RerankOptions.newBuilder()
            .setTopN(topN)
            .setOnDeadline(DeadlineMode.DEADLINE_MODE_PARTIAL)
            .build();
    List<Document> documents = Expected.documents(150, 9);
    service.scripts.add(
        FakeService.Script.failing(
            48,
            FakeServer.error(
                Status.Code.UNAVAILABLE, "DRAINING", "stopping", Duration.ofHours(1))));

    RerankResponse answer =
        rank(documents, options, CallSettings.withTimeout(Duration.ofSeconds(3)));

    assertPartial(documents, answer, 48);
    assertEquals(DeadlineMode.DEADLINE_MODE_PARTIAL,
        service.streams.get(0).start.getOptions().getOnDeadline());
  }

  @Test
  void partialWhileTheServerWorks() {
    RerankOptions options =
        RerankOptions.newBuilder().setOnDeadline(DeadlineMode.DEADLINE_MODE_PARTIAL).build();
    List<Document> documents = Expected.documents(150, 9);
    service.gate = new Semaphore(3);

    RerankResponse answer =
        rank(documents, options, CallSettings.withTimeout(Duration.ofSeconds(3)));

    assertPartial(documents, answer, 48);
  }

  @Test
  void partialAsTheServerSaysIt() {
    FakeService.Script partial = new FakeService.Script();
    partial.partialAfterScores = 48;
    service.scripts.add(partial);
    List<Document> documents = Expected.documents(150, 9);

    RerankResponse answer = rank(documents, ALL);

    assertPartial(documents, answer, 48);
    assertEquals(11, answer.getUsage().getTokens());
  }

  private static void assertPartial(List<Document> documents, RerankResponse answer, int scored) {
    assertEquals(Outcome.OUTCOME_PARTIAL, answer.getOutcome());
    assertEquals("the deadline came first", answer.getOutcomeReason());
    assertEquals(scored, answer.getUsage().getScoredDocuments());
    assertTrue(answer.getResultsCount() > scored);
    assertTrue(answer.getResultsCount() <= answer.getUsage().getDocuments());
    Set<Integer> seen = new HashSet<>();
    for (RerankResult result : answer.getResultsList()) {
      assertTrue(seen.add(result.getIndex()));
      assertEquals(result.getRank() <= scored, result.getScored());
      assertEquals(documents.get(result.getIndex()).getId(), result.getId());
    }
    List<Integer> unscored =
        answer.getResultsList().stream()
            .filter(result -> !result.getScored())
            .map(RerankResult::getIndex)
            .collect(Collectors.toList());
    assertEquals(unscored.stream().sorted().collect(Collectors.toList()), unscored);
  }

  @Test
  void aDeadlineBetweenTwoAttemptsKeepsTheCause() {
    service.scripts.add(
        FakeService.Script.failing(
            48,
            FakeServer.error(
                Status.Code.UNAVAILABLE, "DRAINING", "stopping", Duration.ofHours(1))));

    DeadlineExceededException failure =
        assertThrows(
            DeadlineExceededException.class,
            () ->
                rank(
                    Expected.documents(150, 9),
                    ALL,
                    CallSettings.withTimeout(Duration.ofSeconds(3))));

    assertEquals("DRAINING", ((RerankdException) failure.getCause()).getReason());
  }
}
