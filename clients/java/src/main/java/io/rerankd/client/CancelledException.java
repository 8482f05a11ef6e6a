package io.rerankd.client;

/**
 * The call was cancelled before its answer came: by the caller, an interrupt, or the client's end.
 */
public final class CancelledException extends RerankdException {
  private static final long serialVersionUID = 1L;

  CancelledException(Failure failure) {
    super(failure);
  }
}
