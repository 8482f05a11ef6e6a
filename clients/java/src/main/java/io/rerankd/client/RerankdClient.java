package io.rerankd.client;

import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.ManagedChannel;
import io.rerankd.training.v1alpha.FeedbackEvent;
import io.rerankd.training.v1alpha.RecordFeedbackRequest;
import io.rerankd.training.v1alpha.RecordFeedbackResponse;
import io.rerankd.v1.Document;
import io.rerankd.v1.ModelStatus;
import io.rerankd.v1.RerankBatchRequest;
import io.rerankd.v1.RerankBatchResponse;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankRequest;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.StatusRequest;
import io.rerankd.v1.StatusResponse;
import io.rerankd.v1.WarmupRequest;
import io.rerankd.v1.WarmupResponse;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Calls a rerankd server and waits for its answers. Safe to share between threads: one client for
 * each server is enough, and making one is expensive. Close it when it is not needed any more.
 *
 * <pre>{@code
 * try (RerankdClient client = RerankdClient.connect("localhost:50051")) {
 *   RerankResponse ranking = client.rerank("capital of France", Documents.ofTexts("Paris", "Bread"));
 * }
 * }</pre>
 *
 * <p>Every method throws a {@link RerankdException} when its call fails. A thread that is
 * interrupted while it waits cancels its call, keeps its interrupt status and gets a {@link
 * CancelledException}. The waiting holds no monitor and needs no thread-local state, so the methods
 * may be called from virtual threads; {@link #async} does not wait at all.
 *
 * <p>Unary calls are tried up to three times while the server answers UNAVAILABLE. Without a timeout
 * of their own they have the client's, 30 seconds by default.
 */
public final class RerankdClient implements AutoCloseable {
  private final ManagedChannel channel;
  private final Calls calls;
  private final StreamSupport streams;
  private final Executor documentExecutor;
  private final Readiness readiness;
  private final RerankdAsyncClient async;

  RerankdClient(
      ManagedChannel channel, Calls calls, int resumeAttempts, Executor documentExecutor) {
    this.channel = channel;
    this.calls = calls;
    this.documentExecutor = documentExecutor;
    streams = new StreamSupport(calls, resumeAttempts);
    readiness = new Readiness(calls);
    async = new RerankdAsyncClient(calls, streams);
  }

  /**
   * Prepares a client with default choices; it connects at its first call.
   *
   * @param target as in {@link #builder}
   * @return a client to close
   */
  public static RerankdClient connect(String target) {
    return builder(target).build();
  }

  /**
   * Starts to make a client.
   *
   * @param target {@code host:port}, {@code dns:///host:port}, a fixed list {@code
   *     ipv4:10.0.0.1:50051,10.0.0.2:50051}, or any other target of gRPC. Each address that it
   *     resolves to takes its turn
   * @return a builder
   */
  public static RerankdClientBuilder builder(String target) {
    return new RerankdClientBuilder(target);
  }

  /**
   * Returns the methods that do not wait, over the same connections.
   *
   * @return the same object at each call; closing this client ends it too
   */
  public RerankdAsyncClient async() {
    return async;
  }

  /**
   * Ranks up to 1,024 documents with default options.
   *
   * @param query what to rank by
   * @param documents the candidates
   * @return the ranking, best first
   */
  public RerankResponse rerank(String query, Iterable<Document> documents) {
    return rerank(query, documents, RerankOptions.getDefaultInstance());
  }

  /**
   * Ranks up to 1,024 documents.
   *
   * @param query what to rank by
   * @param documents the candidates
   * @param options what the server should do
   * @return the ranking, best first
   */
  public RerankResponse rerank(String query, Iterable<Document> documents, RerankOptions options) {
    return rerank(request(query, documents, options), CallSettings.defaults());
  }

  /**
   * Ranks up to 1,024 documents.
   *
   * @param request the query, the candidates and what the server should do
   * @param settings the deadline; what concerns streams is not read
   * @return the ranking, best first
   * @throws TooManyDocumentsException nothing was sent: use {@link #rerankAll}
   * @throws MessageTooLargeException nothing was sent: use {@link #rerankAll}
   */
  public RerankResponse rerank(RerankRequest request, CallSettings settings) {
    Deadline deadline = calls.unaryDeadline(settings);
    calls.check(request, deadline);
    return Errors.typed(() -> calls.blocking(deadline).rerank(request));
  }

  /**
   * Ranks any number of documents with default options and settings; see {@link #rerankAll(String,
   * Iterable, RerankOptions, CallSettings)}.
   *
   * @param query what to rank by
   * @param documents the candidates
   * @return the ranking, best first
   */
  public RerankResponse rerankAll(String query, Iterable<Document> documents) {
    return rerankAll(
        query, documents, RerankOptions.getDefaultInstance(), CallSettings.defaults());
  }

  /**
   * Ranks any number of documents: by {@link #rerank} if they fit one message, else by a stream,
   * which has no deadline unless the settings give one.
   *
   * @param query what to rank by
   * @param documents the candidates; iterated once, the first ones in this thread, the rest of a
   *     larger set by a task of {@link RerankdClientBuilder#documentExecutor}
   * @param options what the server should do
   * @param settings the deadline and the size of chunks
   * @return the ranking, best first
   */
  public RerankResponse rerankAll(
      String query, Iterable<Document> documents, RerankOptions options, CallSettings settings) {
    return rerankAll(query, documents.iterator(), options, settings);
  }

  /**
   * Ranks any number of documents; see {@link #rerankAll(String, Iterable, RerankOptions,
   * CallSettings)}.
   *
   * @param query what to rank by
   * @param documents the candidates
   * @param options what the server should do
   * @param settings the deadline and the size of chunks
   * @return the ranking, best first
   */
  public RerankResponse rerankAll(
      String query, Iterator<Document> documents, RerankOptions options, CallSettings settings) {
    calls.tryToLearnLimits(calls.unaryDeadline(settings));
    RerankRequest.Builder request = request(query, List.of(), options).toBuilder();
    ServerLimits.UnaryBudget budget = calls.limits().unaryBudget(request.build());
    while (documents.hasNext()) {
      Document document = documents.next();
      request.addDocuments(document);
      if (!budget.take(document)) {
        JoinedIterator all = new JoinedIterator(request.getDocumentsList(), documents);
        try (RerankStream ranking = rerankStream(query, all, options, settings)) {
          return ranking.summary();
        }
      }
    }
    return rerank(request.build(), settings);
  }

  /**
   * Ranks any number of documents; see {@link #rerankAll(String, Iterable, RerankOptions,
   * CallSettings)}.
   *
   * @param query what to rank by
   * @param documents the candidates; the caller closes the stream
   * @param options what the server should do
   * @param settings the deadline and the size of chunks
   * @return the ranking, best first
   */
  public RerankResponse rerankAll(
      String query, Stream<Document> documents, RerankOptions options, CallSettings settings) {
    return rerankAll(query, documents.iterator(), options, settings);
  }

  /**
   * Ranks documents while they are still being made. They are read only as fast as the server scores
   * them, so memory stays the same for any number if {@code top_n} is set; with {@code top_n} 0 all
   * ids and scores are kept. An interruption of the stream does not show: the client goes on where
   * it was.
   *
   * @param query what to rank by
   * @param documents the candidates; iterated once, by a task of {@link
   *     RerankdClientBuilder#documentExecutor}
   * @param options what the server should do; in a stream {@code original_score_weight} has to be 0
   * @param settings the deadline, the events, the size of chunks
   * @return a stream to close
   */
  public RerankStream rerankStream(
      String query,
      Iterable<? extends Document> documents,
      RerankOptions options,
      CallSettings settings) {
    Objects.requireNonNull(documents, "documents");
    StreamPlan plan = new StreamPlan(query, options, settings);
    IteratorSource source = new IteratorSource(documents, documentExecutor);
    return new RerankStream(
        subscriber -> new StreamEngine(streams, plan, source, subscriber));
  }

  /**
   * Ranks documents while they are still being made; see {@link #rerankStream(String, Iterable,
   * RerankOptions, CallSettings)}.
   *
   * @param query what to rank by
   * @param documents the candidates
   * @param options what the server should do
   * @param settings the deadline, the events, the size of chunks
   * @return a stream to close
   */
  public RerankStream rerankStream(
      String query, Iterator<Document> documents, RerankOptions options, CallSettings settings) {
    Objects.requireNonNull(documents, "documents");
    return rerankStream(query, (Iterable<Document>) () -> documents, options, settings);
  }

  /**
   * Ranks documents while they are still being made; see {@link #rerankStream(String, Iterable,
   * RerankOptions, CallSettings)}.
   *
   * @param query what to rank by
   * @param documents the candidates; the caller closes the stream of documents, after this one
   * @param options what the server should do
   * @param settings the deadline, the events, the size of chunks
   * @return a stream to close
   */
  public RerankStream rerankStream(
      String query, Stream<Document> documents, RerankOptions options, CallSettings settings) {
    return rerankStream(query, documents.iterator(), options, settings);
  }

  /**
   * Ranks for several queries in one call; one that fails has its error in its own result.
   *
   * @param request up to 64 queries, and the documents that they share
   * @param settings the deadline
   * @return one result for each request, in their order
   * @throws MessageTooLargeException nothing was sent
   */
  public RerankBatchResponse rerankBatch(RerankBatchRequest request, CallSettings settings) {
    Deadline deadline = calls.unaryDeadline(settings);
    calls.check(request, deadline);
    return Errors.typed(() -> calls.blocking(deadline).rerankBatch(request));
  }

  /**
   * Tells a server that learns what was shown, clicked or rated. The events are on disk when it
   * returns: all of them or, where one is not valid, none. It may be called again with the same events.
   *
   * @param events 1 to 1,000 of them; {@link Feedback} makes them
   * @return ids of what was kept, and of what was known already
   */
  public RecordFeedbackResponse recordFeedback(Iterable<FeedbackEvent> events) {
    return recordFeedback(events, CallSettings.defaults());
  }

  /**
   * Tells a server that learns what was shown, clicked or rated; see {@link
   * #recordFeedback(Iterable)}.
   *
   * @param events 1 to 1,000 of them
   * @param settings the deadline
   * @return ids of what was kept, and of what was known already
   */
  public RecordFeedbackResponse recordFeedback(
      Iterable<FeedbackEvent> events, CallSettings settings) {
    Deadline deadline = calls.unaryDeadline(settings);
    RecordFeedbackRequest request =
        RecordFeedbackRequest.newBuilder().addAllEvents(events).build();
    return Errors.typed(() -> calls.blockingTraining(deadline).recordFeedback(request));
  }

  /**
   * Asks for the server's version, limits, queue and models. Answers also while models load.
   *
   * @return the state of the server at this moment
   */
  public StatusResponse status() {
    return status(CallSettings.defaults());
  }

  /**
   * Asks for the server's version, limits, queue and models. Answers also while models load.
   *
   * @param settings the deadline
   * @return the state of the server at this moment
   */
  public StatusResponse status(CallSettings settings) {
    Deadline deadline = calls.unaryDeadline(settings);
    StatusResponse status =
        Errors.typed(() -> calls.blocking(deadline).status(StatusRequest.getDefaultInstance()));
    calls.learn(status);
    return status;
  }

  /**
   * Loads a model and waits until it answers requests; a load under way is joined. The load goes on
   * when the deadline passes or the call is cancelled.
   *
   * @param request the model, and optionally samples of what will come
   * @param onProgress runs in this thread with each message of the server, the last one included;
   *     what it throws cancels the call and comes out as it is
   * @param settings the deadline; without one 5 minutes
   * @return the state of the model at the end
   */
  public ModelStatus warmup(
      WarmupRequest request, Consumer<? super WarmupResponse> onProgress, CallSettings settings) {
    Deadline deadline = calls.after(settings.timeout().orElse(Calls.WARMUP_TIMEOUT));
    Context.CancellableContext context = Context.current().withCancellation();
    Context previous = context.attach();
    try {
      Iterator<WarmupResponse> messages = Errors.typed(() -> calls.blocking(deadline).warmup(request));
      WarmupResponse last = null;
      while (Errors.typed(messages::hasNext)) {
        last = messages.next();
        onProgress.accept(last);
      }
      if (last == null) {
        throw Errors.protocol("the warm-up ended without any message");
      }
      return last.getStatus();
    } finally {
      context.detach(previous);
      context.cancel(null);
    }
  }

  /**
   * Asks whether the default model is ready for requests.
   *
   * @return whether the server says SERVING now
   */
  public boolean isReady() {
    return isReady(Readiness.DEFAULT_MODEL, CallSettings.defaults());
  }

  /**
   * Asks whether a health name is SERVING.
   *
   * @param service {@code rerankd.v1.RerankService} for the default model, {@code
   *     rerankd.model/ID} for another
   * @param settings the deadline
   * @return whether it is; false too for a name that the server does not know
   */
  public boolean isReady(String service, CallSettings settings) {
    return readiness.isServing(service, calls.unaryDeadline(settings));
  }

  /**
   * Waits until the server answers and the default model is ready for requests.
   *
   * @param timeout how long to wait for the server to start and the model to load
   * @throws DeadlineExceededException it is not ready by then
   */
  public void waitUntilReady(Duration timeout) {
    waitUntilReady(Readiness.DEFAULT_MODEL, timeout);
  }

  /**
   * Waits until the server answers and a health name is SERVING.
   *
   * @param service {@code rerankd.v1.RerankService} for the default model, {@code
   *     rerankd.model/ID} for another
   * @param timeout how long to wait for the server to start and the model to load
   * @throws DeadlineExceededException it is not SERVING by then
   */
  public void waitUntilReady(String service, Duration timeout) {
    readiness.await(service, CallSettings.requirePositive(timeout, "timeout"));
  }

  /**
   * Ends the calls that are under way with a {@link CancelledException} or an {@link
   * UnavailableException}, and waits up to 5 seconds until the connections are closed.
   */
  @Override
  public void close() {
    streams.close();
    channel.shutdownNow();
    try {
      channel.awaitTermination(5, TimeUnit.SECONDS);
    } catch (InterruptedException interrupt) {
      Thread.currentThread().interrupt();
    }
  }

  static RerankRequest request(String query, Iterable<Document> documents, RerankOptions options) {
    return RerankRequest.newBuilder()
        .setQuery(query)
        .addAllDocuments(documents)
        .setOptions(options)
        .build();
  }
}
