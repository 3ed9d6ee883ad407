"""Colours of the live view: nothing is green that was not judged, or is measurably not there."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from rr_refine.agent.budget import Spend
from rr_refine.agent.events import Decided, Judged, RunFinished
from rr_refine.agent.history import Stop, Verdict
from rr_refine.agent.policy import Policy
from rr_refine.cli.live.view import LiveView
from rr_refine.reward.evidence.evidence import Finding
from tests.agent.builders import candidate, t2i

MISSED = Finding(
    kind="missing", dimension="text_rendering", expected="OPEN", sure=1.0, reason="no 'OPEN'"
)


@pytest.mark.parametrize(
    ("more", "is_green", "points"),
    [
        ({}, True, ""),
        ({"unjudged": ("sofa",)}, False, "judged without 'sofa'"),
        ({"findings": (MISSED,)}, False, "no 'OPEN'"),
    ],
)
def test_green(more: dict[str, object], is_green: bool, points: str) -> None:
    scores = t2i(4.0, 4.0)
    out = StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", width=100)
    judged = {
        **{"type": "judged", "candidate": "r0c0", "scores": scores, "changes": {}, "reward": 1.0},
        **{"weakest": "physical_quality", "reason": "fine", "samples": 1, "seconds": 0.1},
        **{"cached": False, **more},
    }
    verdict = Verdict(accepted=True, rule="win", reason="more than needed")
    best = candidate("r0c0", scores).model_copy(update=more)
    view = LiveView(Policy(), "none", console)
    with view.open():
        view.show(Judged.model_validate(judged))
        view.show(Decided(candidate="r0c0", verdict=verdict))
        stop, spend = Stop(rule="user", reason="enough"), Spend()
        view.show(
            RunFinished(run="run", stop=stop, best=best, first=best, result=None, spend=spend)
        )
    shown = out.getvalue()
    assert "✔ better" in shown
    assert ("\x1b[32m" in shown or "\x1b[1;32m" in shown) == is_green
    assert not points or shown.count(points) == 2
