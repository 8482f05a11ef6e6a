package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.rerankd.v1.Limits;
import io.rerankd.v1.ModelState;
import io.rerankd.v1.ModelStatus;
import io.rerankd.v1.RerankBatchRequest;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankRequest;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankServiceGrpc;
import io.rerankd.v1.WarmupRequest;
import io.rerankd.v1.WarmupStage;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Everything but streams. */
@Timeout(60)
class ClientTest {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
  private static final Metadata.Key<String> USER_AGENT =
      Metadata.Key.of("user-agent", Metadata.ASCII_STRING_MARSHALLER);
  private static final CallSettings DEFAULTS = CallSettings.defaults();

  private final FakeServer server = new FakeServer();
  private final FakeService service = server.service;
  private final RerankdClient client =
      RerankdClient.builder(server.target()).token("secret").metadata("team", "search").build();

  @AfterEach
  void close() throws InterruptedException {
    client.close();
    server.close();
  }

  private static RuntimeException unavailable() {
    return Status.UNAVAILABLE.asRuntimeException();
  }

  private static RerankRequest request(int documents) {
    return RerankdClient.request(
        "q", Expected.documents(documents, 1), RerankOptions.getDefaultInstance());
  }

  @Test
  void ranks() {
    RerankResponse answer = client.rerank("q", Documents.ofTexts("1 a", "3 b", "2 c"));

    assertEquals(
        List.of(1, 2, 0),
        answer.getResultsList().stream().map(r -> r.getIndex()).collect(Collectors.toList()));
    Metadata sent = server.metadata.get(0);
    assertEquals("Bearer secret", sent.get(AUTHORIZATION));
    assertEquals(
        "search", sent.get(Metadata.Key.of("team", Metadata.ASCII_STRING_MARSHALLER)));
    assertTrue(sent.get(USER_AGENT).startsWith("rerankd-java/0.4.0 "), sent.get(USER_AGENT));
  }

  @Test
  void unavailableIsTriedThreeTimes() {
    service.unaryFailures.addAll(List.of(unavailable(), unavailable()));
    assertEquals(5, client.rerank(request(5), DEFAULTS).getResultsCount());
    assertEquals(3, service.unaryCalls.get());

    service.unaryFailures.addAll(List.of(unavailable(), unavailable(), unavailable()));
    assertThrows(UnavailableException.class, () -> client.rerank(request(5), DEFAULTS));
    assertEquals(6, service.unaryCalls.get());
  }

  @Test
  void aLargeRequestIsTriedAgainToo() {
    service.unaryFailures.add(unavailable());
    RerankRequest large =
        RerankRequest.newBuilder()
            .setQuery("q")
            .addDocuments(Documents.of("", "1 " + "x".repeat(12 << 20)))
            .build();
    assertEquals(1, client.rerank(large, DEFAULTS).getResultsCount());
    assertEquals(2, service.unaryCalls.get());
  }

  @Test
  void tooManyDocumentsAreNotSent() {
    TooManyDocumentsException failure =
        assertThrows(
            TooManyDocumentsException.class, () -> client.rerank(request(1025), DEFAULTS));

    assertInstanceOf(InvalidRequestException.class, failure);
    assertEquals("TOO_MANY_DOCUMENTS", failure.getReason());
    assertEquals("1024", failure.getMetadata().get("limit"));
    assertEquals("documents", failure.getFieldViolations().get(0).getField());
    assertEquals(1, service.statusCalls.get());
    assertEquals(0, service.unaryCalls.get());
  }

  @Test
  void theLiveLimitsDecide() {
    service.limits = Limits.newBuilder().setMaxDocuments(2000).build();
    assertEquals(1025, client.rerank(request(1025), DEFAULTS).getResultsCount());
  }

  @Test
  void aMessageAboveTheLimitIsNotSent() {
    RerankRequest large =
        RerankRequest.newBuilder()
            .setQuery("q")
            .addDocuments(Documents.of("", "1 " + "x".repeat(17 << 20)))
            .build();
    MessageTooLargeException failure =
        assertThrows(MessageTooLargeException.class, () -> client.rerank(large, DEFAULTS));
    assertEquals(Status.Code.RESOURCE_EXHAUSTED, failure.getCode());
    assertEquals("", failure.getReason());
    assertThrows(
        MessageTooLargeException.class,
        () ->
            client.rerankBatch(
                RerankBatchRequest.newBuilder().addRequests(large).build(), DEFAULTS));
    assertEquals(0, service.unaryCalls.get());
  }

  @Test
  void anAnswerAboveTheClientsLimitIsNamed() {
    try (RerankdClient small =
        RerankdClient.builder(server.target()).maxReceiveBytes(1000).build()) {
      assertThrows(MessageTooLargeException.class, () -> small.rerank(request(500), DEFAULTS));
    }
  }

