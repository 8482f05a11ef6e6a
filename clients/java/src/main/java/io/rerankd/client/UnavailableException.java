package io.rerankd.client;

/**
 * No server was reached, or it cannot answer now; the same call may succeed later.
 *
 * <p>Code {@code UNAVAILABLE}; the reason is empty where no server was reached.
 */
public class UnavailableException extends RerankdException {
  private static final long serialVersionUID = 1L;

  UnavailableException(Failure failure) {
    super(failure);
  }
}
