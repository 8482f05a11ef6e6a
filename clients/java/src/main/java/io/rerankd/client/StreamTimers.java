package io.rerankd.client;

import io.grpc.SynchronizationContext;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;

/** The timers of one stream, which end with it. All methods run in the context of the engine. */
final class StreamTimers {
  private final StreamSupport support;
  private final SynchronizationContext context;
  private final List<Future<?>> pending = new ArrayList<>();

  StreamTimers(StreamSupport support, SynchronizationContext context) {
    this.support = support;
    this.context = context;
  }

  /** Runs a task in the context of the engine after a delay. */
  void after(Duration delay, Runnable task) {
    pending.removeIf(Future::isDone);
    pending.add(support.after(delay, () -> context.execute(task)));
  }

  void cancel() {
    pending.forEach(timer -> timer.cancel(false));
    pending.clear();
  }
}
