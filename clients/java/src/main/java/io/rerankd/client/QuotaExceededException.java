package io.rerankd.client;

/** The key has used up its quota; retry after {@link #getRetryAfter} and not before. */
public final class QuotaExceededException extends RerankdException {
  private static final long serialVersionUID = 1L;

  QuotaExceededException(Failure failure) {
    super(failure);
  }
}
