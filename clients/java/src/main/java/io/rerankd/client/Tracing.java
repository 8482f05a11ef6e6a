package io.rerankd.client;

import io.grpc.ClientInterceptor;
import java.util.Optional;
import java.util.concurrent.Executor;

/** The traces of an application that has OpenTelemetry's API; of others there are none. */
final class Tracing {
  private static final boolean PRESENT = isPresent();

  /** What runs work at once, under the span that runs in this thread. */
  static Executor ofThisThread() {
    return PRESENT ? OpenTelemetryApi.ofThisThread() : Runnable::run;
  }

  /** What tells the server of the span that runs when a call begins. */
  static Optional<ClientInterceptor> interceptor() {
    return PRESENT ? Optional.of(new OpenTelemetryApi()) : Optional.empty();
  }

  private static boolean isPresent() {
    try {
      Class.forName(
          "io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator",
          false,
          Tracing.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException | LinkageError absent) {
      return false;
    }
  }

  private Tracing() {}
}
