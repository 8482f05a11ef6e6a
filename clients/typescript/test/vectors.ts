// Reading conformance vectors, and comparing an answer with what one expects; tests/conformance/README.md
// tells what the files hold.
import { fromJson, type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Code, Outcome, type RerankdError, type RerankResponse, type RerankResult } from "rerankd-client";
import {
  type RerankBatchResponse,
  type RerankRequest,
  RerankRequestSchema,
  type RerankResult as Result,
  RerankResultSchema,
  type Usage,
  UsageSchema,
} from "rerankd-client/v1/rerank_service_pb.js";

export const KINDS = ["rerank", "rerank_all", "rerank_stream", "rerank_batch", "stream_messages"] as const;
export type Kind = (typeof KINDS)[number];

interface ExpectedError {
  code: string;
  reason: string;
  metadata?: Record<string, string>;
  fields?: string[];
}

interface Expectation {
  same_as?: string;
  error?: ExpectedError;
  items?: Expectation[];
  results?: JsonObject[];
  count?: number;
  outcome?: string;
  outcome_reason?: string;
  model?: string;
  usage?: Record<string, number>;
}

export interface Vector extends Partial<Record<Kind, JsonValue>> {
  name: string;
  generate?: { count: number; texts: string[] };
  emit?: "summary_only" | "scores" | "snapshots";
  chunk_documents?: number;
  snapshot_interval_seconds?: number;
  tolerance?: number;
  expect: Expectation;
}

export type Vectors = ReadonlyMap<string, Vector>;
export type Answer = RerankResponse | RerankBatchResponse | RerankdError;

const SCORES = ["score", "logit", "original_score"];

/** Every vector of a folder, by name. */
export function readVectors(folder: string): Vectors {
  const vectors = new Map<string, Vector>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".json")).sort()) {
    const content = JSON.parse(readFileSync(join(folder, file), "utf8")) as { vectors: Vector[] };
    for (const vector of content.vectors) {
      assert(!vectors.has(vector.name), `${file}: ${vector.name} is there twice`);
      vectors.set(vector.name, vector);
    }
  }
  return vectors;
}

/** Which request a vector holds. */
export function kindOf(vector: Vector): Kind {
  const kinds = KINDS.filter((kind) => kind in vector);
  const [kind] = kinds;
  assert(kind !== undefined && kinds.length === 1, `${vector.name} holds ${kinds.length} requests`);
  return kind;
}

/** The request of a vector, with the documents that it generates. */
export function requestOf(vector: Vector, kind: Kind): RerankRequest {
  const request = fromJson(RerankRequestSchema, vector[kind] ?? null);
  const { count, texts } = vector.generate ?? { count: 0, texts: [] };
  const generated = Array.from({ length: count }, (_, i) => ({
    id: `g${i}`,
    text: (texts[i % texts.length] ?? "").replaceAll("{i}", String(i)),
  }));
  const documents = fromJson(RerankRequestSchema, { documents: generated }).documents;
  request.documents.push(...documents);
  return request;
}

/** Asserts that an answer is the expected one. */
export function check(vectors: Vectors, vector: Vector, answer: Answer): void {
  checkExpectation(vectors, vector.expect, answer, vector.tolerance ?? 1e-4);
}

function checkExpectation(vectors: Vectors, expect: Expectation, answer: Answer, tolerance: number): void {
  if (expect.same_as !== undefined) {
    const other = vectors.get(expect.same_as);
    assert(other !== undefined, `there is no vector ${expect.same_as}`);
    checkExpectation(vectors, other.expect, answer, other.tolerance ?? tolerance);
  } else if (expect.error !== undefined) {
    checkError(expect.error, answer);
  } else if (answer instanceof Error) {
    throw answer;
  } else if (answer.$typeName === "rerankd.v1.RerankBatchResponse") {
    checkItems(vectors, expect.items ?? [], answer, tolerance);
  } else {
    checkRanking(expect, answer, tolerance);
  }
}

function checkError(expect: ExpectedError, answer: Answer): void {
  assert(answer instanceof Error, "it did not fail");
  assert.equal(wireName(answer.code), expect.code, answer.message);
  assert.equal(answer.reason, expect.reason);
  for (const [name, value] of Object.entries(expect.metadata ?? {})) {
    assert.equal(answer.metadata[name], value, name);
  }
  if (expect.fields !== undefined) {
    assert.deepEqual(answer.fieldViolations.map(({ field }) => field), expect.fields);
  }
}

function wireName(code: Code): string {
  const name = Code[code];
  return name === "Canceled" ? "CANCELLED" : name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}

function checkItems(
  vectors: Vectors,
  items: Expectation[],
  answer: RerankBatchResponse,
  tolerance: number,
): void {
  assert.equal(answer.results.length, items.length);
  for (const [place, { result }] of answer.results.entries()) {
    const item = items[place] ?? {};
    if (item.error !== undefined) {
      assert.equal(result.case === "error" ? result.value.reason : "", item.error.reason);
    } else {
      assert(result.case === "response", `item ${place} failed`);
      checkExpectation(vectors, item, result.value, tolerance);
    }
  }
}

function checkRanking(expect: Expectation, answer: RerankResponse, tolerance: number): void {
  const wanted = expect.results ?? [];
  assert.equal(answer.results.length, expect.count ?? wanted.length);
  for (const [place, entry] of wanted.entries()) {
    const result = answer.results[place];
    assert(result !== undefined);
    checkResult(entry, result, tolerance);
  }
  if (expect.outcome !== undefined) {
    assert.equal(Outcome[answer.outcome], expect.outcome);
  }
  assert(answer.outcomeReason.startsWith(expect.outcome_reason ?? ""), answer.outcomeReason);
  assert.equal(answer.model?.id, expect.model ?? answer.model?.id);
  checkUsage(expect.usage ?? {}, answer.usage);
}

function checkResult(entry: JsonObject, result: Result, tolerance: number): void {
  const told = plain(result);
  for (const [name, value] of Object.entries(entry)) {
    if (SCORES.includes(name) && typeof value === "number") {
      const score = told[name];
      assert(typeof score === "number" && isClose(score, value, tolerance), `${name}: ${JSON.stringify(score)}, not ${value}`);
    } else {
      assert.deepEqual(told[name], value, name);
    }
  }
}

function isClose(one: number, other: number, tolerance: number): boolean {
  return Math.abs(one - other) <= Math.max(tolerance, 1e-6 * Math.abs(other));
}

/** A result in its proto names, with every field that has a value by itself. */
function plain(result: RerankResult): JsonObject {
  const json = toJson(RerankResultSchema, result, { useProtoFieldName: true, alwaysEmitImplicit: true });
  // Zeros inside a message are left out in the vectors, as protobuf's JSON does by default.
  const short = toJson(RerankResultSchema, result, { useProtoFieldName: true }) as JsonObject;
  const { passage, document } = short;
  return { ...(json as JsonObject), ...(passage && { passage }), ...(document && { document }) };
}

function checkUsage(expect: Record<string, number>, usage: Usage | undefined): void {
  assert(usage !== undefined);
  const told = toJson(UsageSchema, usage, { useProtoFieldName: true, alwaysEmitImplicit: true }) as JsonObject;
  for (const [name, value] of Object.entries(expect)) {
    assert.equal(Number(told[name]), value, name);
  }
}
