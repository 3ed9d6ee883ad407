from __future__ import annotations

import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from rr_refine.agent.budget import Budget, Spend, exhausted, left
from rr_refine.errors import CriticUnreadable
from rr_refine.terms import Usage
from tests.agent.whole import UnreliableCritic, policy, run


@pytest.mark.parametrize(
    ("budget", "spend", "reason"),
    [
        pytest.param({}, {"images": 10**9, "seconds": 1e9}, None, id="no limits"),
        pytest.param({"images": 4}, {"images": 3}, None, id="one image left"),
        pytest.param({"images": 4}, {"images": 4}, "4 of 4 images used", id="no image left"),
        pytest.param({"images": 4}, {"images": 6}, "6 of 4 images used", id="overrun"),
        pytest.param({"critic_calls": 2}, {"critic_calls": 1}, None, id="one call left"),
        pytest.param(
            {"critic_calls": 2}, {"critic_calls": 2}, "2 of 2 critic calls used", id="no call left"
        ),
        pytest.param(
            {"tokens": 100_000},
            {"prompt_tokens": 100_000, "completion_tokens": 23_456},
            "123,456 of 100,000 tokens used",
            id="tokens of both kinds, in digits",
        ),
        pytest.param(
            {"tokens": 10}, {"prompt_tokens": 9, "completion_tokens": 0}, None, id="a token left"
        ),
        pytest.param({"seconds": 60.0}, {"seconds": 59.999}, None, id="a moment left"),
        pytest.param(
            {"seconds": 60.0}, {"seconds": 60.1234}, "60.12 of 60.0 seconds used", id="no time left"
        ),
        pytest.param({"rounds": 1}, {"images": 9}, None, id="rounds are not its business"),
        pytest.param(
            {"images": 1, "tokens": 1},
            {"images": 1, "prompt_tokens": 1},
            "1 of 1 images used",
            id="the first of two",
        ),
    ],
)
def test_exhausted(budget: dict[str, float], spend: dict[str, float], reason: str | None) -> None:
    assert exhausted(Budget.model_validate(budget), Spend.model_validate(spend)) == reason


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [(None, 5, math.inf), (5, 0, 5), (5, 5, 0), (5, 7, 0), (2.5, 1.0, 1.5)],
)
def test_left(limit: float | None, used: float, expected: float) -> None:
    assert left(limit, used) == expected


@pytest.mark.parametrize(
    "limits",
    [
        {"rounds": 0},
        {"images": 0},
        {"critic_calls": -1},
        {"tokens": 0},
        {"seconds": 0},
        {"seconds": math.inf},
        {"seconds": math.nan},
        {"minutes": 3},
    ],
)
def test_a_limit_that_is_none_is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Budget.model_validate(limits)


def test_spends_add_up() -> None:
    one = Spend(images=1, critic_calls=2, prompt_tokens=3, completion_tokens=4, seconds=0.5)
    assert one + one == Spend(
        images=2, critic_calls=4, prompt_tokens=6, completion_tokens=8, seconds=1.0
    )
    assert one + Spend() == one
    assert one.tokens == 7


def test_a_rewriter_spends_tokens_but_no_critic_calls() -> None:
    usage = Usage(calls=3, prompt_tokens=20, completion_tokens=10)
    assert Spend.of_critic(usage) == Spend(critic_calls=3, prompt_tokens=20, completion_tokens=10)
    assert Spend.of_rewriter(usage) == Spend(prompt_tokens=20, completion_tokens=10)


async def test_a_failed_judgement_costs_what_the_server_told(tmp_path: Path) -> None:
    faults = [CriticUnreadable("no score", raw="?") for _ in range(4)]
    for fault in faults:
        fault.usage = Usage(calls=2, prompt_tokens=30, completion_tokens=5)
    made = await run(
        tmp_path / "run",
        critic=UnreliableCritic(faults),
        policy=policy(rounds=1, candidates=4, budget={"tokens": 70}),
    )
    assert made.outcome is not None
    spend = made.outcome.spend
    assert (spend.critic_calls, spend.tokens) == (4, 70)  # the third was not asked for
