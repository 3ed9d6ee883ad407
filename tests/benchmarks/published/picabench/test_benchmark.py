"""Questions, marks and official files of PICABench, on three items with 3, 1 and 2 questions."""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

from rr_refine.benchmarks.item import Item
from rr_refine.benchmarks.published.picabench import PicaBenchLoader
from rr_refine.benchmarks.published.picabench.benchmark import PicaBench
from rr_refine.errors import ConfigError, CriticUnreadable, StoreError
from tests.benchmarks.published.picabench.files import (
    BOX,
    encoded,
    meta,
    pair,
    row,
    rows,
    said,
    write_json,
    write_parquet,
)

OUTPUT = "meta_info_gpt_output_1024_crop_box_and_resize.json"
ANALYSIS = "meta_info_gpt_analysis_1024_crop_box_and_resize.json"

JUDGED = {
    "00000": (said("No"), said("No"), "Yes, it is"),  # right, wrong, right: 2/3
    "00001": ("Note: yes, bent\n",),  # read as No: 0
    "00002": (said("no."), '{"answer": "Yes", "explanation": "bright"}'),  # 1
}
# Overall (2/3 + 0 + 1) / 3; by category Optics (2/3 + 0) / 2 and Mechanics 1; by operation
# remove (2/3 + 1) / 2 and add 0. Six questions.
ANALYSED = {
    "overall_accuracy": 100.0 * (2 / 3 + 0 + 1) / 3,
    "sample_count": 3,
    "qa_total": 6,
    "by_category": {
        "Optics": {"accuracy": 100.0 * (2 / 3 + 0) / 2, "sample_count": 2, "qa_total": 4},
        "Mechanics": {"accuracy": 100.0, "sample_count": 1, "qa_total": 2},
    },
    "by_law": {
        "Reflection": {"accuracy": 100.0 * (2 / 3) / 1, "sample_count": 1, "qa_total": 3},
        "Refraction": {"accuracy": 0.0, "sample_count": 1, "qa_total": 1},
        "Deformation": {"accuracy": 100.0, "sample_count": 1, "qa_total": 2},
    },
    "by_operation": {
        "remove": {"accuracy": 100.0 * (2 / 3 + 1) / 2, "sample_count": 2, "qa_total": 5},
        "add": {"accuracy": 0.0, "sample_count": 1, "qa_total": 1},
    },
}


def of(tmp_path: Path, found: list[dict[str, Any]]) -> PicaBench:
    data = write_parquet(tmp_path / "data" / "picabench-00000-of-00001.parquet", found)
    return PicaBenchLoader(data=data).load(cache=tmp_path / "cache")


@pytest.fixture
def published(tmp_path: Path) -> PicaBench:
    return of(tmp_path, rows())


def test_questions(published: PicaBench) -> None:
    image = Image.new("RGB", (512, 256), "white")
    image.paste("red", (50, 50, 80, 60))
    first, second = published.questions(published.items[2], image)
    text, shown = first.content
    assert isinstance(text, str) and isinstance(shown, Image.Image)
    assert text.startswith("Is the pillow dented?\n\n")
    assert '{"answer": "Yes" or "No", "explanation": ' in text
    assert shown.size == (1024, 614)
    assert shown.getpixel((512, 307)) == (255, 0, 0)
    assert isinstance(second.content[1], Image.Image)
    assert second.content[1].size == (1024, 512), "the whole picture, for want of a box"
    assert first.max_tokens is None


def test_marks(published: PicaBench) -> None:
    marks = [published.read(item, JUDGED[item.id]) for item in published.items]
    assert [mark.score for mark in marks] == [2 / 3, 0, 1]
    assert [mark.exact for mark in marks] == [False, False, True]
    assert marks[0].missed == ("Is the vase empty?",)
    assert marks[0].parts == {
        "accuracy": (2 / 3, 1),
        "Optics": (2 / 3, 1),
        "Reflection": (2 / 3, 1),
    }
    # The one dimension's value, as results have it, is the official overall accuracy.
    (dimension,) = published.dimensions
    got, of = map(sum, zip(*(mark.parts[dimension] for mark in marks), strict=True))
    assert 100 * got / of == pytest.approx(ANALYSED["overall_accuracy"])


