"""What the sketch models can do by themselves, as markdown tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rr_refine.benchmarks.table import percent, rows
from rr_refine.plain_text import markdown_line
from rr_refine.statistics import Estimate

if TYPE_CHECKING:
    from rr_refine.sketch.bench.critic import CriticResult, EditJudgements
    from rr_refine.sketch.bench.generator import EditResult, GeneratorResult

__all__ = ["critic_table", "generator_table"]


def generator_table(result: GeneratorResult) -> str:
    """Dense requests, and edits in both registers."""
    measured = {
        "dense requests exact": result.dense,
        **{f"… {name}": found for name, found in result.dense_by_difficulty.items()},
        **_edits("dense", result.dense_edits),
        **_edits("terse", result.terse_edits),
    }
    head = f"sketch {result.split}: generator {result.generator.name}"
    return _page(head, measured, result.failures)


def critic_table(result: CriticResult) -> str:
    """Everything that is measured of a critic."""
    naming = result.naming
    measured = {
        "pictures with a judgement": result.readable,
        "better picture found by scores": result.agreement,
        "better picture found side by side": result.side_by_side,
        "missed requirements named, F1": naming.f1,
        "complete or not, as the oracle": result.verdict,
        "refined requests in the world": result.in_world,
        "refined requests true to the request": result.true,
        **({} if result.edits is None else _of_edits(result.edits)),
    }
    head = (
        f"sketch {result.split}: critic {result.critic.name}, pictures by {result.generator.name}; "
        f"misses named with precision {naming.precision:.3f}, recall {naming.recall:.3f} "
        f"({naming.right} right of {naming.named} named and {naming.missed} there)"
    )
    return _page(head, measured, result.failures)


def _of_edits(result: EditJudgements) -> dict[str, Estimate | None]:
    return {
        "edits: pictures with a judgement": result.readable,
        "… better picture found by scores": result.agreement,
        "… better picture found side by side": result.side_by_side,
        "… change made or not, as the oracle": result.made,
        "… all else kept or not, as the oracle": result.kept,
        "… refined requests true to the request": result.true,
    }


def _edits(register: str, result: EditResult) -> dict[str, Estimate]:
    return {
        f"{register} edits made, all else kept": result.exact,
        f"… {register}, made": result.changed,
        f"… {register}, all else kept": result.kept,
        **{f"… {register}, {name}": found for name, found in result.exact_by_action.items()},
    }


def _page(head: str, measured: Mapping[str, Estimate | None], failures: dict[str, int]) -> str:
    table = rows(
        [
            ["measure", "share", "of"],
            *([name, percent(e), str(e.items)] for name, e in measured.items() if e),
        ]
    )
    failed = ", ".join(f"{count} {error}" for error, count in failures.items())
    return (
        "\n\n".join([head, table, *([markdown_line(f"failed: {failed}")] if failed else [])]) + "\n"
    )
