package io.rerankd.client;

import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * A future that gRPC calls work for, one after the other; cancelling it ends the one under way.
 *
 * <p>A cancellable {@code io.grpc.Context} would do the same, but it would leak into what the
 * caller chains to the future, and cancel that too.
 */
final class CallFuture<T> extends CompletableFuture<T> {
  private volatile ClientCallStreamObserver<?> call;

  CallFuture() {
    whenComplete((answer, failure) -> stopIfCancelled());
  }

  /**
   * Starts a call unless the future is done.
   *
   * @param method of a stub: unary or with a stream of answers
   * @param onEach runs with each answer; what it throws fails the future
   * @param onEnd runs with the last answer, null when none came
   * @param onFailure runs when the call fails
   */
  <Q, A> void start(
      BiConsumer<Q, StreamObserver<A>> method,
      Q request,
      Consumer<? super A> onEach,
      Consumer<? super A> onEnd,
      Consumer<? super RerankdException> onFailure) {
    if (isDone()) {
      return;
    }
    Observer<Q, A> observer = new Observer<>(onEach, onEnd, onFailure);
    method.accept(request, observer);
    call = observer.call;
    stopIfCancelled();
  }

  /** Runs a step that may refuse to go on. */
  void attempt(Runnable step) {
    try {
      step.run();
    } catch (RerankdException refused) {
      completeExceptionally(refused);
    }
  }

  private void stopIfCancelled() {
    ClientCallStreamObserver<?> underWay = call;
    if (isCancelled() && underWay != null) {
      underWay.cancel("the future was cancelled", null);
    }
  }

  private final class Observer<Q, A> implements ClientResponseObserver<Q, A> {
    private final Consumer<? super A> onEach;
    private final Consumer<? super A> onEnd;
    private final Consumer<? super RerankdException> onFailure;
    private ClientCallStreamObserver<Q> call;
    private A last;

    Observer(
        Consumer<? super A> onEach,
        Consumer<? super A> onEnd,
        Consumer<? super RerankdException> onFailure) {
      this.onEach = onEach;
      this.onEnd = onEnd;
      this.onFailure = onFailure;
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<Q> value) {
      call = value;
    }

    @Override
    public void onNext(A answer) {
      last = answer;
      guarded(() -> onEach.accept(answer));
    }

    @Override
    public void onError(Throwable thrown) {
      guarded(() -> onFailure.accept(Errors.of(thrown)));
    }

    @Override
    public void onCompleted() {
      guarded(() -> onEnd.accept(last));
    }

    /** What the caller's code or a check throws would end in gRPC's log otherwise. */
    private void guarded(Runnable step) {
      try {
        step.run();
      } catch (Throwable thrown) {
        completeExceptionally(thrown);
        call.cancel("the answer could not be used", thrown);
      }
    }
  }
}
