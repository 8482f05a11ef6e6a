import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  Outcome,
  RerankdClient,
  RerankdError,
  type RerankResponse,
  StreamEmit,
  type StreamEvent,
  toRerankdError,
} from "rerankd-client";
import {
  RerankBatchRequestSchema,
  RerankService,
  RerankStreamRequestSchema,
} from "rerankd-client/v1/rerank_service_pb.js";

import { type Answer, check, kindOf, readVectors, requestOf, type Vector } from "./vectors.js";

const TARGET = process.env["RERANKD_TARGET"];
const FOLDER =
  process.env["RERANKD_VECTORS"] ??
  fileURLToPath(new URL("../../../../tests/conformance/vectors", import.meta.url));
const EMIT = {
  summary_only: StreamEmit.SUMMARY_ONLY,
  scores: StreamEmit.SCORES,
  snapshots: StreamEmit.SNAPSHOTS,
};

if (TARGET === undefined) {
  it("the vectors", { skip: "RERANKD_TARGET names no server" });
} else {
  runVectors(TARGET);
}

function runVectors(target: string): void {
  const vectors = readVectors(FOLDER);
  const client = new RerankdClient(target);
  describe("the vectors", () => {
    after(() => {
      client.close();
    });
    for (const vector of vectors.values()) {
      it(vector.name, { timeout: 120_000 }, async () => {
        check(vectors, vector, await answerTo(client, target, vector));
      });
    }
  });
}

async function answerTo(client: RerankdClient, target: string, vector: Vector): Promise<Answer> {
  try {
    return await call(client, target, vector);
  } catch (error) {
    assert(error instanceof RerankdError, String(error));
    return error;
  }
}

async function call(client: RerankdClient, target: string, vector: Vector): Promise<Answer> {
  const kind = kindOf(vector);
  if (kind === "stream_messages") {
    return rawStream(target, vector.stream_messages);
  }
  if (kind === "rerank_batch") {
    const { requests, ...batch } = fromJson(RerankBatchRequestSchema, vector.rerank_batch ?? null);
    return client.rerankBatch(requests, batch);
  }
  const { query, documents, options } = requestOf(vector, kind);
  if (kind === "rerank_stream") {
    return stream(client, vector);
  }
  return kind === "rerank"
    ? client.rerank(query, documents, options)
    : client.rerankAll(query, documents, options);
}

async function stream(client: RerankdClient, vector: Vector): Promise<RerankResponse> {
  const { query, documents, options } = requestOf(vector, "rerank_stream");
  const seconds = vector.snapshot_interval_seconds;
  await using running = client.rerankStream(query, documents, options, {
    emit: EMIT[vector.emit ?? "summary_only"],
    chunkDocuments: vector.chunk_documents,
    snapshotIntervalMs: seconds === undefined ? undefined : seconds * 1_000,
  });
  const events: StreamEvent[] = [];
  for await (const event of running) {
    events.push(event);
  }
  const answer = await running.summary();
  checkEvents(vector, events, answer, options?.topN ?? 0);
  return answer;
}

async function rawStream(target: string, messages: JsonValue | undefined): Promise<RerankResponse> {
  assert(Array.isArray(messages));
  const parsed = messages.map((message) => fromJson(RerankStreamRequestSchema, message));
  async function* requests() {
    yield* parsed;
  }
  const stub = createClient(RerankService, createGrpcTransport({ baseUrl: `http://${target}` }));
  let summary: RerankResponse | undefined;
  try {
    for await (const { message } of stub.rerankStream(requests())) {
      summary = message.case === "summary" ? message.value : summary;
    }
  } catch (error) {
    throw toRerankdError(error);
  }
  assert(summary !== undefined, "the stream ended without a summary");
  return summary;
}

/** Asserts what holds for the events of every stream. */
function checkEvents(vector: Vector, events: StreamEvent[], answer: RerankResponse, topN: number): void {
  switch (vector.emit ?? "summary_only") {
    case "summary_only":
      assert.equal(events.length, 0);
      break;
    case "scores":
      checkScores(events, answer);
      break;
    case "snapshots":
      checkSnapshots(events, answer, topN);
  }
}

function checkScores(events: StreamEvent[], answer: RerankResponse): void {
  const scores = new Map<number, number>();
  const unscored = new Set<number>();
  for (const chunk of events) {
    assert(chunk.$typeName === "rerankd.v1.ScoreChunk");
    for (const index of chunk.unscoredIndex) {
      assert(!unscored.has(index), `documents[${index}] was left unscored twice`);
      unscored.add(index);
    }
    for (const [row, index] of chunk.index.entries()) {
      assert(!scores.has(index), `documents[${index}] was scored twice`);
      scores.set(index, chunk.score[row] ?? NaN);
    }
  }
  assert.equal(scores.size, answer.usage?.scoredDocuments);
  if (answer.outcome === Outcome.PASSTHROUGH) {
    assert.equal(unscored.size, answer.usage?.documents);
  }
  for (const { index, score, scored } of answer.results) {
    assert(!scored || Math.abs((scores.get(index) ?? NaN) - score) < 1e-6, `documents[${index}]`);
  }
}

function checkSnapshots(events: StreamEvent[], answer: RerankResponse, topN: number): void {
  assert.notEqual(events.length, 0);
  const ids = new Set(answer.results.map(({ id }) => id));
  let before = 0;
  for (const snapshot of events) {
    assert(snapshot.$typeName === "rerankd.v1.Snapshot");
    const scores = snapshot.results.map(({ score }) => score);
    assert.deepEqual(scores, scores.toSorted((one, other) => other - one));
    assert(scores.length <= topN);
    assert(snapshot.scored >= before, "scored fell");
    before = snapshot.scored;
  }
  const last = events.at(-1);
  assert(last?.$typeName === "rerankd.v1.Snapshot");
  if (last.scored === answer.usage?.scoredDocuments) {
    assert(last.results.every(({ id }) => ids.has(id)), "the last snapshot differs from the answer");
  }
}
