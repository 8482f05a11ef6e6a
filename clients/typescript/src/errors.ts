import { Code } from "@connectrpc/connect";

/*
 * RerankdError
 * ├── InvalidRequestError
 * │   ├── TooManyDocumentsError
 * │   ├── DocumentTooLongError
 * │   └── StreamProtocolError
 * ├── MessageTooLargeError
 * ├── ModelNotFoundError
 * ├── ModelFailedError
 * ├── ModelChangedError
 * ├── UnavailableError
 * │   ├── ModelLoadingError
 * │   ├── OverloadedError
 * │   ├── DrainingError
 * │   └── ProviderUnavailableError
 * ├── QuotaExceededError
 * ├── CorpusNotFoundError
 * ├── RunNotFoundError
 * ├── RunActiveError
 * ├── TooFewTripletsError
 * ├── PromotionRefusedError
 * ├── NotComparableError
 * ├── UnauthenticatedError
 * ├── ForbiddenError
 * ├── DeadlineExceededError
 * ├── CancelledError
 * ├── BackendFailedError
 * ├── NonFiniteScoreError
 * └── InternalError
 */

/** One field of the request that was refused. */
export interface FieldViolation {
  /** Its path, for example `documents[17].text`. */
  readonly field: string;
  /** What is wrong with it. */
  readonly description: string;
}

/** What an error tells beside its message. What is left out has the default of its class. */
export interface ErrorDetails {
  readonly code?: Code | undefined;
  readonly reason?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly fieldViolations?: readonly FieldViolation[] | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/** A call that failed. Its subclasses tell one cause from another. */
export class RerankdError extends Error {
  /** The reason that errors of this class have unless they bring another; empty for none. */
  static readonly defaultReason: string = "";
  /** The gRPC code that errors of this class have unless they bring another. */
  static readonly defaultCode: Code = Code.Unknown;

