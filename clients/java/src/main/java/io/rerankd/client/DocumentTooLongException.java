package io.rerankd.client;

/**
 * A document is longer than the server takes, or than the model reads with {@code
 * LONG_DOCUMENT_REJECT}.
 */
public final class DocumentTooLongException extends InvalidRequestException {
  private static final long serialVersionUID = 1L;

  DocumentTooLongException(Failure failure) {
    super(failure);
  }
}
