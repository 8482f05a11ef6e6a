/** The call that the page made, as a shell or a program makes it. */

import { scoredText } from "./documents.js";
import { go, javaNumber, javaStruct, javaText, jsonText, python, quoted, wellFormed } from "./literals.js";

/**
 * What the calls are made of.
 *
 * @typedef {object} Call
 * @property {object} body protobuf JSON of the request.
 * @property {string} http base address of the HTTP door, without a slash at its end.
 * @property {string} grpc `host:port` of the gRPC door.
 * @property {boolean} tls whether the doors speak TLS.
 * @property {boolean} keyed whether a key is sent. The calls read it from RERANKD_TOKEN and never show it.
 */

/** Language to `{name, code}`, where `code` makes the text of a Call. */
export const EQUIVALENTS = {
  curl: { name: "curl", code: curl },
  grpcurl: { name: "grpcurl", code: grpcurl },
  python: { name: "Python", code: pythonClient },
  go: { name: "Go", code: goClient },
  java: { name: "Java", code: javaClient },
  typescript: { name: "TypeScript", code: typescriptClient },
  cohere: { name: "Cohere SDK", code: cohere },
};

const lines = (...parts) => `${parts.flat().filter((part) => part !== null).join("\n")}\n`;

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The body of a shell's here-document, in which nothing is special; no line of JSON is its end. */
const hereJson = (body) => ["<<'JSON'", jsonText(body, true), "JSON"];

const isPlain = (document) => Object.keys(document).length === 1 && document.text !== undefined;

function curl({ body, http, keyed }) {
  const [open, ...rest] = hereJson(body);
  return lines(
    `curl -s ${shell(`${http}/api/v1/rerank`)} \\`,
    keyed ? '  -H "authorization: Bearer $RERANKD_TOKEN" \\' : null,
    `  -H 'content-type: application/json' --data-binary @- ${open}`,
    rest,
  );
}

function grpcurl({ body, grpc, tls, keyed }) {
  const [open, ...rest] = hereJson(body);
  return lines(
    `grpcurl ${tls ? "" : "-plaintext "}\\`,
    keyed ? '  -H "authorization: Bearer $RERANKD_TOKEN" \\' : null,
    `  -d @ ${shell(grpc)} rerankd.v1.RerankService/Rerank ${open}`,
    rest,
  );
}

function pythonClient({ body, grpc, tls, keyed }) {
  const { model, topN, maxTokensPerDocument, longDocument } = body.options ?? {};
  const settings = [tls ? "tls=TLSConfig()" : null, keyed ? 'token=os.environ["RERANKD_TOKEN"]' : null].filter(Boolean);
  const options = [
    model ? `model=${quoted(model)}` : null,
    topN ? `top_n=${topN}` : null,
    longDocument ? `long_document=${quoted(longDocument.replace("LONG_DOCUMENT_", "").toLowerCase())}` : null,
    maxTokensPerDocument ? `max_tokens_per_document=${maxTokensPerDocument}` : null,
  ].filter(Boolean);
  const names = ["Client", settings.length ? "ClientOptions" : null, tls ? "TLSConfig" : null].filter(Boolean);
  const choices = settings.length ? `, ClientOptions(${settings.join(", ")})` : "";
  return lines(
    keyed ? ["import os", ""] : null,
    `from rerankd.client import ${names.join(", ")}`,
    "",
    `query = ${quoted(body.query)}`,
    "documents = [",
    body.documents.map((document) => `    ${isPlain(document) ? quoted(document.text) : python(pythonDocument(document))},`),
    "]",
    `with Client(${quoted(grpc)}${choices}) as client:`,
    `    response = client.rerank(query, documents${options.map((option) => `, ${option}`).join("")})`,
    "for result in response.results:",
    '    print(result.rank, f"{result.score:.4f}", documents[result.index])',
  );
}

function pythonDocument({ originalScore, ...document }) {
  return originalScore === undefined ? document : { ...document, original_score: originalScore };
}

function goClient({ body, grpc, tls, keyed }) {
  const { model, topN, maxTokensPerDocument, longDocument } = body.options ?? {};
  const options = [
    model ? `Model: ${quoted(model)}` : null,
    topN ? `TopN: ${topN}` : null,
    longDocument ? `LongDocument: rerankdv1.LongDocument_${longDocument}` : null,
    maxTokensPerDocument ? `MaxTokensPerDocument: ${maxTokensPerDocument}` : null,
  ].filter(Boolean);
  const choices = [
    tls ? ", rerankd.WithTLS(rerankd.TLSConfig{})" : "",
    keyed ? ', rerankd.WithToken(os.Getenv("RERANKD_TOKEN"))' : "",
  ].join("");
  const structured = body.documents.some((document) => document.fields !== undefined);
  return lines(
    "package main",
    "",
    "import (",
    ['\t"context"', '\t"fmt"', '\t"log"', keyed ? '\t"os"' : null].filter(Boolean),
    "",
    '\trerankd "github.com/rerankd/rerankd/clients/go"',
    '\trerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"',
    ")",
    "",
    "func main() {",
    `\tclient, err := rerankd.New(${quoted(grpc)}${choices})`,
    "\tif err != nil {",
    "\t\tlog.Fatal(err)",
    "\t}",
    "\tdefer client.Close()",
    "",
    "\tdocuments := []*rerankdv1.Document{",
    body.documents.map((document) => `\t\t${goDocument(document)},`),
    "\t}",
    `\tresponse, err := client.Rerank(context.Background(), ${quoted(body.query)}, documents,`,
    `\t\t&rerankdv1.RerankOptions{${options.join(", ")}})`,
    "\tif err != nil {",
    "\t\tlog.Fatal(err)",
    "\t}",
    "\tfor _, result := range response.GetResults() {",
    '\t\tfmt.Printf("%d. %.4f #%d %s\\n", result.GetRank(), result.GetScore(), result.GetIndex(), result.GetId())',
    "\t}",
    "}",
    structured ? ["", GO_FIELDS] : null,
  );
}

