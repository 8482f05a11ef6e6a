package io.rerankd.client;

import io.grpc.Status;
import io.rerankd.v1.Document;
import io.rerankd.v1.ModelRef;
import io.rerankd.v1.Outcome;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankResult;
import io.rerankd.v1.ScoreChunk;
import io.rerankd.v1.Snapshot;
import java.util.List;

/** What a stream knows of its documents over all attempts, and the answer that comes of it. */
final class StreamProgress {
  private final StreamPlan plan;
  private final Ranking ranking;
  private ModelRef model;
  private boolean modelSeenByAttempt;
  private int received;
  private int scored;
  private int truncated;
  private Outcome outcome = Outcome.OUTCOME_RERANKED;
  private String outcomeReason = "";

  StreamProgress(StreamPlan plan) {
    this.plan = plan;
    ranking = Ranking.of(plan);
  }

  int received() {
    return received;
  }

  /** How far the stream came, for the error of a deadline. */
  String atDeadline() {
    return String.format(
        "the deadline passed before the stream was ranked; scored %d of the %d documents read",
        scored, received);
  }

  /** Whether another attempt may follow: a server that tells no model is too old for its indexes. */
  boolean canGoOn() {
    return scored == 0 || model != null;
  }

  /** Counts a document and gives its index. */
  int read(Document document) {
    if (received == Integer.MAX_VALUE) {
      throw Errors.invalid("documents", "has more than " + Integer.MAX_VALUE + " entries");
    }
    ranking.read(received, document);
    return received++;
  }

  void leaveUnscored(int index, Document document) {
    ranking.leaveUnscored(index, document);
  }

  /** Says what the answer will be, and why. */
  void endedAs(Outcome value, String reason) {
    outcome = value;
    outcomeReason = reason;
  }

  void attemptEnded() {
    modelSeenByAttempt = false;
  }

  /**
   * Takes a message of scores.
   *
   * @param onChange runs once if the best documents are others now
   * @return the message as the caller of the stream gets it: with the model in the first one only
   * @throws ModelChangedException the attempt is scored by another revision than those before
   * @throws InternalException the message contradicts itself or what was sent
   */
  ScoreChunk take(ScoreChunk chunk, DocumentWindow window, Runnable onChange) {
    boolean first = model == null;
    if (chunk.hasModel() && !modelSeenByAttempt) {
      modelSeenByAttempt = true;
      checkModel(chunk.getModel());
    }
    int count = chunk.getIndexCount();
    if (chunk.getScoreCount() != count
        || !isColumn(chunk.getLogitCount(), count)
        || !isColumn(chunk.getDroppedTokensCount(), count)
        || !isColumn(chunk.getPassagesCount(), count)) {
      throw Errors.protocol("the columns of a message of scores differ in length");
    }
    boolean changed = false;
    for (int i = 0; i < count; i++) {
      Document document = answered(chunk.getIndex(i), window);
      changed |= ranking.score(scoreAt(chunk, i), document);
    }
    for (int index : chunk.getUnscoredIndexList()) {
      ranking.leaveUnscored(index, answered(index, window));
    }
    if (changed) {
      onChange.run();
    }
    return first || !chunk.hasModel() ? chunk : chunk.toBuilder().clearModel().build();
  }

  private static Document answered(int index, DocumentWindow window) {
    Document document = window.answered(index);
    if (document == null) {
      throw Errors.protocol(
          "the server answered document " + index + ", which waits for no score");
    }
    return document;
  }

  /** The best documents so far. */
  Snapshot snapshot() {
    return Snapshot.newBuilder()
        .addAllResults(ranking.best())
        .setReceived(received)
        .setScored(scored)
        .build();
  }

  /**
   * Makes the answer.
   *
   * @param window documents without a score; null when none was read
   * @param summary what the attempt that ended well told; null when none did
   */
  RerankResponse answer(DocumentWindow window, RerankResponse summary) {
    if (summary == null && outcome == Outcome.OUTCOME_RERANKED && scored == 0) {
      // The stream was lost with nothing left to ask for but its outcome.
      endedAs(Outcome.OUTCOME_PASSTHROUGH, "NONE: the server left every document unscored");
    }
    RerankResponse.Builder answer = RerankResponse.newBuilder();
    if (summary != null) {
      answer.setUsage(summary.getUsage()).setTiming(summary.getTiming());
    }
    answer
        .addAllResults(results(window))
        .setModel(answeringModel(summary))
        .setOutcome(outcome)
        .setOutcomeReason(outcomeReason);
    answer
        .getUsageBuilder()
        .setDocuments(received)
        .setScoredDocuments(scored)
        .setTruncatedDocuments(truncated);
    return answer.build();
  }

  private List<RerankResult> results(DocumentWindow window) {
    if (outcome == Outcome.OUTCOME_PASSTHROUGH) {
      return ranking.originalOrder();
    }
    if (window != null) {
      window.drain(ranking::leaveUnscored);
    }
    return ranking.results();
  }

  private ModelRef answeringModel(RerankResponse summary) {
    if (model != null) {
      return model;
    }
    return summary != null
        ? summary.getModel()
        : ModelRef.newBuilder().setId(plan.options().getModel()).build();
  }

  private Ranking.Score scoreAt(ScoreChunk chunk, int i) {
    scored++;
    int dropped = chunk.getDroppedTokensCount() > 0 ? chunk.getDroppedTokens(i) : 0;
    if (dropped > 0) {
      truncated++;
    }
    return new Ranking.Score(
        chunk.getIndex(i),
        chunk.getScore(i),
        chunk.getLogitCount() > 0 ? chunk.getLogit(i) : null,
        dropped,
        chunk.getPassagesCount() > 0 ? chunk.getPassages(i) : null);
  }

  private void checkModel(ModelRef found) {
    if (model == null) {
      model = found;
      return;
    }
    // A model that could not be loaded has no revision: it leaves unscored what another stream began.
    boolean isSameRevision =
        model.getRevision().equals(found.getRevision()) || found.getRevision().isEmpty();
    if (!model.getId().equals(found.getId()) || !isSameRevision) {
      throw new ModelChangedException(
          new Failure(
                  Status.Code.FAILED_PRECONDITION,
                  "",
                  String.format(
                      "the stream began with revision '%s' of model %s and went on with '%s' of %s;"
                          + " their scores cannot be compared: run it again",
                      model.getRevision(), model.getId(), found.getRevision(), found.getId()))
              .with("model", found.getId())
              .with("first_revision", model.getRevision())
              .with("revision", found.getRevision()));
    }
  }

  private static boolean isColumn(int length, int count) {
    return length == 0 || length == count;
  }
}
