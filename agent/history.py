"""The history of a run: candidates, verdicts, rewrites. All rules are functions of it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Final, Literal

from pydantic import Field

from rr_refine import errors
from rr_refine.agent.budget import Budget, Spend
from rr_refine.agent.policy import Policy
from rr_refine.errors import CriticAnswerError, RefineError
from rr_refine.generators.prompt_fit import PromptFit
from rr_refine.plain_text import error_words
from rr_refine.reward.evidence.evidence import Finding
from rr_refine.terms import Dimension, Record, Words, to_reward

__all__ = [
    "OUT_OF_BUDGET",
    "Candidate",
    "Declined",
    "Extension",
    "Failure",
    "History",
    "ImageJudgement",
    "Proposal",
    "Rejection",
    "Rendering",
    "RewriteAttempt",
    "Stop",
    "Verdict",
    "VerdictRule",
    "failure_words",
]

OUT_OF_BUDGET: Final = "OutOfBudget"
"""The `Failure.error` of work that the budget did not allow to start or to end."""


def failure_words(error: str, message: str) -> str:
    """A failure for people: what it is called, in words (`critic timeout: …`), but for the budget,
    whose message says all.
    """
    return message if error == OUT_OF_BUDGET else f"{error_words(error)}: {message}"


VerdictRule = Literal[
    "first",  # nothing to beat yet
    "win",  # better by more than the margin above the noise
    "pairwise",  # near tie, won in both orders
    "always",  # the policy takes the newest
    "picked",  # a human chose it
    "failed",  # no image or no judgement
    "same",  # the very picture of the incumbent
    "guard",  # a guarded dimension fell
    "tie",  # near tie, not won in both orders
    "worse",  # the mean is lower
]


class Failure(Record):
    """An error as data: a failed render or judgement of one candidate."""

    stage: Literal["render", "critique", "compare", "rewrite"]
    error: str
    """Class name of the error, see `rr_refine.errors`."""
    message: Words
    raw: str | None = None
    """The critic's unreadable answer, where there was one."""
    final: bool = False
    """Whether the same attempt can only fail again: the generator refuses the prompt, say."""
    trace: str | None = None
    """Where in the component's own code it was raised; None where that is not known."""

    @property
    def unallowed(self) -> str | None:
        """What the budget made of the work: `not begun`, `not judged` or `not finished`; None where
        something else went wrong.
        """
        if self.error != OUT_OF_BUDGET:
            return None
        if self.stage != "render":
            return "not judged"
        return "not begun" if self.message.startswith("not ") else "not finished"

    def as_error(self, default: type[RefineError], message: str = "") -> RefineError:
        """It as an error again, of the type `default` where none of ours has its name.

        Args:
            message: in place of its own.
        """
        kind, said = getattr(errors, self.error, None), message or self.message
        if not (isinstance(kind, type) and issubclass(kind, RefineError)):
            kind = default
        return kind(said, self.raw or "") if issubclass(kind, CriticAnswerError) else kind(said)


class Rendering(Record):
    """A picture of the run folder, and what the generator told about it."""

    image: str
    """Digest."""
    width: int | None = None
    """Pixels; None where an older version wrote it."""
    height: int | None = None
    notices: tuple[str, ...] = ()
    """See `rr_refine.notices`."""


class Verdict(Record):
    """Whether a candidate became the incumbent, and why, in words."""

    accepted: bool
    rule: VerdictRule
    reason: Words
    against: str | None = None
    """Id of the incumbent it was weighed against."""


class ImageJudgement(Record):
    """What became of judging an image under one revision of the request."""

    revision: int = 1
    """The revision of the request that it is about; see `rr_refine.agent.revision`."""
    critique: str | None = None
    """Key of the assessment in `samples.jsonl`."""
    scores: dict[Dimension, float | None] | None = None
    """Mean score per dimension, 1 to 4; None inside is N/A. Evidence may have capped one."""
    said: dict[Dimension, float | None] | None = None
    """The critic's own scores, where evidence capped one of them."""
    findings: tuple[Finding, ...] = ()
    """What was measured in the image."""
    unjudged: tuple[str, ...] = ()
    """What the request asks for and nobody judged: words that the critic does not know, and what
    could not be measured. While there is any, the target is not reached."""
    outside: str = Field(default="", exclude_if=lambda parts: not parts)
    """Who understands nothing at all of the request, such as `generator and critic`."""
    errors: dict[Dimension, float] = {}
    """Standard error per dimension where two or more samples scored it (score points)."""
    guided: bool = False
    """A judgement of it was held to its form where the critic's own words had left it. Its scores
    were read, but meet no target."""
    failure: Failure | None = None


