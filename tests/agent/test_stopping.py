from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from rr_refine.agent.budget import Spend
from rr_refine.agent.history import (
    OUT_OF_BUDGET,
    Candidate,
    History,
    Proposal,
    Rejection,
    RewriteAttempt,
    Stop,
)
from rr_refine.agent.policy import Policy, preset
from rr_refine.agent.stopping import RULES, should_stop
from rr_refine.reward.evidence.evidence import Finding
from tests.agent.builders import candidate, t2i

REFINE = preset("refine")
PROPOSAL = Proposal(prompt="a better cat", origin="critic")


def history(
    *candidates: Candidate,
    policy: Policy = REFINE,
    best: str | None = None,
    spend: Spend | None = None,
    rewrites: tuple[RewriteAttempt, ...] = (),
    user: str | None = None,
) -> History:
    return History(policy, spend or Spend(), candidates, rewrites, best, user)


def accepted(name: str, text: float = 2.0, quality: float = 2.0) -> Candidate:
    return candidate(name, t2i(text, quality), verdict="win")


def refused(name: str) -> Candidate:
    return candidate(name, t2i(1.0, 1.0), verdict="worse")


def attempt(number: int, proposal: Proposal | None = None, *why: Rejection) -> RewriteAttempt:
    return RewriteAttempt(round=number, proposal=proposal, rejections=why)


NO_IMAGE = candidate("r0c0", image=None, failure="OutOfMemoryError")
NOT_JUDGED = candidate("r0c1", failure="CriticTimeout")
UNREADABLE = candidate("r0c0", failure="CriticUnreadable", raw="What a cat!")
LATE_RENDER = candidate("r0c0", image=None, failure=OUT_OF_BUDGET)
LATE_JUDGE = candidate("r0c1", failure=OUT_OF_BUDGET)
OPEN = accepted("r0c0", 3.5, 3.5).model_copy(update={"unjudged": ("between", "sofa")})
MISS = Finding(
    kind="wrong", dimension="text_rendering", expected="OPEN", found="OPNE", sure=1, reason="OPNE"
)
MISSPELT = accepted("r0c0", 3.5, 3.5).model_copy(update={"findings": (MISS,)})
ONE_ROUND = (accepted("r0c0"),)


@dataclass(frozen=True)
class Case:
    rule: str
    history: History
    says: str | None
    """Words of the reason; None where the rule does not fire."""


CRASH = Rejection(rewriter="own", prompt=None, reason="it raised KeyError", failed=True)

