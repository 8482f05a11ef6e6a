package io.rerankd.client;

import com.google.protobuf.MessageLite;
import io.grpc.Deadline;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.stub.StreamObserver;
import io.rerankd.v1.Document;
import io.rerankd.v1.ModelStatus;
import io.rerankd.v1.RerankBatchRequest;
import io.rerankd.v1.RerankBatchResponse;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankRequest;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankServiceGrpc.RerankServiceStub;
import io.rerankd.v1.RerankStreamResponse;
import io.rerankd.v1.StatusRequest;
import io.rerankd.v1.StatusResponse;
import io.rerankd.v1.WarmupRequest;
import io.rerankd.v1.WarmupResponse;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Calls a rerankd server without waiting; {@link RerankdClient#async} gives it. Safe to share
 * between threads.
 *
 * <p>A future fails with a {@link RerankdException}. Cancelling the future that a method returned
 * cancels its call; cancelling one that was derived from it does not. Futures complete, and
 * subscribers and consumers run, in threads of the channel's executor ({@code
 * ManagedChannelBuilder.executor}), in the thread of a publisher of documents, or in the one that
 * requests: they must not block. What the methods do is described in {@link RerankdClient}.
 */
public final class RerankdAsyncClient {
  private final Calls calls;
  private final StreamSupport streams;

  RerankdAsyncClient(Calls calls, StreamSupport streams) {
    this.calls = calls;
    this.streams = streams;
  }

  /**
   * Ranks up to 1,024 documents.
   *
   * @param query what to rank by
   * @param documents the candidates; iterated before this method returns
   * @param options what the server should do
   * @return the ranking, best first
   */
  public CompletableFuture<RerankResponse> rerank(
      String query, Iterable<Document> documents, RerankOptions options) {
    return rerank(RerankdClient.request(query, documents, options), CallSettings.defaults());
  }

  /**
   * Ranks up to 1,024 documents.
   *
   * @param request the query, the candidates and what the server should do
   * @param settings the deadline; what concerns streams is not read
   * @return the ranking, best first
   */
  public CompletableFuture<RerankResponse> rerank(RerankRequest request, CallSettings settings) {
    return checked(request, calls.unaryDeadline(settings), stub -> stub::rerank);
  }

  /**
   * Ranks any number of documents: by {@link #rerank} if they fit one message, else by a stream.
   *
   * @param query what to rank by
   * @param documents the candidates; subscribed to once, and asked for no more than there is room
   *     for
   * @param options what the server should do
   * @param settings the deadline and the size of chunks
   * @return the ranking, best first
   */
  public CompletableFuture<RerankResponse> rerankAll(
      String query,
      Flow.Publisher<? extends Document> documents,
      RerankOptions options,
      CallSettings settings) {
    Objects.requireNonNull(documents, "documents");
    RerankRequest empty = RerankdClient.request(query, List.of(), options);
    CallFuture<RerankResponse> result = new CallFuture<>();
    RerankAll all = new RerankAll(this, calls, empty, settings, result);
    Runnable begin = () -> all.readFrom(documents);
    if (calls.limitsKnown()) {
      begin.run();
    } else {
      // Without an answer the defaults stay: the call itself says better what is wrong.
      Deadline deadline = calls.unaryDeadline(settings);
      askStatus(result, deadline, status -> begin.run(), failure -> begin.run());
    }
    return result;
  }

  /**
   * Ranks documents while they are still being made.
   *
   * @param query what to rank by
   * @param documents the candidates; subscribed to once, and asked for no more than there is room
   *     for. What it fails with comes out as it is
   * @param options what the server should do; in a stream {@code original_score_weight} has to be 0
   * @param settings the deadline, the events, the size of chunks
   * @return the events that the settings chose, then one message with the {@code summary}. It takes
   *     one subscriber; subscribing starts the call, and cancelling the subscription ends it. Scores
   *     that nobody requested hold the sending up; snapshots are made when they are requested
   */
  public Flow.Publisher<RerankStreamResponse> rerankStream(
      String query,
      Flow.Publisher<? extends Document> documents,
      RerankOptions options,
      CallSettings settings) {
    Objects.requireNonNull(documents, "documents");
    StreamPlan plan = new StreamPlan(query, options, settings);
    AtomicBoolean taken = new AtomicBoolean();
    return subscriber -> {
      Objects.requireNonNull(subscriber, "subscriber");
      if (taken.getAndSet(true)) {
        subscriber.onSubscribe(new Refused());
        subscriber.onError(new IllegalStateException("the stream has a subscriber already"));
        return;
      }
      new StreamEngine(streams, plan, documents, subscriber).start();
    };
  }

