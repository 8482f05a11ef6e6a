package io.rerankd.client;

/** The model gave NaN or infinity for a document; the metadata's {@code index} names it. */
public final class NonFiniteScoreException extends RerankdException {
  private static final long serialVersionUID = 1L;

  NonFiniteScoreException(Failure failure) {
    super(failure);
  }
}
