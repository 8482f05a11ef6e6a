// A server in this process behind a real socket, whose answers a test can script.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { once } from "node:events";
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type SecureServerOptions,
  type ServerHttp2Session,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { ModelState, Outcome, StreamEmit, WarmupStage } from "rerankd-client";
import { ErrorInfoSchema, RetryInfoSchema } from "rerankd-client/google/rpc/error_details_pb.js";
import {
  type Document,
  type RerankBatchRequest,
  type RerankBatchResponseSchema,
  type RerankRequest,
  type RerankResponseSchema,
  RerankService,
  type RerankStreamRequest,
  type RerankStreamResponseSchema,
  type RerankStreamStart,
  type StatusResponseSchema,
  type WarmupRequest,
  type WarmupResponseSchema,
} from "rerankd-client/v1/rerank_service_pb.js";

import { Health } from "#internal/health.js";
import { logitOf, scoreOf } from "./fake_scores.js";

type StreamResponse = MessageInitShape<typeof RerankStreamResponseSchema>;

/** What a test replaces; what it leaves out behaves like a healthy server. */
export interface Script {
  stream?(stream: FakeStream): AsyncIterable<StreamResponse>;
  rerank?(
    request: RerankRequest,
    context: HandlerContext,
    call: number,
  ): MessageInitShape<typeof RerankResponseSchema>;
  batch?(request: RerankBatchRequest): MessageInitShape<typeof RerankBatchResponseSchema>;
  status?(): MessageInitShape<typeof StatusResponseSchema>;
  warmup?(
    request: WarmupRequest,
    context: HandlerContext,
  ): AsyncIterable<MessageInitShape<typeof WarmupResponseSchema>>;
  isServing?(service: string): boolean;
  tls?: SecureServerOptions;
  port?: number;
}

export interface Entry {
  readonly index: number;
  readonly document: Document;
}

export const MODEL = { id: "fake", revision: "r1", backend: "fake" };

/** One stream, as the server sees it. */
export class FakeStream {
  start: RerankStreamStart | undefined;
  /** Documents of each chunk that came, with their indexes. */
  readonly chunks: Entry[][] = [];
  readonly scored: Entry[] = [];
  /** Whether the indexes came with the chunks. */
  isIndexed = false;
  revision = MODEL.revision;
  readonly #requests: AsyncIterable<RerankStreamRequest>;

  constructor(
    readonly server: FakeServer,
    /** Counts the server's streams from 1. */
    readonly number: number,
    requests: AsyncIterable<RerankStreamRequest>,
    readonly context: HandlerContext,
  ) {
    this.#requests = requests;
  }

  /** The chunks as they come. */
  async *read(): AsyncGenerator<Entry[]> {
    let next = 0;
    for await (const { message } of this.#requests) {
      if (message.case === "start") {
        this.start = message.value;
      } else if (message.case === "documents") {
        const { documents, index } = message.value;
        this.isIndexed ||= index.length > 0;
        const entries = documents.map((document, row) => ({ index: index[row] ?? next + row, document }));
        next = (entries.at(-1)?.index ?? next - 1) + 1;
        this.chunks.push(entries);
        yield entries;
      }
    }
  }

  /** The scores of documents; those from an index on are left unscored. */
  scores(entries: readonly Entry[], unscoredFrom = Infinity): StreamResponse {
    const isFirst = this.scored.length === 0;
    this.scored.push(...entries);
    const scored = entries.filter(({ index }) => index < unscoredFrom);
    const texts = scored.map(({ document }) => textOf(document));
    const value = {
      index: scored.map(({ index }) => index),
      score: texts.map(scoreOf),
      logit: texts.map(logitOf),
      unscoredIndex: entries.map(({ index }) => index).filter((index) => index >= unscoredFrom),
      ...(isFirst && { model: { ...MODEL, revision: this.revision } }),
    };
    return { message: { case: "scores", value } };
  }

  summary(): StreamResponse {
    const usage = { tokens: BigInt(this.scored.length), documents: this.scored.length };
    const model = { ...MODEL, revision: this.revision };
    return { message: { case: "summary", value: { outcome: Outcome.RERANKED, model, usage, timing: {} } } };
  }

  /** Scores everything, chunk by chunk. */
  async *answer(): AsyncGenerator<StreamResponse> {
    for await (const entries of this.read()) {
      yield this.scores(entries);
    }
    yield this.summary();
  }
}

export class FakeServer {
  readonly streams: FakeStream[] = [];
  readonly headers: Headers[] = [];
  rerankCalls = 0;
  readonly #script: Script;
  readonly #server: Http2Server | Http2SecureServer;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();

