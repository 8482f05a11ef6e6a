import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { setTimeout as sleep } from "node:timers/promises";

import { type CallScope, untilAborted } from "./call_scope.js";
import { Calls } from "./calls.js";
import { Chained } from "./chained.js";
import { checkDocuments, documentMessage, type DocumentInput } from "./documents.js";
import { DeadlineExceededError, InternalError, UnavailableError } from "./errors.js";
import { READY_SERVICE, SERVING } from "./health.js";
import { UnaryBudget } from "./limits.js";
import type { CallOptions, ClientOptions } from "./options.js";
import {
  batchOf,
  type BatchOptions,
  type BatchRequest,
  type EventOf,
  requestOf,
  type RerankOptionsInit,
  type StreamOptions,
  type WarmupOptions,
} from "./requests.js";
import type { FeedbackEvent, RecordFeedbackResponse } from "./rerankd/training/v1alpha/training_service_pb.js";
import {
  type Document,
  type ModelStatus,
  type RerankBatchResponse,
  RerankOptionsSchema,
  type RerankRequest,
  type RerankResponse,
  type StatusResponse,
  StreamEmit,
} from "./rerankd/v1/rerank_service_pb.js";
import { RerankStream } from "./stream.js";
import { type DocumentIterator, type DocumentSource, iteratorOf } from "./stream_source.js";
import { StreamState } from "./stream_state.js";

// A first warm-up may download the model.
const WARMUP_TIMEOUT_MS = 300_000;

// A server that ends each Watch at once, for example while it drains, is not asked in a tight loop.
const WATCH_AGAIN_MS = 200;

/**
 * Calls a rerankd server.
 *
 * ```ts
 * const client = new RerankdClient("localhost:50051");
 * const { results } = await client.rerank("what causes high blood pressure", ["Too much salt ...", "A pump ..."]);
 * client.close();
 * ```
 *
 * It connects at the first call, and connections are shared by all calls. Every method fails with a
 * `RerankdError`, whose subclass tells the cause.
 */
export class RerankdClient {
  readonly #calls: Calls;

  /**
   * @param target - `host:port`, `dns:///host:port`, or a list `ipv4:10.0.0.1:50051,10.0.0.2:50051` whose
   * addresses take turns. A name is not resolved to several addresses: use a list or a proxy.
   * @throws TypeError for another target; RangeError for a number outside its bounds.
   */
  constructor(target: string, options: ClientOptions = {}) {
    this.#calls = new Calls(target, options);
  }

  /** Ends the calls that are under way, with `CancelledError`, and frees the connections. */
  close(): void {
    this.#calls.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Ranks up to 1,024 documents. Calls that meet an unavailable server are tried three times in all.
   *
   * @throws TooManyDocumentsError, MessageTooLargeError when nothing was sent: use `rerankAll`.
   */
  async rerank(
    query: string,
    documents: Iterable<DocumentInput>,
    options?: RerankOptionsInit,
    call: CallOptions = {},
  ): Promise<RerankResponse> {
    return this.#rerank(requestOf({ query, documents, options }), call);
  }

  /**
   * Ranks any number of documents: by `rerank` if they fit the server's limits, else by a stream.
   *
   * A stream has no deadline unless `timeoutMs` gives one, it goes on after an interruption, and it
   * refuses `originalScoreWeight`, which needs the whole set at once.
   */
  async rerankAll(
    query: string,
    documents: DocumentSource,
    options?: RerankOptionsInit,
    call: CallOptions = {},
  ): Promise<RerankResponse> {
    checkDocuments(documents);
    const rest = iteratorOf(documents);
    const first = await this.#firstOf(rest, call);
    if (first.isWhole) {
      return this.#rerank(requestOf({ query, documents: first.documents, options }), call);
    }
    return this.rerankStream(query, new Chained(first.documents, rest), options, call).summary();
  }

  /**
   * Ranks documents while they are still being made, and goes on after an interruption.
   *
   * Of all documents, ids and scores are kept; with `topN`, those of the best only, so that memory stays
   * the same for any number.
   *
   * @param documents - Any iterable; it is read only as fast as the server scores.
   * @throws RangeError for a chunk of less than one document, or a timeout outside its bounds.
   */
  rerankStream<E extends StreamEmit = StreamEmit.SUMMARY_ONLY>(
    query: string,
    documents: DocumentSource,
    options?: RerankOptionsInit,
    stream: StreamOptions<E> = {},
  ): RerankStream<EventOf<E>> {
    checkDocuments(documents);
    const state = new StreamState({
      query,
      options: create(RerankOptionsSchema, options),
      emit: stream.emit ?? StreamEmit.SUMMARY_ONLY,
      snapshotIntervalMs: stream.snapshotIntervalMs,
      chunkDocuments: stream.chunkDocuments ?? 128,
      resumeAttempts: this.#calls.settings.resumeAttempts,
    });
    return new RerankStream(state, documents, this.#calls, stream);
  }

  /** Ranks for several queries in one call; one that fails has its error in its own result. */
  async rerankBatch(
    requests: Iterable<BatchRequest>,
    batch: BatchOptions = {},
    call: CallOptions = {},
  ): Promise<RerankBatchResponse> {
    const message = batchOf(requests, batch);
    return this.#calls.run(call, this.#calls.settings.timeoutMs, async (scope) => {
      await this.#calls.check(message, scope, call);
      return this.#calls.service.rerankBatch(message, this.#calls.arguments(scope, call));
    });
  }

