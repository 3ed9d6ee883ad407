// What may follow a picture: on with its run, or a new run that begins with it.

import { announce, ask, el, image, picture, visible } from "./dom.js";
import { name as nameOf } from "./timeline.js";

const KINDS = { vary: "More seeds of the prompt of", edit: "An edit of", again: "Another seed of the request of", prompt: "A request made of the prompt of" };
const SHORT = { vary: "varied", edit: "edited", again: "another seed", prompt: "its prompt" };

/** What a run was made of, in a word for its tile. */
export function lineageWord(kind) {
  return kind ? `from a picture: ${SHORT[kind] ?? kind}` : null;
}

/** Where a run comes from, with a link to the picture's run; null if it comes from none. */
export function lineage(parent) {
  if (!parent) return null;
  const what = `${nameOf(parent.candidate)} of ${parent.run}`;
  return el("p", { class: "lineage" },
    parent.name ? image({ src: picture(parent.name, parent.image, "small"), alt: "The picture that this run comes from" }) : null,
    el("span", {}, `${KINDS[parent.kind] ?? parent.kind} `, parent.name ? el("a", { href: `#/${parent.name}` }, visible(what)) : `${visible(what)}, which is not here any more`));
}

/** The panel of one picture. `started(name)` is called with the run that goes on or begins. */
export function morePanel(run, id, { edits, started, open = false }) {
  const trouble = el("p", { class: "trouble", role: "alert" });
  const key = `${id}${open ? "-best" : ""}`;

  async function send(kind, extra = {}) {
    const buttons = [...panel.querySelectorAll("button")];
    trouble.textContent = "";
    buttons.forEach((b) => { b.disabled = true; });
    try {
      const { name } = await ask(`/api/runs/${run}/more`, { kind, picture: id, ...extra });
      announce(kind === "go-on" ? "It goes on" : "A new run is begun");
      started(name);
    } catch (error) {
      trouble.textContent = visible(error.message);
    } finally {
      buttons.forEach((b) => { b.disabled = false; });
    }
  }

  function worded(kind, label, button, required, hint) {
    const field = el("textarea", { id: `${kind}-${key}`, rows: 2, required, dir: "auto", maxlength: 200000, placeholder: hint });
    return el("form", { "data-kind": kind, onsubmit: (e) => { e.preventDefault(); send(kind, { words: field.value }); } },
      el("label", { for: field.id }, label), field, el("div", {}, el("button", { type: "submit" }, button)));
  }

  const count = el("input", { type: "number", id: `count-${key}`, min: 1, max: 64, step: 1, required: true, value: 4 });
  const panel = el("details", { class: "more", open }, el("summary", {}, "What next?"),
    el("div", { class: "ways" },
      el("div", { class: "go-on" }, worded("go-on", "Go on with this run: what should be otherwise?", "Go on", false, "With or without words")),
      edits ? worded("edit", "Edit this picture: what should change in it?", "Edit this", true, "Make the background black") : null,
      el("form", { "data-kind": "vary", onsubmit: (e) => { e.preventDefault(); send("vary", { count: Number(count.value) }); } },
        el("label", { for: count.id }, "Vary it: so many seeds of its prompt"), el("div", { class: "pair" }, count, el("button", { type: "submit" }, "Vary"))),
      el("div", { class: "actions" },
        el("button", { type: "button", "data-kind": "again", title: "The same request, from its first round", onclick: () => send("again") }, "Same with another seed"),
        el("button", { type: "button", "data-kind": "prompt", title: "A new run that asks for what this picture's prompt says", onclick: () => send("prompt") }, "Use this prompt"))),
    trouble);
  return panel;
}
