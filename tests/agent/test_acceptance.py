from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from rr_refine.agent.acceptance import NearTie, Weighed, floor_of, weigh, weigh_round
from rr_refine.agent.history import Candidate, VerdictRule
from rr_refine.agent.nodes.critique import standard_errors
from rr_refine.agent.policy import Policy, preset
from rr_refine.reward.comparison import Comparison
from rr_refine.terms import Dimension
from tests.agent.builders import (
    CHALLENGER_WINS,
    INCUMBENT_WINS,
    SPLIT,
    Scores,
    assessment,
    candidate,
    comparison,
    critique,
    edit,
    t2i,
)

REFINE = preset("refine")
EXACT = preset("refine", margin=0.0, noise=0.0)
ALWAYS = preset("refine", acceptance="always")
Errors = dict[Dimension, float]


@dataclass(frozen=True)
class Case:
    """The incumbent's scores (None: there is none), the challenger's, and what comes of it."""

    before: Scores | None
    after: Scores
    rule: VerdictRule
    policy: Policy = REFINE
    errors: Errors | None = None
    """Measured standard errors of both."""
    floor: Mapping[Dimension, float] | None = None
    says: str = ""
    """Words of the reason."""


# Margin 0.1; noise 0.1 per score. With two scores each, the noise of the gain is
# sqrt(2 * 2 * 0.1**2 / 2**2) = 0.1, so a win takes more than 0.2; the noise of one dimension is
# sqrt(2) * 0.1 = 0.141.
CASES: dict[str, Case] = {
    "the first judged image has nothing to beat": Case(
        None, t2i(1.0, 1.0), "first", says="the first judged image"
    ),
    "a clear win": Case(t2i(2.0, 3.0), t2i(3.0, 3.5), "win", says="mean 2.50 -> 3.25, more than"),
    "a gain within margin and noise is a near tie": Case(
        t2i(3.0, 3.0), t2i(3.1, 3.1), "tie", says="within the 0.20 needed"
    ),
    "equal scores are a near tie": Case(t2i(3.0, 3.0), t2i(3.0, 3.0), "tie"),
    "a lower mean is worse": Case(t2i(3.0, 3.0), t2i(3.0, 2.9), "worse", says="mean 3.00 -> 2.95"),
    "exactly margin plus noise is not yet a win": Case(t2i(3.0, 3.0), t2i(3.2, 3.2), "tie"),
    "a hair more than margin plus noise is a win": Case(t2i(3.0, 3.0), t2i(3.2, 3.21), "win"),
    "without margin and noise any gain wins": Case(t2i(3.0, 3.0), t2i(3.0, 3.01), "win", EXACT),
    "without margin and noise equal means tie": Case(t2i(3.0, 3.0), t2i(3.0, 3.0), "tie", EXACT),
    "a difference by rounding is none": Case(
        t2i(0.1 + 0.2 + 2.7, 3.0), t2i(3.0, 3.0), "tie", EXACT
    ),
    # -- guards
    "an edit that ruins the picture is refused though its mean rises": Case(
        edit(1.0, 4.0, 3.0),
        edit(4.0, 3.0, 4.0),
        "guard",
        says="image faithfulness fell from 4.00 to 3.00",
    ),
    "a guarded dimension may fall within the noise": Case(
        edit(1.0, 4.0, 3.0), edit(4.0, 3.9, 4.0), "win"
    ),
    "a guarded dimension may fall by exactly the noise": Case(
        t2i(3.0, 2.0), t2i(2.5, 4.0), "win", preset("refine", noise=0.5 / 2**0.5)
    ),
    "a guarded dimension may not fall by a hair more": Case(
        t2i(3.0, 2.0), t2i(2.49, 4.0), "guard", preset("refine", noise=0.5 / 2**0.5)
    ),
    "quality is not guarded": Case(t2i(1.0, 4.0), t2i(4.0, 3.0), "win"),
    "a guard of one's own": Case(
        t2i(1.0, 4.0), t2i(4.0, 3.0), "guard", preset("refine", guard=("physical_quality",))
    ),
    "no guard at all": Case(
        edit(1.0, 4.0, 3.0), edit(4.0, 3.0, 4.0), "win", preset("refine", guard=())
    ),
    "a guard holds against the best accepted image, not the last": Case(
        t2i(3.0, 2.0),
        t2i(2.9, 4.0),
        "guard",
        floor={"text_faithfulness": 3.1},
        says="text faithfulness fell from 3.10 to 2.90",
    ),
    "a floor below the incumbent changes nothing": Case(
        t2i(3.0, 2.0), t2i(3.0, 4.0), "win", floor={"text_faithfulness": 1.0}
    ),
    # -- text rendering that is sometimes N/A
    "N/A on both sides counts nowhere": Case(t2i(3.0, 3.0, None), t2i(3.5, 3.5, None), "win"),
    "lettering that was scored may not become N/A": Case(
        t2i(2.0, 2.0, 2.0), t2i(4.0, 4.0, None), "guard", says="text rendering was 2.00 and is now"
    ),
    "lettering newly scored may lift the mean, but not hide a loss": Case(
        t2i(3.0, 3.0, None), t2i(3.0, 2.9, 4.0), "worse"
    ),
    "lettering newly scored may lower the mean, which is a loss": Case(
        t2i(3.0, 3.0, None), t2i(3.1, 3.1, 1.0), "worse"
    ),
    "lettering newly scored, and better like for like and overall": Case(
        t2i(3.0, 3.0, None), t2i(3.5, 3.5, 3.5), "win"
    ),
    "without a guard on it, a lost N/A may not hide a loss": Case(
        t2i(3.0, 3.0, 1.0), t2i(2.9, 3.0, None), "worse", preset("refine", guard=())
    ),
    "no dimension in common, mean higher": Case(
        t2i(2.0, 2.0) | {"text_faithfulness": None},
        t2i(4.0, 2.0) | {"physical_quality": None},
        "tie",
        preset("refine", guard=()),
    ),
    "no dimension in common, mean lower": Case(
        t2i(2.0, 4.0) | {"text_faithfulness": None},
        t2i(2.0, 2.0) | {"physical_quality": None},
        "worse",
        preset("refine", guard=()),
    ),
    # -- noise
    "a small measured spread makes a small gain a win": Case(
        t2i(3.0, 3.0),
        t2i(3.1, 3.15),
        "win",
        errors={"text_faithfulness": 0.01, "physical_quality": 0.01},
    ),
    "a large measured spread makes a large gain a near tie": Case(
        t2i(3.0, 3.0),
        t2i(3.5, 3.5),
        "tie",
        errors={"text_faithfulness": 0.6, "physical_quality": 0.6},
        says="within the 0.70 needed",
    ),
    "noise is assumed where none was measured": Case(
        t2i(3.0, 3.0), t2i(3.15, 3.15), "tie", errors={"text_faithfulness": 0.0}
    ),
    "noise 0 takes the scores as they are, measured or not": Case(
        t2i(3.0, 3.0), t2i(3.0, 3.01), "win", EXACT, errors={"text_faithfulness": 0.6}
    ),
    # -- the policy that takes everything
    "always: a worse image is taken": Case(t2i(4.0, 4.0), t2i(1.0, 1.0), "always", ALWAYS),
    "always: guards do not hold": Case(edit(4.0, 4.0, 4.0), edit(4.0, 1.0, 4.0), "always", ALWAYS),
    "always: the first is the first": Case(None, t2i(1.0, 1.0), "first", ALWAYS),
}


