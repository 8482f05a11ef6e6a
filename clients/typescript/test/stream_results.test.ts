import { Code } from "@connectrpc/connect";
import assert from "node:assert/strict";
import { it } from "node:test";
import {
  DeadlineExceededError,
  DeadlineMode,
  DrainingError,
  FailureMode,
  InvalidRequestError,
  LongDocument,
  NonFiniteScoreError,
  Outcome,
  RerankdClient,
  type RerankOptionsInit,
  StreamEmit,
} from "rerankd-client";

import { documentsOf, rankingOf, rowsOf, scoreOf, textsOf } from "./fake_scores.js";
import { failure, FakeServer, type FakeStream, unavailable } from "./fake_server.js";

const TEXTS = textsOf(700);
const DOCUMENTS = documentsOf(TEXTS);

for (const topN of [0, 1, 10, 699, 700, 5_000]) {
  it(`ranks by score, then logit, then index with topN ${topN}`, async () => {
    await using server = await FakeServer.start();
    using client = new RerankdClient(server.target);
    const answer = await client.rerankStream("q", DOCUMENTS, { topN }).summary();
    assert.deepEqual(rowsOf(answer.results), rankingOf(TEXTS, topN));
    assert.equal(answer.outcome, Outcome.RERANKED);
    assert.equal(answer.usage?.documents, 700);
    // The test means something only while a sigmoid rounds many logits to the same score.
    assert(TEXTS.filter((text) => scoreOf(text) === 1).length > 100);
  });
}

it("asks the server for all scores and a short summary", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  const options: RerankOptionsInit = {
    model: "m",
    topN: 5,
    returnDocuments: true,
    maxScoredDocuments: 600,
    minScore: 0.5,
    onFailure: FailureMode.ORIGINAL_ORDER,
    longDocument: LongDocument.TRUNCATE_START,
  };
  await client.rerankStream("q", DOCUMENTS, options).summary();
  const { query, emit, options: sent } = server.streams[0]?.start ?? {};
  assert.deepEqual([query, emit], ["q", StreamEmit.SCORES]);
  assert.deepEqual(
    [sent?.model, sent?.topN, sent?.returnDocuments, sent?.maxScoredDocuments, sent?.minScore],
    ["m", 1, false, 600, 0.5],
  );
  assert.deepEqual([sent?.onFailure, sent?.longDocument], [FailureMode.UNSPECIFIED, LongDocument.TRUNCATE_START]);
  assert.equal(options.topN, 5, "the caller's options were changed");
});

for (const topN of [0, 20]) {
  it(`leaves out what is below minScore with topN ${topN}`, async () => {
    await using server = await FakeServer.start();
    using client = new RerankdClient(server.target);
    const options = { topN, minScore: 0.9, maxScoredDocuments: 30 };
    const answer = await client.rerankStream("q", DOCUMENTS, options).summary();
    const expected = rankingOf(TEXTS.slice(0, 30), topN).filter(([, , score]) => score >= 0.9);
    assert(expected.length > 0 && expected.length < 30);
    assert.deepEqual(rowsOf(answer.results), expected);
  });

  it(`sends only maxScoredDocuments with topN ${topN}`, async () => {
    await using server = await FakeServer.start();
    using client = new RerankdClient(server.target);
    const options = { topN, maxScoredDocuments: 10 };
    const answer = await client.rerankStream("q", DOCUMENTS, options).summary();
    assert.equal(server.streams[0]?.scored.length, 10);
    assert.equal(answer.results.length, topN || 700);
    assert.deepEqual(answer.results.slice(0, 10).map(({ index }) => index), rankingOf(TEXTS.slice(0, 10)).map(([index]) => index));
    assert(answer.results.slice(10).every(({ index, scored, rank }, place) => index === place + 10 && !scored && rank === place + 11));
    assert.deepEqual([answer.usage?.documents, answer.usage?.scoredDocuments], [700, 10]);
  });

  it(`returns documents with topN ${topN}`, async () => {
    await using server = await FakeServer.start();
    using client = new RerankdClient(server.target);
    const answer = await client.rerankStream("q", DOCUMENTS, { topN, returnDocuments: true }).summary();
    for (const { index, document } of answer.results) {
      assert.deepEqual(document?.content, { case: "text", value: TEXTS[index] });
    }
  });

  for (const reason of ["OVERLOADED", "DRAINING", "MODEL_LOADING"]) {
    it(`passes the original order through after ${reason} with topN ${topN}`, async () => {
      await using server = await FakeServer.start({ stream: failingAfterOneChunk(() => unavailable(reason)) });
      using client = new RerankdClient(server.target, { resumeAttempts: 1 });
      const options = { topN, onFailure: FailureMode.ORIGINAL_ORDER };
      const answer = await client.rerankStream("q", DOCUMENTS, options).summary();
      assert.equal(answer.outcome, Outcome.PASSTHROUGH);
      assert.equal(answer.outcomeReason, `${reason}: it failed with ${reason}`);
      assert.deepEqual(answer.results.map(({ index }) => index), [...TEXTS.keys()].slice(0, topN || 700));
      assert(answer.results.every(({ scored }) => !scored));
      assert.deepEqual([answer.usage?.documents, answer.usage?.scoredDocuments], [700, 0]);
    });
  }
}

