import { clone, create } from "@bufbuild/protobuf";

import { AllResults } from "./all_results.js";
import { BestResults } from "./best_results.js";
import { checkAtLeast } from "./options.js";
import { type DocumentInput, documentCost, documentMessage, type Entry, invalid } from "./documents.js";
import { DeadlineExceededError, InternalError, ModelChangedError, type RerankdError } from "./errors.js";
import { DEFAULT_LIMITS, type ServerLimits } from "./limits.js";
import {
  DeadlineMode,
  type Document,
  FailureMode,
  type ModelRef,
  ModelRefSchema,
  Outcome,
  type RerankOptions,
  RerankOptionsSchema,
  type RerankResponse,
  RerankResponseSchema,
  type RerankStreamResponse,
  type ScoreChunk,
  type Snapshot,
  SnapshotSchema,
  StreamEmit,
  UsageSchema,
} from "./rerankd/v1/rerank_service_pb.js";
import { type Collector, scoreRows } from "./results.js";
import { ResumePolicy } from "./resume.js";
import { SnapshotSchedule } from "./snapshots.js";

// Beside the bound in documents: a few large documents must not fill the memory either.
const WINDOW_BYTES = 4 * 1024 * 1024;

// A chunk's indexes share a tag and a length.
const INDEXES_BYTES = 5;

// With these, the server could only say that it did not score: ORIGINAL_ORDER stands for the error.
const FORGIVABLE: ReadonlySet<string> = new Set([
  "MODEL_LOADING",
  "MODEL_FAILED",
  "OVERLOADED",
  "DRAINING",
  "PROVIDER_UNAVAILABLE",
  "BACKEND_FAILED",
  "NON_FINITE_SCORE",
  "INTERNAL",
]);

/** What a stream is asked to do, with every default filled in. */
export interface StreamRequest {
  readonly query: string;
  readonly options: RerankOptions;
  readonly emit: StreamEmit;
  readonly snapshotIntervalMs: number | undefined;
  readonly chunkDocuments: number;
  readonly resumeAttempts: number;
}

/** What a stream gives before its answer. */
export type StreamEvent = ScoreChunk | Snapshot;

/** The documents, scores and attempts of one stream; no input or output happens here. */
export class StreamState {
  readonly request: StreamRequest;
  /** Documents read so far; the index of the next one. */
  received = 0;
  /** Whether the documents have come to their end. */
  exhausted = false;
  /** The answer, once there is one. */
  answer: RerankResponse | undefined;

  readonly #policy: ResumePolicy;
  readonly #results: Collector;
  readonly #outstanding = new Map<number, Document>();
  readonly #usage = create(UsageSchema);
  #limits = DEFAULT_LIMITS;
  #snapshots: SnapshotSchedule | undefined;
  #outstandingBytes = 0;
  #model: ModelRef | undefined;

  /** @throws RangeError for a chunk of less than one document. */
  constructor(request: StreamRequest) {
    checkAtLeast("chunkDocuments", request.chunkDocuments, 1);
    this.request = request;
    this.#policy = new ResumePolicy(request.resumeAttempts);
    const { options } = request;
    this.#results = options.topN > 0 ? new BestResults(options) : new AllResults(options);
  }

  /** How often the stream was opened again. */
  get resumes(): number {
    return this.#policy.resumes;
  }

  /** Bytes that the documents of one chunk may have. */
  get chunkBytes(): number {
    return this.#limits.maxChunkBytes - INDEXES_BYTES;
  }

  /** Notes the server's bounds before the first document is read. */
  begin(limits: ServerLimits): void {
    this.#limits = limits;
    const { emit, options, snapshotIntervalMs } = this.request;
    if (emit === StreamEmit.SNAPSHOTS) {
      this.#snapshots = new SnapshotSchedule(options.topN, limits.maxSnapshotResults, snapshotIntervalMs);
    }
  }

  /** Whether another document may be read: not while too many are sent and not scored. */
  hasRoom(): boolean {
    const most = 2 * this.#limits.streamWindowDocuments;
    return this.#outstanding.size < most && this.#outstandingBytes < WINDOW_BYTES;
  }