@pytest.mark.parametrize("name", CASES)
def test_verdicts_by_scores(name: str) -> None:
    case = CASES[name]
    challenger = candidate("r1c0", case.after, errors=case.errors)
    incumbent = case.before and candidate("r0c0", case.before, errors=case.errors)
    verdict = weigh(challenger, incumbent or None, case.floor or {}, case.policy)
    assert verdict.rule == case.rule
    assert verdict.accepted is (case.rule in ("first", "win", "always"))
    assert verdict.against == ("r0c0" if case.before else None)
    assert case.says in verdict.reason
    assert verdict.reason


@pytest.mark.parametrize("policy", [REFINE, ALWAYS], ids=["better", "always"])
class TestWhateverThePolicy:
    def test_an_image_that_could_not_be_judged_is_refused(self, policy: Policy) -> None:
        verdict = weigh(
            candidate("r1c0", failure="CriticUnreadable"),
            candidate("r0c0", t2i(1, 1)),
            {},
            policy,
        )
        assert (verdict.accepted, verdict.rule) == (False, "failed")
        assert verdict.reason == "critic unreadable: it broke"

    def test_a_failed_render_is_refused_even_as_the_first(self, policy: Policy) -> None:
        failed = candidate("r0c0", image=None, failure="OutOfMemoryError")
        verdict = weigh(failed, None, {}, policy)
        assert (verdict.accepted, verdict.rule) == (False, "failed")
        assert verdict.against is None

    def test_without_a_score_or_a_reason_it_is_refused_too(self, policy: Policy) -> None:
        verdict = weigh(candidate("r1c0"), candidate("r0c0", t2i(1, 1)), {}, policy)
        assert (verdict.accepted, verdict.rule) == (False, "failed")

    def test_an_incumbent_that_was_never_judged_is_replaced_by_any_that_was(
        self, policy: Policy
    ) -> None:
        picked = candidate("r0c0", failure="CriticTimeout", verdict="picked")
        verdict = weigh(candidate("r1c0", t2i(1.0, 1.0)), picked, {}, policy)
        assert (verdict.accepted, verdict.rule) == (True, "first")

    def test_the_same_picture_is_refused_whatever_its_scores(self, policy: Policy) -> None:
        incumbent = candidate("r0c0", t2i(1.0, 1.0), image="picture")
        verdict = weigh(candidate("r1c0", t2i(4.0, 4.0), image="picture"), incumbent, {}, policy)
        assert (verdict.accepted, verdict.rule) == (False, "same")


