package io.rerankd.client;

/**
 * An interrupted stream went on with another revision of the model, whose scores cannot be compared
 * with those that it had: run it again.
 *
 * <p>The client raises this itself, so the reason is empty; the code is {@code FAILED_PRECONDITION}.
 * The metadata tells the {@code model}, the {@code first_revision} and the {@code revision} after it.
 */
public final class ModelChangedException extends RerankdException {
  private static final long serialVersionUID = 1L;

  ModelChangedException(Failure failure) {
    super(failure);
  }
}