const GO_FIELDS = `func fields(id string, values map[string]any) *rerankdv1.Document {
\tdocument, err := rerankd.FieldsWithID(id, values)
\tif err != nil {
\t\tlog.Fatal(err)
\t}
\treturn document
}`;

function goDocument({ id = "", text, fields, originalScore }) {
  const made =
    fields !== undefined
      ? `fields(${quoted(id)}, ${go(fields)})`
      : id
        ? `rerankd.TextWithID(${quoted(id)}, ${quoted(text ?? "")})`
        : `rerankd.Text(${quoted(text ?? "")})`;
  return originalScore === undefined ? made : `rerankd.WithOriginalScore(${made}, ${JSON.stringify(originalScore)})`;
}

function javaClient({ body, grpc, tls, keyed }) {
  const { model, topN, maxTokensPerDocument, longDocument } = body.options ?? {};
  const structured = body.documents.some((document) => document.fields !== undefined);
  const settings = [tls ? ".tls()" : "", keyed ? '.token(System.getenv("RERANKD_TOKEN"))' : ""].join("");
  const options = [
    model ? `.setModel(${javaText(model)})` : "",
    topN ? `.setTopN(${topN})` : "",
    longDocument ? `.setLongDocument(LongDocument.${longDocument})` : "",
    maxTokensPerDocument ? `.setMaxTokensPerDocument(${maxTokensPerDocument})` : "",
  ].join("");
  return lines(
    structured ? ["ListValue", "NullValue", "Struct", "Value"].map((name) => `import com.google.protobuf.${name};`) : null,
    "import io.rerankd.client.RerankdClient;",
    ["Document", longDocument ? "LongDocument" : null, "RerankOptions", "RerankResult"]
      .filter(Boolean)
      .map((name) => `import io.rerankd.v1.${name};`),
    "import java.util.ArrayList;",
    "import java.util.List;",
    "",
    "public class Rank {",
    "  public static void main(String[] args) {",
    "    List<Document> documents = new ArrayList<>();",
    body.documents.map((document) => `    documents.add(${javaDocument(document)});`),
    `    RerankOptions options = RerankOptions.newBuilder()${options}.build();`,
    `    try (RerankdClient client = RerankdClient.builder(${javaText(grpc)})${settings}.build()) {`,
    `      for (RerankResult result : client.rerank(${javaText(body.query)}, documents, options).getResultsList()) {`,
    '        System.out.printf("%d. %.4f #%d %s%n", result.getRank(), result.getScore(), result.getIndex(), result.getId());',
    "      }",
    "    }",
    "  }",
    "}",
  );
}

function javaDocument({ id, text, fields, originalScore }) {
  return [
    "Document.newBuilder()",
    id ? `.setId(${javaText(id)})` : "",
    fields === undefined ? `.setText(${javaText(text ?? "")})` : `.setFields(${javaStruct(fields)})`,
    originalScore === undefined ? "" : `.setOriginalScore((float) ${javaNumber(originalScore)})`,
    ".build()",
  ].join("");
}

function typescriptClient({ body, grpc, tls, keyed }) {
  const { model, topN, maxTokensPerDocument, longDocument } = body.options ?? {};
  const settings = [tls ? "tls: {}" : null, keyed ? "token: process.env.RERANKD_TOKEN" : null].filter(Boolean);
  const options = [
    model ? `model: ${quoted(model)}` : null,
    topN ? `topN: ${topN}` : null,
    longDocument ? `longDocument: LongDocument.${longDocument.replace("LONG_DOCUMENT_", "")}` : null,
    maxTokensPerDocument ? `maxTokensPerDocument: ${maxTokensPerDocument}` : null,
  ].filter(Boolean);
  return lines(
    `import { ${longDocument ? "LongDocument, " : ""}RerankdClient } from "rerankd-client";`,
    "",
    `const client = new RerankdClient(${quoted(grpc)}${settings.length ? `, { ${settings.join(", ")} }` : ""});`,
    "const documents = [",
    body.documents.map((document) => `  ${jsonText(isPlain(document) ? wellFormed(document.text) : document)},`),
    "];",
    `const { results } = await client.rerank(${quoted(body.query)}, documents${options.length ? `, { ${options.join(", ")} }` : ""});`,
    "for (const { rank, score, index } of results) {",
    "  console.log(rank, score.toFixed(4), documents[index]);",
    "}",
    "client.close();",
  );
}

function cohere({ body, http, keyed }) {
  const { model, topN, maxTokensPerDocument, longDocument } = body.options ?? {};
  const options = [
    topN ? `, top_n=${topN}` : "",
    maxTokensPerDocument ? `, max_tokens_per_doc=${maxTokensPerDocument}` : "",
  ].join("");
  return lines(
    keyed ? "import os" : null,
    keyed ? "" : null,
    "import cohere",
    "",
    longDocument && longDocument !== "LONG_DOCUMENT_TRUNCATE_END" ? "# Cohere's API has no choice for long documents: their end is cut." : null,
    "documents = [",
    body.documents.map((document) => `    ${quoted(scoredText(document))},`),
    "]",
    `client = cohere.ClientV2(api_key=${keyed ? 'os.environ["RERANKD_TOKEN"]' : '"none"'}, base_url=${quoted(http)})`,
    `response = client.rerank(model=${quoted(model || "default")}, query=${quoted(body.query)}, documents=documents${options})`,
    "for result in response.results:",
    '    print(f"{result.relevance_score:.4f}", documents[result.index])',
  );
}
