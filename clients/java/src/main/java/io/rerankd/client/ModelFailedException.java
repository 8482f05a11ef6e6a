package io.rerankd.client;

/** The model cannot be loaded; a retry does not help until the operator has acted. */
public final class ModelFailedException extends RerankdException {
  private static final long serialVersionUID = 1L;

  ModelFailedException(Failure failure) {
    super(failure);
  }
}
