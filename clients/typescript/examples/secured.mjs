// Reranks documents at a server that asks for a key, which RERANKD_TOKEN holds, and for a certificate of
// the client's own (mutual TLS); `npm ci && npm run build` come first:
//
//     node examples/secured.mjs localhost:50051 ca.pem client.pem client.key "a query" "a document"
import { readFileSync } from "node:fs";
import { RerankdClient, RerankdError } from "rerankd-client";

const [target = "", ca = "", cert = "", key = "", query = "", ...texts] = process.argv.slice(2);

const client = new RerankdClient(target, {
  tls: { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) },
  token: process.env.RERANKD_TOKEN,
});
try {
  for (const { rank, score, index } of (await client.rerank(query, texts)).results) {
    console.log(`${rank}. ${score.toFixed(4)} ${texts[index]}`);
  }
} catch (error) {
  console.error(error instanceof RerankdError ? `${error.reason} ${error.message}` : error);
  process.exitCode = 1;
} finally {
  client.close();
}
