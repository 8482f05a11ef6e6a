package io.rerankd.client;

/** The call brought no key, or one that the server does not know. */
public final class UnauthenticatedException extends RerankdException {
  private static final long serialVersionUID = 1L;

  UnauthenticatedException(Failure failure) {
    super(failure);
  }
}
