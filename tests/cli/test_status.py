"""What the live view says about the course of a run, on a clock of its own."""

from __future__ import annotations

from typing import Any

import pytest

from rr_refine.agent.budget import Spend
from rr_refine.agent.events import (
    CriticFailed,
    Decided,
    Event,
    Judged,
    Rendered,
    Reviewed,
    ReviewRequested,
    RoundStarted,
    StepDone,
)
from rr_refine.agent.history import Candidate, Proposal, Verdict
from rr_refine.agent.policy import preset
from rr_refine.agent.review import Accept, ReviewRequest
from rr_refine.cli.lines import changes, marked
from rr_refine.cli.live.status import Status


class Course:
    """A run in which a render takes 4 seconds and a judgement 2."""

    def __init__(self, **budget: Any) -> None:
        self.now = 100.0
        self.status = Status(preset("refine", budget=budget), clock=lambda: self.now)

    def follow(self, *events: Event, after: float = 0.0) -> None:
        self.now += after
        for event in events:
            self.status.follow(event)

    def round(self, number: int) -> None:
        spend = Spend(images=number, critic_calls=number, prompt_tokens=50, seconds=6.0 * number)
        self.follow(
            RoundStarted(round=number, rounds=4, prompt="p", origin="o", candidates=1, spend=spend)
        )

    def render(self, number: int) -> None:
        name = f"r{number}c0"
        self.follow(StepDone(candidate=name, step=10, steps=20), after=2)
        self.follow(
            Rendered(candidate=name, seed=0, image="", path="", seconds=4, cached=False), after=2
        )

    def judge(self, number: int, score: float) -> None:
        name = f"r{number}c0"
        judged = Judged(
            candidate=name,
            scores={"text_faithfulness": score, "text_rendering": None},
            changes={},
            reward=0.5,
            weakest="text_faithfulness",
            reason="",
            samples=1,
            seconds=2,
            cached=False,
        )
        verdict = Verdict(accepted=True, rule="win", reason="")
        self.follow(judged, Decided(candidate=name, verdict=verdict), after=2)


def test_stages_and_the_best() -> None:
    course = Course()
    course.round(0)
    status = course.status
    assert [(s.name, s.steps) for s in status.stages.values()] == [("rendering", 0)]
    course.follow(StepDone(candidate="r0c0", step=10, steps=20))
    assert (status.stages["r0c0"].step, status.stages["r0c0"].steps) == (10, 20)
    course.render(0)
    assert status.stages["r0c0"].name == "judging"
    assert status.best is None
    course.judge(0, 2.5)
    assert not status.stages
    assert [status.best, status.means] == ["r0c0", {"r0c0": 2.5}]


def test_what_is_left() -> None:
    course = Course(rounds=4, images=5, critic_calls=9, tokens=1000)
    course.round(0)
    assert course.status.seconds_left is None  # nothing is known yet
    course.render(0)
    assert course.status.budget_left[0] == "4 images left"
    course.judge(0, 2.5)
    assert course.status.seconds == 6.0
    course.round(1)
    assert course.status.budget_left == [
        "4 images left",
        "8 critic calls left",
        "950 tokens left",
    ]
    assert course.status.seconds_left == 18.0  # three more rounds like the first
    course.render(1)
    assert course.status.seconds_left == 14.0
    assert course.status.seconds == 10.0


def test_the_budget_may_end_sooner() -> None:
    course = Course(rounds=4, seconds=15)
    course.round(0)
    assert course.status.seconds_left == 15.0
    course.render(0)
    course.judge(0, 2.5)
    course.round(1)
    assert course.status.seconds_left == 9.0
    course.follow(after=99)
    assert course.status.seconds_left == 0.0


def test_a_pause_takes_no_time() -> None:
    course = Course(rounds=4)
    course.round(0)
    course.render(0)
    course.judge(0, 2.5)
    candidate = Candidate(
        round=0, index=0, prompt="p", origin="o", seed=0, scores={"text_faithfulness": 2.5}
    )
    question = ReviewRequest(
        round=1,
        original="p",
        proposal=Proposal(prompt="q", origin="o"),
        incumbent=candidate,
        candidates=(candidate,),
    )
    course.follow(ReviewRequested(request=question), after=1)
    course.follow(after=1000)
    assert course.status.seconds == 7.0
    course.follow(Reviewed(round=1, decision=Accept()))
    course.follow(after=1)
    assert course.status.seconds == 8.0
    assert course.status.best == "r0c0"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a red cat", "a red cat", "a red cat"),
        ("a red cat", "a blue cat", "a [-red-] {+blue+} cat"),
        ("a cat", "a cat on a mat", "a cat {+on a mat+}"),
        ("a cat on a mat", "a cat", "a cat [-on a mat-]"),
        ("", "a cat", "{+a cat+}"),
        ("a\x1b[31m  cat", "a\ncat", "a [-[31m-] cat"),
        (
            " ".join("abcdefghijklmnopqrstu"),
            " ".join("abcdefghijklmnopqrstux"),
            "a b c d e f … p q r s t u {+x+}",
        ),
    ],
)
def test_changes_word_by_word(old: str, new: str, expected: str) -> None:
    assert marked(old, new) == expected


def test_long_prompts_are_cut() -> None:
    found = changes("very " * 20_000, "very " * 20_000 + "big")
    assert sum(len(text) for _, text, _ in found) < 5000


def test_a_score_of_before_a_remark_is_not_shown_after_it() -> None:
    course = Course()
    course.judge(0, 3.0)
    assert "r0c0" in course.status.means
    course.follow(CriticFailed(candidate="r0c0", revision=2, error="CriticTimeout", message="late"))
    assert "r0c0" not in course.status.means


def test_the_clock_never_starts_again() -> None:
    course = Course()
    course.now += 5  # the parts are loaded, which the run's own clock does not count
    assert course.status.seconds == 5
    course.round(0)
    assert course.status.seconds == 5
    course.render(0)
    course.judge(0, 2.5)
    assert course.status.seconds == 11
    course.round(1)
    assert course.status.seconds == 11


def test_a_run_that_goes_on_shows_what_it_took_before() -> None:
    course = Course()
    course.now += 5
    course.round(3)
    assert course.status.seconds == 18


def test_a_run_that_goes_on_has_the_rounds_that_it_says() -> None:
    course = Course()
    assert course.status.rounds == 0, "nothing is known before its first round"
    course.follow(RoundStarted(round=2, rounds=3, prompt="p", origin="o", candidates=1))
    assert (course.status.round, course.status.rounds) == (2, 3)
