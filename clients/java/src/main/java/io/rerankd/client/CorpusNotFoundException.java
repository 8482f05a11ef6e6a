package io.rerankd.client;

/** The server keeps no corpus of this id. */
public final class CorpusNotFoundException extends RerankdException {
  private static final long serialVersionUID = 1L;

  CorpusNotFoundException(Failure failure) {
    super(failure);
  }
}