def test_the_worst_mark(published: PicaBench) -> None:
    worst = published.worst(published.items[1])
    assert (worst.exact, worst.score) == (False, 0)
    assert worst.missed == ("Is the straw bent?",)
    assert worst.parts == {"accuracy": (0, 1), "Optics": (0, 1), "Refraction": (0, 1)}


def test_the_official_analysis(published: PicaBench) -> None:
    assert published.official(JUDGED) == ANALYSED
    assert published.official_values(published.official(JUDGED)) == {
        "overall": ANALYSED["overall_accuracy"],
        **{"Optics": 100.0 * (2 / 3) / 2, "Mechanics": 100.0},
        **{"Reflection": 100.0 * (2 / 3), "Refraction": 0.0, "Deformation": 100.0},
    }
    backwards = published.official(dict(sorted(JUDGED.items(), reverse=True)))
    assert json.dumps(backwards) == json.dumps(ANALYSED), "in the order of the benchmark, too"


def test_without_an_answer_all_is_wrong_and_what_was_not_judged_is_left_out(
    published: PicaBench,
) -> None:
    official = published.official({"00000": JUDGED["00000"], "00002": None})
    assert official["overall_accuracy"] == 100.0 * (2 / 3 + 0) / 2
    assert (official["sample_count"], official["qa_total"]) == (2, 5)
    assert published.official({}) == {
        "overall_accuracy": 0.0,
        "sample_count": 0,
        "qa_total": 0,
        "by_category": {},
        "by_law": {},
        "by_operation": {},
    }


def test_other_views(published: PicaBench) -> None:
    # Officially right: 2, 0 and 2 of 6. By the tolerant parser "Note: yes" is no answer, but it
    # was wrong before, too.
    assert published.views(JUDGED) == {
        "micro_accuracy": 100.0 * 4 / 6,
        "tolerant_accuracy": pytest.approx(100 * (2 / 3 + 0 + 1) / 3),
        "reread": 0,
        "unreadable": 1,
    }
    # The first are officially wrong ("yes" is in the text), wrong and right ("Yes" begins); the
    # tolerant parser has the first right. The third item has no answers.
    answers = ('{"answer": false, "explanation": "yes, gone"}', "Not so", "Yes")
    assert published.views({"00000": answers, "00002": None}) == {
        "micro_accuracy": 100.0 * 1 / 5,
        "tolerant_accuracy": pytest.approx(100 * (2 / 3 + 0) / 2),
        "reread": 1,
        "unreadable": 1 + 2,
    }
    assert published.views({}) == {}


def test_fewer_items(published: PicaBench, tmp_path: Path) -> None:
    folder = tmp_path / "judgements"
    published.write_judgements(folder, tmp_path / "pictures", JUDGED)
    published.items = published.items[2:]
    assert published.official(JUDGED)["sample_count"] == 1
    assert list(published.score_file(folder / OUTPUT)[1]) == ["00002"]
    assert len(published.preflight(tmp_path)) == 1
    published.write_judgements(folder, tmp_path / "pictures", JUDGED)
    assert [found["index"] for found in json.loads((folder / OUTPUT).read_text())] == [2]


def test_an_item_without_questions_is_left_out(tmp_path: Path) -> None:
    found = [
        row(0, "Reflection", "add", [pair("Is it wet?", ""), pair("", "Yes"), {"box": BOX}]),
        row(1, "Reflection", "add", [pair("Is it dry?", "Yes")]),
    ]
    published = of(tmp_path, found)
    item = published.items[0]
    assert published.questions(item, Image.new("RGB", (8, 8))) == ()
    with pytest.raises(CriticUnreadable, match="00000 of picabench superficial has no questions"):
        published.read(item, ())
    assert not published.worst(item).exact
    official = published.official({"00000": None, "00001": (said("yes"),)})
    assert (official["overall_accuracy"], official["sample_count"]) == (100.0, 1)


