"""What a recorded run gives to programs and notebooks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rr_refine.errors import GeneratorError, MissingExtraError
from rr_refine.terms import DIMENSIONS
from tests.agent import whole
from tests.agent.report.dom import parse


async def test_a_row_per_candidate(tmp_path: Path) -> None:
    run = await whole.run(
        tmp_path,
        generator=whole.UnreliableGenerator([None, GeneratorError("the wires")]),
        policy=whole.policy(rounds=2, candidates=2),
    )
    frame = run.to_dataframe()
    assert list(frame["candidate"]) == [c.id for c in run.candidates]
    assert set(frame["run"]) == {run.path.name}
    assert set(DIMENSIONS) <= set(frame.columns)
    for row, candidate in zip(frame.to_dict("records"), run.candidates, strict=True):
        assert row["prompt"] == candidate.prompt
        assert row["seed"] == candidate.seed
        if candidate.mean is None:
            assert row["failure"] == "GeneratorError: the wires"
            assert row["mean"] != row["mean"]  # NaN
        else:
            assert row["mean"] == candidate.mean
            assert row["reward"] == candidate.reward
            assert row["physical_quality"] == candidate.applicable["physical_quality"]
        assert row["text_right"] is None  # nothing was measured
        assert candidate.verdict is not None
        assert row["accepted"] == candidate.verdict.accepted
        assert row["reason"] == candidate.verdict.reason
    assert run.best is not None
    assert list(frame.loc[frame["result"], "candidate"]) == [run.best.id]


async def test_no_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await whole.run(tmp_path, policy="one-shot")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"rr-refine\[notebook\]"):
        run.to_dataframe()


async def test_a_cell_of_a_notebook(tmp_path: Path) -> None:
    run = await whole.run(tmp_path)  # by its scores the second round's picture wins
    root = parse(run._repr_html_())
    assert [b.text for b in root.find("b")][::2] == ["first image", "result"]
    assert len(root.find("img")) == 2
    assert run.best is not None
    assert f"mean {run.best.mean:.2f}" in root.text
    assert run.best.prompt in root.text
    assert root.find("script") == root.find("style") == []


async def test_a_cell_without_pictures(tmp_path: Path) -> None:
    run = await whole.run(tmp_path)
    for picture in (run.path / "images").rglob("*.png"):
        picture.unlink()
    root = parse(run._repr_html_())
    assert root.find("img") == []
    assert root.text.count("no picture") == 2
