"""Several rewards as one: their weighted mean, as MultiReward of DiffusionNFT adds them up."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Self

from pydantic import ConfigDict, Field, JsonValue, SecretStr, model_validator

from rr_refine.batching import gather
from rr_refine.component import (
    Priced,
    call_hook,
    is_outside,
    most_sources,
    notice_of,
    prices_of,
    told_by,
    unknown_to,
)
from rr_refine.errors import ConfigError
from rr_refine.plugins import create as create_part
from rr_refine.plugins import factory
from rr_refine.request import Request
from rr_refine.reward.critic import Critic, CritiqueRequest, why_not
from rr_refine.reward.scalar import Reward, Scored, critic_of, is_reward, reward_of, score_picture
from rr_refine.terms import Given, Identity, Record, Usage

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["WeightedOptions", "WeightedPart", "WeightedReward", "create"]


class WeightedPart(Record):
    """One of the rewards. What stands beside these three fields are its own options."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    use: str = Field(min_length=1)
    """A reward or a critic, by name or dotted path; of a critic, the mean of its dimensions."""
    weight: float = Field(default=1.0, gt=0)
    """Weights are divided by their sum, so that the whole is from 0 to 1 as its parts are."""
    name: str | None = None
    """What it goes by in logs; its `use` by default. Two parts need two names."""

    @property
    def label(self) -> str:
        """What it goes by."""
        return self.name or self.use


class WeightedOptions(Given):
    """Of `weighted`."""

    rewards: tuple[WeightedPart, ...] = Field(min_length=1)
    """The parts."""
    api_key: SecretStr | None = None
    """Of the parts that name a `base_url`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        counts = Counter(part.label for part in self.rewards)
        label, count = counts.most_common(1)[0]
        if count > 1:
            raise ConfigError(
                f"critic.rewards has {count} parts called {label!r}: give each a `name`"
            )
        return self


class WeightedReward:
    """The weighted mean of its parts, which stay apart in `Scored.parts`.

    A failure of one part is a failure of the whole: it is never left out of the mean.

    Raises:
        ConfigError: a part cannot be made.
    """

    def __init__(self, options: WeightedOptions) -> None:
        total = sum(part.weight for part in options.rewards)
        self._parts: Final[dict[str, tuple[float, Reward | Critic]]] = {
            part.label: (part.weight / total, _make(part, options.api_key))
            for part in options.rewards
        }

    @property
    def identity(self) -> Identity:
        """Those of its parts, with their weights.

        Raises:
            ConfigError: one is not known yet; await `connect` first.
        """
        details: dict[str, JsonValue] = {
            name: {"weight": weight, **part.identity.model_dump(mode="json")}
            for name, (weight, part) in self._parts.items()
        }
        return Identity(kind="weighted", name=" + ".join(self._parts), details=details)

    @property
    def notices(self) -> tuple[str, ...]:
        """What the parts have to tell: see `rr_refine.component`."""
        told = [
            f"{name}: {text}"
            for name, (_, part) in self._parts.items()
            for text in (notice_of(part), *told_by(part))
            if text
        ]
        return tuple(told)

    @property
    def prices(self) -> tuple[Priced, ...]:
        """Those of the parts."""
        return tuple(one for _, part in self._parts.values() for one in prices_of(part))

    def unknown(self, request: Request) -> tuple[str, ...]:
        """The words of a request that no part understands; see `rr_refine.component`."""
        first, *others = (unknown_to(part, request) for _, part in self._parts.values())
        return tuple(word for word in first if all(word in words for words in others))

    def is_outside(self, request: Request, source: Image.Image | None) -> bool:
        """Whether no part understands anything of a request; see `rr_refine.component`."""
        return all(is_outside(part, request, source) for _, part in self._parts.values())

    @property
    def most_sources(self) -> int | None:
        """That of the part which takes the most: it judges what the others do not see."""
        each = [most_sources(part) for _, part in self._parts.values()]
        return None if None in each else max(most for most in each if most is not None)

    async def cannot(self, request: CritiqueRequest) -> str | None:
        """See `KnowsLimits`: what one part cannot judge fails as a whole."""
        for name, (_, part) in self._parts.items():
            if why := await why_not(part, request):
                return f"{name}: {why}"
        return None

    async def connect(self) -> None:
        """Connect the parts that have something to connect."""
        for _, part in self._parts.values():
            await call_hook(part, "connect")

    async def aclose(self) -> None:
        """Close the parts."""
        async with AsyncExitStack() as stack:
            for _, part in self._parts.values():
                stack.push_async_callback(call_hook, part, "aclose")

    async def score(self, request: CritiqueRequest) -> Scored:
        """See `Reward.score`.

        Raises:
            CriticError: of the part that failed.
        """
        scores = await gather(
            *(score_picture(reward_of(part), request) for _, part in self._parts.values())
        )
        found = dict(zip(self._parts, scores, strict=True))
        value = sum(self._parts[name][0] * scored.value for name, scored in found.items())
        lines = [
            f"{name}: {scored.value:.6g} x {self._parts[name][0]:.3g}\n{scored.text}".rstrip()
            for name, scored in found.items()
        ]
        return Scored(
            min(1.0, value),  # rounding of the weights
            "\n\n".join([f"reward: {value:.6g}", *lines]),
            {name: scored.value for name, scored in found.items()},
            sum((scored.usage for scored in scores), Usage()),
            guided=any(scored.guided for scored in scores),
        )


def _make(part: WeightedPart, key: SecretStr | None) -> Reward | Critic:
    options: dict[str, JsonValue] = dict(part.model_extra or {})
    if key is not None and "base_url" in options:
        options.setdefault("api_key", key.get_secret_value())
    made = create_part("critics", part.use, options)
    return made if is_reward(made) else critic_of(part.use, made)


create = factory(WeightedReward, WeightedOptions, "critic")
