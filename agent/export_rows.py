"""What recorded runs teach: rows for a rewriter, for a critic, and for diffusion RL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import JsonValue, ValidationError

from rr_refine.agent.history import Candidate, Verdict
from rr_refine.agent.run import Run
from rr_refine.reward.preferences.sources import Preferred
from rr_refine.terms import Dimension, Identity, Record, Task

__all__ = [
    "UNKNOWN",
    "ChoicePair",
    "PairRow",
    "RequestRow",
    "RewritePairRow",
    "RewriteRow",
    "Row",
    "Turn",
    "choices",
    "name_of",
]

UNKNOWN: Final = "unknown"
"""The licence where nobody says one."""


class Row(Record):
    """Where a row comes from."""

    run: str
    """Id of the run."""
    candidates: tuple[str, ...] = ()
    """Ids in the run: `r1c0`."""
    task: Task
    generator: str
    """Kind and name of what rendered; empty where the run does not say."""
    critic: str
    """Likewise, of what judged."""
    benchmark: str | None
    """Whose request it is, where it is a benchmark's: not to be trained on and then reported."""
    licence: str


class RequestRow(Row):
    """A request, as `rr-refine train nft --data` reads it."""

    prompt: str
    source: str | None
    """The picture to edit: a path beside the file."""
    kind: Task


class Turn(Record):
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    content: str


class RewriteRow(Row):
    """A request and the best prompt for it: conversational prompt-completion, as TRL calls it."""

    prompt: tuple[Turn, ...]
    completion: tuple[Turn, ...]
    source: str | None
    written_by: str
    """`request`, a rewriter's name, or `human`."""
    reward: float
    """Of its picture, 0 to 1."""
    first_reward: float | None
    """Of what it had to beat."""


class RewritePairRow(Row):
    """Two prompts for a request: conversational preference, as TRL calls it."""

    prompt: tuple[Turn, ...]
    chosen: tuple[Turn, ...]
    rejected: tuple[Turn, ...]
    source: str | None
    chosen_by: Literal["person", "critic"]


class PairRow(Row):
    """Two pictures of a request, as `rr-refine parrot ingest recorded` reads them."""

    id: str
    instruction: str
    source: str | None
    first: str
    """A path beside the file, as `source`."""
    second: str
    preferred: Preferred
    chosen_by: Literal["person", "critic"]
    critic_prefers: Preferred | None
    """None where it did not judge both."""
    margin: float | None
    """The difference of its rewards; None where a person chose."""
    preferred_by: dict[Dimension, Preferred] | None
    """By the critic's scores, where it chose."""
    prompts: tuple[str, str]
    seeds: tuple[int, int]


class ChoicePair(Record):
    """Two candidates of a run under one revision of its request, and which of them is better."""

    instruction: str
    first: Candidate
    second: Candidate
    person: Preferred | None
    critic: Preferred | None
    by: dict[Dimension, Preferred] | None

    @property
    def preferred(self) -> Preferred | None:
        """A person's word counts before the critic's; None where neither said anything."""
        return self.person or self.critic

    @property
    def margin(self) -> float | None:
        """See `PairRow`."""
        one, other = self.first.reward, self.second.reward
        return None if self.person or one is None or other is None else abs(one - other)


def choices(run: Run) -> Iterator[ChoicePair]:
    """Each candidate that was weighed against the best one then, or picked in its place."""
    by_id = {candidate.id: candidate for candidate in run.candidates}
    for candidate in run.candidates:
        verdict = candidate.verdict
        other = by_id.get(verdict.against or "") if verdict else None
        if verdict is None or other is None or None in (candidate.image, other.image):
            continue
        if candidate.image == other.image:
            continue
        revision = max(candidate.first_revision, other.first_revision)
        first, second = candidate.under(revision), other.under(revision)
        critic, by = _critics(first, second, verdict, run.policy.margin)
        yield ChoicePair(
            instruction=run.request_at(revision).prompt,
            first=first,
            second=second,
            person="first" if verdict.rule == "picked" else None,
            critic=critic,
            by=by,
        )


def _critics(
    first: Candidate, second: Candidate, verdict: Verdict, margin: float
) -> tuple[Preferred | None, dict[Dimension, Preferred] | None]:
    """Which of two the critic prefers, and by dimension; None where it did not judge all of both.

    A near tie is a tie, and so is a picture of a higher mean that was refused all the same: a
    guarded dimension fell, say, or it is worse where both have scores.
    """
    if first.mean is None or second.mean is None or first.open_points or second.open_points:
        return None, None
    both = first.applicable.keys() & second.applicable.keys()
    by = {d: _better(first.applicable[d] - second.applicable[d], margin) for d in sorted(both)}
    if verdict.rule == "pairwise":
        return "first", by
    found = _better(first.mean - second.mean, margin)
    refused = found == "first" and not verdict.accepted
    return ("tie" if verdict.rule == "tie" or refused else found), by


def _better(gap: float, margin: float) -> Preferred:
    if abs(gap) <= max(margin, 1e-9):
        return "tie"
    return "first" if gap > 0 else "second"


def name_of(recorded: JsonValue) -> str:
    """Kind and name of a recorded identity; empty where it is none."""
    try:
        identity = Identity.model_validate(recorded)
    except ValidationError:
        return ""
    return f"{identity.kind} {identity.name}"
