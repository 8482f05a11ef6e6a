package io.rerankd.client;

import io.rerankd.v1.DeadlineMode;
import io.rerankd.v1.FailureMode;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankStreamRequest;
import io.rerankd.v1.RerankStreamStart;
import io.rerankd.v1.StreamEmit;
import java.util.Set;

/** What one stream was asked for: the part that the server does, and the part of the client. */
final class StreamPlan {
  private static final Set<String> FORGIVABLE =
      Set.of(
          "MODEL_LOADING",
          "MODEL_FAILED",
          "OVERLOADED",
          "DRAINING",
          "PROVIDER_UNAVAILABLE",
          "BACKEND_FAILED",
          "NON_FINITE_SCORE",
          "INTERNAL");

  private final String query;
  private final RerankOptions options;
  private final CallSettings settings;

  StreamPlan(String query, RerankOptions options, CallSettings settings) {
    this.query = query;
    this.options = options;
    this.settings = settings;
  }

  RerankOptions options() {
    return options;
  }

  CallSettings settings() {
    return settings;
  }

  boolean emits(StreamEmit emit) {
    return settings.emit() == emit;
  }

  /** Whether the document of this index is sent. */
  boolean sends(int index) {
    return options.getMaxScoredDocuments() == 0 || index < options.getMaxScoredDocuments();
  }

  boolean wantsPartial() {
    return options.getOnDeadline() == DeadlineMode.DEADLINE_MODE_PARTIAL;
  }

  boolean wantsOriginalOrder() {
    return options.getOnFailure() == FailureMode.FAILURE_MODE_ORIGINAL_ORDER;
  }

  /** Whether on_failure turns this error into an answer; what the caller did wrong never is. */
  boolean forgives(RerankdException failure) {
    // A quota without a provider is the caller's own.
    boolean isQuotaOfProvider =
        failure.getReason().equals("QUOTA_EXCEEDED")
            && failure.getMetadata().containsKey("provider");
    return wantsOriginalOrder()
        && (FORGIVABLE.contains(failure.getReason()) || isQuotaOfProvider);
  }

  /** The first message of each attempt: scores only, because the client ranks by itself. */
  RerankStreamRequest start() {
    RerankOptions.Builder asked =
        options.toBuilder()
            .setTopN(1)
            .setReturnDocuments(false)
            .clearMinScore();
    if (wantsOriginalOrder()) {
      // The client can do that after all its attempts. Before, the server may try other models.
      asked.clearOnFailure();
    }
    return RerankStreamRequest.newBuilder()
        .setStart(
            RerankStreamStart.newBuilder()
                .setQuery(query)
                .setOptions(asked)
                .setEmit(StreamEmit.STREAM_EMIT_SCORES))
        .build();
  }

  /** Throws for the options that the server does not see, as it would for them. */
  void check(int maxSnapshotResults) {
    requireNotNegative("top_n", options.getTopN());
    requireNotNegative("max_scored_documents", options.getMaxScoredDocuments());
    if (options.hasMinScore() && !Float.isFinite(options.getMinScore())) {
      throw outOfBounds("min_score", options.getMinScore(), "a finite number");
    }
    if (options.getOnFailure() == FailureMode.UNRECOGNIZED) {
      throw outOfBounds("on_failure", options.getOnFailureValue(), "a value that the client knows");
    }
    int top = options.getTopN();
    if (emits(StreamEmit.STREAM_EMIT_SNAPSHOTS) && (top < 1 || top > maxSnapshotResults)) {
      throw outOfBounds("top_n", top, "1 to " + maxSnapshotResults + " with snapshots");
    }
  }

  private static void requireNotNegative(String name, int value) {
    if (value < 0) {
      throw outOfBounds(name, value, "0 (no limit) or more");
    }
  }

  private static InvalidRequestException outOfBounds(String name, Object value, String bounds) {
    String field = "options." + name;
    String description = "is " + value + "; it takes " + bounds;
    return new InvalidRequestException(
        Failure.invalid(Errors.INVALID_REQUEST, field, description)
            .with("value", value.toString())
            .with("bounds", bounds));
  }
}
