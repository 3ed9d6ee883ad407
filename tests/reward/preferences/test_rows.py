from __future__ import annotations

import os
import random
from pathlib import Path

import pyarrow
import pytest
from pydantic import BaseModel

from rr_refine.benchmarks.preference import genai_bench
from rr_refine.benchmarks.preference.item import PreferenceItem, read_vote
from rr_refine.errors import ConfigError
from rr_refine.reward.preferences import rows
from rr_refine.reward.preferences.pair import open_picture
from rr_refine.reward.preferences.rows import find_files, read_rows
from tests.benchmarks.preference.files import GOOD, POOR, edition, generation, write


class Prompted(BaseModel):
    """What is looked for."""

    prompt: str | None


KINDS = ["x.parquet", "x.stream.arrow", "x.arrow", "x.jsonl", "x.csv", "x.json"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("edits", [False, True])
def test_all_kinds_of_files(tmp_path: Path, name: str, edits: bool) -> None:
    rows = (edition if edits else generation)(["leftvote", "rightvote", "tievote"])
    data = genai_bench.load(write(tmp_path / name, rows))
    assert data.name == f"genai-bench image_{'edition' if edits else 'generation'}"
    assert list(data.files) == [f"{tmp_path.name}/{name}"]
    assert data.groups == ["0", "1", "2"]
    items = list(data.read())
    for number, (item, truth) in enumerate(zip(items, ["A", "B", "tie"], strict=True)):
        assert isinstance(item, PreferenceItem)
        assert (item.id, item.prompt, item.truth) == (str(number), f"request {number}", truth)
        a, b = (open_picture(p).getpixel((0, 0)) for p in (item.image_a, item.image_b))
        qualities = {"A": (GOOD, POOR), "B": (POOR, GOOD), "tie": (GOOD, GOOD)}[truth]
        assert (a, b) == ((qualities[0], 2 * number, 0), (qualities[1], 2 * number + 1, 0))
        assert (item.source is not None) == edits
        if item.source is not None:
            assert open_picture(item.source).getpixel((0, 0)) == (0, 132, 3)  # number 900


def test_the_files_of_one_split(tmp_path: Path) -> None:
    names = [f"test_v1-{n:05}-of-00002.parquet" for n in range(2)] + ["test-00000-of-00001.parquet"]
    for number, name in enumerate(names):
        write(tmp_path / name, generation(["leftvote"] * (number + 1)))
    with pytest.raises(ConfigError, match=r"holds 2 sets .*/test', .*/test_v1'"):
        genai_bench.load(tmp_path)
    assert [file.name for file in find_files(tmp_path / "test_v1-*")] == names[:2]
    assert genai_bench.load(tmp_path / "test_v1-*").groups == ["0", "1", "2"]
    assert genai_bench.load(tmp_path / names[2]).groups == ["0", "1", "2"]
    (tmp_path / names[2]).unlink()
    (tmp_path / "dataset_info.json").write_text("{}")
    assert len(genai_bench.load(tmp_path).groups) == 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.parquet", None, "there is no data at"),
        ("x.txt", "a,b", "is none of .parquet, .arrow, .jsonl, .csv, .json"),
        ("x.csv", "a,b", "holds no rows"),
        ("x.csv", 'prompt\n"a', "cannot be read as CSV"),
        ("x.json", "{", "is no JSON"),
        ("x.json", "[" * 200_000, "is no JSON"),
        ("x.jsonl", "[" * 200_000, "line 1 of .* is no JSON"),
        ("x.json", '{"a": 1}', "holds no list of pairs"),
        ("x.json", "[]", "holds no rows"),
        ("x.jsonl", '{"vote_type": "leftvote"}\n{', "line 2 of .* is no JSON"),
        ("x.json", '[{"prompt": "a"}]', "row 0 of .*: vote_type is missing"),
        ("x.json", '[{"vote_type": "left"}]', "row 0 of .*: the label 'left' is none of"),
        ("x.parquet", "nothing", "cannot be read as parquet"),
        ("x.arrow", "nothing", "cannot be read as Arrow"),
    ],
)
def test_files_of_no_use(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        genai_bench.load(tmp_path / name)


def test_of_a_csv_file_only_the_wanted_cells_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, cell = [], rows._cell

    def noted(text: str) -> object:
        made.append(text)
        return cell(text)

    monkeypatch.setattr(rows, "_cell", noted)
    file = tmp_path / "x.csv"
    others = ",".join(f"c{number}" for number in range(50))
    file.write_text(f"{others},prompt,b\n" + "{},\n" * 3 + f"\n{',' * 50}a cat,2\n")
    prompts = [found.value.prompt for found in read_rows([file], Prompted)]
    assert prompts == [None, None, None, "a cat"]
    assert made == ["a cat"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / f"x.{kind}")
    with pytest.raises(ConfigError, match="is a pipe"):
        genai_bench.load(tmp_path)


def test_another_data_set_is_told_by_its_columns(tmp_path: Path) -> None:
    row = {"prompt": "p", "left_video": "x", "right_video": "y", "vote_type": "leftvote"}
    data = genai_bench.load(write(tmp_path / "x.parquet", [row]))
    with pytest.raises(ConfigError, match="has no column 'left_image'"):
        list(data.read())


@pytest.mark.parametrize("name", ["x.parquet", "x.stream.arrow"])
def test_pictures_are_not_kept(tmp_path: Path, name: str) -> None:
    """However many there are: pyarrow's reader of parquet keeps all it has read, if it may."""
    rows = generation(["leftvote"] * 96)
    for row in rows:
        row["left_image"]["bytes"] = random.randbytes(100_000)
    file = write(tmp_path / name, rows)
    assert file.stat().st_size > 96 * 100_000
    data = genai_bench.load(file)
    before = pyarrow.total_allocated_bytes()
    held = [pyarrow.total_allocated_bytes() for _ in data.read()]
    # A batch of 16 and a row group or two of 8, with the reader's own buffers: not all of 9.6 MB.
    assert max(held) - before < 6_000_000


@pytest.mark.parametrize(
    ("label", "truth"),
    [
        *[("leftvote", "A"), ("rightvote", "B"), ("tievote", "tie"), ("bothbad_vote", "both_bad")],
        *[("A>B", "A"), ("B>A", "B"), ("A=B", "tie"), ("A=B=Good", "tie"), ("a", "A")],
        *[("A=B=Bad", "both_bad"), ("B", "B"), (" a>b ", "A")],
    ],
)
def test_labels(label: str, truth: str) -> None:
    assert read_vote(label, "here") == truth


@pytest.mark.parametrize(("label", "truth"), [("C>D", "A"), ("D>C", "B"), ("C=D", "tie")])
def test_labels_by_other_letters(label: str, truth: str) -> None:
    assert read_vote(label, "here", a="C", b="D") == truth


@pytest.mark.parametrize("label", ["", "A>B>C", "left", "C>D"])
def test_labels_that_are_none(label: str) -> None:
    with pytest.raises(ConfigError, match=f"^row 3: the label '{label}' is none of 'leftvote'"):
        read_vote(label, "row 3")


def test_a_label_that_is_none_is_told_by_its_beginning() -> None:
    with pytest.raises(ConfigError) as caught:
        read_vote("v" * 100_000, "row 3", a="a" * 100_000, b="B")
    assert "'vvvvv" in str(caught.value) and len(str(caught.value)) < 2000
