package io.rerankd.client;

/** Inference, a provider or a plugin failed; the server's log has the cause. */
public final class BackendFailedException extends RerankdException {
  private static final long serialVersionUID = 1L;

  BackendFailedException(Failure failure) {
    super(failure);
  }
}
