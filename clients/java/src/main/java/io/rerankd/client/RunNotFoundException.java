package io.rerankd.client;

/** The server keeps no training run of this id. */
public final class RunNotFoundException extends RerankdException {
  private static final long serialVersionUID = 1L;

  RunNotFoundException(Failure failure) {
    super(failure);
  }
}
