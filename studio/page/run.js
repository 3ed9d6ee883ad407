// The page of a run: its events as they happen, the turn of the human, the best picture so far.

import { boxSwitch, boxed } from "./boxes.js";
import { announce, ask, change, el, image, keyed, picture, score, short, visible, whyNot } from "./dom.js";
import { lineage, morePanel } from "./more.js";
import { reviewPanel } from "./review.js";
import { roundInside } from "./rounds.js";
import { mean, name as nameOf, newTimeline, step, take } from "./timeline.js";

const STOPS = {
  user: "You ended it.",
  target: "Every score reaches the goal.",
  unjudged: "As far as it could be judged, every score reaches the goal. A part was not judged.",
  budget: "The budget is used up.",
  plateau: "No better picture came any more.",
  "max-rounds": "That was the last round.",
  "repeated-prompt": "There is no new prompt to try.",
  "critic-failed": "The critic failed.",
  "rewriter-failed": "No new prompt could be written: every rewriter failed.",
  "generator-failed": "The picture could not be drawn.",
};

/** Why a run ended, from its last event. */
function whyEnded({ stop, first }) {
  if (stop.rule === "unjudged" && stop.reason.startsWith(`the ${first.outside} know`)) return "The models in use know no such thing. So one picture is made of it, and no more.";
  return STOPS[stop.rule];
}

