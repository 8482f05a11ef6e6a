import type { DocumentInput } from "./documents.js";
import type { DocumentIterator } from "./stream_source.js";

/**
 * The documents that were read already, then the others.
 *
 * Not a generator, which would forget to end the others when it is ended before it began.
 */
export class Chained implements AsyncIterableIterator<DocumentInput> {
  readonly #first: Iterator<DocumentInput, unknown>;
  readonly #rest: DocumentIterator;
  #isFirst = true;

  constructor(first: readonly DocumentInput[], rest: DocumentIterator) {
    this.#first = first.values();
    this.#rest = rest;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<DocumentInput, unknown>> {
    if (this.#isFirst) {
      const next = this.#first.next();
      if (next.done !== true) {
        return next;
      }
      this.#isFirst = false;
    }
    return this.#rest.next();
  }

  async return(): Promise<IteratorReturnResult<unknown>> {
    await this.#rest.return?.();
    return { done: true, value: undefined };
  }
}
