// Reranks documents with the generated stubs alone; `npm ci && npm run build` come first:
//
//     node examples/plain.mjs 127.0.0.1:50051 "a query" "a document" "another document"
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "rerankd-client/google/rpc/error_details_pb.js";
import { RerankService } from "rerankd-client/v1/rerank_service_pb.js";

const [target, query, ...texts] = process.argv.slice(2);
const transport = createGrpcTransport({ baseUrl: `http://${target}` });
const client = createClient(RerankService, transport);

try {
  const documents = texts.map((text) => ({ content: /** @type {const} */ ({ case: "text", value: text }) }));
  const response = await client.rerank({ query, documents }, { timeoutMs: 30_000 });
  for (const { rank, score, index } of response.results) {
    console.log(`${rank}. ${score.toFixed(4)} ${texts[index]}`);
  }
} catch (error) {
  const failure = ConnectError.from(error);
  const info = failure.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "rerankd");
  console.error(Code[failure.code], info?.reason ?? "", failure.rawMessage);
  process.exitCode = 1;
}
