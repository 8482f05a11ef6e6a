package io.rerankd.client;

import io.grpc.Context;
import java.util.concurrent.Executor;

/**
 * What belongs to the thread that makes a call: gRPC's context, and the running span where the
 * application has OpenTelemetry. Attempts of a stream begin in other threads.
 */
final class CallerContext {
  private final Context grpc = Context.current();
  private final Executor traced = Tracing.ofThisThread();

  /** Takes that of the thread that asks. */
  static CallerContext capture() {
    return new CallerContext();
  }

  /** Runs the work at once, in this thread, as the caller's own. */
  void run(Runnable work) {
    traced.execute(() -> grpc.run(work));
  }

  private CallerContext() {}
}