  /** The gRPC status code. */
  readonly code: Code;
  /** Name of the `ErrorReason` without its prefix; empty for an error that has none. */
  readonly reason: string;
  /** The parts of the message that vary, by name. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The fields at fault, in a request that was refused. */
  readonly fieldViolations: readonly FieldViolation[];
  /** Seconds after which a retry makes sense; undefined where the server named no delay. */
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = details.code ?? new.target.defaultCode;
    this.reason = details.reason ?? new.target.defaultReason;
    this.metadata = details.metadata ?? {};
    this.fieldViolations = details.fieldViolations ?? [];
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/** A field of the request is missing, out of its bounds or in contradiction to another. */
export class InvalidRequestError extends RerankdError {
  static override readonly defaultReason: string = "INVALID_REQUEST";
  static override readonly defaultCode = Code.InvalidArgument;
}

/** More documents than one unary request takes; use `rerankStream` or `rerankAll`. */
export class TooManyDocumentsError extends InvalidRequestError {
  static override readonly defaultReason = "TOO_MANY_DOCUMENTS";
}

/** A document is longer than the server takes, or than the model reads with `LongDocument.REJECT`. */
export class DocumentTooLongError extends InvalidRequestError {
  static override readonly defaultReason = "DOCUMENT_TOO_LONG";
}

/** The messages of a stream came in a wrong order; this client never sends them so. */
export class StreamProtocolError extends InvalidRequestError {
  static override readonly defaultReason = "STREAM_PROTOCOL";
}

/** A message is larger than its receiver takes; use `rerankStream` or ask for fewer results. */
export class MessageTooLargeError extends RerankdError {
  static override readonly defaultCode = Code.ResourceExhausted;
}

/** The server offers no model of this name. */
export class ModelNotFoundError extends RerankdError {
  static override readonly defaultReason = "MODEL_NOT_FOUND";
  static override readonly defaultCode = Code.NotFound;
}

/** The model cannot be loaded; a retry does not help until the operator has acted. */
export class ModelFailedError extends RerankdError {
  static override readonly defaultReason = "MODEL_FAILED";
  static override readonly defaultCode = Code.FailedPrecondition;
}

/** An interrupted stream went on with another revision of its model; run it again as a whole. */
export class ModelChangedError extends RerankdError {
  static override readonly defaultCode = Code.FailedPrecondition;
}

/** No server was reached, or it cannot answer now; the same call may succeed later. */
export class UnavailableError extends RerankdError {
  static override readonly defaultCode = Code.Unavailable;
}

/** The model is being loaded. */
export class ModelLoadingError extends UnavailableError {
  static override readonly defaultReason = "MODEL_LOADING";
}

/** The server's queue is full. */
export class OverloadedError extends UnavailableError {
  static override readonly defaultReason = "OVERLOADED";
}

/** The server is stopping. */
export class DrainingError extends UnavailableError {
  static override readonly defaultReason = "DRAINING";
}

/** What scores for this model is elsewhere, and cannot be reached or is overloaded. */
export class ProviderUnavailableError extends UnavailableError {
  static override readonly defaultReason = "PROVIDER_UNAVAILABLE";
}

/**
 * The key has used up its quota, or the server its own at the provider that `metadata.provider` names;
 * retry after the delay and not before.
 */
export class QuotaExceededError extends RerankdError {
  static override readonly defaultReason = "QUOTA_EXCEEDED";
  static override readonly defaultCode = Code.ResourceExhausted;
}

/** The server keeps no corpus of this id. */
export class CorpusNotFoundError extends RerankdError {
  static override readonly defaultReason = "CORPUS_NOT_FOUND";
  static override readonly defaultCode = Code.NotFound;
}

/** The server keeps no training run of this id. */
export class RunNotFoundError extends RerankdError {
  static override readonly defaultReason = "RUN_NOT_FOUND";
  static override readonly defaultCode = Code.NotFound;
}

/** A training run is active where there may be one: wait for its end, or cancel it. */
export class RunActiveError extends RerankdError {
  static override readonly defaultReason = "RUN_ACTIVE";
  static override readonly defaultCode = Code.FailedPrecondition;
}

/** The training material is too small to learn from; collect or import more and mine again. */
export class TooFewTripletsError extends RerankdError {
  static override readonly defaultReason = "TOO_FEW_TRIPLETS";
  static override readonly defaultCode = Code.FailedPrecondition;
}

/** The gate does not let this run's model be served; the message says which condition it failed. */
export class PromotionRefusedError extends RerankdError {
  static override readonly defaultReason = "PROMOTION_REFUSED";
  static override readonly defaultCode = Code.FailedPrecondition;
}

/** The runs were not measured on the same thing; a difference of their figures means nothing. */
export class NotComparableError extends RerankdError {
  static override readonly defaultReason = "NOT_COMPARABLE";
  static override readonly defaultCode = Code.FailedPrecondition;
}

/** The call brought no key, or one that the server does not know. */
export class UnauthenticatedError extends RerankdError {
  static override readonly defaultReason = "UNAUTHENTICATED";
  static override readonly defaultCode = Code.Unauthenticated;
}

/** The key does not allow this call or this model. */
export class ForbiddenError extends RerankdError {
  static override readonly defaultReason = "FORBIDDEN";
  static override readonly defaultCode = Code.PermissionDenied;
}

/** The deadline came before the answer. */
export class DeadlineExceededError extends RerankdError {
  static override readonly defaultReason = "DEADLINE_EXCEEDED";
  static override readonly defaultCode = Code.DeadlineExceeded;
}

/** The call was cancelled before its answer came; `cause` is the reason of the caller's signal. */
export class CancelledError extends RerankdError {
  static override readonly defaultReason = "CANCELLED";
  static override readonly defaultCode = Code.Canceled;
}

/** Inference, a provider or a plugin failed; the server's log has the cause. */
export class BackendFailedError extends RerankdError {
  static override readonly defaultReason = "BACKEND_FAILED";
  static override readonly defaultCode = Code.Internal;
}

/** The model gave NaN or infinity for a document; `metadata.index` names it. */
export class NonFiniteScoreError extends RerankdError {
  static override readonly defaultReason = "NON_FINITE_SCORE";
  static override readonly defaultCode = Code.Internal;
}

/** A fault in the server; its log has the cause. */
export class InternalError extends RerankdError {
  static override readonly defaultReason = "INTERNAL";
  static override readonly defaultCode = Code.Internal;
}
