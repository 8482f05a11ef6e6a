package io.rerankd.client;

/**
 * A fault in the server, or an answer that breaks the protocol; the server's log has the cause.
 */
public final class InternalException extends RerankdException {
  private static final long serialVersionUID = 1L;

  InternalException(Failure failure) {
    super(failure);
  }
}
