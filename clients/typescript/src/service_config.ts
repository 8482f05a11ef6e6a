import { readFileSync } from "node:fs";

/** How often and after which delays a method is tried again. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly maxAttempts: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly backoffMultiplier: number;
  /** Names of gRPC codes, for example `UNAVAILABLE`. */
  readonly retryableStatusCodes: readonly string[];
}

/** What the client takes from the service config of the API. */
export interface ServiceConfig {
  /** Policies by `service/method`; methods without one are not tried again. */
  readonly retryPolicies: ReadonlyMap<string, RetryPolicy>;
  readonly retryThrottling: { readonly maxTokens: number; readonly tokenRatio: number };
}

// The parts of https://github.com/grpc/grpc-proto/blob/master/grpc/service_config/service_config.proto
// that are read; the file ships with this package, so its shape is known.
interface ServiceConfigFile {
  methodConfig: {
    name: { service: string; method: string }[];
    retryPolicy?: {
      maxAttempts: number;
      initialBackoff: string;
      maxBackoff: string;
      backoffMultiplier: number;
      retryableStatusCodes: string[];
    };
  }[];
  retryThrottling: { maxTokens: number; tokenRatio: number };
}

/**
 * Reads the service config that ships with this package.
 *
 * Its timeouts are left out: a caller could not ask for more, and this client sets a deadline for each
 * call anyway. Its `round_robin` is what the client always does.
 */
export function readServiceConfig(): ServiceConfig {
  const path = new URL("../rerankd_grpc_service_config.json", import.meta.url);
  const file = JSON.parse(readFileSync(path, "utf8")) as ServiceConfigFile;
  const retryPolicies = new Map<string, RetryPolicy>();
  for (const { name, retryPolicy } of file.methodConfig) {
    if (retryPolicy === undefined) {
      continue;
    }
    const { initialBackoff, maxBackoff, ...policy } = retryPolicy;
    for (const { service, method } of name) {
      retryPolicies.set(`${service}/${method}`, {
        ...policy,
        initialBackoffMs: milliseconds(initialBackoff),
        maxBackoffMs: milliseconds(maxBackoff),
      });
    }
  }
  return { retryPolicies, retryThrottling: file.retryThrottling };
}

/** A duration in protobuf's JSON, for example `0.1s`. */
function milliseconds(duration: string): number {
  return Number(duration.slice(0, -1)) * 1_000;
}