  /**
   * Notes the next document; it is to be sent unless it is one that is not scored.
   *
   * @throws InvalidRequestError when it is no document, or larger than a chunk may be.
   */
  take(input: DocumentInput): void {
    const limit = this.request.options.maxScoredDocuments;
    if (limit > 0 && this.received >= limit) {
      this.takeUnsent(input);
      return;
    }
    const index = this.received;
    const document = documentMessage(input, index);
    const cost = documentCost(document);
    if (cost > this.chunkBytes) {
      throw tooLargeForChunk(index, cost, this.chunkBytes);
    }
    this.#results.read({ index, document });
    this.#outstanding.set(index, document);
    this.#outstandingBytes += cost;
    this.received += 1;
  }

  /** Notes a document that nobody will score. */
  takeUnsent(input: DocumentInput): void {
    const entry = { index: this.received, document: documentMessage(input, this.received) };
    this.#results.read(entry);
    this.#results.leftUnscored(entry);
    this.received += 1;
  }

  /** The documents beyond an index that wait for a score, in order. */
  *unscoredAfter(index: number): Generator<Entry> {
    if (this.received - index > this.#outstanding.size) {
      for (const [each, document] of this.#outstanding) {
        if (each > index) {
          yield { index: each, document };
        }
      }
      return;
    }
    // Nearly always one document or none: the window must not be searched for each.
    for (let each = index + 1; each < this.received; each += 1) {
      const document = this.#outstanding.get(each);
      if (document !== undefined) {
        yield { index: each, document };
      }
    }
  }

  /**
   * Takes a message of the server and yields what the caller should see of it.
   *
   * @throws ModelChangedError when the scores come from another model than those before.
   */
  *events(response: RerankStreamResponse): Generator<StreamEvent> {
    if (response.message.case === "scores") {
      yield* this.#takeScores(response.message.value);
    } else if (response.message.case === "summary") {
      yield* this.#finish(response.message.value);
    }
  }

  /**
   * What follows a failure: milliseconds until the next attempt, or undefined if there is to be none.
   * Then `answer` is the answer, or the rest of the documents has to be read for `passThrough`.
   *
   * @param remainingMs - Time until the deadline.
   * @throws RerankdError when the stream has failed.
   */
  delayAfterMs(error: RerankdError, remainingMs: number): number | undefined {
    if (this.exhausted && this.#outstanding.size === 0 && this.#model !== undefined) {
      this.#answerWithoutSummary();
      return undefined;
    }
    const { onDeadline, onFailure } = this.request.options;
    const delayMs = this.#isResumable() ? this.#policy.delayAfterMs(error) : undefined;
    const late = error instanceof DeadlineExceededError || (delayMs !== undefined && delayMs >= remainingMs);
    if (late && onDeadline === DeadlineMode.PARTIAL) {
      this.#answer(Outcome.PARTIAL, "the deadline came first");
      return undefined;
    }
    if (delayMs !== undefined && !late) {
      this.#policy.resumed();
      return delayMs;
    }
    if (onFailure === FailureMode.ORIGINAL_ORDER && isForgivable(error)) {
      return undefined;
    }
    throw error;
  }

  /** Answers in the original order; every document has been read by now. */
  passThrough(error: RerankdError): void {
    this.#usage.scoredDocuments = 0;
    this.#usage.truncatedDocuments = 0;
    this.#answer(Outcome.PASSTHROUGH, `${error.reason}: ${error.message}`);
  }