  @Test
  void theDeadlineOfTheClientAndOfTheCall() {
    service.unaryGate = new CountDownLatch(1);
    CallSettings brief = CallSettings.withTimeout(Duration.ofMillis(200));
    assertThrows(DeadlineExceededException.class, () -> client.rerank(request(1), brief));
    try (RerankdClient impatient =
        RerankdClient.builder(server.target()).timeout(Duration.ofMillis(200)).build()) {
      DeadlineExceededException failure =
          assertThrows(
              DeadlineExceededException.class, () -> impatient.rerank(request(1), DEFAULTS));
      assertEquals(Status.Code.DEADLINE_EXCEEDED, failure.getCode());
    }
    service.unaryGate.countDown();
  }

  @Test
  void noServerIsUnavailableAtOnceAndWaitedForOnDemand() throws Exception {
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    try (RerankdClient nobody = RerankdClient.connect("127.0.0.1:" + port)) {
      UnavailableException failure =
          assertThrows(UnavailableException.class, () -> nobody.rerank(request(1), DEFAULTS));
      assertEquals("", failure.getReason());
      assertThrows(UnavailableException.class, () -> nobody.isReady());
    }
    try (RerankdClient patient =
        RerankdClient.builder("127.0.0.1:" + port).waitForReady(true).build()) {
      assertThrows(
          DeadlineExceededException.class,
          () -> patient.status(CallSettings.withTimeout(Duration.ofMillis(300))));
    }
  }

  @Test
  void anInterruptCancelsTheCall() throws InterruptedException {
    service.unaryGate = new CountDownLatch(1);
    CompletableFuture<Throwable> thrown = new CompletableFuture<>();
    Thread waiting =
        new Thread(
            () -> {
              try {
                client.rerank(request(1), DEFAULTS);
              } catch (RerankdException failure) {
                thrown.complete(Thread.currentThread().isInterrupted() ? failure : null);
              }
            });
    waiting.start();
    service.unaryArrived.acquire();
    waiting.interrupt();
    assertInstanceOf(CancelledException.class, thrown.join());
    service.unaryGate.countDown();
  }

  @Test
  void batches() throws Exception {
    RerankBatchRequest batch =
        RerankBatchRequest.newBuilder().addRequests(request(3)).addRequests(request(2)).build();
    assertEquals(
        2, client.rerankBatch(batch, DEFAULTS).getResults(1).getResponse().getResultsCount());
    assertEquals(2, client.async().rerankBatch(batch, DEFAULTS).get().getResultsCount());
  }

  @Test
  void asksForStatus() throws Exception {
    assertEquals("9.9.9", client.status().getVersion());
    assertEquals("9.9.9", client.async().status(DEFAULTS).get().getVersion());
  }

  @Test
  void warmsUpWithProgress() throws Exception {
    List<WarmupStage> stages = new ArrayList<>();
    ModelStatus status =
        client.warmup(
            WarmupRequest.getDefaultInstance(), step -> stages.add(step.getStage()), DEFAULTS);
    assertEquals(ModelState.MODEL_STATE_ACTIVE, status.getState());
    assertEquals(
        status,
        client
            .async()
            .warmup(
                WarmupRequest.getDefaultInstance(), step -> stages.add(step.getStage()), DEFAULTS)
            .get());
    assertEquals(
        List.of(
            WarmupStage.WARMUP_STAGE_VERIFY,
            WarmupStage.WARMUP_STAGE_DONE,
            WarmupStage.WARMUP_STAGE_VERIFY,
            WarmupStage.WARMUP_STAGE_DONE),
        stages);
  }

  @Test
  void whatAProgressConsumerThrowsComesOut() {
    IllegalStateException broken = new IllegalStateException("no terminal");
    WarmupRequest request = WarmupRequest.getDefaultInstance();
    assertSame(
        broken,
        assertThrows(
            IllegalStateException.class,
            () ->
                client.warmup(
                    request,
                    step -> {
                      throw broken;
                    },
                    DEFAULTS)));
    ExecutionException failure =
        assertThrows(
            ExecutionException.class,
            () ->
                client
                    .async()
                    .warmup(
                        request,
                        step -> {
                          throw broken;
                        },
                        DEFAULTS)
                    .get());
    assertSame(broken, failure.getCause());
  }

