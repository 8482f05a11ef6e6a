import { toBinary } from "@bufbuild/protobuf";

import { documentCost } from "./documents.js";
import { MessageTooLargeError, TooManyDocumentsError } from "./errors.js";
import {
  type Document,
  type Limits,
  type RerankBatchRequest,
  RerankBatchRequestSchema,
  type RerankRequest,
  RerankRequestSchema,
} from "./rerankd/v1/rerank_service_pb.js";

const MIB = 1024 * 1024;

// Query, instruction and names of fields: far above what a server takes of them by default.
const RESERVED_BYTES = 64 * 1024;

/** The server's bounds that decide how a client packs documents. */
export interface ServerLimits {
  /** Documents of one unary request. */
  readonly maxDocuments: number;
  /** Largest message that the server reads, in bytes. */
  readonly maxReceiveBytes: number;
  /** Largest chunk of a stream, in bytes. */
  readonly maxChunkBytes: number;
  /** Documents of one stream that the server reads ahead of its scores. */
  readonly streamWindowDocuments: number;
  /** Largest `topN` of a stream with snapshots. */
  readonly maxSnapshotResults: number;
}

/** What holds until Status has told. */
export const DEFAULT_LIMITS: ServerLimits = {
  maxDocuments: 1024,
  maxReceiveBytes: 16 * MIB,
  maxChunkBytes: MIB,
  streamWindowDocuments: 512,
  maxSnapshotResults: 1000,
};

/** The live bounds; one that an older server does not tell keeps its default. */
export function limitsFrom(live: Limits | undefined): ServerLimits {
  const limits: Record<keyof ServerLimits, number> = { ...DEFAULT_LIMITS };
  for (const name of Object.keys(limits) as (keyof ServerLimits)[]) {
    const told = Number(live?.[name] ?? 0);
    if (told > 0) {
      limits[name] = told;
    }
  }
  return limits;
}

/** Whether the server would read the request and count its documents as few enough. */
export function admits(limits: ServerLimits, request: RerankRequest | RerankBatchRequest): boolean {
  return refusal(limits, request) === undefined;
}

/**
 * Refuses what the server would refuse; gRPC's own answer to a large message names no reason.
 *
 * @throws TooManyDocumentsError, MessageTooLargeError
 */
export function checkAdmits(limits: ServerLimits, request: RerankRequest | RerankBatchRequest): void {
  const error = refusal(limits, request);
  if (error !== undefined) {
    throw error;
  }
}

function refusal(
  limits: ServerLimits,
  request: RerankRequest | RerankBatchRequest,
): TooManyDocumentsError | MessageTooLargeError | undefined {
  if (request.$typeName === "rerankd.v1.RerankRequest" && request.documents.length > limits.maxDocuments) {
    return tooManyDocuments(request.documents.length, limits.maxDocuments);
  }
  // Nearly every request is far below the limit: only then is it worth its exact size.
  if (costOf(request) <= limits.maxReceiveBytes) {
    return undefined;
  }
  const bytes = bytesOf(request);
  return bytes > limits.maxReceiveBytes ? messageTooLarge(bytes, limits.maxReceiveBytes) : undefined;
}

/** More than the request's size, as far as it is made of documents and short texts. */
function costOf(request: RerankRequest | RerankBatchRequest): number {
  const parts =
    request.$typeName === "rerankd.v1.RerankRequest"
      ? [request]
      : [{ query: "", options: undefined, documents: request.sharedDocuments }, ...request.requests];
  let cost = 0;
  for (const { query, documents } of parts) {
    cost += RESERVED_BYTES + Buffer.byteLength(query);
    cost += documents.reduce((sum, document) => sum + documentCost(document), 0);
  }
  return cost;
}

function bytesOf(request: RerankRequest | RerankBatchRequest): number {
  return request.$typeName === "rerankd.v1.RerankRequest"
    ? toBinary(RerankRequestSchema, request).length
    : toBinary(RerankBatchRequestSchema, request).length;
}

function tooManyDocuments(count: number, limit: number): TooManyDocumentsError {
  const description = `has ${count} documents; the limit is ${limit}`;
  return new TooManyDocumentsError(`documents ${description}: use rerankStream or rerankAll`, {
    metadata: { field: "documents", documents: String(count), limit: String(limit) },
    fieldViolations: [{ field: "documents", description }],
  });
}

function messageTooLarge(bytes: number, limit: number): MessageTooLargeError {
  return new MessageTooLargeError(
    `the request has ${bytes} bytes; the limit is ${limit}: use rerankStream or rerankAll`,
    { metadata: { value: String(bytes), limit: String(limit) } },
  );
}

/** Says, document by document, whether a set still fits one unary request. */
export class UnaryBudget {
  #documents: number;
  #bytes: number;

  constructor(limits: ServerLimits) {
    this.#documents = limits.maxDocuments;
    this.#bytes = limits.maxReceiveBytes - RESERVED_BYTES;
  }

  /** Counts a document; false once the set is too large. */
  take(document: Document): boolean {
    this.#documents -= 1;
    this.#bytes -= documentCost(document);
    return this.#documents >= 0 && this.#bytes >= 0;
  }
}
