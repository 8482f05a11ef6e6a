package io.rerankd.client;

/** The deadline came before the answer. */
public final class DeadlineExceededException extends RerankdException {
  private static final long serialVersionUID = 1L;

  DeadlineExceededException(Failure failure) {
    super(failure);
  }
}
