"""What is known about a run, as its report shows it: rounds, candidates, scores, one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from rr_refine.agent.budget import Spend
from rr_refine.agent.diff import Piece
from rr_refine.agent.history import Candidate, Rejection
from rr_refine.agent.intent import ProtectedSpan
from rr_refine.agent.report.provenance import RunProvenance
from rr_refine.agent.review import Decision
from rr_refine.agent.run import Run
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison
from rr_refine.terms import Dimension

__all__ = [
    "CandidateView",
    "DimensionScore",
    "ImageFile",
    "RoundSummary",
    "RunSummary",
    "State",
    "gain_of",
    "headline",
    "state_of",
]


State = Literal["improved", "open", "unchanged", "changed", "failed", "unfinished"]
"""`improved`: the result scores higher than the first image. `open`: it does, but something that
was asked for is not in it, or was not judged. `unchanged`: it is the first image. `changed`: it is
another one, and does not score higher. `failed`: the critic, the generator or the
run itself failed, though there may be a result."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image of the run folder."""

    href: str
    """Where it is in the run folder."""
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class DimensionScore:
    """What the critic said about one dimension of one image."""

    dimension: Dimension
    score: float | None
    """Mean of the samples, 1 to 4; None is N/A."""
    before: float | None
    """That of the image it was weighed against."""
    error: float | None
    """Standard error, where there are several samples."""
    reasons: tuple[tuple[float | None, str], ...]
    """Score and rationale of each sample that gave one."""
    capped: str | None = None
    """Beside these: that a measurement capped the score."""

    @property
    def change(self) -> float | None:
        """Score points gained over the image it was weighed against."""
        return None if self.score is None or self.before is None else self.score - self.before


@dataclass(frozen=True, slots=True)
class CandidateView:
    """A candidate with all that is known about it."""

    candidate: Candidate
    image: ImageFile | None
    """None where there is no image, or its file is gone."""
    scores: tuple[DimensionScore, ...]
    mean_before: float | None
    """Mean score of the image it was weighed against."""
    assessment: Assessment | None
    comparison: Comparison | None
    """With the image it was weighed against, where that was a near tie."""
    seconds: float | None
    """How long it took to render."""
    notices: tuple[str, ...] = ()
    """What was said about it: it is otherwise than asked."""
    earlier: tuple[CandidateView, ...] = ()
    """The same as it was judged by earlier revisions of the request, in order."""

    @property
    def accepted(self) -> bool:
        """Whether it became the best so far."""
        return self.candidate.verdict is not None and self.candidate.verdict.accepted

    @property
    def change(self) -> float | None:
        """Points of the mean gained over the image it was weighed against."""
        mean = self.candidate.mean
        return None if mean is None or self.mean_before is None else mean - self.mean_before


@dataclass(frozen=True, slots=True)
class RoundSummary:
    """A round: its prompt, where that comes from, and what it gave."""

    number: int
    prompt: str
    origin: str
    why: str
    """What the rewriter says about its prompt."""
    base: str | None
    """Id of the best before this round, whose prompt was rewritten."""
    cause: str | None
    """Id of the candidate whose critique led to the prompt."""
    changes: tuple[Piece, ...]
    """Against the prompt of `base`, or against the request; empty where they are the same."""
    rejections: tuple[Rejection, ...]
    decisions: tuple[Decision, ...]
    candidates: tuple[CandidateView, ...]
    incumbent: str | None
    """Id of the best after this round."""
    finished: bool


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run with everything that its report shows."""

    run: Run
    manifest: Mapping[str, JsonValue]
    provenance: RunProvenance
    state: State
    headline: str
    spans: tuple[ProtectedSpan, ...]
    source: ImageFile | None
    """The picture to edit."""
    more_sources: tuple[ImageFile | None, ...]
    """Further ones, in order; None for one that is missing."""
    rounds: tuple[RoundSummary, ...]
    notices: tuple[str, ...]
    """What was said about the run as a whole."""
    spend: Spend
    """Of a run that has not ended: what its finished items cost, seconds left out."""

    @property
    def candidates(self) -> tuple[CandidateView, ...]:
        """All candidates, in order."""
        return tuple(view for each in self.rounds for view in each.candidates)

    @property
    def first(self) -> CandidateView | None:
        """The first image; None if there is none."""
        return next((view for view in self.candidates if view.candidate.image), None)

    @property
    def best(self) -> CandidateView | None:
        """The result."""
        best = self.run.best
        if best is None:  # not even a round was finished, but there may be an image
            return self.first
        return next((view for view in self.candidates if view.candidate.id == best.id), None)


def state_of(run: Run) -> State:
    """What came of a run."""
    outcome = run.outcome
    if outcome is None:
        return "failed" if run.status == "failed" else "unfinished"
    if not outcome.ok or outcome.best is None:
        return "failed"
    if outcome.best.id == outcome.first.id:
        return "unchanged"
    if (gain_of(run) or 0.0) <= 0:
        return "changed"
    return "open" if outcome.best.open_points else "improved"


def gain_of(run: Run) -> float | None:
    """Mean score of the result less that of the first image, or of what was the best at the last
    remark; None where either has none.
    """
    best, rival = run.best, run.rival
    if best is None or best.mean is None or rival is None or rival.mean is None:
        return None
    return best.mean - rival.mean


def headline(run: Run) -> str:
    """What happened, in one sentence. It quotes no prompt, model or critic."""
    state, sentence = state_of(run), _sentence(run)
    if run.outcome is None and run.best is not None:
        sentence = f"so far, {sentence}"
    elif state == "failed" and run.best is not None:
        sentence = f"it failed before its end: {sentence}"
    return f"{sentence[0].upper()}{sentence[1:]}."


def _sentence(run: Run) -> str:
    best = run.best
    if best is None:
        return "no image came out of this run" if run.candidates else "no round is finished yet"
    first = run.candidates[0]
    images = sum(c.image is not None for c in run.candidates)
    if run.revisions:
        return _sentence_of_a_revision(run, best)
    if best.mean is None:
        return "there is an image that nobody judged"
    if best.id == first.id:
        if run.outcome is None:
            return f"the best image has {best.mean:.2f} of 4"
        if images == 1:
            return f"one image was made, which the critic gives {best.mean:.2f} of 4"
        more = _count(images - 1, "further image")
        return f"{more} did not take the place of the first, which has {best.mean:.2f} of 4"
    if first.mean is None:
        return f"the best image has {best.mean:.2f} of 4; the first one has no score"
    if best.mean > first.mean:
        rise = f"from {first.mean:.2f} to {best.mean:.2f} of 4"
        rounds = best.round
        if rounds == 0:
            return f"the best of {images} images takes the score {rise}"
        return f"{_count(rounds, 'new prompt')} took the picture {rise}"
    return (
        f"another image took the place of the first, with {best.mean:.2f} of 4 "
        f"where that has {first.mean:.2f}"
    )


def _sentence_of_a_revision(run: Run, best: Candidate) -> str:
    """Scores of two revisions are not compared."""
    asked, rival = f"by the request of revision {best.revision}", run.rival
    if best.mean is None:
        return f"there is an image that was not judged {asked}"
    if rival is None or rival.mean is None or rival.id == best.id:
        return f"{asked}, the best image has {best.mean:.2f} of 4"
    return f"{asked}, it went from {rival.mean:.2f} to {best.mean:.2f} of 4"


def _count(number: int, noun: str) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    shown = words[number] if number < len(words) else str(number)
    return f"{shown} {noun}" if number == 1 else f"{shown} {noun}s"
