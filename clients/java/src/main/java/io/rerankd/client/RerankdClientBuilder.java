package io.rerankd.client;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.ManagedChannelRegistry;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.MetadataUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * Choices of a client; the defaults suit a server in the same network without TLS. Not safe to
 * share between threads.
 */
public final class RerankdClientBuilder {
  private static final int MIB = 1024 * 1024;
  private static final AtomicLong THREADS = new AtomicLong();

  private final String target;
  private final Metadata metadata = new Metadata();
  private ChannelCredentials credentials = InsecureChannelCredentials.create();
  private Duration timeout = Duration.ofSeconds(30);
  private Duration keepalive = Duration.ZERO;
  private int maxReceiveBytes = 16 * MIB;
  private boolean waitForReady;
  private int resumeAttempts = 8;
  private Executor documentExecutor = RerankdClientBuilder::inNewThread;
  private Consumer<? super ManagedChannelBuilder<?>> customizer = builder -> {};

  RerankdClientBuilder(String target) {
    this.target = Objects.requireNonNull(target, "target");
  }

  /**
   * Encrypts the connection; the server's certificate must come from an authority that the JVM
   * trusts.
   *
   * @return this
   */
  public RerankdClientBuilder tls() {
    return credentials(TlsChannelCredentials.create());
  }

  /**
   * Encrypts the connection; the server's certificate must come from one of these authorities.
   *
   * @param authorities certificates, the content of a PEM file
   * @return this
   */
  public RerankdClientBuilder tls(byte[] authorities) {
    try {
      return credentials(
          TlsChannelCredentials.newBuilder().trustManager(stream(authorities)).build());
    } catch (IOException failure) {
      throw new UncheckedIOException("authorities cannot be read", failure);
    }
  }

  /**
   * Encrypts the connection, and shows a certificate to a server that asks for one.
   *
   * @param authorities certificates of those who may have signed the server's, the content of a PEM
   *     file
   * @param certificateChain the client's certificate and those between it and an authority, the
   *     content of a PEM file
   * @param privateKey the key of that certificate, the content of a PEM file in PKCS #8, without a
   *     password
   * @return this
   */
  public RerankdClientBuilder mutualTls(
      byte[] authorities, byte[] certificateChain, byte[] privateKey) {
    try {
      return credentials(
          TlsChannelCredentials.newBuilder()
              .trustManager(stream(authorities))
              .keyManager(stream(certificateChain), stream(privateKey))
              .build());
    } catch (IOException failure) {
      throw new UncheckedIOException("the certificates cannot be read", failure);
    }
  }

  /**
   * Sets credentials that the methods for TLS do not cover.
   *
   * @param value any credentials of gRPC. Default: plain text
   * @return this
   */
  public RerankdClientBuilder credentials(ChannelCredentials value) {
    credentials = Objects.requireNonNull(value, "credentials");
    return this;
  }

  /**
   * Sends {@code authorization: Bearer TOKEN} with each call, also over plain text.
   *
   * @param value the key that the operator gave out, in visible ASCII
   * @return this
   */
  public RerankdClientBuilder token(String value) {
    Objects.requireNonNull(value, "token");
    metadata.discardAll(key("authorization"));
    return metadata("authorization", "Bearer " + value);
  }

  /**
   * Sends an entry of metadata with each call.
   *
   * @param name in lower case, not starting with {@code grpc-} and not ending with {@code -bin}
   * @param value visible ASCII and spaces
   * @return this
   * @throws IllegalArgumentException the name is not allowed in HTTP/2
   */
  public RerankdClientBuilder metadata(String name, String value) {
    metadata.put(key(name), Objects.requireNonNull(value, "value"));
    return this;
  }

  /**
   * Sets the deadline of a unary call that names none.
   *
   * @param value more than zero. Default 30 seconds
   * @return this
   */
  public RerankdClientBuilder timeout(Duration value) {
    timeout = CallSettings.requirePositive(value, "timeout");
    return this;
  }

  /**
   * Sets the pause between pings on a connection without traffic.
   *
   * @param value zero (the default) sends none; 60 seconds suit NAT and load balancers that drop
   *     idle connections. The server cuts off who pings more often than every 30 seconds
   * @return this
   */
  public RerankdClientBuilder keepalive(Duration value) {
    Objects.requireNonNull(value, "keepalive");
    if (value.isNegative()) {
      throw new IllegalArgumentException("keepalive is " + value + "; it takes zero or more");
    }
    keepalive = value;
    return this;
  }

