import type { Entry } from "./documents.js";
import type { RerankOptions, RerankResult } from "./rerankd/v1/rerank_service_pb.js";
import { type Collector, keep, type Kept, rankedResults, type Score } from "./results.js";

/** Remembers the best `topN` results: memory does not grow with the documents. */
export class BestResults implements Collector {
  readonly #options: RerankOptions;
  /** A binary heap with the worst of the best first. */
  readonly #heap: Kept[] = [];
  readonly #first: Kept[] = [];
  /** The first of those that nobody scores, in the order of their indexes. */
  readonly #unscored: Kept[] = [];

  constructor(options: RerankOptions) {
    this.#options = options;
  }

  /** The beginning is remembered, because an answer in the original order may be needed. */
  read(entry: Entry): void {
    if (this.#first.length < this.#options.topN) {
      this.#first.push(keep(entry, this.#options));
    }
  }

  scored(entry: Entry, score: Score): boolean {
    const worst = this.#heap[0];
    const kept = keep(entry, this.#options, score);
    if (this.#heap.length < this.#options.topN) {
      this.#heap.push(kept);
      this.#siftUp(this.#heap.length - 1, kept);
      return true;
    }
    if (worst === undefined || compareKept(kept, worst) > 0) {
      return false;
    }
    this.#siftDown(kept);
    return true;
  }

  /** They may come in any order; only the first `topN` can be in a result. */
  leftUnscored(entry: Entry): void {
    const { topN } = this.#options;
    const last = this.#unscored.at(-1);
    if (this.#unscored.length === topN && last !== undefined && last.index < entry.index) {
      return;
    }
    // Nearly always the end: the server tells them in order, but for those of a resumed stream.
    let place = this.#unscored.length;
    while (place > 0 && (this.#unscored[place - 1]?.index ?? 0) > entry.index) {
      place -= 1;
    }
    this.#unscored.splice(place, 0, keep(entry, this.#options));
    this.#unscored.length = Math.min(this.#unscored.length, topN);
  }

  best(): RerankResult[] {
    return rankedResults(this.#best());
  }

  /** Unscored documents fill what the scored ones leave free. */
  ranking(): RerankResult[] {
    const best = this.#best();
    const { minScore, topN } = this.#options;
    const rest = minScore === undefined ? this.#unscored.slice(0, topN - best.length) : [];
    return rankedResults([...best, ...rest]);
  }

  originalOrder(): RerankResult[] {
    return rankedResults(this.#first);
  }

  #best(): Kept[] {
    const { minScore } = this.#options;
    const best = this.#heap.toSorted(compareKept);
    return best.filter(({ score }) => minScore === undefined || (score !== undefined && score.score >= minScore));
  }

  #siftUp(start: number, kept: Kept): void {
    let place = start;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || compareKept(parent, kept) >= 0) {
        break;
      }
      this.#heap[place] = parent;
      place = above;
    }
    this.#heap[place] = kept;
  }

  /** Puts the result in the place of the worst one. */
  #siftDown(kept: Kept): void {
    let place = 0;
    for (;;) {
      const left = this.#heap[2 * place + 1];
      const right = this.#heap[2 * place + 2];
      const rightIsWorse = right !== undefined && left !== undefined && compareKept(right, left) > 0;
      const worse = rightIsWorse ? right : left;
      if (worse === undefined || compareKept(kept, worse) >= 0) {
        break;
      }
      this.#heap[place] = worse;
      place = 2 * place + (rightIsWorse ? 2 : 1);
    }
    this.#heap[place] = kept;
  }
}

/**
 * Negative when the first of two is the better one: by score, then by logit, which orders scores that a
 * sigmoid rounded to the same number, then by index.
 */
function compareKept(one: Kept, other: Kept): number {
  const [score, logit] = orderOf(one);
  const [otherScore, otherLogit] = orderOf(other);
  return otherScore - score || otherLogit - logit || one.index - other.index;
}

function orderOf({ score }: Kept): [score: number, logit: number] {
  const value = score?.score ?? -Infinity;
  return [value, score?.logit ?? value];
}
