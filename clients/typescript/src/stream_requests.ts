import { create, type MessageInitShape } from "@bufbuild/protobuf";

import { documentCost, type Entry } from "./documents.js";
import {
  type Document,
  type RerankStreamRequest,
  RerankStreamRequestSchema,
  StreamEmit,
} from "./rerankd/v1/rerank_service_pb.js";
import type { StreamSource } from "./stream_source.js";
import { sentOptions, type StreamState } from "./stream_state.js";

/**
 * The messages of one attempt: `start`, what is not scored yet, and then what the source brings.
 *
 * Not a generator, because a transport that stops reading must be able to end it while it waits.
 */
export class StreamRequests implements AsyncIterableIterator<RerankStreamRequest> {
  readonly #state: StreamState;
  readonly #source: StreamSource;
  readonly #isResumed: boolean;
  #isStarted = false;
  #isEnded = false;
  #cursor = -1;

  constructor(state: StreamState, source: StreamSource) {
    this.#state = state;
    this.#source = source;
    // Only later attempts have to tell indexes; the first one counts like the server.
    this.#isResumed = state.resumes > 0;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<RerankStreamRequest, undefined>> {
    if (this.#hasEnded()) {
      return { done: true, value: undefined };
    }
    if (!this.#isStarted) {
      this.#isStarted = true;
      return { done: false, value: this.#start() };
    }
    const chunk = new Chunk(this.#state.request.chunkDocuments, this.#state.chunkBytes);
    while (!this.#fill(chunk) && !this.#state.exhausted) {
      if (!this.#state.hasRoom() && chunk.documents.length > 0) {
        break;
      }
      await this.#source.arrived.wait();
      if (this.#hasEnded()) {
        return { done: true, value: undefined };
      }
    }
    if (chunk.documents.length === 0) {
      return { done: true, value: undefined };
    }
    return { done: false, value: this.#message(chunk) };
  }

  /** Ends the messages; wakes whoever waits for the next one. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#isEnded = true;
    this.#source.arrived.notify();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** As `return`: Connect calls it when the call has failed, which the answer's side tells. */
  async throw(): Promise<IteratorReturnResult<undefined>> {
    return this.return();
  }

  /** A method, because the compiler takes a field for unchanged after an `await`. */
  #hasEnded(): boolean {
    return this.#isEnded;
  }

  /** Adds what waits to be sent; tells whether the chunk is full. */
  #fill(chunk: Chunk): boolean {
    for (const entry of this.#state.unscoredAfter(this.#cursor)) {
      if (!chunk.add(entry)) {
        return true;
      }
      this.#cursor = entry.index;
    }
    return chunk.isFull;
  }

  #start(): RerankStreamRequest {
    const { query, options } = this.#state.request;
    return messageOf({
      case: "start",
      value: { query, options: sentOptions(options), emit: StreamEmit.SCORES },
    });
  }

  #message({ documents, indexes }: Chunk): RerankStreamRequest {
    const index = this.#isResumed ? indexes : [];
    return messageOf({ case: "documents", value: { documents, index } });
  }
}

/** Documents that fit one message, by count and by bytes. */
class Chunk {
  readonly documents: Document[] = [];
  readonly indexes: number[] = [];
  readonly #maxDocuments: number;
  #bytesLeft: number;

  constructor(maxDocuments: number, maxBytes: number) {
    this.#maxDocuments = maxDocuments;
    this.#bytesLeft = maxBytes;
  }

  get isFull(): boolean {
    return this.documents.length >= this.#maxDocuments;
  }

  /** Adds a document unless there is no room for it. */
  add({ index, document }: Entry): boolean {
    const cost = documentCost(document);
    if (this.isFull || cost > this.#bytesLeft) {
      return false;
    }
    this.documents.push(document);
    this.indexes.push(index);
    this.#bytesLeft -= cost;
    return true;
  }
}

function messageOf(
  message: MessageInitShape<typeof RerankStreamRequestSchema>["message"] & object,
): RerankStreamRequest {
  return create(RerankStreamRequestSchema, { message });
}