  /**
   * Sets the largest message that the client takes.
   *
   * @param value bytes, 1 or more. Default 16 MiB: gRPC's own 4 MiB are outgrown by a ranking of
   *     many returned documents
   * @return this
   */
  public RerankdClientBuilder maxReceiveBytes(int value) {
    if (value < 1) {
      throw new IllegalArgumentException("maxReceiveBytes is " + value + "; it takes 1 or more");
    }
    maxReceiveBytes = value;
    return this;
  }

  /**
   * Sets whether calls wait, up to their deadline, for a server that cannot be reached yet.
   *
   * @param value false, the default, fails such calls at once, so that the caller can go elsewhere
   * @return this
   */
  public RerankdClientBuilder waitForReady(boolean value) {
    waitForReady = value;
    return this;
  }

  /**
   * Sets after how many attempts in a row without a new score an interrupted stream gives up.
   *
   * @param value 0 never resumes; before any score has come, 3 attempts are the most. Default 8
   * @return this
   */
  public RerankdClientBuilder resumeAttempts(int value) {
    if (value < 0) {
      throw new IllegalArgumentException("resumeAttempts is " + value + "; it takes 0 or more");
    }
    resumeAttempts = value;
    return this;
  }

  /**
   * Sets what runs the iterators of documents: each stream occupies one task until its documents
   * are read or the stream has ended.
   *
   * @param value must not run the task in the thread that submits it. Default: a new daemon thread
   *     for each stream. {@code Executors.newVirtualThreadPerTaskExecutor()} makes them virtual. The
   *     caller shuts it down
   * @return this
   */
  public RerankdClientBuilder documentExecutor(Executor value) {
    documentExecutor = Objects.requireNonNull(value, "documentExecutor");
    return this;
  }

  /**
   * Sets a last change to gRPC's own builder: interceptors for tracing and metrics, an executor, a
   * proxy, another authority. It runs after everything else was set.
   *
   * @param value called once, by {@link #build}
   * @return this
   */
  public RerankdClientBuilder customizeChannel(Consumer<? super ManagedChannelBuilder<?>> value) {
    customizer = Objects.requireNonNull(value, "customizer");
    return this;
  }

  /**
   * Makes the client, which connects at its first call.
   *
   * @return a client to close
   * @throws IllegalArgumentException the target is not understood, or what was given for TLS is no
   *     PEM of that kind
   */
  public RerankdClient build() {
    ManagedChannelBuilder<?> builder =
        newChannelBuilder()
            .defaultServiceConfig(ServiceConfig.load())
            .enableRetry()
            // A call that outgrows these is not retried; gRPC's own 1 MiB is less than a request.
            .perRpcBufferLimit(17L * MIB)
            .retryBufferSize(256L * MIB)
            .userAgent("rerankd-java/" + version())
            .maxInboundMessageSize(maxReceiveBytes);
    // The last added is asked first: a span that an interceptor of the application makes wins.
    Tracing.interceptor().ifPresent(builder::intercept);
    builder.intercept(MetadataUtils.newAttachHeadersInterceptor(metadata));
    if (!keepalive.isZero()) {
      builder.keepAliveTime(keepalive.toNanos(), TimeUnit.NANOSECONDS).keepAliveWithoutCalls(true);
    }
    customizer.accept(builder);
    ManagedChannel channel = builder.build();
    return new RerankdClient(
        channel, new Calls(channel, timeout, waitForReady), resumeAttempts, documentExecutor);
  }

  private ManagedChannelBuilder<?> newChannelBuilder() {
    try {
      return Grpc.newChannelBuilder(FixedAddresses.grpcTarget(target), credentials);
    } catch (ManagedChannelRegistry.ProviderNotFoundException failure) {
      throw new IllegalArgumentException(
          "the target or the credentials cannot be used: " + failure.getMessage(), failure);
    }
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }

  private static InputStream stream(byte[] pem) {
    return new ByteArrayInputStream(pem);
  }

  private static void inNewThread(Runnable task) {
    Thread thread = new Thread(task, "rerankd-documents-" + THREADS.incrementAndGet());
    thread.setDaemon(true);
    thread.start();
  }

  private static String version() {
    Properties properties = new Properties();
    try (InputStream file = RerankdClientBuilder.class.getResourceAsStream("version.properties")) {
      properties.load(file);
    } catch (IOException failure) {
      throw new UncheckedIOException("version.properties cannot be read", failure);
    }
    return properties.getProperty("version");
  }
}
