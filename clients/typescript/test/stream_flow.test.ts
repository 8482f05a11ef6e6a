// What is sent, how far documents are read ahead, and how streams are left.
import assert from "node:assert/strict";
import { once } from "node:events";
import { it } from "node:test";
import {
  CancelledError,
  type DocumentInput,
  InvalidRequestError,
  RerankdClient,
  type ScoreChunk,
} from "rerankd-client";

import { documentsOf, rankingOf, rowsOf, textsOf } from "./fake_scores.js";
import { FakeServer, SCORES } from "./fake_server.js";

const TEXTS = textsOf(3_000);
const DOCUMENTS = documentsOf(TEXTS);

/** Counts what is read, and tells when it is ended. */
class CountedSource implements AsyncIterableIterator<DocumentInput> {
  read = 0;
  isEnded = false;

  constructor(readonly documents: readonly DocumentInput[] = DOCUMENTS) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<DocumentInput, undefined>> {
    const document = this.documents[this.read];
    this.read += 1;
    return Promise.resolve(
      document === undefined ? { done: true, value: undefined } : { done: false, value: document },
    );
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.isEnded = true;
    return Promise.resolve({ done: true, value: undefined });
  }
}

it("fills chunks by count", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  await client.rerankStream("q", DOCUMENTS.slice(0, 300)).summary();
  await client.rerankStream("q", DOCUMENTS.slice(0, 5), {}, { chunkDocuments: 2 }).summary();
  const sizes = server.streams.map(({ chunks }) => chunks.map(({ length }) => length));
  assert.deepEqual(sizes, [[128, 128, 44], [2, 2, 1]]);
});

it("fills chunks by bytes, up to the server's limit", async () => {
  await using server = await FakeServer.start({ status: () => ({ limits: { maxChunkBytes: 1_000n } }) });
  using client = new RerankdClient(server.target);
  const texts = Array.from({ length: 50 }, (_, index) => "x".repeat((index * 37) % 900));
  const answer = await client.rerankStream("q", documentsOf(texts)).summary();
  assert.deepEqual(rowsOf(answer.results), rankingOf(texts));
  const chunks = server.streams[0]?.chunks ?? [];
  for (const chunk of chunks) {
    const bytes = chunk.reduce((sum, { document }) => sum + (document.content.value as string).length, 0);
    assert(bytes <= 1_000);
  }
  assert(chunks.length < 50);
});

it("refuses a document that no chunk can hold, naming it", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  const documents = ["small", "x".repeat(1024 * 1024)];
  await assert.rejects(client.rerankStream("q", documents).summary(), (error: unknown) => {
    assert(error instanceof InvalidRequestError);
    assert.equal(error.fieldViolations[0]?.field, "documents[1]");
    assert.equal(error.metadata["limit"], String(1024 * 1024 - 5));
    return true;
  });
});

it("reads at most two windows ahead of the scores", async () => {
  let readMeanwhile = 0;
  const source = new CountedSource();
  await using server = await FakeServer.start({
    status: () => ({ limits: { streamWindowDocuments: 100 } }),
    async *stream(stream) {
      const held = [];
      for await (const entries of stream.read()) {
        held.push(entries);
        if (stream.chunks.flat().length < 200) {
          continue;
        }
        // A reader that did not stop would have gone on by now.
        await new Promise(setImmediate);
        readMeanwhile ||= source.read;
        yield* held.splice(0).map((each) => stream.scores(each));
      }
      yield* held.map((each) => stream.scores(each));
      yield stream.summary();
    },
  });
  using client = new RerankdClient(server.target);
  const answer = await client.rerankStream("q", source).summary();
  assert.deepEqual(rowsOf(answer.results), rankingOf(TEXTS));
  assert.equal(readMeanwhile, 200);
});

it("holds large documents back by bytes", async () => {
  const source = new CountedSource(Array.from({ length: 20 }, (_, index) => `${index}`.repeat(400_000)));
  let mostAhead = 0;
  await using server = await FakeServer.start({
    async *stream(stream) {
      for await (const entries of stream.read()) {
        mostAhead = Math.max(mostAhead, source.read - stream.scored.length);
        yield stream.scores(entries);
      }
      yield stream.summary();
    },
  });
  using client = new RerankdClient(server.target);
  const answer = await client.rerankStream("q", source).summary();
  assert.equal(answer.results.length, 20);
  assert(mostAhead <= 12, `${mostAhead} documents of 400 to 800 kB`);
});

