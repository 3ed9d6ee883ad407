"""The arms of a comparison: presets of the loop, each given as many renders as the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from pydantic import JsonValue

from rr_refine.agent.components import make_chain
from rr_refine.agent.intent import IntentCheck
from rr_refine.agent.policy import Policy, PresetName, preset
from rr_refine.agent.rewriting.rewriter import Rewriter
from rr_refine.errors import ConfigError
from rr_refine.generators.generator import Generator
from rr_refine.plugins import did_you_mean
from rr_refine.reward.critic import Critic
from rr_refine.reward.evidence.evidence import Evidence

__all__ = [
    "ARMS",
    "BASELINES",
    "DEFAULT",
    "Arm",
    "Models",
    "baselines_of",
    "make_arms",
    "read_policy",
]

ARMS: Final[tuple[PresetName, ...]] = (
    "one-shot",
    "best-of-n",
    "blind-rewrite",
    "blind-rewrite-best-of-n",
    "paper",
    "rewrite-first",
    "refine",
)
"""In the order of reports. One-shot and blind-rewrite render once, paper at most twice."""
assert set(ARMS) == set(get_args(PresetName))

BASELINES: Final[tuple[PresetName, ...]] = ("one-shot", "best-of-n", "blind-rewrite-best-of-n")
"""What the others are held against: a single try; as many tries; as many tries with a better prompt
that was written without seeing a picture."""
DEFAULT: Final[PresetName] = "refine"
"""The loop as it is set: what its own variants are held against."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to come to a picture."""

    name: str
    policy: Policy
    rewriters: tuple[Rewriter, ...] = ()
    """Made with options of their own; by default those that the policy names."""
    intent_check: IntentCheck | None = None
    """By default the one that generator and critic bring along."""
    evidence: tuple[Evidence, ...] = ()
    critic: Critic | None = None
    """In place of the one that all arms share."""

    def chain(self, generator: Generator, critic: Critic) -> tuple[Rewriter, ...]:
        """The rewriters, with those that generator and critic bring along."""
        return self.rewriters or make_chain(self.policy.rewriters, generator, critic)

    def record(self, chain: Sequence[Rewriter]) -> dict[str, JsonValue]:
        """What makes the arm what it is; evidence only where it has some.

        Args:
            chain: see `chain`.
        """
        makers: dict[str, Sequence[Rewriter | Evidence]] = {"rewriters": chain}
        if self.evidence:
            makers["evidence"] = self.evidence
        own = self.critic.identity.model_dump(mode="json") if self.critic else None
        return {
            "policy": self.policy.model_dump(mode="json"),
            **{
                name: [part.identity.model_dump(mode="json") for part in parts]
                for name, parts in makers.items()
            },
            **({"critic": own} if own else {}),
        }


@dataclass(frozen=True, slots=True)
class Models:
    """What renders and judges, the same for all arms."""

    generator: Generator
    critic: Critic
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    """For every render: `guidance_scale`, …"""


def baselines_of(arms: Collection[str]) -> list[str]:
    """Those of these arms that the others are held against: `BASELINES`, and where there is none of
    them, the loop as it is set.
    """
    return [name for name in BASELINES if name in arms] or [n for n in (DEFAULT,) if n in arms]


def read_policy(recorded: Mapping[str, JsonValue]) -> Policy:
    """The policy of an arm, as it was recorded; what older versions did not know is as it was."""
    return Policy.model_validate({"outside": "go-on", **recorded})


def make_arms(
    renders: int,
    *,
    names: Sequence[str] = ARMS,
    blind: str = "rules",
    changes: Mapping[str, Any] | None = None,
) -> tuple[Arm, ...]:
    """The arms at `renders` renders.

    Args:
        renders: pictures per item that no arm may exceed; best-of-n always makes so many, refine
            and rewrite-first may stop earlier.
        names: which arms, in the order of `ARMS` whatever theirs.
        blind: the rewriter of the blind arms, by name or dotted path: the best that can be done
            for the benchmark's requests without seeing a picture.
        changes: fields of `Policy` for the arm `refine` alone, to compare variants of it. Choose
            among them on other items than those that are reported.

    Raises:
        ConfigError: an unknown arm, or a change that cannot be.
    """
    if renders < 1:
        raise ConfigError(f"renders = {renders} leaves nothing to compare; give at least 1")
    for name in names:
        if name not in ARMS:
            raise ConfigError(
                f"unknown arm {name!r}{did_you_mean(name, list(ARMS))}; there are {', '.join(ARMS)}"
            )
    if changes and "refine" not in names:
        raise ConfigError(f"{sorted(changes)[0]} has no effect without the arm 'refine'")
    budget = {"rounds": renders, "images": renders}
    special: dict[str, dict[str, Any]] = {
        "best-of-n": {"candidates": renders},
        "blind-rewrite": {"rewriters": (blind,)},
        "blind-rewrite-best-of-n": {"rewriters": (blind,), "candidates": renders},
        "rewrite-first": {"budget": budget},
        "refine": {"budget": budget, **(changes or {})},
    }
    return tuple(
        Arm(name, preset(name, outside="go-on", **special.get(name, {})))
        for name in ARMS
        if name in names
    )