  @Test
  void readiness() throws Exception {
    assertTrue(client.isReady());
    assertFalse(client.isReady("rerankd.model/none", DEFAULTS));
    assertTrue(client.async().isReady(RerankServiceGrpc.SERVICE_NAME, DEFAULTS).get());
    assertFalse(client.async().isReady("rerankd.model/none", DEFAULTS).get());
    client.waitUntilReady(Duration.ofSeconds(30));

    server.health.setStatus(RerankServiceGrpc.SERVICE_NAME, ServingStatus.NOT_SERVING);
    assertFalse(client.isReady());
    DeadlineExceededException failure =
        assertThrows(
            DeadlineExceededException.class,
            () -> client.waitUntilReady(Duration.ofMillis(300)));
    assertTrue(failure.getMessage().contains("not SERVING"));
  }

  @Test
  void waitsForAServerThatStartsLater() throws Exception {
    server.stopGracefully();
    server.awaitStop();
    CompletableFuture<Void> waiting =
        CompletableFuture.runAsync(() -> client.waitUntilReady(Duration.ofSeconds(50)));
    server.startAgain();
    waiting.get();
  }

  @Test
  void cancellingAFutureCancelsItsCall() throws Exception {
    service.unaryGate = new CountDownLatch(1);
    CompletableFuture<RerankResponse> future = client.async().rerank(request(1), DEFAULTS);
    service.unaryArrived.acquire();
    future.cancel(false);
    assertThrows(CancellationException.class, future::get);
    service.unaryGate.countDown();
  }

  @Test
  void whatIsChainedToAFutureIsNotCancelledWithIt() throws Exception {
    CompletableFuture<RerankResponse> both =
        client
            .async()
            .rerank(request(3), DEFAULTS)
            .thenCompose(first -> client.async().rerank(request(4), DEFAULTS));
    assertEquals(4, both.get().getResultsCount());
  }

  @Test
  void futuresFailWithTypedExceptions() {
    service.unaryFailures.add(
        FakeServer.error(Status.Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", "used up"));
    ExecutionException failure =
        assertThrows(
            ExecutionException.class, () -> client.async().rerank(request(1), DEFAULTS).get());
    assertInstanceOf(QuotaExceededException.class, failure.getCause());
    assertInstanceOf(
        TooManyDocumentsException.class,
        assertThrows(
                ExecutionException.class,
                () -> client.async().rerank(request(1025), DEFAULTS).get())
            .getCause());
  }

  @Test
  void closingLeavesNoThreadOfTheClient() throws Exception {
    Set<Thread> before = new HashSet<>(Thread.getAllStackTraces().keySet());
    RerankdClient other = RerankdClient.connect(server.target());
    RerankStream stream =
        other.rerankStream(
            "q",
            Expected.documents(2000, 1),
            RerankOptions.getDefaultInstance(),
            CallSettings.withTimeout(Duration.ofSeconds(50)));
    assertEquals(2000, stream.summary().getResultsCount());
    other.close();

    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      if (!before.contains(thread) && thread.getName().startsWith("rerankd-")) {
        thread.join(TimeUnit.SECONDS.toMillis(30));
        assertFalse(thread.isAlive(), thread::getName);
      }
    }
  }

  @Test
  void settingsRefuseWhatHasNoMeaning() {
    CallSettings.Builder settings = CallSettings.newBuilder();
    assertThrows(IllegalArgumentException.class, () -> settings.timeout(Duration.ZERO));
    assertThrows(IllegalArgumentException.class, () -> settings.chunkDocuments(0));
    assertThrows(
        IllegalArgumentException.class, () -> settings.snapshotInterval(Duration.ofMillis(-1)));
    RerankdClientBuilder builder = RerankdClient.builder("localhost:1");
    assertThrows(IllegalArgumentException.class, () -> builder.resumeAttempts(-1));
    assertThrows(IllegalArgumentException.class, () -> builder.maxReceiveBytes(0));
    assertThrows(IllegalArgumentException.class, () -> builder.keepalive(Duration.ofSeconds(-1)));
    RerankdClientBuilder noPem = RerankdClient.builder("localhost:1").tls(new byte[] {1, 2});
    assertThrows(IllegalArgumentException.class, noPem::build);
  }

  @Test
  void aFixedListOfAddressesIsSharedOut() throws InterruptedException {
    try (FakeServer other = new FakeServer();
        RerankdClient both =
            RerankdClient.connect(
                "ipv4:" + server.target() + "," + other.target())) {
      // Round robin begins with the first connection; the second joins once it is there.
      while (service.unaryCalls.get() < 3 || other.service.unaryCalls.get() < 3) {
        both.rerank(request(1), DEFAULTS);
      }
    }
    for (String wrong : Arrays.asList("ipv4:localhost:1", "ipv4:1.2.3.4", "ipv4:256.1.1.1:1", "ipv4:")) {
      assertThrows(IllegalArgumentException.class, () -> RerankdClient.connect(wrong));
    }
    RerankdClient.connect("ipv6:[::1]:50051,[fe80::1]:2").close();
  }
}
