/** Shows a ranking: the order before, the order after, and what led from one to the other. */

import { aroundPassage, scoredText } from "./documents.js";
import { bar, byId, element, fact, picture } from "./elements.js";
import { counted, countText, milliseconds, moveOf, scaleOf, scoreText, timeText } from "./ranking.js";

const FIRST = 50;
const LONG = 280;
const CONTEXT = 70;

/**
 * Shows a ranking in place of the one before.
 *
 * @param body the request, as it was sent.
 * @param answer `{ranking, roundTrip, requestId}`.
 */
export function showRanking(body, answer) {
  const { ranking } = answer;
  byId("empty").hidden = true;
  byId("ranking").hidden = false;
  showOutcome(ranking);
  showFacts(ranking, answer.roundTrip);
  const show = (count) => {
    showLists(body, ranking, count);
    const more = ranking.results.length > count || body.documents.length > count;
    byId("more").hidden = !more;
    byId("more").textContent = `Show all ${countText(Math.max(ranking.results.length, body.documents.length))}`;
    drawCurves();
  };
  byId("more").onclick = () => {
    show(Infinity);
    byId("after").querySelectorAll("li")[FIRST]?.focus();
  };
  show(FIRST);
}

/** What is said of a ranking in one sentence. */
export function sentenceOf({ ranking, roundTrip }) {
  const documents = counted(ranking.usage.scoredDocuments, "document");
  return `${documents} scored by ${ranking.model.id} in ${timeText(roundTrip)}.`;
}

function showOutcome(ranking) {
  const outcome = ranking.outcome.replace("OUTCOME_", "");
  const said = [outcome === "RERANKED" ? "" : outcome, ranking.outcomeReason].filter(Boolean).join(": ");
  byId("outcome").textContent = said;
  byId("outcome").hidden = said === "";
}

function showFacts({ usage, timing, model }, roundTrip) {
  const { truncatedDocuments, cacheHits, deduplicated, providerUnits } = usage;
  byId("facts").replaceChildren(
    ...[
      fact("Round trip", timeText(roundTrip), "From this page and back, as it was measured here"),
      fact("Server", timeText(milliseconds(timing.totalDuration)), "As the server measured it"),
      fact("Queue", timeText(milliseconds(timing.queueDuration)), "Waiting for a micro-batch"),
      fact("Tokenize", timeText(milliseconds(timing.tokenizeDuration))),
      fact("Inference", timeText(milliseconds(timing.inferenceDuration)), "Its share of each micro-batch"),
      fact("Tokens", countText(usage.tokens), "Read by the model for this call, without what the cache answered"),
      fact("Cache hits", countText(cacheHits)),
      Number(deduplicated) ? fact("Equal texts", countText(deduplicated)) : null,
      Number(truncatedDocuments) ? fact("Cut", counted(truncatedDocuments, "document")) : null,
      Number(providerUnits) ? fact("Provider units", countText(providerUnits)) : null,
      fact("Model", model.id, model.revision ? `Revision ${model.revision}` : undefined),
    ].filter(Boolean),
  );
}

function showLists(body, ranking, count) {
  const ranks = new Map(ranking.results.map((result) => [result.index, result.rank]));
  byId("before").replaceChildren(
    ...body.documents.slice(0, count).map((document, index) => before(document, index, ranks.get(index))),
  );
  const scale = scaleOf(ranking.results.filter(({ scored }) => scored).map(({ score }) => score));
  byId("after").replaceChildren(
    ...ranking.results.slice(0, count).map((result) => after(result, body, scale)),
  );
}

function before(document, index, rank) {
  const move = rank === undefined ? null : moveOf(index, rank);
  return element(
    "li",
    { class: `before ${move ? move.way : "gone"}`, "data-index": index },
    element("span", { class: "place" }, String(index + 1)),
    element("span", { class: "text", dir: "auto" }, beginning(scoredText(document), 160) || "(empty)"),
    element("span", { class: "to" }, move ? `→ ${rank}` : "not returned"),
  );
}

