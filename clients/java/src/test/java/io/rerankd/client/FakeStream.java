package io.rerankd.client;

import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.rerankd.v1.Document;
import io.rerankd.v1.DocumentChunk;
import io.rerankd.v1.Outcome;
import io.rerankd.v1.Passage;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankStreamRequest;
import io.rerankd.v1.RerankStreamResponse;
import io.rerankd.v1.RerankStreamStart;
import io.rerankd.v1.ScoreChunk;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;

/** One stream of {@link FakeService}: a thread scores what the observer receives. */
final class FakeStream implements StreamObserver<RerankStreamRequest> {
  private static final Object END = new Object();

  final CountDownLatch cancelled = new CountDownLatch(1);
  final List<Integer> receivedIndexes = new CopyOnWriteArrayList<>();
  final List<Integer> chunkSizes = new CopyOnWriteArrayList<>();
  volatile int maxWaiting;
  volatile int scored;
  volatile RerankStreamStart start;
  final long openedNanos = System.nanoTime();

  private final FakeService service;
  private final FakeService.Script script;
  private final ServerCallStreamObserver<RerankStreamResponse> responses;
  private final LinkedBlockingQueue<Object> inbox = new LinkedBlockingQueue<>();
  private final Random random = new Random(7);
  private volatile boolean ended;

  FakeStream(
      FakeService service,
      FakeService.Script script,
      StreamObserver<RerankStreamResponse> responses) {
    this.service = service;
    this.script = script;
    this.responses = (ServerCallStreamObserver<RerankStreamResponse>) responses;
    Thread scorer = new Thread(this::scoreAll, "fake-scorer");
    scorer.setDaemon(true);
    this.responses.setOnCancelHandler(
        () -> {
          ended = true;
          cancelled.countDown();
          scorer.interrupt();
        });
    scorer.start();
  }

  @Override
  public void onNext(RerankStreamRequest message) {
    if (message.hasStart()) {
      start = message.getStart();
      return;
    }
    DocumentChunk chunk = message.getDocuments();
    receivedIndexes.addAll(chunk.getIndexList());
    chunkSizes.add(chunk.getDocumentsCount());
    maxWaiting = Math.max(maxWaiting, receivedIndexes.size() - scored);
    inbox.add(chunk);
  }

  @Override
  public void onError(Throwable thrown) {
    ended = true;
  }

  @Override
  public void onCompleted() {
    inbox.add(END);
  }

  private void scoreAll() {
    try {
      if (script.failAfterScores == 0) {
        inbox.take();
        fail();
        return;
      }
      for (Object item = inbox.take(); item != END && !ended; item = inbox.take()) {
        scoreChunk((DocumentChunk) item);
      }
      if (!ended && !script.ignoresHalfClose) {
        finish(Outcome.OUTCOME_RERANKED);
      }
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    } catch (StatusRuntimeException | IllegalStateException callIsOver) {
      ended = true;
    }
  }

  private void scoreChunk(DocumentChunk chunk) throws InterruptedException {
    List<Integer> places = new ArrayList<>();
    for (int i = 0; i < chunk.getDocumentsCount(); i++) {
      places.add(i);
    }
    // Micro-batches are sorted by length, so scores come in an order of their own.
    Collections.shuffle(places, random);
    for (int from = 0; from < places.size() && !ended; from += script.microBatch) {
      int to = Math.min(places.size(), from + script.microBatch);
      service.gate.acquire();
      ScoreChunk scores = scores(chunk, places.subList(from, to));
      scored += to - from;
      responses.onNext(RerankStreamResponse.newBuilder().setScores(scores).build());
      if (script.afterScores != null && scored >= script.failAfterScores) {
        Runnable once = script.afterScores;
        script.afterScores = null;
        once.run();
      }
      if (script.failure != null && scored >= script.failAfterScores) {
        fail();
      } else if (script.partialAfterScores >= 0 && scored >= script.partialAfterScores) {
        finish(Outcome.OUTCOME_PARTIAL);
      }
    }
  }

  private ScoreChunk scores(DocumentChunk chunk, List<Integer> places) {
    ScoreChunk.Builder scores = ScoreChunk.newBuilder();
    if (scored == 0 && script.tellsModel) {
      scores.setModel(FakeService.model(script.revision));
    }
    for (int place : places) {
      Document document = chunk.getDocuments(place);
      if (chunk.getIndex(place) >= script.unscoredFrom) {
        scores.addUnscoredIndex(chunk.getIndex(place));
        continue;
      }
      float logit = FakeService.logit(document);
      boolean raw = start.getOptions().getRawScores();
      scores
          .addIndex(chunk.getIndex(place))
          .addScore(raw ? logit : FakeService.sigmoid(logit))
          .addLogit(logit)
          .addDroppedTokens(document.getText().length() % 3)
          .addPassages(Passage.newBuilder().setEndChar(document.getText().length()));
    }
    return scores.build();
  }

  /** Ends the call well, though its answer is missing. */
  void endWithoutSummary() {
    ended = true;
    responses.onCompleted();
  }

  private void fail() {
    ended = true;
    responses.onError(script.failure);
  }

  private void finish(Outcome outcome) {
    ended = true;
    RerankResponse.Builder summary =
        RerankResponse.newBuilder()
            .setOutcome(outcome)
            .setOutcomeReason(outcome == Outcome.OUTCOME_PARTIAL ? "the deadline came first" : "")
            .setModel(FakeService.model(script.revision));
    summary.getUsageBuilder().setTokens(11).setDocuments(receivedIndexes.size());
    summary.mergeFrom(script.summary);
    responses.onNext(RerankStreamResponse.newBuilder().setSummary(summary).build());
    responses.onCompleted();
  }
}