def test_official_files(published: PicaBench, tmp_path: Path) -> None:
    folder, pictures = tmp_path / "judgements" / "refine", tmp_path / "pictures" / "refine"
    judged = {**JUDGED, "00002": None}
    published.write_judgements(folder, pictures, judged)
    meta_info = json.loads((folder / "meta_info.json").read_text())
    assert meta_info[1] == {
        "index": 1,
        "input_path": "../../cache/sources/00001.png",
        "output_path": "../../pictures/refine/00001.png",
        "edit_instruction": "short 1",
        "physics_category": "Optics",
        "physics_law": "Refraction",
        "edit_operation": "add",
        "difficulty": "superficial",
        "annotated_qa_pairs": rows()[1]["annotated_qa_pairs"],
        "edit_area": rows()[1]["edit_area"],
    }
    assert (folder / meta_info[1]["input_path"]).read_bytes() == encoded()
    output = json.loads((folder / OUTPUT).read_text())
    assert output[1]["annotated_qa_pairs"] == [
        {
            **rows()[1]["annotated_qa_pairs"][0],
            "model_answer": "No",
            "model_response": "Note: yes, bent",
            "model_explanation": "",
            "is_correct": False,
        }
    ]
    first = output[0]["annotated_qa_pairs"][1]
    assert (first["model_answer"], first["model_explanation"]) == ("No", "seen")
    failed = output[2]["annotated_qa_pairs"][0]
    assert failed["model_response"] == "Error: all attempts failed"
    assert (failed["model_answer"], failed["is_correct"]) == ("Error: all", False)
    assert json.loads((folder / ANALYSIS).read_text()) == published.official(judged)


def test_paths_lead_there_where_a_folder_is_a_link(published: PicaBench, tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "judgements").symlink_to(tmp_path / "far" / "away")
    published.write_judgements(tmp_path / "judgements", tmp_path / "pictures", JUDGED)
    found = json.loads((tmp_path / "judgements" / "meta_info.json").read_text())
    assert Path(os.path.realpath(tmp_path / "judgements"), found[0]["input_path"]).is_file()


