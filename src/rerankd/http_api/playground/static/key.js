/** Asks for a key where the server wants one. */

import { ApiError, key } from "./api.js";
import { byId } from "./elements.js";

const dialog = byId("key-dialog");
const input = byId("key-input");
const button = byId("key");
const listeners = [];
let asked = null;

/** Calls `listener` whenever there is another key, or none any more. */
export function whenKeyChanges(listener) {
  listeners.push(listener);
}

/** Makes a call, asking for a key as often as the server says that it knows none. */
export async function withKey(call) {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      if (!(await ask(error.message))) throw error;
    }
  }
}

/** Whether there is another key now; calls that ask at the same time share one question. */
function ask(why) {
  asked ??= new Promise((answer) => {
    byId("key-why").textContent = why;
    input.value = "";
    dialog.returnValue = "";
    dialog.showModal();
    dialog.addEventListener(
      "close",
      () => {
        asked = null;
        const kept = dialog.returnValue === "use" && input.value.trim() !== "";
        if (kept || dialog.returnValue === "forget") change(dialog.returnValue === "forget" ? "" : input.value.trim());
        input.value = "";
        answer(kept);
      },
      { once: true },
    );
  });
  return asked;
}

function change(value) {
  key.value = value;
  show();
  for (const listener of listeners) listener();
}

function show() {
  button.textContent = key.value ? "Key in use" : "Key";
  byId("key-forget").hidden = !key.value;
}

/** Brings the dialog to life. */
export function startKeys() {
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close(event.submitter?.value || "use");
  });
  byId("key-forget").addEventListener("click", () => dialog.close("forget"));
  byId("key-cancel").addEventListener("click", () => dialog.close(""));
  button.addEventListener("click", () => void ask("Needed only where the server was given keys."));
  show();
}
