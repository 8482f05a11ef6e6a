package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.rerankd.v1.Document;
import io.rerankd.v1.FailureMode;
import io.rerankd.v1.ModelRef;
import io.rerankd.v1.Outcome;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankResult;
import io.rerankd.v1.RerankStreamResponse;
import io.rerankd.v1.StreamEmit;
import io.rerankd.v1.Usage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Documents that a server will not score, what it answers of them, and who forgives what. */
@Timeout(120)
class UnscoredTest {
  private static final int NEVER = -1;

  private final FakeServer server = new FakeServer();
  private final FakeService service = server.service;
  private final RerankdClient client = RerankdClient.connect(server.target());

  @AfterEach
  void close() throws InterruptedException {
    client.close();
    server.close();
  }

  /** Leaves documents unscored; the first stream is lost once so many are answered. */
  private void leaveUnscored(int from, int lostAfter, RerankResponse summary) {
    FakeService.Script first =
        FakeService.Script.failing(
            lostAfter,
            lostAfter == NEVER
                ? null
                : FakeServer.error(Status.Code.UNAVAILABLE, "DRAINING", "stopping"));
    for (FakeService.Script script : List.of(first, service.lastScript)) {
      script.unscoredFrom = from;
      script.summary = summary;
    }
    service.scripts.add(first);
  }

  private static RerankResponse passed(String reason) {
    return RerankResponse.newBuilder()
        .setOutcome(Outcome.OUTCOME_PASSTHROUGH)
        .setOutcomeReason(reason)
        .build();
  }

  private RerankResponse rank(List<Document> documents, RerankOptions options) {
    try (RerankStream stream =
        client.rerankStream("q", documents, options, CallSettings.defaults())) {
      return stream.summary();
    }
  }

  private static RerankOptions forgiving() {
    return RerankOptions.newBuilder()
        .setOnFailure(FailureMode.FAILURE_MODE_ORIGINAL_ORDER)
        .build();
  }

  private static void assertOriginalOrder(int count, RerankResponse answer) {
    assertEquals(Outcome.OUTCOME_PASSTHROUGH, answer.getOutcome());
    assertEquals(count, answer.getResultsCount());
    for (int i = 0; i < count; i++) {
      RerankResult result = answer.getResults(i);
      assertEquals(i, result.getIndex());
      assertEquals(i + 1, result.getRank());
      assertEquals("d" + i, result.getId());
      assertFalse(result.getScored());
    }
  }

  @ParameterizedTest
  @CsvSource({"0, -1", "7, -1", "0, 200", "7, 200", "0, 400", "7, 400"})
  void aServerThatScoresNothingLeavesTheOrder(int topN, int lostAfter) {
    List<Document> documents = Expected.documents(400, 1);
    leaveUnscored(0, lostAfter, passed("NONE: left as it is"));
    RerankOptions options =
        RerankOptions.newBuilder()
            .setTopN(topN)
            .setReturnDocuments(true)
            .setMinScore(0.5f)
            .build();
    CallSettings settings = CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SCORES).build();
    List<Integer> told = new ArrayList<>();