# -- a round -----------------------------------------------------------------------------------


def weighed(
    challengers: list[Candidate],
    before: list[Candidate] | None = None,
    incumbent: Candidate | None = None,
    policy: Policy = REFINE,
    settled: Mapping[tuple[str, str], Comparison | str] | None = None,
) -> Weighed:
    result = weigh_round(challengers, before or [], incumbent, policy, settled or {})
    assert isinstance(result, Weighed)
    return result


def ids(candidates: tuple[Candidate, ...]) -> list[str]:
    return [c.id for c in candidates]


@pytest.mark.parametrize(
    ("answer", "accepted", "rule", "says"),
    [
        pytest.param(
            CHALLENGER_WINS, True, "pairwise", "preferred side by side in both orders", id="both"
        ),
        pytest.param(INCUMBENT_WINS, False, "tie", "the incumbent is preferred", id="incumbent"),
        pytest.param(SPLIT, False, "tie", "no winner in both orders", id="first place always"),
        pytest.param(comparison("b", "b"), False, "tie", "no winner", id="second place always"),
        pytest.param(comparison("tie", "tie"), False, "tie", "no winner", id="tie in both"),
        pytest.param(comparison("b", "tie"), False, "tie", "no winner", id="one and a tie"),
        pytest.param("the critic cannot compare", False, "tie", "cannot compare", id="none"),
    ],
)
def test_a_near_tie_is_settled_side_by_side(
    answer: Comparison | str, accepted: bool, rule: str, says: str
) -> None:
    first = candidate("r0c0", t2i(3.0, 3.0), verdict="first")
    near = candidate("r1c0", t2i(3.1, 3.1))
    question = weigh_round([near], [first], first, REFINE, {})
    assert isinstance(question, NearTie)
    assert (question.incumbent, question.challenger) == (first, near)
    assert question.pair == ("r0c0", "r1c0")

    result = weighed([near], [first], first, settled={question.pair: answer})
    verdict = result.candidates[0].verdict
    assert verdict is not None
    assert (verdict.accepted, verdict.rule) == (accepted, rule)
    assert says in verdict.reason
    assert "mean 3.00 -> 3.10" in verdict.reason
    assert result.incumbent is not None
    assert result.incumbent.id == ("r1c0" if accepted else "r0c0")


