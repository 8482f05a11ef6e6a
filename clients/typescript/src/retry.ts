import { Code, type ConnectError } from "@connectrpc/connect";

import { RetryInfoSchema } from "./google/rpc/error_details_pb.js";
import type { RetryPolicy, ServiceConfig } from "./service_config.js";

const JITTER = 0.2;
const PUSHBACK = "grpc-retry-pushback-ms";

/**
 * Stops retries while too many calls fail: each failure takes a token, each success gives back a part
 * of one, and no call is tried again with half the tokens or fewer (gRFC A6).
 */
export class RetryThrottle {
  readonly #maxTokens: number;
  readonly #tokenRatio: number;
  #tokens: number;

  constructor({ maxTokens, tokenRatio }: ServiceConfig["retryThrottling"]) {
    this.#maxTokens = maxTokens;
    this.#tokenRatio = tokenRatio;
    this.#tokens = maxTokens;
  }

  /** Whether a call may be tried again. */
  get allowsRetry(): boolean {
    return this.#tokens > this.#maxTokens / 2;
  }

  succeeded(): void {
    this.#tokens = Math.min(this.#maxTokens, this.#tokens + this.#tokenRatio);
  }

  failed(): void {
    this.#tokens = Math.max(0, this.#tokens - 1);
  }
}

/** The attempts of one call. */
export class Retries {
  readonly #policy: RetryPolicy | undefined;
  readonly #throttle: RetryThrottle;
  #attempts = 0;
  #backoffs = 0;

  constructor(policy: RetryPolicy | undefined, throttle: RetryThrottle) {
    this.#policy = policy;
    this.#throttle = throttle;
  }

  /** The current attempt was answered. */
  succeeded(): void {
    this.#throttle.succeeded();
  }

  /** Milliseconds to wait before the next attempt; undefined when the error is final. */
  delayAfterMs(error: ConnectError): number | undefined {
    this.#attempts += 1;
    const policy = this.#policy;
    if (policy === undefined) {
      return undefined;
    }
    const pushback = error.metadata.get(PUSHBACK);
    const refused = pushback !== null && !/^\d+$/.test(pushback);
    const retryable = policy.retryableStatusCodes.includes(wireName(error.code));
    if (retryable || refused) {
      this.#throttle.failed();
    }
    if (!retryable || refused || this.#attempts >= policy.maxAttempts || !this.#throttle.allowsRetry) {
      return undefined;
    }
    if (pushback !== null) {
      // The server's word replaces the backoff, which begins anew after it.
      this.#backoffs = 0;
      return Number(pushback);
    }
    return Math.max(this.#backoffMs(policy), retryInfoMs(error));
  }

  #backoffMs(policy: RetryPolicy): number {
    const delay = policy.initialBackoffMs * policy.backoffMultiplier ** this.#backoffs;
    this.#backoffs += 1;
    return Math.min(delay, policy.maxBackoffMs) * (1 - JITTER + Math.random() * 2 * JITTER);
  }
}

function retryInfoMs(error: ConnectError): number {
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return delay === undefined ? 0 : Number(delay.seconds) * 1_000 + delay.nanos / 1e6;
}

/** The code as gRPC spells it: `ResourceExhausted` is `RESOURCE_EXHAUSTED`. */
function wireName(code: Code): string {
  const name = Code[code];
  return name === "Canceled" ? "CANCELLED" : name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
