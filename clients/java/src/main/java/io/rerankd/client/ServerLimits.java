package io.rerankd.client;

import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.MessageLite;
import io.grpc.Status;
import io.rerankd.v1.Document;
import io.rerankd.v1.Limits;
import io.rerankd.v1.RerankRequest;

/** The server's bounds that decide how a client packs documents; defaults until Status has told. */
final class ServerLimits {
  static final ServerLimits DEFAULTS = new ServerLimits(Limits.getDefaultInstance());

  private static final int MIB = 1024 * 1024;

  private final int maxDocuments;
  private final long maxReceiveBytes;
  private final long maxChunkBytes;
  private final int streamWindowDocuments;
  private final int maxSnapshotResults;

  /** Takes the live values; a bound that an older server does not tell keeps its default. */
  ServerLimits(Limits limits) {
    maxDocuments = orDefault(limits.getMaxDocuments(), 1024);
    maxReceiveBytes = limits.getMaxReceiveBytes() > 0 ? limits.getMaxReceiveBytes() : 16L * MIB;
    maxChunkBytes = limits.getMaxChunkBytes() > 0 ? limits.getMaxChunkBytes() : MIB;
    streamWindowDocuments = orDefault(limits.getStreamWindowDocuments(), 512);
    maxSnapshotResults = orDefault(limits.getMaxSnapshotResults(), 1000);
  }

  /** Largest chunk of a stream, in bytes. */
  long maxChunkBytes() {
    return maxChunkBytes;
  }

  /** Documents of one stream that the server takes before it has scored some. */
  int streamWindowDocuments() {
    return streamWindowDocuments;
  }

  /** Largest top_n of a stream with snapshots. */
  int maxSnapshotResults() {
    return maxSnapshotResults;
  }

  /** Whether the server would read the message, and count the documents of a request as few enough. */
  boolean admit(MessageLite request) {
    return documentsOf(request) <= maxDocuments && request.getSerializedSize() <= maxReceiveBytes;
  }

  /** Throws what the server would answer; gRPC's own answer to a large message names no reason. */
  void check(MessageLite request) {
    int documents = documentsOf(request);
    if (documents > maxDocuments) {
      throw new TooManyDocumentsException(
          Failure.invalid(
                  "TOO_MANY_DOCUMENTS",
                  "documents",
                  String.format(
                      "has %d entries; the limit is %d: use rerankAll or rerankStream",
                      documents, maxDocuments))
              .with("documents", Integer.toString(documents))
              .with("limit", Integer.toString(maxDocuments)));
    }
    int bytes = request.getSerializedSize();
    if (bytes > maxReceiveBytes) {
      throw new MessageTooLargeException(
          new Failure(
                  Status.Code.RESOURCE_EXHAUSTED,
                  "",
                  String.format(
                      "the request has %d bytes; the limit is %d: use rerankAll or rerankStream",
                      bytes, maxReceiveBytes))
              .with("bytes", Integer.toString(bytes))
              .with("limit", Long.toString(maxReceiveBytes)));
    }
  }

  /** Starts to count a set that may or may not fit one unary request beside the given parts. */
  UnaryBudget unaryBudget(RerankRequest withoutDocuments) {
    return new UnaryBudget(
        maxDocuments, maxReceiveBytes - withoutDocuments.getSerializedSize());
  }

  private static int documentsOf(MessageLite request) {
    return request instanceof RerankRequest ? ((RerankRequest) request).getDocumentsCount() : 0;
  }

  private static int orDefault(int value, int byDefault) {
    return value > 0 ? value : byDefault;
  }

  /** Says, document by document, whether a set still fits one unary request. */
  static final class UnaryBudget {
    private int documents;
    private long bytes;

    private UnaryBudget(int documents, long bytes) {
      this.documents = documents;
      this.bytes = bytes;
    }

    /** Counts a document; false once the set is too large. */
    boolean take(Document document) {
      documents--;
      // A field of a message: one byte of tag, the length, the content.
      bytes -= 1L + CodedOutputStream.computeMessageSizeNoTag(document);
      return documents >= 0 && bytes >= 0;
    }
  }
}
