package io.rerankd.client;

/**
 * A message is larger than its receiver takes: use {@code rerankStream}, or ask for fewer results.
 *
 * <p>gRPC itself refuses such a message, so the reason is empty; the code is {@code
 * RESOURCE_EXHAUSTED}.
 */
public final class MessageTooLargeException extends RerankdException {
  private static final long serialVersionUID = 1L;

  MessageTooLargeException(Failure failure) {
    super(failure);
  }
}