it("passes through at once after a failure that is no interruption", async () => {
  const error = () => failure("NON_FINITE_SCORE", Code.Internal);
  await using server = await FakeServer.start({ stream: failingAfterOneChunk(error) });
  using client = new RerankdClient(server.target);
  const options = { onFailure: FailureMode.ORIGINAL_ORDER };
  const answer = await client.rerankStream("q", DOCUMENTS, options).summary();
  assert.match(answer.outcomeReason, /^NON_FINITE_SCORE: /);
  assert.equal(server.streams.length, 1);
  await assert.rejects(client.rerankStream("q", DOCUMENTS).summary(), NonFiniteScoreError);
});

it("passes through when the server drains before any stream", async () => {
  await using server = await FakeServer.start({
    status: () => {
      throw unavailable("DRAINING");
    },
  });
  using client = new RerankdClient(server.target, { resumeAttempts: 1 });
  const options = { onFailure: FailureMode.ORIGINAL_ORDER };
  const answer = await client.rerankStream("q", DOCUMENTS, options).summary();
  assert.equal(answer.outcome, Outcome.PASSTHROUGH);
  assert.equal(answer.results.length, 700);
  await assert.rejects(client.rerankStream("q", DOCUMENTS).summary(), DrainingError);
});

it("does not pass a request through that is itself at fault", async () => {
  const error = () => failure("INVALID_REQUEST", Code.InvalidArgument);
  await using server = await FakeServer.start({ stream: failingAfterOneChunk(error) });
  using client = new RerankdClient(server.target);
  const options = { onFailure: FailureMode.ORIGINAL_ORDER };
  await assert.rejects(client.rerankStream("q", DOCUMENTS, options).summary(), InvalidRequestError);
});

it("answers with what is scored when the deadline comes first and PARTIAL was asked for", async () => {
  await using server = await FakeServer.start({ stream: scoringOneChunk });
  using client = new RerankdClient(server.target);
  await client.status();
  const options = { onDeadline: DeadlineMode.PARTIAL };
  const answer = await client.rerankStream("q", DOCUMENTS, options, { timeoutMs: 3_000 }).summary();
  assert.equal(answer.outcome, Outcome.PARTIAL);
  const scored = answer.results.filter((result) => result.scored);
  assert.deepEqual(rowsOf(scored), rankingOf(TEXTS.slice(0, 128)));
  assert.deepEqual(answer.results.slice(128).map(({ index }) => index), [...TEXTS.keys()].slice(128));
});

it("answers PARTIAL when the deadline would come between two attempts", async () => {
  const error = () => failure("OVERLOADED", Code.Unavailable, { retryAfterSeconds: 3_600 });
  await using server = await FakeServer.start({ stream: failingAfterOneChunk(error) });
  using client = new RerankdClient(server.target);
  const options = { onDeadline: DeadlineMode.PARTIAL, topN: 5 };
  const answer = await client.rerankStream("q", DOCUMENTS, options, { timeoutMs: 60_000 }).summary();
  assert.equal(answer.outcome, Outcome.PARTIAL);
  assert.deepEqual(rowsOf(answer.results), rankingOf(TEXTS.slice(0, 128), 5));
});

it("fails with DeadlineExceededError without PARTIAL", async () => {
  await using server = await FakeServer.start({ stream: scoringOneChunk });
  using client = new RerankdClient(server.target);
  await assert.rejects(
    client.rerankStream("q", DOCUMENTS, {}, { timeoutMs: 300 }).summary(),
    DeadlineExceededError,
  );
});

it("gives snapshots that only get better, the last one with everything", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  const stream = client.rerankStream(
    "q",
    DOCUMENTS,
    { topN: 3 },
    { emit: StreamEmit.SNAPSHOTS, snapshotIntervalMs: 0, chunkDocuments: 50 },
  );
  const snapshots = [];
  for await (const snapshot of stream) {
    snapshots.push(snapshot);
  }
  assert(snapshots.length > 1);
  for (const [place, { scored, results }] of snapshots.entries()) {
    assert(scored > (snapshots[place - 1]?.scored ?? 0));
    assert.deepEqual(rowsOf(results), rankingOf(TEXTS.slice(0, scored), 3));
  }
  assert.deepEqual(snapshots.at(-1)?.results, (await stream.summary()).results);
});

it("gives the last snapshot even within the interval", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  const choices = { emit: StreamEmit.SNAPSHOTS as const, snapshotIntervalMs: 3_600_000, chunkDocuments: 50 };
  const scored = [];
  for await (const snapshot of client.rerankStream("q", DOCUMENTS, { topN: 3 }, choices)) {
    scored.push(snapshot.scored);
  }
  assert.deepEqual(scored, [50, 700]);
});

for (const topN of [0, 1_001, -1]) {
  it(`refuses snapshots with topN ${topN}`, async () => {
    await using server = await FakeServer.start();
    using client = new RerankdClient(server.target);
    const stream = client.rerankStream("q", DOCUMENTS, { topN }, { emit: StreamEmit.SNAPSHOTS });
    await assert.rejects(stream.summary(), (error: unknown) => {
      assert(error instanceof InvalidRequestError);
      assert.deepEqual(error.fieldViolations.map(({ field }) => field), ["options.top_n"]);
      return true;
    });
  });
}

function failingAfterOneChunk(error: () => Error) {
  return async function* (stream: FakeStream) {
    for await (const entries of stream.read()) {
      if (stream.number === 1) {
        yield stream.scores(entries);
      }
      throw error();
    }
  };
}

async function* scoringOneChunk(stream: FakeStream) {
  for await (const entries of stream.read()) {
    if (stream.scored.length === 0) {
      yield stream.scores(entries);
    }
  }
  await new Promise((resolve) => {
    stream.context.signal.addEventListener("abort", resolve);
  });
}
