from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.agent.policy import Policy, preset
from rr_refine.agent.refine import arefine
from rr_refine.agent.replay import Replay, replay
from rr_refine.agent.review import Accept, Decision, Pick, Quit, ReviewRequest
from rr_refine.agent.run import Run, load_run
from rr_refine.errors import CriticUnreadable
from rr_refine.reward.comparison import Comparison
from tests.agent.builders import (
    CHALLENGER_WINS,
    INCUMBENT_WINS,
    SPLIT,
    CountingRewriter,
    Scores,
    ScriptedCritic,
    ScriptedGenerator,
    critique,
    t2i,
)

Plan = dict[tuple[int, int], Scores | None]
"""Scores by (round, seed); None where the critic's answer cannot be read."""

# A target of None and endless patience: the record goes on to its last round.
EVERYTHING: dict[str, JsonValue] = {"target": None, "patience": None}

# Two candidates a round. Round 1 has a clear win and a worse one, round 2 a near tie with it,
# round 3 a clear win at the price of text faithfulness.
PLAN: Plan = {
    (0, 0): t2i(2.0, 2.0),
    (0, 1): t2i(2.0, 1.9),
    (1, 0): t2i(3.0, 2.8),
    (1, 1): None,
    (2, 0): t2i(3.0, 2.9),
    (2, 1): t2i(2.9, 2.0),
    (3, 0): t2i(2.5, 4.0),
    (3, 1): t2i(1.0, 1.0),
}


async def record(
    out: Path,
    plan: Plan = PLAN,
    *,
    policy: Policy | None = None,
    comparison: Comparison = INCUMBENT_WINS,
) -> Run:
    return await arefine(
        "a cat",
        out=out,
        generator=ScriptedGenerator(),
        critic=ScriptedCritic(
            {
                key: CriticUnreadable("no critique", "raw") if scores is None else critique(scores)
                for key, scores in plan.items()
            },
            comparison,
        ),
        rewriters=[CountingRewriter()],
        policy=policy or preset("refine", candidates=2, budget={"rounds": 4}, **EVERYTHING),
    )


def rules(replayed: Replay | Run) -> dict[str, str]:
    return {c.id: c.verdict.rule for c in replayed.candidates if c.verdict is not None}


def best(replayed: Replay | Run) -> str | None:
    return replayed.incumbent.id if replayed.incumbent else None


RULES = {
    "r0c0": "first",
    "r0c1": "worse",
    "r1c0": "win",
    "r1c1": "failed",
    "r2c0": "tie",
    "r2c1": "worse",
    "r3c0": "guard",
    "r3c1": "guard",
}


async def test_the_same_policy_comes_to_the_same(tmp_path: Path) -> None:
    run = await record(tmp_path)
    assert rules(run) == RULES
    again = replay(run, run.policy)
    assert again.candidates == run.candidates
    assert again.incumbent == run.incumbent
    assert run.outcome is not None
    assert again.stop == run.outcome.stop
    assert again.unsettled == ()


async def test_a_run_read_from_disk_can_be_replayed(tmp_path: Path) -> None:
    run = load_run((await record(tmp_path)).path)
    assert replay(run, run.policy).candidates == run.candidates


@pytest.mark.parametrize(
    ("changes", "budget", "winner", "rounds", "stop"),
    [
        pytest.param({}, {}, "r1c0", 4, "max-rounds", id="as recorded"),
        pytest.param({"target": 2.8}, {}, "r1c0", 2, "target", id="a lower target"),
        pytest.param({"patience": 1}, {}, "r1c0", 3, "plateau", id="less patience"),
        pytest.param({"guard": []}, {}, "r3c0", 4, "max-rounds", id="no guard"),
        pytest.param({"margin": 3.0}, {}, "r0c0", 4, "max-rounds", id="a wide margin"),
        pytest.param({"margin": 0, "noise": 0}, {}, "r2c0", 4, "max-rounds", id="no margin"),
        pytest.param({}, {"rounds": 1}, "r0c0", 1, "max-rounds", id="one round"),
        pytest.param({}, {"images": 4}, "r1c0", 2, "budget", id="four images"),
        pytest.param(
            {},
            {"seconds": 1e-9, "tokens": 1, "critic_calls": 1},
            "r1c0",
            4,
            "max-rounds",
            id="what belongs to the machine does not count",
        ),
    ],
)
async def test_another_policy(
    tmp_path: Path,
    changes: dict[str, JsonValue],
    budget: dict[str, JsonValue],
    winner: str,
    rounds: int,
    stop: str,
) -> None:
    run = await record(tmp_path)
    policy = preset("refine", candidates=2, budget={"rounds": 4} | budget, **EVERYTHING | changes)
    again = replay(run, policy)
    assert best(again) == winner
    assert len(again.candidates) == 2 * rounds
    assert again.stop is not None
    assert again.stop.rule == stop
    assert best(run) == "r1c0"  # the record itself is left alone


