import type { Interceptor } from "@connectrpc/connect";

/** Keys and certificates, each the content of a PEM file. */
export interface TlsOptions {
  /** Authorities that may have signed the server's certificate; left out, those that Node ships with. */
  readonly ca?: string | Buffer | undefined;
  /** Certificate chain that the client shows, for a server that asks for one. */
  readonly cert?: string | Buffer | undefined;
  /** Private key of `cert`. */
  readonly key?: string | Buffer | undefined;
}

/** Choices of a client; the defaults suit a server in the same network without TLS. */
export interface ClientOptions {
  /** Left out: plain text. `{}` means TLS with the authorities that Node ships with. */
  readonly tls?: TlsOptions | undefined;
  /** Sent as `authorization: Bearer TOKEN` with each call. */
  readonly token?: string | undefined;
  /** Sent with each call; keys in lower case, not starting with `grpc-`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Deadline in milliseconds of a unary call that names none. Default 30,000; `Infinity` for none. */
  readonly timeoutMs?: number | undefined;
  /**
   * Pause between pings on a connection, in seconds. Default 0: none. 60 suits NAT and load balancers
   * that drop idle connections; the server cuts off who pings more often than every 30.
   */
  readonly keepaliveSeconds?: number | undefined;
  /** Largest message in bytes that the client takes. Default 16 MiB. */
  readonly maxReceiveBytes?: number | undefined;
  /**
   * Whether calls wait, up to their deadline, for a server that cannot be reached yet. Default false:
   * such calls fail at once with `UnavailableError`.
   */
  readonly waitForReady?: boolean | undefined;
  /**
   * A stream that was interrupted gives up after so many attempts in a row without a new score.
   * Default 8; 0 never resumes.
   */
  readonly resumeAttempts?: number | undefined;
  /** Connect interceptors, called for each attempt of each call. */
  readonly interceptors?: readonly Interceptor[] | undefined;
}

/** Choices of one call. */
export interface CallOptions {
  /**
   * Deadline in milliseconds, for all attempts together: at most 99,999,999 (27 hours), `Infinity` for
   * none. Left out: the client's for unary calls, 5 minutes for a warm-up, none for a stream.
   */
  readonly timeoutMs?: number | undefined;
  /** Cancels the call, which then fails with `CancelledError`. */
  readonly signal?: AbortSignal | undefined;
  /** Sent beside the client's metadata, and instead of it under the same keys. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** The client's options with every default filled in. */
export interface Settings {
  readonly tls: TlsOptions | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly keepaliveSeconds: number;
  readonly maxReceiveBytes: number;
  readonly waitForReady: boolean;
  readonly resumeAttempts: number;
  readonly interceptors: readonly Interceptor[];
}

const MAX_RECEIVE_BYTES = 16 * 1024 * 1024;

/**
 * Fills in the defaults.
 *
 * @throws RangeError for a number outside its bounds.
 */
export function settingsOf(options: ClientOptions): Settings {
  const { token, metadata = {} } = options;
  const settings = {
    tls: options.tls,
    metadata: token === undefined ? metadata : { ...metadata, authorization: `Bearer ${token}` },
    timeoutMs: options.timeoutMs ?? 30_000,
    keepaliveSeconds: options.keepaliveSeconds ?? 0,
    maxReceiveBytes: options.maxReceiveBytes ?? MAX_RECEIVE_BYTES,
    waitForReady: options.waitForReady ?? false,
    resumeAttempts: options.resumeAttempts ?? 8,
    interceptors: options.interceptors ?? [],
  };
  checkAtLeast("keepaliveSeconds", settings.keepaliveSeconds, 0);
  checkAtLeast("maxReceiveBytes", settings.maxReceiveBytes, 1);
  checkAtLeast("resumeAttempts", settings.resumeAttempts, 0);
  return settings;
}

/** Refuses a number below its least value, and NaN. */
export function checkAtLeast(name: string, value: number, least: number): void {
  if (!(value >= least)) {
    throw new RangeError(`${name} is ${value}; it must be at least ${least}`);
  }
}
