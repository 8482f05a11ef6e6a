package io.rerankd.client;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** When an interrupted stream goes on, and when it gives up. Not safe to share between threads. */
final class ResumePolicy {
  private static final int ATTEMPTS_BEFORE_ANY_SCORE = 3;
  private static final Duration FIRST_DELAY = Duration.ofMillis(100);
  private static final Duration LONGEST_DELAY = Duration.ofSeconds(5);
  private static final double JITTER = 0.2;

  private final int resumeAttempts;
  private boolean everScored;
  private boolean scoredSinceFailure;
  private int failuresInRow;
  private Duration nextDelay = FIRST_DELAY;

  ResumePolicy(int resumeAttempts) {
    this.resumeAttempts = resumeAttempts;
  }

  /** Notes that a new score has come, or the word that there will be none. */
  void scored() {
    everScored = true;
    scoredSinceFailure = true;
  }

  /** Notes a failed attempt; says whether there may be another. */
  boolean mayResume(RerankdException failure) {
    if (scoredSinceFailure) {
      failuresInRow = 0;
      nextDelay = FIRST_DELAY;
      scoredSinceFailure = false;
    } else {
      failuresInRow++;
    }
    int most =
        everScored ? resumeAttempts : Math.min(resumeAttempts, ATTEMPTS_BEFORE_ANY_SCORE);
    return interrupts(failure) && failuresInRow < most;
  }

  /**
   * Whether a failure says nothing of the stream itself. A server whose core is being stopped answers
   * CANCELLED to what still reaches it; a stream that is closed on this side does not ask.
   */
  private static boolean interrupts(RerankdException failure) {
    return failure instanceof UnavailableException || failure instanceof CancelledException;
  }

  /** How long to wait before the next attempt; the server's own delay is the least. */
  Duration delay(RerankdException failure) {
    double factor = 1 + JITTER * (2 * ThreadLocalRandom.current().nextDouble() - 1);
    Duration delay = Duration.ofNanos((long) (nextDelay.toNanos() * factor));
    Duration doubled = nextDelay.multipliedBy(2);
    nextDelay = doubled.compareTo(LONGEST_DELAY) < 0 ? doubled : LONGEST_DELAY;
    Duration least = failure.getRetryAfter().orElse(Duration.ZERO);
    return delay.compareTo(least) < 0 ? least : delay;
  }
}
