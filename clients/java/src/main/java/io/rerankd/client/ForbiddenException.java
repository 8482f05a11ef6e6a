package io.rerankd.client;

/** The key does not allow this call or this model. */
public final class ForbiddenException extends RerankdException {
  private static final long serialVersionUID = 1L;

  ForbiddenException(Failure failure) {
    super(failure);
  }
}
