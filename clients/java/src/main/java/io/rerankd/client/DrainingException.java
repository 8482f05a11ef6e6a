package io.rerankd.client;

/** The server is stopping and takes no new calls. */
public final class DrainingException extends UnavailableException {
  private static final long serialVersionUID = 1L;

  DrainingException(Failure failure) {
    super(failure);
  }
}
