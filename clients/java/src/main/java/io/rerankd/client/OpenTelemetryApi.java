package io.rerankd.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import java.util.concurrent.Executor;

/**
 * Sends the running span along with each call, as W3C's {@code traceparent}. To be loaded only where
 * OpenTelemetry's API is there.
 *
 * <p>It knows the format and not the application's propagators: asking for those would settle the
 * global OpenTelemetry of an application that has not set it yet.
 */
final class OpenTelemetryApi implements ClientInterceptor {
  private static final Metadata.Key<String> TRACEPARENT = key("traceparent");

  static Executor ofThisThread() {
    return Context.current().wrap((Executor) Runnable::run);
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    Context context = Context.current();
    return new SimpleForwardingClientCall<Q, A>(next.newCall(method, options)) {
      @Override
      public void start(Listener<A> listener, Metadata headers) {
        // The caller, or an interceptor that makes a span of the call, may have told by now.
        if (!headers.containsKey(TRACEPARENT)) {
          W3CTraceContextPropagator.getInstance()
              .inject(context, headers, (carrier, name, value) -> carrier.put(key(name), value));
        }
        super.start(listener, headers);
      }
    };
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }
}
