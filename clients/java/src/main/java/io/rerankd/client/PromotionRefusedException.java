package io.rerankd.client;

/** The gate does not let this run's model be served; the message says which condition it failed. */
public final class PromotionRefusedException extends RerankdException {
  private static final long serialVersionUID = 1L;

  PromotionRefusedException(Failure failure) {
    super(failure);
  }
}
