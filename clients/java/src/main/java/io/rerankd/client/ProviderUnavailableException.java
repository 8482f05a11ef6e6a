package io.rerankd.client;

/**
 * What scores for this model is elsewhere, and cannot be reached or is overloaded; retry after {@link
 * #getRetryAfter}.
 */
public final class ProviderUnavailableException extends UnavailableException {
  private static final long serialVersionUID = 1L;

  ProviderUnavailableException(Failure failure) {
    super(failure);
  }
}