function after(result, body, scale) {
  const document = body.documents[result.index];
  const move = moveOf(result.index, result.rank);
  return element(
    "li",
    { class: `after ${move.way}`, "data-index": result.index, tabindex: "-1" },
    element("span", { class: "place" }, String(result.rank)),
    element(
      "div",
      { class: "told" },
      element("p", { class: "marks" }, moved(move), ...marks(result, body.options)),
      ...text(scoredText(document), result.passage),
    ),
    score(result, scale),
  );
}

function moved({ way, arrow, words }) {
  return element("span", { class: `move ${way}` }, element("span", { "aria-hidden": "true" }, `${arrow} `), words);
}

function marks(result, options) {
  const { droppedTokens = 0, id, scored, passage } = result;
  const side = options?.longDocument === "LONG_DOCUMENT_TRUNCATE_START" ? "beginning" : "end";
  return [
    id ? element("span", { class: "id" }, id) : null,
    droppedTokens > 0
      ? element("span", { class: "cut" }, element("span", { "aria-hidden": "true" }, "✂ "), `${side} not read: ${counted(droppedTokens, "token")}`)
      : null,
    passage ? element("span", { class: "best" }, "best passage marked") : null,
    scored ? null : element("span", { class: "cut" }, "not scored"),
  ];
}

function score(result, scale) {
  if (!result.scored) return element("div", { class: "score" }, "–");
  return element(
    "div",
    { class: "score" },
    bar(scale(result.score)),
    element("span", { class: "value" }, scoreText(result.score)),
    result.logit === undefined ? null : element("span", { class: "logit" }, `logit ${result.logit.toFixed(3)}`),
  );
}

/** A document's text, with its best passage marked; a long one opens on demand. */
function text(whole, passage) {
  if (whole === "") return [element("p", { class: "text none" }, "(empty)")];
  const [head, marked, tail] = passage ? aroundPassage(whole, passage) : [whole, "", ""];
  const full = () => parts(head, marked, tail);
  if (whole.length <= LONG) return [element("p", { class: "text", dir: "auto" }, ...full())];
  const short = passage
    ? () => parts(ending(head, CONTEXT), beginning(marked, 2 * LONG), beginning(tail, CONTEXT))
    : () => [beginning(head, LONG)];
  const shown = element("p", { class: "text", dir: "auto" }, ...short());
  const button = element("button", { type: "button", class: "quiet", "aria-expanded": "false" }, "Whole document");
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? "Less" : "Whole document";
    shown.replaceChildren(...(open ? full() : short()));
    drawCurves();
  });
  return [shown, button];
}

function parts(head, marked, tail) {
  return [head, marked ? element("mark", {}, marked) : null, tail].filter((part) => part !== null && part !== "");
}

function beginning(text, length) {
  const points = Array.from(text.slice(0, 2 * length));
  return points.length > length || text.length > 2 * length ? `${points.slice(0, length).join("")}…` : text;
}

function ending(text, length) {
  const points = Array.from(text.slice(-2 * length));
  if (points.length <= length && text.length <= 2 * length) return text;
  const cut = points.slice(-length).join("");
  const space = cut.slice(0, length / 3).indexOf(" ");
  return `…${cut.slice(space + 1)}`;
}

/** Draws a curve from each place before to the place after. */
export function drawCurves() {
  const flow = byId("flow");
  const { top, width } = flow.getBoundingClientRect();
  // Where there is no room for them there are none.
  const items = width === 0 ? [] : [...byId("before").children];
  const from = new Map(items.map((item) => [item.dataset.index, middleOf(item.querySelector(".place")) - top]));
  const curves = [...byId("after").children].map((item) => {
    const start = from.get(item.dataset.index);
    if (start === undefined) return null;
    const end = middleOf(item.querySelector(".place")) - top;
    const path = `M 0 ${start} C ${width / 2} ${start}, ${width / 2} ${end}, ${width} ${end}`;
    return picture("path", { d: path, class: item.classList[1] });
  });
  flow.replaceChildren(...curves.filter(Boolean));
}

function middleOf(item) {
  const { top, height } = item.getBoundingClientRect();
  return top + height / 2;
}

/** Redraws the curves when the page is laid out anew. */
export function startResults() {
  new ResizeObserver(drawCurves).observe(byId("lists"));
  byId("logits").addEventListener("change", ({ target }) => {
    byId("after").classList.toggle("with-logits", target.checked);
    drawCurves();
  });
}
