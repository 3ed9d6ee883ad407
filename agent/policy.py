"""How a run behaves: rounds, candidates, acceptance, stopping. Presets are policies by name.

The presets share all code; they are the arms of every comparison (see docs/loop.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from rr_refine.agent.budget import MAX_COUNT, Budget
from rr_refine.errors import ConfigError
from rr_refine.invalid import told_invalid
from rr_refine.plugins import did_you_mean
from rr_refine.terms import Dimension, Given

__all__ = [
    "MAX_CANDIDATES",
    "MAX_PARTS",
    "PRESETS",
    "PartName",
    "Policy",
    "PresetName",
    "fixes",
    "preset",
]

PresetName = Literal[
    "refine",
    "rewrite-first",
    "paper",
    "one-shot",
    "best-of-n",
    "blind-rewrite",
    "blind-rewrite-best-of-n",
]

MAX_CANDIDATES: Final = 64
"""Most images in a round."""
MAX_PARTS: Final = 32
"""Most entries of a list."""
PartName = Annotated[str, Field(max_length=200)]


class Policy(Given):
    """Everything that decides how the loop goes, and nothing that renders or judges."""

    preset: PresetName = "refine"
    """The preset that the values below started from."""
    budget: Budget = Budget()
    """Upper limits; see `Budget`."""
    candidates: int = Field(default=1, ge=1, le=MAX_CANDIDATES)
    """Images per round: same prompt, different seeds."""
    seeds: Literal["same", "fresh", "on-repeat"] = "same"
    """`same`: round r starts from the seed of round 0, so that only the prompt changes;
    `fresh`: every round has seeds of its own;
    `on-repeat`: as `same`, but a rewriter may ask for an earlier prompt again if it has no new one,
    and that prompt then gets the next seeds: the words may be right, and the seed at fault."""
    rewrite_first: bool = False
    """Rewrite the prompt before the first render, without having seen a picture."""
    review: bool = False
    """Pause for a human decision on each new prompt."""

    target: float | None = Field(default=3.0, ge=1.0, le=4.0)
    """Stop when every applicable dimension of the incumbent reaches this score (1 to 4).
    3.0 is the trigger of the paper (section 3.2); None never stops early."""
    outside: Literal["one-picture", "go-on"] = "one-picture"
    """What to do with a request of which generator or critic understand nothing at all: make one
    picture, or go on as with any other. Whoever sets `candidates` or `budget.rounds` gets them: a
    preset with either changed goes on by default."""
    patience: int | None = Field(default=2, ge=1, le=MAX_COUNT)
    """Stop after this many rounds in a row without a new incumbent; None never does."""

    stop_rules: tuple[PartName, ...] = Field(default=(), max_length=MAX_PARTS)
    """Stopping rules of your own, asked in this order after the built-in ones: entry points of
    `rr_refine.stop_rules`, or dotted paths (`my_pkg.mod:MyRule`)."""

    acceptance: PartName = "better"
    """`better`: a challenger must win beyond margin and noise, and no guarded dimension may fall;
    `highest`: the highest mean is enough; `always`: the newest judged image is taken as it is.
    Or one of your own: an entry point of `rr_refine.acceptance`, or a dotted path."""
    margin: float = Field(default=0.1, ge=0.0, le=3.0)
    """By how much (score points, 1 to 4 scale) a challenger's mean must win beyond the noise."""
    noise: float = Field(default=0.1, ge=0.0, le=3.0)
    """Standard error of a score where the critic gave one sample only (score points).
    With two or more samples the measured spread is used instead. 0 takes all scores as they are."""
    guard: tuple[Dimension, ...] = Field(
        default=("text_faithfulness", "image_faithfulness", "text_rendering"), max_length=MAX_PARTS
    )
    """Dimensions that may not fall by more than the noise below the best accepted image's."""
    pairwise: bool = True
    """Settle near ties by a comparison in both orders, if the critic can compare."""

    evidence: bool = True
    """Whether what the run's evidence measures counts: it is told to the critic, caps scores, and
    guards words that were right."""
    route: Literal["auto", "rewrite", "reseed"] = "auto"
    """What follows a picture that is not good enough: another prompt, another seed of the same, or
    what the measured misses suggest; see `rr_refine.agent.routing`."""

    rewriters: tuple[PartName, ...] = Field(
        default=("critic", "companions", "rules"), max_length=MAX_PARTS
    )
    """Rewriters by name, tried in order until one gives a usable prompt. `companions` stands for
    those that generator and critic bring along: for the small models a planner, for most none."""
    render_timeout: float = Field(default=1800.0, gt=0)
    """Seconds after which a render counts as failed."""
    critique_timeout: float = Field(default=600.0, gt=0)
    """Seconds after which a judgement, a measurement or a rewrite counts as failed. Where many runs
    share a reader, they wait for it."""

    @field_validator("stop_rules", "guard", "rewriters", mode="before")
    @classmethod
    def _one_is_a_list(cls, given: object) -> object:
        return (given,) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.budget.rounds > 1 or self.rewrite_first) and not self.rewriters:
            raise ValueError("a prompt can only be rewritten with at least one rewriter")
        if self.acceptance == "always" and self.candidates > 1:
            raise ValueError(
                "acceptance 'always' takes each new image, so there can be only one candidate "
                "in a round"
            )
        return self


