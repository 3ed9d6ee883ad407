from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from rr_refine.errors import ConfigError
from rr_refine.pictures import load_picture
from rr_refine.reward.preferences.sources import SOURCES, RawPair, SourceName
from tests.training.parrot.fakes import picture


def encoded(number: int) -> dict[str, object]:
    """A picture as the data sets' files hold it."""
    buffer = io.BytesIO()
    picture(number).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": f"{number}.png"}


def read(source: SourceName, path: Path) -> list[RawPair]:
    return list(SOURCES[source].read(path, "set", "train"))


def write(path: Path, *rows: dict[str, Any]) -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    return path


def edit_row(vote: str, left: tuple[float, float], right: tuple[float, float]) -> dict[str, Any]:
    """A row of EditReward-Data; scores are (instruction following, quality)."""
    return {
        "key": "k",
        "unique_key": "u",
        "pair_index": 7,
        "instruction": "make it red",
        "source_img": encoded(0),
        "left_output_image": encoded(1),
        "right_output_image": encoded(2),
        "left_model": "lm",
        "right_model": "rm",
        "left_overall_score": sum(left),
        "right_overall_score": sum(right),
        "left_instruction_following_score": left[0],
        "right_instruction_following_score": right[0],
        "left_quality_aesthetic_score": left[1],
        "right_quality_aesthetic_score": right[1],
        "vote_type": vote,
        "metadata_index": 3,
    }


@pytest.mark.parametrize(
    ("vote", "left", "right", "preferred", "margin"),
    [
        ("leftvote", (4.0, 3.0), (1.0, 3.0), "first", 0.5),
        ("rightvote", (1.0, 1.0), (4.0, 4.0), "second", 1.0),
        ("tie", (4.0, 4.0), (1.0, 1.0), "tie", 1.0),
        ("leftvote", (2.0, 2.0), (1.0, 3.0), "tie", 0.0),  # equal overall
        ("leftvote", (1.0, 1.0), (2.0, 1.0), "tie", 1 / 6),  # contradicts its own scores
    ],
)
def test_edit_reward(
    tmp_path: Path,
    vote: str,
    left: tuple[float, float],
    right: tuple[float, float],
    preferred: str,
    margin: float,
) -> None:
    (pair,) = read("editreward", write(tmp_path / "a.parquet", edit_row(vote, left, right)))
    assert pair.preferred == preferred
    assert pair.margin == pytest.approx(margin)
    assert (pair.task, pair.key, pair.instruction) == ("edit", "u|7", "make it red")
    assert pair.first == encoded(1)["bytes"]
    assert pair.source == encoded(0)["bytes"]
    assert (pair.first_model, pair.second_model, pair.licence) == ("lm", "rm", "CC-BY-NC-4.0")
    assert pair.preferred_by is not None
    assert set(pair.preferred_by) == {"text_faithfulness", "physical_quality"}


def test_dimension_labels_of_edit_reward(tmp_path: Path) -> None:
    row = edit_row("leftvote", (4.0, 2.0), (1.0, 3.0))
    (pair,) = read("editreward", write(tmp_path / "a.parquet", row))
    assert pair.preferred_by == {"text_faithfulness": "first", "physical_quality": "second"}


def test_a_folder_of_parquet_files_is_read_in_order(tmp_path: Path) -> None:
    for name, key in (("b", "2"), ("a", "1")):
        row = edit_row("leftvote", (4.0, 2.0), (1.0, 3.0)) | {"unique_key": key}
        write(tmp_path / f"{name}.parquet", row)
    assert [pair.key for pair in read("editreward", tmp_path)] == ["1|7", "2|7"]


def hpd(path: Path, *rows: dict[str, Any]) -> Path:
    (path / "images").mkdir()
    for number in (1, 2):
        picture(number).save(path / "images" / f"{number}.jpg")
    file = path / "train.json"
    base = {"prompt": "a cat", "path1": "images/1.jpg", "path2": "images/2.jpg"}
    models = {"model1": "m1", "model2": "m2"}
    file.write_text(json.dumps([{**base, **models, **row} for row in rows]))
    return file