    try (RerankStream stream = client.rerankStream("q", documents, options, settings)) {
      stream.forEachRemaining(event -> told.addAll(event.getScores().getUnscoredIndexList()));
      RerankResponse answer = stream.summary();

      assertOriginalOrder(topN == 0 ? 400 : topN, answer);
      assertEquals(documents.get(3), answer.getResults(3).getDocument());
      assertTrue(answer.getOutcomeReason().startsWith("NONE: "));
      assertEquals(400, answer.getUsage().getDocuments());
      assertEquals(0, answer.getUsage().getScoredDocuments());
    }
    assertEquals(
        IntStream.range(0, 400).boxed().collect(Collectors.toList()),
        told.stream().sorted().collect(Collectors.toList()));
  }

  @ParameterizedTest
  @CsvSource({"0, -1", "50, -1", "150, -1", "0, 200", "150, 200", "0, 400", "50, 400", "150, 400"})
  void whatIsBeyondTheServersBoundComesLast(int topN, int lostAfter) {
    List<Document> documents = Expected.documents(400, 2);
    leaveUnscored(100, lostAfter, RerankResponse.getDefaultInstance());

    RerankOptions options = RerankOptions.newBuilder().setTopN(topN).build();
    RerankResponse answer = rank(documents, options);

    RerankOptions bounded = options.toBuilder().setMaxScoredDocuments(100).build();
    assertEquals(Expected.ranking(documents, bounded), answer.getResultsList());
    assertEquals(Outcome.OUTCOME_RERANKED, answer.getOutcome());
    assertEquals(100, answer.getUsage().getScoredDocuments());
    assertEquals(400, answer.getUsage().getDocuments());
  }

  @Test
  void snapshotsAndALeastScoreHaveNoPlaceForThem() {
    List<Document> documents = Expected.documents(400, 3);
    leaveUnscored(100, NEVER, RerankResponse.getDefaultInstance());
    RerankOptions options = RerankOptions.newBuilder().setTopN(150).build();
    CallSettings settings =
        CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SNAPSHOTS).build();
    try (RerankStream stream = client.rerankStream("q", documents, options, settings)) {
      while (stream.hasNext()) {
        RerankStreamResponse event = stream.next();
        assertTrue(event.getSnapshot().getResultsList().stream().allMatch(RerankResult::getScored));
      }
      assertEquals(150, stream.summary().getResultsCount());
    }
    for (int topN : new int[] {0, 150}) {
      RerankResponse answer =
          rank(documents, options.toBuilder().setTopN(topN).setMinScore(0.5f).build());
      assertTrue(answer.getResultsCount() > 0);
      assertTrue(answer.getResultsList().stream().allMatch(result -> result.getScore() >= 0.5f));
    }
  }

  @Test
  void theRestIsReadWhenTheServerPassesThrough() {
    RerankOptions options = RerankOptions.newBuilder().setMaxScoredDocuments(10).build();
    leaveUnscored(0, NEVER, passed("NONE: left as it is"));

    assertOriginalOrder(400, rank(Expected.documents(400, 4), options));
    assertEquals(10, service.streams.get(0).receivedIndexes.size());
  }

  @Test
  void whatStoodInAndWhatItBilledAreTold() {
    Usage usage =
        Usage.newBuilder()
            .setProviderUnits(3)
            .setProviderCost(0.5)
            .setProviderUnitsEstimated(true)
            .build();
    String reason = "FALLBACK: b stood in for a: DRAINING: stopping";
    leaveUnscored(
        400,
        50,
        RerankResponse.newBuilder().setOutcomeReason(reason).setUsage(usage).build());

    RerankResponse answer =
        rank(Expected.documents(400, 5), RerankOptions.getDefaultInstance());

    assertEquals(Outcome.OUTCOME_RERANKED, answer.getOutcome());
    assertEquals(reason, answer.getOutcomeReason());
    assertEquals(3, answer.getUsage().getProviderUnits());
    assertEquals(0.5, answer.getUsage().getProviderCost());
    assertTrue(answer.getUsage().getProviderUnitsEstimated());
  }

  /** A server whose model fails half-way leaves the rest unscored; the model then has no revision. */
  @ParameterizedTest
  @ValueSource(ints = {0, 7})
  void theServersOwnOriginalOrderIsTakenOver(int topN) {
    leaveUnscored(100, 100, passed("OVERLOADED: full"));
    service.lastScript.revision = "";

    RerankResponse answer =
        rank(Expected.documents(400, 6), RerankOptions.newBuilder().setTopN(topN).build());

    assertOriginalOrder(topN == 0 ? 400 : topN, answer);
    assertEquals("OVERLOADED: full", answer.getOutcomeReason());
    assertEquals(ModelRef.newBuilder(FakeService.model("r1")).build(), answer.getModel());
  }

  @ParameterizedTest
  @CsvSource({"UNSPECIFIED, UNSPECIFIED", "ORIGINAL_ORDER, UNSPECIFIED", "FAIL, FAIL"})
  void onlyWhoAsksForTheErrorForbidsOtherModels(String asked, String sent) {
    FailureMode mode = FailureMode.valueOf("FAILURE_MODE_" + asked);

    rank(Expected.documents(3, 7), RerankOptions.newBuilder().setOnFailure(mode).build());

    assertEquals(
        FailureMode.valueOf("FAILURE_MODE_" + sent),
        service.streams.get(0).start.getOptions().getOnFailure());
  }

  @Test
  void aQuotaIsForgivenWhereItIsAProviders() {
    for (String owner : List.of("provider", "key")) {
      service.scripts.add(
          FakeService.Script.failing(
              16,
              FakeServer.error(
                  Status.Code.RESOURCE_EXHAUSTED,
                  "QUOTA_EXCEEDED",
                  "used up",
                  Map.of(owner, "x"))));
    }
    List<Document> documents = Expected.documents(400, 8);

    RerankResponse answer = rank(documents, forgiving());

    assertEquals(Outcome.OUTCOME_PASSTHROUGH, answer.getOutcome());
    assertEquals("QUOTA_EXCEEDED: used up", answer.getOutcomeReason());
    assertThrows(QuotaExceededException.class, () -> rank(documents, forgiving()));
  }

  @Test
  void anUnreachableProviderIsTriedAgainAndThenForgiven() {
    service.lastScript =
        FakeService.Script.failing(
            0, FakeServer.error(Status.Code.UNAVAILABLE, "PROVIDER_UNAVAILABLE", "away"));
    List<Document> documents = Expected.documents(5, 9);

    assertThrows(
        ProviderUnavailableException.class,
        () -> rank(documents, RerankOptions.getDefaultInstance()));
    RerankResponse answer = rank(documents, forgiving());

    assertEquals("PROVIDER_UNAVAILABLE: away", answer.getOutcomeReason());
    assertEquals(6, service.streams.size());
  }
}
