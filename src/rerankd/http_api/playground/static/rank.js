/** The first tab: a query, documents, and how they come back. */

import { rerank } from "./api.js";
import { InputError, parseDocuments } from "./documents.js";
import { announce, byId, element } from "./elements.js";
import { showEquivalents } from "./equivalents_view.js";
import { inputOf, showFailure } from "./failures.js";
import { withKey } from "./key.js";
import { counted } from "./ranking.js";
import { sentenceOf, showRanking, startResults } from "./results.js";
import { SAMPLES } from "./samples.js";

const INPUTS = ["query", "documents", "format", "model", "top-n", "long-document", "max-tokens"];
const FORMATS = { lines: "one a line", jsonl: "JSON lines", json: "a JSON array" };
let running = null;
let most = 0;

/** The request as the inputs have it; raises InputError where the documents cannot be read. */
function bodyFromInputs() {
  const { documents, format } = parseDocuments(byId("documents").value, byId("format").value);
  const options = {};
  if (byId("model").value) options.model = byId("model").value;
  for (const [id, name] of [["top-n", "topN"], ["max-tokens", "maxTokensPerDocument"]]) {
    if (byId(id).value !== "") options[name] = Number(byId(id).value);
  }
  if (byId("long-document").value) options.longDocument = byId("long-document").value;
  const body = { query: byId("query").value, documents };
  return { body: Object.keys(options).length ? { ...body, options } : body, format };
}

function inputChanged() {
  try {
    const { body, format } = bodyFromInputs();
    const bound = most ? `, of at most ${most.toLocaleString("en")}` : "";
    byId("count").textContent = `${counted(body.documents.length, "document")}${bound}; read as ${FORMATS[format]}`;
    showEquivalents(body);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    byId("count").textContent = error.message;
    showEquivalents(null);
  }
}

async function rank() {
  running?.abort();
  const control = new AbortController();
  running = control;
  mark(null);
  showBusy(true);
  announce(byId("said"), "Ranking…");
  try {
    const { body } = bodyFromInputs();
    const answer = await withKey(() => rerank(body, control.signal));
    if (running !== control) return;
    showRanking(body, answer);
    announce(byId("said"), sentenceOf(answer));
  } catch (error) {
    // A later call took its place, and tells about itself.
    if (running !== control) return;
    announce(byId("said"), error.name === "AbortError" ? "Cancelled." : "");
    mark(error);
  } finally {
    if (running === control) {
      running = null;
      showBusy(false);
    }
  }
}

/** Shows an error, and the input that it is about. */
function mark(error) {
  showFailure(byId("failure"), error);
  const wrong = error ? inputOf(error) : "";
  for (const id of INPUTS) {
    byId(id).toggleAttribute("aria-invalid", false);
    if (id === wrong) byId(id).setAttribute("aria-invalid", "true");
  }
}

function showBusy(busy) {
  const had = document.activeElement;
  byId("rank-cancel").hidden = !busy;
  byId("rank").textContent = busy ? "Ranking…" : "Rank";
  byId("results").setAttribute("aria-busy", String(busy));
  // A button that vanishes must not take the place of the keyboard with it.
  if (!busy && had === byId("rank-cancel")) byId("rank").focus();
}

function load(sample) {
  byId("query").value = sample.query;
  byId("documents").value = sample.documents;
  byId("format").value = "auto";
  byId("long-document").value = sample.options?.longDocument ?? "";
  byId("max-tokens").value = sample.options?.maxTokens ?? "";
  showSample(sample.id);
  inputChanged();
}

function showSample(id) {
  for (const button of byId("samples").children) {
    button.setAttribute("aria-pressed", String(button.dataset.sample === id));
  }
}

/** Offers the models of the server, and knows its bounds. */
export function offer({ info, models }) {
  most = info.max_client_batch_size;
  const chosen = byId("model").value;
  byId("model").replaceChildren(
    element("option", { value: "" }, `Default (${info.model_id || "none"})`),
    ...models.map(({ id, root, state }) =>
      element("option", { value: id }, `${id}${id === root ? "" : ` = ${root}`}${state === "active" ? "" : `, ${state}`}`),
    ),
  );
  byId("model").value = models.some(({ id }) => id === chosen) ? chosen : "";
  inputChanged();
}

/** Brings the tab to life. */
export function startRanking() {
  byId("samples").append(
    ...SAMPLES.map((sample) => {
      const button = element("button", { type: "button", "data-sample": sample.id, "aria-pressed": "false" }, sample.name);
      button.addEventListener("click", () => load(sample));
      return button;
    }),
  );
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    void rank();
  });
  byId("ask").addEventListener("input", ({ target }) => {
    // What was changed is the sample no more.
    if (["query", "documents"].includes(target.id)) showSample("");
    inputChanged();
  });
  byId("ask").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    void rank();
  });
  byId("rank-cancel").addEventListener("click", () => running?.abort());
  startResults();
  load(SAMPLES[0]);
}
