"""Bring your own stopping rule, and check it with the contract tests.

python examples/own_stop_rule.py
pytest examples/own_stop_rule.py
"""

from __future__ import annotations

from collections.abc import Mapping

from rr_refine import History, Stop, preset, refine
from rr_refine.agent.contract import StopRuleContract, history


class TwoTries:
    """Fires when two pictures were judged, however good they are."""

    def check(self, history: History) -> Stop | None:
        judged = [candidate for candidate in history.candidates if candidate.mean is not None]
        if len(judged) < 2:
            return None
        return Stop(rule="two-tries", reason=f"{len(judged)} pictures were judged")


class TestTwoTries(StopRuleContract):
    """All promises of a stopping rule, checked by pytest."""

    def make_rule(self) -> TwoTries:
        return TwoTries()

    def make_histories(self) -> Mapping[str, History]:
        return {**super().make_histories(), "two pictures": history([2.0, 2.5])}

    def test_fires(self) -> None:
        stop = self.make_rule().check(self.make_histories()["two pictures"])
        assert stop is not None
        assert self.make_rule().check(self.make_histories()["one picture"]) is None


if __name__ == "__main__":
    # A rule is named, in the policy: by entry point, or by module and class.
    policy = preset("refine", target=None, stop_rules=["own_stop_rule:TwoTries"])
    run = refine("a teapot", generator="fake", critic="fake", policy=policy)
    assert run.outcome is not None
    print(f"stopped by {run.outcome.stop.rule}: {run.outcome.stop.reason}")
