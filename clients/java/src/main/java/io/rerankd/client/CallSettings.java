package io.rerankd.client;

import io.rerankd.v1.StreamEmit;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;

/**
 * Choices of one call that concern the client; what the server should do is in {@code
 * io.rerankd.v1.RerankOptions}. Immutable and safe to share.
 */
public final class CallSettings {
  private static final CallSettings DEFAULTS = newBuilder().build();

  private final Duration timeout;
  private final StreamEmit emit;
  private final int chunkDocuments;
  private final Duration snapshotInterval;

  private CallSettings(Builder builder) {
    timeout = builder.timeout;
    emit = builder.emit;
    chunkDocuments = builder.chunkDocuments;
    snapshotInterval = builder.snapshotInterval;
  }

  /**
   * Returns the settings of a call that names none.
   *
   * @return the default of each choice
   */
  public static CallSettings defaults() {
    return DEFAULTS;
  }

  /**
   * Returns settings with a deadline and defaults besides.
   *
   * @param timeout as in {@link Builder#timeout}
   * @return the settings
   */
  public static CallSettings withTimeout(Duration timeout) {
    return newBuilder().timeout(timeout).build();
  }

  /**
   * Returns a builder that starts from the defaults.
   *
   * @return a new builder
   */
  public static Builder newBuilder() {
    return new Builder();
  }

  /**
   * Returns the time that the call may take, over all its attempts.
   *
   * @return nothing for the default of the method
   */
  public Optional<Duration> timeout() {
    return Optional.ofNullable(timeout);
  }

  /**
   * Returns what a stream tells before its ranking.
   *
   * @return never {@code UNSPECIFIED}
   */
  public StreamEmit emit() {
    return emit;
  }

  /**
   * Returns the most documents of one message of a stream.
   *
   * @return 1 or more
   */
  public int chunkDocuments() {
    return chunkDocuments;
  }

  /**
   * Returns the least time between two snapshots.
   *
   * @return zero or more
   */
  public Duration snapshotInterval() {
    return snapshotInterval;
  }

  /** Collects the choices; not safe to share between threads. */
  public static final class Builder {
    private Duration timeout;
    private StreamEmit emit = StreamEmit.STREAM_EMIT_SUMMARY_ONLY;
    private int chunkDocuments = 128;
    private Duration snapshotInterval = Duration.ofMillis(250);

    private Builder() {}

    /**
     * Sets the time that the call may take, over all its attempts.
     *
     * @param value more than zero. Default: the client's timeout for a unary call, 5 minutes for a
     *     warm-up, no deadline for a stream
     * @return this
     */
    public Builder timeout(Duration value) {
      timeout = requirePositive(value, "timeout");
      return this;
    }

    /**
     * Sets what a stream tells before its ranking; only {@code rerankStream} reads it.
     *
     * @param value {@code STREAM_EMIT_SUMMARY_ONLY} (the default), {@code STREAM_EMIT_SCORES}, or
     *     {@code STREAM_EMIT_SNAPSHOTS}, which needs a {@code top_n} from 1 to 1,000
     * @return this
     */
    public Builder emit(StreamEmit value) {
      Objects.requireNonNull(value, "emit");
      if (value == StreamEmit.UNRECOGNIZED) {
        throw new IllegalArgumentException("emit is not known");
      }
      emit =
          value == StreamEmit.STREAM_EMIT_UNSPECIFIED ? StreamEmit.STREAM_EMIT_SUMMARY_ONLY : value;
      return this;
    }

    /**
     * Sets the most documents of one message of a stream. A message is sent when it is full: choose
     * 1 where documents come slowly and each should be scored at once.
     *
     * @param value 1 or more; more than half of the server's {@code stream_window_documents} means
     *     that half. Default 128
     * @return this
     */
    public Builder chunkDocuments(int value) {
      if (value < 1) {
        throw new IllegalArgumentException("chunkDocuments is " + value + "; it takes 1 or more");
      }
      chunkDocuments = value;
      return this;
    }

    /**
     * Sets the least time between two snapshots; only {@code STREAM_EMIT_SNAPSHOTS} reads it.
     *
     * @param value zero (one after each message of scores that changed the ranking) or more.
     *     Default 0.25 seconds
     * @return this
     */
    public Builder snapshotInterval(Duration value) {
      Objects.requireNonNull(value, "snapshotInterval");
      if (value.isNegative()) {
        throw new IllegalArgumentException(
            "snapshotInterval is " + value + "; it takes zero or more");
      }
      snapshotInterval = value;
      return this;
    }

    /**
     * Makes the settings.
     *
     * @return the settings
     */
    public CallSettings build() {
      return new CallSettings(this);
    }
  }

  static Duration requirePositive(Duration value, String name) {
    Objects.requireNonNull(value, name);
    if (value.isZero() || value.isNegative()) {
      throw new IllegalArgumentException(name + " is " + value + "; it takes more than zero");
    }
    return value;
  }
}
