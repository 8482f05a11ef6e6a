package io.rerankd.client;

import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.rerankd.v1.Document;
import io.rerankd.v1.Limits;
import io.rerankd.v1.ModelRef;
import io.rerankd.v1.ModelState;
import io.rerankd.v1.ModelStatus;
import io.rerankd.v1.Outcome;
import io.rerankd.v1.RerankBatchRequest;
import io.rerankd.v1.RerankBatchResponse;
import io.rerankd.v1.RerankBatchResult;
import io.rerankd.v1.RerankRequest;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankResult;
import io.rerankd.v1.RerankServiceGrpc;
import io.rerankd.v1.RerankStreamRequest;
import io.rerankd.v1.RerankStreamResponse;
import io.rerankd.v1.StatusRequest;
import io.rerankd.v1.StatusResponse;
import io.rerankd.v1.WarmupRequest;
import io.rerankd.v1.WarmupResponse;
import io.rerankd.v1.WarmupStage;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;

/** A service whose scores follow from the texts and whose failures are scripted. */
final class FakeService extends RerankServiceGrpc.RerankServiceImplBase {
  /** The logit of a document: the number that its text begins with. */
  static float logit(Document document) {
    return Float.parseFloat(document.getText().split(" ", 2)[0]);
  }

  static float sigmoid(float logit) {
    return (float) (1 / (1 + Math.exp(-logit)));
  }

  /** How one stream goes; each attempt takes the next one, and the last is for all that follow. */
  static final class Script {
    int failAfterScores = -1;
    RuntimeException failure;
    Runnable afterScores;
    String revision = "r1";
    boolean tellsModel = true;
    int microBatch = 16;
    boolean ignoresHalfClose;
    int partialAfterScores = -1;
    /** Documents from this index on are left unscored. */
    int unscoredFrom = Integer.MAX_VALUE;
    /** What the final message has instead of the usual. */
    RerankResponse summary = RerankResponse.getDefaultInstance();

    static Script failing(int afterScores, RuntimeException failure) {
      Script script = new Script();
      script.failAfterScores = afterScores;
      script.failure = failure;
      return script;
    }
  }

  final Queue<Script> scripts = new ConcurrentLinkedQueue<>();
  volatile Script lastScript = new Script();
  volatile Limits limits = Limits.newBuilder().setStreamWindowDocuments(64).build();
  final Queue<RuntimeException> unaryFailures = new ConcurrentLinkedQueue<>();
  final AtomicInteger unaryCalls = new AtomicInteger();
  final AtomicInteger statusCalls = new AtomicInteger();
  final List<FakeStream> streams = new CopyOnWriteArrayList<>();
  volatile CountDownLatch unaryGate = new CountDownLatch(0);
  final Semaphore unaryArrived = new Semaphore(0);

  /** Micro-batches that may be scored. */
  volatile Semaphore gate = new Semaphore(Integer.MAX_VALUE);

  Script nextScript() {
    Script script = scripts.poll();
    return script == null ? lastScript : script;
  }

  @Override
  public StreamObserver<RerankStreamRequest> rerankStream(
      StreamObserver<RerankStreamResponse> responses) {
    FakeStream stream = new FakeStream(this, nextScript(), responses);
    streams.add(stream);
    return stream;
  }

  @Override
  public void rerank(RerankRequest request, StreamObserver<RerankResponse> observer) {
    unary(observer, ignored -> ranking(request));
  }

  @Override
  public void rerankBatch(
      RerankBatchRequest request, StreamObserver<RerankBatchResponse> observer) {
    unary(
        observer,
        ignored -> {
          RerankBatchResponse.Builder response = RerankBatchResponse.newBuilder();
          for (RerankRequest one : request.getRequestsList()) {
            response.addResults(RerankBatchResult.newBuilder().setResponse(ranking(one)));
          }
          return response.build();
        });
  }

  @Override
  public void status(StatusRequest request, StreamObserver<StatusResponse> observer) {
    statusCalls.incrementAndGet();
    observer.onNext(StatusResponse.newBuilder().setVersion("9.9.9").setLimits(limits).build());
    observer.onCompleted();
  }

  @Override
  public void warmup(WarmupRequest request, StreamObserver<WarmupResponse> observer) {
    observer.onNext(
        WarmupResponse.newBuilder().setStage(WarmupStage.WARMUP_STAGE_VERIFY).build());
    ModelStatus status =
        ModelStatus.newBuilder().setId("tiny").setState(ModelState.MODEL_STATE_ACTIVE).build();
    observer.onNext(
        WarmupResponse.newBuilder()
            .setStage(WarmupStage.WARMUP_STAGE_DONE)
            .setStatus(status)
            .build());
    observer.onCompleted();
  }

  static ModelRef model(String revision) {
    return ModelRef.newBuilder().setId("tiny").setRevision(revision).setBackend("onnx").build();
  }

  private <A> void unary(StreamObserver<A> observer, Function<Void, A> answer) {
    unaryCalls.incrementAndGet();
    unaryArrived.release();
    try {
      unaryGate.await();
    } catch (InterruptedException cancelled) {
      observer.onError(Status.CANCELLED.asRuntimeException());
      return;
    }
    RuntimeException failure = unaryFailures.poll();
    if (failure != null) {
      observer.onError(failure);
      return;
    }
    observer.onNext(answer.apply(null));
    observer.onCompleted();
  }

  private static RerankResponse ranking(RerankRequest request) {
    RerankResponse.Builder response =
        RerankResponse.newBuilder().setOutcome(Outcome.OUTCOME_RERANKED).setModel(model("r1"));
    response.addAllResults(
        Expected.ranking(request.getDocumentsList(), request.getOptions()));
    for (RerankResult result : response.getResultsList()) {
      response.getUsageBuilder().setScoredDocuments(result.getRank());
    }
    return response.build();
  }
}