/** Shows a run in `main`; gives a function that ends it. `list` is "Your pictures"; `edits` is whether pictures can be edited. */
export function showRun(main, run, list, edits) {
  let timeline = newTimeline();
  let state = null;
  let source = null;
  let frame = 0;
  let at = 0;
  const stale = new Set();
  const rounds = new Map();
  const panels = new Map(); // what somebody writes there outlives a drawing of its round
  const head = el("section", { class: "head" });
  const bar = el("div", { class: "actions" });
  const statusLine = el("p", { class: "status", id: "run-status" });
  const trouble = el("p", { class: "trouble", role: "alert" });
  const turn = el("div", { id: "turn" });
  const best = el("section", { class: "sheet result", "aria-label": "The best picture so far" });
  const below = el("div", { id: "rounds" });
  const end = el("div", { id: "end" });
  const columns = el("div", { class: "columns" }, best, el("div", {}, turn, end, below));
  main.replaceChildren(el("div", { class: "top" }, head, bar, trouble), columns);

  function started(name) {
    if (name === run) open();
    else location.hash = `#/${name}`;
  }

  function after(c) {
    if (!c.verdict && state.status !== "done") return null;
    if (!panels.has(c.id)) panels.set(c.id, morePanel(run, c.id, { edits, started }));
    return panels.get(c.id);
  }

  function open() {
    close();
    source = new EventSource(keyed(`/api/runs/${run}/events?after=${at}`));
    source.addEventListener("event", (e) => {
      at = Number(e.lastEventId);
      const event = JSON.parse(e.data);
      touch(take(timeline, event));
      announceEvent(event);
    });
    source.addEventListener("step", (e) => touch(step(timeline, JSON.parse(e.data))));
    source.addEventListener("state", (e) => {
      const before = state?.status;
      state = JSON.parse(e.data);
      trouble.textContent = visible(state.problem);
      if (state.status !== "working" && state.status !== "waiting") close();
      if (before !== state.status) list.read();
      if (state.status === "waiting" && before !== "waiting") announce("Your turn: the next prompt waits for you");
      touch(null);
    });
    source.onerror = async () => {
      if (!source) return;
      // The browser tries again by itself, unless it was turned away.
      const turnedAway = source.readyState === EventSource.CLOSED;
      const words = turnedAway ? await whyNot(source.url) : "The studio does not answer. Is it still running?";
      if (source) trouble.textContent = words || "This picture cannot be shown.";
    };
  }

  function close() {
    source?.close();
    source = null;
  }

  // A browser keeps few connections to one place: a tab that nobody sees gives its own back.
  function looked() {
    if (document.hidden) close();
    else if (!state || state.status === "working" || state.status === "waiting") open();
  }

  function announceEvent(event) {
    if (event.type === "round-started") announce(`Round ${event.round + 1} of ${event.rounds} begins`);
    if (event.type === "judged") announce(`The critic has looked at the picture of ${nameOf(event.candidate)}`);
    if (event.type === "decided") announce(event.verdict.accepted ? "A new best picture" : "Not better than the best so far");
    if (event.type === "run-finished") announce(`Done. ${whyEnded(event) ?? ""}`);
  }

  function touch(round) {
    if (round !== null) stale.add(round);
    if (!frame) frame = setTimeout(draw, 30);
  }

  function draw() {
    frame = 0;
    if (!state) return;
    for (const round of timeline.rounds) {
      if (!rounds.has(round.number)) {
        rounds.set(round.number, below.appendChild(el("section", { class: "sheet round", "data-round": round.number })));
        stale.add(round.number);
      }
      if (stale.has(round.number) || round.candidates.some((c) => c.id === timeline.best || c.id === best.dataset.shown))
        rounds.get(round.number).replaceChildren(...roundInside(run, timeline, round, state.policy.target, after).filter(Boolean));
    }
    stale.clear();
    columns.classList.toggle("ended", state.status === "done");
    drawHead();
    drawTurn();
    drawBest();
    drawEnd();
  }

  function once(place, key, make) {
    // What has not changed stays as it is: somebody may be reading or typing there.
    if (place.dataset.drawn === key) return;
    place.dataset.drawn = key;
    place.replaceChildren(...make().filter(Boolean));
  }

  function drawHead() {
    const spans = timeline.spans ?? timeline.started?.spans ?? [];
    const words = statusWords();
    if (statusLine.textContent !== words) statusLine.textContent = words;
    // The pictures to edit are stored before the run starts: until then there is nothing to show.
    const sources = timeline.started ? [state.request.source, ...(state.request.more_sources ?? [])].filter(Boolean) : [];
    const ways = [...timeline.notices].filter((text) => timeline.started?.ways?.some((way) => text.endsWith(way)));
    once(head, JSON.stringify([spans, timeline.revisions, sources, state.notes, [...timeline.notices]]), () => [
      el("p", { class: "request", dir: "auto" }, visible(state.request.prompt)),
      lineage(state.parent),
      ...timeline.revisions.map((r) => el("p", { class: "note", dir: "auto" }, `Request, revision ${r.number}: ${visible(r.prompt)}`)),
      el("div", { class: "sources" }, sources.map((digest, index) => el("figure", {}, image({ src: picture(run, digest, "small"), alt: index ? `Picture ${index + 1}` : "Your picture, before any change" }), el("figcaption", {}, index ? `Picture ${index + 1}` : "Your picture")))),
      el("p", { class: "chips" },
        spans.map((s) => el("span", { class: "chip", title: "Every new prompt must hold this" }, "keeps ", el("b", { dir: "auto" }, short(s.text, 60)))),
        state.request.avoid.map((text) => el("span", { class: "chip" }, "avoids ", el("b", { dir: "auto" }, short(text, 60))))),
      ...[...state.notes, ...timeline.notices].filter((text) => !ways.includes(text)).map((text) => el("p", { class: "note" }, visible(text))),
      ways.length ? el("details", {}, el("summary", {}, "Ways to pictures of anything"), el("ul", { class: "quiet" }, ways.map((text) => el("li", {}, visible(text))))) : null]);
    once(bar, state.status + Boolean(timeline.end), () => {
      return [statusLine, {
        working: () => el("button", { id: "stop", onclick: (e) => act(e.target, "stop") }, "Stop here"),
        unfinished: () => el("button", { id: "resume", class: "main", onclick: (e) => act(e.target, "resume") }, "Go on"),
        failed: () => timeline.end?.first.failure?.final ? null : el("button", { id: "resume", class: "main", onclick: (e) => act(e.target, "resume") }, "Try again"),
      }[state.status]?.(), state.status === "working" || state.status === "waiting" ? null : el("button", { id: "delete", onclick: (e) => discard(e.target) }, "Delete")];
    });
  }

  function statusWords() {
    const round = timeline.rounds.length ? `Round ${timeline.rounds.length}${timeline.limit ? ` of at most ${timeline.limit}` : ""}` : "Beginning";
    const cost = timeline.cost ? `, ${costWords(timeline.cost)} so far` : "";
    return { working: `${round}${cost} …`, waiting: `${round}${cost}: your turn`, done: "Done", failed: "It broke off", unfinished: "Not finished. The best picture so far is kept." }[state.status];
  }

  async function act(button, what) {
    button.disabled = true;
    try {
      await ask(`/api/runs/${run}/${what}`, {});
      if (what === "resume") open();
    } catch (error) {
      trouble.textContent = visible(error.message);
      button.disabled = false;
    }
  }

  async function discard(button) {
    button.disabled = true;
    try {
      await list.throwAway(run);
    } catch (error) {
      trouble.textContent = visible(error.message);
    } finally {
      button.disabled = false;
    }
  }

  function drawTurn() {
    const open = state.status === "waiting" && timeline.question;
    const key = open ? String(state.question) : "";
    if (turn.dataset.drawn === key) return;
    once(turn, key, () => open ? [reviewPanel(run, state.question, timeline.question)] : []);
    if (open) turn.firstElementChild.focus({ preventScroll: document.activeElement === document.body });
  }

  function drawBest() {
    const shown = timeline.candidates.get(timeline.best) ?? [...timeline.candidates.values()].find((c) => c.image);
    const first = timeline.candidates.get("r0c0");
    const now = mean(shown);
    const gain = now !== null && timeline.first && timeline.first !== shown.id && mean(first) !== null && first.revision === shown.revision ? now - mean(first) : null;
    const over = state.status === "done";
    best.dataset.shown = shown?.id ?? "";
    once(best, JSON.stringify([shown?.id, shown?.image, shown?.findings, now, shown?.revision, over, state.result]), () => !shown?.image
      ? [el("h2", {}, "The best so far"), el("div", { class: "blank big" }, state.status === "working" ? "The first picture is being drawn …" : "There is no picture.")]
      : [
        el("h2", {}, over ? "The result" : "The best so far"),
        boxed(el("a", { href: picture(run, shown.image, "whole"), target: "_blank", rel: "noopener" },
          image({ class: "big", id: "best", src: picture(run, shown.image, "whole"), alt: `The best picture so far, of ${nameOf(shown.id)}: ${short(timeline.rounds[shown.round].prompt, 160)}` })), shown.findings, shown.size, true),
        boxSwitch(shown),
        el("p", {}, `From ${nameOf(shown.id)}`, now === null ? (shown.earlier?.length ? ", not judged by what you asked for last" : ", not judged") : `: ${score(now)} of 4`, gain === null ? null : el("span", { class: gain < 0 ? "down" : shown.open ? "same" : "up" }, ` ${change(gain)} since the first`)),
        ...(shown.open ? shown.measured : []).map((text) => el("p", { class: "note", dir: "auto" }, short(text, 600))),
        gain !== null && first?.image ? el("figure", { class: "first" }, image({ src: picture(run, first.image, "small"), alt: "The first picture" }), el("figcaption", {}, `The first try: ${score(mean(first))}`)) : null,
        el("details", { open: over }, el("summary", {}, "Its prompt"), el("p", { class: "prompt", id: "best-prompt", dir: "auto" }, visible(timeline.rounds[shown.round].prompt)), copyButton(timeline.rounds[shown.round].prompt)),
        state.result ? el("p", { class: "actions" }, el("a", { class: "button", id: "save", href: keyed(`/runs/${run}/result.png`), download: `${run}.png` }, "Save the picture")) : null,
        over ? morePanel(run, shown.id, { edits, started, open: true }) : null,
      ]);
  }

  function drawEnd() {
    const last = timeline.end;
    const showing = last && (state.status === "done" || state.status === "failed");
    once(end, showing ? JSON.stringify(last) : "", () => !showing ? [] : [el("section", { class: "sheet end" },
      el("h2", {}, whyEnded(last) ?? visible(last.stop.rule)),
      el("p", { dir: "auto" }, short(last.stop.reason, 600)),
      el("p", { class: "quiet" }, spent(last.spend)))]);
  }

  looked();
  document.addEventListener("visibilitychange", looked);
  return () => {
    document.removeEventListener("visibilitychange", looked);
    clearTimeout(frame);
    close();
  };
}

function spent(spend) {
  const tokens = spend.prompt_tokens + spend.completion_tokens;
  const many = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  return `Spent: ${[many(spend.images, "picture"), many(spend.critic_calls, "judgement"), (spend.assumed_tokens ? "at most " : "") + many(tokens, "token"), `${spend.seconds.toFixed(1)} s`, costWords(spend.cost)].filter(Boolean).join(" · ")}`;
}

function costWords(cost) {
  if (!cost) return "";
  const parts = cost.usd || !cost.unpriced ? [`${cost.assumed_usd ? "at most " : ""}$${cost.usd.toFixed(cost.usd && cost.usd < 0.001 ? 6 : 4)}`] : [];
  if (cost.unpriced) parts.push(`${cost.unpriced} request${cost.unpriced > 1 ? "s" : ""} of unknown price`);
  return parts.join(" and ");
}

function copyButton(text) {
  return navigator.clipboard
    ? el("button", { onclick: async (e) => { await navigator.clipboard.writeText(text); e.target.textContent = "Copied"; } }, "Copy")
    : null;
}
