// The page as a whole: the models in use, the history, and either the form or a run.

import { ask, el, image, picture, score, short, takeKeyBack, visible } from "./dom.js";
import { form } from "./form.js";
import { showRun } from "./run.js";

const STATUSES = { working: "running", waiting: "your turn", done: "", unfinished: "not finished", failed: "broke off" };
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
const main = document.getElementById("main");
let leave = () => {};
let studio = null;

async function start() {
  try {
    studio = await ask("/api/studio").catch((error) => {
      if (!takeKeyBack()) throw error;
      return ask("/api/studio");
    });
  } catch (error) {
    main.replaceChildren(el("p", { class: "trouble", role: "alert" }, visible(error.message)));
    return;
  }
  const { generator, critic, notes } = studio.models;
  document.getElementById("models").replaceChildren(
    "drawn by ", el("b", {}, visible(generator)), ", judged by ", el("b", {}, visible(critic)));
  document.getElementById("notes").replaceChildren(...notes.map((text) => el("p", { class: "note" }, visible(text))));
  window.addEventListener("hashchange", show);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) list(); });
  show();
}

function show() {
  leave();
  leave = () => {};
  const run = location.hash.slice(2);
  if (NAME.test(run)) {
    leave = showRun(main, run, list);
  } else {
    main.replaceChildren(form(studio, (name) => { location.hash = `#/${name}`; }));
    document.getElementById("prompt").focus();
  }
  window.scrollTo(0, 0);
  list();
}

async function list() {
  let tiles;
  try {
    tiles = await ask("/api/runs");
  } catch {
    return; // the page of the run says that nobody answers
  }
  document.getElementById("no-tiles").hidden = tiles.length > 0;
  document.getElementById("more-tiles").hidden = tiles.length < studio.listed;
  document.getElementById("tiles").replaceChildren(...tiles.map(tile));
}

function tile(run) {
  const here = location.hash === `#/${run.name}`;
  const words = [run.problem ? `cannot be read: ${short(run.problem, 300)}` : STATUSES[run.status], run.mean === null ? null : `${score(run.mean)} of 4`, short((run.open_points ?? []).join("; "), 300)].filter(Boolean).join(" · ");
  return el("li", {}, el("a", { href: NAME.test(run.name) ? `#/${run.name}` : null, class: `tile ${run.status}`, "aria-current": here ? "page" : null },
    run.image ? image({ src: picture(run.name, run.image, "small"), alt: "", loading: "lazy" }) : el("span", { class: "blank" }),
    el("span", { class: "words" }, el("span", { class: "title", dir: "auto" }, visible(run.prompt)), el("small", {}, words))));
}

start();
