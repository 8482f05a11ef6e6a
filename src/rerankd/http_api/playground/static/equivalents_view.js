/** Shows the call of the page in the language that is chosen, to be copied. */

import { addressOf, key } from "./api.js";
import { announce, byId } from "./elements.js";
import { EQUIVALENTS } from "./equivalents.js";
import { tabs } from "./tabs.js";

const DEFAULT_PORT = "50051";
let body = null;
let language = "curl";
let waiting = 0;

/** Shows the calls for a request; null = there is none. */
export function showEquivalents(request) {
  body = request;
  // Typing must not wait for the text of a thousand documents.
  clearTimeout(waiting);
  waiting = setTimeout(showCode, 150);
}

/** The text of the call in the chosen language. */
function codeNow() {
  if (body === null) return "";
  const told = document.querySelector('meta[name="rerankd-grpc-port"]').content;
  const port = /^\d+$/.test(told) && told !== "0" ? told : DEFAULT_PORT;
  return EQUIVALENTS[language].code({
    body,
    http: addressOf(".").href.replace(/\/$/, ""),
    grpc: `${location.hostname}:${port}`,
    tls: location.protocol === "https:",
    keyed: Boolean(key.value),
  });
}

/** Shows the call anew: whether it sends a key has changed. */
export function showCode() {
  clearTimeout(waiting);
  byId("code").textContent = codeNow() || "The documents cannot be read yet.";
  announce(byId("copied"), "");
}

async function copy() {
  showCode();
  try {
    await navigator.clipboard.writeText(codeNow());
  } catch {
    // Pages of plain HTTP have no clipboard; what is selected can be copied the old way.
    getSelection().selectAllChildren(byId("code"));
    document.execCommand("copy");
  }
  announce(byId("copied"), `Copied for ${EQUIVALENTS[language].name}.`);
}

/** Brings the section to life. */
export function startEquivalents() {
  tabs(byId("languages"), (tab) => {
    language = tab.dataset.language;
    showCode();
  });
  byId("copy").addEventListener("click", () => void copy());
}
