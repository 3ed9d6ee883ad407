// "Your pictures": the runs of the folder, searched, and chosen to be compared, saved or thrown away.

import { announce, answerTo, ask, el, image, picture, score, short, visible } from "./dom.js";
import { lineageWord } from "./more.js";

const STATUSES = { working: "running", waiting: "your turn", done: "", unfinished: "not finished", failed: "broke off" };
export const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

/** Fills the list; gives a function that reads it again. `here()` is the run that is shown, if any. */
export function pictures(place, most, here) {
  let tiles = [];
  let words = "";
  let asked = 0;
  let choosing = false;
  let thrown = [];
  const chosen = new Set();
  const list = el("ul", { id: "tiles" });
  const none = el("p", { id: "no-tiles", class: "quiet", hidden: true });
  const more = el("p", { id: "more-tiles", class: "quiet", hidden: true });
  const trouble = el("p", { class: "trouble", role: "alert" });
  const undo = el("p", { class: "note", id: "undo", hidden: true });
  const bar = el("div", { class: "actions", id: "chosen", hidden: true });
  const search = el("input", { type: "search", id: "search", placeholder: "Search", maxlength: 300, "aria-label": "Search in your pictures", autocomplete: "off", oninput: () => later() });
  const choose = el("button", { type: "button", id: "choose", "aria-pressed": "false", onclick: () => switchTo(!choosing) }, "Choose");
  place.replaceChildren(el("div", { class: "pair" }, search, choose), bar, trouble, undo, list, none, more);

  function later() {
    const now = ++asked;
    setTimeout(() => { if (now === asked) read(); }, 250);
  }

  async function read() {
    const now = ++asked;
    words = search.value.trim();
    let found;
    try {
      found = await ask(`/api/runs${words ? `?search=${encodeURIComponent(words)}` : ""}`);
    } catch {
      return; // the page of the run says that nobody answers
    }
    if (now !== asked) return;
    tiles = found;
    for (const name of chosen) if (!tiles.some((one) => one.name === name)) chosen.delete(name);
    none.hidden = tiles.length > 0;
    none.textContent = words ? "No picture of yours has these words." : "Nothing yet. Every picture that you make is kept here.";
    more.hidden = tiles.length < most;
    more.textContent = words ? "Only the newest that have these words are listed." : "Only the newest are listed. A search finds the others.";
    draw();
  }

  function switchTo(on) {
    choosing = on;
    chosen.clear();
    choose.textContent = on ? "Done" : "Choose";
    choose.setAttribute("aria-pressed", String(on));
    trouble.textContent = "";
    draw();
  }

  function draw() {
    list.replaceChildren(...tiles.map((run) => tile(run)));
    const many = chosen.size;
    bar.hidden = !choosing;
    if (!choosing) return;
    bar.replaceChildren(
      el("span", { class: "quiet", role: "status" }, many ? `${many} chosen` : "Choose some pictures"),
      el("button", { type: "button", id: "compare-chosen", disabled: many !== 2, title: "Two, side by side", onclick: () => { location.hash = `#/compare/${[...chosen].map((name) => `${name}:best`).join("/")}`; switchTo(false); } }, "Compare two"),
      el("button", { type: "button", id: "export-chosen", disabled: !many, title: "As files, with how they were made", onclick: (e) => attempt(e.target, () => save([...chosen])) }, "Save"),
      el("button", { type: "button", id: "delete-chosen", disabled: !many, onclick: (e) => attempt(e.target, () => throwAway([...chosen])) }, "Delete"));
  }

  function tile(run) {
    const shown = here() === run.name;
    const facts = [run.problem ? `cannot be read: ${short(run.problem, 300)}` : STATUSES[run.status], run.mean === null ? null : `${score(run.mean)} of 4`, lineageWord(run.lineage), short((run.open_points ?? []).join("; "), 300)].filter(Boolean).join(" · ");
    const inside = [
      run.image ? image({ src: picture(run.name, run.image, "small"), alt: "", loading: "lazy" }) : el("span", { class: "blank" }),
      el("span", { class: "words" }, el("span", { class: "title", dir: "auto" }, visible(run.prompt)), el("small", {}, facts))];
    if (!choosing) return el("li", {}, el("a", { href: NAME.test(run.name) ? `#/${run.name}` : null, class: `tile ${run.status}`, "aria-current": shown ? "page" : null }, inside));
    const box = el("input", { type: "checkbox", checked: chosen.has(run.name), disabled: !NAME.test(run.name), "data-run": run.name, onchange: () => {
      if (box.checked) chosen.add(run.name);
      else chosen.delete(run.name);
      draw();
      list.querySelector(`[data-run="${run.name}"]`)?.focus();
    } });
    return el("li", {}, el("label", { class: `tile ${run.status}` }, box, inside));
  }

  async function attempt(button, act) {
    button.disabled = true;
    trouble.textContent = "";
    try {
      await act();
    } catch (error) {
      trouble.textContent = visible(error.message);
    } finally {
      button.disabled = false;
    }
  }

  async function save(names) {
    const answer = await answerTo("/api/export", { runs: names });
    const file = URL.createObjectURL(await answer.blob());
    el("a", { href: file, download: "pictures.zip" }).click();
    setTimeout(() => URL.revokeObjectURL(file), 60_000);
    announce("Saved");
  }

  async function throwAway(names) {
    const { left } = await ask("/api/trash", { runs: names });
    thrown = names.filter((name) => !(name in left));
    told(left);
    for (const name of thrown) chosen.delete(name);
    if (thrown.includes(here())) location.hash = "#/";
    if (thrown.length) {
      const many = thrown.length > 1;
      undo.hidden = false;
      undo.replaceChildren(
        el("span", {}, `${many ? `${thrown.length} runs are` : "The run is"} in the folder .trash, beside the others, until you remove ${many ? "them" : "it"} there. `),
        el("button", { type: "button", id: "put-back", onclick: (e) => attempt(e.target, () => putBack(thrown)) }, "Put back"));
      announce("Deleted");
    }
    await read();
  }

  async function putBack(names) {
    const { left } = await ask("/api/restore", { runs: names });
    undo.hidden = true;
    told(left);
    await read();
  }

  function told(left) {
    trouble.textContent = Object.entries(left).map(([name, why]) => `${short(name, 60)}: ${short(why, 300)}`).join("; ");
  }

  return { read, throwAway: (name) => throwAway([name]) };
}
