package io.rerankd.client;

import com.google.protobuf.CodedOutputStream;
import io.rerankd.v1.Document;
import io.rerankd.v1.DocumentChunk;
import io.rerankd.v1.RerankStreamRequest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.function.BiConsumer;

/**
 * The documents of a stream that are read and not scored, and the chunks that are made of them. Not
 * safe to share between threads.
 */
final class DocumentWindow {
  private static final long MAX_SENT_BYTES = 4L * 1024 * 1024;
  // Tag and length of the packed indexes of a chunk.
  private static final int INDEX_HEADER_BYTES = 1 + 5;
  private static final int READ_AHEAD = 32;

  private final int maxSent;
  private final int chunkDocuments;
  private final long maxChunkBytes;

  private final ArrayDeque<Candidate> unsent = new ArrayDeque<>();
  private final LinkedHashMap<Integer, Candidate> sent = new LinkedHashMap<>();
  private long unsentBytes;
  private long sentBytes;
  private int toResend;

  DocumentWindow(ServerLimits limits, int chunkDocuments) {
    maxSent = 2 * limits.streamWindowDocuments();
    // Chunks that fill the window alone would leave the server idle while the next one travels.
    this.chunkDocuments = Math.max(1, Math.min(chunkDocuments, maxSent / 4));
    maxChunkBytes = limits.maxChunkBytes();
  }

  /** How many documents may be read now: never more than the next chunk has room for. */
  int room() {
    return Math.max(0, Math.min(READ_AHEAD, chunkDocuments - unsent.size()));
  }

  /**
   * Takes a document that was read.
   *
   * @throws InvalidRequestException it alone is larger than a chunk may be
   */
  void add(int index, Document document) {
    Candidate candidate = new Candidate(index, document);
    if (candidate.bytes + INDEX_HEADER_BYTES > maxChunkBytes) {
      String description =
          "has "
              + document.getSerializedSize()
              + " bytes; a message of a stream takes at most "
              + maxChunkBytes;
      throw new InvalidRequestException(
          Failure.invalid(Errors.INVALID_REQUEST, "documents[" + index + "]", description)
              .with("index", Integer.toString(index))
              .with("bytes", Integer.toString(document.getSerializedSize()))
              .with("limit", Long.toString(maxChunkBytes)));
    }
    unsent.add(candidate);
    unsentBytes += candidate.bytes;
  }

  /**
   * Whether a chunk should be sent now: one that is full, or the last, or that is sent again; and
   * only if the window has room for it.
   */
  boolean isChunkDue(boolean noMoreToCome) {
    boolean isFull =
        unsent.size() >= chunkDocuments || INDEX_HEADER_BYTES + unsentBytes > maxChunkBytes;
    if (unsent.isEmpty() || !(isFull || noMoreToCome || toResend > 0)) {
      return false;
    }
    Extent next = nextExtent();
    return sent.isEmpty()
        || (sent.size() + next.documents <= maxSent && sentBytes + next.bytes <= MAX_SENT_BYTES);
  }

  /** Takes the next chunk as sent. */
  RerankStreamRequest takeChunk() {
    DocumentChunk.Builder chunk = DocumentChunk.newBuilder();
    for (int left = nextExtent().documents; left > 0; left--) {
      Candidate candidate = unsent.remove();
      chunk.addDocuments(candidate.document).addIndex(candidate.index);
      sent.put(candidate.index, candidate);
      sentBytes += candidate.bytes;
      unsentBytes -= candidate.bytes;
    }
    toResend = Math.max(0, toResend - chunk.getDocumentsCount());
    return RerankStreamRequest.newBuilder().setDocuments(chunk).build();
  }

  /** Forgets a document that is scored or never will be; null when it is not waiting for that. */
  Document answered(int index) {
    Candidate candidate = sent.remove(index);
    if (candidate == null) {
      return null;
    }
    sentBytes -= candidate.bytes;
    return candidate.document;
  }

  /** Prepares for another stream: what was sent in vain goes first. */
  void restore() {
    List<Candidate> again = new ArrayList<>(sent.values());
    sent.clear();
    unsentBytes += sentBytes;
    sentBytes = 0;
    toResend += again.size();
    for (int i = again.size() - 1; i >= 0; i--) {
      unsent.addFirst(again.get(i));
    }
  }

  boolean isAllSent() {
    return unsent.isEmpty();
  }

  /** Whether every document that was read is scored. */
  boolean isEmpty() {
    return unsent.isEmpty() && sent.isEmpty();
  }

  /** Visits the documents without a score in ascending order of their indexes, and forgets them. */
  void drain(BiConsumer<Integer, Document> visitor) {
    restore();
    unsent.forEach(candidate -> visitor.accept(candidate.index, candidate.document));
    unsent.clear();
    unsentBytes = 0;
  }

  private Extent nextExtent() {
    Extent extent = new Extent();
    for (Candidate candidate : unsent) {
      if (extent.documents == chunkDocuments || extent.bytes + candidate.bytes > maxChunkBytes) {
        break;
      }
      extent.documents++;
      extent.bytes += candidate.bytes;
    }
    return extent;
  }

  /** How far the next chunk reaches. */
  private static final class Extent {
    private int documents;
    private long bytes = INDEX_HEADER_BYTES;
  }

  private static final class Candidate {
    private final int index;
    private final Document document;
    private final int bytes;

    Candidate(int index, Document document) {
      this.index = index;
      this.document = document;
      // What it adds to a chunk: a byte of tag, its length, itself, its index.
      this.bytes =
          1
              + CodedOutputStream.computeMessageSizeNoTag(document)
              + CodedOutputStream.computeInt32SizeNoTag(index);
    }
  }
}
