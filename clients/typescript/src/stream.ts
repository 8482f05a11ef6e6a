import { setTimeout as sleep } from "node:timers/promises";

import { type CallScope, untilAborted } from "./call_scope.js";
import type { Calls } from "./calls.js";
import { CancelledError, InternalError, type RerankdError } from "./errors.js";
import type { CallOptions } from "./options.js";
import type { RerankResponse } from "./rerankd/v1/rerank_service_pb.js";
import { StreamRequests } from "./stream_requests.js";
import { type DocumentSource, iteratorOf, StreamSource } from "./stream_source.js";
import type { StreamEvent, StreamState } from "./stream_state.js";

/**
 * A stream under way: iterate it for its events, then await `summary()`.
 *
 * Nothing is read or sent before the first event, or the summary, is asked for. From then on the
 * documents are read and sent in the background, only as fast as the server scores them. An interrupted
 * stream goes on by itself. Leaving a `for await` early, `close()` and `await using` cancel the call
 * and stop reading the documents.
 *
 * A failure comes out of the iteration, and of `summary()`, as a `RerankdError`; what the iterable of
 * documents threw comes out as it is.
 */
export class RerankStream<E extends StreamEvent = StreamEvent> implements AsyncIterableIterator<E> {
  readonly #state: StreamState;
  readonly #calls: Calls;
  readonly #call: CallOptions;
  readonly #scope: CallScope;
  readonly #source: StreamSource;
  readonly #events: AsyncGenerator<E, void>;
  #failure: { reason: unknown } | undefined;
  #isBegun = false;
  #isOver = false;

  /** Made by `RerankdClient.rerankStream`. */
  constructor(state: StreamState, documents: DocumentSource, calls: Calls, call: CallOptions) {
    this.#state = state;
    this.#calls = calls;
    this.#call = call;
    const scope = calls.open(call, Infinity);
    this.#scope = scope;
    this.#source = new StreamSource(state, iteratorOf(documents), (reason) => {
      scope.abort(reason);
    });
    this.#events = this.#run();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next event; done when the answer is there. */
  async next(): Promise<IteratorResult<E, undefined>> {
    const { done, value } = await this.#events.next();
    return done === true ? { done: true, value: undefined } : { done: false, value };
  }

  /** Closes the stream; called when a `for await` is left early. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** How often the stream was interrupted and opened again so far. */
  get resumes(): number {
    return this.#state.resumes;
  }

  /**
   * The final ranking; reads and drops the events that are still to come.
   *
   * @throws RerankdError when the stream failed; `CancelledError` when it was closed before its end.
   */
  async summary(): Promise<RerankResponse> {
    while ((await this.#events.next()).done !== true) {
      // Events that nobody took are not wanted.
    }
    if (this.#failure !== undefined) {
      throw this.#failure.reason;
    }
    if (this.#state.answer === undefined) {
      throw new CancelledError("the stream was closed before its end");
    }
    return this.#state.answer;
  }

  /** Cancels what is not finished, and stops reading the documents. */
  async close(): Promise<void> {
    this.#scope.abort(new CancelledError("the stream was closed"));
    await this.#end();
    // Whoever waits for an event has been woken by the abort.
    await this.#events.return();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *#run(): AsyncGenerator<E, void> {
    try {
      while (this.#state.answer === undefined) {
        yield* this.#attempt();
      }
    } catch (reason) {
      this.#failure ??= { reason };
      throw reason;
    } finally {
      await this.#end();
    }
  }

  /** One call of the server, to its end or failure, and the pause after it. */
  async *#attempt(): AsyncGenerator<E, void> {
    let failure: RerankdError;
    try {
      await this.#begin();
      yield* this.#responses();
      if (this.#state.answer !== undefined) {
        return;
      }
      failure = new InternalError("the stream ended without a summary");
    } catch (reason) {
      this.#source.throwIfFailed();
      if (this.#state.answer !== undefined) {
        return;
      }
      failure = this.#scope.failure(reason);
    }
    await this.#after(failure);
  }

  async #begin(): Promise<void> {
    this.#scope.signal.throwIfAborted();
    if (!this.#isBegun) {
      this.#state.begin(await this.#calls.learnLimits(this.#scope, this.#call));
      this.#isBegun = true;
      this.#source.start();
    }
  }

  async *#responses(): AsyncGenerator<E, void> {
    const requests = new StreamRequests(this.#state, this.#source);
    const { signal } = this.#scope;
    const ended = new AbortController();
    const onAbort = (): void => {
      ended.abort(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const options = { ...this.#calls.arguments(this.#scope, this.#call), signal: ended.signal };
      for await (const response of this.#calls.service.rerankStream(requests, options)) {
        for (const event of this.#state.events(response)) {
          // The state gives the events that this stream was asked for.
          yield event as E;
        }
        this.#source.changed.notify();
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      await requests.return();
      ended.abort();
    }
  }

  /** Waits until the next attempt, or finishes the answer, or throws the failure. */
  async #after(failure: RerankdError): Promise<void> {
    const { signal, deadline } = this.#scope;
    if (signal.aborted && failure instanceof CancelledError) {
      throw failure;
    }
    const delayMs = this.#state.delayAfterMs(failure, deadline.remainingMs);
    if (delayMs !== undefined) {
      // The next attempt finds out why the pause was cut short.
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
    } else if (this.#state.answer === undefined) {
      await this.#passThrough(failure);
    }
  }

  async #passThrough(failure: RerankdError): Promise<void> {
    try {
      await untilAborted(this.#source.readRest(), this.#scope.signal);
    } catch (reason) {
      this.#source.throwIfFailed();
      throw this.#scope.failure(reason);
    }
    this.#state.passThrough(failure);
  }

  async #end(): Promise<void> {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#calls.release(this.#scope);
      await this.#source.end();
    }
  }
}
