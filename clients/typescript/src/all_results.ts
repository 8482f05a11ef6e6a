import type { Entry } from "./documents.js";
import type { Document, RerankOptions, RerankResult } from "./rerankd/v1/rerank_service_pb.js";
import { type Collector, type Kept, rankedResults, type Score } from "./results.js";

/**
 * Remembers every result by column: 8 bytes and the id for each document.
 *
 * Documents are kept only where the caller wants them back.
 */
export class AllResults implements Collector {
  readonly #options: RerankOptions;
  readonly #ids: string[] = [];
  // Scores are finite and floats on the wire: NaN stands for none, and nothing is rounded.
  readonly #scores = new FloatColumn();
  readonly #logits = new FloatColumn();
  readonly #originalScores = new Map<number, number>();
  /** Of the few documents with dropped tokens or a passage. */
  readonly #details = new Map<number, Score>();
  readonly #documents: Document[] = [];

  constructor(options: RerankOptions) {
    this.#options = options;
  }

  /** Documents are read in the order of their indexes, which have no gaps. */
  read({ index, document }: Entry): void {
    this.#ids.push(document.id);
    this.#scores.set(index, NaN);
    this.#logits.set(index, NaN);
    if (document.originalScore !== undefined) {
      this.#originalScores.set(index, document.originalScore);
    }
    if (this.#options.returnDocuments) {
      this.#documents.push(document);
    }
  }

  scored({ index }: Entry, score: Score): boolean {
    this.#scores.set(index, score.score);
    this.#logits.set(index, score.logit ?? NaN);
    if (score.droppedTokens > 0 || score.passage !== undefined) {
      this.#details.set(index, score);
    }
    return true;
  }

  leftUnscored(): void {
    // Its score says so from the start.
  }

  best(): RerankResult[] {
    return rankedResults(this.#kept(this.#best(), true));
  }

  /** Every document, those without a score after the others. */
  ranking(): RerankResult[] {
    const order = this.#best();
    if (this.#options.minScore === undefined) {
      for (let index = 0; index < this.#ids.length; index += 1) {
        if (Number.isNaN(this.#scores.get(index))) {
          order.push(index);
        }
      }
    }
    return rankedResults(this.#kept(order, true));
  }

  originalOrder(): RerankResult[] {
    return rankedResults(this.#kept(this.#ids.keys(), false));
  }

  #best(): number[] {
    const least = this.#options.minScore ?? -Infinity;
    const scored: number[] = [];
    for (let index = 0; index < this.#ids.length; index += 1) {
      // NaN is not above anything.
      if (this.#scores.get(index) >= least) {
        scored.push(index);
      }
    }
    return scored.sort((one, other) => this.#compare(one, other));
  }

  *#kept(order: Iterable<number>, withScores: boolean): Generator<Kept> {
    for (const index of order) {
      yield {
        index,
        id: this.#ids[index] ?? "",
        originalScore: this.#originalScores.get(index),
        document: this.#documents[index],
        score: withScores ? this.#score(index) : undefined,
      };
    }
  }

  #compare(one: number, other: number): number {
    return (
      this.#scores.get(other) - this.#scores.get(one) ||
      this.#orderingLogit(other) - this.#orderingLogit(one) ||
      one - other
    );
  }

  #orderingLogit(index: number): number {
    const logit = this.#logits.get(index);
    return Number.isNaN(logit) ? this.#scores.get(index) : logit;
  }

  #score(index: number): Score | undefined {
    const score = this.#scores.get(index);
    if (Number.isNaN(score)) {
      return undefined;
    }
    const logit = this.#logits.get(index);
    const details = this.#details.get(index);
    return {
      score,
      logit: Number.isNaN(logit) ? undefined : logit,
      droppedTokens: details?.droppedTokens ?? 0,
      passage: details?.passage,
    };
  }
}

/** Numbers that take 4 bytes each, in an array that grows. */
class FloatColumn {
  #values = new Float32Array(1024);

  get(index: number): number {
    return this.#values[index] ?? NaN;
  }

  set(index: number, value: number): void {
    if (index >= this.#values.length) {
      const grown = new Float32Array(Math.max(index + 1, this.#values.length * 2));
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[index] = value;
  }
}
