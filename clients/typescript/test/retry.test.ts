import { Code, ConnectError } from "@connectrpc/connect";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import {
  DeadlineExceededError,
  InvalidRequestError,
  MessageTooLargeError,
  Outcome,
  OverloadedError,
  RerankdClient,
  TooManyDocumentsError,
  UnavailableError,
  VERSION,
} from "rerankd-client";

import { RetryThrottle } from "#internal/retry.js";
import { readServiceConfig } from "#internal/service_config.js";
import { textsOf } from "./fake_scores.js";
import { failure, FakeServer, unavailable } from "./fake_server.js";

const here = (path: string): URL => new URL(`../../${path}`, import.meta.url);

it("ships the service config of the API", (test) => {
  const shipped = readFileSync(here("rerankd_grpc_service_config.json"), "utf8");
  let original: string;
  try {
    original = readFileSync(here("../../protos/rerankd/v1/rerankd_grpc_service_config.json"), "utf8");
  } catch {
    test.skip("the protos are not beside this package");
    return;
  }
  assert.equal(shipped, original);
});

it("reads the service config", () => {
  const { retryPolicies, retryThrottling } = readServiceConfig();
  assert.deepEqual(retryPolicies.get("rerankd.v1.RerankService/Rerank"), {
    maxAttempts: 3,
    initialBackoffMs: 100,
    maxBackoffMs: 2_000,
    backoffMultiplier: 2,
    retryableStatusCodes: ["UNAVAILABLE", "CANCELLED"],
  });
  assert.equal(retryPolicies.has("rerankd.v1.RerankService/RerankStream"), false);
  assert.deepEqual(retryThrottling, { maxTokens: 10, tokenRatio: 0.1 });
});

it("has the version of its package", () => {
  const { version } = JSON.parse(readFileSync(here("package.json"), "utf8")) as { version: string };
  assert.equal(VERSION, version);
});

it("tries a unary call three times in all", async () => {
  await using server = await FakeServer.start({
    rerank: (_request, _context, call) => {
      if (call < 3) {
        throw unavailable();
      }
      return { outcome: Outcome.RERANKED };
    },
  });
  using client = new RerankdClient(server.target);
  assert.equal((await client.rerank("q", ["text"])).outcome, Outcome.RERANKED);
  assert.equal(server.rerankCalls, 3);
});

it("gives up with the last error", async () => {
  await using server = await FakeServer.start({
    rerank: () => {
      throw unavailable();
    },
  });
  using client = new RerankdClient(server.target);
  await assert.rejects(client.rerank("q", ["text"]), OverloadedError);
  assert.equal(server.rerankCalls, 3);
});

it("tries a call again when the connection breaks", async () => {
  const server: FakeServer = await FakeServer.start({
    rerank: (_request, _context, call) => {
      if (call === 1) {
        server.breakConnections();
      }
      return { outcome: Outcome.RERANKED };
    },
  });
  using client = new RerankdClient(server.target);
  assert.equal((await client.rerank("q", ["text"])).outcome, Outcome.RERANKED);
  assert.equal(server.rerankCalls, 2);
  await server.close();
});

it("does not repeat other failures", async () => {
  await using server = await FakeServer.start({
    rerank: () => {
      throw failure("INVALID_REQUEST", Code.InvalidArgument);
    },
  });
  using client = new RerankdClient(server.target);
  await assert.rejects(client.rerank("q", ["text"]), InvalidRequestError);
  assert.equal(server.rerankCalls, 1);
});

for (const [pushbackMs, calls] of [[-1, 1], [30, 3]] as const) {
  it(`obeys a push-back of ${pushbackMs} ms`, async () => {
    await using server = await FakeServer.start({
      rerank: () => {
        throw failure("OVERLOADED", Code.Unavailable, { pushbackMs });
      },
    });
    using client = new RerankdClient(server.target);
    await assert.rejects(client.rerank("q", ["text"]), OverloadedError);
    assert.equal(server.rerankCalls, calls);
  });
}

