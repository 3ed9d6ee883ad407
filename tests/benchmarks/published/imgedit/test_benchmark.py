from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from rr_refine.benchmarks.item import Item
from rr_refine.benchmarks.protocol import Answers
from rr_refine.benchmarks.published.imgedit import ImgEditLoader
from rr_refine.benchmarks.published.imgedit.benchmark import ImgEdit
from rr_refine.errors import ConfigError, CriticUnreadable, StoreError
from tests.benchmarks.published.imgedit.files import (
    EDITS,
    write_archive,
    write_checkout,
    write_json,
)

WHITE = Image.new("RGB", (8, 6), "white")


@pytest.fixture
def basic(tmp_path: Path) -> ImgEdit:
    return ImgEditLoader(data=write_archive(tmp_path)).load()


@pytest.fixture
def uge(tmp_path: Path) -> ImgEdit:
    return ImgEditLoader(data=write_archive(tmp_path), suite="uge").load()


def item_of(benchmark: ImgEdit, key: str) -> Item:
    return next(item for item in benchmark.items if item.id == key)


def scores(*values: int) -> str:
    lines = [f"Label {number}: {value}" for number, value in enumerate(values)]
    return "\n".join(["Brief reasoning: So so.", *lines])


def test_the_judge_sees_text_original_and_result_in_one_message(tmp_path: Path) -> None:
    benchmark = ImgEditLoader(data=write_checkout(tmp_path)).load()
    (question,) = benchmark.questions(item_of(benchmark, "673"), WHITE)
    text, source, edited = question.content
    # The prompt with its white space, as the official script sends it.
    assert text == "An official text about style:  Make it a mosaic. . Grade it."
    assert isinstance(source, Image.Image) and source.mode == "RGB" and source.size == (8, 6)
    assert source.getpixel((4, 3)) != (255, 255, 255)
    assert edited is WHITE
    assert question.max_tokens is None


@pytest.mark.parametrize("key", EDITS)
def test_our_own_words_ask_for_what_the_official_parser_reads(basic: ImgEdit, key: str) -> None:
    assert basic.wording == "ours"
    item = item_of(basic, key)
    ((text, *_),) = (question.content for question in basic.questions(item, WHITE))
    assert isinstance(text, str)
    assert EDITS[key]["prompt"] in text and "<edit_prompt>" not in text
    # A judge that puts its numbers where the text says so is read in full.
    lines = [line for line in text.splitlines() if line.endswith(": <a number from 1 to 5>")]
    filled = "\n".join(line.replace("<a number from 1 to 5>", "4") for line in lines)
    assert len(lines) == 3
    assert basic.read(item, (filled,)).score == 4.0
    assert basic.tolerant_scores({key: (filled,)})["counted"] == 1


def test_our_own_words_about_uge(uge: ImgEdit) -> None:
    ((text, *_),) = (question.content for question in uge.questions(uge.items[0], WHITE))
    assert isinstance(text, str)
    assert "Remove the smallest cup." in text
    assert text.splitlines()[-1] == "Score: <a number from 1 to 5>"


def test_an_original_that_is_gone_cannot_be_asked_about(basic: ImgEdit) -> None:
    item = item_of(basic, "22")
    assert isinstance(item.source, Path)
    item.source.unlink()
    with pytest.raises(StoreError, match=r"03\.jpg' does not exist"):
        basic.questions(item, WHITE)


def test_marks(basic: ImgEdit, uge: ImgEdit) -> None:
    item = item_of(basic, "1068")
    mark = basic.read(item, (scores(1, 4, 4),))
    assert (mark.score, mark.exact, mark.parts) == (3.0, False, {"adjust": (3.0, 1)})
    assert basic.read(item, (scores(5, 5, 5),)).exact
    assert not basic.read(item, (scores(5, 5),)).exact  # one is missing
    assert basic.worst(item).model_dump() == {
        "exact": False, "score": 0, "missed": (), "parts": {"adjust": (0, 1)},
    }  # fmt: skip
    with pytest.raises(CriticUnreadable, match="about '1068' has no line") as caught:
        basic.read(item, ("Prompt Compliance: 4/5",))
    assert caught.value.raw == "Prompt Compliance: 4/5"
    assert uge.read(uge.items[0], ("Fine.\nScore: 5",)).exact
    assert uge.read(uge.items[0], ("Fine.\nScore: 4",)).parts == {"uge": (4.0, 1)}