  /**
   * Ranks for several queries in one call; one that fails has its error in its own result.
   *
   * @param request up to 64 queries, and the documents that they share
   * @param settings the deadline
   * @return one result for each request, in their order
   */
  public CompletableFuture<RerankBatchResponse> rerankBatch(
      RerankBatchRequest request, CallSettings settings) {
    return checked(request, calls.unaryDeadline(settings), stub -> stub::rerankBatch);
  }

  /**
   * Asks for the server's version, limits, queue and models.
   *
   * @param settings the deadline
   * @return the state of the server at this moment
   */
  public CompletableFuture<StatusResponse> status(CallSettings settings) {
    CallFuture<StatusResponse> status = new CallFuture<>();
    askStatus(status, calls.unaryDeadline(settings), status::complete, status::completeExceptionally);
    return status;
  }

  /**
   * Loads a model, and completes when it answers requests.
   *
   * @param request the model, and optionally samples of what will come
   * @param onProgress runs with each message of the server, the last one included; what it throws
   *     cancels the call and fails the future
   * @param settings the deadline; without one 5 minutes
   * @return the state of the model at the end
   */
  public CompletableFuture<ModelStatus> warmup(
      WarmupRequest request, Consumer<? super WarmupResponse> onProgress, CallSettings settings) {
    Deadline deadline = calls.after(settings.timeout().orElse(Calls.WARMUP_TIMEOUT));
    CallFuture<ModelStatus> model = new CallFuture<>();
    model.<WarmupRequest, WarmupResponse>start(
        calls.async(deadline)::warmup,
        request,
        onProgress,
        last -> {
          if (last == null) {
            throw Errors.protocol("the warm-up ended without any message");
          }
          model.complete(last.getStatus());
        },
        model::completeExceptionally);
    return model;
  }

  /**
   * Asks whether a health name is SERVING.
   *
   * @param service {@code rerankd.v1.RerankService} for the default model, {@code
   *     rerankd.model/ID} for another
   * @param settings the deadline
   * @return whether it is; false too for a name that the server does not know
   */
  public CompletableFuture<Boolean> isReady(String service, CallSettings settings) {
    Deadline deadline = calls.unaryDeadline(settings);
    CallFuture<Boolean> ready = new CallFuture<>();
    ready.<HealthCheckRequest, HealthCheckResponse>start(
        calls.asyncHealth(deadline)::check,
        Readiness.request(service),
        answer -> {},
        answer -> ready.complete(Readiness.isServing(answer)),
        failure -> {
          if (failure.getCode() == Status.Code.NOT_FOUND) {
            ready.complete(false);
          } else {
            ready.completeExceptionally(failure);
          }
        });
    return ready;
  }

  /** Sends a request that the server would take; asks for its limits before it says no. */
  private <Q extends MessageLite, A> CompletableFuture<A> checked(
      Q request,
      Deadline deadline,
      Function<RerankServiceStub, BiConsumer<Q, StreamObserver<A>>> method) {
    CallFuture<A> result = new CallFuture<>();
    CallerContext caller = CallerContext.capture();
    Runnable send =
        () -> {
          calls.limits().check(request);
          caller.run(
              () ->
                  result.start(
                      method.apply(calls.async(deadline)),
                      request,
                      answer -> {},
                      result::complete,
                      result::completeExceptionally));
        };
    if (calls.limits().admit(request) || calls.limitsKnown()) {
      result.attempt(send);
    } else {
      askStatus(
          result,
          deadline,
          status -> send.run(),
          failure -> {
            calls.cannotLearn(failure);
            send.run();
          });
    }
    return result;
  }

  private void askStatus(
      CallFuture<?> within,
      Deadline deadline,
      Consumer<StatusResponse> onStatus,
      Consumer<RerankdException> onFailure) {
    within.<StatusRequest, StatusResponse>start(
        calls.async(deadline)::status,
        StatusRequest.getDefaultInstance(),
        answer -> {},
        status -> {
          calls.learn(status);
          onStatus.accept(status);
        },
        onFailure);
  }

  /** The subscription that has to come before an error. */
  private static final class Refused implements Flow.Subscription {
    @Override
    public void request(long events) {
      // None will come.
    }

    @Override
    public void cancel() {
      // Nothing runs.
    }
  }
}
