// The human's turn: what to do with the next prompt.

import { ask, el, image, picture, score, visible } from "./dom.js";
import { marked } from "./rounds.js";
import { idOf, mean } from "./timeline.js";

/** The panel for one question. */
export function reviewPanel(run, number, request) {
  const proposal = request.proposal.prompt;
  const over = request.stop; // the critic is content: the run would end here
  const trouble = el("p", { class: "trouble", role: "alert" });
  const words = el("textarea", { id: "next-prompt", rows: 5, dir: "auto", "aria-label": "The next prompt" });
  words.value = proposal;
  const edited = () => words.value !== proposal;
  const as = () => (edited() ? "Draw my words" : over ? "Take it" : "Draw this");
  const draw = el("button", { class: "main", id: "accept", onclick: () => decide(edited() ? { action: "edit", prompt: words.value } : { action: "accept" }) }, as());
  words.addEventListener("input", () => { draw.textContent = as(); });

  async function decide(decision) {
    trouble.textContent = "";
    const buttons = [...panel.querySelectorAll("button")];
    buttons.forEach((b) => { b.disabled = true; });
    try {
      await ask(`/api/runs/${run}/decision`, { question: number, decision });
    } catch (error) {
      trouble.textContent = visible(error.message);
      buttons.forEach((b) => { b.disabled = false; });
    }
  }

  const several = request.candidates.filter((c) => c.image && c.round === request.round - 1).length > 1;
  const pictures = request.candidates.filter((c) => c.image && !(request.incumbent && idOf(c) === idOf(request.incumbent)));
  const panel = el("section", { class: "sheet turn", id: "review-panel", "aria-labelledby": "turn-title", tabindex: -1 },
    el("h2", { id: "turn-title" }, over ? "Your turn: take it, or go on?" : "Your turn: the next prompt"),
    over ? el("p", { dir: "auto" }, `The critic is content: ${visible(over.reason)}.`) : null,
    request.problem ? el("p", { class: "trouble" }, visible(request.problem)) : null,
    request.revisions?.length ? el("p", { class: "quiet", dir: "auto" }, `Request, revision ${request.revisions.at(-1).number}: `, visible(request.revisions.at(-1).prompt)) : null,
    over ? null : marked(request.diff),
    request.proposal.why ? el("p", { class: "why", dir: "auto" }, "Because: ", visible(request.proposal.why)) : null,
    el("label", { for: "next-prompt" }, over ? "Its prompt; change it to draw another" : "Change it if you like"), words,
    el("div", { class: "actions" }, draw,
      over ? el("button", { id: "look-on", onclick: () => decide({ action: "go-on" }) }, "Look for a better one") : el("button", { id: "stop-here", onclick: () => decide({ action: "stop" }) }, "Enough: keep the best so far")),
    el("div", { class: "others" },
      over
        ? other("another-way", "Say what should be otherwise", "What should be otherwise?", "Go on", (remark) => decide({ action: "go-on", remark }))
        : other("another-way", "Suggest another prompt", "What do you want instead?", "Suggest another", (reason) => decide({ action: "reject", reason })),
      other("keep-words", "Protect some words", "Words of your prompt that every new one must hold", "Protect them", (text) => decide({ action: "keep", text })),
      other("reseed", "Try another seed", "Seed", "Draw with this seed", (seed) => decide({ action: "reseed", seed: Number(seed) }), Math.floor(Math.random() * 1e6)),
      pictures.length ? el("details", { id: "pick", open: several }, el("summary", {}, over ? "Take another picture" : "Go on from another picture"),
        el("div", { class: "strip" }, pictures.map((c) => el("button", { class: "thumb", "data-candidate": idOf(c), onclick: () => decide({ action: "pick", candidate: idOf(c) }) },
          image({ src: picture(run, c.image, "small"), alt: `Picture of round ${c.round + 1}${c.index ? `, number ${c.index + 1}` : ""}` }),
          el("span", {}, `Round ${c.round + 1}`, mean(c) === null ? "" : ` · ${score(mean(c))}`))))) : null),
    trouble);
  return panel;
}

function other(id, title, label, button, send, number = null) {
  const field = number === null
    ? el("input", { type: "text", id: `${id}-field`, required: true, dir: "auto" })
    : el("input", { type: "number", id: `${id}-field`, required: true, min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, value: number });
  return el("details", { id }, el("summary", {}, title),
    el("form", { onsubmit: (e) => { e.preventDefault(); send(field.value); } },
      el("label", { for: `${id}-field` }, label),
      el("div", { class: "pair" }, field, el("button", { type: "submit" }, button))));
}