class Candidate(ImageJudgement):
    """One prompt and seed that were tried. Images and critiques are referenced, not held.

    It carries the judgement under the last revision that it was judged under.
    """

    round: int
    index: int
    prompt: str
    origin: str
    """Who wrote the prompt: `request`, a rewriter's name, or `human`."""
    seed: int
    image: str | None = None
    """Digest of the image in the run folder."""
    fit: PromptFit | None = None
    """How the generator took the prompt; None where it cannot tell."""
    verdict: Verdict | None = None
    """Given once, under the revision that the prompt was written for."""
    earlier: tuple[ImageJudgement, ...] = Field(default=(), exclude_if=lambda earlier: not earlier)
    """Judgements under earlier revisions, in order; left out where it was judged under one only."""

    @property
    def id(self) -> str:
        """Unique in its run: `r1c0`."""
        return f"r{self.round}c{self.index}"

    @property
    def first_revision(self) -> int:
        """The revision that its prompt was written for."""
        return self.earlier[0].revision if self.earlier else self.revision

    def under(self, revision: int) -> Candidate:
        """The candidate as it was judged under a revision; without scores where it was not."""
        if revision == self.revision:
            return self
        known = [
            *self.earlier,
            ImageJudgement(**{n: getattr(self, n) for n in ImageJudgement.model_fields}),
        ]
        found = next((one for one in known if one.revision == revision), None)
        fields = dict(found or ImageJudgement(revision=revision))
        before = tuple(one for one in known if one.revision < revision)
        return self.model_copy(update={**fields, "earlier": before})

    @property
    def misses(self) -> tuple[Finding, ...]:
        """What was asked for and is measurably not there."""
        return tuple(one for one in self.findings if one.is_miss)

    @property
    def text_right(self) -> float | None:
        """Share of the lettering asked for that was measured to be right; what could not be
        measured is not. None where nothing was measured.
        """
        kinds = [
            one.kind == "right"
            for one in self.findings
            if one.dimension == "text_rendering" and one.expected is not None
        ]
        return fmean(kinds) if kinds else None

    @property
    def open_points(self) -> tuple[str, ...]:
        """Why it may not pass for all that was asked for, whatever its scores, in clauses."""
        points = [miss.reason for miss in self.misses]
        if self.unjudged:
            points.append(f"judged without {', '.join(map(repr, self.unjudged))}")
        if self.earlier and self.scores is None:
            points.append(f"not judged under revision {self.revision} of the request")
        return tuple(points)

    @property
    def applicable(self) -> dict[Dimension, float]:
        """The scores that are not N/A; empty when it was not judged."""
        return {d: s for d, s in (self.scores or {}).items() if s is not None}

    @property
    def mean(self) -> float | None:
        """Mean of the applicable scores, 1 to 4; None when it was not judged."""
        return fmean(self.applicable.values()) if self.applicable else None

    def said_of(self, dimension: Dimension) -> float | None:
        """The critic's own score; None is N/A, or not judged."""
        return (self.said or self.scores or {}).get(dimension)

    @property
    def mean_said(self) -> float | None:
        """Mean of the applicable scores as the critic gave them, 1 to 4."""
        said = [s for s in (self.said or self.scores or {}).values() if s is not None]
        return fmean(said) if said else None

    @property
    def reward(self) -> float | None:
        """The mean mapped to [0, 1]; None when it was not judged."""
        return None if self.mean is None else to_reward(self.mean)


class Proposal(Record):
    """The prompt of the next round."""

    prompt: str
    origin: str
    why: Words = ""
    """What the rewriter says it changed and because of what."""


class Rejection(Record):
    """A rewritten prompt that was not used, and why."""

    rewriter: str
    prompt: str | None
    """None where the rewriter gave none at all."""
    reason: Words
    failed: bool = False
    """Whether the rewriter itself failed: it raised, or cannot be reached."""
    trace: str | None = None
    """As that of a `Failure`."""


class Declined(Record):
    """A prompt that the generator refused, where there was a picture from an earlier one."""

    round: int
    """The round that it was for, which another prompt gets."""
    rejection: Rejection


class RewriteAttempt(Record):
    """One visit to the rewriters: the proposal they came to, and what was rejected on the way."""

    round: int
    """The round that the proposal is for."""
    proposal: Proposal | None
    rejections: tuple[Rejection, ...] = ()


class Stop(Record):
    """Why the run ended."""

    rule: str
    """The name of the rule that fired: one of `stopping.RULES`, or of your own."""
    reason: Words


class Extension(Record):
    """That a run which had come to its end goes on, because a person wants it to."""

    rounds: int
    """Rounds done by then."""
    revision: int
    """That of the request by then; a remark makes the next one."""
    budget: Budget
    """What it gets from there on."""


@dataclass(frozen=True, slots=True)
class History:
    """All that a stopping rule may look at."""

    policy: Policy
    spend: Spend
    candidates: tuple[Candidate, ...] = ()
    rewrites: tuple[RewriteAttempt, ...] = ()
    incumbent_id: str | None = None
    user_stop: str | None = None
    """The user's reason to stop, if the user did."""
    revision: int = 1
    """That of the request as it is now."""
    extension: Extension | None = None
    """The last time that the run went on after its end."""

    @property
    def incumbent(self) -> Candidate | None:
        """The best candidate so far, by the acceptance rule."""
        return next((c for c in self.candidates if c.id == self.incumbent_id), None)

    @property
    def rounds(self) -> tuple[tuple[Candidate, ...], ...]:
        """The candidates by round."""
        count = self.candidates[-1].round + 1 if self.candidates else 0
        return tuple(tuple(c for c in self.candidates if c.round == r) for r in range(count))

    @property
    def rounds_now(self) -> tuple[tuple[Candidate, ...], ...]:
        """Those of the revision of the request as it is now, since the run last went on."""
        since = self.extension.rounds if self.extension else 0
        rounds = (r for r in self.rounds if r and r[0].first_revision == self.revision)
        return tuple(r for r in rounds if r[0].round >= since)

    @property
    def looks_for_another(self) -> bool:
        """Whether a person wanted the run to go on from its end and said nothing new about what is
        asked for, and no picture since then took the place of the best one by then.
        """
        since, best = self.extension, self.incumbent
        return (
            since is not None
            and since.revision == self.revision
            and (best is None or best.round < since.rounds)
        )
