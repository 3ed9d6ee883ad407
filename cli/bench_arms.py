"""What a benchmark's command compares, from its options and settings, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rr_refine.benchmarks.loader import BenchmarkLoader
from rr_refine.cli.bench_options import BenchOptions
from rr_refine.cli.settings import Settings

if TYPE_CHECKING:  # with langgraph, which the help can do without
    from rr_refine.agent.policy import Policy
    from rr_refine.benchmarks.arms import Arm, Models
    from rr_refine.benchmarks.results import Results
    from rr_refine.terms import Record

__all__ = ["Plan", "changes_of", "complete"]


class Plan:
    """Arms by name, side by side."""

    folder = "bench"
    """The folder of results is called after it and the benchmark."""
    offline = False
    """Nothing is rendered or judged by the critic: what the folder holds must do."""
    notes: Sequence[str] = ()
    """What was asked for and is left out, once the arms are made; in words for the user."""

    def arms(
        self, own: BenchmarkLoader, options: BenchOptions, settings: Settings, models: Models
    ) -> tuple[Arm, ...]:
        """The arms to run.

        Raises:
            ConfigError: one cannot be as it is asked for.
        """
        from rr_refine.benchmarks.arms import make_arms

        arms = make_arms(
            options.renders,
            names=options.arm or own.arms,
            blind=options.blind or own.blind,
            changes=changes_of(settings),
        )
        policies = [arm.policy for arm in arms]
        return tuple(complete(arm, settings, models, policies) for arm in arms)

    def show(self, results: Results, out: Path) -> tuple[Record, str]:
        """The results for programs and for people; files of them may be left in `out`."""
        from rr_refine.benchmarks.table import write_tables

        del out  # everything is there
        return results, write_tables(results)


def changes_of(settings: Settings) -> dict[str, object]:
    """What the settings change of the arm `refine`."""
    changes: dict[str, object] = dict(settings.section("loop"))
    if settings.values["rewriter.use"] is not None:
        changes["rewriters"] = list(settings.texts("rewriter.use"))
    return changes


def complete(arm: Arm, settings: Settings, models: Models, policies: Iterable[Policy]) -> Arm:
    """An arm with its rewriters, its intent check and its evidence.

    Args:
        policies: of all arms: an option has an effect if any of them has its rewriter.

    Raises:
        ConfigError: one is unknown, or does not take its options.
    """
    from rr_refine.cli.job import make_evidence, make_intent_check, make_rewriters

    pair = models.generator, arm.critic or models.critic
    return replace(
        arm,
        rewriters=make_rewriters(settings, arm.policy, *pair, *policies),
        intent_check=make_intent_check(settings, *pair),
        evidence=make_evidence(settings) if arm.policy.evidence else (),
    )
