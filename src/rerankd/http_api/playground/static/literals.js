/**
 * Texts and values as source code writes them. All languages here read JSON's escapes in quotes; what some
 * of them, or a reader, would take differently is escaped too.
 */

// Marks that reorder what is shown, line ends that only some languages know, and the byte order mark,
// which Go refuses: code that is copied has to be what it looks like.
const UNSEEN = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** The JSON of a value, with two spaces for each level where `wide`. */
export function jsonText(value, wide = false) {
  return JSON.stringify(value, null, wide ? 2 : 0).replace(UNSEEN, escaped);
}

/** A text in double quotes, for Python, Go and TypeScript. */
export function quoted(text) {
  return jsonText(wellFormed(text));
}

/** Halves of a character, which is what a broken text holds, are no text in most languages. */
export function wellFormed(text) {
  return text.toWellFormed ? text.toWellFormed() : text;
}

/** A value of JSON in Python. */
export function python(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, held]) => `${quoted(name)}: ${python(held)}`).join(", ")}}`;
}

/** A value of JSON in Go, as `structpb` takes it. */
export function go(value) {
  if (value === null) return "nil";
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[]any{${value.map(go).join(", ")}}`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `map[string]any{${Object.entries(value).map(([name, held]) => `${quoted(name)}: ${go(held)}`).join(", ")}}`;
}

// The longest constant of Java has 65,535 bytes, and a character up to three in its encoding.
const JAVA_PART = 20_000;

/** A text in Java; a very long one is joined from several. */
export function javaText(text) {
  const whole = wellFormed(text);
  if (whole.length <= JAVA_PART) return quoted(whole);
  const points = Array.from(whole);
  const parts = [];
  for (let begin = 0; begin < points.length; begin += JAVA_PART / 2) {
    parts.push(quoted(points.slice(begin, begin + JAVA_PART / 2).join("")));
  }
  return `String.join("", ${parts.join(", ")})`;
}

/** A value of JSON in Java, as a `google.protobuf.Value`. */
export function javaValue(value) {
  const built = (call) => `Value.newBuilder().${call}.build()`;
  if (value === null) return built("setNullValue(NullValue.NULL_VALUE)");
  if (typeof value === "boolean") return built(`setBoolValue(${value})`);
  if (typeof value === "number") return built(`setNumberValue(${javaNumber(value)})`);
  if (typeof value === "string") return built(`setStringValue(${javaText(value)})`);
  if (Array.isArray(value)) {
    const items = value.map((each) => `.addValues(${javaValue(each)})`).join("");
    return built(`setListValue(ListValue.newBuilder()${items})`);
  }
  return built(`setStructValue(${javaStruct(value)})`);
}

/** An object of JSON in Java, as the builder of a `google.protobuf.Struct`. */
export function javaStruct(value) {
  const fields = Object.entries(value).map(([name, held]) => `.putFields(${javaText(name)}, ${javaValue(held)})`);
  return `Struct.newBuilder()${fields.join("")}`;
}

/** A number in Java, where whole numbers of any size have to be of floating point here. */
export function javaNumber(number) {
  const digits = JSON.stringify(number);
  return /[.e]/.test(digits) ? digits : `${digits}.0`;
}
