/** Brings the page to life. */

import { ApiError, AWAY, facts } from "./api.js";
import { byId } from "./elements.js";
import { showCode, startEquivalents } from "./equivalents_view.js";
import { startKeys, whenKeyChanges, withKey } from "./key.js";
import { offer, startRanking } from "./rank.js";
import { startStreams } from "./stream.js";
import { tabs } from "./tabs.js";

const AGAIN_MS = 2000;
let waiting = 0;

/** Learns what the server offers; one that is away, or not ready, is asked again until it is. */
async function meet(ask) {
  clearTimeout(waiting);
  try {
    const told = await (ask ? withKey(facts) : facts());
    offer(told);
    byId("version").textContent = `rerankd ${told.info.version}`;
    const model = told.models.find(({ id }) => id === told.info.model_id);
    show(model?.state === "active" ? "ready" : "waiting", `${told.info.model_id || "no model"}, ${wordsOf(model?.state)}`);
    if (model?.state !== "active") waiting = setTimeout(meet, AGAIN_MS, false);
  } catch (error) {
    const refused = error instanceof ApiError;
    show("away", refused ? error.reason : "server away");
    if (!refused) waiting = setTimeout(meet, AGAIN_MS, false);
  }
}

function wordsOf(state) {
  return { active: "ready", unloaded: "loads at the first call", failed: "failed to load" }[state] ?? "not ready yet";
}

function show(state, words) {
  const place = byId("state");
  place.dataset.state = state;
  // Said again only when it has changed.
  if (place.textContent !== words) place.textContent = words;
}

startKeys();
startRanking();
startEquivalents();
startStreams();
tabs(byId("views"));
whenKeyChanges(() => {
  showCode();
  void meet(false);
});
addEventListener(AWAY, () => {
  show("away", "server away");
  clearTimeout(waiting);
  waiting = setTimeout(meet, AGAIN_MS, false);
});
void meet(true);
