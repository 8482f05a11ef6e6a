import { Code, ConnectError } from "@connectrpc/connect";
import assert from "node:assert/strict";
import { once } from "node:events";
import { it } from "node:test";
import {
  BackendFailedError,
  DrainingError,
  ModelChangedError,
  OverloadedError,
  RerankdClient,
  type ScoreChunk,
  UnavailableError,
} from "rerankd-client";

import { ResumePolicy } from "#internal/resume.js";

import { documentsOf, indexesOf, rankingOf, rowsOf, seeded, textsOf } from "./fake_scores.js";
import { failure, FakeServer, type FakeStream, SCORES, unavailable } from "./fake_server.js";

const TEXTS = textsOf(1000);
const DOCUMENTS = documentsOf(TEXTS);

/** Answers, but does something else once so many documents of the stream are scored. */
async function* until(stream: FakeStream, scored: number, then: () => unknown) {
  for await (const entries of stream.read()) {
    yield stream.scores(entries);
    if (stream.scored.length >= scored) {
      await then();
      // Whatever broke the stream ends this wait.
      await once(stream.context.signal, "abort");
    }
  }
  yield stream.summary();
}

/** Ranks all documents, and checks the ranking and that each score came once. */
async function checkRanking(client: RerankdClient, chunkDocuments = 64): Promise<number> {
  await using stream = client.rerankStream("q", DOCUMENTS, {}, { ...SCORES, chunkDocuments });
  const chunks: ScoreChunk[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
  }
  const answer = await stream.summary();
  assert.deepEqual(rowsOf(answer.results), rankingOf(TEXTS));
  assert.deepEqual(indexesOf(chunks), [...TEXTS.keys()]);
  assert.equal(answer.usage?.documents, TEXTS.length);
  assert.equal(answer.usage.scoredDocuments, TEXTS.length);
  return stream.resumes;
}

it("goes on when the connection breaks", async () => {
  await using server = await FakeServer.start({
    stream: (stream) =>
      stream.number <= 2 ? until(stream, 200, () => { server.breakConnections(); }) : stream.answer(),
  });
  using client = new RerankdClient(server.target);
  assert.equal(await checkRanking(client), 2);
  assert.deepEqual(server.streams.map(({ isIndexed }) => isIndexed), [false, true, true]);
});

it("goes on at a server that was started again", async () => {
  let successor: FakeServer | undefined;
  const server = await FakeServer.start({
    stream: (stream) =>
      until(stream, 300, async () => {
        const { port } = server;
        await server.close();
        successor = await FakeServer.start({ port });
      }),
  });
  using client = new RerankdClient(server.target);
  assert(await checkRanking(client) >= 1);
  assert.equal(successor?.streams.length, 1);
  await successor.close();
});

it("goes on when the server resets the stream", async () => {
  await using server = await FakeServer.start({
    async *stream(stream) {
      if (stream.number > 1) {
        yield* stream.answer();
        return;
      }
      for await (const entries of stream.read()) {
        yield stream.scores(entries);
        throw unavailable("DRAINING");
      }
    },
  });
  using client = new RerankdClient(server.target);
  assert.equal(await checkRanking(client), 1);
});

it("goes on when the server cancels the stream", async () => {
  await using server = await FakeServer.start({
    async *stream(stream) {
      for await (const entries of stream.read()) {
        yield stream.scores(entries);
        if (stream.number === 1) {
          throw new ConnectError("the core is being stopped", Code.Canceled);
        }
      }
      yield stream.summary();
    },
  });
  using client = new RerankdClient(server.target);
  assert.equal(await checkRanking(client), 1);
});

it("does not resume at a server that is too old to tell its model", async () => {
  await using server = await FakeServer.start({
    async *stream(stream) {
      for await (const entries of stream.read()) {
        const index = entries.map((entry) => entry.index);
        yield { message: { case: "scores", value: { index, score: index } } };
        throw unavailable();
      }
    },
  });
  using client = new RerankdClient(server.target);
  await assert.rejects(client.rerankStream("q", DOCUMENTS).summary(), UnavailableError);
  assert.equal(server.streams.length, 1);
});

it("finishes the stream under way after a graceful GOAWAY, and opens the next call elsewhere", async () => {
  await using server = await FakeServer.start({
    async *stream(stream) {
      for await (const entries of stream.read()) {
        yield stream.scores(entries);
        if (stream.chunks.length === 2) {
          server.goAway();
        }
      }
      yield stream.summary();
    },
  });
  using client = new RerankdClient(server.target);
  assert.equal(await checkRanking(client), 0);
  assert.equal((await client.rerank("q", ["text"])).results.length, 1);
});

it("answers when everything was scored and only the summary was lost", async () => {
  await using server = await FakeServer.start({
    async *stream(stream) {
      for await (const entries of stream.read()) {
        yield stream.scores(entries);
      }
      throw unavailable();
    },
  });
  using client = new RerankdClient(server.target);
  assert.equal(await checkRanking(client), 0);
});

