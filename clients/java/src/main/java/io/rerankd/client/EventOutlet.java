package io.rerankd.client;

import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankStreamResponse;
import io.rerankd.v1.ScoreChunk;
import io.rerankd.v1.Snapshot;
import io.rerankd.v1.StreamEmit;
import java.util.ArrayDeque;
import java.util.concurrent.Flow;
import java.util.function.LongConsumer;
import java.util.function.Supplier;

/**
 * What a stream's subscriber gets, never more than it asked for. Scores wait for it; snapshots are
 * made when it asks, so that a slow one always sees the newest. All methods run in the context of
 * the engine.
 */
final class EventOutlet {
  /** Messages that may wait here or be on their way from gRPC. */
  static final int CAPACITY = 8;

  private final Flow.Subscriber<? super RerankStreamResponse> subscriber;
  private final boolean emitsScores;
  private final boolean emitsSnapshots;
  private final long intervalNanos;
  private final Supplier<Snapshot> snapshots;
  private final LongConsumer wakeUpAfterNanos;

  private final ArrayDeque<ScoreChunk> scores = new ArrayDeque<>();
  private long demand;
  private boolean changed;
  private boolean snapshotSent;
  private long lastSnapshotNanos;
  private boolean wakeUpSet;
  private RerankResponse summary;
  private Throwable failure;
  private boolean ended;
  private int freed;

  EventOutlet(
      Flow.Subscriber<? super RerankStreamResponse> subscriber,
      StreamPlan plan,
      Supplier<Snapshot> snapshots,
      LongConsumer wakeUpAfterNanos) {
    this.subscriber = subscriber;
    this.snapshots = snapshots;
    this.wakeUpAfterNanos = wakeUpAfterNanos;
    emitsScores = plan.emits(StreamEmit.STREAM_EMIT_SCORES);
    emitsSnapshots = plan.emits(StreamEmit.STREAM_EMIT_SNAPSHOTS);
    intervalNanos = Calls.nanos(plan.settings().snapshotInterval());
  }

  void begin(Flow.Subscription subscription) {
    subscriber.onSubscribe(subscription);
  }

  void request(long events) {
    demand = demand + events < 0 ? Long.MAX_VALUE : demand + events;
  }

  /** Takes scores; says whether they wait here, and so hold a place of {@link #CAPACITY}. */
  boolean offer(ScoreChunk chunk) {
    if (emitsScores) {
      scores.add(chunk);
    }
    return emitsScores;
  }

  /** Notes that a snapshot would differ from the last one. */
  void rankingChanged() {
    changed = emitsSnapshots;
  }

  /** Messages that gRPC may deliver to a new attempt. */
  int room() {
    return CAPACITY - scores.size();
  }

  /** Ends well, once the subscriber has asked for all that comes before. */
  void complete(RerankResponse response) {
    summary = response;
  }

  /** Ends with a failure, after the scores that came before it. */
  void fail(Throwable thrown) {
    failure = thrown;
  }

  /** Ends without another word: the subscriber has cancelled. */
  void abandon() {
    ended = true;
    scores.clear();
  }

  /**
   * Delivers what is there and asked for.
   *
   * @return the places that are free again
   */
  int deliver() {
    freed = 0;
    while (demand > 0 && !ended) {
      RerankStreamResponse next = next();
      if (next == null) {
        break;
      }
      demand--;
      subscriber.onNext(next);
      if (next.hasSummary()) {
        ended = true;
        subscriber.onComplete();
      }
    }
    if (failure != null && scores.isEmpty() && !ended) {
      ended = true;
      subscriber.onError(failure);
    }
    return freed;
  }

  private RerankStreamResponse next() {
    if (!scores.isEmpty()) {
      freed++;
      return RerankStreamResponse.newBuilder().setScores(scores.remove()).build();
    }
    if (failure != null) {
      return null;
    }
    if (changed && isSnapshotDue()) {
      changed = false;
      snapshotSent = true;
      lastSnapshotNanos = System.nanoTime();
      return RerankStreamResponse.newBuilder().setSnapshot(snapshots.get()).build();
    }
    return summary == null ? null : RerankStreamResponse.newBuilder().setSummary(summary).build();
  }

  private boolean isSnapshotDue() {
    long wait = snapshotSent ? lastSnapshotNanos + intervalNanos - System.nanoTime() : 0;
    if (wait <= 0 || summary != null) {
      wakeUpSet = false;
      return true;
    }
    if (!wakeUpSet) {
      wakeUpSet = true;
      wakeUpAfterNanos.accept(wait);
    }
    return false;
  }
}
