// Two pictures side by side, of one run or of two.

import { DIMENSIONS, el, image, keyed, picture, score, short, visible, whyNot } from "./dom.js";
import { mean, name as nameOf, newTimeline, take } from "./timeline.js";

const KEY = "compare";
const PLACE = /^([A-Za-z0-9_-][A-Za-z0-9._-]*):(best|r\d{1,9}c\d{1,9})$/;

/** The address of a comparison as two places, or null. */
export function comparison(hash) {
  const [, first, second, ...rest] = hash.replace(/^#\//, "").split("/");
  const places = [first, second].map((place) => PLACE.exec(place ?? ""));
  return hash.startsWith("#/compare/") && !rest.length && places.every(Boolean) ? places.map(([, run, id]) => ({ run, id })) : null;
}

/** A button that chooses a picture; the second one that is chosen opens the comparison. */
export function compareButton(run, id) {
  const mine = `${run}:${id}`;
  const other = () => sessionStorage.getItem(KEY);
  const words = () => (other() === mine ? "Chosen: now another" : other() ? "Compare with the chosen one" : "Compare");
  const button = el("button", { type: "button", class: "compare", "aria-pressed": String(other() === mine), onclick: () => {
    const before = other();
    if (before && before !== mine) {
      sessionStorage.removeItem(KEY);
      location.hash = `#/compare/${before}/${mine}`;
      return;
    }
    if (before) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, mine);
    window.dispatchEvent(new Event("compare"));
  } }, words());
  button.renew = () => {
    button.textContent = words();
    button.setAttribute("aria-pressed", String(other() === mine));
  };
  return button;
}

window.addEventListener("compare", () => document.querySelectorAll("button.compare").forEach((button) => button.renew()));

/** Shows two pictures in `main`. */
export async function showComparison(main, places) {
  const inside = el("div", { id: "comparison" }, el("p", { class: "quiet" }, "Reading …"));
  main.replaceChildren(inside);
  try {
    const [first, second] = await Promise.all(places.map(read));
    inside.replaceChildren(...drawn(first, second));
  } catch (error) {
    inside.replaceChildren(el("p", { class: "trouble", role: "alert" }, visible(error.message)));
  }
}

/** A picture with all that the events of its run say about it. */
function read({ run, id }) {
  return new Promise((resolve, reject) => {
    const timeline = newTimeline();
    const source = new EventSource(keyed(`/api/runs/${run}/events?after=0`));
    source.addEventListener("event", (e) => take(timeline, JSON.parse(e.data)));
    source.addEventListener("state", (e) => {
      source.close();
      const picked = timeline.candidates.get(id === "best" ? timeline.best : id) ?? (id === "best" ? [...timeline.candidates.values()].find((c) => c.image) : undefined);
      if (picked?.image) resolve({ run, state: JSON.parse(e.data), timeline, picked, prompt: timeline.rounds[picked.round].prompt });
      else reject(new Error(`There is no such picture in ${run}.`));
    });
    source.onerror = async () => {
      source.close();
      reject(new Error(await whyNot(source.url) || "This run cannot be read."));
    };
  });
}

function drawn(first, second) {
  const both = [first, second];
  const asked = both.map(requestOf);
  const sameRequest = asked[0] === asked[1] && sources(first) === sources(second);
  return [
    el("h2", {}, "Side by side"),
    sameRequest && judge(first) === judge(second) ? null : el("p", { class: "note" }, sameRequest
      ? "Two critics judged them: their scores cannot be compared."
      : "They were judged by two requests: their scores cannot be compared."),
    el("div", { class: "two" }, both.map((one, index) => el("figure", { class: "sheet" },
      el("a", { href: picture(one.run, one.picked.image, "whole"), target: "_blank", rel: "noopener" },
        image({ class: "big", src: picture(one.run, one.picked.image, "whole"), alt: `${index ? "The second" : "The first"} picture: ${short(one.prompt, 160)}` })),
      el("figcaption", {}, el("a", { href: `#/${one.run}` }, `${nameOf(one.picked.id).replace(/^r/, "R")}`), one.picked.seed === undefined ? null : ` · seed ${one.picked.seed}`, one.picked.size ? ` · ${one.picked.size.join(" × ")}` : null),
      el("p", { class: "quiet" }, "Asked for"), el("p", { class: "prompt", dir: "auto" }, visible(asked[index])),
      el("p", { class: "quiet" }, "Its prompt"), el("p", { class: "prompt", dir: "auto" }, visible(one.prompt)),
      (one.picked.measured ?? []).map((text) => el("p", { class: "note", dir: "auto" }, short(text, 600)))))),
    scores(first.picked, second.picked),
  ].filter(Boolean);
}

/** The request by which a picture was judged last. */
function requestOf({ state, timeline, picked }) {
  return timeline.revisions.find((one) => one.number === picked.revision)?.prompt ?? state.request.prompt;
}

/** The pictures that it was to be an edit of. */
function sources({ state }) {
  return JSON.stringify([state.request.source, state.request.more_sources]);
}

function judge({ timeline }) {
  return timeline.started?.critic;
}

function scores(first, second) {
  if (!first.scores && !second.scores) return null;
  const rows = Object.keys({ ...first.scores, ...second.scores });
  const said = (one, dimension) => (!one.scores ? "not judged" : one.scores[dimension] === null || one.scores[dimension] === undefined ? "not asked for" : score(one.scores[dimension]));
  const row = (words, values) => el("tr", {}, el("th", { scope: "row" }, words), values.map((value) => el("td", {}, value)));
  return el("table", { class: "sheet" },
    el("caption", { class: "hidden" }, "Scores of both, from 1 to 4"),
    el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col" }, "First"), el("th", { scope: "col" }, "Second"))),
    el("tbody", {}, rows.map((dimension) => row(DIMENSIONS[dimension] ?? dimension, [first, second].map((one) => said(one, dimension)))),
      row("All together", [first, second].map((one) => (mean(one) === null ? "not judged" : score(mean(one)))))));
}
