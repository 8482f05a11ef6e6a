/**
 * Makes the page's elements. Texts become text nodes and never markup, so that what a document
 * holds is only ever shown; the policy of the page forbids the other way besides.
 */

const SVG = "http://www.w3.org/2000/svg";

/** The element of the page with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * An element.
 *
 * @param name its tag.
 * @param attributes attribute to value; false and undefined leave it out, true sets it empty.
 * @param children elements, or texts.
 */
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for pictures. */
export function picture(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false && value !== undefined) made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A term and its value, for lists of facts. */
export function fact(name, value, title) {
  return element("div", { class: "fact", title }, element("dt", {}, name), element("dd", {}, value));
}

/** A bar that is filled to `share` of its length, from 0 to 1. */
export function bar(share) {
  const filled = element("span", { class: "filled" });
  filled.style.inlineSize = `${(100 * Math.min(1, Math.max(0, share))).toFixed(2)}%`;
  return element("span", { class: "bar", "aria-hidden": "true" }, filled);
}

/** Puts a sentence where screen readers hear it and others see it. */
export function announce(place, sentence) {
  place.textContent = sentence;
}