it("gives up after attempts in a row without a score", async () => {
  await using server = await FakeServer.start({
    async *stream(stream) {
      for await (const entries of stream.read()) {
        if (stream.number === 1) {
          yield stream.scores(entries);
        }
        throw unavailable("DRAINING");
      }
    },
  });
  using client = new RerankdClient(server.target, { resumeAttempts: 4 });
  const stream = client.rerankStream("q", DOCUMENTS);
  await assert.rejects(stream.summary(), DrainingError);
  assert.equal(stream.resumes, 4);
  assert.equal(server.streams.length, 5);
});

it("gives up after three attempts when no score ever came", async () => {
  await using server = await FakeServer.start({
    async *stream() {
      throw unavailable("DRAINING");
    },
  });
  using client = new RerankdClient(server.target);
  await assert.rejects(client.rerankStream("q", DOCUMENTS).summary(), DrainingError);
  assert.equal(server.streams.length, 3);
});

it("never resumes with resumeAttempts 0", async () => {
  await using server = await FakeServer.start({
    stream: (stream) => until(stream, 1, () => { server.breakConnections(); }),
  });
  using client = new RerankdClient(server.target, { resumeAttempts: 0 });
  await assert.rejects(client.rerankStream("q", DOCUMENTS).summary(), UnavailableError);
  assert.equal(server.streams.length, 1);
});

it("does not resume after a failure that is no interruption", async () => {
  await using server = await FakeServer.start({
    async *stream(stream) {
      for await (const entries of stream.read()) {
        yield stream.scores(entries);
        throw failure("BACKEND_FAILED", Code.Internal);
      }
    },
  });
  using client = new RerankdClient(server.target);
  await assert.rejects(client.rerankStream("q", DOCUMENTS).summary(), BackendFailedError);
  assert.equal(server.streams.length, 1);
});

it("refuses to go on with another revision of the model", async () => {
  await using server = await FakeServer.start({
    async *stream(stream) {
      stream.revision = `r${stream.number}`;
      for await (const entries of stream.read()) {
        yield stream.scores(entries);
        throw unavailable();
      }
    },
  });
  using client = new RerankdClient(server.target);
  await assert.rejects(client.rerankStream("q", DOCUMENTS).summary(), (error: unknown) => {
    assert(error instanceof ModelChangedError);
    assert.deepEqual(error.metadata, { before: "fake@r1", now: "fake@r2" });
    assert.equal(error.code, Code.FailedPrecondition);
    return true;
  });
});

it("waits at least as long as the server asks", () => {
  const error = new OverloadedError("busy", { retryAfterSeconds: 7 });
  assert.equal(new ResumePolicy(8).delayAfterMs(error), 7_000);
});

it("waits longer after each attempt in vain, from 0.1 to 5 seconds", () => {
  const policy = new ResumePolicy(100);
  policy.progressed();
  for (let attempt = 0; attempt < 12; attempt += 1) {
    const delayMs = policy.delayAfterMs(new UnavailableError("gone")) ?? NaN;
    const expected = Math.min(5_000, 100 * 2 ** attempt);
    assert(delayMs >= 0.8 * expected && delayMs <= 1.2 * expected, `${attempt}: ${delayMs} ms`);
  }
  policy.progressed();
  assert((policy.delayAfterMs(new UnavailableError("gone")) ?? NaN) <= 120);
});

it("gives up a stream without any score after resumeAttempts, if that is less than three", () => {
  const policy = new ResumePolicy(1);
  assert.equal(policy.delayAfterMs(new UnavailableError("gone")), undefined);
});

for (const seed of [1, 2, 3, 4, 5, 6]) {
  it(`agrees with an uninterrupted stream, whatever happens (seed ${seed})`, async () => {
    const random = seeded(seed);
    await using server = await FakeServer.start({
      async *stream(stream) {
        for await (const entries of stream.read()) {
          const shuffled = entries.toSorted(() => random() - 0.5);
          const count = 1 + Math.floor(random() * shuffled.length);
          yield stream.scores(shuffled.slice(0, count));
          if (stream.number < 12 && random() < 0.25) {
            if (random() < 0.5) {
              throw unavailable();
            }
            server.breakConnections();
            await once(stream.context.signal, "abort");
          }
          if (count < shuffled.length) {
            yield stream.scores(shuffled.slice(count));
          }
        }
        yield stream.summary();
      },
    });
    using client = new RerankdClient(server.target);
    const resumes = await checkRanking(client, 1 + Math.floor(random() * 100));
    assert.equal(resumes, server.streams.length - 1);
  });
}

it("tells a broken connection as UnavailableError with its cause", async () => {
  await using server = await FakeServer.start({
    stream: (stream) => until(stream, 1, () => { server.breakConnections(); }),
  });
  using client = new RerankdClient(server.target, { resumeAttempts: 0 });
  await assert.rejects(client.rerankStream("q", DOCUMENTS).summary(), (error: unknown) => {
    assert(error instanceof UnavailableError);
    assert.equal(error.code, Code.Unavailable);
    assert(error.cause instanceof ConnectError);
    return true;
  });
});