def test_made_up_answers_are_readable_and_differ(basic: ImgEdit, uge: ImgEdit) -> None:
    for benchmark in (basic, uge):
        for item in benchmark.items:
            marks = [
                benchmark.read(item, benchmark.write_answers(item, Random(seed)))
                for seed in range(40)
            ]
            assert all(1 <= mark.score <= 5 for mark in marks)
            assert len({mark.score for mark in marks}) > 3


NO_LINE_COUNTS = """\
**Prompt Compliance:** 4
**Visual Naturalness:** 4/5
Physical & Detail Coherence: 1 (Poor)"""
JUDGED: dict[str, Answers | None] = {
    "1068": (scores(1, 2, 2),),  # 5 / 3 = 1.67
    "1082": (scores(2, 2, 1),),  # 1.67
    "1075": (scores(1, 1, 1),),
    "673": (scores(5, 5, 4),),  # 14 / 3 = 4.67
    "22": (NO_LINE_COUNTS,),
    "1149": None,
}


def test_the_official_table(basic: ImgEdit) -> None:
    # adjust: (1.67 + 1.67 + 1.0) / 3 = 4.34 / 3 = 1.45, where without rounding the items it would
    # be 13 / 9 = 1.44. add and compose have nothing that counts, so that they are not there.
    official = basic.official(JUDGED)
    assert official == {"adjust": 1.45, "style": 4.67}
    assert list(official) == ["adjust", "style"]  # as the items come, not the judgements
    assert basic.official_values(official) == {"overall": 3.06, "adjust": 1.45, "style": 4.67}
    assert basic.official_values({}) == {"overall": None}


def test_goodwill_and_both_averages_beside_it(basic: ImgEdit) -> None:
    judged: dict[str, Answers | None] = {
        "22": JUDGED["22"],  # (4 + 4 + 1) / 3 = 3.0
        "1082": ("Prompt Compliance: 2\nVisual Seamlessness: 2\nPhysical & Detail Fidelity: 2.",),
        "1068": ("Prompt Compliance: 5\nVisual Seamlessness: 5\nPhysical & Detail Fidelity: 5",),
        "673": ("no idea",),
        "1149": None,
    }
    # adjust (2 + 5) / 2 = 3.5; macro (3.0 + 3.5) / 2; micro (3.0 + 2 + 5) / 3
    assert basic.tolerant_scores(judged) == {
        "types": {"add": 3.0, "adjust": 3.5},
        "macro": 3.25,
        "micro": pytest.approx(10 / 3),
        "counted": 3,
    }
    assert basic.views(judged) == {"tolerant": basic.tolerant_scores(judged)}
    assert basic.tolerant_scores({}) == {"types": {}, "macro": None, "micro": None, "counted": 0}


def test_what_is_written_is_what_the_official_scripts_read(tmp_path: Path, basic: ImgEdit) -> None:
    folder = tmp_path / "judgements" / "refine"
    basic.write_judgements(folder, tmp_path / "pictures", JUDGED)
    written = {path.name: json.loads(path.read_text()) for path in folder.iterdir()}
    texts = {key: answers[0] for key, answers in JUDGED.items() if answers}
    assert written == {
        "result.json": texts,
        "errors.json": ["1149"],
        "average_score.json": {"1082": 1.67, "673": 4.67, "1068": 1.67, "1075": 1.0},
        "typescore.json": basic.official(JUDGED),
    }
    # The order of the items, whichever that of the judgements was; never an object in it.
    assert list(written["result.json"]) == ["1082", "673", "22", "1068", "1075"]
    official, marks = basic.score_file(folder / "result.json")
    assert official == basic.official(JUDGED)
    assert {key: mark and mark.score for key, mark in marks.items()} == {
        "1082": 1.67, "673": 4.67, "22": None, "1068": 1.67, "1075": 1.0,
    }  # fmt: skip


