// gRPC writes a timeout with at most eight digits, here of milliseconds; Node's timers end later.
const LONGEST_TIMEOUT_MS = 99_999_999;

/** The instant at which a call gives up. */
export class Deadline {
  readonly #at: number;

  /**
   * @param timeoutMs - Milliseconds from now; `Infinity` for no deadline.
   * @throws RangeError for a number that gRPC cannot send.
   */
  constructor(timeoutMs: number) {
    if (Number.isNaN(timeoutMs) || (timeoutMs > LONGEST_TIMEOUT_MS && timeoutMs !== Infinity)) {
      throw new RangeError(
        `timeoutMs is ${timeoutMs}; it must be at most ${LONGEST_TIMEOUT_MS}, or Infinity for none`,
      );
    }
    this.#at = performance.now() + timeoutMs;
  }

  /** Milliseconds until then; 0 or less when it has passed, `Infinity` without a deadline. */
  get remainingMs(): number {
    return this.#at - performance.now();
  }

  /** The remaining time as a transport takes it: whole, at least 1, undefined without a deadline. */
  get transportMs(): number | undefined {
    const remaining = this.remainingMs;
    return remaining === Infinity ? undefined : Math.max(1, Math.ceil(remaining));
  }
}