# What a preset fixes (its definition) and what it merely starts from (the rest of Policy).
PRESETS: Final[dict[PresetName, dict[str, Any]]] = {
    "refine": {},
    "rewrite-first": {"rewrite_first": True},
    "paper": {
        "budget": {"rounds": 2},
        "acceptance": "always",
        "target": 3.0,
        "seeds": "same",
        "candidates": 1,
        "rewriters": ("critic",),
        "patience": None,
        "evidence": False,
        "route": "rewrite",
        "outside": "go-on",
    },
    "one-shot": {"budget": {"rounds": 1}, "candidates": 1},
    "best-of-n": {
        "budget": {"rounds": 1},
        "candidates": 4,
        "acceptance": "highest",
    },
    "blind-rewrite": {
        "budget": {"rounds": 1},
        "candidates": 1,
        "rewrite_first": True,
        "rewriters": ("companions", "rules"),
    },
    "blind-rewrite-best-of-n": {
        "budget": {"rounds": 1},
        "candidates": 4,
        "rewrite_first": True,
        "rewriters": ("companions", "rules"),
        "acceptance": "highest",
    },
}

# Changing these would make a preset another method under the same name.
_SHAPE: Final = frozenset(
    {"budget.rounds", "rewrite_first", "acceptance", "patience", "seeds", "stop_rules"}
)
_WEIGHING: Final = frozenset({"margin", "noise", "guard", "pairwise"})  # only `better` looks at it
_FIXED: Final[dict[PresetName, frozenset[str]]] = {
    "refine": frozenset(),
    "rewrite-first": frozenset({"rewrite_first"}),
    "paper": _SHAPE
    | _WEIGHING
    | {"candidates", "rewriters", "target", "evidence", "route", "outside"},
    "one-shot": _SHAPE | _WEIGHING | {"candidates"},
    "best-of-n": _SHAPE | _WEIGHING,
    "blind-rewrite": _SHAPE | _WEIGHING | {"candidates"},
    "blind-rewrite-best-of-n": _SHAPE | _WEIGHING,
}


def fixes(name: str, key: str) -> bool:
    """Whether a preset is defined by a field, such as `budget.rounds`, so that it has one value."""
    return name in PRESETS and key in _FIXED[name]


def preset(name: str, /, **changes: Any) -> Policy:
    """A policy by name, with changes.

    Args:
        name: one of `PRESETS`.
        changes: fields of `Policy`; `budget` may be a dict and is merged with the preset's.

    Raises:
        ConfigError: unknown preset or field, a value out of range, or a change to what the
            preset is defined by (it would have no effect, or make it another method).
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}{did_you_mean(name, list(PRESETS))}")
    fixed = _FIXED[name] | {"preset"}
    values: dict[str, Any] = {"preset": name, **PRESETS[name]}
    budget: dict[str, Any] = dict(values.pop("budget", {}))
    asked = changes.pop("budget", None)
    asked = {} if asked is None else asked
    if isinstance(asked, Budget):
        asked = asked.model_dump(exclude_unset=True)
    if not isinstance(asked, Mapping):
        raise ConfigError(f"budget = {asked!r} is no table of limits")
    for key, value in [*changes.items(), *((f"budget.{k}", v) for k, v in asked.items())]:
        field = key.removeprefix("budget.")
        known, start = (
            (Budget.model_fields, budget)
            if key.startswith("budget.")
            else (Policy.model_fields, values)
        )
        if field not in known:
            raise ConfigError(f"unknown setting {key!r}{did_you_mean(field, list(known))}")
        default = start[field] if field in start else known[field].default
        given = tuple(value) if isinstance(value, list) else value
        if isinstance(default, tuple) and isinstance(value, str):
            given = (value,)
        if key in fixed and given != default:
            raise ConfigError(
                f"{key} = {value!r} has no place in the preset {name!r}, which fixes it; "
                "use preset 'refine' or leave it out"
            )
    if "candidates" in changes or "rounds" in asked:
        values.setdefault("outside", "go-on")
    try:
        return Policy.model_validate({**values, **changes, "budget": {**budget, **asked}})
    except ValidationError as error:
        told = told_invalid(error)
        its_own = told.startswith("budget.")  # and no matter of the preset
        raise ConfigError(told if its_own else f"preset {name!r}: {told}") from error
