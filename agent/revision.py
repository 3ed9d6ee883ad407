"""A revision of the request: what a person asks for after a remark in review.

The request that pictures are judged by changes in no other way. Scores of two revisions are never
compared: the best picture so far is judged again under the new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rr_refine.agent.history import Candidate, Rejection
from rr_refine.agent.intent import ProtectedSpan, find_spans, is_repeat, lost_spans, problems
from rr_refine.request import MAX_PROMPT, Request
from rr_refine.terms import Record

__all__ = [
    "APPENDED",
    "Revision",
    "appended",
    "merge_problems",
    "number_of",
    "request_at",
    "rival_of",
    "spans_of",
]

APPENDED: Final = "appended"
"""The `Revision.origin` where nobody merged the two: the remark stands behind the request."""

_ENDS: Final = (".", "!", "?", "…", "。", "！", "？")


class Revision(Record):
    """The request from a remark on."""

    number: int
    """From 2 on: revision 1 is the request that the run began with."""
    prompt: str
    """The request as it is now, whole. Every later picture is judged against it."""
    remark: str
    """What the person said."""
    origin: str
    """Who merged the remark into the request: the name of a rewriter, or `appended`."""
    round: int
    """The round that was to come."""
    incumbent: str | None = None
    """Id of the best candidate at that time, which is judged again."""
    unread: bool = False
    """Whether a part that reads such requests could make nothing of the remark. What it asks for
    then counts as unjudged."""
    rejections: tuple[Rejection, ...] = ()
    """Texts for the request that were not used, and why."""

    @property
    def how(self) -> str:
        """How it came to its text, in a clause."""
        if self.origin != APPENDED:
            return f"the remark was merged into it by {self.origin!r}"
        return "the remark was added to its end as it is" + (
            "; the models in use cannot read it there" if self.unread else ""
        )


def number_of(revisions: Sequence[Revision]) -> int:
    """The number of the last one; 1 where there was no remark yet."""
    return revisions[-1].number if revisions else 1


def request_at(request: Request, revisions: Iterable[Revision], number: int) -> Request:
    """The request as it was in a revision.

    Args:
        request: that of revision 1.
    """
    for revision in revisions:
        if revision.number == number:
            return request.model_copy(update={"prompt": revision.prompt})
    return request


def rival_of(
    candidates: Iterable[Candidate], revisions: Iterable[Revision], number: int
) -> Candidate | None:
    """What the pictures of a revision had to beat, as it was judged under it.

    It is the first image, and after a remark the one that was the best then.
    """
    name = next((r.incumbent for r in revisions if r.number == number), "r0c0")
    found = next((c for c in candidates if c.id == name), None)
    return None if found is None else found.under(number)


def spans_of(prompt: str, before: Iterable[ProtectedSpan]) -> tuple[ProtectedSpan, ...]:
    """The protected spans of a new text of the request; what was kept by hand stays kept."""
    return find_spans(prompt, [span.text for span in before if span.kind == "kept"])


def appended(request: str, remark: str) -> str:
    """A request with a remark behind it, as a sentence of its own."""
    remark = remark.strip()
    request = request.rstrip()
    stop = "" if request.endswith(_ENDS) else "."
    return f"{request}{stop} {remark[0].upper()}{remark[1:]}"


def merge_problems(before: str, remark: str, merged: str) -> list[str]:
    """Why a text may not be the new request, in words; empty if it may.

    It must hold the protected words of the remark. It may lose those of the request only where the
    remark speaks of them, or has others of their kind.
    """
    if len(merged) > MAX_PROMPT:
        return [f"it has {len(merged):,} characters; {MAX_PROMPT:,} are the most"]
    if is_repeat(merged, [before]):
        return ["it says no more than the request did before"]
    old, new = find_spans(before), find_spans(remark)
    kinds = {span.kind for span in new}
    spoken_of = {*old} - {*lost_spans(remark, old)}
    held = [span for span in old if span.kind not in kinds and span not in spoken_of]
    held += [span for span in new if span not in old]
    return problems(merged, held, original=f"{before}\n{remark}")
