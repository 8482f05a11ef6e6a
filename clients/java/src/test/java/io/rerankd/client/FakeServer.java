package io.rerankd.client;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.StatusProto;
import io.grpc.protobuf.services.HealthStatusManager;
import io.rerankd.v1.RerankServiceGrpc;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/** A server on a real socket that can be stopped, killed and started again on its port. */
final class FakeServer implements AutoCloseable {
  final FakeService service = new FakeService();
  final HealthStatusManager health = new HealthStatusManager();
  final List<Metadata> metadata = new CopyOnWriteArrayList<>();
  private final ServerCredentials credentials;
  private Server server;
  private int port;

  FakeServer() {
    this(InsecureServerCredentials.create());
  }

  FakeServer(ServerCredentials credentials) {
    this.credentials = credentials;
    start(0);
    health.setStatus(RerankServiceGrpc.SERVICE_NAME, ServingStatus.SERVING);
  }

  String target() {
    return "127.0.0.1:" + port;
  }

  int port() {
    return port;
  }

  /** Sends GOAWAY and lets the calls under way finish. */
  void stopGracefully() {
    server.shutdown();
  }

  void awaitStop() throws InterruptedException {
    if (!server.awaitTermination(30, TimeUnit.SECONDS)) {
      throw new AssertionError("the server did not stop");
    }
  }

  void startAgain() {
    start(port);
  }

  @Override
  public void close() throws InterruptedException {
    server.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
  }

  private void start(int port) {
    try {
      server =
          Grpc.newServerBuilderForPort(port, credentials)
              .maxInboundMessageSize(64 << 20)
              .addService(service)
              .addService(health.getHealthService())
              .intercept(
                  new ServerInterceptor() {
                    @Override
                    public <Q, A> ServerCall.Listener<Q> interceptCall(
                        ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
                      metadata.add(headers);
                      return next.startCall(call, headers);
                    }
                  })
              .build()
              .start();
      this.port = server.getPort();
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  /** An error as the real server sends it. */
  static StatusRuntimeException error(Status.Code code, String reason, String message) {
    return error(code, reason, message, Map.of("model", "tiny"));
  }

  /** An error with its parts that vary. */
  static StatusRuntimeException error(
      Status.Code code, String reason, String message, Map<String, String> metadata) {
    ErrorInfo info =
        ErrorInfo.newBuilder()
            .setDomain("rerankd")
            .setReason(reason)
            .putAllMetadata(metadata)
            .build();
    return StatusProto.toStatusRuntimeException(
        com.google.rpc.Status.newBuilder()
            .setCode(code.value())
            .setMessage(message)
            .addDetails(Any.pack(info))
            .build());
  }

  /** An error that names the delay before a retry. */
  static StatusRuntimeException error(
      Status.Code code, String reason, String message, java.time.Duration retryAfter) {
    com.google.rpc.Status.Builder status =
        com.google.rpc.Status.newBuilder()
            .setCode(code.value())
            .setMessage(message)
            .addDetails(
                Any.pack(
                    ErrorInfo.newBuilder()
                        .setDomain("rerankd")
                        .setReason(reason)
                        .putMetadata("model", "tiny")
                        .build()));
    if (retryAfter != null) {
      Duration delay =
          Duration.newBuilder()
              .setSeconds(retryAfter.getSeconds())
              .setNanos(retryAfter.getNano())
              .build();
      status.addDetails(Any.pack(RetryInfo.newBuilder().setRetryDelay(delay).build()));
    }
    return StatusProto.toStatusRuntimeException(status.build());
  }
}