def test_paths_are_short_where_all_is_behind_a_link(published: PicaBench, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    out = tmp_path / "out"
    published.write_judgements(out / "judgements", out / "pictures", JUDGED)
    found = json.loads((out / "judgements" / "meta_info.json").read_text())
    assert found[0]["output_path"] == "../pictures/00000.png", "the folder can be moved as a whole"


def test_own_files_are_read_back(published: PicaBench, tmp_path: Path) -> None:
    folder = tmp_path / "judgements"
    judged = {**JUDGED, "00001": None}
    published.write_judgements(folder, tmp_path / "pictures", judged)
    official, marks = published.score_file(folder / OUTPUT)
    assert official == published.official(judged)
    first, _, last = published.items
    assert marks == {
        "00000": published.read(first, JUDGED["00000"]),
        "00001": None,
        "00002": published.read(last, JUDGED["00002"]),
    }
    with pytest.raises(ConfigError, match="outside of it"):  # where they would be sent to models
        PicaBenchLoader(data=folder / "meta_info.json").load()
    again = PicaBenchLoader(data=folder / "meta_info.json").load(sources=False)
    assert [(i.id, i.prompt, i.labels) for i in again.items] == [
        (i.id, i.prompt, i.labels) for i in published.items
    ]
    assert again.official(JUDGED) == ANALYSED


def graded(*right: object) -> list[dict[str, Any]]:
    return [{"question": f"{n}?", "answer": "Yes", "is_correct": r} for n, r in enumerate(right)]


def test_a_file_of_the_official_script(published: PicaBench, tmp_path: Path) -> None:
    failed = {"question": "a?", "model_answer": "Error", "error": "timeout", "is_correct": False}
    file = write_json(
        tmp_path / "output.json",
        [
            # 1/2: the first field's and those of kinds in the second count together; one was not
            # asked.
            meta(
                0,
                qa_pairs=graded(True),
                annotated_qa_pairs={"kind": [*graded(False), pair("b?", "No")]},
            ),
            meta(2, annotated_qa_pairs=[failed]),  # 0
            meta(1, annotated_qa_pairs=[pair("c?", "No")]),  # not judged at all
            {
                "annotated_qa_pairs": graded(True, True, True, False)
            },  # 3/4, index 3: no item of ours
        ],
    )
    official, marks = published.score_file(file)
    assert official == {
        "overall_accuracy": 100.0 * (1 / 2 + 0 + 3 / 4) / 3,
        "sample_count": 3,
        "qa_total": 2 + 1 + 4,
        "by_category": {
            "Optics": {"accuracy": 25.0, "sample_count": 2, "qa_total": 3},
            "unknown": {"accuracy": 75.0, "sample_count": 1, "qa_total": 4},
        },
        "by_law": {
            "Reflection": {"accuracy": 25.0, "sample_count": 2, "qa_total": 3},
            "unknown": {"accuracy": 75.0, "sample_count": 1, "qa_total": 4},
        },
        "by_operation": {
            "remove": {"accuracy": 25.0, "sample_count": 2, "qa_total": 3},
            "unknown": {"accuracy": 75.0, "sample_count": 1, "qa_total": 4},
        },
    }
    assert set(marks) == {"00000", "00001", "00002"}
    assert marks["00001"] is None and marks["00002"] is None
    mark = marks["00000"]
    assert mark is not None
    assert (mark.score, mark.exact, mark.missed) == (0.5, False, ("0?",))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"overall_accuracy": 50.0}, "holds no list"),
        ([meta(0)], "holds no judgements"),
        ([3], "row 0 of"),
        ([{"annotated_qa_pairs": "none"}], "row 0 of .*annotated_qa_pairs"),
    ],
)
def test_a_file_of_another_kind(
    published: PicaBench, tmp_path: Path, value: object, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        published.score_file(write_json(tmp_path / "output.json", value))


def test_preflight(tmp_path: Path) -> None:
    # Sources are 40x20. On the canvas 40x19 is 25.6 pixels lower, more than the padding of 20;
    # 80x39 is 12.8, and 400x200 is the same.
    published = of(tmp_path, [row(n, "Reflection", "add", []) for n in range(6)])
    folder = tmp_path / "pictures"
    published.lay_out(folder)
    assert len(published.preflight(folder)) == 6
    folder.mkdir()
    for number, size in enumerate([(40, 20), (400, 200), (80, 39), (40, 19)]):
        Image.new("RGB", size).save(folder / f"{number:05d}.png")
    (folder / "00004.png").write_bytes(b"\x89PNG\r\n\x1a\n half of one")
    turned, broken, missing = published.preflight(folder)
    assert turned.startswith("00003.png is 40x19, its source 40x20: of another aspect ratio")
    assert "00004.png" in broken and "cannot be read" in broken
    assert missing.startswith("00005.png is missing")
    source = published.items[0].source
    assert isinstance(source, Path)
    source.unlink()
    assert published.preflight(folder)[0].startswith("the source of 00000.png cannot be compared")


def test_made_up_answers_can_be_read(published: PicaBench) -> None:
    def score(item: Item, seed: int) -> float:
        return published.read(item, published.write_answers(item, Random(seed))).score

    for item in published.items:
        assert {0.0, 1.0} <= {score(item, seed) for seed in range(60)}
        assert published.write_answers(item, Random(3)) == published.write_answers(item, Random(3))


def test_a_folder_that_cannot_be_written(published: PicaBench, tmp_path: Path) -> None:
    (tmp_path / "judgements").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"cannot write .*meta_info\.json"):
        published.write_judgements(tmp_path / "judgements", tmp_path, JUDGED)
