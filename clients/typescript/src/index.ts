/**
 * Client of a rerankd server. Messages such as `RerankResponse` are those of the package `rerankd.v1`.
 *
 * @packageDocumentation
 */
export { Code } from "@connectrpc/connect";

export { RerankdClient } from "./client.js";
export type { DocumentInput, PlainDocument } from "./documents.js";
export { toRerankdError } from "./error_conversion.js";
export * from "./errors.js";
export { clicked, rated, shown } from "./feedback.js";
export type { CallOptions, ClientOptions, TlsOptions } from "./options.js";
export type { FeedbackEvent, RecordFeedbackResponse } from "./rerankd/training/v1alpha/training_service_pb.js";
export {
  DeadlineMode,
  type Document,
  FailureMode,
  LongDocument,
  type ModelStatus,
  ModelState,
  Outcome,
  Priority,
  type RerankBatchResponse,
  type RerankOptions,
  type RerankRequest,
  type RerankResponse,
  type RerankResult,
  type ScoreChunk,
  type Snapshot,
  type StatusResponse,
  StreamEmit,
  WarmupStage,
  type WarmupResponse,
} from "./rerankd/v1/rerank_service_pb.js";
export type {
  BatchOptions,
  BatchRequest,
  EventOf,
  RerankOptionsInit,
  StreamOptions,
  WarmupOptions,
} from "./requests.js";
export { RerankStream } from "./stream.js";
export type { DocumentSource } from "./stream_source.js";
export type { StreamEvent } from "./stream_state.js";
export { VERSION } from "./version.js";
