import { type CallOptions as ConnectCallOptions, type Client, createClient } from "@connectrpc/connect";

import { CallScope } from "./call_scope.js";
import { Channel } from "./channel.js";
import { CancelledError, DeadlineExceededError, RerankdError, UnavailableError } from "./errors.js";
import { Health } from "./health.js";
import { admits, checkAdmits, DEFAULT_LIMITS, limitsFrom, type ServerLimits } from "./limits.js";
import { type CallOptions, type ClientOptions, type Settings, settingsOf } from "./options.js";
import {
  type RerankBatchRequest,
  type RerankRequest,
  RerankService,
  type StatusResponse,
} from "./rerankd/v1/rerank_service_pb.js";
import { TrainingService } from "./rerankd/training/v1alpha/training_service_pb.js";
import { VERSION } from "./version.js";

/** The calls of one client: the stubs, what bounds each call, and what Status taught. */
export class Calls {
  readonly settings: Settings;
  readonly service: Client<typeof RerankService>;
  readonly training: Client<typeof TrainingService>;
  readonly health: Client<typeof Health>;
  readonly #channel: Channel;
  readonly #scopes = new Set<CallScope>();
  #limits = DEFAULT_LIMITS;
  #limitsKnown = false;
  #isClosed = false;

  constructor(target: string, options: ClientOptions) {
    this.settings = settingsOf(options);
    this.#channel = new Channel(target, this.settings);
    this.service = createClient(RerankService, this.#channel);
    this.training = createClient(TrainingService, this.#channel);
    this.health = createClient(Health, this.#channel);
  }

  /** Ends what is under way. */
  close(): void {
    this.#isClosed = true;
    for (const scope of this.#scopes) {
      scope.abort(new CancelledError("the client was closed"));
    }
    this.#channel.close();
  }

  /** Runs a call under its own deadline and signal; whatever it throws comes out typed. */
  async run<T>(
    call: CallOptions,
    defaultTimeoutMs: number,
    body: (scope: CallScope) => Promise<T>,
  ): Promise<T> {
    const scope = this.open(call, defaultTimeoutMs);
    try {
      scope.signal.throwIfAborted();
      return await body(scope);
    } catch (reason) {
      throw reason instanceof RerankdError ? reason : scope.failure(reason);
    } finally {
      // A server stream that was not read to its end would stay open otherwise.
      scope.abort(undefined);
      this.release(scope);
    }
  }

  /** Begins a call; `release` ends it. */
  open({ timeoutMs, signal }: CallOptions, defaultTimeoutMs: number): CallScope {
    const scope = new CallScope(timeoutMs ?? defaultTimeoutMs, signal);
    if (this.#isClosed) {
      scope.abort(new CancelledError("the client was closed"));
    }
    this.#scopes.add(scope);
    return scope;
  }

  release(scope: CallScope): void {
    scope.close();
    this.#scopes.delete(scope);
  }

  /** What a stub takes: the rest of the scope's time, and the headers. */
  arguments({ signal, deadline }: CallScope, call: CallOptions): ConnectCallOptions {
    const timeoutMs = deadline.transportMs;
    const headers = this.headers(call);
    return timeoutMs === undefined ? { signal, headers } : { signal, headers, timeoutMs };
  }

  headers({ metadata }: CallOptions): Headers {
    const userAgent = { "user-agent": `rerankd-typescript/${VERSION}` };
    return new Headers({ ...this.settings.metadata, ...metadata, ...userAgent });
  }

  /** Asks for the state of the server, and takes over its limits. */
  async status(scope: CallScope, call: CallOptions): Promise<StatusResponse> {
    const status = await this.service.status({}, this.arguments(scope, call));
    this.#limits = limitsFrom(status.limits);
    this.#limitsKnown = true;
    return status;
  }

  /** Refuses what the server would refuse; asks for its limits before it says no. */
  async check(request: RerankRequest | RerankBatchRequest, scope: CallScope, call: CallOptions): Promise<void> {
    if (!admits(this.#limits, request)) {
      await this.learnLimits(scope, call);
    }
    checkAdmits(this.#limits, request);
  }

  /** The server's bounds, asked for once. */
  async learnLimits(outer: CallScope, { metadata }: CallOptions): Promise<ServerLimits> {
    if (this.#limitsKnown) {
      return this.#limits;
    }
    const timeoutMs = Math.min(outer.deadline.remainingMs, this.settings.timeoutMs);
    const call = { signal: outer.signal, timeoutMs, metadata };
    try {
      await this.run(call, timeoutMs, async (scope) => this.status(scope, call));
    } catch (error) {
      const isOutOfReach = error instanceof UnavailableError || error instanceof DeadlineExceededError;
      if (isOutOfReach || outer.signal.aborted) {
        throw error;
      }
      // A server that refuses Status may answer other calls: the defaults have to do.
      this.#limitsKnown = true;
    }
    return this.#limits;
  }
}