  /** A server that tells no model is too old to take indexes, and another one could not be compared. */
  #isResumable(): boolean {
    return this.#usage.scoredDocuments === 0 || this.#model !== undefined;
  }

  *#takeScores(chunk: ScoreChunk): Generator<StreamEvent> {
    if (chunk.model !== undefined) {
      this.#checkModel(chunk.model);
    }
    let changed = false;
    for (const [index, score] of scoreRows(chunk)) {
      changed = this.#results.scored(this.#answered(index), score) || changed;
      this.#usage.scoredDocuments += 1;
      this.#usage.truncatedDocuments += score.droppedTokens > 0 ? 1 : 0;
    }
    for (const index of chunk.unscoredIndex) {
      this.#results.leftUnscored(this.#answered(index));
    }
    if (chunk.index.length + chunk.unscoredIndex.length > 0) {
      this.#policy.progressed();
    }
    if (this.request.emit === StreamEmit.SCORES) {
      yield chunk;
    } else if (this.#snapshots?.isDue(changed) === true) {
      yield this.#snapshot();
    }
  }

  /** Takes a document out of the window. */
  #answered(index: number): Entry {
    const document = this.#outstanding.get(index);
    if (document === undefined) {
      throw new InternalError(`the server answered documents[${index}], which was not waiting`);
    }
    this.#outstanding.delete(index);
    this.#outstandingBytes -= documentCost(document);
    return { index, document };
  }

  #checkModel(model: ModelRef): void {
    if (this.#model === undefined) {
      this.#model = model;
      return;
    }
    // A model that could not be loaded has no revision: it leaves unscored what another stream began.
    const isSameRevision = model.revision === this.#model.revision || model.revision === "";
    if (model.id !== this.#model.id || !isSameRevision) {
      const [before, now] = [nameOf(this.#model), nameOf(model)];
      throw new ModelChangedError(
        `the interrupted stream was scored by ${before} and would go on with ${now}; ` +
          "their scores cannot be compared: run it again",
        { metadata: { before, now } },
      );
    }
  }

  *#finish(summary: RerankResponse): Generator<StreamEvent> {
    if (summary.usage !== undefined) {
      this.#usage.tokens += summary.usage.tokens;
      this.#usage.cacheHits += summary.usage.cacheHits;
      this.#usage.deduplicated += summary.usage.deduplicated;
      this.#usage.providerUnits += summary.usage.providerUnits;
      this.#usage.providerCost += summary.usage.providerCost;
      this.#usage.providerUnitsEstimated ||= summary.usage.providerUnitsEstimated;
    }
    if (summary.model !== undefined) {
      this.#checkModel(summary.model);
    }
    if (this.#snapshots?.pending === true) {
      yield this.#snapshot();
    }
    this.#answer(summary.outcome, summary.outcomeReason, summary);
  }

  #snapshot(): Snapshot {
    const { scoredDocuments } = this.#usage;
    return create(SnapshotSchema, {
      results: this.#results.best(),
      received: this.received,
      scored: scoredDocuments,
    });
  }

  /** Answers when a stream is lost with nothing left to ask for but its outcome. */
  #answerWithoutSummary(): void {
    if (this.#usage.scoredDocuments > 0) {
      this.#answer(Outcome.RERANKED, "");
    } else {
      this.#answer(Outcome.PASSTHROUGH, "NONE: the server left every document unscored");
    }
  }

  #answer(outcome: Outcome, outcomeReason: string, { timing }: Partial<RerankResponse> = {}): void {
    this.#usage.documents = this.received;
    for (const entry of this.unscoredAfter(-1)) {
      this.#results.leftUnscored(entry);
    }
    const results =
      outcome === Outcome.PASSTHROUGH ? this.#results.originalOrder() : this.#results.ranking();
    const model = this.#model ?? create(ModelRefSchema, { id: this.request.options.model });
    const answer = create(RerankResponseSchema, { results, model, usage: this.#usage, outcome, outcomeReason });
    if (timing !== undefined) {
      answer.timing = timing;
    }
    this.answer = answer;
  }
}

/** Whether an error is no fault of the request; a quota is the caller's own unless it is a provider's. */
function isForgivable({ reason, metadata }: RerankdError): boolean {
  return FORGIVABLE.has(reason) || (reason === "QUOTA_EXCEEDED" && "provider" in metadata);
}

/** What the server is asked: the scores of every document. What it has to refuse, it gets unchanged. */
export function sentOptions(options: RerankOptions): RerankOptions {
  const sent = clone(RerankOptionsSchema, options);
  // The reply of a stream whose chunks have told everything can be short.
  sent.topN = options.topN >= 0 ? 1 : options.topN;
  sent.returnDocuments = false;
  if (options.onFailure === FailureMode.ORIGINAL_ORDER) {
    // The client can do that after all its attempts. Before, the server may try other models.
    sent.onFailure = FailureMode.UNSPECIFIED;
  }
  return sent;
}

function tooLargeForChunk(index: number, bytes: number, limit: number): RerankdError {
  const field = `documents[${index}]`;
  return invalid(field, `has ${bytes} bytes; a chunk takes at most ${limit}`, {
    value: String(bytes),
    limit: String(limit),
  });
}

function nameOf({ id, revision }: ModelRef): string {
  return `${id}@${revision}`;
}
