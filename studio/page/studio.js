// The page as a whole: the models in use, the history, and a form, a run or a comparison.

import { comparison, showComparison } from "./compare.js";
import { ask, el, takeKeyBack, visible } from "./dom.js";
import { form } from "./form.js";
import { NAME, pictures } from "./pictures.js";
import { showRun } from "./run.js";

const main = document.getElementById("main");
let leave = () => {};
let studio = null;
let list = null;

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
  list = pictures(document.getElementById("pictures"), studio.listed, shownRun);
  window.addEventListener("hashchange", show);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) list.read(); });
  show();
}

function shownRun() {
  const run = location.hash.slice(2);
  return NAME.test(run) ? run : null;
}

function show() {
  leave();
  leave = () => {};
  const run = shownRun();
  const two = comparison(location.hash);
  if (two) {
    showComparison(main, two);
  } else if (run) {
    leave = showRun(main, run, list, studio.tasks.includes("edit"));
  } else {
    main.replaceChildren(form(studio, (name) => { location.hash = `#/${name}`; }));
    document.getElementById("prompt").focus();
  }
  window.scrollTo(0, 0);
  list.read();
}

start();