it("fails at once when the server asks for more time than the deadline leaves", async () => {
  await using server = await FakeServer.start({
    rerank: () => {
      throw failure("OVERLOADED", Code.Unavailable, { retryAfterSeconds: 3_600 });
    },
  });
  using client = new RerankdClient(server.target);
  await assert.rejects(
    client.rerank("q", ["text"]),
    (error) => error instanceof OverloadedError && error.retryAfterSeconds === 3_600,
  );
  assert.equal(server.rerankCalls, 1);
});

it("stops retries while too many calls fail, and allows them again later", async () => {
  let isDown = true;
  await using server = await FakeServer.start({
    rerank: () => {
      if (isDown) {
        throw failure("OVERLOADED", Code.Unavailable, { pushbackMs: 0 });
      }
      return { outcome: Outcome.RERANKED };
    },
  });
  using client = new RerankdClient(server.target);
  // Ten tokens: after five failures half are left, and nothing is tried again.
  for (let call = 0; call < 4; call += 1) {
    await assert.rejects(client.rerank("q", ["text"]), OverloadedError);
  }
  assert.equal(server.rerankCalls, 3 + 2 + 1 + 1);
  isDown = false;
  for (let call = 0; call < 60; call += 1) {
    await client.rerank("q", ["text"]);
  }
  isDown = true;
  const before = server.rerankCalls;
  await assert.rejects(client.rerank("q", ["text"]), OverloadedError);
  assert.equal(server.rerankCalls - before, 3);
});

it("keeps the tokens of the throttle within their bounds", () => {
  const throttle = new RetryThrottle({ maxTokens: 4, tokenRatio: 0.5 });
  for (let call = 0; call < 20; call += 1) {
    throttle.failed();
  }
  assert.equal(throttle.allowsRetry, false);
  for (let call = 0; call < 5; call += 1) {
    throttle.succeeded();
  }
  assert.equal(throttle.allowsRetry, true);
});

it("ends all attempts at the deadline", async () => {
  await using server = await FakeServer.start({
    rerank: () => {
      throw failure("OVERLOADED", Code.Unavailable, { pushbackMs: 100 });
    },
  });
  using client = new RerankdClient(server.target, { timeoutMs: 150 });
  await assert.rejects(client.rerank("q", ["text"]), (error) => error instanceof UnavailableError || error instanceof DeadlineExceededError);
  assert(server.rerankCalls <= 2);
  await assert.rejects(client.rerank("q", ["text"], {}, { timeoutMs: 0 }), DeadlineExceededError);
});

it("sends the rest of the deadline, the token, the metadata and who it is", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target, { token: "secret", metadata: { team: "search", tier: "a" } });
  await client.rerank("q", ["text"], {}, { timeoutMs: 5_000, metadata: { tier: "b" } });
  const headers = server.headers[0];
  assert.equal(headers?.get("authorization"), "Bearer secret");
  assert.deepEqual([headers.get("team"), headers.get("tier")], ["search", "b"]);
  assert.equal(headers.get("user-agent"), `rerankd-typescript/${VERSION}`);
  const timeout = Number(/^(\d+)m$/.exec(headers.get("grpc-timeout") ?? "")?.[1]);
  assert(timeout > 0 && timeout <= 5_000);
});

it("calls interceptors for each attempt", async () => {
  await using server = await FakeServer.start({
    rerank: () => {
      throw unavailable();
    },
  });
  let attempts = 0;
  using client = new RerankdClient(server.target, {
    interceptors: [
      (next) => async (request) => {
        attempts += 1;
        return next(request);
      },
    ],
  });
  await assert.rejects(client.rerank("q", ["text"]), OverloadedError);
  assert.equal(attempts, 3);
});

it("keeps what an interceptor throws, and does not repeat it", async () => {
  await using server = await FakeServer.start();
  const refused = new ConnectError("no token yet", Code.InvalidArgument);
  using client = new RerankdClient(server.target, {
    interceptors: [() => async () => Promise.reject(refused)],
  });
  await assert.rejects(
    client.rerank("q", ["text"]),
    (error: Error & { code?: Code }) => error.cause === refused && error.code === Code.InvalidArgument,
  );
});

