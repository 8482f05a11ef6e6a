/** Shows what went wrong, in the words of whoever says so. */

import { ApiError, UnreachableError } from "./api.js";
import { InputError } from "./documents.js";
import { element } from "./elements.js";

/**
 * Shows an error, or clears its place for none.
 *
 * @param place the element with the role `alert`.
 * @param error what was caught; an AbortError is no error.
 */
export function showFailure(place, error) {
  const told = error && error.name !== "AbortError";
  place.hidden = !told;
  place.replaceChildren(...(told ? sentences(error) : []));
}

function sentences(error) {
  if (error instanceof ApiError) {
    return [
      element("strong", {}, error.reason),
      element("p", { dir: "auto" }, error.message),
      error.retryDelay ? element("p", {}, `The server asks to wait ${error.retryDelay}.`) : "",
      error.requestId ? element("p", { class: "quiet" }, `Request ${error.requestId}`) : "",
    ];
  }
  if (error instanceof InputError) return [element("strong", {}, "Documents"), element("p", { dir: "auto" }, error.message)];
  if (error instanceof UnreachableError) {
    return [
      element("strong", {}, "No connection"),
      element("p", {}, `${error.message}. What you typed is still here; try again when the server is back.`),
    ];
  }
  return [element("strong", {}, "This page failed"), element("p", {}, String(error))];
}

/** The id of the input that an error is about; empty where it names none that is here. */
export function inputOf(error) {
  if (error instanceof InputError) return "documents";
  const field = error instanceof ApiError ? error.field : "";
  const name = field.replace(/^options\./, "").replace(/\[.*$/, "");
  const inputs = {
    query: "query",
    documents: "documents",
    model: "model",
    topN: "top-n",
    top_n: "top-n",
    longDocument: "long-document",
    long_document: "long-document",
    maxTokensPerDocument: "max-tokens",
    max_tokens_per_document: "max-tokens",
  };
  return inputs[name] ?? "";
}
