// What was measured in a picture, as boxes over it.

import { el, short } from "./dom.js";

const SIGNS = { right: "✓", wrong: "✗", missing: "✗", extra: "+", abstained: "?" };
const WORDS = { right: "as asked", wrong: "not as asked", missing: "missing", extra: "nobody asked for it", abstained: "not sure" };

/** A picture with boxes over it. `size` is its width and height in pixels, if they are known. */
export function boxed(shown, findings, size, labels) {
  const placed = (findings ?? []).filter((one) => one.box);
  if (!placed.length || !size) return shown;
  // The element is as large as the picture in it, so that shares of one are shares of the other.
  const place = el("div", { class: labels ? "boxed" : "boxed small" }, shown,
    el("ul", { class: "boxes", "aria-label": "Measured in the picture" }, placed.map((one) => box(one, labels))));
  place.style.setProperty("--ratio", size[0] / size[1]);
  return place;
}

/** A switch that shows and hides all boxes of the page; null if there are none. */
export function boxSwitch(candidate) {
  if (!candidate?.size || !candidate.findings?.some((one) => one.box)) return null;
  const input = el("input", { type: "checkbox", id: "show-boxes", checked: !hidden(), onchange: () => { localStorage.setItem("boxes", input.checked ? "shown" : "hidden"); show(); } });
  show();
  return el("label", { class: "check" }, input, el("span", {}, "Show what was measured in the picture"));
}

function hidden() {
  return localStorage.getItem("boxes") === "hidden";
}

function show() {
  document.documentElement.classList.toggle("no-boxes", hidden());
}

function box(finding, label) {
  const [left, top, right, bottom] = finding.box;
  const text = finding.found ?? finding.expected ?? "";
  const item = el("li", { class: `box ${finding.kind}${top < 0.12 ? " low" : ""}${left > 0.6 ? " back" : ""}` },
    label ? el("span", { class: "label", dir: "auto", "aria-hidden": "true" }, `${SIGNS[finding.kind] ?? ""} ${short(text, 40)}`) : null,
    el("span", { class: "hidden" }, `${WORDS[finding.kind] ?? finding.kind}: ${short(finding.reason, 300)}`));
  const share = (value) => `${value * 100}%`;
  Object.assign(item.style, { left: share(left), top: share(top), width: share(right - left), height: share(bottom - top) });
  return item;
}
