import { Code, type ConnectError } from "@connectrpc/connect";

import {
  BackendFailedError,
  CancelledError,
  CorpusNotFoundError,
  DeadlineExceededError,
  DocumentTooLongError,
  DrainingError,
  type ErrorDetails,
  ForbiddenError,
  InternalError,
  InvalidRequestError,
  MessageTooLargeError,
  ModelFailedError,
  ModelLoadingError,
  ModelNotFoundError,
  NonFiniteScoreError,
  NotComparableError,
  OverloadedError,
  PromotionRefusedError,
  ProviderUnavailableError,
  QuotaExceededError,
  RerankdError,
  RunActiveError,
  RunNotFoundError,
  StreamProtocolError,
  TooFewTripletsError,
  TooManyDocumentsError,
  UnauthenticatedError,
  UnavailableError,
} from "./errors.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./google/rpc/error_details_pb.js";
import { withGrpcCode } from "./transport_errors.js";

type ErrorClass = typeof RerankdError;

const DOMAIN = "rerankd";

const BY_REASON: ReadonlyMap<string, ErrorClass> = new Map(
  [
    InvalidRequestError,
    TooManyDocumentsError,
    DocumentTooLongError,
    StreamProtocolError,
    ModelNotFoundError,
    ModelFailedError,
    ModelLoadingError,
    OverloadedError,
    DrainingError,
    ProviderUnavailableError,
    QuotaExceededError,
    CorpusNotFoundError,
    RunNotFoundError,
    RunActiveError,
    TooFewTripletsError,
    PromotionRefusedError,
    NotComparableError,
    UnauthenticatedError,
    ForbiddenError,
    DeadlineExceededError,
    CancelledError,
    BackendFailedError,
    NonFiniteScoreError,
    InternalError,
  ].map((errorClass) => [errorClass.defaultReason, errorClass]),
);

// Only codes whose meaning does not depend on who raised them, gRPC, a proxy or the server.
const BY_CODE: ReadonlyMap<Code, ErrorClass> = new Map<Code, ErrorClass>([
  [Code.Unavailable, UnavailableError],
  [Code.DeadlineExceeded, DeadlineExceededError],
  [Code.Canceled, CancelledError],
  [Code.Unauthenticated, UnauthenticatedError],
  [Code.PermissionDenied, ForbiddenError],
]);

/**
 * The typed error for what a call of a bare stub threw. An error that is typed already comes back as
 * it is.
 */
export function toRerankdError(reason: unknown): RerankdError {
  if (reason instanceof RerankdError) {
    return reason;
  }
  const error = withGrpcCode(reason);
  const message = error.rawMessage || Code[error.code] || "the call failed";
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === DOMAIN);
  const details = { code: error.code, retryAfterSeconds: retryAfterSeconds(error), cause: reason };
  if (info === undefined) {
    return withoutReason(message, details);
  }
  const errorClass = BY_REASON.get(info.reason) ?? BY_CODE.get(error.code) ?? RerankdError;
  const violations = error.findDetails(BadRequestSchema).flatMap((request) => request.fieldViolations);
  return new errorClass(message, {
    ...details,
    reason: info.reason,
    metadata: { ...info.metadata },
    fieldViolations: violations.map(({ field, description }) => ({ field, description })),
  });
}

/** The error of a call that gRPC itself failed: code and text are all that it tells. */
function withoutReason(message: string, details: ErrorDetails & { code: Code }): RerankdError {
  // The same code also stands for quotas of proxies, which a smaller message would not help.
  if (details.code === Code.ResourceExhausted && /larger than (max|configured)/.test(message)) {
    return new MessageTooLargeError(message, details);
  }
  const errorClass = BY_CODE.get(details.code) ?? RerankdError;
  return new errorClass(message, details);
}

function retryAfterSeconds(error: ConnectError): number | undefined {
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return delay === undefined ? undefined : Number(delay.seconds) + delay.nanos / 1e9;
}
