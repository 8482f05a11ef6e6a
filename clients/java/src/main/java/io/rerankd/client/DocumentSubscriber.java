package io.rerankd.client;

import io.grpc.SynchronizationContext;
import io.rerankd.v1.Document;
import java.util.concurrent.Flow;

/** Listens to a publisher of documents, and reports inside the context of an engine. */
final class DocumentSubscriber implements Flow.Subscriber<Document> {
  /** What an engine is told. */
  interface Listener {
    void onSource(Flow.Subscription subscription);

    void onDocument(Document document);

    /** No document follows; without a failure when all of them came. */
    void onSourceEnd(Throwable failure);
  }

  private final SynchronizationContext context;
  private final Listener listener;

  DocumentSubscriber(SynchronizationContext context, Listener listener) {
    this.context = context;
    this.listener = listener;
  }

  @Override
  public void onSubscribe(Flow.Subscription subscription) {
    context.execute(() -> listener.onSource(subscription));
  }

  @Override
  public void onNext(Document document) {
    context.execute(() -> listener.onDocument(document));
  }

  @Override
  public void onError(Throwable thrown) {
    context.execute(() -> listener.onSourceEnd(thrown));
  }

  @Override
  public void onComplete() {
    context.execute(() -> listener.onSourceEnd(null));
  }
}
