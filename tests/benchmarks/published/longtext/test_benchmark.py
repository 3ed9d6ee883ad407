"""LongText-Bench: its prompts, what its reader is asked, what the official script gets."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from rr_refine.benchmarks.protocol import (
    Answers,
    JudgedAnswers,
    OfficialTable,
    RemarksOnFile,
)
from rr_refine.benchmarks.published.longtext import LongTextLoader
from rr_refine.benchmarks.published.longtext.benchmark import LongText
from rr_refine.benchmarks.rejudge import pictures_of_layout
from rr_refine.errors import ConfigError
from tests.benchmarks.published.longtext.files import PROMPTS, write
from tests.benchmarks.published.parts import is_whole

WHITE = Image.new("RGB", (8, 6), "white")


@pytest.fixture
def english(tmp_path: Path) -> LongText:
    return LongTextLoader(data=write(tmp_path), samples=2).load()


def test_items(tmp_path: Path, english: LongText) -> None:
    assert english.name == "longtext en"
    assert is_whole(english)
    assert isinstance(english, OfficialTable)
    assert isinstance(english, RemarksOnFile)
    assert [item.id for item in english.items] == ["0007_1", "0007_2", "0110_1", "0110_2"]
    item = english.items[1]
    assert (item.group, item.seed, item.prompt) == ("7", 1235, PROMPTS[0]["prompt"])
    assert item.labels == {"category": "sign", "length": "short"}
    assert english.picture(item) == "0007_2.png"
    file = tmp_path / "textbench" / "text_prompts.jsonl"
    assert english.files == {file.name: hashlib.sha256(file.read_bytes()).hexdigest()}


def test_four_pictures_of_a_prompt_and_the_first_prompts(tmp_path: Path) -> None:
    data = write(tmp_path)
    assert [i.id for i in LongTextLoader(data=tmp_path).load(limit=1).items] == [
        "0007_1", "0007_2", "0007_3", "0007_4",
    ]  # fmt: skip
    chinese = LongTextLoader(data=data / "text_prompts_zh.jsonl", suite="zh", samples=1).load()
    assert [item.id for item in chinese.items] == ["0003_1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": []}, "line 1 of .* is not of the published form: text"),
        ({"text": ["。 !"]}, "prompt_id 7: .* no characters that the official script looks at"),
        ({"prompt_id": 110}, "prompt_id 110: it occurs twice"),
        ({"prompt_id": -1}, "prompt_id"),
        ({"category": None}, "category"),
    ],
)
def test_broken_prompts(tmp_path: Path, change: dict[str, object], message: str) -> None:
    data = write(tmp_path)
    rows = [PROMPTS[0] | change, PROMPTS[1]]
    (data / "text_prompts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(ConfigError, match=message):
        LongTextLoader(data=data).load()


def test_what_is_asked_for_wrongly(tmp_path: Path) -> None:
    data = write(tmp_path)
    with pytest.raises(ConfigError, match=r"is not of the suite 'en': text_prompts\.jsonl is"):
        LongTextLoader(data=data / "text_prompts_zh.jsonl").load()
    with pytest.raises(ConfigError, match="samples = 0"):
        LongTextLoader(data=data, samples=0).load()
    (data / "text_prompts.jsonl").write_text("")
    with pytest.raises(ConfigError, match="has no prompts"):
        LongTextLoader(data=data).load()
    (data / "text_prompts.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"has no text_prompts\.jsonl.*folder textbench"):
        LongTextLoader(data=data).load()


def test_the_reader_sees_the_picture_first_and_nothing_of_the_prompt(
    tmp_path: Path, english: LongText
) -> None:
    (question,) = english.questions(english.items[0], WHITE)
    picture, words = question.content
    assert picture is WHITE and isinstance(words, str)
    assert "Grand" not in words and "No text recognized." in words
    assert (question.max_tokens, question.may_be_cut, question.system) == (1024, True, "")
    data = tmp_path / "textbench"
    official = LongTextLoader(data=data, prompts=data).load()
    sha = hashlib.sha256((data / "evaluate_text_reward.py").read_bytes()).hexdigest()
    assert official.wording == f"official {sha[:12]}"
    assert official.files["evaluate_text_reward.py"] == sha
    (question,) = official.questions(official.items[0], WHITE)
    assert question.content[1] == "An official question about {text}, in two parts."


def test_a_script_without_the_question(tmp_path: Path) -> None:
    data = write(tmp_path)
    (data / "evaluate_text_reward.py").write_text("qwen_prompt = 'of no object'")
    with pytest.raises(ConfigError, match="has no text that could be the judge's question"):
        LongTextLoader(data=data, prompts=data).load()


def test_marks(english: LongText) -> None:
    item = english.items[0]
    mark = english.read(item, ("Grand OPENING\n20 save",))
    assert (mark.exact, mark.score, mark.missed) == (True, 1.0, ())
    assert mark.parts == {"text": (4, 4), "sign": (4, 4), "short": (4, 4)}
    mark = english.read(item, ("Grand",))
    assert (mark.exact, mark.score, mark.missed) == (False, 0.25, ("opening", "save", "20"))
    assert english.read(item, ("",)).score == 0  # nothing read is no fault of the judge
    assert english.worst(item).parts["text"] == (0, 4)


def test_made_up_answers_differ(english: LongText) -> None:
    answers = [english.write_answers(english.items[2], Random(seed)) for seed in range(40)]
    assert len({english.read(english.items[2], own).score for own in answers}) > 3


JUDGED: dict[str, Answers | None] = {
    "0110_1": ("not to be to",),  # 4 of 6
    "0007_1": ("No text recognized.",),  # 0 of 4
    "0007_2": ("grand opening save 20 \ud800",),  # 4 of 4; half a character is no UTF-8
    "0110_2": None,
}


def test_official_numbers(english: LongText) -> None:
    official = english.official(JUDGED)
    assert official == {
        "text_score": 0.5714,  # 8 of 14
        "match_word_count": 8,
        "gt_word_count": 14,
        "pictures": 3,
    }
    assert english.official_values(official) == {"overall": 0.5714}
    assert english.official({})["text_score"] is None
    assert english.official_values(english.official({})) == {"overall": None}
    assert english.views(JUDGED) == {
        "macro": pytest.approx((4 / 6 + 0 + 1) / 3),
        "tolerant": 0.5714,
    }
    assert english.views({}) == {}


def test_what_is_written_is_what_the_official_script_reads(
    tmp_path: Path, english: LongText
) -> None:
    folder, pictures = tmp_path / "judgements", tmp_path / "pictures"
    english.write_judgements(folder, pictures, JudgedAnswers(JUDGED))
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert rows[0] == {
        "image": str(pictures / "0007_1.png"),
        "prompt": PROMPTS[0]["prompt"],
        "ocr_gt": ["Grand Opening", "Save 20%"],
        "ocr_results": "",
    }
    # The order of their names, as the official script takes them.
    assert [Path(row["image"]).name for row in rows] == ["0007_1.png", "0007_2.png", "0110_1.png"]
    assert (folder / "scores.txt").read_text() == "Text Score: 0.5714\n"
    official, marks = english.score_file(folder / "results.jsonl")
    assert official == english.official(JUDGED)
    assert {name: mark and mark.score for name, mark in marks.items()} == {
        "0007_1": 0, "0007_2": 1, "0110_1": 4 / 6,
    }  # fmt: skip
    assert english.remarks(folder / "results.jsonl") == []


def rewritten(row: dict[str, object], texts: str, found: int, of: int) -> str:
    """As `summary_scores.py` leaves it."""
    counts = {"match_word_count": found, "gt_word_count": of, "text_accuray": found / of}
    return json.dumps({**row, "ocr_gt": texts, **counts})


def test_a_file_that_was_scored_already(tmp_path: Path, english: LongText) -> None:
    file = tmp_path / "results.jsonl"
    rows = [
        rewritten({"image": "x/0007_1.png", "ocr_results": "grand"}, "grand opening save 20", 1, 4),
        rewritten({"image": "x/0110_1.png", "ocr_results": "b"}, "to be or not to be", 0, 6),
    ]
    file.write_text("\n".join(rows))
    official, marks = english.score_file(file)
    assert official["text_score"] == 0.1  # and not that of single letters
    assert marks["0007_1"] is not None and marks["0007_1"].missed == ("opening", "save", "20")
    (told,) = english.remarks(file)
    assert "its own counts are used" in told


def test_pictures_of_other_names_count_too(tmp_path: Path, english: LongText) -> None:
    rows: list[dict[str, object]] = [
        {"image": "a/7_2.png", "ocr_gt": ["a b"], "ocr_results": "a"},
        {"image": "a\\0007_1.png", "ocr_gt": ["a b"], "ocr_results": "a b"},
        {"image": "a/7.png", "ocr_gt": ["a b c d"], "ocr_results": ""},
    ]
    file = tmp_path / "results_chunk0.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    official, marks = english.score_file(file)
    assert official["text_score"] == 0.375
    assert {name: mark and mark.score for name, mark in marks.items()} == {
        "0007_2": 0.5, "0007_1": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no results"),
        ("Text Score: 0.5\n", r"line 1 of .* is no result of evaluate_text_reward\.py"),
        ('{"image": "a.png", "ocr_gt": ["a"]}', "ocr_results"),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, english: LongText, text: str, message: str) -> None:
    (tmp_path / "results.jsonl").write_text(text)
    with pytest.raises(ConfigError, match=message):
        english.score_file(tmp_path / "results.jsonl")


def test_preflight(tmp_path: Path, english: LongText) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for item in english.items:
        WHITE.save(folder / english.picture(item))
    assert english.preflight(folder) == []
    (folder / "0007_2.png").rename(folder / "0007_2.jpg")
    (folder / "0110_2.png").rename(folder / "110_2.png")  # ids need not be padded
    for name in ("0110_3.png", "7_1.png", "0090_1.png", "grid.png", "7.png"):
        WHITE.save(folder / name)
    assert english.preflight(folder) == [
        "0007_2.png is missing; 0007_2.jpg is not looked for",
        "0090_1.png is of no prompt: the official script stops at it",
        "0110_3.png is of no item, but the official script counts it",
        "7.png is of no item, but the official script counts it",
        "7_1.png is of no item, but the official script counts it",
        "grid.png is of no prompt: the official script stops at it",
    ]


def test_pictures_of_somebody_else(tmp_path: Path, english: LongText) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("7_1.png", "007_2.png", "0110_1.png", "110_1.png"):
        WHITE.save(theirs / name)
    assert english.pictures_in(theirs) == {
        "0007_1": "7_1.png", "0007_2": "007_2.png", "0110_1": "0110_1.png",
    }  # fmt: skip
    trials = [bring() for bring in pictures_of_layout(theirs, english).trials(tmp_path / "judged")]
    assert [trial.error for trial in trials] == [None, None, None, "0110_2.png is missing"]
