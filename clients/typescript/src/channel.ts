import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type {
  ContextValues,
  StreamResponse,
  Transport,
  UnaryResponse,
} from "@connectrpc/connect";
import { setTimeout as sleep } from "node:timers/promises";

import { Balancer } from "./balancer.js";
import { Deadline } from "./deadline.js";
import type { Settings } from "./options.js";
import { Retries, RetryThrottle } from "./retry.js";
import { readServiceConfig, type RetryPolicy } from "./service_config.js";
import { withGrpcCode } from "./transport_errors.js";

const NEVER = new AbortController().signal;

/** The transport to all addresses of a target: balances calls, and tries unary ones again. */
export class Channel implements Transport {
  readonly #balancer: Balancer;
  readonly #waitForReady: boolean;
  readonly #policies: ReadonlyMap<string, RetryPolicy>;
  readonly #throttle: RetryThrottle;

  constructor(target: string, settings: Settings) {
    const { retryPolicies, retryThrottling } = readServiceConfig();
    this.#balancer = new Balancer(target, settings);
    this.#waitForReady = settings.waitForReady;
    this.#policies = retryPolicies;
    this.#throttle = new RetryThrottle(retryThrottling);
  }

  /** Calls until an attempt is answered or may not be repeated; the deadline spans all attempts. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined = NEVER,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    const deadline = new Deadline(timeoutMs ?? Infinity);
    const policy = this.#policies.get(`${method.parent.typeName}/${method.name}`);
    const retries = new Retries(policy, this.#throttle);
    for (;;) {
      try {
        const { transport } = await this.#balancer.pick(signal, this.#waitForReady);
        const timeout = deadline.transportMs;
        const response = await transport.unary(method, signal, timeout, header, input, contextValues);
        retries.succeeded();
        return response;
      } catch (reason) {
        const error = signal.aborted ? undefined : withGrpcCode(reason);
        const delayMs = error && retries.delayAfterMs(error);
        if (delayMs === undefined || delayMs >= deadline.remainingMs) {
          throw error ?? reason;
        }
        await sleep(delayMs, undefined, { signal });
      }
    }
  }

  /**
   * Opens a stream at the next address; streams are never tried again here.
   *
   * The server is told the deadline, but only `signal` ends the call here: Connect's timer of a stream
   * that is left early would run on, and keep the process alive.
   */
  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined = NEVER,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    const { transport } = await this.#balancer.pick(signal, this.#waitForReady);
    const headers = new Headers(header);
    if (timeoutMs !== undefined) {
      headers.set("grpc-timeout", `${timeoutMs}m`);
    }
    return transport.stream(method, signal, undefined, headers, input, contextValues);
  }

  /** Ends all connections with their calls. */
  close(): void {
    this.#balancer.close();
  }
}
