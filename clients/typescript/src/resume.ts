import { CancelledError, type RerankdError, UnavailableError } from "./errors.js";

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
const JITTER = 0.2;

// A stream that never got a score gives up as early as a unary call, so that a wrong address shows soon.
const ATTEMPTS_BEFORE_ANY_SCORE = 3;

/** When an interrupted stream is tried again: counts the attempts in a row that brought no score. */
export class ResumePolicy {
  readonly #attempts: number;
  #inVain = 0;
  #progressed = false;
  #anyScore = false;
  #resumes = 0;

  /** @param attempts - The stream gives up after so many; 0 never resumes. */
  constructor(attempts: number) {
    this.#attempts = attempts;
  }

  /** How often a stream was opened again. */
  get resumes(): number {
    return this.#resumes;
  }

  /** The current attempt brought a score. */
  progressed(): void {
    this.#progressed = true;
    this.#anyScore = true;
  }

  /** Milliseconds to wait before the next attempt; undefined to give up. */
  delayAfterMs(error: RerankdError): number | undefined {
    this.#inVain = this.#progressed ? 0 : this.#inVain + 1;
    this.#progressed = false;
    const most = this.#anyScore ? this.#attempts : Math.min(this.#attempts, ATTEMPTS_BEFORE_ANY_SCORE);
    // A server whose core is being stopped answers CANCELLED to what still reaches it; a stream that is
    // closed on this side does not ask.
    const isInterruption = error instanceof UnavailableError || error instanceof CancelledError;
    if (!isInterruption || this.#inVain >= most) {
      return undefined;
    }
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#inVain);
    const jittered = delay * (1 - JITTER + Math.random() * 2 * JITTER);
    return Math.max(jittered, (error.retryAfterSeconds ?? 0) * 1_000);
  }

  /** The stream is about to be opened again. */
  resumed(): void {
    this.#resumes += 1;
  }
}
