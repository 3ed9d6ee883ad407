from __future__ import annotations

import json
from pathlib import Path

import pytest

from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.preference import genai_bench, hpdv3
from rr_refine.benchmarks.preference.evaluate import evaluate_preference, select
from rr_refine.benchmarks.preference.item import PreferenceSet
from rr_refine.benchmarks.preference.results import PreferenceResult, write_table
from rr_refine.errors import ConfigError, CriticError, CriticTimeout, CriticUnreadable
from rr_refine.reward.comparison import Comparison
from rr_refine.reward.critic import ComparisonRequest
from tests.benchmarks.preference import files
from tests.benchmarks.preference.files import generation, write
from tests.benchmarks.preference.judges import COST, Judge, Solitary

VOTES = ["leftvote", "rightvote", "tievote", "rightvote"]


@pytest.fixture
def data(tmp_path: Path) -> PreferenceSet:
    return genai_bench.load(write(tmp_path / "data" / "x.parquet", generation(VOTES)))


async def test_what_is_left_behind(tmp_path: Path, data: PreferenceSet) -> None:
    told: list[tuple[int, int, int]] = []
    result = await evaluate_preference(
        data,
        Judge(),
        tmp_path / "out",
        modes=("pairwise", "pointwise"),
        concurrency=1,
        on_pair=lambda *numbers: told.append(numbers),
    )
    written = (tmp_path / "out" / "preference.json").read_bytes()
    assert PreferenceResult.model_validate_json(written) == result
    assert (tmp_path / "out" / "table.md").read_text() == write_table(result)
    assert told == [(n, 4, 0) for n in (1, 2, 3, 4)]
    # Two answers a comparison, one a picture: four of each pair.
    assert result.usage.calls == 4 * 4 * COST.calls
    lines = [json.loads(s) for s in (tmp_path / "out" / "pairs.jsonl").read_text().splitlines()]
    assert len(lines) == 8
    assert lines[0]["mode"] == "pairwise"
    assert (lines[0]["truth"], lines[0]["forward"], lines[0]["reverse"]) == ("A", "A", "A")
    # 1 + 3 x 200 / 255 and 1 + 3 x 50 / 255, in tenths.
    assert lines[1]["scores"] == pytest.approx([3.4, 1.6])


async def test_every_number_is_under_the_name_of_its_protocol(
    tmp_path: Path, data: PreferenceSet
) -> None:
    result = await evaluate_preference(data, Judge(), tmp_path)
    table = write_table(result)
    assert "| 4-class | pairwise | 100.0 % [51.0, 100.0] | 100.0 % |" in table
    assert "| non-tie | pairwise | 100.0 % [43.9, 100.0] | 100.0 % |" in table
    for name in ("4-class", "non-tie"):
        assert f"{name}: {result.definitions[name]}" in table
    assert "[[A=B]]" in result.definitions["4-class"]


class Watcher(Judge):
    """Notes what it was given, and does something at the first comparison."""

    def __init__(self, *gone: Path) -> None:
        super().__init__()
        self._gone = gone

    async def compare(self, request: ComparisonRequest) -> Comparison:
        for path in self._gone:
            path.unlink(missing_ok=True)
        return await super().compare(request)


async def test_pictures_are_decoded_when_their_turn_comes(tmp_path: Path) -> None:
    data = hpdv3.load(files.hpdv3(tmp_path, 3))
    critic = Watcher(tmp_path / "images" / "2w.png")
    result = await evaluate_preference(data, critic, tmp_path / "out", concurrency=1)
    assert critic.asked == ["request 0", "request 1"]
    assert result.skipped == {"a picture that cannot be read": 1}
    assert result.measures[0].pairs == 2
    assert "Skipped, and in no number: 1 with a picture that cannot be read." in write_table(result)


async def test_without_any_picture_there_is_no_result(tmp_path: Path) -> None:
    data = hpdv3.load(files.hpdv3(tmp_path, 2))
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match=r"not one pair's pictures .* does not exist"):
        await evaluate_preference(data, Judge(), tmp_path / "out")
    assert not (tmp_path / "out" / "preference.json").exists()


async def test_an_interrupted_evaluation_asks_only_what_failed(
    tmp_path: Path, data: PreferenceSet
) -> None:
    faults: dict[str, CriticError] = {
        "request 1": CriticTimeout("too slow"),
        "request 2": CriticUnreadable("no score", "I like it"),
    }

    async def once(judge: Judge) -> PreferenceResult:
        with Cache(tmp_path / "out" / "cache") as cache:
            return await evaluate_preference(data, cache.critic(judge), tmp_path / "out")

    broken, well = Judge(fails=faults.get), Judge()
    first = await once(broken)
    assert first.failures == {"CriticTimeout": 1, "CriticUnreadable": 1}
    assert first.measures[0].accuracy.value == 2 / 4
    second = await once(well)
    assert sorted(well.asked) == ["request 1", "request 2"]
    assert second.failures == {}
    assert second.measures[0].accuracy.value == 1
    assert len((tmp_path / "out" / "pairs.jsonl").read_text().splitlines()) == 4


async def test_a_critic_that_cannot_compare(tmp_path: Path, data: PreferenceSet) -> None:
    with pytest.raises(ConfigError, match=r"'solitary' cannot compare .* --mode pointwise"):
        await evaluate_preference(data, Solitary(), tmp_path / "out")
    found = await evaluate_preference(data, Solitary(), tmp_path / "out", modes=("pointwise",))
    assert [one.accuracy.value for one in found.measures] == [1, 1]
    assert found.measures[0].consistent is None


async def test_a_failed_picture_fails_its_pair(tmp_path: Path, data: PreferenceSet) -> None:
    faults: dict[str, CriticError] = {"request 0": CriticTimeout("too slow")}
    judge = Judge(fails=faults.get)
    found = await evaluate_preference(data, judge, tmp_path / "out", modes=("pointwise",))
    assert found.measures[0].accuracy.value == 3 / 4
    assert found.failures == {"CriticTimeout": 1}


@pytest.mark.parametrize(
    ("limit", "shard", "chosen"),
    [
        (None, (1, 1), "abcde"),
        (3, (1, 1), "abc"),
        (None, (1, 2), "ace"),
        (None, (2, 2), "bd"),
        (3, (2, 2), "b"),
        (None, (6, 6), ""),
    ],
)
def test_select(limit: int | None, shard: tuple[int, int], chosen: str) -> None:
    assert select(["a", "a", "b", "c", "a", "d", "e"], limit, shard) == set(chosen)


async def test_a_selection_of_nothing(tmp_path: Path, data: PreferenceSet) -> None:
    with pytest.raises(ConfigError, match="nothing of genai-bench image_generation is selected"):
        await evaluate_preference(data, Judge(), tmp_path / "out", shard=(9, 9))