CASES: dict[str, Case] = {
    "user: nothing said": Case("user", history(), None),
    "user: said stop": Case("user", history(user="good enough"), "good enough"),
    # -- the critic
    "critic-failed: before the first round": Case("critic-failed", history(), None),
    "critic-failed: all images unjudged": Case(
        "critic-failed", history(NOT_JUDGED), "critic timeout: it broke"
    ),
    "critic-failed: one of two judged": Case(
        "critic-failed", history(accepted("r0c0"), NOT_JUDGED), None
    ),
    "critic-failed: judged with the lowest scores": Case(
        "critic-failed", history(candidate("r0c0", t2i(1.0, 1.0))), None
    ),
    "critic-failed: no image to judge": Case("critic-failed", history(NO_IMAGE), None),
    "critic-failed: one image, unjudged, one render failed": Case(
        "critic-failed", history(NO_IMAGE, NOT_JUDGED), "critic timeout"
    ),
    "critic-failed: in an earlier round only": Case(
        "critic-failed", history(NOT_JUDGED, accepted("r1c0")), None
    ),
    "critic-failed: in the last round": Case(
        "critic-failed",
        history(accepted("r0c0"), candidate("r1c0", failure="CriticRefused")),
        "critic refused",
    ),
    "critic-failed: an answer that is no critique leaves one picture unjudged": Case(
        "critic-failed", history(UNREADABLE, rewrites=(attempt(1, PROPOSAL),)), None
    ),
    "critic-failed: and no rewriter has a prompt without it": Case(
        "critic-failed", history(UNREADABLE, rewrites=(attempt(1),)), "critic unreadable"
    ),
    "critic-failed: twice in a row": Case(
        "critic-failed",
        history(UNREADABLE, UNREADABLE.model_copy(update={"round": 1})),
        "critic unreadable",
    ),
    "critic-failed: twice, with a picture that was judged between": Case(
        "critic-failed",
        history(UNREADABLE, accepted("r1c0"), UNREADABLE.model_copy(update={"round": 2})),
        None,
    ),
    "critic-failed: in the only round that there may be": Case(
        "critic-failed",
        history(UNREADABLE, policy=preset("refine", budget={"rounds": 1})),
        "critic unreadable",
    ),
    "critic-failed: an answer about one, and none about the other": Case(
        "critic-failed", history(UNREADABLE, NOT_JUDGED), "critic unreadable"
    ),
    "critic-failed: only the budget ended": Case("critic-failed", history(LATE_JUDGE), None),
    "critic-failed: the budget ended after a fault": Case(
        "critic-failed",
        history(candidate("r0c0", failure=OUT_OF_BUDGET), NOT_JUDGED),
        "critic timeout",
    ),
    # -- the generator
    "generator-failed: before the first round": Case("generator-failed", history(), None),
    "generator-failed: no image": Case(
        "generator-failed", history(NO_IMAGE), "out of memory error: it broke"
    ),
    "generator-failed: one of two has an image": Case(
        "generator-failed", history(NO_IMAGE, NOT_JUDGED), None
    ),
    "generator-failed: in an earlier round only": Case(
        "generator-failed", history(NO_IMAGE, accepted("r1c0")), None
    ),
    "generator-failed: only the budget ended": Case("generator-failed", history(LATE_RENDER), None),
    # -- the target
    "target: a word that nobody knew": Case("target", history(OPEN, best="r0c0"), None),
    "target: a measured miss": Case("target", history(MISSPELT, best="r0c0"), None),
    "unjudged: a word that nobody knew": Case(
        "unjudged", history(OPEN, best="r0c0"), "judged without 'between', 'sofa'"
    ),
    "unjudged: not as good as that": Case(
        "unjudged",
        history(OPEN, best="r0c0", policy=preset("refine", target=4.0)),
        None,
    ),
    "unjudged: everything was judged": Case(
        "unjudged", history(accepted("r0c0", 4.0, 4.0), best="r0c0"), None
    ),
    "unjudged: a measured miss": Case(
        "unjudged",
        history(MISSPELT.model_copy(update={"unjudged": ("between",)}), best="r0c0"),
        None,
    ),
    "target: no incumbent": Case("target", history(NOT_JUDGED), None),
    "target: a hair below": Case(
        "target", history(accepted("r0c0", 2.999, 4.0), best="r0c0"), None
    ),
    "target: exactly": Case(
        "target",
        history(accepted("r0c0", 3.0, 4.0), best="r0c0"),
        "every dimension reaches 3.0 (lowest: text faithfulness 3.00)",
    ),
    "target: a verdict that the critic was led to": Case(
        "target",
        history(accepted("r0c0", 4.0, 4.0).model_copy(update={"guided": True}), best="r0c0"),
        None,
    ),
    "target: mean above, one dimension below": Case(
        "target", history(accepted("r0c0", 4.0, 2.9), best="r0c0"), None
    ),
    "target: N/A does not count": Case(
        "target", history(candidate("r0c0", t2i(3.0, 3.0, None)), best="r0c0"), "3.0"
    ),
    "target: lettering below": Case(
        "target", history(candidate("r0c0", t2i(4.0, 4.0, 2.9)), best="r0c0"), None
    ),
    "target: reached by a candidate that is not the incumbent": Case(
        "target", history(accepted("r0c0"), accepted("r1c0", 4.0, 4.0), best="r0c0"), None
    ),
    "target: an unjudged incumbent": Case("target", history(NOT_JUDGED, best="r0c1"), None),
    "target: none set": Case(
        "target",
        history(accepted("r0c0", 4.0, 4.0), best="r0c0", policy=preset("refine", target=None)),
        None,
    ),
    "target: a higher one": Case(
        "target",
        history(accepted("r0c0", 3.4, 4.0), best="r0c0", policy=preset("refine", target=3.5)),
        None,
    ),
    # -- the budget
    "budget: without limits": Case("budget", history(spend=Spend(images=10**6)), None),
    "budget: one image left": Case(
        "budget",
        history(policy=preset("refine", budget={"images": 3}), spend=Spend(images=2)),
        None,
    ),
    "budget: no image left": Case(
        "budget",
        history(policy=preset("refine", budget={"images": 3}), spend=Spend(images=3)),
        "3 of 3 images used",
    ),
    # -- rounds
    "max-rounds: one left": Case(
        "max-rounds", history(*ONE_ROUND, policy=preset("refine", budget={"rounds": 2})), None
    ),
    "max-rounds: none left": Case(
        "max-rounds",
        history(*ONE_ROUND, refused("r1c0"), policy=preset("refine", budget={"rounds": 2})),
        "2 of 2 rounds done",
    ),
    "max-rounds: candidates are no rounds": Case(
        "max-rounds",
        history(*(refused(f"r0c{i}") for i in range(9)), policy=REFINE),
        None,
    ),
    # -- plateau, after two rounds by default
    "plateau: round 0 is where it starts": Case("plateau", history(*ONE_ROUND), None),
    "plateau: a first round that was not judged": Case(
        "plateau", history(NOT_JUDGED, policy=preset("refine", patience=1)), None
    ),
    "plateau: one round without a better image": Case(
        "plateau", history(*ONE_ROUND, refused("r1c0")), None
    ),
    "plateau: two rounds without a better image": Case(
        "plateau",
        history(*ONE_ROUND, refused("r1c0"), refused("r2c0")),
        "no better image in 2 rounds",
    ),
    "plateau: the first of the two was better": Case(
        "plateau", history(*ONE_ROUND, accepted("r1c0"), refused("r2c0")), None
    ),
    "plateau: the last of the two was better": Case(
        "plateau", history(*ONE_ROUND, refused("r1c0"), accepted("r2c0")), None
    ),
    "plateau: one of several candidates was better": Case(
        "plateau",
        history(*ONE_ROUND, refused("r1c0"), accepted("r1c1"), refused("r2c0"), refused("r2c1")),
        None,
    ),
    "plateau: patience of one": Case(
        "plateau",
        history(*ONE_ROUND, refused("r1c0"), policy=preset("refine", patience=1)),
        "no better image in 1 round",
    ),
    "plateau: endless patience": Case(
        "plateau",
        history(
            *ONE_ROUND,
            *(refused(f"r{number}c0") for number in range(1, 9)),
            policy=preset("refine", patience=None),
        ),
        None,
    ),
    # -- prompts
    "rewriter-failed: nobody was asked": Case("rewriter-failed", history(*ONE_ROUND), None),
    "rewriter-failed: all of them": Case(
        "rewriter-failed",
        history(*ONE_ROUND, rewrites=(attempt(1, None, CRASH, CRASH),)),
        "KeyError",
    ),
    "rewriter-failed: one of them only repeats": Case(
        "rewriter-failed",
        history(
            *ONE_ROUND,
            rewrites=(
                attempt(
                    1, None, CRASH, Rejection(rewriter="rules", prompt="x", reason="it repeats")
                ),
            ),
        ),
        None,
    ),
    "repeated-prompt: nobody was asked": Case("repeated-prompt", history(*ONE_ROUND), None),
    "repeated-prompt: there is a proposal": Case(
        "repeated-prompt", history(*ONE_ROUND, rewrites=(attempt(1, PROPOSAL),)), None
    ),
    "repeated-prompt: there is none": Case(
        "repeated-prompt",
        history(
            *ONE_ROUND,
            rewrites=(
                attempt(1, None, Rejection(rewriter="critic", prompt="x", reason="it repeats")),
            ),
        ),
        "no new prompt: critic: it repeats",
    ),
    "repeated-prompt: there is no rewriter": Case(
        "repeated-prompt", history(*ONE_ROUND, rewrites=(attempt(1),)), "no rewriter had"
    ),
    "repeated-prompt: none for a round that was rendered all the same": Case(
        "repeated-prompt", history(*ONE_ROUND, rewrites=(attempt(0),)), None
    ),
    "repeated-prompt: none at the second visit for the same round": Case(
        "repeated-prompt",
        history(*ONE_ROUND, rewrites=(attempt(1, PROPOSAL), attempt(1))),
        "no rewriter had",
    ),
    "repeated-prompt: one at the second visit for the same round": Case(
        "repeated-prompt",
        history(*ONE_ROUND, rewrites=(attempt(1), attempt(1, PROPOSAL))),
        None,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_when_a_rule_fires(name: str) -> None:
    case = CASES[name]
    stop = RULES[case.rule].check(case.history)
    if case.says is None:
        assert stop is None
    else:
        assert stop is not None
        assert stop.rule == case.rule
        assert case.says in stop.reason


def test_every_rule_has_cases_where_it_fires_and_where_it_does_not() -> None:
    for rule in RULES:
        fires = {case.says is not None for case in CASES.values() if case.rule == rule}
        assert fires == {True, False}, rule


# -- the order ---------------------------------------------------------------------------------


def test_the_first_rule_that_fires_is_the_one() -> None:
    assert list(RULES) == [
        "user",
        "critic-failed",
        "generator-failed",
        "target",
        "unjudged",
        "budget",
        "rewriter-failed",
        "repeated-prompt",
        "plateau",
        "max-rounds",
    ]
    now = history(
        candidate("r0c0", t2i(4.0, 4.0), verdict="first"),
        candidate("r1c0", failure="CriticTimeout"),
        policy=preset("refine", patience=1, budget={"rounds": 2, "images": 2}),
        best="r0c0",
        spend=Spend(images=2),
        rewrites=(attempt(2, None, CRASH),),
        user="enough",
    )
    seen = []

    def check() -> None:
        stop = should_stop(now)
        assert stop is not None
        seen.append(stop.rule)

    check()
    now = replace(now, user_stop=None)
    check()
    now = replace(
        now,
        candidates=(
            now.candidates[0],
            candidate("r1c0", image=None, failure="GeneratorError"),
        ),
    )
    check()
    now = replace(now, candidates=(now.candidates[0], refused("r1c0")))
    check()
    unknown = now.candidates[0].model_copy(update={"unjudged": ("between",)})
    now = replace(now, candidates=(unknown, *now.candidates[1:]))
    check()
    now = replace(now, policy=now.policy.model_copy(update={"target": None}))
    check()
    now = replace(now, spend=Spend(images=1))
    check()
    now = replace(now, rewrites=(attempt(2),))
    check()
    now = replace(now, rewrites=())
    check()
    now = replace(now, policy=now.policy.model_copy(update={"patience": None}))
    check()
    assert seen == list(RULES)
    now = replace(now, policy=now.policy.model_copy(update={"budget": REFINE.budget}))
    assert should_stop(now) is None


def test_when_the_budget_cuts_a_round_off_the_budget_is_the_reason() -> None:
    cut = history(
        candidate("r0c0", t2i(2.0, 2.0), verdict="first"),
        candidate("r1c0", image=None, failure=OUT_OF_BUDGET),
        candidate("r1c1", failure=OUT_OF_BUDGET),
        policy=preset("refine", budget={"seconds": 10.0}),
        best="r0c0",
        spend=Spend(seconds=10.2),
    )
    assert should_stop(cut) == Stop(rule="budget", reason="10.2 of 10.0 seconds used")


def test_nothing_to_say_is_going_on() -> None:
    assert should_stop(history(*ONE_ROUND, best="r0c0")) is None
