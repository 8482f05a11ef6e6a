package io.rerankd.client;

import io.rerankd.v1.Document;
import io.rerankd.v1.Passage;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankResult;
import java.util.List;

/**
 * What is remembered of a stream's documents, and the order that comes of it: score descending, then
 * logit descending, then index ascending; unscored documents after the scored ones by index.
 */
interface Ranking {
  /** Takes note of a document, in ascending order of the indexes. */
  void read(int index, Document document);

  /** Takes a score; says whether the best documents changed. */
  boolean score(Score score, Document document);

  /** Takes a document that stays without a score. */
  void leaveUnscored(int index, Document document);

  /** The best so far; only of a ranking with a bound. */
  List<RerankResult> best();

  /** The final ranking, cut by min_score and top_n. Nothing may be added afterwards. */
  List<RerankResult> results();

  /** All documents unscored in the order in which they came, cut by top_n. */
  List<RerankResult> originalOrder();

  /** The ranking that suits the options: in bounded memory wherever top_n bounds it. */
  static Ranking of(StreamPlan plan) {
    return plan.options().getTopN() > 0 ? new TopRanking(plan) : new FullRanking(plan.options());
  }

  /** Whether min_score keeps a document with this score. */
  static boolean keeps(RerankOptions options, float score) {
    return !options.hasMinScore() || score >= options.getMinScore();
  }

  /** A result without score and rank. */
  static RerankResult.Builder unscored(int index, Document document, RerankOptions options) {
    RerankResult.Builder result =
        RerankResult.newBuilder().setIndex(index).setId(document.getId());
    if (document.hasOriginalScore()) {
      result.setOriginalScore(document.getOriginalScore());
    }
    if (options.getReturnDocuments()) {
      result.setDocument(document);
    }
    return result;
  }

  /** What the server told of one document. */
  final class Score {
    private final int index;
    private final float value;
    private final Float logit;
    private final int droppedTokens;
    private final Passage passage;

    Score(int index, float value, Float logit, int droppedTokens, Passage passage) {
      this.index = index;
      this.value = value;
      this.logit = logit;
      this.droppedTokens = droppedTokens;
      this.passage = passage;
    }

    int index() {
      return index;
    }

    float value() {
      return value;
    }

    /** Null where the model tells none. */
    Float logit() {
      return logit;
    }

    /** The logit that orders equal scores. */
    float tieBreaker() {
      return logit == null ? 0 : logit;
    }

    int droppedTokens() {
      return droppedTokens;
    }

    /** Null without BEST_PASSAGE. */
    Passage passage() {
      return passage;
    }

    void copyTo(RerankResult.Builder result) {
      result.setScored(true).setScore(value).setDroppedTokens(droppedTokens);
      if (logit != null) {
        result.setLogit(logit);
      }
      if (passage != null) {
        result.setPassage(passage);
      }
    }
  }
}
