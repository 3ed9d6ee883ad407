"""GenEval 2: its prompts, its questions, and what is left for the official scripts."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from rr_refine.benchmarks.protocol import Answers, OfficialTable
from rr_refine.benchmarks.published.geneval2 import GenEval2Loader
from rr_refine.benchmarks.published.geneval2.benchmark import GenEval2
from rr_refine.benchmarks.rejudge import pictures_of_layout
from rr_refine.errors import ConfigError, CriticUnreadable
from tests.benchmarks.published.geneval2.files import PROMPTS, write
from tests.benchmarks.published.parts import is_whole

WHITE = Image.new("RGB", (8, 6), "white")


def told(**tokens: float) -> str:
    """An answer of a judge that tells how likely these first tokens were."""
    return json.dumps({token: math.log(share) for token, share in tokens.items()})


def surely(*shares: float) -> Answers:
    """Right answers, so likely each, to questions of which the first is after a number."""
    words = ("three", *["Yes"] * (len(shares) - 1))
    return tuple(
        told(**{word: max(share, 1e-300), "None": max(1 - share, 1e-300)})
        for word, share in zip(words, shares, strict=True)
    )


@pytest.fixture
def soft(tmp_path: Path) -> GenEval2:
    return GenEval2Loader(data=write(tmp_path)).load()


@pytest.fixture
def hard(tmp_path: Path) -> GenEval2:
    return GenEval2Loader(data=write(tmp_path), suite="tifa").load()


def test_items(tmp_path: Path, soft: GenEval2) -> None:
    assert soft.name == "geneval2 soft_tifa_gm"
    assert is_whole(soft)
    assert isinstance(soft, OfficialTable)
    assert [(item.id, item.prompt) for item in soft.items] == [
        (f"{number:04d}", row["prompt"]) for number, row in enumerate(PROMPTS)
    ]
    assert soft.items[1].labels == {"atoms": "4"}
    assert soft.picture(soft.items[1]) == "0001.png"
    file = tmp_path / "GenEval2" / "geneval2_data.jsonl"
    assert soft.files == {file.name: hashlib.sha256(file.read_bytes()).hexdigest()}
    assert len(GenEval2Loader(data=file).load(limit=2).items) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"skills": ["count", "object"]}, "3 questions, but 2 skills"),
        ({"skills": ["count", "object", "taste"]}, "skills"),
        ({"atom_count": 11}, "atom_count"),
        ({"vqa_list": []}, "vqa_list"),
        ({"prompt": "six metal spoons"}, "line 3 of .* has the same prompt as line 1"),
    ],
)
def test_broken_prompts(tmp_path: Path, change: dict[str, object], message: str) -> None:
    data = write(tmp_path, [PROMPTS[0] | change, *PROMPTS[1:]])
    with pytest.raises(ConfigError, match=message):
        GenEval2Loader(data=data).load()
    (data / "geneval2_data.jsonl").write_text("")
    with pytest.raises(ConfigError, match="has no prompts"):
        GenEval2Loader(data=data).load()
    (data / "geneval2_data.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"has no geneval2_data\.jsonl"):
        GenEval2Loader(data=data).load()


def test_questions(
    tmp_path: Path, soft: GenEval2, tmp_path_factory: pytest.TempPathFactory
) -> None:
    questions = soft.questions(soft.items[1], WHITE)
    assert len(questions) == 4
    first = questions[0]
    assert first.content[0] is WHITE
    assert str(first.content[1]).startswith("How many owls are in the image? ")
    assert (first.max_tokens, first.temperature, first.may_be_cut) == (1, 0, True)
    assert first.likelihoods
    data = tmp_path / "GenEval2"
    official = GenEval2Loader(data=data, suite="tifa", prompts=data / "evaluation.py").load()
    asked = official.questions(official.items[0], WHITE)
    assert asked[1].content[1] == "Are the kettles blue? In a word, please."
    assert not asked[1].likelihoods  # the answer itself is enough
    assert official.wording.startswith("official ") and "evaluation.py" in official.files
    (data / "evaluation.py").write_text("'{} {}'.format(question)")
    with pytest.raises(ConfigError, match="has no text that could be the judge's question"):
        GenEval2Loader(data=data, prompts=data).load()


def test_marks(soft: GenEval2) -> None:
    mark = soft.read(soft.items[0], surely(0.9, 0.8, 0.5))
    gm = (0.9 * 0.8 * 0.5) ** (1 / 3)
    assert mark.score == pytest.approx(gm)
    assert {name: pytest.approx(got / of) for name, (got, of) in mark.parts.items()} == {
        "soft_tifa_gm": gm,
        "soft_tifa_am": 2.2 / 3,
        "object": 0.5,
        "attribute": 0.8,
        "count": 0.9,
        "atoms 3": gm,
    }
    assert mark.exact
    wrong = soft.read(soft.items[0], surely(0.2, 0.8, 0.9))
    assert not wrong.exact
    assert wrong.missed == ("How many kettles are in the image? three",)
    assert soft.worst(soft.items[0]).parts["soft_tifa_am"] == (0, 1)
    assert soft.worst(soft.items[0]).score == 0


def test_a_judge_without_likelihoods(soft: GenEval2, hard: GenEval2) -> None:
    with pytest.raises(ConfigError, match=r"tells no log-probabilities.*--suite tifa"):
        soft.read(soft.items[0], ("three", "Yes", "Yes"))
    with pytest.raises(CriticUnreadable, match="some question about '0000'"):
        soft.read(soft.items[0], (*surely(0.9, 0.9), "Yes"))
    mark = hard.read(hard.items[0], ("Three", "YES", "no"))
    assert (mark.score, mark.exact) == (2 / 3, False)
    assert mark.parts == {
        "tifa": (2 / 3, 1), "object": (0, 1), "attribute": (1, 1), "count": (1, 1),
        "atoms 3": (0, 1),
    }  # fmt: skip
    # The most probable token of a judge that tells them.
    assert hard.read(hard.items[0], surely(0.6, 0.6, 0.6)).exact


@pytest.mark.parametrize("text", ["{}", '{"Yes": 5}', '{"Yes": NaN}', '["Yes"]', "Yes", "-0.1"])
def test_what_is_no_likelihood(soft: GenEval2, text: str) -> None:
    with pytest.raises(CriticUnreadable):
        soft.read(soft.items[0], (*surely(0.9, 0.9), text))


def test_made_up_answers_are_readable_and_differ(soft: GenEval2, hard: GenEval2) -> None:
    for bench in (soft, hard):
        item = bench.items[1]
        marks = [bench.read(item, bench.write_answers(item, Random(n))) for n in range(40)]
        assert len({mark.score for mark in marks}) > 3


JUDGED: dict[str, Answers | None] = {
    "0000": surely(0.9, 0.8, 0.5),
    "0001": None,
    "0002": (told(six=0.5, five=0.5), told(Yes=0.5, No=0.5), told(No=0.6, yes=0.4)),
}


def test_official_numbers(soft: GenEval2, hard: GenEval2) -> None:
    official = soft.official(JUDGED)
    notes = official.pop("notes")
    assert isinstance(notes, list)
    stops, tables = map(str, notes)
    assert stops.startswith("1 of 3 prompts have no score")
    assert "gives no tables" in tables
    first, third = (0.9 * 0.8 * 0.5) ** (1 / 3), (0.5 * 0.5 * 0.4) ** (1 / 3)
    assert official == {
        "soft_tifa_gm": pytest.approx(100 * (first + third) / 2),
        "soft_tifa_am": pytest.approx(100 * (2.2 / 3 + 1.4 / 3) / 2),
        "skills": None,  # the second has the only verb
        "atomicity": None,
        "prompts": 2,
    }
    values = soft.official_values(official)
    assert values == {
        "overall": official["soft_tifa_gm"], "soft_tifa_am": official["soft_tifa_am"],
    }  # fmt: skip
    assert soft.views(JUDGED) == {"tifa": pytest.approx(100 * (1 + 2 / 3) / 2)}
    assert soft.views({}) == {}
    all_of = soft.official({"0001": surely(0.5, 0.5, 0.5, 0.5), **{"0000": JUDGED["0000"]}})
    assert soft.official_values(all_of)["attribute"] == 80.0
    assert hard.official({"0000": ("three", "Yes", "No.")})["tifa"] == pytest.approx(200 / 3)
    assert hard.views({"0000": ("three.", "Yes", "No.")}) == {"tolerant": pytest.approx(200 / 3)}
    assert hard.official_values(hard.official({})) == {"overall": None}


def test_what_is_written_is_in_step(tmp_path: Path, soft: GenEval2) -> None:
    folder = tmp_path / "judgements"
    soft.write_judgements(folder, tmp_path / "pictures", JUDGED)
    lines = (folder / "geneval2_data.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [PROMPTS[0], PROMPTS[2]]
    scores = json.loads((folder / "score_lists.json").read_text())
    assert scores == [pytest.approx([0.9, 0.8, 0.5]), pytest.approx([0.5, 0.5, 0.4])]
    with pytest.raises(ConfigError, match=r"2 prompts, the data 3.*give the geneval2_data"):
        soft.score_file(folder / "score_lists.json")
    own = GenEval2Loader(data=folder).load()
    official, marks = own.score_file(folder / "score_lists.json")
    notes = soft.official(JUDGED)["notes"]
    assert {**official, "notes": notes} == soft.official(JUDGED)
    assert marks["0001"] is not None and marks["0001"].parts["soft_tifa_am"][0] == 1.4 / 3


def test_scores_of_a_file(tmp_path: Path) -> None:
    data, file = write(tmp_path), tmp_path / "score_lists.json"
    file.write_text("[[1, 0.8, 0.5], [0.9, 0, 1, 1], [0.6, 0.6, 0.6]]")
    bench = GenEval2Loader(data=data).load(limit=1)  # officially, all of the file counts
    official, marks = bench.score_file(file)
    assert official["soft_tifa_gm"] == pytest.approx(44.5602, abs=1e-4)
    assert set(marks) == {"0000"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[1, 1], [1, 1, 1, 1], [1, 1, 1]]", "2 scores where 'three blue kettles' has 3"),
        ("[[1, 1, -0.1]]", "expected form"),
        ("[[1, 1, NaN]]", "expected form|is no JSON"),
        ('{"a": 1}', "expected form"),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, soft: GenEval2, text: str, message: str) -> None:
    (tmp_path / "score_lists.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        soft.score_file(tmp_path / "score_lists.json")


def test_soft_scores_are_not_taken_for_hard_ones(tmp_path: Path, hard: GenEval2) -> None:
    file = tmp_path / "score_lists.json"
    file.write_text("[[1, 1, 0], [1, 0, 1, 1], [1, 1, 1]]")
    assert hard.score_file(file)[0]["tifa"] == pytest.approx(100 * (2 / 3 + 3 / 4 + 1) / 3)
    file.write_text("[[1, 1, 0], [1, 0, 1, 1], [1, 1, 0.5]]")
    with pytest.raises(ConfigError, match=r"neither 0 nor 1.*--suite soft_tifa_gm"):
        hard.score_file(file)


def test_the_layout_says_where_the_pictures_are(tmp_path: Path, soft: GenEval2) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    assert soft.preflight(folder)[-1].endswith("takes the places of the pictures from it")
    assert soft.pictures_in(folder) == {}
    WHITE.save(folder / "0000.png")
    WHITE.save(folder / "0002.png")
    for _ in range(2):
        soft.lay_out(folder)
    paths = json.loads((folder / "image_paths.json").read_text())
    assert paths == {
        "three blue kettles": str(folder / "0000.png"),
        "six metal spoons": str(folder / "0002.png"),
    }
    (unnamed,) = soft.preflight(folder)
    assert unnamed.startswith("image_paths.json names no picture of 'two owls")
    WHITE.save(folder / "0001.png")
    soft.lay_out(folder)
    assert soft.preflight(folder) == []
    (folder / "0002.png").unlink()
    assert soft.preflight(folder) == [f"{folder / '0002.png'} is missing"]
    lines = (folder / "geneval2_data.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == PROMPTS


def test_pictures_of_somebody_else(tmp_path: Path, soft: GenEval2) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "out").mkdir(parents=True)
    WHITE.save(theirs / "out" / "kettles.jpg")
    WHITE.save(theirs / "owls.png")
    paths = {"three blue kettles": "out/kettles.jpg", str(PROMPTS[1]["prompt"]): "/a/b/owls.png"}
    (theirs / "image_paths.json").write_text(json.dumps(paths))
    assert soft.pictures_in(theirs) == {"0000": "out/kettles.jpg", "0001": "owls.png"}
    (unnamed,) = soft.preflight(theirs)
    assert "'six metal spoons'" in unnamed
    trials = [bring() for bring in pictures_of_layout(theirs, soft).trials(tmp_path / "judged")]
    assert [trial.error for trial in trials] == [None, None, "0002.png is missing"]
    # Nobody's file makes us send pictures from elsewhere to a judge.
    paths["three blue kettles"] = str(tmp_path / "secret.png")
    WHITE.save(tmp_path / "secret.png")
    (theirs / "image_paths.json").write_text(json.dumps(paths))
    (first, *_) = [bring() for bring in pictures_of_layout(theirs, soft).trials(tmp_path / "two")]
    assert "outside of it" in str(first.error)
