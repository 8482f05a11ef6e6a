package io.rerankd.client;

/** A training run is active where there may be one: wait for its end, or cancel it. */
public final class RunActiveException extends RerankdException {
  private static final long serialVersionUID = 1L;

  RunActiveException(Failure failure) {
    super(failure);
  }
}
