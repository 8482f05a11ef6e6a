package io.rerankd.client;

import io.grpc.SynchronizationContext;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.rerankd.v1.RerankServiceGrpc.RerankServiceStub;
import io.rerankd.v1.RerankStreamRequest;
import io.rerankd.v1.RerankStreamResponse;

/**
 * One gRPC stream of a {@link StreamEngine}. What gRPC's threads report goes through the engine's
 * context, in which all methods have to be called.
 */
final class Attempt implements ClientResponseObserver<RerankStreamRequest, RerankStreamResponse> {
  /** What an attempt tells its engine, inside the engine's context. */
  interface Listener {
    /** The transport takes messages again. */
    void onReady(Attempt attempt);

    void onMessage(Attempt attempt, RerankStreamResponse message);

    /** The last event; without a failure when the server ended the stream well. */
    void onClosed(Attempt attempt, RerankdException failure);
  }

  private final SynchronizationContext context;
  private final Listener listener;
  private final int firstRequest;
  private ClientCallStreamObserver<RerankStreamRequest> call;
  private boolean halfClosed;

  private Attempt(SynchronizationContext context, Listener listener, int firstRequest) {
    this.context = context;
    this.listener = listener;
    this.firstRequest = firstRequest;
  }

  /**
   * Opens a stream and sends its start.
   *
   * @param firstRequest messages that the server may send before {@link #request} asks for more
   */
  static Attempt open(
      RerankServiceStub stub,
      RerankStreamRequest start,
      int firstRequest,
      SynchronizationContext context,
      Listener listener) {
    Attempt attempt = new Attempt(context, listener, firstRequest);
    stub.rerankStream(attempt);
    attempt.call.onNext(start);
    return attempt;
  }

  /** Whether a message would leave at once instead of filling memory. */
  boolean isReady() {
    return call.isReady();
  }

  void send(RerankStreamRequest message) {
    call.onNext(message);
  }

  void halfClose() {
    if (!halfClosed) {
      halfClosed = true;
      call.onCompleted();
    }
  }

  boolean isHalfClosed() {
    return halfClosed;
  }

  void request(int messages) {
    call.request(messages);
  }

  void cancel(String why) {
    call.cancel(why, null);
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<RerankStreamRequest> requests) {
    call = requests;
    call.disableAutoRequestWithInitial(firstRequest);
    call.setOnReadyHandler(() -> context.execute(() -> listener.onReady(this)));
  }

  @Override
  public void onNext(RerankStreamResponse message) {
    context.execute(() -> listener.onMessage(this, message));
  }

  @Override
  public void onError(Throwable thrown) {
    RerankdException failure = Errors.of(thrown);
    context.execute(() -> listener.onClosed(this, failure));
  }

  @Override
  public void onCompleted() {
    context.execute(() -> listener.onClosed(this, null));
  }
}
