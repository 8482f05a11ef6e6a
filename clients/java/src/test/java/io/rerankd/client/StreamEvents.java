package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.rerankd.v1.Outcome;
import io.rerankd.v1.RerankRequest;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankResult;
import io.rerankd.v1.RerankStreamResponse;
import io.rerankd.v1.ScoreChunk;
import io.rerankd.v1.Snapshot;
import io.rerankd.v1.StreamEmit;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** What a stream told before its ranking, and whether the two fit together. */
final class StreamEvents {
  private final RerankRequest request;
  private final Map<Integer, Float> scores = new HashMap<>();
  private final Set<Integer> unscored = new HashSet<>();
  private Snapshot lastSnapshot = Snapshot.getDefaultInstance();

  StreamEvents(RerankRequest request) {
    this.request = request;
  }

  void take(RerankStreamResponse event) {
    if (event.hasScores()) {
      takeScores(event.getScores());
    } else {
      takeSnapshot(event.getSnapshot());
    }
  }

  private void takeScores(ScoreChunk chunk) {
    for (int i = 0; i < chunk.getIndexCount(); i++) {
      assertNull(scores.put(chunk.getIndex(i), chunk.getScore(i)), "a score came twice");
    }
    for (int index : chunk.getUnscoredIndexList()) {
      assertTrue(unscored.add(index), "a document was left unscored twice");
    }
  }

  private void takeSnapshot(Snapshot snapshot) {
    assertTrue(snapshot.getResultsCount() <= request.getOptions().getTopN());
    assertTrue(snapshot.getScored() >= lastSnapshot.getScored());
    for (int i = 1; i < snapshot.getResultsCount(); i++) {
      assertTrue(snapshot.getResults(i - 1).getScore() >= snapshot.getResults(i).getScore());
      assertEquals(i + 1, snapshot.getResults(i).getRank());
    }
    lastSnapshot = snapshot;
  }

  void check(RerankResponse summary, CallSettings settings) {
    if (settings.emit() == StreamEmit.STREAM_EMIT_SCORES) {
      assertEquals(summary.getUsage().getScoredDocuments(), scores.size());
      if (summary.getOutcome() == Outcome.OUTCOME_PASSTHROUGH) {
        assertEquals(summary.getUsage().getDocuments(), unscored.size());
      }
      for (RerankResult result : summary.getResultsList()) {
        if (result.getScored()) {
          assertEquals(scores.get(result.getIndex()), result.getScore());
        }
      }
    }
    if (settings.emit() == StreamEmit.STREAM_EMIT_SNAPSHOTS
        && lastSnapshot.getScored() == request.getDocumentsCount()) {
      assertTrue(ids(summary.getResultsList()).containsAll(ids(lastSnapshot.getResultsList())));
    }
  }

  private static Set<String> ids(List<RerankResult> results) {
    return results.stream()
        .map(RerankResult::getId)
        .collect(Collectors.toSet());
  }
}
