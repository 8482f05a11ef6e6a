import { setImmediate as yieldToEvents } from "node:timers/promises";

import type { DocumentInput } from "./documents.js";
import type { StreamState } from "./stream_state.js";
import { Wakeup } from "./wakeup.js";

// An iterable that never waits would keep the event loop for a whole window of documents.
const READS_IN_A_ROW = 128;

/** The documents of a stream or of `rerankAll`: any iterable. */
export type DocumentSource = AsyncIterable<DocumentInput> | Iterable<DocumentInput>;

/** Reads the documents one by one. */
export type DocumentIterator = AsyncIterator<DocumentInput, unknown> | Iterator<DocumentInput, unknown>;

/** The iterator of either kind of iterable. */
export function iteratorOf(documents: DocumentSource): DocumentIterator {
  return Symbol.asyncIterator in documents
    ? documents[Symbol.asyncIterator]()
    : documents[Symbol.iterator]();
}

/** Reads the caller's documents, under the bound on those without a score. */
export class StreamSource {
  /** Notified when a document was read, and at the end; whoever sends waits on it. */
  readonly arrived = new Wakeup();
  /** Notified when documents were scored, or are not wanted any more. */
  readonly changed = new Wakeup();
  readonly #state: StreamState;
  readonly #documents: DocumentIterator;
  readonly #onFailure: (reason: unknown) => void;
  #failure: { reason: unknown } | undefined;
  #reading: Promise<void> | undefined;
  #isNextPending = false;
  #passThrough = false;
  #ended = false;

  /** @param onFailure - Called with what the iterable threw: half of it is not the whole. */
  constructor(state: StreamState, documents: DocumentIterator, onFailure: (reason: unknown) => void) {
    this.#state = state;
    this.#documents = documents;
    this.#onFailure = onFailure;
  }

  /** Begins to read, unless that has begun. */
  start(): void {
    this.#reading ??= this.#read();
  }

  /** Throws what the iterable, or one of its documents, threw. */
  throwIfFailed(): void {
    if (this.#failure !== undefined) {
      throw this.#failure.reason;
    }
  }

  /** Reads what is left, for an answer in the original order. */
  async readRest(): Promise<void> {
    this.#passThrough = true;
    this.changed.notify();
    this.start();
    await this.#reading;
    this.throwIfFailed();
  }

  /** Stops reading, and lets the iterable clean up. */
  async end(): Promise<void> {
    if (this.#ended || this.#state.exhausted || this.#failure !== undefined) {
      return;
    }
    this.#ended = true;
    this.changed.notify();
    try {
      const returned = this.#documents.return?.();
      // A generator returns only after the document that it waits for, which may never come.
      if (this.#isNextPending) {
        Promise.resolve(returned).catch(() => undefined);
      } else {
        await returned;
        await this.#reading;
      }
    } catch (reason) {
      this.#failure = { reason };
    }
  }

  async #read(): Promise<void> {
    try {
      while (!this.#hasEnded()) {
        const next = await this.#next();
        if (next.done === true) {
          this.#state.exhausted = !this.#hasEnded();
          return;
        }
        if (!this.#hasEnded()) {
          await this.#take(next.value);
        }
      }
    } catch (reason) {
      if (!this.#ended) {
        this.#failure = { reason };
        this.#onFailure(reason);
      }
    } finally {
      this.arrived.notify();
    }
  }

  /** A method, because the compiler takes a field for unchanged after an `await`. */
  #hasEnded(): boolean {
    return this.#ended;
  }

  async #next(): Promise<IteratorResult<DocumentInput, unknown>> {
    this.#isNextPending = true;
    try {
      return await this.#documents.next();
    } finally {
      this.#isNextPending = false;
    }
  }

  async #take(input: DocumentInput): Promise<void> {
    if (this.#passThrough) {
      this.#state.takeUnsent(input);
    } else {
      this.#state.take(input);
      this.arrived.notify();
    }
    if (this.#state.received % READS_IN_A_ROW === 0) {
      await yieldToEvents();
    }
    while (!this.#state.hasRoom() && !this.#passThrough && !this.#ended) {
      await this.changed.wait();
    }
  }
}
