package io.rerankd.client;

import io.rerankd.v1.Document;
import java.util.Iterator;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Publishes what an iterator gives, for one subscriber, from one task of an executor. The task waits
 * while nothing is asked for, and ends with the iterator or the subscription.
 */
final class IteratorSource implements Flow.Publisher<Document> {
  private final Iterable<? extends Document> documents;
  private final Executor executor;

  IteratorSource(Iterable<? extends Document> documents, Executor executor) {
    this.documents = documents;
    this.executor = executor;
  }

  @Override
  public void subscribe(Flow.Subscriber<? super Document> subscriber) {
    Reader reader = new Reader(subscriber);
    subscriber.onSubscribe(reader);
    try {
      executor.execute(reader);
    } catch (RejectedExecutionException refused) {
      subscriber.onError(refused);
    }
  }

  private final class Reader implements Flow.Subscription, Runnable {
    private final Flow.Subscriber<? super Document> subscriber;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private long demand;
    private boolean cancelled;

    Reader(Flow.Subscriber<? super Document> subscriber) {
      this.subscriber = subscriber;
    }

    @Override
    public void request(long documents) {
      lock.lock();
      try {
        demand += documents;
        changed.signal();
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void cancel() {
      lock.lock();
      try {
        cancelled = true;
        changed.signal();
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void run() {
      try {
        readAll();
      } catch (InterruptedException interrupt) {
        Thread.currentThread().interrupt();
        subscriber.onError(
            Errors.cancelled("the thread that reads the documents was interrupted", interrupt));
      } catch (Throwable thrown) {
        // Also an Error: whoever waits for the stream would otherwise wait for ever.
        subscriber.onError(thrown);
      }
    }

    private void readAll() throws InterruptedException {
      Iterator<? extends Document> iterator = null;
      long index = 0;
      while (isAsked()) {
        if (iterator == null) {
          iterator = documents.iterator();
        }
        if (!iterator.hasNext()) {
          subscriber.onComplete();
          return;
        }
        Document document = iterator.next();
        if (document == null) {
          throw new NullPointerException("documents[" + index + "] is null");
        }
        index++;
        subscriber.onNext(document);
      }
    }

    /** Waits for the demand for one more document; false when the subscriber has enough. */
    private boolean isAsked() throws InterruptedException {
      lock.lock();
      try {
        while (demand == 0 && !cancelled) {
          changed.await();
        }
        demand--;
        return !cancelled;
      } finally {
        lock.unlock();
      }
    }
  }
}
