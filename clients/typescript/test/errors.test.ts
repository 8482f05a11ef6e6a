import { Code, ConnectError } from "@connectrpc/connect";
import assert from "node:assert/strict";
import { it } from "node:test";
import * as rerankd from "rerankd-client";
import { InvalidRequestError, RerankdClient, RerankdError, toRerankdError, UnavailableError } from "rerankd-client";
import { BadRequestSchema } from "rerankd-client/google/rpc/error_details_pb.js";
import { ErrorReason } from "rerankd-client/v1/error_reason_pb.js";

import { failure } from "./fake_server.js";

const CODES: Record<string, Code> = {
  INVALID_REQUEST: Code.InvalidArgument,
  TOO_MANY_DOCUMENTS: Code.InvalidArgument,
  DOCUMENT_TOO_LONG: Code.InvalidArgument,
  STREAM_PROTOCOL: Code.InvalidArgument,
  MODEL_NOT_FOUND: Code.NotFound,
  MODEL_LOADING: Code.Unavailable,
  MODEL_FAILED: Code.FailedPrecondition,
  OVERLOADED: Code.Unavailable,
  DRAINING: Code.Unavailable,
  PROVIDER_UNAVAILABLE: Code.Unavailable,
  QUOTA_EXCEEDED: Code.ResourceExhausted,
  CORPUS_NOT_FOUND: Code.NotFound,
  RUN_NOT_FOUND: Code.NotFound,
  RUN_ACTIVE: Code.FailedPrecondition,
  TOO_FEW_TRIPLETS: Code.FailedPrecondition,
  PROMOTION_REFUSED: Code.FailedPrecondition,
  NOT_COMPARABLE: Code.FailedPrecondition,
  UNAUTHENTICATED: Code.Unauthenticated,
  FORBIDDEN: Code.PermissionDenied,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  CANCELLED: Code.Canceled,
  BACKEND_FAILED: Code.Internal,
  NON_FINITE_SCORE: Code.Internal,
  INTERNAL: Code.Internal,
};

/** As the server's answer arrives: only that carries `grpc-status`. */
function received(reason: string, code: Code): ConnectError {
  const error = failure(reason, code, { retryAfterSeconds: 1.5 });
  error.metadata.set("grpc-status", String(code));
  return error;
}

it("has a class for every reason of the API", () => {
  const names = Object.values(ErrorReason).filter((name) => typeof name === "string");
  assert.deepEqual(names.filter((name) => name !== "UNSPECIFIED").sort(), Object.keys(CODES).sort());
});

for (const [reason, code] of Object.entries(CODES)) {
  it(`tells ${reason} by its class`, () => {
    const words = reason.split("_").map((word) => word.charAt(0) + word.slice(1).toLowerCase());
    const cause = received(reason, code);
    const error = toRerankdError(cause);
    assert.equal(error.name, `${words.join("")}Error`);
    assert.equal(error.constructor, rerankd[error.name as "RerankdError"]);
    assert.equal(error instanceof UnavailableError, code === Code.Unavailable);
    assert.equal(error instanceof InvalidRequestError, code === Code.InvalidArgument);
    assert.deepEqual([error.reason, error.code, error.metadata], [reason, code, { key: "value" }]);
    assert.deepEqual([error.retryAfterSeconds, error.cause], [1.5, cause]);
    assert.equal(error.message, `it failed with ${reason}`);
  });
}

it("names the fields at fault", () => {
  const cause = received("INVALID_REQUEST", Code.InvalidArgument);
  const fieldViolations = [{ field: "documents[3].text", description: "is too long" }];
  cause.details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  assert.deepEqual(toRerankdError(cause).fieldViolations, fieldViolations);
});

it("reads a reason of a later server by its code alone", () => {
  assert.equal(toRerankdError(received("LATER", Code.Unavailable)).constructor, UnavailableError);
  const other = toRerankdError(received("LATER", Code.DataLoss));
  assert.deepEqual([other.constructor, other.reason, other.code], [RerankdError, "LATER", Code.DataLoss]);
});

const nodeError = (code: string): Error => Object.assign(new Error(code), { code });

for (const [what, error] of [
  ["a reset that nobody asked for", new ConnectError("http/2 stream closed with error code CANCEL (0x8)", Code.Canceled)],
  ["a connection that was reset", new ConnectError("read", Code.Aborted, {}, [], Object.assign(nodeError("ECONNRESET"), { syscall: "read" }))],
  ["a session that ended", new ConnectError("gone", Code.Internal, {}, [], nodeError("ERR_HTTP2_SESSION_ERROR"))],
  ["an answer without a status", new ConnectError("protocol error: missing status", Code.Internal)],
  ["half a message", new ConnectError("protocol error: promised 10 bytes, received 3", Code.InvalidArgument)],
] as const) {
  it(`tells ${what} as UnavailableError`, () => {
    const typed = toRerankdError(error);
    assert.deepEqual([typed.constructor, typed.code, typed.cause], [UnavailableError, Code.Unavailable, error]);
  });
}

it("leaves a status that the server sent as it is", () => {
  const error = new ConnectError("promised", Code.Aborted, { "grpc-status": "10" });
  assert.deepEqual([toRerankdError(error).constructor, toRerankdError(error).code], [RerankdError, Code.Aborted]);
  const own = new RerankdError("own");
  assert.equal(toRerankdError(own), own);
});

it("refuses what is no document, naming it", async () => {
  using client = new RerankdClient("127.0.0.1:1");
  for (const [documents, field] of [
    ["a text", "documents"],
    [[1], "documents[0]"],
    [["good", { txt: "?" }], "documents[1]"],
    [[{ text: "a", fields: {} }], "documents[0]"],
    [[{ text: 5 }], "documents[0].text"],
    [[{ text: "a", id: 5 }], "documents[0].id"],
    [[{ fields: "a" }], "documents[0].fields"],
    [[{ text: "a", originalScore: "1" }], "documents[0].originalScore"],
  ] as const) {
    await assert.rejects(client.rerank("q", documents as Iterable<string>), (error: unknown) => {
      assert(error instanceof InvalidRequestError);
      assert.deepEqual(error.fieldViolations.map((violation) => violation.field), [field]);
      return true;
    });
  }
});

it("refuses options outside their bounds", () => {
  assert.throws(() => new RerankdClient("127.0.0.1:1", { resumeAttempts: -1 }), RangeError);
  assert.throws(() => new RerankdClient("127.0.0.1:1", { maxReceiveBytes: 0 }), RangeError);
  using client = new RerankdClient("127.0.0.1:1");
  assert.throws(() => client.rerankStream("q", [], {}, { chunkDocuments: 0 }), RangeError);
  assert.throws(() => client.rerankStream("q", [], {}, { timeoutMs: 100_000_000 }), RangeError);
});
