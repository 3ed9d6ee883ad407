// The story of a run: events in, a picture of where it stands out. No element is touched here.

/** What is known before anything happened. */
export function newStory() {
  return { rounds: [], best: null, first: null, question: null, end: null, limit: null, candidates: new Map() };
}

/** Take in one event; gives the number of the round that it changed, or null. */
export function take(story, event) {
  switch (event.type) {
    case "run-started":
      story.started = event;
      return null;
    case "round-started":
      story.limit = event.rounds;
      Object.assign(roundOf(story, event.round), { prompt: event.prompt, origin: event.origin, expected: event.candidates });
      return event.round;
    case "rendered":
      return note(story, event.candidate, { image: event.image, seed: event.seed, step: null });
    case "render-failed":
      return note(story, event.candidate, { failed: `There is no picture. ${event.message}`, step: null });
    case "judged": {
      const round = note(story, event.candidate, { scores: event.scores, changes: event.changes, weakest: event.weakest, reason: event.reason });
      if (story.first === null) story.first = event.candidate;
      return round;
    }
    case "critic-failed":
      return note(story, event.candidate, { failed: `The critic could not judge it, so it has no score. ${event.message}` });
    case "compared":
      return note(story, event.challenger, { compared: event });
    case "decided":
      if (event.verdict.accepted) story.best = event.candidate;
      return note(story, event.candidate, { verdict: event.verdict });
    case "rewritten":
      return remark(story, event.round - 1, { kind: "rewritten", ...event });
    case "rewrite-rejected":
      return remark(story, event.round - 1, { kind: "rejected", ...event.rejection });
    case "review-requested":
      story.question = event.request;
      return null;
    case "reviewed":
      story.question = null;
      if (event.decision.action === "pick") story.best = event.decision.candidate;
      return remark(story, event.round - 1, { kind: "decision", ...event.decision });
    case "run-finished":
      story.end = event;
      if (event.best) story.best = idOf(event.best);
      return null;
  }
  return null;
}

/** An inference step of a render. */
export function step(story, event) {
  return note(story, event.candidate, { step: event });
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

function roundOf(story, number) {
  while (story.rounds.length <= number)
    story.rounds.push({ number: story.rounds.length, prompt: "", origin: "request", expected: 1, candidates: [], remarks: [] });
  return story.rounds[number];
}

function note(story, id, facts) {
  const number = Number(id.slice(1).split("c")[0]);
  let candidate = story.candidates.get(id);
  if (!candidate) {
    candidate = { id, round: number };
    story.candidates.set(id, candidate);
    const round = roundOf(story, number);
    round.candidates.push(candidate);
    round.candidates.sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }));
  }
  Object.assign(candidate, facts);
  return number;
}

function remark(story, number, remark) {
  if (number < 0) number = 0;
  const remarks = roundOf(story, number).remarks;
  // A run that goes on may tell again what it told before.
  const same = JSON.stringify({ ...remark, time: 0 });
  if (!remarks.some((r) => JSON.stringify({ ...r, time: 0 }) === same)) remarks.push(remark);
  return number;
}