  private constructor(script: Script) {
    this.#script = script;
    const routes = (router: ConnectRouter): void => {
      this.#routes(router);
    };
    const handler = connectNodeAdapter({ routes, readMaxBytes: 64 * 1024 * 1024 });
    this.#server =
      script.tls === undefined ? createServer(handler) : createSecureServer(script.tls, handler);
    this.#server.on(script.tls === undefined ? "connection" : "secureConnection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => undefined);
    });
    this.#server.on("session", (session: ServerHttp2Session) => {
      this.#sessions.add(session);
      session.on("close", () => this.#sessions.delete(session));
      session.on("error", () => undefined);
    });
    this.#server.on("sessionError", () => undefined);
  }

  static async start(script: Script = {}): Promise<FakeServer> {
    const server = new FakeServer(script);
    server.#server.listen(script.port ?? 0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get target(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Resets every connection, as when the process is killed; new ones are taken. */
  breakConnections(): void {
    for (const socket of this.#sockets) {
      socket.resetAndDestroy();
    }
  }

  /** Tells every client to go away; what is under way may finish. */
  goAway(): void {
    for (const session of this.#sessions) {
      session.close();
    }
  }

  /** Takes no connections any more, and breaks those there are. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const session of this.#sessions) {
      session.destroy();
    }
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #routes(router: ConnectRouter): void {
    const script = this.#script;
    router.service(RerankService, {
      status: () => script.status?.() ?? { version: "0.4.0" },
      rerank: (request, context) => {
        this.headers.push(context.requestHeader);
        this.rerankCalls += 1;
        return script.rerank?.(request, context, this.rerankCalls) ?? rankedAnswer(request);
      },
      rerankBatch: (request) => script.batch?.(request) ?? {},
      rerankStream: (requests, context) => {
        const stream = new FakeStream(this, this.streams.length + 1, requests, context);
        this.streams.push(stream);
        return script.stream?.(stream) ?? stream.answer();
      },
      warmup: (request, context) => script.warmup?.(request, context) ?? emptyWarmup(),
    });
    router.service(Health, {
      check: ({ value }) => ({ value: servingNumber(script, value) }),
      watch: async function* ({ value }, { signal }) {
        yield { value: servingNumber(script, value) };
        await once(signal, "abort");
      },
    });
  }
}

/** An error as the server sends it. */
export function failure(
  reason: string,
  code: Code,
  {
    retryAfterSeconds,
    pushbackMs,
    metadata = { key: "value" },
  }: { retryAfterSeconds?: number; pushbackMs?: number; metadata?: Record<string, string> } = {},
): ConnectError {
  const headers = new Headers(pushbackMs === undefined ? {} : { "grpc-retry-pushback-ms": String(pushbackMs) });
  const error = new ConnectError(`it failed with ${reason}`, code, headers);
  error.details.push({ desc: ErrorInfoSchema, value: { reason, domain: "rerankd", metadata } });
  if (retryAfterSeconds !== undefined) {
    const nanos = Math.round((retryAfterSeconds % 1) * 1e9);
    const retryDelay = { seconds: BigInt(Math.floor(retryAfterSeconds)), nanos };
    error.details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  }
  return error;
}

export function unavailable(reason = "OVERLOADED"): ConnectError {
  return failure(reason, Code.Unavailable);
}

export function textOf({ content }: Document): string {
  return content.case === "text" ? content.value : JSON.stringify(content.value);
}

export const SCORES = { emit: StreamEmit.SCORES } as const;

function rankedAnswer({ documents }: RerankRequest): MessageInitShape<typeof RerankResponseSchema> {
  const results = documents
    .map((document, index) => ({ index, id: document.id, score: scoreOf(textOf(document)), scored: true }))
    .sort((one, other) => other.score - one.score || one.index - other.index)
    .map((result, place) => ({ ...result, rank: place + 1 }));
  return { results, outcome: Outcome.RERANKED, model: MODEL };
}

function servingNumber(script: Script, service: string): number {
  if (service === "unknown") {
    throw new ConnectError("unknown service", Code.NotFound);
  }
  return (script.isServing?.(service) ?? true) ? 1 : 2;
}

async function* emptyWarmup(): AsyncGenerator<MessageInitShape<typeof WarmupResponseSchema>> {
  yield { stage: WarmupStage.RESOLVE, progress: 0 };
  yield { stage: WarmupStage.DONE, progress: 1, status: { id: "fake", state: ModelState.ACTIVE } };
}
