package io.rerankd.client;

import io.grpc.Channel;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.rerankd.v1.Document;
import io.rerankd.v1.DocumentChunk;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankServiceGrpc;
import io.rerankd.v1.RerankStreamRequest;
import io.rerankd.v1.RerankStreamResponse;
import io.rerankd.v1.RerankStreamStart;
import io.rerankd.v1.StreamEmit;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** A stream by the stub alone, which only counts the scores: what the client is compared with. */
final class BareStream
    implements ClientResponseObserver<RerankStreamRequest, RerankStreamResponse> {
  private static final int CHUNK = 128;

  private final Channel channel;
  private final String query;
  private final List<Document> documents;
  private final CompletableFuture<Integer> done = new CompletableFuture<>();
  private ClientCallStreamObserver<RerankStreamRequest> call;
  private boolean started;
  private int sent;
  private int scored;

  BareStream(Channel channel, String query, List<Document> documents) {
    this.channel = channel;
    this.query = query;
    this.documents = documents;
  }

  void run() {
    RerankServiceGrpc.newStub(channel).rerankStream(this);
    if (done.join() != documents.size()) {
      throw new IllegalStateException("scored " + scored + " of " + documents.size());
    }
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<RerankStreamRequest> value) {
    call = value;
    call.setOnReadyHandler(this::send);
  }

  private void send() {
    while (call.isReady() && sent <= documents.size()) {
      if (!started) {
        started = true;
        call.onNext(start());
      } else if (sent < documents.size()) {
        int to = Math.min(documents.size(), sent + CHUNK);
        call.onNext(
            RerankStreamRequest.newBuilder()
                .setDocuments(
                    DocumentChunk.newBuilder().addAllDocuments(documents.subList(sent, to)))
                .build());
        sent = to;
      } else {
        sent++;
        call.onCompleted();
      }
    }
  }

  private RerankStreamRequest start() {
    return RerankStreamRequest.newBuilder()
        .setStart(
            RerankStreamStart.newBuilder()
                .setQuery(query)
                .setOptions(RerankOptions.newBuilder().setTopN(1))
                .setEmit(StreamEmit.STREAM_EMIT_SCORES))
        .build();
  }

  @Override
  public void onNext(RerankStreamResponse message) {
    scored += message.getScores().getIndexCount();
  }

  @Override
  public void onError(Throwable thrown) {
    done.completeExceptionally(thrown);
  }

  @Override
  public void onCompleted() {
    done.complete(scored);
  }
}
