package io.rerankd.client;

/** The model is being loaded; {@code warmup} follows the load. */
public final class ModelLoadingException extends UnavailableException {
  private static final long serialVersionUID = 1L;

  ModelLoadingException(Failure failure) {
    super(failure);
  }
}
