package io.rerankd.client;

/** The server's queue is full; retry after {@link #getRetryAfter}, best on another server. */
public final class OverloadedException extends UnavailableException {
  private static final long serialVersionUID = 1L;

  OverloadedException(Failure failure) {
    super(failure);
  }
}
