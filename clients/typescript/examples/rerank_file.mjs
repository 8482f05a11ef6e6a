// Ranks the lines of a file of any size, plain or JSONL with `text` and an optional `id`, and prints the
// best ones; `npm ci && npm run build` come first:
//
//     node examples/rerank_file.mjs 127.0.0.1:50051 "a query" documents.jsonl 10
import { open } from "node:fs/promises";
import { RerankdClient, RerankdError, StreamEmit } from "rerankd-client";

const [target = "", query = "", path = "", topN = "10"] = process.argv.slice(2);

/** @param {string} name */
async function* documents(name) {
  const file = await open(name);
  for await (const line of file.readLines()) {
    yield line.startsWith("{") ? JSON.parse(line) : line;
  }
}

const client = new RerankdClient(target);
try {
  const options = { topN: Number(topN), returnDocuments: true };
  const stream = client.rerankStream(query, documents(path), options, { emit: StreamEmit.SCORES });
  let scored = 0;
  for await (const { index } of stream) {
    scored += index.length;
    process.stderr.write(`\r${scored} scored`);
  }
  process.stderr.write("\n");
  for (const { rank, score, id, index, document } of (await stream.summary()).results) {
    const text = document?.content.case === "text" ? document.content.value : "";
    console.log(`${rank}. ${score.toFixed(4)} ${id || index} ${text.slice(0, 80)}`);
  }
} catch (error) {
  console.error(error instanceof RerankdError ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
} finally {
  client.close();
}
