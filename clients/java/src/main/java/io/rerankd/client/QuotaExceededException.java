package io.rerankd.client;

/**
 * The key has used up its quota, or the server its own at the {@code provider} that {@link
 * #getMetadata} names; retry after {@link #getRetryAfter} and not before.
 */
public final class QuotaExceededException extends RerankdException {
  private static final long serialVersionUID = 1L;

  QuotaExceededException(Failure failure) {
    super(failure);
  }
}
