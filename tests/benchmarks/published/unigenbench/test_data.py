"""Prompt files: what is read, mended, refused, and written again."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from rr_refine.benchmarks.item import Item
from rr_refine.benchmarks.published.unigenbench import UniGenBenchLoader
from rr_refine.benchmarks.published.unigenbench.benchmark import SUITES
from rr_refine.errors import ConfigError, StoreError
from tests.benchmarks.published.parts import is_whole
from tests.benchmarks.published.unigenbench.files import BROKEN, EN, ZH, prompts_with, write


def test_items(tmp_path: Path) -> None:
    found = UniGenBenchLoader(data=write(tmp_path)).load()
    assert is_whole(found)
    assert found.name == "unigenbench en"
    # Two prompts, four samples each.
    assert [(i.id, i.seed, i.group) for i in found.items] == [
        ("0_0", 3407, "0"),
        ("0_1", 3408, "0"),
        ("0_2", 3409, "0"),
        ("0_3", 3410, "0"),
        ("1_0", 3407, "1"),
        ("1_1", 3408, "1"),
        ("1_2", 3409, "1"),
        ("1_3", 3410, "1"),
    ]
    assert {i.prompt for i in found.items[:4]} == {"Two red foxes, drawn in ink"}
    assert [dict(i.labels) for i in found.items[3:5]] == [{"theme": "Art"}, {"theme": "Design"}]
    assert [found.picture(i) for i in found.items[3:5]] == ["0_3.png", "1_0.png"]
    assert all(i.source is None for i in found.items)
    assert found.notes == ()
    assert found.wording == "ours"
    assert found.files == {"test_prompts_en.csv": hashlib.sha256(EN.encode()).hexdigest()}


def test_samples_and_limit(tmp_path: Path) -> None:
    found = UniGenBenchLoader(data=write(tmp_path), samples=2).load(limit=1)
    assert [i.id for i in found.items] == ["0_0", "0_1"]


def test_chinese_suite(tmp_path: Path) -> None:
    found = UniGenBenchLoader(
        data=write(tmp_path, ZH, "zh_long"), suite="zh_long", samples=1
    ).load()
    assert found.name == "unigenbench zh_long"
    (item,) = found.items
    assert (item.id, item.prompt, dict(item.labels)) == ("7_0", "水墨画的红狐狸", {"theme": "艺术"})


@pytest.mark.parametrize("where", ["", "data", "data/test_prompts_en.csv"])
def test_where_the_file_may_be(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder)
    assert len(UniGenBenchLoader(data=tmp_path / where).load().items) == 8


def test_the_missing_comma_is_put_in(tmp_path: Path) -> None:
    found = UniGenBenchLoader(
        data=write(tmp_path, BROKEN, "en_long"), suite="en_long", samples=1
    ).load()
    worst = found.worst(found.items[1])
    assert worst.missed == (
        "Action - State: paints",
        "Grammar - Negation: no drop",
        "Attribute - Color: blue",
    )
    (note,) = found.notes
    assert "test_prompts_en_long.csv index 509" in note
    # Where the row is not asked for, there is nothing to say about it.
    assert UniGenBenchLoader(data=tmp_path, suite="en_long").load(limit=1).notes == ()


def test_the_copy_for_the_official_script(tmp_path: Path) -> None:
    whole = UniGenBenchLoader(data=write(tmp_path, BROKEN, "en_long"), suite="en_long").load()
    copy = whole.write_prompts(tmp_path / "new")
    assert copy == tmp_path / "new" / "test_prompts_en_long.csv"
    assert copy.read_text() == BROKEN.replace('Negation"" ""', 'Negation"", ""')
    with copy.open(newline="") as file:
        rows = list(csv.DictReader(file))
    # What the official script does with every row, and stops at where the comma is missing.
    assert [len(json.loads(row["sub_dims_en"])["Testpoints"]) for row in rows] == [1, 3]
    again = UniGenBenchLoader(data=copy, suite="en_long").load()
    assert (again.items, again.notes) == (whole.items, ())


def test_the_copy_holds_the_prompts_that_were_read(tmp_path: Path) -> None:
    written = (
        UniGenBenchLoader(data=write(tmp_path))
        .load(limit=1)
        .write_prompts(tmp_path / "new")
        .read_bytes()
    )
    assert written == EN[: EN.index("1,A cat")].encode()
    assert (
        UniGenBenchLoader(data=tmp_path).load().write_prompts(tmp_path / "all").read_bytes()
        == EN.encode()
    )


def test_the_copy_for_a_part_of_the_items(tmp_path: Path) -> None:
    bench = UniGenBenchLoader(data=write(tmp_path)).load()
    bench.items = [item for item in bench.items if item.group == "1"]
    written = bench.write_prompts(tmp_path / "new").read_bytes()
    assert written == (HEADER + EN[EN.index("1,A cat") :]).encode()


def test_blank_lines_are_no_prompts(tmp_path: Path) -> None:
    found = UniGenBenchLoader(
        data=write(tmp_path, EN.replace("1,A cat", "\n1,A cat") + "\n")
    ).load()
    assert len(found.items) == 8
    assert found.write_prompts(tmp_path / "new").read_bytes() == EN.encode()


def test_line_ends_and_byte_order_marks_of_other_systems(tmp_path: Path) -> None:
    text = prompts_with(["Style"], ["ink"]).replace("A cat", '"A cat\r\nand a\u2028dog"')
    crlf = text.replace("en\n", "en\r\n").replace('}"\n', '}"\r\n')
    found = UniGenBenchLoader(data=write(tmp_path, f"\ufeff{crlf}")).load()
    assert found.items[0].prompt == "A cat\r\nand a\u2028dog"
    assert found.write_prompts(tmp_path / "new").read_bytes() == crlf.encode()


def test_a_testpoint_that_occurs_twice_counts_twice(tmp_path: Path) -> None:
    labels = ["Attribute - Color", "Style", "Attribute - Color"]
    found = UniGenBenchLoader(
        data=write(tmp_path, prompts_with(labels, ["red", "ink", "blue"]))
    ).load()
    worst = found.worst(found.items[0])
    assert worst.parts["Attribute"] == worst.parts["Attribute - Color"] == (0, 2)
    assert worst.missed == ("Attribute - Color: red", "Style: ink", "Attribute - Color: blue")


HEADER = "index,prompt_en,sub_dims_en\n"
ROW = EN.splitlines(keepends=True)[1]
BAD = [
    ("", "is empty"),
    (HEADER, "has no prompts"),
    ("index,prompt_zh\n", "no column 'prompt_en'"),
    (HEADER + "0,cat\n", "line 2: 2 cells in 3 columns"),
    (HEADER + '0,cat,"{', "is no CSV"),
    (HEADER + ROW.replace("0,", "x,"), "line 2: index 'x' is no number"),
    (HEADER + ROW + ROW, "index 0 occurs twice, at last in line 3"),
    (HEADER + "0,cat,[]\n", "index 0: sub_dims_en must be a JSON object"),
    (HEADER + '0,cat,"{""Testpoints"": [""a"" b]}"\n', "index 0: sub_dims_en is no JSON"),
    (HEADER + '0,cat,"{""Testpoints"": [""a"""\n', "index 0: sub_dims_en is no JSON"),
    # Two commas missing are not the known defect.
    (HEADER + '0,cat,"{""Testpoints"": [""a"" ""b"" ""c""]}"\n', "index 0: sub_dims_en is no JSON"),
    (prompts_with("Style", ["ink"]), "'Testpoints' must be a list of texts, not 'Style'"),
    (prompts_with(["Style", 1], ["ink", "x"]), "'Testpoints' must be a list of texts"),
    (prompts_with([], []), "'Testpoints' must be a list of texts, not []"),
    (prompts_with(["Style"], None), "'Testpoint Description' must be a list of texts, not None"),
    (prompts_with(["Style"], ["a", "b"]), "1 in 'Testpoints' but 2 in 'Testpoint Description'"),
    (
        prompts_with(["Charm"], ["ink"]),
        "testpoint 'Charm', of which the wording (ours) has no explanation",
    ),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_broken_files_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        UniGenBenchLoader(data=write(tmp_path, text)).load()
    assert said in str(raised.value)
    assert "test_prompts_en.csv" in str(raised.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "test_prompts_en.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is no CSV file in UTF-8"):
        UniGenBenchLoader(data=tmp_path).load()