@pytest.mark.parametrize(
    ("row", "margin"),
    [
        ({"confidence": 0.97, "choice_dist": [9, 3]}, 0.97),
        ({"confidence": None, "choice_dist": [9, 3]}, 0.5),
        ({"confidence": None, "choice_dist": None}, None),
        ({"confidence": 1.2}, 1.0),
    ],
)
def test_hpd(tmp_path: Path, row: dict[str, Any], margin: float | None) -> None:
    (pair,) = read("hpdv3", hpd(tmp_path, row))
    assert (pair.preferred, pair.margin, pair.task) == ("first", margin, "t2i")
    assert isinstance(pair.first, Path)
    assert load_picture(pair.first).size == (8, 8)


def vote_row(first: int, second: int, **more: object) -> dict[str, Any]:
    return {
        "prompt": "a cat",
        "image1": encoded(1),
        "image2": encoded(2),
        "votes_image1": first,
        "votes_image2": second,
        "model1": "m1",
        "model2": "m2",
        "detailed_results": "[]",
        "image1_path": "/x/1.jpg",
        "image2_path": "/x/2.jpg",
        **more,
    }


@pytest.mark.parametrize(
    ("first", "second", "preferred", "margin"),
    [(8, 2, "first", 0.6), (5, 21, "second", 16 / 26), (3, 3, "tie", 0.0), (0, 0, "tie", 0.0)],
)
def test_rapidata(tmp_path: Path, first: int, second: int, preferred: str, margin: float) -> None:
    (pair,) = read("rapidata", write(tmp_path / "a.parquet", vote_row(first, second)))
    assert pair.preferred == preferred
    assert pair.margin == pytest.approx(margin)
    assert pair.second == encoded(2)["bytes"]


def test_rows_without_names_have_keys_of_their_own(tmp_path: Path) -> None:
    rows = [vote_row(8, 2, image1_path=None, image2_path=None) for _ in range(2)]
    pairs = read("rapidata", write(tmp_path / "a.parquet", *rows))
    assert len({pair.key for pair in pairs}) == 2


def test_wrong_files_are_named(tmp_path: Path) -> None:
    missing = write(tmp_path / "a.parquet", {"prompt": "a cat"})
    with pytest.raises(ConfigError, match=r"no column 'image1' \(it has 'prompt'\)"):
        read("rapidata", missing)
    row = write(tmp_path / "b.parquet", edit_row("upvote", (1, 1), (2, 2)))
    with pytest.raises(ConfigError, match=r"row 0 of .* is not of the expected form: vote_type"):
        read("editreward", row)
    (tmp_path / "c.parquet").write_bytes(b"no parquet")
    with pytest.raises(ConfigError, match="cannot be read as parquet"):
        read("rapidata", tmp_path / "c.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="there is no data at"):
        read("rapidata", tmp_path / "empty")
    for text, words in (("{", "is no JSON"), ("{}", "holds no list"), ("[1]", "row 0")):
        (tmp_path / "d.json").write_text(text)
        with pytest.raises(ConfigError, match=words):
            read("hpdv3", tmp_path / "d.json")


@pytest.mark.parametrize("margin", ["NaN", "1e308", "-0.5", "9"])
def test_a_recorded_margin_that_is_none(tmp_path: Path, margin: str) -> None:
    file = tmp_path / "pairs.jsonl"
    texts = ("id", "instruction", "first", "second", "generator", "licence")
    fields = {**dict.fromkeys(texts, "x"), "preferred": "first", "source": None}
    row = json.dumps({**fields, "preferred_by": None, "margin": 0.25})
    file.write_text(row.replace("0.25", margin))
    with pytest.raises(ConfigError, match="margin"):
        list(SOURCES["recorded"].read(file, "mine", "train"))
