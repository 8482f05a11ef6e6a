// How the fake server scores, and the ranking that follows from it.
import type { ScoreChunk } from "rerankd-client";

/** A logit that depends on nothing but the text; beyond 17, a sigmoid rounds to 1. */
export function logitOf(text: string): number {
  let hash = 2166136261;
  for (let place = 0; place < text.length; place += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(place), 16777619);
  }
  return Math.fround(((hash >>> 0) / 2 ** 32) * 60 - 30);
}

export function scoreOf(text: string): number {
  return Math.fround(1 / (1 + Math.exp(-logitOf(text))));
}

/** A row of a ranking: what every test compares. */
export type Row = readonly [index: number, id: string, score: number, rank: number];

/** The ranking of texts whose ids are `d0`, `d1`, ... */
export function rankingOf(texts: readonly string[], topN = 0): Row[] {
  return texts
    .map((text, index) => ({ index, score: scoreOf(text), logit: logitOf(text) }))
    .sort((one, other) => other.score - one.score || other.logit - one.logit || one.index - other.index)
    .slice(0, topN || texts.length)
    .map(({ index, score }, place) => [index, `d${index}`, score, place + 1]);
}

export function rowsOf(results: readonly { index: number; id: string; score: number; rank: number }[]): Row[] {
  return results.map(({ index, id, score, rank }) => [index, id, score, rank]);
}

export function textsOf(count: number, words = 5): string[] {
  return Array.from({ length: count }, (_, index) => `text ${index} `.repeat(words));
}

export function documentsOf(texts: readonly string[]): { id: string; text: string }[] {
  return texts.map((text, index) => ({ id: `d${index}`, text }));
}

/** The indexes that score chunks name, in order. */
export function indexesOf(chunks: readonly ScoreChunk[]): number[] {
  return chunks.flatMap(({ index }) => index).sort((one, other) => one - other);
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
