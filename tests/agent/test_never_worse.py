"""Invariant 1 of the design as a property: what the user gets is never worse than the first image.

Thousands of random runs are taken through the acceptance rule; and so are wrong rules, which the
property has to catch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import cast

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from rr_refine.agent.acceptance import NearTie, Weighed, weigh_round
from rr_refine.agent.history import Candidate, Verdict
from rr_refine.agent.policy import Policy, preset
from rr_refine.reward.comparison import Comparison
from rr_refine.terms import DIMENSIONS, Dimension, Task, dimensions_of
from tests.agent.builders import CHALLENGER_WINS, INCUMBENT_WINS, SPLIT, Scores, candidate, t2i

Settled = Mapping[tuple[str, str], Comparison | str]
Rule = Callable[
    [Sequence[Candidate], Sequence[Candidate], Candidate | None, Policy, Settled], Weighed | NearTie
]

_VALUES = (1.0, 2.0, 2.3, 2.6, 2.9, 4.0)


@dataclass(frozen=True)
class Run:
    """A random run: what each render came to, the policy, and how comparisons end."""

    rounds: tuple[tuple[Candidate, ...], ...]
    policy: Policy
    answers: tuple[Comparison | str, ...]


@dataclass(frozen=True)
class Step:
    """A candidate that was accepted, and what it was accepted over."""

    before: Candidate
    after: Candidate
    best: Mapping[Dimension, float]
    """The best value of each dimension among the images accepted so far."""


@st.composite
def candidates(draw: st.DrawFn, name: str, task: Task) -> Candidate:
    fate = draw(st.sampled_from(["own picture"] * 8 + ["twin", "no image", "not judged"]))
    if fate in ("no image", "not judged"):
        image = None if fate == "no image" else "pixels"
        return candidate(name, image=image, failure="CriticTimeout")
    number = draw(st.integers(0, len(_VALUES) * 7**3 - 1))
    scores: Scores = {}
    for dimension in dimensions_of(task):
        choices = _VALUES if dimension == "text_faithfulness" else (*_VALUES, None)
        number, digit = divmod(number, len(choices))
        scores[dimension] = choices[digit]
    error = draw(st.sampled_from([None, None, 0.0, 0.05, 0.3]))
    errors = {} if error is None else dict.fromkeys(scores, error)
    return candidate(name, scores, errors=errors, image=fate if fate == "twin" else "")


@st.composite
def runs(draw: st.DrawFn) -> Run:
    task: Task = draw(st.sampled_from(["t2i", "edit"]))
    width = draw(st.integers(1, 2))
    rounds = tuple(
        tuple(draw(candidates(f"r{number}c{index}", task)) for index in range(width))
        for number in range(draw(st.integers(1, 5)))
    )
    policy = preset(
        "refine",
        candidates=width,
        margin=draw(st.sampled_from([0.0, 0.1, 1.0])),
        noise=draw(st.sampled_from([0.0, 0.1, 0.4])),
        guard=draw(st.lists(st.sampled_from(DIMENSIONS), unique=True)),
        pairwise=draw(st.booleans()),
    )
    answer = st.sampled_from([CHALLENGER_WINS, CHALLENGER_WINS, INCUMBENT_WINS, SPLIT, "no"])
    answers = cast("list[Comparison | str]", draw(st.lists(answer, min_size=1, max_size=15)))
    return Run(rounds, policy, tuple(answers))


def play(run: Run, rule: Rule) -> list[Step]:
    """Take the run through the acceptance rule; gives the first image and every change after it.

    The books are kept here, apart from the code under test.
    """
    steps: list[Step] = []
    before: list[Candidate] = []
    incumbent: Candidate | None = None
    best: dict[Dimension, float] = {}
    asked = 0
    for challengers in run.rounds:
        settled: dict[tuple[str, str], Comparison | str] = {}
        while isinstance(
            result := rule(challengers, before, incumbent, run.policy, settled), NearTie
        ):
            settled[result.pair] = run.answers[asked % len(run.answers)]
            asked += 1
        for one in result.candidates:
            assert one.verdict is not None
            if one.verdict.accepted:
                steps.append(Step(incumbent or one, one, dict(best)))
                incumbent = one
                best = {d: max(s, best.get(d, s)) for d, s in one.applicable.items()} | {
                    d: s for d, s in best.items() if d not in one.applicable
                }
        assert result.incumbent == incumbent
        before += sorted(result.candidates, key=lambda c: c.index)
    return steps


def never_worse(run: Run, steps: list[Step]) -> bool:
    """Invariant 1 of the design."""
    for step in steps:
        before, after = step.before.mean, step.after.mean
        assert before is not None
        assert after is not None
        if after < before - 1e-6:
            return False
        for dimension in run.policy.guard:
            if dimension not in step.best:
                continue
            assumed = run.policy.noise
            pair = (step.before, step.after)
            errors = [c.errors.get(dimension, assumed) if assumed else 0.0 for c in pair]
            score = step.after.applicable.get(dimension)
            if score is None or score < step.best[dimension] - hypot(*errors) - 1e-6:
                return False
    if not steps:
        return all(c.mean is None for r in run.rounds for c in r)
    first = next(c for r in run.rounds for c in r if c.mean is not None)
    result, floor = steps[-1].after.mean, first.mean
    assert result is not None
    assert floor is not None
    return result >= floor - 1e-6


PROPERTY = settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PROPERTY
@given(runs())
def test_the_result_is_never_worse_than_the_first_image(run: Run) -> None:
    assert never_worse(run, play(run, weigh_round))


@settings(PROPERTY, max_examples=500)
@given(runs())
def test_where_nothing_is_na_best_of_n_takes_the_highest_mean(run: Run) -> None:
    policy = preset("best-of-n", candidates=8)
    challengers = [
        c.model_copy(update={"round": 0, "index": i, "image": str(i)})
        for i, c in enumerate(c for r in run.rounds for c in r)
        if c.mean is None or None not in (c.scores or {}).values()
    ]
    result = weigh_round(challengers, [], None, policy, {})
    assert isinstance(result, Weighed)
    means = [c.mean for c in challengers if c.mean is not None]
    if not means:
        assert result.incumbent is None
    else:
        assert result.incumbent is not None
        assert result.incumbent.mean == pytest.approx(max(means))


def takes_everything(
    challengers: Sequence[Candidate],
    before: Sequence[Candidate],
    incumbent: Candidate | None,
    policy: Policy,
    settled: Settled,
) -> Weighed:
    """A wrong rule: every judged image is taken."""
    done = []
    for one in challengers:
        if one.mean is not None:
            against = None if incumbent is None else incumbent.id
            verdict = Verdict(accepted=True, rule="win", reason="mutant", against=against)
            one = incumbent = one.model_copy(update={"verdict": verdict})
        else:
            refusal = Verdict(accepted=False, rule="failed", reason="mutant")
            one = one.model_copy(update={"verdict": refusal})
        done.append(one)
    return Weighed(tuple(done), incumbent)


def has_no_guard(
    challengers: Sequence[Candidate],
    before: Sequence[Candidate],
    incumbent: Candidate | None,
    policy: Policy,
    settled: Settled,
) -> Weighed | NearTie:
    """A wrong rule: the means alone decide."""
    policy = policy.model_copy(update={"guard": ()})
    return weigh_round(challengers, before, incumbent, policy, settled)


def forgets_the_line(
    challengers: Sequence[Candidate],
    before: Sequence[Candidate],
    incumbent: Candidate | None,
    policy: Policy,
    settled: Settled,
) -> Weighed | NearTie:
    """A wrong rule: guards hold against the last image only, so they can be passed step by step."""
    return weigh_round(challengers, [], incumbent, policy, settled)


# Text faithfulness falls twice by less than the noise, and by more than it in all.
DOWNHILL = Run(
    rounds=tuple(
        (candidate(f"r{number}c0", t2i(3.0 - number / 10, 1.0 + number)),) for number in range(3)
    ),
    policy=preset("refine", noise=0.1),
    answers=(CHALLENGER_WINS,),
)


def test_the_property_catches_a_rule_that_forgets_the_line() -> None:
    assert never_worse(DOWNHILL, play(DOWNHILL, weigh_round))
    assert not never_worse(DOWNHILL, play(DOWNHILL, forgets_the_line))


@pytest.mark.parametrize("mutant", [takes_everything, has_no_guard])
def test_the_property_catches_a_wrong_rule(mutant: Rule) -> None:
    try:
        find(
            runs(),
            lambda run: not never_worse(run, play(run, mutant)),
            settings=settings(
                PROPERTY,
                derandomize=True,
                database=None,
                max_examples=20_000,
                phases=[Phase.generate],
            ),
        )
    except NoSuchExample:
        pytest.fail("the property holds for a wrong rule, so it proves nothing")
