"""The plain display: a clear line or two per event, readable without colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rr_refine.agent.diff import Kind, diff_words, spaced
from rr_refine.agent.events import (
    Compared,
    CriticFailed,
    Decided,
    Event,
    Judged,
    Notice,
    Rendered,
    RenderFailed,
    Reviewed,
    ReviewRequested,
    Revised,
    RewriteRejected,
    Rewritten,
    RoundStarted,
    RunFinished,
    RunStarted,
)
from rr_refine.agent.history import OUT_OF_BUDGET, Candidate, failure_words
from rr_refine.agent.picture_name import picture_name
from rr_refine.agent.review import Decision, EditPrompt, GoOn, Keep, Pick, Reject, Reseed
from rr_refine.cli.text import plain, short
from rr_refine.cli.words import dimension_words, verdict_word
from rr_refine.plain_text import one_line
from rr_refine.reward.rationale import in_short

__all__ = ["LONGEST", "changes", "lines_of", "marked", "measured", "reason", "shares_nothing"]

LONGEST: Final = 300
"""Characters of a failure."""
_LONG: Final = 4000  # characters: nobody reads more of a prompt in a terminal
_WINNERS: Final = {
    "incumbent": "the earlier one won",
    "challenger": "the later one won",
    "tie": "no winner in both orders",
    "failed": "could not be compared",
}
_AROUND: Final = 6  # words of an unchanged stretch that stay on each side of a change


def lines_of(event: Event) -> Iterator[str]:
    """The lines for an event; none for an event that only a live view needs."""
    return map(one_line, _lines_of(event))


def _lines_of(event: Event) -> Iterator[str]:
    match event:
        case RunStarted():
            yield f"request    {short(event.prompt)}"
            if event.lineage is not None:
                yield f"from       {short(event.lineage.words)}"
            if event.spans:
                kept = ", ".join(repr(plain(s.text)) for s in event.spans[:12])
                yield f"protected  {short(kept)}"
            yield f"with       {event.generator} and {event.critic}, preset {event.preset}"
        case Notice():
            about = "" if event.candidate is None else f"{picture_name(event.candidate)}: "
            yield f"  note     {about}{short(event.text, 400)}"
        case RoundStarted():
            many = f", {event.candidates} candidates" if event.candidates > 1 else ""
            yield f"round {event.round + 1}/{event.rounds}  prompt by {event.origin}{many}"
        case Rendered():
            how = "found done" if event.cached else f"{event.seconds:.1f} s"
            yield f"  image    {picture_name(event.candidate)}, seed {event.seed}, {how}"
        case RenderFailed():
            word = "budget" if event.error == OUT_OF_BUDGET else "failed"
            yield f"  {word:<8} {picture_name(event.candidate)}: {_failure(event)}"
        case Judged():
            yield f"  scores   {picture_name(event.candidate)}: {_scores(event)}"
            yield f"  reason   {': '.join(reason(event))}"
            yield from measured(event)
        case CriticFailed():
            yield f"  unjudged {picture_name(event.candidate)}: {_failure(event)}"
        case Compared():
            names = picture_name(event.challenger), picture_name(event.incumbent)
            more = f" ({short(event.message)})" if event.message else ""
            yield f"  compare  {names[0]} with {names[1]}: {_WINNERS[event.winner]}{more}"
        case Decided():
            word, name = verdict_word(event.verdict), picture_name(event.candidate)
            yield f"  {word:<8} {name}: {short(event.verdict.reason, 240)}"
            if event.cost is not None:
                yield f"  cost     {event.cost} so far"
        case RewriteRejected():
            rejection = event.rejection
            yield f"  rejected {rejection.rewriter}: {short(rejection.reason, 240)}"
        case Rewritten():
            yield f"  prompt   {event.proposal.origin}: {short(event.proposal.prompt, 400)}"
            if event.proposal.why:
                yield f"  because  {short(event.proposal.why, LONGEST)}"
        case ReviewRequested(request=question) if question.stop is not None:
            why = f"{question.stop.rule}: {short(question.stop.reason, LONGEST)}"
            yield f"  review   it would end now ({why}). Take the picture, or go on?"
        case ReviewRequested(request=question):
            before = question.incumbent.prompt if question.incumbent else question.request
            new = question.proposal.prompt
            if shares_nothing([*changes(before, new)]):
                yield f"  was      {short(before, 400)}"
            yield f"  review   {short(marked(before, new), 400)}"
        case Reviewed():
            yield f"  review   {_decision(event.decision)}"
        case Revised(revision=revision):
            yield f"request, revision {revision.number}: {short(revision.prompt)}"
            for rejection in revision.rejections:
                yield f"  rejected {rejection.rewriter}: {short(rejection.reason, 240)}"
            yield f"  remark   {short(revision.remark, 240)}: {revision.how}"
        case RunFinished():
            yield from _finished(event)
        case _:
            return


def reason(event: Judged) -> tuple[str, str]:
    """The dimension that the reason is about, with what became of its score; and the reason."""
    capped = event.capped.get(event.weakest)
    about = dimension_words(event.weakest) + (f" ({capped})" if capped else "")
    return about, plain(in_short(event.reason, LONGEST))


def measured(event: Judged) -> Iterator[str]:
    """What was measured and is not as asked, and what nobody judged."""
    for finding in event.findings:
        if finding.kind != "right":
            yield f"  measured {short(finding.reason, 240)}"
    for dimension, said in (event.said or {}).items():
        if said != (now := event.scores.get(dimension)):
            before = "not asked for" if said is None else f"{said:.2f}"
            about = dimension_words(dimension)
            yield f"  capped   {about}: the critic said {before}, counted is {now:.2f}"
    if event.unjudged:
        yield f"  open     judged without {short(', '.join(map(repr, event.unjudged)), 240)}"


def changes(old: str, new: str) -> Iterator[tuple[Kind, str, str]]:
    """The way from `old` to `new`: kind, words, and the space behind them.

    Long stretches that stayed are shortened. Words hold no control characters, see `plain`.
    """
    for kind, text, space in spaced(diff_words(short(old, _LONG), short(new, _LONG))):
        words = text.split()
        if kind == "same" and len(words) > 2 * _AROUND + 4:
            text = " ".join([*words[:_AROUND], "…", *words[-_AROUND:]])
        yield kind, text, space


def marked(old: str, new: str) -> str:
    """The changes without colour: `a [-red-] {+blue+} cat`; `new` alone where they share little."""
    pieces = list(changes(old, new))
    if shares_nothing(pieces):
        return pieces[1][1]
    marks = {"same": "{}", "dropped": "[-{}-]", "added": "{{+{}+}}"}
    return "".join(marks[kind].format(text) + space for kind, text, space in pieces)


def shares_nothing(pieces: Sequence[tuple[Kind, str, str]]) -> bool:
    """Whether the one is dropped and the other added as a whole."""
    return [kind for kind, _, _ in pieces] == ["dropped", "added"]


def _failure(event: RenderFailed | CriticFailed) -> str:
    return failure_words(event.error, short(event.message, LONGEST))


def _decision(decision: Decision) -> str:
    match decision:
        case GoOn(remark=text):
            more = f" from {picture_name(decision.candidate)}" if decision.candidate else ""
            return f"go on{more}" + (f": {short(text, 400)}" if text else "")
        case Pick(candidate=name):
            return f"{decision.action}: {picture_name(name)}"
        case EditPrompt(prompt=text) | Reject(reason=text) | Keep(text=text):
            return f"{decision.action}: {short(text, 400)}"
        case Reseed(seed=seed):
            return f"{decision.action}: {seed}"
        case _:
            return decision.action


def _finished(event: RunFinished) -> Iterator[str]:
    yield f"stopped    {event.stop.rule}: {short(event.stop.reason, 300)}"
    if event.best is not None:
        yield f"result     {_result(event.first, event.best)}"
        if points := event.best.open_points:
            yield f"open       {short('; '.join(points), 300)}"
    spend = event.spend
    most = "at most " if spend.assumed_tokens else ""
    yield (
        f"spent      {spend.images} images, {spend.critic_calls} critic calls, "
        f"{most}{spend.tokens} tokens, {spend.seconds:.1f} s"
        + (f", {spend.cost}" if str(spend.cost) else "")
    )


def _result(first: Candidate, best: Candidate) -> str:
    name = picture_name(best.id)
    if best.mean is None:
        return f"{name}, not judged" + (" by what was asked for last" if best.earlier else "")
    if best.revision > 1:
        return f"{name}, mean {best.mean:.2f} by revision {best.revision} of the request"
    if first.mean is None or best.id == first.id:
        return f"{name}, mean {best.mean:.2f}" + (", the first try" if best.id == "r0c0" else "")
    return f"{name}, mean {first.mean:.2f} -> {best.mean:.2f} ({best.mean - first.mean:+.2f})"


def _scores(event: Judged) -> str:
    parts = []
    for dimension, score in event.scores.items():
        if score is None:
            parts.append(f"{dimension_words(dimension)} not asked for")
            continue
        change = event.changes.get(dimension)
        more = "" if change is None else f" ({change:+.2f})"
        parts.append(f"{dimension_words(dimension)} {score:.2f}{more}")
    return ", ".join(parts)
