package io.rerankd.client;

import io.rerankd.v1.Document;
import java.util.Iterator;
import java.util.List;

/** The documents that were read already, then those that an iterator still has. */
final class JoinedIterator implements Iterator<Document> {
  private final Iterator<Document> first;
  private final Iterator<Document> rest;

  JoinedIterator(List<Document> first, Iterator<Document> rest) {
    this.first = first.iterator();
    this.rest = rest;
  }

  @Override
  public boolean hasNext() {
    return first.hasNext() || rest.hasNext();
  }

  @Override
  public Document next() {
    return first.hasNext() ? first.next() : rest.next();
  }
}
