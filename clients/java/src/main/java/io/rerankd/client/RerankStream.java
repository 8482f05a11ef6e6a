package io.rerankd.client;

import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankStreamResponse;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.Flow;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;

/**
 * A stream under way: iterate it for its events, then ask for the {@link #summary}. Use it in a
 * try-with-resources statement: closing it cancels what is not finished and stops the reading of
 * the documents.
 *
 * <p>An event is a {@code RerankStreamResponse} that has either {@code scores} or a {@code
 * snapshot}, as {@link CallSettings#emit} chose; by default there is none. Scores that nobody takes
 * hold the sending up: at most 8 messages of them wait. Snapshots are made when they are taken.
 *
 * <p>The documents are read by a task of {@link RerankdClientBuilder#documentExecutor}; gRPC's
 * threads rank. The methods of this class only wait, without holding a monitor, so they may run in
 * a virtual thread. Of one stream, only one thread may iterate; {@link #close} may be called from
 * any.
 *
 * <p>Iterating and {@link #summary} throw a {@link RerankdException} when the stream fails, and what
 * the iterator of the documents threw, as it was. A waiting thread that is interrupted cancels the
 * stream, keeps its interrupt status and gets a {@link CancelledException}.
 */
public final class RerankStream
    implements Iterator<RerankStreamResponse>, Iterable<RerankStreamResponse>, AutoCloseable {
  private final Inbox inbox = new Inbox();
  private final StreamEngine engine;
  private RerankStreamResponse next;
  private RerankResponse summary;

  RerankStream(Function<Flow.Subscriber<RerankStreamResponse>, StreamEngine> opener) {
    engine = opener.apply(inbox);
    engine.start();
  }

  /**
   * Returns this stream itself: its events can be iterated once.
   *
   * @return this
   */
  @Override
  public Iterator<RerankStreamResponse> iterator() {
    return this;
  }

  /**
   * Waits for the next event or the end.
   *
   * @return whether there is another event
   * @throws RerankdException the stream failed
   */
  @Override
  public boolean hasNext() {
    if (next == null && summary == null) {
      RerankStreamResponse message = take();
      if (message.hasSummary()) {
        summary = message.getSummary();
      } else {
        next = message;
      }
    }
    return next != null;
  }

  /**
   * Waits for the next event.
   *
   * @return scores or a snapshot
   * @throws NoSuchElementException no event is left
   * @throws RerankdException the stream failed
   */
  @Override
  public RerankStreamResponse next() {
    if (!hasNext()) {
      throw new NoSuchElementException("the stream has no more events; ask for its summary");
    }
    RerankStreamResponse event = next;
    next = null;
    return event;
  }

  /**
   * Waits for the final ranking; events that were not iterated are dropped.
   *
   * @return the ranking, the same at each call
   * @throws RerankdException the stream failed
   */
  public RerankResponse summary() {
    while (hasNext()) {
      next = null;
    }
    return summary;
  }

  /**
   * Tells how often the stream went on after an interruption.
   *
   * @return 0 for a stream that one gRPC call carried from start to end
   */
  public int resumes() {
    return engine.resumes();
  }

  /**
   * Cancels what is not finished, without waiting for it. The task that reads the documents ends
   * after its next one; the documents' source is the caller's to close.
   */
  @Override
  public void close() {
    engine.cancel();
    inbox.onError(Errors.cancelled("the stream was closed", null));
  }

  private RerankStreamResponse take() {
    try {
      return inbox.take();
    } catch (InterruptedException interrupt) {
      Thread.currentThread().interrupt();
      CancelledException failure = Errors.cancelled("the waiting thread was interrupted", interrupt);
      engine.cancel();
      inbox.onError(failure);
      throw failure;
    }
  }

  /** Holds the one message that was asked for, or the end. */
  private static final class Inbox implements Flow.Subscriber<RerankStreamResponse> {
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private Flow.Subscription subscription;
    private RerankStreamResponse message;
    private Throwable failure;

    RerankStreamResponse take() throws InterruptedException {
      // Outside the lock: the engine may answer in this very thread.
      subscription.request(1);
      lock.lockInterruptibly();
      try {
        while (message == null && failure == null) {
          changed.await();
        }
        if (message == null) {
          throw Inbox.<RuntimeException>asItIs(failure);
        }
        RerankStreamResponse taken = message;
        message = null;
        return taken;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void onSubscribe(Flow.Subscription value) {
      subscription = value;
    }

    @Override
    public void onNext(RerankStreamResponse value) {
      lock.lock();
      try {
        message = value;
        changed.signalAll();
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void onError(Throwable thrown) {
      lock.lock();
      try {
        if (failure == null) {
          failure = thrown;
        }
        changed.signalAll();
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void onComplete() {
      // The summary before it has said so.
    }

    /** An iterator may throw a checked exception by such a trick too; it comes out unchanged. */
    @SuppressWarnings("unchecked")
    private static <T extends Throwable> T asItIs(Throwable thrown) throws T {
      throw (T) thrown;
    }
  }
}