def test_without_pairwise_a_near_tie_leaves_the_incumbent_unasked() -> None:
    first = candidate("r0c0", t2i(3.0, 3.0), verdict="first")
    policy = preset("refine", pairwise=False)
    result = weighed([candidate("r1c0", t2i(3.1, 3.1))], [first], first, policy)
    assert result.incumbent == first


@pytest.mark.parametrize(
    "scores",
    [
        pytest.param(t2i(2.0, 2.0), id="worse"),
        pytest.param(t2i(4.0, 4.0), id="a win"),
        pytest.param(t2i(1.0, 4.0), id="guarded"),
    ],
)
def test_only_a_near_tie_is_asked_about(scores: Scores) -> None:
    first = candidate("r0c0", t2i(2.5, 2.5), verdict="first")
    weighed([candidate("r1c0", scores)], [first], first)


def test_the_first_try_goes_first_then_the_best() -> None:
    round_0 = [
        candidate("r0c0", t2i(2.0, 2.0)),
        candidate("r0c1", t2i(3.0, 3.0)),
        candidate("r0c2", t2i(4.0, 4.0)),
        candidate("r0c3", failure="CriticTimeout"),
    ]
    result = weighed(round_0)
    assert ids(result.candidates) == ["r0c0", "r0c2", "r0c1", "r0c3"]
    rules = [c.verdict.rule for c in result.candidates if c.verdict]
    assert rules == ["first", "win", "guard", "failed"]
    assert result.incumbent is not None
    assert result.incumbent.id == "r0c2"


def test_where_the_first_try_failed_the_best_of_the_round_is_first() -> None:
    round_0 = [
        candidate("r0c0", image=None, failure="GeneratorError"),
        candidate("r0c1", t2i(2.0, 2.0)),
        candidate("r0c2", t2i(3.0, 3.0)),
    ]
    result = weighed(round_0)
    assert ids(result.candidates) == ["r0c0", "r0c2", "r0c1"]
    assert result.incumbent is not None
    assert result.incumbent.id == "r0c2"


def test_equals_are_weighed_in_the_order_of_their_seeds() -> None:
    first = candidate("r0c0", t2i(1.0, 1.0), verdict="first")
    round_1 = [candidate(f"r1c{i}", t2i(3.0, 3.0)) for i in (2, 0, 1)]
    result = weighed(round_1, [first], first, preset("refine", pairwise=False))
    assert ids(result.candidates) == ["r1c0", "r1c1", "r1c2"]
    assert result.incumbent is not None
    assert result.incumbent.id == "r1c0"


def test_a_round_of_failures_keeps_the_incumbent() -> None:
    first = candidate("r0c0", t2i(1.0, 1.0), verdict="first")
    round_1 = [candidate(f"r1c{i}", failure="CriticTimeout") for i in range(3)]
    assert weighed(round_1, [first], first).incumbent == first


def test_nothing_at_all_gives_no_incumbent() -> None:
    result = weighed([candidate("r0c0", failure="CriticTimeout")])
    assert result.incumbent is None
    assert weighed([]) == Weighed((), None)


def test_several_near_ties_are_asked_one_after_the_other() -> None:
    round_0 = [candidate(f"r0c{i}", t2i(3.0, 3.0 + i / 100)) for i in range(3)]
    settled: dict[tuple[str, str], Comparison | str] = {}
    asked = []
    while isinstance(result := weigh_round(round_0, [], None, REFINE, settled), NearTie):
        asked.append(result.pair)
        settled[result.pair] = CHALLENGER_WINS
    # r0c2 takes the place of r0c0; r0c1 is then below it.
    assert asked == [("r0c0", "r0c2")]
    assert result.incumbent is not None
    assert result.incumbent.id == "r0c2"


# -- the floor ---------------------------------------------------------------------------------


