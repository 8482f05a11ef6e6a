import { Code } from "@connectrpc/connect";
import assert from "node:assert/strict";
import { it } from "node:test";
import {
  FailureMode,
  InternalError,
  Outcome,
  ProviderUnavailableError,
  QuotaExceededError,
  RerankdClient,
  StreamEmit,
} from "rerankd-client";

import { documentsOf, rankingOf, rowsOf, textsOf } from "./fake_scores.js";
import { failure, FakeServer, type FakeStream, MODEL, SCORES, unavailable } from "./fake_server.js";

const TEXTS = textsOf(2500);
const DOCUMENTS = documentsOf(TEXTS);
const NONE = { outcome: Outcome.PASSTHROUGH, outcomeReason: "NONE: left as it is", model: MODEL };

/** Leaves documents from an index on unscored, and fails the first stream once so many are answered. */
function leavingFrom(index: number, failAfter = Infinity, summary: object = {}) {
  return async function* (stream: FakeStream) {
    for await (const entries of stream.read()) {
      yield stream.scores(entries, index);
      if (stream.number === 1 && stream.scored.length >= failAfter) {
        throw unavailable("DRAINING");
      }
    }
    const value = { outcome: Outcome.RERANKED, model: { ...MODEL, revision: stream.revision }, ...summary };
    yield { message: { case: "summary" as const, value } };
  };
}

for (const failAfter of [Infinity, 1200, 2500]) {
  for (const topN of [0, 7]) {
    it(`leaves the order where the server scores nothing, topN ${topN}, lost after ${failAfter}`, async () => {
      await using server = await FakeServer.start({ stream: leavingFrom(0, failAfter, NONE) });
      using client = new RerankdClient(server.target);
      const options = { topN, returnDocuments: true, minScore: 0.5 };
      const stream = client.rerankStream("q", DOCUMENTS, options, SCORES);
      const told: number[] = [];
      for await (const chunk of stream) {
        told.push(...chunk.unscoredIndex);
      }
      const answer = await stream.summary();
      assert.deepEqual(told.sort((one, other) => one - other), [...TEXTS.keys()]);
      const wanted = [...TEXTS.keys()].slice(0, topN || 2500);
      assert.deepEqual(rowsOf(answer.results), wanted.map((index) => [index, `d${index}`, 0, index + 1]));
      assert.deepEqual(answer.results.map((r) => r.document?.content.value), TEXTS.slice(0, topN || 2500));
      assert(answer.results.every(({ scored }) => !scored));
      assert.equal(answer.outcome, Outcome.PASSTHROUGH);
      assert.match(answer.outcomeReason, /^NONE: /);
      assert.deepEqual([answer.usage?.documents, answer.usage?.scoredDocuments], [2500, 0]);
    });
  }
  for (const topN of [0, 50, 150]) {
    it(`ranks what is beyond the server's bound last, topN ${topN}, lost after ${failAfter}`, async () => {
      await using server = await FakeServer.start({ stream: leavingFrom(100, failAfter) });
      using client = new RerankdClient(server.target);
      const answer = await client.rerankStream("q", DOCUMENTS, { topN }).summary();
      const scored = rankingOf(TEXTS.slice(0, 100), topN);
      assert.deepEqual(rowsOf(answer.results.slice(0, 100)), scored);
      const rest = [...TEXTS.keys()].slice(100, topN || 2500);
      assert.deepEqual(answer.results.slice(100).map(({ index }) => index), rest);
      assert(answer.results.slice(100).every((r) => !r.scored));
      assert.equal(answer.outcome, Outcome.RERANKED);
      assert.deepEqual([answer.usage?.documents, answer.usage?.scoredDocuments], [2500, 100]);
    });
  }
}

it("has no place for unscored documents in snapshots, nor above a least score", async () => {
  await using server = await FakeServer.start({ stream: leavingFrom(100) });
  using client = new RerankdClient(server.target);
  const emit = { emit: StreamEmit.SNAPSHOTS, snapshotIntervalMs: 0 };
  const stream = client.rerankStream("q", DOCUMENTS, { topN: 150 }, emit);
  for await (const event of stream) {
    assert(event.$typeName === "rerankd.v1.Snapshot");
    assert(event.results.every(({ scored }) => scored));
  }
  assert.equal((await stream.summary()).results.length, 150);
  for (const topN of [0, 150]) {
    const { results } = await client.rerankStream("q", DOCUMENTS, { topN, minScore: 0.5 }).summary();
    assert(results.length > 0 && results.every(({ score }) => score >= 0.5));
  }
});

