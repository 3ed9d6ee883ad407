from __future__ import annotations

from xml.etree import ElementTree

import pytest

from rr_refine.benchmarks.results import Provenance
from rr_refine.benchmarks.sweep import Sweep, SweepValue
from rr_refine.benchmarks.sweep_plot import draw_sweep
from rr_refine.statistics import Estimate, estimate
from rr_refine.terms import Identity

WHO = Identity(kind="scripted", name="<painter>")
SOURCE = Provenance(benchmark="hats & coats", renders=4, generator=WHO, critic=WHO, versions={})
AS_IT_IS = estimate([1.0] * 24 + [0.0])


def value(shown: str, measured: Estimate, *, default: bool = False) -> SweepValue:
    return SweepValue(
        value=shown,
        arm="refine" if default else f"x={shown}",
        measured=measured,
        over=None if default else estimate([0.1, -0.1], None),
        score=estimate([3.0, 4.0], (1.0, 4.0)),
        renders=2.25,
        critic_calls=3.0,
        regressed=estimate([0.0, 1.0]),
        failed=0,
    )


def test_a_panel_for_each_thing_that_is_varied() -> None:
    one = estimate([1.0], None)  # of one item there is no interval
    sweep = Sweep(
        provenance=SOURCE,
        measure="exact",
        share=True,
        items=25,
        as_it_is=AS_IT_IS,
        factors={
            "threshold": (value("3.0", AS_IT_IS, default=True), value("4.0", estimate([1.0] * 25))),
            "samples": tuple(value(f"{n} at 0.7", estimate([0.0] * 25)) for n in range(1, 6)),
            "rewriters": (value("a-rewriter-with-a-name<b>" * 3, one),),
        },
    )
    root = ElementTree.fromstring(draw_sweep(sweep))
    svg = "{http://www.w3.org/2000/svg}"
    panels = root.findall(f"{svg}g")
    assert len(panels) == 3
    for panel in panels:
        texts = [text.text or "" for text in panel.iter(f"{svg}text")]
        assert {"0", "100"} <= set(texts)
        assert "120" not in texts  # there is no such share
        assert len([p for p in panel.iter(f"{svg}path") if p.get("stroke-dasharray")]) == 1
        assert sum(text.endswith("renders") for text in texts) == 1
    labels = [[text.text for text in panel.iter(f"{svg}text")] for panel in panels]
    assert {"1", "2", "3", "4", "5"} <= set(labels[1])
    assert any(label and label.endswith("…") and len(label) < 50 for label in labels[2])
    drawn = [len(list(panel.iter(f"{svg}circle"))) for panel in panels]
    assert drawn == [2, 5, 1]


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_one_item_alone(right: float) -> None:
    measured = estimate([right])
    sweep = Sweep(
        provenance=SOURCE,
        measure="exact",
        share=True,
        items=1,
        as_it_is=measured,
        factors={"threshold": (value("3.0", measured, default=True),)},
    )
    root = ElementTree.fromstring(draw_sweep(sweep))
    texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"0", "100"} <= texts and "120" not in texts
