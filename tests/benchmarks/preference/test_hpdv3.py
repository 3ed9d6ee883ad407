from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rr_refine.benchmarks.preference import hpdv3
from rr_refine.benchmarks.preference.evaluate import evaluate_preference
from rr_refine.benchmarks.preference.item import PreferenceItem
from rr_refine.errors import CriticTimeout
from rr_refine.reward.preferences.pair import open_picture
from tests.benchmarks.preference import files
from tests.benchmarks.preference.files import GOOD, POOR
from tests.benchmarks.preference.judges import Judge


async def test_right_and_first(tmp_path: Path) -> None:
    data = hpdv3.load(files.hpdv3(tmp_path, 9))
    both = await evaluate_preference(data, Judge(), tmp_path, modes=("pairwise", "pointwise"))
    assert [one.accuracy.value for one in both.measures] == [1, 1]
    assert [one.official for one in both.measures] == [None, 1]
    first = await evaluate_preference(data, Judge("first"), tmp_path)
    assert [one.accuracy.value for one in first.measures] == [0.5]


async def test_ties_and_failures_are_wrong(tmp_path: Path) -> None:
    data = hpdv3.load(files.hpdv3(tmp_path, 4))
    ties = await evaluate_preference(data, Judge("tie"), tmp_path, modes=("pairwise", "pointwise"))
    assert [one.accuracy.value for one in ties.measures] == [0, 0]
    assert ties.measures[1].official == 0
    faults = {"request 2": CriticTimeout("too slow")}
    failed = await evaluate_preference(
        data, Judge(fails=faults.get), tmp_path, modes=("pointwise",)
    )
    assert [one.accuracy.value for one in failed.measures] == [3 / 4]


def test_the_winner_is_not_always_the_first(tmp_path: Path) -> None:
    """Without a shuffle, the order of the file would be the label."""
    file = files.hpdv3(tmp_path, 60)
    items = list(hpdv3.load(file).read())
    truths = Counter(item.truth for item in items if isinstance(item, PreferenceItem))
    assert min(truths["A"], truths["B"]) >= 15  # as good as a coin: less has a chance of 1e-4
    for item in items:
        assert isinstance(item, PreferenceItem)
        a, b = (open_picture(p).getpixel((0, 0)) for p in (item.image_a, item.image_b))
        assert isinstance(a, tuple) and isinstance(b, tuple)
        assert (a[0], b[0]) == ((GOOD, POOR) if item.truth == "A" else (POOR, GOOD))
    assert items == list(hpdv3.load(file).read())
    # It is the pair that decides, not its place in the file.
    rows = json.loads(file.read_text())
    file.write_text(json.dumps(rows[1:]))
    later = list(hpdv3.load(file).read())
    assert [i.truth for i in later if isinstance(i, PreferenceItem)] == [
        i.truth for i in items[1:] if isinstance(i, PreferenceItem)
    ]


def test_of_a_folder_the_test_set_is_read(tmp_path: Path) -> None:
    files.hpdv3(tmp_path, 2)
    (tmp_path / "train.json").write_text("[]")
    data = hpdv3.load(tmp_path)
    assert list(data.files) == [f"{tmp_path.name}/test.json"]
    assert len(data.groups) == 2


@pytest.mark.parametrize(
    ("text", "number"),
    [("3.25", 3.25), (" -1 ", -1.0), ("1e-2", 0.01), ("good", None), ("nan", None), ("", None)],
)
def test_official_parse(text: str, number: float | None) -> None:
    assert hpdv3.official_parse(text) == number
