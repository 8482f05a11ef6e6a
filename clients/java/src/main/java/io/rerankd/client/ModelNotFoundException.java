package io.rerankd.client;

/** The server offers no model of this name; {@code status} lists what it offers. */
public final class ModelNotFoundException extends RerankdException {
  private static final long serialVersionUID = 1L;

  ModelNotFoundException(Failure failure) {
    super(failure);
  }
}
