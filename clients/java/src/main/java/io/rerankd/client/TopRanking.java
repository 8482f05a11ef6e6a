package io.rerankd.client;

import io.rerankd.v1.Document;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankResult;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.TreeMap;

/** The best {@code top_n} documents; memory does not grow with the number of documents. */
final class TopRanking implements Ranking {
  // Float.compare tells -0 from 0, which is no difference between scores; adding 0 makes them one.
  private static final Comparator<RerankResult> BEST_FIRST =
      Comparator.comparingDouble((RerankResult result) -> -(result.getScore() + 0.0))
          .thenComparingDouble(result -> -(result.getLogit() + 0.0))
          .thenComparingInt(RerankResult::getIndex);

  private final RerankOptions options;
  private final int capacity;
  private final PriorityQueue<RerankResult> worstFirst =
      new PriorityQueue<>(BEST_FIRST.reversed());
  private final TreeMap<Integer, RerankResult> unscored = new TreeMap<>();
  private final List<RerankResult> first = new ArrayList<>();

  TopRanking(StreamPlan plan) {
    options = plan.options();
    capacity = options.getTopN();
  }

  @Override
  public void read(int index, Document document) {
    // The server may leave everything in the original order.
    if (first.size() < capacity) {
      first.add(Ranking.unscored(index, document, options).build());
    }
  }

  @Override
  public boolean score(Score score, Document document) {
    if (!Ranking.keeps(options, score.value()) || !isAmongBest(score)) {
      return false;
    }
    RerankResult.Builder result = Ranking.unscored(score.index(), document, options);
    score.copyTo(result);
    if (worstFirst.size() == capacity) {
      worstFirst.remove();
    }
    worstFirst.add(result.build());
    return true;
  }

  @Override
  public void leaveUnscored(int index, Document document) {
    if (options.hasMinScore()) {
      return;
    }
    // They only ever fill what the scored ones leave free, the first ones first.
    unscored.put(index, Ranking.unscored(index, document, options).build());
    if (unscored.size() > capacity) {
      unscored.pollLastEntry();
    }
  }

  @Override
  public List<RerankResult> best() {
    List<RerankResult> best = new ArrayList<>(worstFirst);
    best.sort(BEST_FIRST);
    return ranked(best);
  }

  @Override
  public List<RerankResult> results() {
    List<RerankResult> results = new ArrayList<>(worstFirst);
    results.sort(BEST_FIRST);
    results.addAll(unscored.values());
    return ranked(results.subList(0, Math.min(results.size(), capacity)));
  }

  @Override
  public List<RerankResult> originalOrder() {
    return ranked(first);
  }

  private boolean isAmongBest(Score score) {
    if (worstFirst.size() < capacity) {
      return true;
    }
    RerankResult worst = worstFirst.element();
    if (score.value() != worst.getScore()) {
      return score.value() > worst.getScore();
    }
    if (score.tieBreaker() != worst.getLogit()) {
      return score.tieBreaker() > worst.getLogit();
    }
    return score.index() < worst.getIndex();
  }

  private static List<RerankResult> ranked(List<RerankResult> results) {
    List<RerankResult> ranked = new ArrayList<>(results.size());
    for (RerankResult result : results) {
      ranked.add(result.toBuilder().setRank(ranked.size() + 1).build());
    }
    return ranked;
  }
}
