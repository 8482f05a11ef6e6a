import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from "node:http2";

import type { Settings } from "./options.js";

// Without a pause, each call would knock again at a server that is known to be down.
const RECONNECT_PAUSE_MS = 1_000;

/** One address of a target, with its connection and the transport over it. */
export class Address {
  readonly transport: Transport;
  readonly #manager: Http2SessionManager;
  readonly #name: string;
  #connecting: Promise<boolean> | undefined;
  #nextKnockAt = 0;

  constructor(name: string, settings: Settings) {
    this.#name = name;
    const baseUrl = `${settings.tls === undefined ? "http" : "https"}://${name}`;
    this.#manager = new Http2SessionManager(baseUrl, pings(settings.keepaliveSeconds), { ...settings.tls });
    this.transport = createGrpcTransport({
      baseUrl,
      sessionManager: new HalfOpenStreams(this.#manager),
      readMaxBytes: settings.maxReceiveBytes,
      interceptors: [...settings.interceptors],
    });
  }

  /** Whether there is a connection; it may turn out to be broken. */
  get isConnected(): boolean {
    return ["open", "idle", "verifying"].includes(this.#manager.state());
  }

  /** Why there is no connection. */
  get failure(): ConnectError {
    const cause = this.#manager.error();
    const why = cause instanceof ConnectError ? cause.rawMessage : "it was closed";
    const message = `no connection to ${this.#name}: ${why}`;
    return new ConnectError(message, Code.Unavailable, undefined, undefined, cause);
  }

  /** Connects unless there is a connection that works; tells whether there is one now. */
  async connect(): Promise<boolean> {
    this.#connecting ??= this.#manager.connect().then((state) => {
      this.#connecting = undefined;
      return state !== "error";
    });
    return this.#connecting;
  }

  /** Connects in the background, unless that failed a moment ago. */
  knock(): void {
    const now = performance.now();
    if (now >= this.#nextKnockAt) {
      this.#nextKnockAt = now + RECONNECT_PAUSE_MS;
      void this.connect();
    }
  }

  /** Ends the connection with all its calls. */
  close(): void {
    this.#manager.abort();
  }
}

/**
 * Closes the caller's side of streams whose answer is complete. A server may answer before it has read
 * everything; Connect then stops writing but leaves the stream open, which keeps the process alive.
 */
class HalfOpenStreams {
  readonly authority: string;

  constructor(private readonly manager: Http2SessionManager) {
    this.authority = manager.authority;
  }

  async request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: object,
  ): Promise<ClientHttp2Stream> {
    const stream = await this.manager.request(method, path, headers, options);
    // Only after Connect has taken the end of the answer, or it would report the reset instead.
    stream.once("end", () => setImmediate(closeUnlessEnded, stream));
    return stream;
  }

  notifyResponseByteRead(stream: ClientHttp2Stream): void {
    this.manager.notifyResponseByteRead(stream);
  }
}

function closeUnlessEnded(stream: ClientHttp2Stream): void {
  if (!stream.writableEnded && !stream.closed) {
    stream.close(constants.NGHTTP2_NO_ERROR);
  }
}

function pings(keepaliveSeconds: number): { pingIntervalMs?: number; pingIdleConnection?: boolean } {
  return keepaliveSeconds > 0
    ? { pingIntervalMs: keepaliveSeconds * 1_000, pingIdleConnection: true }
    : {};
}
