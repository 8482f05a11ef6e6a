package io.rerankd.client;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** What the streams of one client share: its calls, a timer, and its end. */
final class StreamSupport implements AutoCloseable {
  private final Calls calls;
  private final int resumeAttempts;
  private final ScheduledThreadPoolExecutor timer;
  private final Set<StreamEngine> open = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  StreamSupport(Calls calls, int resumeAttempts) {
    this.calls = calls;
    this.resumeAttempts = resumeAttempts;
    timer = new ScheduledThreadPoolExecutor(1, StreamSupport::timerThread);
    // Deadlines of streams that ended long before would pile up otherwise.
    timer.setRemoveOnCancelPolicy(true);
    // No stream, no thread.
    timer.setKeepAliveTime(10, TimeUnit.SECONDS);
    timer.allowCoreThreadTimeOut(true);
  }

  Calls calls() {
    return calls;
  }

  int resumeAttempts() {
    return resumeAttempts;
  }

  Future<?> after(Duration delay, Runnable task) {
    try {
      return timer.schedule(task, Calls.nanos(delay), TimeUnit.NANOSECONDS);
    } catch (RejectedExecutionException afterClose) {
      // The client's end is on its way to the stream and does more than the task would have.
      return CompletableFuture.completedFuture(null);
    }
  }

  /** Takes note of a stream; false when the client is closed already. */
  boolean opened(StreamEngine stream) {
    open.add(stream);
    if (closed) {
      open.remove(stream);
    }
    return !closed;
  }

  void closed(StreamEngine stream) {
    open.remove(stream);
  }

  /** Ends the streams that are under way. */
  @Override
  public void close() {
    closed = true;
    open.forEach(StreamEngine::clientClosed);
    timer.shutdownNow();
  }

  private static Thread timerThread(Runnable task) {
    Thread thread = new Thread(task, "rerankd-timer");
    thread.setDaemon(true);
    return thread;
  }
}
