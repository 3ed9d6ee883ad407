"""What evidence does to a candidate: caps, what is left unjudged, and words that would be lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rr_refine.agent.history import Candidate
from rr_refine.request import Request
from rr_refine.reward.evidence.evidence import Finding
from rr_refine.terms import Dimension
from rr_refine.wanted_text import wanted_texts

__all__ = [
    "CAPS",
    "capped",
    "caps_in_words",
    "facts_of",
    "lost_words",
    "not_measured",
    "unjudged_of",
    "unmeasured",
]

CAPS: Final = {"wrong": 2.0, "missing": 1.0}
"""The most that a dimension may score with a measured miss in it (1 to 4): below the paper's
target of 3, and a misspelt word above none at all."""


def capped(
    scores: Mapping[Dimension, float | None], findings: Sequence[Finding]
) -> dict[Dimension, float | None]:
    """The critic's scores, no higher than the measured misses allow.

    What is missing was asked for: its dimension applies, also where the critic said N/A.
    """
    result = dict(scores)
    for finding in findings:
        if finding.is_miss and finding.dimension in result:
            said = result[finding.dimension]
            cap = CAPS[finding.kind]
            result[finding.dimension] = cap if said is None else min(said, cap)
    return result


def caps_in_words(
    said: Mapping[Dimension, float | None] | None, scores: Mapping[Dimension, float | None]
) -> dict[Dimension, str]:
    """What stands beside the critic's reason for a score that a measurement capped."""
    return {
        dimension: f"said for {'N/A' if own is None else f'{own:.2f}'}, before a measurement "
        f"capped it at {score:.2f}"
        for dimension, own in (said or {}).items()
        if (score := scores.get(dimension)) is not None and score != own
    }


def unjudged_of(unknown: Sequence[str], findings: Sequence[Finding]) -> tuple[str, ...]:
    """What nobody judged: words that the critic does not know, and what could not be measured."""
    open_ = (str(one.expected) for one in findings if one.kind == "abstained")
    return tuple(dict.fromkeys((*unknown, *open_)))


def not_measured(
    request: Request, findings: Sequence[Finding], failed: Mapping[str, str]
) -> tuple[Finding, ...]:
    """What evidence that failed leaves open: lettering that no other has looked for, or else all
    that it measures.

    Args:
        failed: why, by the kind of evidence.
    """
    seen = {one.expected for one in findings}
    texts = [one.text for one in wanted_texts(request.prompt) if one.text not in seen]
    return tuple(
        Finding(
            kind="abstained", sure=0.0, expected=text, reason=f"{text!r} was not measured: {why}",
            dimension="text_rendering" if texts else "text_faithfulness",
        )
        for kind, why in failed.items()
        for text in texts or [f"what the evidence {kind!r} measures"]
    )  # fmt: skip


def facts_of(findings: Sequence[Finding]) -> tuple[str, ...]:
    """What is told to the critic: what was measured for sure, in words."""
    return tuple(one.reason for one in findings if one.kind != "abstained")


def unmeasured(candidate: Candidate) -> Candidate:
    """The candidate by the critic's own scores, as it is where no evidence counts."""
    unknown = set(candidate.unjudged) - set(unjudged_of((), candidate.findings))
    return candidate.model_copy(
        update={
            "scores": candidate.said or candidate.scores,
            "said": None,
            "findings": (),
            "unjudged": tuple(text for text in candidate.unjudged if text in unknown),
        }
    )


def lost_words(challenger: Candidate, incumbent: Candidate) -> str | None:
    """The first thing that is right in the incumbent and measurably not in the challenger."""
    right = {one.expected for one in incumbent.findings if one.kind == "right"}
    for miss in challenger.misses:
        if miss.expected in right:
            return f"{miss.expected!r} was right, and now {miss.reason}"
    return None