def test_the_floor_is_the_best_of_the_line() -> None:
    line = [
        candidate("r0c0", t2i(2.0, 3.0), verdict="first"),
        candidate("r1c0", t2i(4.0, 4.0, 4.0), verdict="guard", against="r0c0"),
        candidate("r1c1", t2i(2.5, 2.8, 3.0), verdict="win", against="r0c0"),
        candidate("r2c0", t2i(2.4, 3.2, 3.1), verdict="pairwise", against="r1c1"),
    ]
    assert floor_of(line[3], line) == t2i(2.5, 3.2, 3.1)
    assert floor_of(line[2], line) == t2i(2.5, 3.0, 3.0)
    assert floor_of(line[0], line) == {"text_faithfulness": 2.0, "physical_quality": 3.0}
    assert floor_of(None, line) == {}


def test_a_pick_starts_the_line_anew() -> None:
    line = [
        candidate("r0c0", t2i(4.0, 3.0), verdict="first"),
        candidate("r1c0", t2i(2.0, 2.0), verdict="picked", against="r0c0"),
        candidate("r2c0", t2i(2.2, 3.0), verdict="win", against="r1c0"),
    ]
    assert floor_of(line[2], line) == {"text_faithfulness": 2.2, "physical_quality": 3.0}


def test_after_picking_the_first_image_again_the_line_ends_there() -> None:
    line = [
        candidate("r0c0", t2i(2.0, 3.0), verdict="picked", against="r1c0"),
        candidate("r1c0", t2i(4.0, 3.0), verdict="win", against="r0c0"),
        candidate("r2c0", t2i(3.0, 3.0), verdict="win", against="r0c0"),
    ]
    assert floor_of(line[2], line) == {"text_faithfulness": 3.0, "physical_quality": 3.0}
    assert floor_of(line[1], line) == {"text_faithfulness": 4.0, "physical_quality": 3.0}


def test_an_unjudged_pick_puts_up_no_floor() -> None:
    line = [
        candidate("r0c0", failure="CriticTimeout", verdict="picked"),
        candidate("r1c0", t2i(2.0, 3.0), verdict="first", against="r0c0"),
    ]
    assert floor_of(line[1], line) == {"text_faithfulness": 2.0, "physical_quality": 3.0}


# -- the noise that is measured ----------------------------------------------------------------


def test_standard_errors_count_the_samples_that_scored() -> None:
    samples = assessment(
        critique(t2i(2.0, 3.0, 1.0)),
        critique(t2i(3.0, 3.0, 2.0)),
        critique(t2i(2.0, 3.0, None)),
        critique(t2i(3.0, 3.0, None)),
    )
    assert standard_errors(samples) == pytest.approx(
        {
            "text_faithfulness": 0.5773502691896258 / 2,  # stdev of 2, 3, 2, 3 by sqrt(4)
            "physical_quality": 0.0,
            "text_rendering": 0.7071067811865476 / 2**0.5,  # stdev of 1, 2 by sqrt(2)
        }
    )


def test_one_sample_has_no_standard_error() -> None:
    assert standard_errors(assessment(critique(t2i(2.0, 3.0)))) == {}


def test_highest_takes_the_higher_mean_and_no_more() -> None:
    """Like for like the challenger is worse; its mean is higher, and that is what counts."""
    first = candidate("r0c0", t2i(3.4, 3.4, 1.0))
    second = candidate("r0c1", t2i(3.3, 3.4))
    assert weigh(second, first, {}, preset("best-of-n")).accepted
    assert not weigh(first, second, {}, preset("best-of-n")).accepted
    assert not weigh(second, first, {}, preset("refine")).accepted


def test_a_verdict_that_the_critic_was_led_to_replaces_none_of_its_own() -> None:
    led = {"guided": True}
    before, after = candidate("r0c0", t2i(2.0, 2.0)), candidate("r1c0", t2i(4.0, 4.0))
    verdict = weigh(after.model_copy(update=led), before, {}, REFINE)
    assert (verdict.rule, verdict.accepted) == ("guard", False)
    assert "was led to" in verdict.reason
    both = weigh(after.model_copy(update=led), before.model_copy(update=led), {}, REFINE)
    assert both.rule == "win"
    assert weigh(after, before.model_copy(update=led), {}, REFINE).rule == "win"
