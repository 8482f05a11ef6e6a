package io.rerankd.client;

import io.rerankd.v1.Document;
import io.rerankd.v1.Passage;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankResult;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * Every document, by column: some 12 bytes and the id for each, and no object until the end. A
 * column that no document needs does not exist.
 */
final class FullRanking implements Ranking {
  private final RerankOptions options;
  private final BitSet scored = new BitSet();
  private final BitSet withLogit = new BitSet();
  private final Columns.Floats scores = new Columns.Floats();
  private final Columns.Floats logits = new Columns.Floats();
  private final Columns.Ints droppedTokens = new Columns.Ints();
  private final BitSet withPassage = new BitSet();
  private final Columns.Ints passageStarts = new Columns.Ints();
  private final Columns.Ints passageEnds = new Columns.Ints();
  private final BitSet withOriginalScore = new BitSet();
  private final Columns.Floats originalScores = new Columns.Floats();
  private final Columns.Texts ids = new Columns.Texts();
  private final List<Document> documents = new ArrayList<>();
  private int count;

  FullRanking(RerankOptions options) {
    this.options = options;
  }

  @Override
  public void read(int index, Document document) {
    count = index + 1;
    ids.set(index, document.getId());
    if (document.hasOriginalScore()) {
      withOriginalScore.set(index);
      originalScores.set(index, document.getOriginalScore());
    }
    if (options.getReturnDocuments()) {
      documents.add(document);
    }
  }

  @Override
  public boolean score(Score score, Document document) {
    int index = score.index();
    scored.set(index);
    // -0 and 0 are the same score; adding 0 makes them one, so that bits can be compared below.
    scores.set(index, score.value() + 0.0f);
    if (score.logit() != null) {
      withLogit.set(index);
      logits.set(index, score.logit() + 0.0f);
    }
    droppedTokens.set(index, score.droppedTokens());
    if (score.passage() != null) {
      withPassage.set(index);
      passageStarts.set(index, score.passage().getStartChar());
      passageEnds.set(index, score.passage().getEndChar());
    }
    return Ranking.keeps(options, score.value());
  }

  @Override
  public void leaveUnscored(int index, Document document) {
    // Its columns say so.
  }

  @Override
  public List<RerankResult> best() {
    throw new UnsupportedOperationException("a ranking without top_n has no snapshots");
  }

  @Override
  public List<RerankResult> results() {
    long[] order = new long[scored.cardinality()];
    int kept = 0;
    for (int i = scored.nextSetBit(0); i >= 0; i = scored.nextSetBit(i + 1)) {
      if (Ranking.keeps(options, scores.get(i))) {
        order[kept++] = descending(scores.get(i), i);
      }
    }
    Arrays.sort(order, 0, kept);
    orderEqualScores(order, kept);
    List<RerankResult> results = new ArrayList<>(options.hasMinScore() ? kept : count);
    for (int i = 0; i < kept; i++) {
      results.add(scoredResult((int) order[i], results.size() + 1));
    }
    for (int i = 0; i < count && !options.hasMinScore(); i++) {
      if (!scored.get(i)) {
        results.add(unscoredResult(i).setRank(results.size() + 1).build());
      }
    }
    return results;
  }

  @Override
  public List<RerankResult> originalOrder() {
    List<RerankResult> results = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      results.add(unscoredResult(i).setRank(i + 1).build());
    }
    return results;
  }

  /** Puts runs of one score, which a sigmoid rounded, in the order of their logits. */
  private void orderEqualScores(long[] order, int kept) {
    for (int from = 0, to; from < kept; from = to) {
      to = from + 1;
      while (to < kept && order[to] >> 32 == order[from] >> 32) {
        to++;
      }
      if (to - from > 1) {
        for (int i = from; i < to; i++) {
          int index = (int) order[i];
          order[i] = descending(logits.get(index), index);
        }
        Arrays.sort(order, from, to);
      }
    }
  }

  /** A key that sorts larger values first and equal ones by index; its low half is the index. */
  private static long descending(float value, int index) {
    int bits = Float.floatToIntBits(value);
    // Negative floats order backwards as integers; this turns their magnitude around.
    int ascending = bits ^ ((bits >> 31) & Integer.MAX_VALUE);
    return ((long) ~ascending << 32) | index;
  }

  private RerankResult scoredResult(int index, int rank) {
    RerankResult.Builder result = unscoredResult(index).setRank(rank);
    new Score(
            index,
            scores.get(index),
            withLogit.get(index) ? logits.get(index) : null,
            droppedTokens.get(index),
            withPassage.get(index) ? passage(index) : null)
        .copyTo(result);
    return result.build();
  }

  private Passage passage(int index) {
    return Passage.newBuilder()
        .setStartChar(passageStarts.get(index))
        .setEndChar(passageEnds.get(index))
        .build();
  }

  private RerankResult.Builder unscoredResult(int index) {
    RerankResult.Builder result = RerankResult.newBuilder().setIndex(index).setId(ids.get(index));
    if (withOriginalScore.get(index)) {
      result.setOriginalScore(originalScores.get(index));
    }
    if (options.getReturnDocuments()) {
      result.setDocument(documents.get(index));
    }
    return result;
  }
}
