/** The server's calls, as any other client makes them; the key stays in this tab. */

const KEY = "rerankd.key";

/** The event of the window that tells when the server was not reached. */
export const AWAY = "rerankd-away";

/** The server refused, or failed. */
export class ApiError extends Error {
  constructor(status, { reason = "", message = "", details = [] }, requestId) {
    super(message || `the server answered with status ${status}`);
    this.status = status;
    this.reason = reason || `HTTP ${status}`;
    this.requestId = requestId;
    const all = Array.isArray(details) ? details : [];
    this.field = all.flatMap((each) => each.fieldViolations ?? [])[0]?.field ?? "";
    this.retryDelay = all.find((each) => each.retryDelay)?.retryDelay ?? "";
  }
}

/** No answer came, or it broke off. */
export class UnreachableError extends Error {}

/** The address of a path of this server, also where a proxy serves it below a path of its own. */
export function addressOf(path) {
  return new URL(path, document.baseURI);
}

/** The key that calls are made with; kept until the tab is closed, and nowhere else. */
export const key = {
  get value() {
    return stored() ?? this.inMemory;
  },
  set value(value) {
    this.inMemory = value;
    try {
      if (value) sessionStorage.setItem(KEY, value);
      else sessionStorage.removeItem(KEY);
    } catch {
      // Storage is off: it is kept until the page is left.
    }
  },
  inMemory: "",
};

function stored() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  if (key.value) headers.set("authorization", `Bearer ${key.value}`);
  let response;
  try {
    response = await fetch(addressOf(path), { ...options, headers, cache: "no-store", redirect: "error" });
  } catch (error) {
    throw unreachable(error);
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

function unreachable(error) {
  if (error.name === "AbortError") return error;
  dispatchEvent(new Event(AWAY));
  return new UnreachableError(`${location.host} cannot be reached, or its answer broke off`);
}

async function refusal(response) {
  let told = {};
  try {
    told = (await response.json()).error ?? {};
  } catch {
    // Something in between answered, in its own words.
  }
  return new ApiError(response.status, typeof told === "string" ? { message: told } : told, idOf(response));
}

function idOf(response) {
  return response.headers.get("x-request-id") ?? "";
}

async function json(response) {
  try {
    return await response.json();
  } catch (error) {
    throw unreachable(error);
  }
}

/** Facts of the server: `{info, models}`. */
export async function facts() {
  const [info, models] = await Promise.all(["info", "v1/models"].map(async (path) => json(await request(path))));
  return { info, models: models.data };
}

/** Ranks; `{ranking, roundTrip}`, the latter in milliseconds from the call to the parsed answer. */
export async function rerank(body, signal) {
  const started = performance.now();
  const response = await request("api/v1/rerank", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  const ranking = await json(response);
  return { ranking, roundTrip: performance.now() - started, requestId: idOf(response) };
}

/** Ranks a stream of lines; yields each message of the answer when it comes. */
export async function* rerankStream(body, signal) {
  const response = await request("api/v1/rerank/stream", {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body,
    signal,
  });
  let done = false;
  try {
    for await (const line of linesOf(response.body)) {
      const message = JSON.parse(line);
      if (message.error) throw new ApiError(message.error.code, message.error, idOf(response));
      done = done || message.summary !== undefined;
      yield message;
    }
  } catch (error) {
    throw error instanceof ApiError ? error : unreachable(error);
  }
  if (!done) throw new UnreachableError("the answer broke off before its last line");
}

async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    yield* lines;
  }
  if (rest) yield rest;
}
