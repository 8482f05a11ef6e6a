package io.rerankd.client;

/** The training material is too small to learn from; collect or import more and mine again. */
public final class TooFewTripletsException extends RerankdException {
  private static final long serialVersionUID = 1L;

  TooFewTripletsException(Failure failure) {
    super(failure);
  }
}