  /**
   * Tells a server that learns what was shown, clicked or rated; `shown`, `clicked` and `rated` make the
   * events. They are on disk when it resolves: all of them or, where one is not valid, none. It may be
   * called again with the same events.
   *
   * @param events - 1 to 1,000 of them.
   */
  async recordFeedback(events: Iterable<FeedbackEvent>, call: CallOptions = {}): Promise<RecordFeedbackResponse> {
    const request = { events: [...events] };
    return this.#calls.run(call, this.#calls.settings.timeoutMs, async (scope) =>
      this.#calls.training.recordFeedback(request, this.#calls.arguments(scope, call)),
    );
  }

  /** The server's version, limits, queue and models. Answers also while models load. */
  async status(call: CallOptions = {}): Promise<StatusResponse> {
    return this.#calls.run(call, this.#calls.settings.timeoutMs, async (scope) => this.#calls.status(scope, call));
  }

  /**
   * Loads a model and waits until it answers requests; a load under way is joined, and goes on after
   * the deadline.
   *
   * @param model - Id, preset or alias; empty means the server's default.
   */
  async warmup(model = "", options: WarmupOptions = {}, call: CallOptions = {}): Promise<ModelStatus> {
    const request = {
      model,
      sampleQueries: [...(options.sampleQueries ?? [])],
      sampleDocuments: [...(options.sampleDocuments ?? [])],
    };
    return this.#calls.run(call, WARMUP_TIMEOUT_MS, async (scope) => {
      let status: ModelStatus | undefined;
      for await (const progress of this.#calls.service.warmup(request, this.#calls.arguments(scope, call))) {
        options.onProgress?.(progress);
        status = progress.status;
      }
      if (status === undefined) {
        throw new InternalError("the warm-up ended without the model's status");
      }
      return status;
    });
  }

  /**
   * Whether a health name is SERVING now; false too for one that the server does not know.
   *
   * @param service - Health name. Default: the default model is warm; `rerankd.model/ID` stands for one model.
   */
  async isReady(service: string = READY_SERVICE, call: CallOptions = {}): Promise<boolean> {
    return this.#calls.run(call, this.#calls.settings.timeoutMs, async (scope) => {
      try {
        const { value } = await this.#calls.health.check({ value: service }, this.#calls.arguments(scope, call));
        return value === SERVING;
      } catch (reason) {
        if (scope.failure(reason).code === Code.NotFound) {
          return false;
        }
        throw reason;
      }
    });
  }

  /**
   * Resolves once the server answers and a health name is SERVING.
   *
   * @param timeoutMs - How long to wait, in milliseconds, for the server to start and the model to load.
   * @param service - As for `isReady`.
   * @throws DeadlineExceededError when it is not SERVING by then.
   */
  async waitUntilReady(
    timeoutMs: number,
    service: string = READY_SERVICE,
    call: Omit<CallOptions, "timeoutMs"> = {},
  ): Promise<void> {
    await this.#calls.run({ ...call, timeoutMs }, timeoutMs, async (scope) => {
      while (!(await this.#becomesReady(service, scope, call))) {
        await sleep(WATCH_AGAIN_MS, undefined, { signal: scope.signal });
      }
    }).catch((reason: unknown) => {
      if (reason instanceof DeadlineExceededError) {
        const text = `${service} is not SERVING after ${timeoutMs} ms; ask Status what the model does`;
        throw new DeadlineExceededError(text, { cause: reason });
      }
      throw reason;
    });
  }

  /** Watches the health name; false when the server went away, because its successor may be on its way. */
  async #becomesReady(service: string, scope: CallScope, call: CallOptions): Promise<boolean> {
    try {
      for await (const { value } of this.#calls.health.watch({ value: service }, this.#calls.arguments(scope, call))) {
        if (value === SERVING) {
          return true;
        }
      }
    } catch (reason) {
      const failure = scope.failure(reason);
      if (!(failure instanceof UnavailableError)) {
        throw failure;
      }
    }
    return false;
  }

  async #rerank(request: RerankRequest, call: CallOptions): Promise<RerankResponse> {
    return this.#calls.run(call, this.#calls.settings.timeoutMs, async (scope) => {
      await this.#calls.check(request, scope, call);
      return this.#calls.service.rerank(request, this.#calls.arguments(scope, call));
    });
  }

  /** The documents that are read before it is clear whether one unary request holds them. */
  async #firstOf(
    documents: DocumentIterator,
    call: CallOptions,
  ): Promise<{ documents: Document[]; isWhole: boolean }> {
    const first: Document[] = [];
    const scope = this.#calls.open({ signal: call.signal }, Infinity);
    try {
      const budget = new UnaryBudget(await this.#calls.learnLimits(scope, call));
      for (;;) {
        const next = await untilAborted(Promise.resolve(documents.next()), scope.signal);
        if (next.done === true) {
          return { documents: first, isWhole: true };
        }
        const document = documentMessage(next.value, first.length);
        first.push(document);
        if (!budget.take(document)) {
          return { documents: first, isWhole: false };
        }
      }
    } catch (reason) {
      // Not awaited: an iterable that hangs must not keep the caller who gave it up.
      Promise.resolve(documents.return?.()).catch(() => undefined);
      throw scope.signal.aborted ? scope.failure(reason) : reason;
    } finally {
      this.#calls.release(scope);
    }
  }
}
