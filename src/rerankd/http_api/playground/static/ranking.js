/** What a ranking means for its reader: how far each document moved, how long its bar is, what took how long. */

/**
 * How a document moved.
 *
 * @param index its place in the request, from 0.
 * @param rank its place in the ranking, from 1.
 * @returns `{way, arrow, words}`.
 */
export function moveOf(index, rank) {
  const up = index + 1 - rank;
  if (up > 0) return { way: "up", arrow: "▲", words: `up ${up}, from ${index + 1}` };
  if (up < 0) return { way: "down", arrow: "▼", words: `down ${-up}, from ${index + 1}` };
  return { way: "same", arrow: "=", words: "stays" };
}

/** A function from a score to the share of its bar: the scale is 0 to 1, or where scores leave it, their range. */
export function scaleOf(scores) {
  const least = Math.min(...scores);
  const most = Math.max(...scores);
  if (scores.length === 0 || (least >= 0 && most <= 1)) return (score) => score;
  return (score) => (most === least ? 1 : (score - least) / (most - least));
}

/** Milliseconds of a duration of protobuf JSON, such as `0.034s`. */
export function milliseconds(duration) {
  return duration ? 1000 * Number.parseFloat(duration) : 0;
}

/** A time for people. */
export function timeText(ms) {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

const DIGITS = new Intl.NumberFormat("en");

/** A count for people; 64-bit numbers are texts in protobuf JSON. */
export function countText(count) {
  return DIGITS.format(Number(count ?? 0));
}

/** A count with its noun. */
export function counted(count, noun) {
  return `${countText(count)} ${noun}${Number(count) === 1 ? "" : "s"}`;
}

/** A score in as many digits as tell neighbours apart. */
export function scoreText(score) {
  return score.toFixed(4);
}

/** Whether `one` comes before `other` in a ranking: by score, then logit, then index, as in the server. */
export function comesBefore(one, other) {
  if (one.score !== other.score) return one.score > other.score;
  const logits = (one.logit ?? 0) - (other.logit ?? 0);
  return logits === 0 ? one.index < other.index : logits > 0;
}

/** The best of all that it was shown, best first. */
export class Best {
  constructor(size) {
    this.size = size;
    this.results = [];
  }

  /** Shows it one more; tells whether that is among the best. */
  take(result) {
    let place = this.results.length;
    while (place > 0 && comesBefore(result, this.results[place - 1])) place -= 1;
    if (place >= this.size) return false;
    this.results.splice(place, 0, result);
    this.results.length = Math.min(this.results.length, this.size);
    return true;
  }
}
