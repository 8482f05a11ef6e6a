import { Code, ConnectError } from "@connectrpc/connect";

// What Node says when a connection or one of its streams breaks, beside the system's own codes.
const NODE_BREAKAGE = /^ERR_(HTTP2_(?!INVALID_(HEADER|INFO|PSEUDO|SETTING))|STREAM_|SOCKET_|SSL_)/;

/**
 * The error with the code that gRPC gives it.
 *
 * Connect tells a broken connection as Aborted, Canceled, Internal or InvalidArgument, depending on
 * what Node noticed first; gRPC's code for each of them is UNAVAILABLE. A status that the server
 * itself sent stays as it is.
 *
 * @param reason - What a transport threw, while the caller had neither cancelled nor run out of time.
 */
export function withGrpcCode(reason: unknown): ConnectError {
  const error = ConnectError.from(reason);
  if (!isBreakage(error)) {
    return error;
  }
  return new ConnectError(
    `the connection broke: ${error.rawMessage}`,
    Code.Unavailable,
    undefined,
    undefined,
    error.cause ?? error,
  );
}

function isBreakage(error: ConnectError): boolean {
  if (error.metadata.has("grpc-status") || error.code === Code.Unavailable) {
    return false;
  }
  return isCutOff(error) || causes(error).some(isNodeBreakage);
}

/** Whether the response was reset, or ended in the middle of a message or before its status. */
function isCutOff({ code, rawMessage }: ConnectError): boolean {
  switch (code) {
    case Code.Canceled:
      return rawMessage.startsWith("http/2 stream closed");
    case Code.InvalidArgument:
      return /^protocol error: (incomplete|promised)/.test(rawMessage);
    case Code.Internal:
      return rawMessage === "protocol error: missing status";
    default:
      return false;
  }
}

function isNodeBreakage(error: Error): boolean {
  if (!("code" in error) || typeof error.code !== "string") {
    return false;
  }
  return "syscall" in error || NODE_BREAKAGE.test(error.code);
}

function causes(error: Error): Error[] {
  const chain: Error[] = [];
  let next: unknown = error.cause;
  while (next instanceof Error && !chain.includes(next)) {
    chain.push(next);
    next = next.cause;
  }
  return chain;
}
