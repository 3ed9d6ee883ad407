"""WISE (Verified): its prompts, its judge, and what is left for the official scripts."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from rr_refine.benchmarks.protocol import Answers, JudgedAnswers, OfficialTable, RemarksOnFile
from rr_refine.benchmarks.published.wise import WiseLoader
from rr_refine.benchmarks.published.wise.benchmark import Wise
from rr_refine.benchmarks.published.wise.scoring import Suite
from rr_refine.errors import ConfigError, CriticUnreadable
from tests.benchmarks.published.parts import is_whole
from tests.benchmarks.published.wise.files import prompt, write

WHITE = Image.new("RGB", (8, 6), "white")


@pytest.fixture
def whole(tmp_path: Path) -> Wise:
    return WiseLoader(data=write(tmp_path)).load()


def test_items(whole: Wise) -> None:
    assert whole.name == "wise verified all"
    assert is_whole(whole)
    assert isinstance(whole, OfficialTable)
    assert isinstance(whole, RemarksOnFile)
    assert [item.id for item in whole.items] == [str(number) for number in range(1, 1001)]
    item = whole.items[519]
    assert (item.prompt, item.labels) == ("What is meant by number 520", {"category": "TIME"})
    assert whole.picture(item) == "520.png"
    assert len(whole.files) == 3 and whole.notes == ()


@pytest.mark.parametrize(
    ("suite", "first", "last"),
    [("culture", "1", "400"), ("space-time", "401", "640"), ("science", "641", "1000")],
)
def test_parts(tmp_path: Path, suite: Suite, first: str, last: str) -> None:
    data = write(tmp_path)
    part = WiseLoader(data=data.parent, suite=suite).load()
    assert (part.items[0].id, part.items[-1].id, len(part.files)) == (first, last, 1)
    merged = [prompt(number) for number in range(1, 1001)]
    (data / "merge.json").write_text(json.dumps(merged))
    for path in data.glob("*_verified.json"):
        path.unlink()
    other = WiseLoader(data=data, suite=suite).load()
    assert [item.id for item in other.items] == [item.id for item in part.items]


def test_what_is_missing_is_told_before_a_judge_is_paid(tmp_path: Path, whole: Wise) -> None:
    data = tmp_path / "WISE" / "data_verified"
    (told,) = WiseLoader(data=data).load(limit=24).notes
    assert told.startswith("976 ids of the suite are not among the items")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for item in whole.items[:999]:
        (folder / whole.picture(item)).symlink_to(tmp_path / "white.png")
    WHITE.save(tmp_path / "white.png")
    assert whole.preflight(folder) == ["1000.png is missing"]
    few = WiseLoader(data=data).load(limit=999)
    assert few.preflight(folder) == [few.notes[0]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([prompt(1), prompt(1)], "prompt_id 1: it occurs twice"),
        ([prompt(1001)], "prompt_id 1001: the official ids are 1 to 1000"),
        ([prompt(401)], "has no prompts of the suite 'culture'"),
        ([{**prompt(1), "Prompt": None}], "expected form: 0.Prompt"),
        ([{**prompt(1), "prompt_id": "1"}], "expected form: 0.prompt_id"),
        ({}, "expected form"),
    ],
)
def test_broken_prompts(tmp_path: Path, rows: object, message: str) -> None:
    file = tmp_path / "cultural_common_sense_verified.json"
    file.write_text(json.dumps(rows))
    with pytest.raises(ConfigError, match=message):
        WiseLoader(data=file, suite="culture").load()
    with pytest.raises(ConfigError, match=r"has no spatio-temporal_reasoning_verified\.json"):
        WiseLoader(data=tmp_path).load()


def test_the_judge_is_asked_as_officially(tmp_path: Path, whole: Wise) -> None:
    (question,) = whole.questions(whole.items[1], WHITE)
    text, picture = question.content
    assert isinstance(text, str) and picture is WHITE
    assert "What is meant by number 2" in text and "It is 2 {apples}" in text
    assert (question.max_tokens, question.temperature) == (500, 0)
    assert (question.thoughts, question.may_be_cut) == (False, True)
    assert question.system
    data = tmp_path / "WISE"
    official = WiseLoader(data=data, prompts=data).load()
    (question,) = official.questions(official.items[1], WHITE)
    assert question.system == "Official words before."
    assert question.content[0] == (
        'Is {this} right?\nPROMPT: "What is meant by number 2"\n'
        'EXPLANATION: "It is 2 {apples}"\nAnswer.'
    )
    assert official.wording.startswith("official ") and "vllm_eval.py" in official.files
    (data / "vllm_eval.py").write_text("x = {'role': 'system', 'content': {'text': 'a'}}")
    with pytest.raises(ConfigError, match="no text that could be the judge's question"):
        WiseLoader(data=data, prompts=data).load()


def test_marks(whole: Wise) -> None:
    item = whole.items[400]
    mark = whole.read(item, ("<think>Score: 0</think>Score: 1",))
    assert (mark.exact, mark.score) == (True, 1)
    assert mark.parts == {"WiScore": (1, 1), "TIME": (1, 1)}
    assert whole.worst(item) == whole.read(item, ("Score: 0",))
    with pytest.raises(CriticUnreadable, match="about '401' has neither 'Score: 0' nor") as found:
        whole.read(item, ("**Score:** 1",))
    assert found.value.raw == "**Score:** 1"
    assert {whole.write_answers(item, Random(n)) for n in range(9)} == {
        ("Score: 0",), ("Score: 1",),
    }  # fmt: skip


def judged(whole: Wise) -> JudgedAnswers:
    answers: dict[str, Answers | None] = {item.id: ("Score: 1",) for item in whole.items}
    answers |= {"641": ("<think>Hm.</think>Score: 0",), "7": ("Score: 0",)}
    return JudgedAnswers(answers)


def test_official_numbers(whole: Wise) -> None:
    official = whole.official(judged(whole))
    assert official == {
        "overall": 1.0, "CULTURE": 1.0, "TIME": 1.0, "SPACE": 1.0, "BIOLOGY": 0.99, "PHYSICS": 1.0,
        "CHEMISTRY": 1.0,
    }  # fmt: skip
    assert whole.official_values(official)["BIOLOGY"] == 0.99
    views = whole.views(judged(whole))
    assert views["there"] == views["tolerant"] == {
        "overall": 0.998, "CULTURE": 0.9975, "TIME": 1.0, "SPACE": 1.0, "BIOLOGY": 0.9917,
        "PHYSICS": 1.0, "CHEMISTRY": 1.0, "samples": 1000,
    }  # fmt: skip


def test_an_unreadable_answer_costs_the_official_number(whole: Wise) -> None:
    read = {**judged(whole), "7": None}
    answers = JudgedAnswers(read, {"7": ("**Score:** 1",)})
    official = whole.official(answers)
    assert whole.official_values(official) == {"overall": None}
    assert "1 of 1000 ids have no line (7)" in str(official["notes"])
    there, tolerant = (whole.views(answers)[name] for name in ("there", "tolerant"))
    assert isinstance(there, dict) and isinstance(tolerant, dict)
    assert (there["samples"], there["CULTURE"]) == (999, 1.0)
    assert (tolerant["samples"], tolerant["CULTURE"]) == (1000, 1.0)


def test_what_is_written_is_what_the_official_scripts_go_on_with(
    tmp_path: Path, whole: Wise
) -> None:
    folder = tmp_path / "judgements"
    whole.write_judgements(folder, tmp_path / "pictures", {**judged(whole), "2": None})
    assert sorted(path.name for path in folder.iterdir()) == [
        "cultural_common_sense_full_results.json",
        "cultural_common_sense_scores_results.jsonl",
        "natural_science_full_results.json",
        "natural_science_scores_results.jsonl",
        "spatio-temporal_reasoning_full_results.json",
        "spatio-temporal_reasoning_scores_results.jsonl",
    ]
    culture = (folder / "cultural_common_sense_scores_results.jsonl").read_text().splitlines()
    assert len(culture) == 399
    assert culture[1] == '{"prompt_id": 3, "Subcategory": "Sums", "score": 1.0}'
    full = json.loads((folder / "natural_science_full_results.json").read_text())
    assert full[0] == {
        "prompt_id": 641,
        "prompt": "What is meant by number 641",
        "key": "It is 641 {apples}",
        "image_path": str(tmp_path / "pictures" / "641.png"),
        "evaluation": "Score: 0",
    }
    official, marks = whole.score_file(folder)
    assert official == whole.official({**judged(whole), "2": None})
    assert len(marks) == 999
    (told,) = whole.remarks(folder)
    assert "1 of 1000 ids have no line (2)" in told
    # One file is a part by itself, which lacks nothing.
    science = WiseLoader(data=tmp_path / "WISE" / "data_verified", suite="science").load()
    file = folder / "natural_science_scores_results.jsonl"
    official, marks = science.score_file(file)
    assert official == {"overall": None, "BIOLOGY": 0.99, "PHYSICS": 1.0, "CHEMISTRY": 1.0}
    assert science.remarks(file) == []


def test_a_file_of_another_kind(tmp_path: Path, whole: Wise) -> None:
    (tmp_path / "scores.jsonl").write_text("[]\n")
    with pytest.raises(ConfigError, match="holds no scores of WISE"):
        whole.score_file(tmp_path / "scores.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"has no \*_scores_results"):
        whole.score_file(tmp_path / "empty")
    with pytest.raises(ConfigError, match="cannot read"):
        whole.score_file(tmp_path / "nowhere.jsonl")
