"""Each model alone, with faults that are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rr_refine.benchmarks.engine import Models
from rr_refine.errors import CriticError
from rr_refine.generators.generator import RenderRequest
from rr_refine.sketch.bench.critic import evaluate_critic
from rr_refine.sketch.bench.generator import evaluate_generator
from rr_refine.sketch.bench.tables import critic_table, generator_table
from rr_refine.sketch.bench.tasks import edits, requests
from tests.benchmarks.world import Eye, Painter, Rates


def first_of(count: int) -> Callable[[RenderRequest], bool]:
    """Fails for the first `count` dense requests of the dev split."""
    prompts = {task.item.prompt for task in requests("dev", count, in_full=True)}
    return lambda request: request.prompt in prompts


async def test_a_generator() -> None:
    told: list[tuple[int, int]] = []
    result = await evaluate_generator(
        Painter(fails=first_of(2)), "dev", 12, on_picture=lambda *step: told.append(step)
    )
    assert result.dense.value == pytest.approx(10 / 12)
    assert result.dense.items == 12
    assert {name: e.items for name, e in result.dense_by_difficulty.items()} == dict.fromkeys(
        ("count", "relation", "attribute", "word"), 3
    )
    assert result.failures == {"GeneratorError": 2}
    assert result.dense_edits.exact.value == 1.0
    terse = result.terse_edits
    assert (terse.exact.value, terse.changed.value, terse.kept.value) == (0.0, 0.0, 1.0)
    assert told[-1] == (36, 36)
    page = generator_table(result)
    assert "| dense requests exact | 83.3 % [55.2, 95.3] | 12 |" in page
    assert "failed: 2 GeneratorError" in page


async def test_a_critic_that_sees() -> None:
    eye = Eye()
    steps: set[str] = set()
    result = await evaluate_critic(
        Models(Painter(), eye), "dev", 8, edit_limit=6, on_step=lambda what, *_: steps.add(what)
    )
    assert len(eye.requests) == 28
    assert result.edits
    measured = [result.readable, result.agreement, result.side_by_side, result.verdict]
    measured += [result.naming.f1, result.in_world, result.true]
    measured += [found for _, found in result.edits]
    assert all(found and found.value == 1.0 for found in measured)
    assert result.agreement
    assert result.agreement.items == 8, "the first of each two is spoilt"
    assert result.in_world
    assert result.in_world.items == 8
    assert result.edits.agreement
    assert result.edits.agreement.items == 6, "without being told to keep the rest, nothing is done"
    assert result.edits.true
    assert result.edits.true.items == 6
    assert result.naming.named == result.naming.missed == result.naming.right
    assert steps == {"pictures", "judgements", "comparisons"}
    page = critic_table(result)
    assert "| better picture found by scores | 100.0 %" in page
    assert "| … change made or not, as the oracle | 100.0 % [75.8, 100.0] | 12 |" in page


async def test_a_critic_that_sees_nothing() -> None:
    result = await evaluate_critic(Models(Painter(), Eye(blind=True)), "dev", 4)
    assert result.agreement
    assert result.agreement.value == 0.0, "equal scores find nothing"
    assert (result.naming.named, result.naming.recall, result.naming.f1.value) == (0, 0.0, 0.0)
    assert result.verdict.value == 0.5
    assert result.true is None
    assert "refined requests" not in critic_table(result)
    assert "edits" not in critic_table(result)


async def test_a_critic_that_calls_every_edit_done() -> None:
    """As a trained one once did, while no number said so."""
    result = await evaluate_critic(Models(Painter(), Eye(blind=True)), "dev", 1, edit_limit=6)
    assert result.edits
    assert result.edits.agreement
    assert (result.edits.agreement.value, result.edits.made.value) == (0.0, 0.5)
    assert result.edits.kept.value == 1.0, "what was not done has spoilt nothing"
    assert result.edits.true is None


async def test_what_cannot_be_judged_is_counted() -> None:
    first = requests("dev", 8)[0].item.seed
    painter = Painter(Rates(terse=1.0), fails=lambda request: request.seed == first)
    shut = iter([True])
    result = await evaluate_critic(
        Models(painter, Eye(fails=lambda _: next(shut, False))), "dev", 8
    )
    assert result.failures == {"CriticUnavailable": 1, "GeneratorError": 2}
    assert result.readable.items == 14, "what was not rendered is no fault of the critic"
    assert result.readable.value == pytest.approx(13 / 14)
    assert result.agreement is None, "all pictures are exact, so no pair differs"
    assert result.side_by_side is None


async def test_a_critic_that_never_answers() -> None:
    with pytest.raises(CriticError, match=r"none of 4 pictures.*'CriticUnavailable': 4"):
        await evaluate_critic(Models(Painter(), Eye(fails=lambda _: True)), "dev", 2)


async def test_a_generator_without_edits_is_asked_for_none() -> None:
    painter = Painter()
    painter.tasks = frozenset({"t2i"})
    result = await evaluate_critic(Models(painter, Eye()), "dev", 4, edit_limit=2)
    assert result.edits is None
    assert result.failures == {}
    assert len(painter.requests) == 8


async def test_edits_that_all_fail_cost_nothing_else() -> None:
    painter = Painter(fails=lambda request: request.source is not None)
    result = await evaluate_critic(Models(painter, Eye()), "dev", 4, edit_limit=2)
    assert result.edits is None
    assert result.failures == {"GeneratorError": 4}
    assert result.readable.items == 8


async def test_edits_that_cannot_be_judged_are_counted() -> None:
    source = edits("dev", 1)[0].source
    painter = Painter(fails=lambda request: request.source is not None and request.source == source)
    result = await evaluate_critic(Models(painter, Eye()), "dev", 1, edit_limit=2)
    assert result.edits
    assert result.edits.readable.items == 2
    assert result.failures == {"GeneratorError": 2}
