package io.rerankd.client;

import io.rerankd.training.v1alpha.Click;
import io.rerankd.training.v1alpha.FeedbackEvent;
import io.rerankd.training.v1alpha.Rating;
import io.rerankd.training.v1alpha.Shown;
import io.rerankd.training.v1alpha.ShownDocument;
import io.rerankd.v1.Document;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankResult;
import java.util.List;
import java.util.UUID;

/**
 * Makes the events that tell a server that learns what was shown, clicked and rated; {@link
 * RerankdClient#recordFeedback} sends them. The request id names a list of results: any id will do that
 * is the same in all of its events.
 */
public final class Feedback {
  private Feedback() {}

  /**
   * Makes the event of a list of results that a user saw.
   *
   * @param corpusId the corpus that the documents are from
   * @param requestId names the list
   * @param query what was asked
   * @param documents what was ranked; each one that is shown needs an id
   * @param ranking the results, in the order of the screen
   * @return the event
   * @throws IllegalArgumentException a document that was shown has no id, so that nobody could click it
   */
  public static FeedbackEvent shown(
      String corpusId,
      String requestId,
      String query,
      List<Document> documents,
      RerankResponse ranking) {
    Shown.Builder shown = Shown.newBuilder().setQuery(query);
    for (RerankResult result : ranking.getResultsList()) {
      Document document = documents.get(result.getIndex());
      if (document.getId().isEmpty()) {
        throw new IllegalArgumentException("documents[" + result.getIndex() + "].id is empty");
      }
      shown.addDocuments(
          ShownDocument.newBuilder()
              .setId(document.getId())
              .setText(document.getText())
              .setRank(result.getRank())
              .setScore(result.getScore()));
    }
    return event(corpusId, requestId, "shown:" + requestId).setShown(shown).build();
  }

  /**
   * Makes the event of a click.
   *
   * @param corpusId the corpus that the document is from
   * @param requestId names the list of results
   * @param documentId what was clicked
   * @return the event
   */
  public static FeedbackEvent clicked(String corpusId, String requestId, String documentId) {
    return event(corpusId, requestId, UUID.randomUUID().toString())
        .setClick(Click.newBuilder().setDocumentId(documentId))
        .build();
  }

  /**
   * Makes the event of a rating.
   *
   * @param corpusId the corpus that the document is from
   * @param requestId names the list of results
   * @param documentId what was rated
   * @param rating 0 is bad, 1 is best
   * @return the event
   */
  public static FeedbackEvent rated(
      String corpusId, String requestId, String documentId, double rating) {
    return event(corpusId, requestId, UUID.randomUUID().toString())
        .setRating(Rating.newBuilder().setDocumentId(documentId).setRating(rating))
        .build();
  }

  private static FeedbackEvent.Builder event(String corpusId, String requestId, String eventId) {
    return FeedbackEvent.newBuilder()
        .setEventId(eventId)
        .setRequestId(requestId)
        .setCorpusId(corpusId);
  }
}
