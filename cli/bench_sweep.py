"""`rr-refine bench sweep NAME`: settings of the loop, varied one at a time, on a benchmark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter
from pydantic import JsonValue

from rr_refine.benchmarks.loader import BenchmarkLoader
from rr_refine.cli.bench import add_benchmarks, run_benchmark
from rr_refine.cli.bench_arms import Plan, changes_of, complete
from rr_refine.cli.bench_options import BenchOptions
from rr_refine.cli.layers import COMMAND_LINE, value_of
from rr_refine.cli.options import Flag
from rr_refine.cli.settings import Settings
from rr_refine.digest import digest
from rr_refine.errors import ConfigError
from rr_refine.plugins import did_you_mean
from rr_refine.redaction import is_secret

if TYPE_CHECKING:  # with langgraph, which the help can do without
    from rr_refine.benchmarks.arms import Arm, Models
    from rr_refine.benchmarks.results import Results
    from rr_refine.benchmarks.sweep import Factor
    from rr_refine.terms import Record

__all__ = ["sweep"]

_VARIED: Final = ("loop.", "budget.rounds", "rewriter.", "intent.", "critic.")
"""What may be varied: whoever renders is the same for all, so that pictures are shared."""
_LONGEST: Final = 80
"""Characters of an arm's name."""
_TEMPERATURE: Final = 0.7
"""Of several samples, where none is set: at 0 all are the same."""

sweep = App(
    name="sweep",
    help="Vary settings of the loop one at a time, and hold each value against the loop as it is.",
)


_VARY: Final = (
    "An ablation (threshold, rounds, seeds, samples, rewriters, never-worse), or a setting with "
    "its values: loop.margin=0,0.1,0.2. May be given more than once; all ablations by default."
)
_OFFLINE: Final = (
    "Render and judge nothing: what --out holds, of an earlier benchmark or sweep, must do. Values "
    "that would take more are left out, and named."
)
Variant = tuple[str, Mapping[str, JsonValue]]
"""A value as it is shown, and the settings that make it."""


@dataclass(slots=True)
class SweepPlan(Plan):
    """The loop as it is set, and variants of it."""

    vary: Sequence[str] | None
    offline: bool
    folder: str = "sweep"
    factors: list[Factor] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def arms(
        self, own: BenchmarkLoader, options: BenchOptions, settings: Settings, models: Models
    ) -> tuple[Arm, ...]:
        """See `Plan.arms`."""
        from rr_refine.benchmarks.arms import DEFAULT, make_arms
        from rr_refine.benchmarks.sweep import Factor, Setting
        from rr_refine.cli.bench_models import critic_of

        for option in ("arm", "blind"):
            if getattr(options, option) is not None:
                raise ConfigError(f"--{option} has no effect on a sweep, which varies {DEFAULT!r}")
        if own.closed():
            raise ConfigError(f"a sweep chooses among variants: {own.closed()}")

        def made(name: str, own: Settings, critic: bool) -> tuple[Arm, Settings]:
            budget = {"rounds": options.renders, "images": options.renders}
            changes = {"budget": budget | own.section("budget"), **changes_of(own)}
            if own.values.get("loop.review"):
                raise ConfigError(f"{name} has no place in a sweep: nobody is there to decide")
            (arm,) = make_arms(options.renders, names=[DEFAULT], changes=changes)
            asked = critic_of(options, own) if critic else None
            return replace(arm, name=name, critic=asked), own

        found: dict[str, tuple[Arm, Settings]] = {
            DEFAULT: made(DEFAULT, _without_budget(settings), critic=False)
        }
        base = found[DEFAULT]

        def varied(
            name: str, value: str, assigned: Mapping[str, JsonValue]
        ) -> tuple[Arm, Settings]:
            own = deepcopy(base[1])
            own.apply(assigned, COMMAND_LINE)
            own_critic = _parts(own, "critic.") != _parts(base[1], "critic.")
            return made(_arm_name(name, value), own, own_critic)

        for name, variants in _factors(self.vary, options, settings, models).items():
            try:
                arms = [(value, varied(name, value, assigned)) for value, assigned in variants]
            except ConfigError as error:
                keys = " and ".join(dict.fromkeys(key for _, one in variants for key in one))
                sets = "" if keys == name else f" sets {keys}, which cannot be"
                if self.vary is not None:
                    raise ConfigError(f"--vary {name}{sets}: {error}") from error
                self.notes.append(f"The ablation {name}{sets}, and is left out: {error}.")
                continue
            shown: list[Setting] = []
            for value, arm in arms:
                if twin := next((s for s in shown if _same(found[s.arm], arm)), None):
                    same = f"--vary {name}: {value} is the same as {twin.value}"
                    self.notes.append(f"{same}, and has no row of its own.")
                    continue
                known = base if _same(arm, base) else found.setdefault(arm[0].name, arm)
                if not _same(arm, known):
                    raise ConfigError(f"--vary {name}: two values would both be {value!r}")
                shown.append(Setting(value=value, arm=known[0].name))
            self.factors.append(Factor(name=name, settings=tuple(shown)))
        policies = [arm.policy for arm, _ in found.values()]
        return tuple(complete(arm, own, models, policies) for arm, own in found.values())

    def show(self, results: Results, out: Path) -> tuple[Record, str]:
        """See `Plan.show`; leaves the table and the plot of the sweep."""
        from rr_refine.benchmarks.report import write_json, write_text
        from rr_refine.benchmarks.sweep import read_sweep, write_sweep
        from rr_refine.benchmarks.sweep_plot import draw_sweep

        found = read_sweep(results, self.factors)
        table = write_sweep(found, results)
        write_json(out, "sweep.json", found)
        write_text(out, "sweep.md", table)
        write_text(out, "sweep.svg", draw_sweep(found))
        return found, table


