package io.rerankd.client;

/**
 * A field of the request is missing, out of bounds or contradictory; {@link #getFieldViolations} names it.
 *
 * <p>The request never succeeds as it is. Reason {@code INVALID_REQUEST}, or that of a subclass.
 */
public class InvalidRequestException extends RerankdException {
  private static final long serialVersionUID = 1L;

  InvalidRequestException(Failure failure) {
    super(failure);
  }
}
