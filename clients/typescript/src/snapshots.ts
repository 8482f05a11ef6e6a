import { invalid } from "./documents.js";

const DEFAULT_INTERVAL_MS = 250;

/** When the next snapshot may be given. */
export class SnapshotSchedule {
  readonly #intervalMs: number;
  #nextAt = -Infinity;
  #pending = false;

  /** @throws InvalidRequestError for a `topN` or an interval outside its bounds. */
  constructor(topN: number, mostTopN: number, intervalMs = DEFAULT_INTERVAL_MS) {
    if (!(topN >= 1 && topN <= mostTopN)) {
      const bounds = `1 to ${mostTopN}`;
      const description = `is ${topN}; it must be ${bounds} in a stream with snapshots`;
      throw invalid("options.top_n", description, { value: String(topN), bounds });
    }
    if (!(intervalMs >= 0)) {
      throw invalid("snapshot_interval", `is ${intervalMs} ms; it must be at least 0`);
    }
    this.#intervalMs = intervalMs;
  }

  /** Whether the ranking changed after the last one. */
  get pending(): boolean {
    return this.#pending;
  }

  /** Whether one is to be given now; if so, it counts as given. */
  isDue(changed: boolean): boolean {
    this.#pending ||= changed;
    const now = performance.now();
    if (!this.#pending || now < this.#nextAt) {
      return false;
    }
    this.#nextAt = now + this.#intervalMs;
    this.#pending = false;
    return true;
  }
}