async def test_paper_takes_the_first_candidate_of_two_rounds(tmp_path: Path) -> None:
    again = replay(await record(tmp_path), preset("paper"))
    assert rules(again) == {"r0c0": "first", "r1c0": "always"}
    assert again.stop is not None
    assert again.stop.rule == "max-rounds"


async def test_one_shot_is_the_first_image(tmp_path: Path) -> None:
    again = replay(await record(tmp_path), preset("one-shot"))
    assert [c.id for c in again.candidates] == ["r0c0"]
    assert best(again) == "r0c0"


async def test_a_policy_that_would_have_gone_on_does_not_stop(tmp_path: Path) -> None:
    again = replay(
        await record(tmp_path), preset("refine", candidates=2, budget={"rounds": 9}, **EVERYTHING)
    )
    assert again.stop is None
    assert best(again) == "r1c0"


async def test_an_image_budget_ends_within_a_round(tmp_path: Path) -> None:
    policy = preset("refine", candidates=2, budget={"rounds": 4, "images": 3}, **EVERYTHING)
    again = replay(await record(tmp_path / "whole"), policy)
    assert [c.id for c in again.candidates] == ["r0c0", "r0c1", "r1c0"]
    real = await record(tmp_path / "real", policy=policy)
    assert again.candidates == real.candidates
    assert real.outcome is not None
    assert again.stop == real.outcome.stop


@pytest.mark.parametrize(
    ("comparison", "winner"),
    [(CHALLENGER_WINS, "r2c0"), (INCUMBENT_WINS, "r1c0"), (SPLIT, "r1c0")],
)
async def test_recorded_comparisons_count(
    tmp_path: Path, comparison: Comparison, winner: str
) -> None:
    run = await record(tmp_path, comparison=comparison)
    assert best(run) == winner
    again = replay(run, run.policy)
    assert best(again) == winner
    assert again.unsettled == ()


async def test_a_near_tie_that_was_never_compared_is_said(tmp_path: Path) -> None:
    run = await record(tmp_path)
    wide = preset("refine", candidates=2, budget={"rounds": 4}, margin=3.0, **EVERYTHING)
    again = replay(run, wide)
    # Within so wide a margin every gain is a near tie; none of these pairs was compared.
    assert again.unsettled == ("r1c0", "r2c0", "r2c1", "r3c0")
    assert best(again) == "r0c0"
    verdict = again.candidates[2].verdict
    assert verdict is not None
    assert verdict.reason.endswith("the record holds no comparison")
    unasked = wide.model_copy(update={"pairwise": False})
    assert replay(run, unasked).unsettled == ()


async def test_a_failed_judgement_stays_one(tmp_path: Path) -> None:
    run = await record(
        tmp_path,
        {(0, 0): t2i(2.0, 2.0), (1, 0): None},
        policy=preset("refine", budget={"rounds": 2}),
    )
    assert run.outcome is not None
    assert run.outcome.stop.rule == "critic-failed"
    again = replay(run, preset("refine", budget={"rounds": 2}, margin=0.5))
    assert again.stop == run.outcome.stop
    assert best(again) == "r0c0"


# -- what a human picked -----------------------------------------------------------------------


async def reviewed(out: Path, *decisions: Decision) -> Run:
    answers = iter(decisions)

    async def reviewer(question: ReviewRequest) -> Decision:
        return next(answers)

    return await arefine(
        "a cat",
        out=out,
        generator=ScriptedGenerator(),
        critic=ScriptedCritic({(n, 0): critique(t2i(2.0, 2.0 + n / 2)) for n in range(5)}),
        rewriters=[CountingRewriter()],
        policy=preset("refine", review=True, budget={"rounds": 4}, **EVERYTHING),
        reviewer=reviewer,
    )


async def test_a_pick_is_the_result_on_disk_too(tmp_path: Path) -> None:
    run = await reviewed(tmp_path, Accept(), Pick(candidate="r0c0"), Quit())
    assert run.outcome is not None
    assert run.outcome.stop.rule == "user"
    assert best(run) == "r0c0"
    assert run.best == run.outcome.best == run.incumbent
    assert rules(run) == {"r0c0": "picked", "r1c0": "win"}
    assert run.result_path is not None
    assert run.incumbent is not None
    with Image.open(run.result_path) as result:
        assert result.tobytes() == run.image(run.incumbent).tobytes()


async def test_a_replay_knows_no_picks(tmp_path: Path) -> None:
    run = await reviewed(tmp_path, Accept(), Pick(candidate="r0c0"), Quit())
    assert best(replay(run, run.policy)) == "r1c0"