it("tells which model stood in and what it billed", async () => {
  const outcomeReason = "FALLBACK: b stood in for a: DRAINING: going down";
  const usage = { providerUnits: 3n, providerCost: 0.5, providerUnitsEstimated: true };
  await using server = await FakeServer.start({ stream: leavingFrom(2500, 100, { outcomeReason, usage }) });
  using client = new RerankdClient(server.target);
  const answer = await client.rerankStream("q", DOCUMENTS).summary();
  assert.deepEqual([answer.outcome, answer.outcomeReason], [Outcome.RERANKED, outcomeReason]);
  assert.deepEqual([Number(answer.usage?.providerUnits), answer.usage?.providerCost], [3, 0.5]);
  assert.equal(answer.usage?.providerUnitsEstimated, true);
});

it("takes over the original order of a server whose model failed, which then has no revision", async () => {
  const passed = { outcome: Outcome.PASSTHROUGH, outcomeReason: "OVERLOADED: full", model: { id: MODEL.id } };
  await using server = await FakeServer.start({
    stream: (stream) => {
      stream.revision = stream.number === 1 ? MODEL.revision : "";
      return leavingFrom(stream.number === 1 ? 2500 : 0, 200, passed)(stream);
    },
  });
  using client = new RerankdClient(server.target);
  for (const topN of [0, 7]) {
    server.streams.length = 0;
    const answer = await client.rerankStream("q", DOCUMENTS, { topN }).summary();
    assert.deepEqual([answer.outcome, answer.outcomeReason], [Outcome.PASSTHROUGH, "OVERLOADED: full"]);
    assert.deepEqual(answer.results.map(({ index }) => index), [...TEXTS.keys()].slice(0, topN || 2500));
    assert(answer.results.every(({ scored }) => !scored));
  }
});

it("refuses a document that is answered twice", async () => {
  await using server = await FakeServer.start({
    async *stream(stream) {
      for await (const entries of stream.read()) {
        yield stream.scores(entries, 0);
        yield stream.scores(entries.slice(0, 1), 0);
      }
    },
  });
  using client = new RerankdClient(server.target);
  await assert.rejects(client.rerankStream("q", DOCUMENTS).summary(), InternalError);
});

for (const [asked, sent] of [
  [undefined, FailureMode.UNSPECIFIED],
  [FailureMode.ORIGINAL_ORDER, FailureMode.UNSPECIFIED],
  [FailureMode.FAIL, FailureMode.FAIL],
] as const) {
  it(`sends on_failure ${sent} where ${asked ?? "nothing"} is asked for`, async () => {
    await using server = await FakeServer.start();
    using client = new RerankdClient(server.target);
    const options = asked === undefined ? {} : { onFailure: asked };
    await client.rerankStream("q", ["text"], options).summary();
    assert.equal(server.streams[0]?.start?.options?.onFailure ?? FailureMode.UNSPECIFIED, sent);
  });
}

it("forgives a quota that is a provider's", async () => {
  let owner = "provider";
  await using server = await FakeServer.start({
    async *stream() {
      throw failure("QUOTA_EXCEEDED", Code.ResourceExhausted, { metadata: { [owner]: "x" } });
    },
  });
  using client = new RerankdClient(server.target);
  const options = { onFailure: FailureMode.ORIGINAL_ORDER };
  const answer = await client.rerankStream("q", ["text"], options).summary();
  assert.match(answer.outcomeReason, /^QUOTA_EXCEEDED: /);
  owner = "key";
  await assert.rejects(client.rerankStream("q", ["text"], options).summary(), QuotaExceededError);
});

it("tries again where a provider is unavailable, and forgives it", async () => {
  await using server = await FakeServer.start({
    async *stream() {
      throw unavailable("PROVIDER_UNAVAILABLE");
    },
  });
  using client = new RerankdClient(server.target);
  await assert.rejects(client.rerankStream("q", ["text"]).summary(), ProviderUnavailableError);
  const options = { onFailure: FailureMode.ORIGINAL_ORDER };
  const answer = await client.rerankStream("q", ["text"], options).summary();
  assert.match(answer.outcomeReason, /^PROVIDER_UNAVAILABLE: /);
  assert.equal(server.streams.length, 6);
});
