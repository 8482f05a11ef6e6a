package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.rerankd.training.v1alpha.FeedbackEvent;
import io.rerankd.training.v1alpha.RecordFeedbackRequest;
import io.rerankd.training.v1alpha.RecordFeedbackResponse;
import io.rerankd.training.v1alpha.TrainingServiceGrpc;
import io.rerankd.v1.Document;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankResult;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FeedbackTest {
  private final List<FeedbackEvent> kept = new CopyOnWriteArrayList<>();
  private volatile boolean refuses;
  private Server server;
  private RerankdClient client;

  @BeforeEach
  void start() throws Exception {
    server =
        Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
            .addService(
                new TrainingServiceGrpc.TrainingServiceImplBase() {
                  @Override
                  public void recordFeedback(
                      RecordFeedbackRequest request,
                      StreamObserver<RecordFeedbackResponse> observer) {
                    if (refuses) {
                      observer.onError(
                          FakeServer.error(Status.Code.PERMISSION_DENIED, "FORBIDDEN", "no"));
                      return;
                    }
                    kept.addAll(request.getEventsList());
                    RecordFeedbackResponse.Builder answer = RecordFeedbackResponse.newBuilder();
                    request.getEventsList().forEach(event -> answer.addEventIds(event.getEventId()));
                    observer.onNext(answer.build());
                    observer.onCompleted();
                  }
                })
            .build()
            .start();
    client = RerankdClient.connect("127.0.0.1:" + server.getPort());
  }

  @AfterEach
  void stop() throws Exception {
    client.close();
    server.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
  }

  @Test
  void whatWasShownClickedAndRatedIsSent() {
    List<Document> documents =
        List.of(
            Document.newBuilder().setId("a").setText("salt").build(),
            Document.newBuilder().setId("b").setText("pump").build());
    RerankResponse ranking =
        RerankResponse.newBuilder()
            .addResults(RerankResult.newBuilder().setIndex(1).setRank(1).setScore(0.5f))
            .addResults(RerankResult.newBuilder().setIndex(0).setRank(2))
            .build();

    RecordFeedbackResponse answer =
        client.recordFeedback(
            List.of(
                Feedback.shown("docs", "r1", "why", documents, ranking),
                Feedback.clicked("docs", "r1", "a"),
                Feedback.rated("docs", "r1", "b", 0.25)));

    assertEquals(3, answer.getEventIdsCount());
    assertNotEquals(answer.getEventIds(1), answer.getEventIds(2));
    assertEquals("b", kept.get(0).getShown().getDocuments(0).getId());
    assertEquals("pump", kept.get(0).getShown().getDocuments(0).getText());
    assertEquals(2, kept.get(0).getShown().getDocuments(1).getRank());
    assertEquals("a", kept.get(1).getClick().getDocumentId());
    assertEquals(0.25, kept.get(2).getRating().getRating());
  }

  @Test
  void whatIsRefusedHasItsType() {
    refuses = true;

    assertThrows(
        ForbiddenException.class,
        () -> client.recordFeedback(List.of(Feedback.clicked("docs", "r1", "a"))));
  }

  @Test
  void aDocumentWithoutAnIdCannotBeShown() {
    RerankResponse ranking =
        RerankResponse.newBuilder().addResults(RerankResult.getDefaultInstance()).build();

    assertThrows(
        IllegalArgumentException.class,
        () -> Feedback.shown("docs", "r1", "why", List.of(Document.getDefaultInstance()), ranking));
  }
}
