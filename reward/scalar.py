"""Scalar rewards: one number for a picture, without reasons, and how they stand in for a critic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import (
    Annotated,
    Final,
    Generic,
    Protocol,
    TypeAlias,
    TypeVar,
    cast,
    runtime_checkable,
)

from pydantic import AfterValidator
from typing_extensions import TypeIs

from rr_refine.boundary import boundary
from rr_refine.component import call_hook, has_methods
from rr_refine.errors import ConfigError, CriticError
from rr_refine.plugins import require_protocol
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import Critic, CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.terms import SCORE_MAX, SCORE_MIN, Identity, Usage, dimensions_of

__all__ = [
    "CriticReward",
    "Reward",
    "RewardCritic",
    "Scale",
    "Scored",
    "critic_of",
    "is_reward",
    "reward_of",
    "score_picture",
]

PartT = TypeVar("PartT", bound="Reward | Critic")


def _rising(scale: tuple[float, float]) -> tuple[float, float]:
    if not scale[0] < scale[1]:
        raise ConfigError(f"critic.scale = {list(scale)!r} must rise: worst, then best")
    return scale


Scale: TypeAlias = Annotated[tuple[float, float], AfterValidator(_rising)]
"""The scores that are reward 0 and reward 1."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A number, and how it came about."""

    value: float
    """From 0 (bad) to 1 (as good as can be)."""
    text: str = ""
    """For the record; the number alone by default."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """By name, in [0, 1]: what the number was made of."""
    usage: Usage = field(default_factory=lambda: Usage(calls=1))
    guided: bool = False
    """Of a critic or of a part: see `Critique.guided`."""


@runtime_checkable
class Reward(Protocol):
    """Gives one number for a picture. Safe to call many times at once.

    `connect` and `aclose` are optional, see `rr_refine.component`. It comes in wherever a critic
    does (entry points `rr_refine.critics`, dotted paths, the API); the loop then sees it as a
    `RewardCritic`.
    """

    @property
    def identity(self) -> Identity:
        """All that the number depends on besides the request."""
        ...

    async def score(self, request: CritiqueRequest) -> float | Scored:
        """The reward, from 0 (bad) to 1 (as good as can be), alone or with what is known of it.

        Raises:
            CriticError: of the kind that fits; a failed judgement is never a number.
        """
        ...


def is_reward(part: object) -> TypeIs[Reward]:
    """Whether a part is a reward; its `identity`, which it may not know yet, is not asked."""
    return has_methods(part, "score")


def critic_of(name: object, part: object) -> Critic:
    """A critic as it is; a scalar reward as a `RewardCritic`.

    Args:
        name: what the part goes by in the message.

    Raises:
        ConfigError: it is neither.
    """
    require_protocol("critics", name, part, ("identity",))
    if is_reward(part) and not has_methods(part, "critique"):
        return RewardCritic(part)
    return cast("Critic", part)


async def score_picture(reward: Reward, request: CritiqueRequest) -> Scored:
    """What a reward says, in [0, 1].

    Raises:
        CriticError: it failed, in whatever way, or said something that is no such number.
    """
    what = f"the reward {type(reward).__name__}"
    with boundary(CriticError, what):
        given = cast("object", await reward.score(request))
    scored = given if isinstance(given, Scored) else None
    value = given if scored is None else cast("object", scored.value)
    if isinstance(value, bool) or not isinstance(value, float | int) or not 0 <= value <= 1:
        raise CriticError(f"{what} answered {value!r}, which is no number from 0 to 1")
    return Scored(float(value)) if scored is None else scored


class _StandIn(Generic[PartT]):
    """In front of a part: it is who that is, and is connected and closed with it."""

    def __init__(self, wrapped: PartT) -> None:
        self.wrapped: PartT = wrapped

    @property
    def identity(self) -> Identity:
        """That of the part."""
        return self.wrapped.identity

    async def connect(self) -> None:
        """Connect the part, if it has something to connect."""
        await call_hook(self.wrapped, "connect")

    async def aclose(self) -> None:
        """Close what the part holds, if it does."""
        await call_hook(self.wrapped, "aclose")


class RewardCritic(_StandIn[Reward]):
    """A reward in a critic's place: best-of-n, acceptance and benchmarks work with it.

    The number stands under text faithfulness, mapped to [1, 4], so that `Assessment.reward` is the
    reward; the other dimensions are N/A. There is no reason and no proposed prompt: of the
    rewriters, those remain that need none.

    Args:
        wrapped: gives the number.
    """

    notice: Final = "one number for the whole picture, shown as text faithfulness, without reasons"

    async def critique(self, request: CritiqueRequest) -> Assessment:
        """See `Critic.critique`."""
        scored = await score_picture(self.wrapped, request)
        dimensions = dimensions_of(request.task)
        score = SCORE_MIN + (SCORE_MAX - SCORE_MIN) * scored.value
        critique = Critique(
            task=request.task,
            scores=dict.fromkeys(dimensions) | {"text_faithfulness": score},
            rationales=dict.fromkeys(dimensions),
            parts=dict(scored.parts),
            raw=scored.text or f"reward: {scored.value!r}",
            guided=scored.guided,
        )
        return Assessment(critic=self.identity, critiques=(critique,), usage=scored.usage)


class CriticReward(_StandIn[Critic]):
    """A critic in a reward's place: the mean of the dimensions that apply, in [0, 1].

    With an `openai` critic, whose template is our rubric, any vision-language model behind an
    OpenAI-compatible endpoint is a reward; with a rubric and a scale of your own, see
    `rr_refine.reward.rubric`.

    Args:
        wrapped: judges.
    """

    async def score(self, request: CritiqueRequest) -> Scored:
        """See `Reward.score`."""
        assessment = await self.wrapped.critique(request)
        text = "\n\n".join(critique.raw for critique in assessment.critiques)
        guided = any(critique.guided for critique in assessment.critiques)
        return Scored(assessment.reward, text, usage=assessment.usage, guided=guided)


def reward_of(part: Reward | Critic) -> Reward:
    """The part itself where it is a reward; a critic as its mean."""
    return part if is_reward(part) else CriticReward(part)
