/** Brings the page to life. */

import { ApiError, facts } from "./api.js";
import { byId } from "./elements.js";
import { showCode, startEquivalents } from "./equivalents_view.js";
import { startKeys, whenKeyChanges, withKey } from "./key.js";
import { offer, startRanking } from "./rank.js";
import { startStreams } from "./stream.js";
import { tabs } from "./tabs.js";

async function meet(ask) {
  const state = byId("state");
  try {
    const told = await (ask ? withKey(facts) : facts());
    offer(told);
    const active = told.models.find(({ id }) => id === told.info.model_id)?.state === "active";
    state.dataset.state = active ? "ready" : "waiting";
    state.textContent = `${told.info.model_id || "no model"}${active ? ", ready" : ", not ready yet"}`;
    byId("version").textContent = `rerankd ${told.info.version}`;
  } catch (error) {
    state.dataset.state = "away";
    state.textContent = error instanceof ApiError ? error.reason : "server away";
  }
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
void meet(true);
