import { create, type MessageInitShape } from "@bufbuild/protobuf";

import { type DocumentInput, documentMessages } from "./documents.js";
import type { CallOptions } from "./options.js";
import {
  type RerankBatchRequest,
  RerankBatchRequestSchema,
  RerankOptionsSchema,
  type RerankRequest,
  RerankRequestSchema,
  type ScoreChunk,
  type Snapshot,
  StreamEmit,
  type WarmupResponse,
} from "./rerankd/v1/rerank_service_pb.js";

/** The fields of `RerankOptions`, each optional; their comments are the reference. */
export type RerankOptionsInit = MessageInitShape<typeof RerankOptionsSchema>;

/** What a stream yields for each value of `emit`. */
export type EventOf<E extends StreamEmit> = E extends StreamEmit.SCORES
  ? ScoreChunk
  : E extends StreamEmit.SNAPSHOTS
    ? Snapshot
    : never;

/** Choices of a stream. */
export interface StreamOptions<E extends StreamEmit = StreamEmit> extends CallOptions {
  /** What the stream yields before its summary. Default: nothing. */
  readonly emit?: E | undefined;
  /** Least time between two snapshots in milliseconds. Default 250; 0 for one after each change. */
  readonly snapshotIntervalMs?: number | undefined;
  /**
   * Most documents of one message, at least 1. Default 128. A chunk is sent when it is full: choose 1
   * where documents come slowly and each should be scored at once.
   */
  readonly chunkDocuments?: number | undefined;
}

/** One query of a batch; a `RerankRequest` is one too. */
export interface BatchRequest {
  readonly query: string;
  /** Left out or empty: the batch's shared documents. */
  readonly documents?: Iterable<DocumentInput> | undefined;
  /** Left out: the batch's options. */
  readonly options?: RerankOptionsInit | undefined;
}

/** What the requests of a batch share. */
export interface BatchOptions {
  /** For every request that brings no documents. */
  readonly sharedDocuments?: Iterable<DocumentInput> | undefined;
  /** For every request that brings no options. */
  readonly options?: RerankOptionsInit | undefined;
}

/** Choices of a warm-up. */
export interface WarmupOptions {
  /** Queries like those that will come; they need `sampleDocuments` too. */
  readonly sampleQueries?: readonly string[] | undefined;
  /** Documents like those that will come. */
  readonly sampleDocuments?: readonly string[] | undefined;
  /** Called with each message of the server. */
  readonly onProgress?: ((progress: WarmupResponse) => void) | undefined;
}

/** The message of one query. */
export function requestOf({ query, documents, options }: BatchRequest): RerankRequest {
  const request = create(RerankRequestSchema, { query, documents: documentMessages(documents ?? []) });
  // Options that are set but empty would replace those that a batch gives to all its requests.
  if (options !== undefined) {
    request.options = create(RerankOptionsSchema, options);
  }
  return request;
}

/** The message of several queries. */
export function batchOf(requests: Iterable<BatchRequest>, batch: BatchOptions): RerankBatchRequest {
  const message = create(RerankBatchRequestSchema, {
    requests: Array.from(requests, requestOf),
    sharedDocuments: documentMessages(batch.sharedDocuments ?? []),
  });
  if (batch.options !== undefined) {
    message.options = create(RerankOptionsSchema, batch.options);
  }
  return message;
}
