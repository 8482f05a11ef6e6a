package io.rerankd.client;

/** The runs were not measured on the same thing; a difference of their figures means nothing. */
public final class NotComparableException extends RerankdException {
  private static final long serialVersionUID = 1L;

  NotComparableException(Failure failure) {
    super(failure);
  }
}
