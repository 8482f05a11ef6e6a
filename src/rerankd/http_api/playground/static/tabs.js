/** Tabs as the ARIA practices describe them: one stop of the Tab key, arrows, Home and End inside. */

/**
 * Brings a list of tabs to life.
 *
 * @param list the element with the role `tablist`; each tab names its panel by `aria-controls`.
 * @param chosen called with the tab that was chosen.
 */
export function tabs(list, chosen = () => {}) {
  const all = [...list.querySelectorAll('[role="tab"]')];

  const choose = (tab) => {
    const panels = new Set(all.map((each) => each.getAttribute("aria-controls")));
    for (const each of all) {
      each.setAttribute("aria-selected", String(each === tab));
      each.tabIndex = each === tab ? 0 : -1;
    }
    for (const id of panels) {
      const panel = document.getElementById(id);
      panel.hidden = id !== tab.getAttribute("aria-controls");
      if (!panel.hidden) panel.setAttribute("aria-labelledby", tab.id);
    }
    chosen(tab);
  };

  const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
  list.addEventListener("keydown", (event) => {
    const at = all.indexOf(event.target);
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    const step = steps[event.key];
    const to = Number.isFinite(step) ? (at + step + all.length) % all.length : step < 0 ? 0 : all.length - 1;
    choose(all[to]);
    all[to].focus();
  });
  for (const tab of all) tab.addEventListener("click", () => choose(tab));
}
