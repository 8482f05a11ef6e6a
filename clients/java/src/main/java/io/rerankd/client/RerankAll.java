package io.rerankd.client;

import io.grpc.SynchronizationContext;
import io.rerankd.v1.Document;
import io.rerankd.v1.RerankRequest;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankStreamResponse;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;

/**
 * Reads a publisher until its documents end or outgrow one message. Then it sends them by one call,
 * or becomes the publisher of a stream: of what it has read and of what is still to come.
 */
final class RerankAll
    implements Flow.Subscriber<Document>, Flow.Publisher<Document>, Flow.Subscription {
  private static final int READ_AHEAD = 32;

  private final RerankdAsyncClient client;
  private final RerankRequest withoutDocuments;
  private final CallSettings settings;
  private final CompletableFuture<RerankResponse> result;
  private final Calls calls;
  private final CallerContext caller = CallerContext.capture();
  private final SynchronizationContext context =
      new SynchronizationContext((thread, thrown) -> fail(thrown));

  private final ArrayDeque<Document> buffer = new ArrayDeque<>();
  private ServerLimits.UnaryBudget budget;
  private Flow.Subscription source;
  private long coming;
  private boolean sourceDone;
  private boolean streaming;
  private Flow.Subscriber<? super Document> stream;
  private long wanted;

  RerankAll(
      RerankdAsyncClient client,
      Calls calls,
      RerankRequest withoutDocuments,
      CallSettings settings,
      CompletableFuture<RerankResponse> result) {
    this.client = client;
    this.withoutDocuments = withoutDocuments;
    this.settings = settings;
    this.result = result;
    this.calls = calls;
  }

  void readFrom(Flow.Publisher<? extends Document> documents) {
    budget = calls.limits().unaryBudget(withoutDocuments);
    result.whenComplete((answer, failure) -> context.execute(this::stopReading));
    documents.subscribe(this);
  }

  @Override
  public void onSubscribe(Flow.Subscription subscription) {
    context.execute(
        () -> {
          if (source != null || result.isDone()) {
            subscription.cancel();
            return;
          }
          source = subscription;
          ask(READ_AHEAD);
        });
  }

  @Override
  public void onNext(Document document) {
    context.execute(
        () -> {
          coming--;
          buffer.add(document);
          if (streaming) {
            drain();
          } else if (!budget.take(document)) {
            streaming = true;
            caller.run(this::stream);
          } else if (coming == 0) {
            ask(READ_AHEAD);
          }
        });
  }

  @Override
  public void onError(Throwable thrown) {
    context.execute(
        () -> {
          sourceDone = true;
          if (stream == null) {
            fail(thrown);
          } else {
            stream.onError(thrown);
          }
        });
  }

  @Override
  public void onComplete() {
    context.execute(
        () -> {
          sourceDone = true;
          if (streaming) {
            drain();
          } else {
            caller.run(this::sendAtOnce);
          }
        });
  }

  /** The stream subscribes to what is read here. */
  @Override
  public void subscribe(Flow.Subscriber<? super Document> subscriber) {
    context.execute(
        () -> {
          stream = subscriber;
          subscriber.onSubscribe(this);
        });
  }

  @Override
  public void request(long documents) {
    context.execute(
        () -> {
          wanted += documents;
          drain();
        });
  }

  @Override
  public void cancel() {
    context.execute(this::stopReading);
  }

  private void drain() {
    while (stream != null && wanted > 0 && !buffer.isEmpty()) {
      wanted--;
      stream.onNext(buffer.remove());
    }
    if (stream != null && buffer.isEmpty() && sourceDone) {
      stream.onComplete();
      stream = null;
    } else if (wanted > coming && !sourceDone) {
      ask(wanted - coming);
    }
  }

  private void ask(long documents) {
    coming += documents;
    source.request(documents);
  }

  private void sendAtOnce() {
    RerankRequest request = withoutDocuments.toBuilder().addAllDocuments(buffer).build();
    CompletableFuture<RerankResponse> call = client.rerank(request, settings);
    call.whenComplete(this::pass);
    result.whenComplete((answer, failure) -> call.cancel(false));
  }

  private void stream() {
    client
        .rerankStream(
            withoutDocuments.getQuery(), this, withoutDocuments.getOptions(), settings)
        .subscribe(new Summary());
  }

  private void pass(RerankResponse answer, Throwable failure) {
    if (failure == null) {
      result.complete(answer);
    } else {
      result.completeExceptionally(failure);
    }
  }

  private void fail(Throwable thrown) {
    result.completeExceptionally(thrown);
  }

  private void stopReading() {
    buffer.clear();
    if (source != null && !sourceDone) {
      sourceDone = true;
      source.cancel();
    }
  }

  /** Waits for the ranking of the stream. */
  private final class Summary implements Flow.Subscriber<RerankStreamResponse> {
    @Override
    public void onSubscribe(Flow.Subscription subscription) {
      result.whenComplete((answer, failure) -> subscription.cancel());
      subscription.request(Long.MAX_VALUE);
    }

    @Override
    public void onNext(RerankStreamResponse message) {
      if (message.hasSummary()) {
        result.complete(message.getSummary());
      }
    }

    @Override
    public void onError(Throwable thrown) {
      fail(thrown);
    }

    @Override
    public void onComplete() {
      // The summary has come.
    }
  }
}
