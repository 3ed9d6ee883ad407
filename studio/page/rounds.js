// One round: its prompt, its pictures with their scores, and what came of them.

import { boxed } from "./boxes.js";
import { compareButton } from "./compare.js";
import { DIMENSIONS, change, el, image, picture, score, short, visible } from "./dom.js";
import { mean, name } from "./timeline.js";

const ORIGINS = {
  request: "your own words",
  human: "your own words",
  parent: "the prompt of the picture that it comes from",
  critic: "proposed by the critic",
  rules: "proposed by simple rules",
  llm: "proposed by a language model",
};

const DECISIONS = {
  accept: () => "You accepted the next prompt.",
  edit: () => "You wrote the next prompt yourself.",
  reject: (d) => `You asked for another prompt: ${d.reason}`,
  keep: (d) => `You protected these words: ${d.text}`,
  pick: (d) => `You went on from another picture: ${name(d.candidate)}.`,
  reseed: (d) => `You asked for seed ${d.seed}.`,
  stop: () => "You ended it here.",
  "go-on": (d) => `You went on from the end${d.candidate ? `, from ${name(d.candidate)}` : ""}${d.remark ? `: ${d.remark}` : "."}`,
};

/** A new prompt with what is new and what is gone marked, by the pieces of an event's `diff`. */
export function marked(pieces) {
  const marks = { same: "span", added: "ins", dropped: "del" };
  // Two prompts that share little come whole, one after the other.
  const apart = pieces.length === 2 && pieces[0][0] === "dropped" && pieces[1][0] === "added";
  return el("p", { class: apart ? "prompt apart" : "prompt", dir: "auto" }, pieces.map(([kind, words, space]) => [el(marks[kind], {}, visible(words)), apart ? null : space]));
}

/** What the inside of a round's element should be. */
export function roundInside(run, timeline, round, target, after) {
  const waiting = Math.max(0, round.expected - round.candidates.length);
  return [
    el("h3", {}, `Round ${round.number + 1}`, el("small", {}, round.prompt ? ORIGINS[round.origin] ?? `proposed by ${short(round.origin, 40)}` : "")),
    round.diff ? marked(round.diff) : el("p", { class: "prompt", dir: "auto" }, visible(round.prompt)),
    el("div", { class: "candidates" },
      round.candidates.map((c) => candidate(run, timeline, c, target, after)),
      timeline.end ? null : Array.from({ length: waiting }, () => el("div", { class: "candidate" }, el("div", { class: "blank" }, "Drawing …")))),
    remarks(round),
  ];
}

function remarks(round) {
  if (!round.remarks.length) return null;
  return el("ul", { class: "remarks" }, round.remarks.map((r) => el("li", { dir: "auto" },
    r.kind === "revised"
      ? `Request, revision ${r.number}: ${short(r.prompt, 1200)} (${r.origin === "appended" ? `your remark was added to its end as it is${r.unread ? "; these models cannot read it there" : ""}` : `your remark was merged into it by ${short(r.origin, 40)}`})`
      : r.kind === "rejected"
      ? `A prompt ${ORIGINS[r.rewriter] ?? `by ${short(r.rewriter, 40)}`} was not used: ${short(r.reason, 400)}`
      : short(DECISIONS[r.action]?.(r) ?? r.action, 400))));
}

