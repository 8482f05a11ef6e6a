import { Code, ConnectError } from "@connectrpc/connect";

import { Deadline } from "./deadline.js";
import { toRerankdError } from "./error_conversion.js";
import { CancelledError, DeadlineExceededError, type RerankdError } from "./errors.js";

/**
 * What bounds one call, with all its attempts: the caller's signal, the client's end and a deadline.
 * Whichever comes first aborts `signal`.
 */
export class CallScope {
  readonly deadline: Deadline;
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onDeadline = (): void => {
    this.abort(new ConnectError("the deadline came before the answer", Code.DeadlineExceeded));
  };
  readonly #onCallerAbort = (): void => {
    this.abort(this.#caller?.reason);
  };

  constructor(timeoutMs: number, caller: AbortSignal | undefined) {
    this.deadline = new Deadline(timeoutMs);
    this.#caller = caller;
    if (timeoutMs <= 0) {
      this.#onDeadline();
    } else if (timeoutMs !== Infinity) {
      this.#timer = setTimeout(this.#onDeadline, timeoutMs);
    }
    caller?.addEventListener("abort", this.#onCallerAbort, { once: true });
    if (caller?.aborted === true) {
      this.#onCallerAbort();
    }
  }

  /** Aborted when the call is to end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the call. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Lets go of the timer and of the caller's signal. */
  close(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this.#onCallerAbort);
  }

  /** The typed error for what was thrown inside the call: why it was ended, if it was. */
  failure(reason: unknown): RerankdError {
    if (!this.signal.aborted) {
      return toRerankdError(reason);
    }
    const cause: unknown = this.signal.reason;
    if (cause instanceof ConnectError && cause.code === Code.DeadlineExceeded) {
      return new DeadlineExceededError(cause.rawMessage, { cause: reason });
    }
    return new CancelledError("the call was cancelled before its answer came", { cause });
  }
}

/** The promise's value, unless the signal is aborted first; then rejects with the signal's reason. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      // The reason is the caller's: it may be anything.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
      reject(signal.reason);
    };
    if (signal.aborted) {
      onAbort();
    } else {
      signal.addEventListener("abort", onAbort, { once: true });
    }
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