def test_arguments_out_of_range(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ConfigError, match="no suite 'de'; it has en, en_long, zh, zh_long"):
        UniGenBenchLoader(data=tmp_path, suite="de").load()  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="samples = 0: give at least 1"):
        UniGenBenchLoader(data=tmp_path, samples=0).load()
    with pytest.raises(ConfigError, match="limit = -1: give at least 1"):
        UniGenBenchLoader(data=tmp_path).load(limit=-1)
    for suite in SUITES[1:]:
        with pytest.raises(ConfigError, match=f"has no test_prompts_{suite}.csv"):
            UniGenBenchLoader(data=tmp_path, suite=suite).load()


def test_a_copy_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(StoreError, match="cannot write"):
        UniGenBenchLoader(data=write(tmp_path)).load().write_prompts(tmp_path / "taken")


@pytest.mark.parametrize("index", ["9" * 400, "-" + "9" * 200])
def test_an_index_that_can_name_no_file_is_refused(tmp_path: Path, index: str) -> None:
    write(tmp_path, EN.replace("\n0,", f"\n{index},"))
    with pytest.raises(ConfigError, match=r"the item '-?999.* can name no file"):
        UniGenBenchLoader(data=tmp_path).load()


@pytest.mark.parametrize(
    "id", ["", "x" * 151, "ä" * 80, "a/b", "../a", ".a", "a\0", "a\nb", "\ud800"]
)
def test_so_is_the_id_of_any_item(id: str) -> None:
    with pytest.raises(ConfigError, match="can name no file"):
        Item(id=id, prompt="a cat")
    assert Item(id="ä" * 75, prompt="a cat").id