def _make(name: str) -> Callable[..., int]:
    def command(
        *,
        own: BenchmarkLoader,
        vary: Annotated[list[str] | None, Parameter(negative=(), help=_VARY)] = None,
        offline: Annotated[Flag, Parameter(help=_OFFLINE)] = False,
        options: BenchOptions | None = None,
    ) -> int:
        options = options or BenchOptions()
        if own.model_test(options.limit) is not None:
            raise ConfigError("a sweep varies the loop: one model by itself is for rr-refine bench")
        return run_benchmark(name, own, options, SweepPlan(vary, offline))

    return command


def _without_budget(settings: Settings) -> Settings:
    """`--renders` says what every arm may spend; a file's budget is for runs by themselves."""
    own = deepcopy(settings)
    for key in [key for key in own.values if key.startswith("budget.")]:
        del own.values[key]
    return own


def _parts(settings: Settings, *sections: str) -> dict[str, JsonValue]:
    return {key: value for key, value in settings.values.items() if key.startswith(sections)}


def _same(one: tuple[Arm, Settings], other: tuple[Arm, Settings]) -> bool:
    """Whether two arms differ in nothing but their names."""

    def rest(settings: Settings) -> dict[str, JsonValue]:  # the policy names the rewriters
        return _parts(settings, "critic.", "rewriter.", "intent.") | {"rewriter.use": None}

    return one[0].policy == other[0].policy and rest(one[1]) == rest(other[1])


def _ablations(
    options: BenchOptions, settings: Settings, models: Models
) -> dict[str, list[Variant]]:
    """Those of the paper's loop, by name."""
    from rr_refine.component import shared_companions

    def values(key: str, *values: JsonValue) -> list[Variant]:
        return [(_shown(value), {key: value}) for value in values]

    rewriters: list[JsonValue] = ["critic", "rules"]
    if shared_companions(models.generator, models.critic).rewriters:
        rewriters.append("companions")
    if any(key.startswith("rewriter.llm.") for key in settings.values):
        rewriters.append("llm")
    hot = settings.section("critic").get("temperature") or _TEMPERATURE
    samples = {f"{n} at {hot:g}": {"critic.samples": n} for n in range(1, 6)}
    return {
        "threshold": values("loop.target", 2.0, 2.5, 3.0, 3.5, 4.0),
        "rounds": values("budget.rounds", *range(1, options.renders + 1)),
        "seeds": values("loop.seeds", "same", "fresh", "on-repeat"),
        "samples": [(n, {"critic.temperature": hot, **one}) for n, one in samples.items()],
        "rewriters": values("rewriter.use", *rewriters),
        "never-worse": values("loop.acceptance", "better", "highest", "always"),
    }


def _factors(
    vary: Sequence[str] | None, options: BenchOptions, settings: Settings, models: Models
) -> dict[str, list[Variant]]:
    """What is varied, by name.

    Raises:
        ConfigError: an unknown ablation, or a setting that is none of the loop's.
    """
    known = _ablations(options, settings, models)
    if vary is None:
        return known
    found: dict[str, list[Variant]] = {}
    for text in vary:
        key, equals, values = text.partition("=")
        if not equals and key not in known:
            raise ConfigError(
                f"--vary {text!r} is no ablation{did_you_mean(key, list(known))}; there are "
                f"{', '.join(known)}; or give a setting with its values: loop.margin=0,0.1,0.2"
            )
        if equals and is_secret(key, values):
            raise ConfigError(f"--vary {key} would write a secret into names and tables")
        if equals and key in known:
            raise ConfigError(
                f"--vary {text!r}: {key} has values of its own; give --vary {key}, or the setting "
                f"itself with yours: {[*known[key][0][1]][-1]}={values}"
            )
        if equals and not key.startswith(_VARIED):
            raise ConfigError(
                f"--vary {text!r} has no effect on a sweep; a sweep varies loop.*, budget.rounds, "
                "rewriter.*, intent.* and critic.*"
            )
        found.setdefault(key, []).extend(_given(key, values) if equals else known[key])
    return found


def _given(key: str, text: str) -> Iterator[Variant]:
    """`2,2.5,3`; or JSON, for values with commas: `["critic","rules"],"rules"`."""
    read = value_of(f"[{text}]")
    values = read if isinstance(read, list) else list(map(value_of, text.split(",")))
    if not values:
        raise ConfigError(f"--vary {key}= has no values")
    for value in values:
        yield _shown(value), {key: value}


def _shown(value: JsonValue) -> str:
    """As it is written in tables and in the arm's name."""
    if isinstance(value, list):
        return "+".join(map(_shown, value))
    return value if isinstance(value, str) else json.dumps(value)


def _arm_name(factor: str, value: str) -> str:
    """It is a folder's name, too."""
    name = re.sub(r"[^\w.+=-]", "_", f"{factor}={value}", flags=re.ASCII)
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}-{digest({'value': value})[:8]}"


add_benchmarks(sweep, _make)
