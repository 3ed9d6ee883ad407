"""Benchmark folders that somebody else made: what is in them is refused in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image
from pydantic import ValidationError

from rr_refine.agent.store.png import encode_png
from rr_refine.benchmarks.answers import has_answers, judgements_of, read_answers
from rr_refine.benchmarks.arms import make_arms
from rr_refine.benchmarks.join import join
from rr_refine.benchmarks.preference.mmrb2 import score_predictions
from rr_refine.benchmarks.published.files import has_contents, keep_picture, read_json
from rr_refine.benchmarks.published.longtext.scoring import read_records
from rr_refine.benchmarks.published.picabench.case import read_list
from rr_refine.benchmarks.published.unigenbench import UniGenBenchLoader
from rr_refine.benchmarks.report import write_report
from rr_refine.benchmarks.results import summarise
from rr_refine.benchmarks.scoring import lay_out, pictures_of, score
from rr_refine.benchmarks.source import Source
from rr_refine.benchmarks.trial import TrialFile, read_trials
from rr_refine.errors import ConfigError, StoreError
from rr_refine.reward.preferences.rows import json_lines
from tests.benchmarks.trials import JUDGED, marked, of_parts, point, trial
from tests.hostile_files import HOSTILE

TRIALS = [trial("one-shot", "a", point(of_parts(A=(2, 4))))]


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_trials(tmp_path: Path, kind: str) -> None:
    HOSTILE[kind](tmp_path / "trials.jsonl")
    with pytest.raises(StoreError, match=r"trials\.jsonl"):
        list(read_trials(tmp_path))
    with pytest.raises(StoreError, match=r"trials\.jsonl"):
        TrialFile(tmp_path)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_results(tmp_path: Path, kind: str) -> None:
    HOSTILE[kind](tmp_path / "results.json")
    with pytest.raises(ConfigError, match=r"results\.json' cannot be read"):
        join([tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["judgements", "judgements/refine", "judgements/refine/a"])
def test_answers_are_of_the_folder_itself(tmp_path: Path, name: str) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        judgements_of(folder, "refine").mkdir(parents=True)
        (judgements_of(folder, "refine") / "answers.jsonl").write_text("")
    assert has_answers(theirs, "refine") and list(read_answers(theirs, "refine")) == []
    if name.endswith("a"):
        name = "judgements/refine/answers.jsonl"
    (theirs / name).rename(tmp_path / "away")
    (theirs / name).symlink_to(ours / name)
    with pytest.raises(StoreError, match="cannot be read"):
        has_answers(theirs, "refine")
    with pytest.raises(StoreError, match="cannot be read"):
        list(read_answers(theirs, "refine"))


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_answers(tmp_path: Path, kind: str) -> None:
    judgements_of(tmp_path, "refine").mkdir(parents=True)
    HOSTILE[kind](judgements_of(tmp_path, "refine") / "answers.jsonl")
    with pytest.raises(StoreError, match=r"answers\.jsonl"):
        list(read_answers(tmp_path, "refine"))


DEEP = "[" * 200 + "]" * 200
"""Deeper than any file of ours, and not so deep that the parser itself gives up."""


def _unigenbench(folder: Path) -> None:
    file = folder / "test_prompts_en.csv"
    cell = f'{{""Testpoints"": {DEEP}}}'
    file.write_text(f'index,prompt_en,sub_dims_en\n0,a cat,"{cell}"\n')
    UniGenBenchLoader(data=folder).load()


def _picabench(folder: Path) -> None:
    (folder / "meta_info.json").write_text(DEEP)
    read_list(folder / "meta_info.json")


def _predictions(folder: Path) -> None:
    (folder / "predictions.json").write_text(f'{{"a": {DEEP}}}')
    score_predictions(folder / "predictions.json", {"a": "A"})


def _rows(folder: Path) -> None:
    (folder / "rows.jsonl").write_text(f'{{"a": {DEEP}}}\n')
    list(json_lines(folder / "rows.jsonl"))


def _json(folder: Path) -> None:
    (folder / "x.json").write_text(f'{{"a": {DEEP}}}')
    read_json(folder / "x.json", dict[str, object])


@pytest.mark.parametrize("read", [_unigenbench, _picabench, _predictions, _rows, _json])
def test_files_nested_beyond_reason(tmp_path: Path, read: Callable[[Path], None]) -> None:
    with pytest.raises(ConfigError, match="nested deeper than 100 levels"):
        read(tmp_path)


def test_numbers_that_python_writes_are_taken(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"kept": 1, "other": NaN}\n')
    (row,) = json_lines(tmp_path / "rows.jsonl")
    assert isinstance(row, dict) and row["kept"] == 1


@pytest.mark.parametrize("arm", ["../../x", "a/../../x", "/tmp/x", ""])
def test_an_arm_that_leads_out_of_the_folder(tmp_path: Path, arm: str) -> None:
    """Its answers would be those of a neighbour."""
    results = summarise(lambda: TRIALS, make_arms(1, names=["one-shot"]), JUDGED, dimensions=["A"])
    write_report(tmp_path / "own", results, lambda: TRIALS)
    file = tmp_path / "own" / "results.json"
    file.write_text(file.read_text().replace('"arm": "one-shot"', f'"arm": "{arm}"'))
    with pytest.raises(ConfigError, match=r"results\.json' cannot be read: arms\.0\.arm"):
        join([tmp_path / "own"], tmp_path / "out")
    with pytest.raises(ValidationError, match="no name of something inside"):
        trial(arm, "a", point(marked(2.0)))
    with pytest.raises(StoreError, match="answers"):
        list(read_answers(tmp_path / "own", "../../x"))


@pytest.mark.parametrize("name", ["runs", "runs/one-shot", "runs/one-shot/a"])
def test_a_run_that_is_elsewhere(tmp_path: Path, name: str) -> None:
    """Its prompt would be on the page."""
    results = summarise(lambda: TRIALS, make_arms(1, names=["one-shot"]), JUDGED, dimensions=["A"])
    own, away, out = (tmp_path / name for name in ("own", "away", "out"))
    write_report(own, results, lambda: TRIALS)
    (own / "trials.jsonl").write_text(TRIALS[0].model_dump_json() + "\n")
    request = {"request": {"prompt": "my private words", "seed": 1}}
    run = away / TRIALS[0].run
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps(request))
    join([own], tmp_path / "first")  # its run is gone, and that is no harm
    (own / name).parent.mkdir(parents=True, exist_ok=True)
    (own / name).symlink_to(away / name)
    with pytest.raises(StoreError, match="links in here are not followed"):
        join([own], out)
    assert not (out / "index.html").exists()


def test_sources_are_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "data").symlink_to(tmp_path / "away")
    png = encode_png(Image.new("RGB", (8, 8), "red"))
    with pytest.raises(StoreError, match="links in here are not followed"):
        keep_picture(png, tmp_path / "out" / "data" / "sources", "a")
    assert not any((tmp_path / "away").iterdir())


@pytest.mark.parametrize("count", ["1" + "0" * 400, "-1"])
def test_counts_beyond_reason(tmp_path: Path, count: str) -> None:
    row = '{"image": "7_1.png", "ocr_gt": "a b", "ocr_results": "a", "gt_word_count": 2, '
    (tmp_path / "results.jsonl").write_text(row + f'"match_word_count": {count}}}\n')
    with pytest.raises(ConfigError, match="match_word_count"):
        read_records(tmp_path / "results.jsonl")


class Lays:
    """A benchmark of no items that writes where the official scripts do."""

    items = ()

    def picture(self, item: object) -> str:
        raise AssertionError(item)

    def preflight(self, folder: Path) -> list[str]:
        return []

    def lay_out(self, folder: Path) -> None:
        (folder / "official" / "list.json").write_text("{}")

    def write_judgements(self, folder: Path, pictures: Path, judged: object) -> None:
        (folder / "official" / "table.csv").write_text("")

    def official(self, judged: object) -> dict[str, Any]:
        return {}

    views = official


def test_official_files_are_not_written_through_a_link(tmp_path: Path) -> None:
    away, out, benchmark = tmp_path / "away", tmp_path / "out", cast("Any", Lays())
    away.mkdir()
    for where in (judgements_of, pictures_of):
        where(out, "refine").mkdir(parents=True)
        (where(out, "refine") / "official").symlink_to(away)
    (judgements_of(out, "refine") / "answers.jsonl").write_text("")
    with pytest.raises(StoreError, match="link"):
        lay_out(benchmark, ["refine"], out, [])
    with pytest.raises(StoreError, match="link"):
        score(benchmark, ["refine"], out, lambda: [])
    assert not [*away.iterdir()]


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_compared_may_be_anything(tmp_path: Path, kind: str) -> None:
    HOSTILE[kind](tmp_path / "metadata.jsonl")
    assert not has_contents(tmp_path / "metadata.jsonl", b"{}")
    assert not has_contents(tmp_path / "none", b"")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"parts": 1', '"parts": 100000000', r"provenance\.source\.parts = 100000000"),
        ('"renders": 2', '"renders": 1000000000', r"provenance\.renders = 1000000000"),
        ('"worse_by": 0.1', '"worse_by": 1e308', r"worse_by = 1e\+308"),
    ],
)
def test_numbers_beyond_reason(tmp_path: Path, old: str, new: str, told: str) -> None:
    """A sentence for each missing part, a point for each render."""
    made = JUDGED.model_copy(update={"source": Source(name="sketch", options={})})
    results = summarise(lambda: TRIALS, make_arms(1, names=["one-shot"]), made, dimensions=["A"])
    write_report(tmp_path / "own", results, lambda: TRIALS)
    file = tmp_path / "own" / "results.json"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=told):
        join([tmp_path / "own"], tmp_path / "out")


def test_a_score_beyond_reason(tmp_path: Path) -> None:
    line = TRIALS[0].model_dump_json()
    (tmp_path / "trials.jsonl").write_text(re.sub(r'"score":[0-9.]+', '"score":1e308', line) + "\n")
    with pytest.raises(StoreError, match="score"):
        list(read_trials(tmp_path))
