/** The second tab: thousands of candidates through one stream, with the best ten as they stand. */

import { rerankStream } from "./api.js";
import { candidates, streamBody, TOPICS } from "./candidates.js";
import { announce, bar, byId, element } from "./elements.js";
import { showFailure } from "./failures.js";
import { withKey } from "./key.js";
import { Best, counted, countText, scoreText, timeText } from "./ranking.js";

const TOP = 10;
let control = null;

/** What is known of a run so far. */
class Run {
  constructor(topic, count) {
    this.query = topic.query;
    Object.assign(this, candidates(topic, count));
    this.best = new Best(TOP);
    this.shown = false;
    this.answered = 0;
    this.started = performance.now();
    this.first = null;
    this.ended = null;
  }

  take({ index = [], score = [], logit = [], unscoredIndex = [] }) {
    this.first ??= performance.now();
    this.answered += index.length + unscoredIndex.length;
    index.forEach((place, at) => {
      if (this.best.take({ index: place, score: score[at], logit: logit[at] })) this.shown = false;
    });
  }

  end() {
    this.ended = performance.now();
  }

  get elapsed() {
    return (this.ended ?? performance.now()) - this.started;
  }

  get body() {
    return streamBody(
      { query: this.query, emit: "STREAM_EMIT_SCORES", options: { topN: TOP } },
      this.texts,
    );
  }
}

async function start() {
  const count = Number(byId("stream-count").value);
  const run = new Run(TOPICS[Number(byId("stream-topic").value)], count);
  const mine = new AbortController();
  control = mine;
  showFailure(byId("stream-failure"), null);
  showRunning(true);
  announce(byId("stream-said"), `${countText(count)} documents are on their way.`);
  const frames = paintWhile(run);
  try {
    await withKey(() => read(run, mine.signal));
    announce(byId("stream-said"), `All ${countText(count)} documents scored in ${timeText(run.elapsed)}.`);
  } catch (error) {
    run.end();
    const sofar = `${countText(run.answered)} of ${counted(count, "document")}`;
    announce(byId("stream-said"), `${error.name === "AbortError" ? "Cancelled" : "Ended"} after ${sofar}.`);
    showFailure(byId("stream-failure"), error);
  } finally {
    frames.stop();
    show(run);
    showRunning(false);
    control = null;
  }
}

async function read(run, signal) {
  run.started = performance.now();
  for await (const message of rerankStream(run.body, signal)) {
    if (message.scores) run.take(message.scores);
    // The server's own word on the ten best, which the page's agrees with.
    if (message.summary) {
      run.end();
      run.best.results = message.summary.results.filter(({ scored }) => scored);
      run.shown = false;
    }
  }
}

/** Shows a run at each frame that the browser paints, however often it changes. */
function paintWhile(run) {
  let frame = 0;
  const paint = () => {
    show(run);
    frame = requestAnimationFrame(paint);
  };
  paint();
  return { stop: () => cancelAnimationFrame(frame) };
}

function show(run) {
  const { answered, texts, planted, best, first, started, elapsed } = run;
  const progress = byId("stream-progress");
  progress.max = texts.length;
  progress.value = answered;
  byId("stream-answered").textContent = `${countText(answered)} / ${countText(texts.length)}`;
  byId("stream-pace").textContent = answered ? countText(Math.round((1000 * answered) / elapsed)) : "–";
  byId("stream-first").textContent = first === null ? "–" : timeText(first - started);
  byId("stream-elapsed").textContent = timeText(elapsed);
  if (run.shown) return;
  run.shown = true;
  const found = best.results.filter(({ index }) => planted.has(index)).length;
  byId("stream-found").textContent = `${found} of ${planted.size}`;
  byId("stream-top").replaceChildren(...best.results.map((result, at) => row(result, at + 1, run)));
}

function row({ index, score }, rank, { texts, planted }) {
  return element(
    "li",
    { class: `after ${planted.has(index) ? "planted" : ""}` },
    element("span", { class: "place" }, String(rank)),
    element(
      "div",
      { class: "told" },
      element(
        "p",
        { class: "marks" },
        element("span", { class: "id" }, `no. ${countText(index + 1)}`),
        planted.has(index) ? element("span", { class: "best" }, "planted") : null,
      ),
      element("p", { class: "text", dir: "auto" }, texts[index]),
    ),
    element("div", { class: "score" }, bar(score), element("span", { class: "value" }, scoreText(score))),
  );
}

function showRunning(running) {
  const had = document.activeElement;
  byId("stream-start").disabled = running;
  byId("stream-cancel").disabled = !running;
  // A button that is turned off must not take the place of the keyboard with it.
  if (running && had === byId("stream-start")) byId("stream-cancel").focus();
  if (!running && had === byId("stream-cancel")) byId("stream-start").focus();
}

/** Brings the tab to life. */
export function startStreams() {
  byId("stream-topic").append(
    ...TOPICS.map(({ query }, index) => element("option", { value: index }, query)),
  );
  byId("stream-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (control === null) void start();
  });
  byId("stream-cancel").addEventListener("click", () => control?.abort());
}
