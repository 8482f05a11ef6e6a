package io.rerankd.client;

/** More documents than one unary request takes: use {@code rerankAll} or {@code rerankStream}. */
public final class TooManyDocumentsException extends InvalidRequestException {
  private static final long serialVersionUID = 1L;

  TooManyDocumentsException(Failure failure) {
    super(failure);
  }
}
