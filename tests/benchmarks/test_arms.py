from __future__ import annotations

from typing import Any

import pytest

from rr_refine.benchmarks.arms import ARMS, make_arms
from rr_refine.errors import ConfigError


@pytest.mark.parametrize("renders", [1, 3, 4])
def test_no_arm_may_render_more(renders: int) -> None:
    arms = {arm.name: arm.policy for arm in make_arms(renders, blind="blind")}
    assert tuple(arms) == ARMS
    most = {name: policy.budget.rounds * policy.candidates for name, policy in arms.items()}
    assert most == {
        "one-shot": 1,
        "best-of-n": renders,
        "blind-rewrite": 1,
        "blind-rewrite-best-of-n": renders,
        "paper": 2,  # its definition
        "rewrite-first": renders,
        "refine": renders,
    }
    assert {name for name, policy in arms.items() if policy.rewriters == ("blind",)} == {
        "blind-rewrite",
        "blind-rewrite-best-of-n",
    }


def test_changes_are_for_refine_alone() -> None:
    changed = make_arms(4, changes={"seeds": "fresh", "candidates": 2})
    plain = make_arms(4)
    assert [a.name for a, b in zip(plain, changed, strict=True) if a != b] == ["refine"]
    assert changed[-1].policy.seeds == "fresh"
    assert changed[-1].policy.budget.images == 4


def test_arms_keep_their_order() -> None:
    assert [arm.name for arm in make_arms(4, names=["refine", "one-shot"])] == [
        "one-shot",
        "refine",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"renders": 0}, "renders = 0"),
        ({"names": ["refin"]}, "unknown arm 'refin' .did you mean 'refine'"),
        ({"changes": {"seedz": "same"}}, "unknown setting 'seedz'"),
        ({"changes": {"margin": 1.0}, "names": ["one-shot"]}, "margin has no effect"),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_arms(**{"renders": 4} | options)