function candidate(run, timeline, c, target, after) {
  const best = timeline.best === c.id;
  return el("article", { class: `candidate${best ? " best" : ""}${c.open ? " open" : ""}`, "data-candidate": c.id, "aria-label": `Picture of ${name(c.id)}` },
    c.image
      ? boxed(el("a", { href: picture(run, c.image, "whole"), target: "_blank", rel: "noopener" },
        image({ src: picture(run, c.image, "small"), loading: "lazy", alt: `Picture of ${name(c.id)}: ${short(timeline.rounds[c.round].prompt, 120)}` })), c.findings, c.size, false)
      : el("div", { class: "blank" }, c.failed ? "No picture" : progress(c)),
    el("div", { class: "judgement" },
      c.failed ? el("p", { class: "trouble", dir: "auto" }, short(c.failed, 600)) : null,
      [...c.notices ?? []].map((text) => el("p", { class: "note", dir: "auto" }, short(text, 600))),
      c.scores ? scores(c, target) : c.image && !c.failed ? el("p", { class: "quiet" }, "The critic is looking …") : null,
      (c.measured ?? []).map((text) => el("p", { class: "note", dir: "auto" }, short(text, 600))),
      c.reason ? el("p", { class: "why", dir: "auto" }, el("b", {}, `${DIMENSIONS[c.weakest] ?? c.weakest}${c.capped ? ` (${c.capped})` : ""}: `), short(c.excerpt || c.reason, 1200)) : null,
      c.excerpt ? el("p", { class: "quiet", dir: "auto" }, "In full: ", short(c.reason, 1200)) : null,
      c.compared ? el("p", { class: "quiet" }, `Side by side with ${name(c.compared.incumbent)}: ${{ incumbent: "that one won", challenger: "this one won", tie: "no winner in both orders", failed: "it could not be compared" }[c.compared.winner]}.`) : null,
      c.verdict ? el("p", { class: c.verdict.accepted && !c.open ? "verdict yes" : "verdict no", dir: "auto" },
        el("b", {}, c.verdict.accepted ? "Taken as the best: " : "Not better: "), short(c.verdict.reason, 400)) : null,
      timeline.revisions.length && c.revision ? el("p", { class: "quiet" }, `Judged by revision ${c.revision} of your request.`,
        (c.earlier ?? []).map((one) => ` By revision ${one.revision}: ${score(one.mean)}.`)) : null,
      c.seed === undefined ? null : el("p", { class: "quiet" }, `Seed ${c.seed}`),
      c.image ? el("div", { class: "actions small" }, compareButton(run, c.id)) : null,
      c.image ? after(c) : null));
}

function progress(c) {
  return [
    c.step?.preview ? el("img", { class: "preview", src: c.step.preview, alt: "What there is so far" }) : null,
    c.step?.steps ? `Drawing, step ${c.step.step} of ${c.step.steps}` : "Drawing …",
    c.step?.steps ? el("progress", { max: c.step.steps, value: c.step.step, "aria-label": "Steps of this picture" }) : null];
}

function scores(c, target) {
  return el("dl", { class: "scores" }, Object.entries(c.scores).map(([dimension, value]) => {
    const delta = c.changes?.[dimension] ?? null;
    const moved = delta === null ? null : Math.abs(delta) < 0.005
      ? el("span", { class: "same" }, "±0")
      : el("span", { class: delta <= 0 ? "down" : c.open ? "same" : "up" }, change(delta));
    const bar = el("div", { class: c.open || (value !== null && target !== null && value < target) ? "bar low" : "bar" });
    if (value !== null) {
      const fill = el("i");
      fill.style.inlineSize = `${((value - 1) / 3) * 100}%`;
      bar.append(fill);
      if (target !== null) {
        const mark = el("b", { title: `The goal is ${target.toFixed(1)}` });
        mark.style.insetInlineStart = `${((target - 1) / 3) * 100}%`;
        bar.append(mark);
      }
    }
    return el("div", { class: dimension === c.weakest ? "score weakest" : "score" },
      el("dt", {}, DIMENSIONS[dimension] ?? dimension),
      value === null
        ? el("dd", { class: "quiet" }, "not asked for")
        : el("dd", {}, bar, el("span", { class: "number" }, score(value), el("span", { class: "hidden" }, " of 4")), moved));
  }), el("div", { class: "score total" }, el("dt", {}, "All together"), el("dd", {}, el("div", { class: "bar none" }), el("span", { class: "number" }, score(mean(c))))));
}
