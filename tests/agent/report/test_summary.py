from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.agent.budget import Spend
from rr_refine.agent.history import Candidate, Stop
from rr_refine.agent.manifest import RunStatus
from rr_refine.agent.policy import Policy
from rr_refine.agent.report.summary import State, headline, state_of
from rr_refine.agent.run import Run
from rr_refine.agent.state import Outcome
from rr_refine.request import Request
from tests.agent.builders import candidate, t2i

LOW, MIDDLE, HIGH = t2i(2.0, 2.0), t2i(3.0, 2.0), t2i(4.0, 3.0)


def run(
    *candidates: Candidate,
    best: str | None = None,
    rule: str | None = "max-rounds",
    status: RunStatus = "done",
) -> Run:
    """A run whose incumbent is `best`; without a rule it has not ended."""
    incumbent = next((c for c in candidates if c.id == best), None)
    result = incumbent or next((c for c in candidates if c.image), None)
    outcome = rule and Outcome(
        stop=Stop(rule=rule, reason="because"),
        best=result,
        first=candidates[0],
        candidates=candidates,
        spend=Spend(),
    )
    return Run(
        path=Path("a-run"),
        request=Request(prompt="a cat"),
        policy=Policy(),
        config={},
        status=status,
        candidates=candidates,
        incumbent=incumbent,
        outcome=outcome or None,
    )


FIRST, BETTER, SECOND = candidate(scores=LOW), candidate("r2c0", HIGH), candidate("r1c0", MIDDLE)
UNJUDGED = candidate(failure="CriticUnreadable")
NO_IMAGE = candidate(image=None, failure="OutOfMemoryError")
CASES: dict[str, tuple[Run, State, str]] = {
    "improved": (
        run(FIRST, SECOND, BETTER, best="r2c0"),
        "improved",
        "Two new prompts took the picture from 2.00 to 3.50 of 4.",
    ),
    "wrong, and better than the first": (
        run(
            FIRST,
            candidate("r1c0", MIDDLE).model_copy(update={"unjudged": ("a hat",)}),
            best="r1c0",
        ),
        "open",
        "One new prompt took the picture from 2.00 to 2.50 of 4.",
    ),
    "best of n": (
        run(FIRST, candidate("r0c1", MIDDLE), best="r0c1"),
        "improved",
        "The best of 2 images takes the score from 2.00 to 2.50 of 4.",
    ),
    "one shot": (
        run(FIRST, best="r0c0"),
        "unchanged",
        "One image was made, which the critic gives 2.00 of 4.",
    ),
    "kept": (
        run(FIRST, SECOND, BETTER, best="r0c0"),
        "unchanged",
        "Two further images did not take the place of the first, which has 2.00 of 4.",
    ),
    "taken as it is": (
        run(candidate(scores=HIGH), SECOND, best="r1c0"),
        "changed",
        "Another image took the place of the first, with 2.50 of 4 where that has 3.50.",
    ),
    "first without a score": (
        run(UNJUDGED, SECOND, best="r1c0"),
        "changed",
        "The best image has 2.50 of 4; the first one has no score.",
    ),
    "nobody judged": (
        run(UNJUDGED, rule="critic-failed"),
        "failed",
        "It failed before its end: there is an image that nobody judged.",
    ),
    "failed later": (
        run(FIRST, SECOND, best="r1c0", rule="critic-failed"),
        "failed",
        "It failed before its end: one new prompt took the picture from 2.00 to 2.50 of 4.",
    ),
    "no image": (
        run(NO_IMAGE, rule="generator-failed"),
        "failed",
        "No image came out of this run.",
    ),
    "nothing yet": (
        run(rule=None, status="running"),
        "unfinished",
        "No round is finished yet.",
    ),
    "interrupted": (
        run(FIRST, best="r0c0", rule=None, status="interrupted"),
        "unfinished",
        "So far, the best image has 2.00 of 4.",
    ),
    "an error ended it": (
        run(FIRST, SECOND, best="r1c0", rule=None, status="failed"),
        "failed",
        "So far, one new prompt took the picture from 2.00 to 2.50 of 4.",
    ),
}


@pytest.mark.parametrize(("told", "state", "sentence"), CASES.values(), ids=CASES.keys())
def test_headline(told: Run, state: State, sentence: str) -> None:
    assert state_of(told) == state
    assert headline(told) == sentence
