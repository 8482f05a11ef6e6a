import { create } from "@bufbuild/protobuf";

import type { Entry } from "./documents.js";
import {
  type Document,
  type Passage,
  type RerankOptions,
  type RerankResult,
  RerankResultSchema,
  type ScoreChunk,
} from "./rerankd/v1/rerank_service_pb.js";

/** What a score chunk says about one document. */
export interface Score {
  readonly score: number;
  /** Undefined where the model tells none. */
  readonly logit: number | undefined;
  readonly droppedTokens: number;
  readonly passage: Passage | undefined;
}

/** What is kept of a document for its result. */
export interface Kept {
  readonly index: number;
  readonly id: string;
  readonly originalScore: number | undefined;
  /** Only where the caller wants it back. */
  readonly document: Document | undefined;
  /** Undefined for a document that was not scored. */
  readonly score: Score | undefined;
}

/** Takes documents and scores in any order, and gives the ranking so far. */
export interface Collector {
  /** Notes a document when it is read, before anything else is known of it. */
  read(entry: Entry): void;
  /** Notes a score; tells whether the ranking may have changed. */
  scored(entry: Entry, score: Score): boolean;
  /** Notes that a document will have no score. */
  leftUnscored(entry: Entry): void;
  /** What is scored so far, best first. */
  best(): RerankResult[];
  /** Best first, then the unscored documents in the order of their indexes. */
  ranking(): RerankResult[];
  /** The documents that were read, unscored. */
  originalOrder(): RerankResult[];
}

/** The rows of a score chunk; columns that the server left out have their default. */
export function* scoreRows(chunk: ScoreChunk): Generator<[index: number, score: Score]> {
  for (const [row, index] of chunk.index.entries()) {
    yield [
      index,
      {
        score: chunk.score[row] ?? 0,
        logit: chunk.logit[row],
        droppedTokens: chunk.droppedTokens[row] ?? 0,
        passage: chunk.passages[row],
      },
    ];
  }
}

/** What is kept of a document under these options. */
export function keep({ index, document }: Entry, options: RerankOptions, score?: Score): Kept {
  const { id, originalScore } = document;
  return {
    index,
    id,
    originalScore,
    document: options.returnDocuments ? document : undefined,
    score,
  };
}

/** The results, with their ranks from 1. */
export function rankedResults(kept: Iterable<Kept>): RerankResult[] {
  const results: RerankResult[] = [];
  for (const { index, id, originalScore, document, score } of kept) {
    const result = create(RerankResultSchema, { index, id, rank: results.length + 1 });
    if (originalScore !== undefined) {
      result.originalScore = originalScore;
    }
    if (document !== undefined) {
      result.document = document;
    }
    if (score !== undefined) {
      fill(result, score);
    }
    results.push(result);
  }
  return results;
}

function fill(result: RerankResult, { score, logit, droppedTokens, passage }: Score): void {
  result.scored = true;
  result.score = score;
  result.droppedTokens = droppedTokens;
  if (logit !== undefined) {
    result.logit = logit;
  }
  if (passage !== undefined) {
    result.passage = passage;
  }
}
