// The timeline of a run: takes events in, and knows rounds, candidates and the best. No element is touched here.

/** What is known before anything happened. */
export function newTimeline() {
  return { rounds: [], revisions: [], best: null, first: null, question: null, end: null, limit: null, cost: null, notices: new Set(), candidates: new Map() };
}

/** Take in one event; gives the number of the round that it changed, or null. */
export function take(timeline, event) {
  timeline.cost = event.cost ?? timeline.cost;
  switch (event.type) {
    case "run-started":
      timeline.started = event;
      return null;
    case "notice":
      if (event.candidate === null) timeline.notices.add(event.text);
      else return note(timeline, event.candidate, { notices: new Set([...timeline.candidates.get(event.candidate)?.notices ?? [], event.text]) });
      return null;
    case "round-started":
      timeline.limit = event.rounds;
      timeline.end = null; // it goes on
      Object.assign(roundOf(timeline, event.round), { prompt: event.prompt, diff: event.diff ?? null, origin: event.origin, expected: event.candidates });
      return event.round;
    case "rendered":
      return note(timeline, event.candidate, { image: event.image, size: [event.width, event.height], seed: event.seed, step: null });
    case "render-failed":
      return note(timeline, event.candidate, { failed: `There is no picture. ${event.message}`, step: null });
    case "judged": {
      const earlier = earlierOf(timeline, event);
      const round = note(timeline, event.candidate, { scores: event.scores, changes: event.changes, weakest: event.weakest, reason: event.reason, excerpt: event.excerpt, capped: event.capped?.[event.weakest], measured: measured(event), findings: event.findings, open: isOpen(event), revision: event.revision ?? 1, earlier, failed: undefined });
      if (timeline.first === null) timeline.first = event.candidate;
      return round;
    }
    case "critic-failed":
      if ((event.revision ?? 1) > 1 && timeline.candidates.get(event.candidate)?.verdict)
        return note(timeline, event.candidate, { scores: null, open: true, revision: event.revision, earlier: earlierOf(timeline, event), failed: `It was not judged by revision ${event.revision} of your request. ${event.message}` });
      return note(timeline, event.candidate, { failed: `The critic could not judge it, so it has no score. ${event.message}` });
    case "compared":
      return note(timeline, event.challenger, { compared: event });
    case "decided":
      if (event.verdict.accepted) timeline.best = event.candidate;
      return note(timeline, event.candidate, { verdict: event.verdict });
    case "rewrite-rejected":
      return remark(timeline, event.round - 1, { kind: "rejected", ...event.rejection });
    case "review-requested":
      timeline.question = { ...event.request, diff: event.diff };
      return null;
    case "reviewed":
      timeline.question = null;
      timeline.end = null;
      if (event.decision.candidate) timeline.best = event.decision.candidate;
      return remark(timeline, event.round - 1, { kind: "decision", ...event.decision });
    case "revised":
      timeline.revisions = [...timeline.revisions.filter((r) => r.number !== event.revision.number), event.revision];
      timeline.spans = event.spans;
      return remark(timeline, event.revision.round - 1, { kind: "revised", ...event.revision });
    case "run-finished":
      timeline.end = event;
      if (event.best) timeline.best = idOf(event.best);
      return null;
  }
  return null;
}

/** The judgements of a candidate by earlier revisions of the request; none where there was no remark. */
function earlierOf(timeline, event) {
  const before = timeline.candidates.get(event.candidate);
  const known = before?.earlier ?? [];
  return before?.scores && before.revision < event.revision ? [...known, { revision: before.revision, mean: mean(before) }] : known;
}

/** What was measured and is not as asked, and what nobody judged, in sentences. */
function measured(event) {
  const said = (event.findings ?? []).filter((one) => one.kind !== "right").map((one) => `Measured: ${one.reason}`);
  if (event.unjudged?.length) said.push(`Judged without ${event.unjudged.map((text) => `“${text}”`).join(", ")}`);
  return said;
}

/** Whether nothing of it may be green: not all that was asked for was judged, or is there. */
function isOpen(event) {
  return Boolean(event.unjudged?.length) || (event.findings ?? []).some((one) => one.kind === "wrong" || one.kind === "missing");
}

/** An inference step of a render. */
export function step(timeline, event) {
  const preview = event.preview ?? timeline.candidates.get(event.candidate)?.step?.preview;
  return note(timeline, event.candidate, { step: { ...event, preview } });
}

/** "round 2" or "round 2, picture 3", by a candidate's id. */
export function name(id) {
  const [round, index] = id.slice(1).split("c").map(Number);
  return index ? `round ${round + 1}, picture ${index + 1}` : `round ${round + 1}`;
}

/** The mean of the scores that apply, 1 to 4; null without any. */
export function mean(candidate) {
  const scores = Object.values(candidate?.scores ?? {}).filter((s) => s !== null);
  return scores.length ? scores.reduce((a, b) => a + b) / scores.length : null;
}

/** `r1c0` of a candidate's record. */
export function idOf(candidate) {
  return `r${candidate.round}c${candidate.index}`;
}

function roundOf(timeline, number) {
  while (timeline.rounds.length <= number)
    timeline.rounds.push({ number: timeline.rounds.length, prompt: "", diff: null, origin: "request", expected: 1, candidates: [], remarks: [] });
  return timeline.rounds[number];
}

function note(timeline, id, facts) {
  const number = Number(id.slice(1).split("c")[0]);
  let candidate = timeline.candidates.get(id);
  if (!candidate) {
    candidate = { id, round: number };
    timeline.candidates.set(id, candidate);
    const round = roundOf(timeline, number);
    round.candidates.push(candidate);
    round.candidates.sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }));
  }
  Object.assign(candidate, facts);
  return number;
}

function remark(timeline, number, remark) {
  if (number < 0) number = 0;
  const remarks = roundOf(timeline, number).remarks;
  // A run that goes on may repeat an event.
  const same = JSON.stringify({ ...remark, time: 0 });
  if (!remarks.some((r) => JSON.stringify({ ...r, time: 0 }) === same)) remarks.push(remark);
  return number;
}
