import { create, type JsonObject, type MessageInitShape, toBinary } from "@bufbuild/protobuf";

import { InvalidRequestError } from "./errors.js";
import { type Document, DocumentSchema } from "./rerankd/v1/rerank_service_pb.js";

/** A candidate as an object: `text` or `fields`, and what else `Document` tells. */
export interface PlainDocument {
  /** The caller's name for the document, returned with its result. */
  readonly id?: string | undefined;
  /** Plain text, at most 256 KiB of UTF-8. */
  readonly text?: string | undefined;
  /** A structured document; the option `documentFields` names the fields that are scored. */
  readonly fields?: JsonObject | undefined;
  /** The score that the previous stage gave, on any scale, higher is better. */
  readonly originalScore?: number | undefined;
}

/** A candidate: its text, an object, or a `Document` message or its init shape. */
export type DocumentInput = string | PlainDocument | MessageInitShape<typeof DocumentSchema>;

/** A document under its index. */
export interface Entry {
  readonly index: number;
  readonly document: Document;
}

const KEYS: readonly string[] = ["id", "text", "fields", "content", "originalScore"];
// The largest int32 as a varint, which a chunk may hold for each document.
const INDEX_BYTES = 5;

/**
 * The message for a document.
 *
 * @param index - Its position in the request, for the text of the error.
 * @throws InvalidRequestError when it is none, or holds a value of a wrong type.
 */
export function documentMessage(input: DocumentInput, index: number): Document {
  if (typeof input === "string") {
    return create(DocumentSchema, { content: { case: "text", value: input } });
  }
  const place = `documents[${index}]`;
  if (!isObject(input)) {
    throw invalid(place, "is no document; send a text, an object or a Document");
  }
  const document = "$typeName" in input ? input : plainMessage(input, place);
  checkTypes(document, place);
  return document as Document;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The messages for the documents of a unary request. */
export function documentMessages(inputs: Iterable<DocumentInput>): Document[] {
  checkDocuments(inputs);
  return Array.from(inputs, documentMessage);
}

/** Refuses a lone text, which would pass as a list of letters, and what cannot be iterated. */
export function checkDocuments(documents: unknown): void {
  const iterable =
    typeof documents === "object" &&
    documents !== null &&
    (Symbol.iterator in documents || Symbol.asyncIterator in documents);
  if (!iterable) {
    throw invalid("documents", `is a ${typeof documents}; send a list of documents`);
  }
}

/** Bytes that a document adds to a chunk: itself, its length as a varint, its tag, and its index. */
export function documentCost(document: Document): number {
  const bytes = documentBytes(document);
  return bytes + varintBytes(bytes) + 1 + INDEX_BYTES;
}

/** The error for a request that this client refuses by itself. */
export function invalid(
  field: string,
  description: string,
  metadata: Readonly<Record<string, string>> = {},
): InvalidRequestError {
  return new InvalidRequestError(`${field} ${description}`, {
    metadata: { field, ...metadata },
    fieldViolations: [{ field, description }],
  });
}

function plainMessage(input: Exclude<DocumentInput, string>, place: string): Document {
  const unknown = Object.keys(input).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) {
    throw invalid(place, `has the unknown key "${unknown}"; known are ${KEYS.join(", ")}`);
  }
  const { text, fields, ...init } = input as PlainDocument & MessageInitShape<typeof DocumentSchema>;
  const contents = [text, fields, init.content].filter((content) => content !== undefined);
  if (contents.length > 1) {
    throw invalid(place, "has more than one of text, fields and content; send one");
  }
  if (text !== undefined) {
    return create(DocumentSchema, { ...init, content: { case: "text", value: text } });
  }
  if (fields !== undefined) {
    return create(DocumentSchema, { ...init, content: { case: "fields", value: fields } });
  }
  return create(DocumentSchema, init);
}

/** Callers without types would otherwise see their mistake as a failure of the connection. */
function checkTypes(document: MessageInitShape<typeof DocumentSchema>, place: string): void {
  checkType(document.id, "string", `${place}.id`);
  if (document.content?.case === "text") {
    checkType(document.content.value, "string", `${place}.text`);
  }
  if (document.content?.case === "fields") {
    checkType(document.content.value, "object", `${place}.fields`);
  }
  if (document.originalScore !== undefined) {
    checkType(document.originalScore, "number", `${place}.originalScore`);
  }
}

function checkType(value: unknown, type: "string" | "object" | "number", field: string): void {
  if (typeof value !== type || value === null) {
    throw invalid(field, `is ${value === null ? "null" : `a ${typeof value}`}; it takes a ${type}`);
  }
}

/** The size of the message, counted without serializing what is nearly always plain text. */
function documentBytes(document: Document): number {
  if (document.content.case === "fields" || document.$unknown !== undefined) {
    return toBinary(DocumentSchema, document).length;
  }
  const text = document.content.case === "text" ? fieldBytes(document.content.value) : 0;
  const id = document.id === "" ? 0 : fieldBytes(document.id);
  return id + text + (document.originalScore === undefined ? 0 : 5);
}

function fieldBytes(value: string): number {
  const bytes = Buffer.byteLength(value);
  return 1 + varintBytes(bytes) + bytes;
}

function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}
