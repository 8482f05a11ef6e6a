// The probe of the TypeScript client; tests/clients/PROBES.md tells what each command does and prints.
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Outcome, type PlainDocument, RerankdClient, StreamEmit } from "rerankd-client";
import { RerankService } from "rerankd-client/v1/rerank_service_pb.js";

const CHUNK = 128;

type Documents = readonly PlainDocument[];

async function* documentsOf(path: string): AsyncGenerator<PlainDocument> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    yield JSON.parse(line) as PlainDocument;
  }
}

async function firstDocuments(path: string, count = Infinity): Promise<Documents> {
  const first: PlainDocument[] = [];
  for await (const document of documentsOf(path)) {
    if (first.push(document) >= count) {
      break;
    }
  }
  return first;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Objects, and the array buffers that hold messages and typed arrays. */
function liveBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function stream(target: string, query: string, path: string, topN: string): Promise<void> {
  using client = new RerankdClient(target);
  await client.status();
  const before = liveBytes();
  let peak = 0;
  let scored = 0;
  const options = { topN: Number(topN) };
  await using running = client.rerankStream(query, documentsOf(path), options, { emit: StreamEmit.SCORES });
  for await (const chunk of running) {
    const former = scored;
    scored += chunk.index.length;
    if (Math.floor(former / 1000) < Math.floor(scored / 1000)) {
      say(`scored ${scored}`);
    }
    if (Math.floor(former / 5000) < Math.floor(scored / 5000)) {
      peak = Math.max(peak, liveBytes() - before);
    }
  }
  const answer = await running.summary();
  peak = Math.max(peak, liveBytes() - before);
  const results = answer.results.map(({ index, id, score, rank }) => [index, id, score, rank]);
  say(
    JSON.stringify({
      results,
      scored_documents: answer.usage?.scoredDocuments ?? 0,
      outcome: Outcome[answer.outcome],
      resumes: running.resumes,
      peak_bytes: peak,
    }),
  );
}

async function load(target: string, query: string, path: string, concurrency: string): Promise<void> {
  using client = new RerankdClient(target);
  const documents = await firstDocuments(path, 10);
  const errors: string[] = [];
  let isEnded = false;
  let calls = 0;
  const loop = async (): Promise<void> => {
    while (!isEnded) {
      try {
        await client.rerank(query, documents);
      } catch (error) {
        errors.push(String(error));
      }
      calls += 1;
      if (calls % 50 === 0) {
        say(`calls ${calls}`);
      }
    }
  };
  const loops = Array.from({ length: Number(concurrency) }, loop);
  process.stdin.resume();
  await once(process.stdin, "end");
  isEnded = true;
  await Promise.all(loops);
  say(JSON.stringify({ calls, failed: errors.length, errors: errors.slice(0, 5) }));
}

async function overhead(target: string, query: string, path: string, rounds: string): Promise<void> {
  using client = new RerankdClient(target);
  const stub = createClient(RerankService, createGrpcTransport({ baseUrl: `http://${target}` }));
  const documents = await firstDocuments(path);
  const first = documents.slice(0, 100);
  const times = {
    client_unary_us: [] as number[],
    stub_unary_us: [] as number[],
    client_stream_us: [] as number[],
    stub_stream_us: [] as number[],
  };
  const timed = async (name: keyof typeof times, call: () => Promise<unknown>): Promise<void> => {
    const started = performance.now();
    await call();
    times[name].push((performance.now() - started) * 1_000);
  };
  await client.status();
  for (let round = 0; round < Number(rounds); round += 1) {
    await timed("client_unary_us", async () => client.rerank(query, first));
    await timed("stub_unary_us", async () => stub.rerank({ query, documents: first.map(messageOf) }));
    await timed("client_stream_us", async () =>
      client.rerankStream(query, documents, {}, { emit: StreamEmit.SCORES }).summary(),
    );
    await timed("stub_stream_us", async () => bareStream(stub, query, documents));
  }
  say(JSON.stringify(times));
}

async function bareStream(
  stub: ReturnType<typeof createClient<typeof RerankService>>,
  query: string,
  documents: Documents,
): Promise<number> {
  async function* messages() {
    const start = { query, emit: StreamEmit.SCORES, options: { topN: 1 } };
    yield { message: { case: "start" as const, value: start } };
    for (let begin = 0; begin < documents.length; begin += CHUNK) {
      const part = documents.slice(begin, begin + CHUNK).map(messageOf);
      yield { message: { case: "documents" as const, value: { documents: part } } };
    }
  }
  let scored = 0;
  for await (const { message } of stub.rerankStream(messages())) {
    scored += message.case === "scores" ? message.value.index.length : 0;
  }
  return scored;
}

function messageOf({ id = "", text = "" }: PlainDocument) {
  return { id, content: { case: "text" as const, value: text } };
}

const COMMANDS: Record<string, (...args: [string, string, string, string]) => Promise<void>> = {
  stream,
  load,
  overhead,
};

const [name = "", ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (command === undefined || args.length !== 4) {
  process.stderr.write("usage: probe stream|load|overhead TARGET QUERY FILE NUMBER\n");
  process.exitCode = 2;
} else {
  try {
    await command(...(args as [string, string, string, string]));
  } catch (error) {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  }
}