def test_a_file_of_the_official_scripts(tmp_path: Path, basic: ImgEdit) -> None:
    file = write_json(
        tmp_path / "result.json",
        {
            "673": scores(2, 2, 2),
            "1082": {"error": "Image conversion failed"},
            "1068": scores(4, 4, 4),
            "9999": scores(5, 5, 5),  # of no type: left out
        },
    )
    official, marks = basic.score_file(file)
    assert official == {"style": 2.0, "adjust": 4.0}
    assert list(official) == ["style", "adjust"]  # as the file has them
    assert set(marks) == {"673", "1082", "1068"}
    assert marks["1082"] is None
    assert basic.judgements(file)["1082"] is None


def test_a_file_may_be_about_more_than_was_loaded(tmp_path: Path) -> None:
    benchmark = ImgEditLoader(data=write_archive(tmp_path)).load(limit=1)
    result = {"1082": scores(2, 2, 2), "1068": scores(4, 4, 4), "22": scores(3, 3, 3)}
    official, marks = benchmark.score_file(write_json(tmp_path / "result.json", result))
    assert official == {"adjust": 3.0, "add": 3.0}
    assert set(marks) == {"1082"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"1082": 4}', r"expected form: 1082"),
        ('["1082"]', "no table of fields"),
        ("1082: 4", "is no JSON"),
        ('{"1": "Score: 4"}', "has no key of imgedit basic"),
    ],
)
def test_files_that_are_no_result(
    tmp_path: Path, basic: ImgEdit, content: str, message: str
) -> None:
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ConfigError, match=message):
        basic.score_file(tmp_path / "result.json")


def test_errors_of_the_judging_script_are_told(tmp_path: Path, basic: ImgEdit) -> None:
    file = write_json(
        tmp_path / "result.json",
        {
            "673": scores(2, 2, 2),
            "1082": {"error": "Image conversion failed"},
            "1068": {"error": "Image conversion failed"},
            "1075": {"error": "Rate limit"},
        },
    )
    (told,) = basic.remarks(file)
    assert "3 of 4 rows are errors of the judging script" in told
    assert "first: '1068'" in told
    assert "2 x 'Image conversion failed'; 1 x 'Rate limit'" in told
    assert basic.remarks(write_json(tmp_path / "fine.json", {"673": scores(2, 2, 2)})) == []


def test_uge_has_one_number(tmp_path: Path, uge: ImgEdit) -> None:
    judged: dict[str, Answers | None] = {"1": ("Bad.\nScore: 2",), "2": ("Good.\nScore: 5",)}
    assert uge.official(judged) == {"average": 3.5}
    assert uge.official({"1": ("Score: 2.",), "2": None}) == {"average": None}
    assert uge.official_values({"average": 3.5}) == {"overall": 3.5}
    assert uge.official_values({"average": None}) == {"overall": None}
    uge.write_judgements(tmp_path / "out", tmp_path / "pictures", judged)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "errors.json",
        "result.json",
    ]
    # Every value counts, of whichever key: (2 + 5 + 4) / 3 = 3.67
    texts = {"1": "Bad.\nScore: 2", "2": "Good.\nScore: 5", "99": "Score: 4"}
    official, marks = uge.score_file(write_json(tmp_path / "result.json", texts))
    assert official == {"average": 3.67}
    assert set(marks) == {"1", "2"}


def test_preflight_says_what_the_official_script_would_stumble_over(
    tmp_path: Path, basic: ImgEdit
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    names = [basic.picture(item) for item in basic.items]
    assert names == [f"{key}.png" for key in EDITS]
    for name in names:
        Image.effect_noise((64, 64), 90).save(folder / name)
    basic.lay_out(folder)
    assert basic.preflight(folder) == []
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    (folder / "1082.png").unlink()
    (folder / "673.png").rename(folder / "673.jpg")
    WHITE.save(folder / "1149.png", "JPEG")
    data = (folder / "22.png").read_bytes()
    (folder / "22.png").write_bytes(data[: len(data) // 2])
    missing, other, jpeg, broken = basic.preflight(folder)
    assert missing == "1082.png is missing"
    assert other == "673.png is missing; 673.jpg is not looked for"
    assert jpeg == "1149.png holds JPEG, not PNG"
    assert broken.startswith("22.png cannot be read: it is a broken PNG")


def test_a_folder_that_cannot_be_written(tmp_path: Path, basic: ImgEdit) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot write .*result\.json"):
        basic.write_judgements(tmp_path / "file", tmp_path, JUDGED)
