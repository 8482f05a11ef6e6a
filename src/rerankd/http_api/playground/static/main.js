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
  const told = await (ask ? withKey(facts) : facts()).catch((error) => error);
  const refused = told instanceof ApiError;
  const met = !(told instanceof Error);
  if (met) offer(told);
  const active = met && told.models.find(({ id }) => id === told.info.model_id)?.state === "active";
  show(active ? "ready" : met ? "waiting" : "away", met ? named(told.info, active) : refused ? told.reason : "server away");
  if (met) byId("version").textContent = `rerankd ${told.info.version}`;
  if (!active && !refused) waiting = setTimeout(meet, AGAIN_MS, false);
}

function named(info, active) {
  return `${info.model_id || "no model"}${active ? ", ready" : ", not ready yet"}`;
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