it("gives a slow consumer everything", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  const source = new CountedSource();
  let scored = 0;
  for await (const chunk of client.rerankStream("q", source, {}, { ...SCORES, chunkDocuments: 10 })) {
    scored += chunk.index.length;
    // The client must not read ahead of a consumer that does not take its events.
    assert(source.read <= scored + 1024 + 1);
    await new Promise(setImmediate);
  }
  assert.equal(scored, TEXTS.length);
});

it("ends the source and the call when the loop is left early", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  const source = new CountedSource();
  const stream = client.rerankStream("q", source, {}, SCORES);
  for await (const chunk of stream) {
    assert(chunk.index.length > 0);
    break;
  }
  assert(source.isEnded);
  const { signal } = server.streams[0]?.context ?? {};
  assert(signal !== undefined);
  if (!signal.aborted) {
    await once(signal, "abort");
  }
  await assert.rejects(stream.summary(), CancelledError);
  assert.equal((await stream.next()).done, true);
});

it("lets go of a source that hangs", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  async function* source() {
    yield* DOCUMENTS.slice(0, 10);
    await new Promise(() => undefined);
  }
  const stream = client.rerankStream("q", source(), {}, { ...SCORES, chunkDocuments: 5 });
  assert.equal((await stream.next()).done, false);
  await stream.close();
});

it("wakes whoever waits for an event when it is closed", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  async function* source(): AsyncGenerator<DocumentInput> {
    await new Promise(() => undefined);
  }
  const stream = client.rerankStream("q", source(), {}, SCORES);
  const waiting = stream.next();
  await stream.close();
  await assert.rejects(waiting, CancelledError);
});

it("reads nothing before it is asked, and ends a source that was never read", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  const source = new CountedSource();
  const stream = client.rerankStream("q", source);
  await stream.close();
  assert.equal(source.read, 0);
  assert(source.isEnded);
  assert.equal(server.streams.length, 0);
});

for (const after of [0, 10, 2_000]) {
  it(`brings out what the source throws after ${after} documents, as it is`, async () => {
    await using server = await FakeServer.start();
    using client = new RerankdClient(server.target);
    const broken = new Error("the database went away");
    async function* source() {
      yield* DOCUMENTS.slice(0, after);
      await new Promise(setImmediate);
      throw broken;
    }
    const stream = client.rerankStream("q", source());
    await assert.rejects(stream.summary(), (error) => error === broken);
    await assert.rejects(stream.summary(), (error) => error === broken);
    const { signal } = server.streams[0]?.context ?? {};
    if (signal?.aborted === false) {
      await once(signal, "abort");
    }
  });
}

it("fails with the reason of the caller's signal", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  const controller = new AbortController();
  const why = new Error("the user left");
  const stream = client.rerankStream("q", DOCUMENTS, {}, { ...SCORES, signal: controller.signal });
  await assert.rejects(
    async () => {
      for await (const chunk of stream) {
        assert(chunk.index.length > 0);
        controller.abort(why);
      }
    },
    (error) => error instanceof CancelledError && error.cause === why,
  );
});

it("ends streams with the client", async () => {
  await using server = await FakeServer.start();
  const client = new RerankdClient(server.target);
  const stream = client.rerankStream("q", DOCUMENTS, {}, SCORES);
  await stream.next();
  client.close();
  await assert.rejects(stream.summary(), CancelledError);
  await assert.rejects(client.rerank("q", ["text"]), CancelledError);
});

it("takes synchronous iterables, generators and arrays alike", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  function* generated() {
    yield* TEXTS.slice(0, 300);
  }
  const scored: ScoreChunk[] = [];
  for await (const chunk of client.rerankStream("q", generated(), {}, SCORES)) {
    scored.push(chunk);
  }
  assert.equal(scored.flatMap(({ index }) => index).length, 300);
  const answer = await client.rerankStream("q", new Set(TEXTS.slice(0, 300))).summary();
  assert.equal(answer.results.length, 300);
});

it("sends an empty source on, for the server to refuse", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  const answer = await client.rerankStream("q", []).summary();
  assert.deepEqual(server.streams[0]?.chunks, []);
  assert.deepEqual(answer.results, []);
});
