"""How good the critic is: against the oracle, on pictures of held-out tasks by the generator.

Every request and every edit gets two pictures, one from its own words and one from a dense prompt
for it, so that there are bad ones and good ones. Both are judged by the task's own words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

from rr_refine.benchmarks.engine import Models
from rr_refine.errors import CriticError
from rr_refine.sketch.bench.answers import in_world, meets, named_misses
from rr_refine.sketch.bench.judging import (
    GradedPicture,
    PictureJudging,
    RenderedTask,
    agrees,
    differing,
)
from rr_refine.sketch.bench.tasks import Split, edits, requests
from rr_refine.sketch.checking import RequestedEdit
from rr_refine.sketch.training.critic.wording import REFINE_BELOW
from rr_refine.sketch.world.edit import read_edit
from rr_refine.statistics import Clusters, Estimate, estimate
from rr_refine.terms import Dimension, Identity, Record

__all__ = ["CriticResult", "EditJudgements", "MissedRequirements", "evaluate_critic"]


class MissedRequirements(Record):
    """Missed requirements: those that the critic names against those that the oracle finds."""

    named: int
    missed: int
    right: int
    """In both."""
    precision: float
    recall: float
    f1: Estimate
    """Over all pictures together (micro); the interval is over pictures."""


class EditJudgements(Record):
    """How a critic judges edits. Measures are over the pictures that it could judge."""

    readable: Estimate
    """Share of pictures that got a judgement."""
    agreement: Estimate | None
    """As in `CriticResult`."""
    side_by_side: Estimate | None
    """As in `CriticResult`."""
    made: Estimate
    """Share of pictures in which text faithfulness is below 3.0, where a better request is due, if
    and only if the oracle finds that the change was not made in full."""
    kept: Estimate
    """The same of image faithfulness, and of what should have stayed."""
    true: Estimate | None
    """Share of the refined requests that ask for the same edit; None where there are none."""


class CriticResult(Record):
    """What `evaluate_critic` gives. Measures are over the pictures that the critic could judge."""

    split: str
    generator: Identity
    critic: Identity
    readable: Estimate
    """Share of pictures that got a judgement."""
    agreement: Estimate | None
    """Share of pairs of pictures of one request in which the critic gives the better one by the
    oracle the higher mean; equal means are wrong. Pairs whose oracle means differ by less than 0.1
    are left out. None where there are no others."""
    side_by_side: Estimate | None
    """The same by comparison in both orders, where a tie is wrong, and a comparison that failed.
    None where the critic cannot compare."""
    naming: MissedRequirements
    verdict: Estimate
    """Share of pictures in which the critic misses something if the oracle does."""
    in_world: Estimate | None
    """Share of the refined requests that mean something in the sketch world and have no word
    that it does not know; None where there are none."""
    true: Estimate | None
    """Share of the refined requests that are in the world and describe one whole scene that meets
    the request."""
    edits: EditJudgements | None
    """How it judges edits; all the measures above are of requests. None where no edit could be
    judged, or the generator does none."""
    failures: dict[str, int]
    """Renders, judgements and comparisons that failed, by error."""


async def evaluate_critic(
    models: Models,
    split: Split,
    limit: int,
    *,
    edit_limit: int = 0,
    concurrency: int = 32,
    on_step: Callable[[str, int, int], None] | None = None,
) -> CriticResult:
    """Judge two pictures each of `limit` requests and `edit_limit` edits; ask the oracle too.

    Args:
        models: connected.
        on_step: called with what is being done, how many are done, and how many in all.

    Raises:
        ConfigError: the models do not take their parameters.
        CriticError: not a single picture of a request could be judged.
    """
    work = PictureJudging(models, concurrency, on_step)
    changes = edits(split, edit_limit) if "edit" in models.generator.tasks else ()
    pictures = await work.render([*requests(split, limit), *changes])
    drawn, edited = pictures[: 2 * limit], pictures[2 * limit :]
    seen = await _judge(work, drawn)
    if seen is None:
        raise CriticError(f"none of {len(drawn)} pictures could be judged: {dict(work.failures)}")
    known, common = seen
    refined = [text for one in known if (text := one.critique.refined_request)]
    return CriticResult(
        split=split,
        generator=models.generator.identity,
        critic=models.critic.identity,
        naming=_naming(known),
        verdict=estimate(
            bool(named_misses(one.critique)) == bool(one.grade.missed) for one in known
        ),
        in_world=estimate(map(in_world, refined)) if refined else None,
        edits=await _judge_edits(work, edited),
        failures=dict(sorted(work.failures.items())),
        **common,
    )


async def _judge_edits(
    work: PictureJudging, pictures: Sequence[RenderedTask | None]
) -> EditJudgements | None:
    seen = await _judge(work, pictures)
    if seen is None:
        return None
    known, common = seen
    return EditJudgements(
        made=estimate(_same_verdict(one, "text_faithfulness") for one in known),
        kept=estimate(_same_verdict(one, "image_faithfulness") for one in known),
        **common,
    )


class _Common(TypedDict):
    """What is measured of requests and of edits alike."""

    readable: Estimate
    agreement: Estimate | None
    side_by_side: Estimate | None
    true: Estimate | None


async def _judge(
    work: PictureJudging, pictures: Sequence[RenderedTask | None]
) -> tuple[list[GradedPicture], _Common] | None:
    """The judgements that there are, and what they tell; None where there are none."""
    judged = await work.judge(pictures)
    known = [one for one in judged if one]
    if not known:
        return None
    pairs = differing(judged)
    compared = await work.compare(pairs)
    refined = [(one, text) for one in known if (text := one.critique.refined_request)]
    return known, _Common(
        readable=_readable(pictures, judged),
        agreement=estimate(map(agrees, pairs)) if pairs else None,
        side_by_side=estimate(compared) if compared else None,
        true=estimate(_is_true(one, text) for one, text in refined) if refined else None,
    )


def _readable(
    pictures: Sequence[RenderedTask | None], judged: Sequence[GradedPicture | None]
) -> Estimate:
    """Of the pictures that there are: what was not rendered is no fault of the critic."""
    return estimate(
        one is not None for one, picture in zip(judged, pictures, strict=True) if picture
    )


def _is_true(judged: GradedPicture, refined: str) -> bool:
    """Is a refined request what was asked for, in full?"""
    asked = judged.task.asked
    if isinstance(asked, RequestedEdit):
        return read_edit(refined, asked.source) == asked.edit
    return in_world(refined) and meets(refined, asked)


def _same_verdict(judged: GradedPicture, dimension: Dimension) -> bool:
    """Is this dimension in order, and in order for the oracle, or neither?"""
    scores = judged.critique.scores[dimension], judged.grade.scores[dimension]
    fine = [score is not None and score >= REFINE_BELOW for score in scores]
    return fine[0] == fine[1]


def _naming(judged: Sequence[GradedPicture]) -> MissedRequirements:
    says = [named_misses(one.critique) for one in judged]
    there = [set(one.grade.missed) for one in judged]
    right = [len(said & misses) for said, misses in zip(says, there, strict=True)]
    both = [len(said) + len(misses) for said, misses in zip(says, there, strict=True)]
    named, missed = sum(map(len, says)), sum(map(len, there))
    return MissedRequirements(
        named=named,
        missed=missed,
        right=sum(right),
        precision=sum(right) / named if named else 0.0,
        recall=sum(right) / missed if missed else 0.0,
        f1=Clusters(len(judged)).ratio([2 * hits for hits in right], both),
    )
