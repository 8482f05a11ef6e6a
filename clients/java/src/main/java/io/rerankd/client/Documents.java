package io.rerankd.client;

import io.rerankd.v1.Document;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Short ways to make the {@code Document} messages that most callers need. */
public final class Documents {
  private Documents() {}

  /**
   * Makes a document of a text with an id.
   *
   * @param id the caller's name for it, returned with its result; may be empty
   * @param text what is scored, at most 256 KiB of UTF-8
   * @return the document
   */
  public static Document of(String id, String text) {
    return Document.newBuilder().setId(id).setText(text).build();
  }

  /**
   * Makes documents of texts without ids; the index of a result tells its document.
   *
   * @param texts what is scored, each at most 256 KiB of UTF-8
   * @return an unmodifiable list in the same order
   */
  public static List<Document> ofTexts(Iterable<String> texts) {
    List<Document> documents = new ArrayList<>();
    for (String text : texts) {
      documents.add(Document.newBuilder().setText(text).build());
    }
    return Collections.unmodifiableList(documents);
  }

  /**
   * Makes documents of texts without ids; the index of a result tells its document.
   *
   * @param texts what is scored, each at most 256 KiB of UTF-8
   * @return an unmodifiable list in the same order
   */
  public static List<Document> ofTexts(String... texts) {
    return ofTexts(List.of(texts));
  }
}
