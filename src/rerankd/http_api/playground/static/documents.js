/** From what was typed to documents of the API, and from those to the text that is scored. */

/** What was typed is not what its format says; the message tells where. */
export class InputError extends Error {}

const KNOWN = ["text", "fields", "id", "originalScore", "original_score"];

/**
 * Reads documents.
 *
 * @param typed the whole input.
 * @param format `auto`, `lines`, `jsonl` or `json`.
 * @returns `{documents, format}`: documents as protobuf JSON, and the format that was read.
 * @throws InputError in a format that was asked for, or is plain to see, and is broken.
 */
export function parseDocuments(typed, format = "auto") {
  const read = format === "auto" ? recognized(typed) : format;
  const documents = { lines: fromLines, jsonl: fromJsonLines, json: fromArray }[read](typed);
  return { documents, format: read };
}

function recognized(typed) {
  // A line of a log may begin with a bracket as well, so only whole JSON is JSON.
  if (typed.trimStart().startsWith("[") && isArray(typed)) return "json";
  const lines = linesOf(typed);
  return lines.length > 0 && lines.every(([line]) => line.trimStart().startsWith("{")) ? "jsonl" : "lines";
}

function isArray(typed) {
  try {
    return Array.isArray(JSON.parse(typed));
  } catch {
    return false;
  }
}

/** Lines that are not blank, each with its number. */
function linesOf(typed) {
  return typed
    .split(/\r\n|\n|\r/)
    .map((line, index) => [line, index + 1])
    .filter(([line]) => line.trim() !== "");
}

function fromLines(typed) {
  return linesOf(typed).map(([line]) => ({ text: line.trim() }));
}

function fromJsonLines(typed) {
  return linesOf(typed).map(([line, number]) => documentFrom(parsed(line, `line ${number}`), `line ${number}`));
}

function fromArray(typed) {
  if (typed.trim() === "") return [];
  const values = parsed(typed, "the input");
  if (!Array.isArray(values)) throw new InputError("the input is no JSON array");
  return values.map((value, index) => documentFrom(value, `item ${index + 1}`));
}

function parsed(text, place) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(`${place} is no JSON: ${error.message}`);
  }
}

function documentFrom(value, place) {
  if (typeof value === "string") return { text: value };
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new InputError(`${place} is neither a text nor an object`);
  }
  // An object of another shape is a structured document, as it comes from an index.
  if (!("text" in value || "fields" in value)) return { fields: value };
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, held]) => KNOWN.includes(key) && held !== null)
      .map(([key, held]) => [key === "original_score" ? "originalScore" : key, held]),
  );
}

/** The text that the server scores: the document's, or its fields' as they are joined without names. */
export function scoredText(document) {
  const fields = document.fields;
  if (fields === null || typeof fields !== "object") return String(document.text ?? "");
  const one = ["content", "text"].find((name) => typeof fields[name] === "string");
  if (one) return fields[one];
  return Object.keys(fields)
    .filter((name) => typeof fields[name] === "string")
    .sort()
    .map((name) => fields[name])
    .join("\n");
}

/**
 * The parts of a text before, in and after a passage, whose bounds count code points and not, as strings
 * do here, UTF-16 units.
 */
export function aroundPassage(text, passage) {
  const points = Array.from(text);
  const { startChar = 0, endChar = points.length } = passage;
  const part = (from, to) => points.slice(from, to).join("");
  return [part(0, startChar), part(startChar, endChar), part(endChar, points.length)];
}
