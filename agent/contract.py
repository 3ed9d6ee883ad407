"""What every stopping rule must do, as tests that you run on your own.

    from rr_refine.agent.contract import StopRuleContract

    class TestMyRule(StopRuleContract):
        def make_rule(self) -> MyRule:
            return MyRule()

Needs pytest, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

from rr_refine.agent.budget import Spend
from rr_refine.agent.history import Candidate, Failure, History, Stop
from rr_refine.agent.policy import Policy
from rr_refine.agent.stopping import RULES, StopRule
from rr_refine.contract import require_members

__all__ = ["StopRuleContract", "history"]


class StopRuleContract:
    """Subclass it as `Test…` and say how to make the rule."""

    def make_rule(self) -> StopRule:
        """Make a new rule; called several times."""
        raise NotImplementedError("say how to make the rule: def make_rule(self)")

    def make_histories(self) -> Mapping[str, History]:
        """What it is asked about, by name; add one in which yours fires."""
        rising = history([2.0, 2.5, 3.0, 3.5])
        return {
            "one picture": history([2.0]),
            "rising": rising,
            "falling": history([3.5, 3.0, 2.5, 2.0]),
            "level": history([2.0, 2.0, 2.0, 2.0]),
            "not judged": history([None]),
            "a failure in between": history([2.0, None, 3.0]),
            "no picture": history([], failed=1),
            "a render that failed": history([2.0, 2.5], failed=1),
            "much spent": replace(rising, spend=Spend(images=400, critic_calls=400, seconds=9e4)),
            "stopped by the user": replace(rising, user_stop="enough"),
            "a new revision": replace(rising, revision=2),
        }

    def test_it_is_a_rule(self) -> None:
        """It has the protocol's method."""
        require_members(self.make_rule(), "check")

    def test_gives_a_stop_or_none(self) -> None:
        """A stop has a name of its own and a reason in words."""
        for name, asked in self.make_histories().items():
            answer: object = self.make_rule().check(asked)
            if answer is None:
                continue
            assert isinstance(answer, Stop), f"{name}: {answer!r} is neither a Stop nor None"
            assert answer.rule.strip(), f"{name}: a rule without a name"
            assert answer.rule not in RULES, f"{name}: {answer.rule!r} is a built-in rule"
            assert answer.reason.strip(), f"{name}: no reason"

    def test_the_same_history_gives_the_same_answer(self) -> None:
        """Also of another one made alike, and after other questions: runs are resumed, replayed."""
        histories, rule = self.make_histories(), self.make_rule()
        first = {name: rule.check(asked) for name, asked in histories.items()}
        for name, asked in reversed(tuple(histories.items())):
            assert rule.check(asked) == first[name], f"{name}: asked again, another answer"
            assert self.make_rule().check(asked) == first[name], f"{name}: it depends on others"

    def test_leaves_the_history_alone(self) -> None:
        """What it is given is read, and changed by nobody."""
        for name, asked in self.make_histories().items():
            before = deepcopy(asked)
            self.make_rule().check(asked)
            assert asked == before, f"{name}: the history is another now"


def history(means: Sequence[float | None], *, failed: int = 0) -> History:
    """A history of rounds with one picture each.

    Args:
        means: of the pictures, 1 to 4; None where the critic failed.
        failed: rounds at the end without a picture.
    """
    candidates = [
        Candidate(
            round=number,
            index=0,
            prompt=f"a red cube, {number}",
            origin="request",
            seed=0,
            image=f"{number:064x}",
            critique=None if mean is None else f"{number:064x}",
            scores=None if mean is None else {"text_faithfulness": mean, "physical_quality": mean},
            failure=Failure(stage="critique", error="CriticTimeout", message="it took too long")
            if mean is None
            else None,
        )
        for number, mean in enumerate(means)
    ]
    fault = Failure(stage="render", error="GeneratorError", message="it broke")
    candidates += [
        Candidate(
            round=number,
            index=0,
            prompt=f"a red cube, {number}",
            origin="request",
            seed=0,
            failure=fault,
        )
        for number in range(len(means), len(means) + failed)
    ]
    judged = [c for c in candidates if c.mean is not None]
    best = max(judged, key=lambda c: c.mean or 0.0, default=None)
    return History(
        policy=Policy(),
        spend=Spend(images=len(means), critic_calls=len(means), seconds=1.0),
        candidates=tuple(candidates),
        incumbent_id=None if best is None else best.id,
    )
