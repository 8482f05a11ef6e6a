package io.rerankd.client;

/** The messages of a stream came in a wrong order; this client never sends them so. */
public final class StreamProtocolException extends InvalidRequestException {
  private static final long serialVersionUID = 1L;

  StreamProtocolException(Failure failure) {
    super(failure);
  }
}
