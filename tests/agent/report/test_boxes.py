"""Boxes over pictures: where evidence found something, and in a few words what."""

from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.agent.report.boxes import boxes_of
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.evidence.evidence import Box, Finding, FindingKind, Findings
from rr_refine.terms import Identity
from tests.agent import whole
from tests.agent.report.test_report import page_of


def finding(
    kind: FindingKind, found: str | None, box: Box | None, expected: str | None = "OPEN"
) -> Finding:
    return Finding(
        kind=kind,
        dimension="text_rendering",
        expected=None if kind == "extra" else expected,
        found=found,
        box=box,
        sure=0.9,
        reason=f"it says {found!r}",
    )


MIDDLE = (0.25, 0.4, 0.5, 0.6)


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("wrong", ("✗ reads OPNE", "asked OPEN")),
        ("abstained", ("? reads OPNE", "asked OPEN")),
        ("right", ("✓ reads OPNE",)),
        ("extra", ()),
    ],
)
def test_labels(kind: FindingKind, label: tuple[str, ...]) -> None:
    (box,) = boxes_of([finding(kind, "OPNE", MIDDLE)])
    assert (box.label, box.reason) == (label, "it says 'OPNE'")
    assert (box.x, box.y, box.width, box.height) == (25.0, 40.0, 25.0, 20.0)


@pytest.mark.parametrize(
    ("kind", "label"), [("missing", "✗ asked OPEN"), ("abstained", "? asked OPEN")]
)
def test_a_label_says_nothing_of_what_was_not_read(kind: FindingKind, label: str) -> None:
    (box,) = boxes_of([finding(kind, None, MIDDLE)])
    assert box.label == (label,)


@pytest.mark.parametrize(
    ("place", "held"),
    [
        (MIDDLE, (25.0, 40.0, "start", False)),
        ((0.6, 0.4, 0.9, 0.6), (90.0, 40.0, "end", False)),
        ((0.0, 0.0, 0.3, 0.1), (0.0, 10.0, "start", True)),
        ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, "start", True)),  # there is no room but inside
    ],
)
def test_a_label_stays_in_the_picture(place: Box, held: tuple[float, float, str, bool]) -> None:
    (box,) = boxes_of([finding("wrong", "OPNE", place)])
    assert (box.label_x, box.label_y, box.anchor, box.below) == held


def test_what_has_no_place_has_no_box() -> None:
    assert boxes_of([finding("missing", None, None)]) == ()


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ("O" * 200, f"✗ reads {'O' * 21}…"),
        ("春" * 200, f"✗ reads {'春' * 10}…"),
        ("O" * 22, f"✗ reads {'O' * 22}"),
    ],
)
def test_a_long_label_is_cut_and_its_reason_is_whole(found: str, shown: str) -> None:
    (box,) = boxes_of([finding("wrong", found, MIDDLE)])
    assert box.label == (shown, "asked OPEN")
    assert found in box.reason


def test_what_nobody_asked_for_is_drawn_under_the_others() -> None:
    found = [finding("wrong", "OPNE", MIDDLE), finding("extra", "Main Street", MIDDLE)]
    assert [box.kind for box in boxes_of(found)] == ["extra", "wrong"]


class Reads:
    """Evidence that reads a word on every picture."""

    identity = Identity(kind="reads", name="reads")

    def __init__(self, *findings: Finding) -> None:
        self.findings = findings

    async def examine(self, _request: CritiqueRequest) -> Findings:
        return Findings(evidence=self.identity, findings=self.findings)


async def test_the_report_draws_them_and_lets_them_be_hidden(tmp_path: Path) -> None:
    evil = finding("wrong", '<script>"OPNE', MIDDLE)
    evidence = Reads(evil, finding("extra", "Main", MIDDLE), finding("missing", None, None))
    run = await whole.run(tmp_path, 'a sign "OPEN"', evidence=[evidence], policy=whole.policy())
    page = page_of(run.path)
    drawn = page.find("svg", class_="boxes")
    assert len(drawn) == len(run.candidates) == len(page.find("input", class_="boxes-shown"))
    told = drawn[0].attributes["aria-label"]
    assert told == "round 1, measured: it says 'Main'; it says '<script>\"OPNE'"
    assert [one.attributes["class"] for one in drawn[0].find("g")] == ["extra", "wrong"]
    lines = [line.text for line in drawn[0].find("tspan")]
    assert lines == ['✗ reads <script>"OPNE', "asked OPEN"]
    assert all(box.attributes["x"] == "25.0%" for box in drawn[0].find("rect"))


async def test_a_picture_without_findings_has_no_boxes(tmp_path: Path) -> None:
    run = await whole.run(tmp_path, 'a sign "OPEN"', policy=whole.policy())
    page = page_of(run.path)
    assert not page.find("svg", class_="boxes") and not page.find("input", class_="boxes-shown")
