"""What the page gets beside each event: how the prompt changed."""

from __future__ import annotations

import json
from typing import Any

from rr_refine.agent.events import Judged, ReviewRequested, Rewritten, RoundStarted
from rr_refine.agent.history import Candidate, Proposal
from rr_refine.agent.review import ReviewRequest
from rr_refine.studio.page_events import PageEvents


def started(number: int, prompt: str) -> RoundStarted:
    return RoundStarted(round=number, rounds=4, prompt=prompt, origin="critic", candidates=1)


def asked(proposal: str, incumbent: str | None) -> ReviewRequested:
    best = None
    if incumbent is not None:
        best = Candidate(round=0, index=0, prompt=incumbent, origin="request", seed=0)
    return ReviewRequested(
        request=ReviewRequest(
            round=1,
            original="a cat",
            proposal=Proposal(prompt=proposal, origin="critic"),
            incumbent=best,
            candidates=(),
        )
    )


def diffs(*events: Any) -> list[list[list[str]] | None]:
    return [json.loads(line).get("diff") for line in PageEvents(events).lines]


def test_a_round_is_compared_with_the_round_before() -> None:
    first, same, second = diffs(started(0, "a cat"), started(1, "a cat"), started(2, "a red cat"))
    assert first is same is None
    assert second == [["same", "a", " "], ["added", "red", " "], ["same", "cat", ""]]


def test_dropped_words_are_set_apart() -> None:
    _, second = diffs(started(0, "a cat on a mat"), started(1, "a dog"))
    assert second == [
        ["same", "a", " "],
        ["dropped", "cat on a mat", " "],
        ["added", "dog", ""],
    ]
    _, shorter = diffs(started(0, "a cat on a mat"), started(1, "a cat"))
    assert shorter == [["same", "a cat", " "], ["dropped", "on a mat", ""]]


def test_a_proposal_is_compared_with_what_it_was_made_from() -> None:
    proposal = Proposal(prompt="a big cat", origin="critic")
    rewritten = Rewritten(round=1, previous="a cat", proposal=proposal)
    _, made = diffs(rewritten, asked("a big cat", "my cat"))
    assert made == [["same", "a", " "], ["added", "big", " "], ["same", "cat", ""]]
    (best,) = diffs(asked("my big cat", "my cat"))
    assert best == [["same", "my", " "], ["added", "big", " "], ["same", "cat", ""]]
    (original,) = diffs(asked("a big cat", None))
    assert original == made


def test_what_is_wrong_is_told_first() -> None:
    def told(reason: str) -> str:
        event = Judged(
            candidate="r0c0",
            scores={"text_faithfulness": 2.0},
            changes={},
            reward=0.3,
            weakest="text_faithfulness",
            reason=reason,
            samples=1,
            seconds=1.0,
            cached=False,
        )
        line = json.loads(PageEvents([event]).lines[0])
        assert line["reason"] == reason
        return str(line["excerpt"])

    assert told("A hat is there. Missed: two hats.") == "… Missed: two hats."
    assert told("Missed:\ntwo hats.") == ""
    assert told("A hat is there. " * 40 + "Nothing is missed.") == ""


def test_the_rest_of_an_event_is_as_it_is_in_the_file() -> None:
    (line,) = PageEvents([started(0, "a\u2028cat")]).lines
    assert "\u2028" not in line
    assert json.loads(line)["prompt"] == "a\u2028cat"