it("refuses more documents than the server takes, after asking for its limits", async () => {
  let limit = 100;
  let asked = 0;
  await using server = await FakeServer.start({
    status: () => {
      asked += 1;
      return { limits: { maxDocuments: limit } };
    },
  });
  using client = new RerankdClient(server.target);
  await assert.rejects(client.rerank("q", textsOf(1_025)), (error: unknown) => {
    assert(error instanceof TooManyDocumentsError);
    assert.deepEqual([error.metadata["documents"], error.metadata["limit"]], ["1025", "100"]);
    assert.equal(error.fieldViolations[0]?.field, "documents");
    return true;
  });
  assert.equal(server.rerankCalls, 0);
  assert.equal(asked, 1);
  limit = 2_000;
  await client.status();
  assert.equal((await client.rerank("q", textsOf(1_025))).results.length, 1_025);
});

it("refuses a message that is larger than the server takes", async () => {
  await using server = await FakeServer.start({ status: () => ({ limits: { maxReceiveBytes: 1_000n } }) });
  using client = new RerankdClient(server.target);
  await client.status();
  const documents = ["x".repeat(2_000)];
  await assert.rejects(client.rerank("q", documents), MessageTooLargeError);
  await assert.rejects(client.rerankBatch([{ query: "q", documents }]), MessageTooLargeError);
  assert.equal((await client.rerank("q", ["x".repeat(800)])).results.length, 1);
});

it("tells an answer that is too large as MessageTooLargeError", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target, { maxReceiveBytes: 100 });
  await assert.rejects(client.rerank("q", textsOf(100)), MessageTooLargeError);
});

for (const count of [1, 1_024, 1_025, 3_000]) {
  it(`ranks all of ${count} documents, by one call if they fit`, async () => {
    await using server = await FakeServer.start();
    using client = new RerankdClient(server.target);
    const answer = await client.rerankAll("q", textsOf(count).values());
    assert.equal(answer.results.length, count);
    assert.deepEqual([server.rerankCalls, server.streams.length], count <= 1_024 ? [1, 0] : [0, 1]);
  });
}

it("ranks all by a stream what is more than the live limits take", async () => {
  await using server = await FakeServer.start({ status: () => ({ limits: { maxDocuments: 10 } }) });
  using client = new RerankdClient(server.target);
  assert.equal((await client.rerankAll("q", textsOf(11))).results.length, 11);
  assert.deepEqual([server.rerankCalls, server.streams.length], [0, 1]);
  assert.equal((await client.rerankAll("q", textsOf(10))).results.length, 10);
  assert.deepEqual([server.rerankCalls, server.streams.length], [1, 1]);
});

it("ends the source of rerankAll when the server cannot be reached, or a document is none", async () => {
  using client = new RerankdClient("127.0.0.1:1");
  let isEnded = false;
  function* source() {
    try {
      yield "text";
      yield 5 as unknown as string;
    } finally {
      isEnded = true;
    }
  }
  await assert.rejects(client.rerankAll("q", source()), UnavailableError);
  await using server = await FakeServer.start();
  using reached = new RerankdClient(server.target);
  await assert.rejects(reached.rerankAll("q", source()), InvalidRequestError);
  assert(isEnded);
});

it("ranks several queries", async () => {
  await using server = await FakeServer.start({
    batch: ({ requests, sharedDocuments, options }) => ({
      results: requests.map((request) => ({
        result: {
          case: "response",
          value: {
            outcomeReason: `${request.query} ${request.documents.length} ${sharedDocuments.length}`,
            outcome: request.options === undefined ? (options?.topN ?? 0) : 0,
          },
        },
      })),
    }),
  });
  using client = new RerankdClient(server.target);
  const requests = [{ query: "a" }, { query: "b", documents: ["1", "2"], options: {} }];
  const { results } = await client.rerankBatch(requests, { sharedDocuments: ["x"], options: { topN: 2 } });
  const answers = results.map(({ result }) => result.case === "response" && [result.value.outcomeReason, result.value.outcome]);
  assert.deepEqual(answers, [["a 0 1", 2], ["b 2 1", 0]]);
});
