"""The official table and the official files of judgements."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from rr_refine.benchmarks.protocol import Answers
from rr_refine.benchmarks.published.unigenbench import UniGenBenchLoader
from rr_refine.errors import ConfigError, StoreError
from tests.benchmarks.published.unigenbench.files import ZH, answer, small, write


def entry(correct: int, total: int, accuracy: float) -> dict[str, float]:
    return {"correct": correct, "total": total, "accuracy": accuracy}


JUDGED: dict[str, Answers | None] = {
    # Given out of order: the official file is in the order of the prompts.
    "1_0": answer(0, 1),
    "1_1": ("I cannot see it",),
    "0_0": answer(1, 1, 0),
    "0_1": answer(1, "1", 1),
    "0_2": answer(0, 1, 0),
    "0_3": None,
}
"""Of the two prompts with four samples; `1_2` and `1_3` were not judged."""

OFFICIAL = {
    # Prompt 0 is counted three times: its testpoints Style, Attribute - Quantity and
    # Attribute - Color are passed 2, 2 ('1' is not 1) and 1 of 3 times. Prompt 1 is counted once;
    # 0_3 and 1_1 are dropped, so that there are 11 testpoints and not 16.
    "primary_dimensions": {
        "Style": entry(2, 3, 0.6667),
        "Attribute ": entry(3, 6, 0.5),
        "Action ": entry(0, 1, 0.0),
        "Grammar ": entry(1, 1, 1.0),
    },
    "sub_dimensions": {
        "Action - Animal": entry(0, 1, 0.0),
        "Attribute - Color": entry(1, 3, 0.3333),
        "Attribute - Quantity": entry(2, 3, 0.6667),
        "Grammar - Negation": entry(1, 1, 1.0),
        "Style": entry(2, 3, 0.6667),
    },
}


def test_official_table(tmp_path: Path) -> None:
    found = small(tmp_path, samples=4).official(JUDGED)
    # As text: the order of keys is the official one too.
    assert json.dumps(found) == json.dumps(OFFICIAL)


def test_official_table_of_nothing(tmp_path: Path) -> None:
    nothing: dict[str, JsonValue] = {"primary_dimensions": {}, "sub_dimensions": {}}
    assert small(tmp_path).official({}) == nothing
    assert small(tmp_path).official({"0_0": None}) == nothing


def test_texts_for_scores_are_told_apart(tmp_path: Path) -> None:
    bench = small(tmp_path, samples=4)
    # With the one '1' of 0_1, Attribute - Quantity is passed 3 of 3 times.
    primary, sub = OFFICIAL["primary_dimensions"], OFFICIAL["sub_dimensions"]
    assert bench.views(JUDGED) == {
        "texts_as_numbers": {
            "primary_dimensions": {**primary, "Attribute ": entry(4, 6, 0.6667)},
            "sub_dimensions": {**sub, "Attribute - Quantity": entry(3, 3, 1.0)},
        }
    }
    # There is nothing to tell of other texts, and of numbers.
    assert bench.views({"0_0": answer(1, 0, 1), "0_1": answer("0", 1, 1), "1_0": None}) == {}


def test_accuracy_has_four_digits(tmp_path: Path) -> None:
    # 1 of 7: 0.142857…
    bench = small(tmp_path, samples=7)
    judged = {f"1_{j}": answer(int(j == 0), 1) for j in range(7)}
    primary = bench.official(judged)["primary_dimensions"]
    assert primary == {"Action ": entry(1, 7, 0.1429), "Grammar ": entry(7, 7, 1.0)}


def test_chinese_keys_have_no_space(tmp_path: Path) -> None:
    bench = UniGenBenchLoader(data=write(tmp_path, ZH, "zh"), suite="zh", samples=1).load()
    assert bench.official({"7_0": answer(1, 0)}) == {
        "primary_dimensions": {"风格": entry(1, 1, 1.0), "属性": entry(0, 1, 0.0)},
        "sub_dimensions": {"属性-颜色": entry(0, 1, 0.0), "风格": entry(1, 1, 1.0)},
    }


def test_judgements_are_written_in_the_official_form(tmp_path: Path) -> None:
    bench = small(tmp_path, samples=4)
    bench.write_judgements(tmp_path / "out", Path("pictures") / "one-shot", JUDGED)
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["en.csv", "en.json", "test_prompts_en.csv"]
    assert (tmp_path / "out" / "en.json").read_text() == json.dumps(OFFICIAL, indent=4)
    with (tmp_path / "out" / "en.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["index", "prompt", "testpoint", "output", "result_json", "img_path"]
    assert [Path(row[5]).name for row in rows[1:]] == [
        "0_0.png",
        "0_1.png",
        "0_2.png",
        "0_3.png",
        "1_0.png",
        "1_1.png",
    ]
    assert rows[2] == [
        "0",
        "Two red foxes, drawn in ink",
        "['Style', 'Attribute - Quantity', 'Attribute - Color']",
        answer(1, "1", 1)[0],
        '{"analysis": ["text 0", "text 1", "text 2"], "score": [1, "1", 1]}',
        str(Path("pictures/one-shot/0_1.png")),
    ]
    assert rows[4][3:5] == ["", "null"]
    assert rows[6][3:5] == ["I cannot see it", "null"]


def test_judgements_as_pandas_reads_them(tmp_path: Path) -> None:
    """The official script reads with pandas, which has `null` for NaN and ends lines at a \\r."""
    pandas = pytest.importorskip("pandas")
    bench = small(tmp_path, samples=4)
    odd: dict[str, Answers | None] = {"1_2": ("a\rb",), "1_3": ('a, "c"\r\n\ud800 é',)}
    bench.write_judgements(tmp_path, tmp_path, {**JUDGED, **odd})
    table = pandas.read_csv(tmp_path / "en.csv")
    assert list(table["index"]) == [0, 0, 0, 0, 1, 1, 1, 1]
    assert list(table["result_json"].isna()) == [*[False] * 3, True, False, *[True] * 3]
    assert list(table["output"][6:]) == ["a\rb", 'a, "c"\r\n? é']


def test_our_own_file_is_scored_as_it_was_written(tmp_path: Path) -> None:
    bench = small(tmp_path, samples=4)
    bench.write_judgements(tmp_path, tmp_path / "pictures", JUDGED)
    official, marks = bench.score_file(tmp_path / "en.csv")
    assert json.dumps(official) == json.dumps(OFFICIAL)
    by_id = {item.id: item for item in bench.items}
    assert marks == {
        id: bench.read(by_id[id], answers) if answers and id != "1_1" else None
        for id, answers in JUDGED.items()
    }


COLUMNS = "index,prompt,testpoint,output,result_json,img_path\n"
FOXES = "\"['Style', 'Attribute - Quantity', 'Attribute - Color']\""


def scores(*values: str) -> str:
    """A `result_json` cell, as the official script writes it over several lines."""
    listed = ",\n        ".join(values)
    return '"{\n    ""analysis"": [],\n    ""score"": [\n        ' + listed + '\n    ]\n}"'


def test_a_file_of_the_official_script(tmp_path: Path) -> None:
    file = tmp_path / "FLUX_en.csv"
    file.write_text(
        COLUMNS
        # In another order, of other folders; an empty cell; JSON's true; a prompt not loaded.
        + f"0,foxes,{FOXES},out,{scores('1', '0', '1')},/data/FLUX/0_3.png\n"
        + f"0,foxes,{FOXES},out,{scores('0', '1.0', '0')},C:\\FLUX\\0_1.jpg\n"
        + f"0,foxes,{FOXES},,,0_2.png\n"
        + f"0,foxes,{FOXES},out,{scores('true', '1', '1')},./0_0.png\n"
        + "1,cat,\"['Action - Animal', 'Grammar - Negation']\",out,null,1_0.png\n"
        + f"5,tree,\"['World Knowledge', 'Style']\",out,{scores('1', '1')},5_0.png\n"
    )
    bench = small(tmp_path, samples=4)
    official, marks = bench.score_file(file)
    # Style: 1, 0 of prompt 0 and 1 of prompt 5; Quantity: 0, 1; Color: 1, 0; World Knowledge: 1.
    assert json.dumps(official) == json.dumps(
        {
            "primary_dimensions": {
                "Style": entry(2, 3, 0.6667),
                "Attribute ": entry(2, 4, 0.5),
                "World Knowledge": entry(1, 1, 1.0),
            },
            "sub_dimensions": {
                "Attribute - Color": entry(1, 2, 0.5),
                "Attribute - Quantity": entry(1, 2, 0.5),
                "Style": entry(2, 3, 0.6667),
                "World Knowledge": entry(1, 1, 1.0),
            },
        }
    )
    foxes = bench.items[0]
    assert marks == {
        "0_3": bench.read(foxes, answer(1, 0, 1)),
        "0_1": bench.read(foxes, answer(0, 1, 0)),
        "0_2": None,
        "0_0": None,
        "1_0": None,
    }


def test_a_file_with_python_in_it(tmp_path: Path) -> None:
    # The official script reads the column as Python, where True is 1. Rows of an index are
    # numbered where no picture is named.
    file = tmp_path / "judgements.csv"
    file.write_text(
        "index,testpoint,result_json\n"
        + f"0,{FOXES},\"{{'score': [True, '1', False]}}\"\n"
        + f"0,{FOXES},\"{{'score': [1, 1, 1]}}\"\n"
    )
    bench = small(tmp_path, samples=4)
    official, marks = bench.score_file(file)
    assert official["primary_dimensions"] == {
        "Style": entry(2, 2, 1.0),
        "Attribute ": entry(2, 4, 0.5),
    }
    assert {id: mark and mark.score for id, mark in marks.items()} == {"0_0": 1 / 3, "0_1": 1}


ODD_ROWS = [
    # As many as there are of both count officially; for a mark, the judgement is incomplete.
    ("a score is missing", FOXES, scores("1", "1"), {"Style": (1, 1), "Attribute ": (1, 1)}),
    ("a score too many", "\"['Style']\"", scores("1", "1"), {"Style": (1, 1)}),
    ("scores in a text", "\"['Style']\"", '"{""score"": ""1""}"', {}),
    ("no scores", "\"['Style']\"", '"{""analysis"": []}"', {}),
    ("a list", "\"['Style']\"", "[1]", {}),
    ("no list of testpoints", "Style", scores("1"), {}),
    ("a text of testpoints", "\"'Style'\"", scores("1"), {}),
]


@pytest.mark.parametrize(
    ("testpoint", "result", "counts"), [r[1:] for r in ODD_ROWS], ids=[r[0] for r in ODD_ROWS]
)
def test_odd_rows_have_no_mark(
    tmp_path: Path, testpoint: str, result: str, counts: dict[str, tuple[int, int]]
) -> None:
    file = tmp_path / "judgements.csv"
    file.write_text(f"{COLUMNS}0,foxes,{testpoint},out,{result},0_0.png\n")
    official, marks = small(tmp_path).score_file(file)
    primary = official["primary_dimensions"]
    assert primary == {key: entry(*count, count[0] / count[1]) for key, count in counts.items()}
    assert marks == {"0_0": None}


def test_testpoints_of_the_file_make_the_mark(tmp_path: Path) -> None:
    file = tmp_path / "judgements.csv"
    file.write_text(
        f"{COLUMNS}0,x,\"['Text Generation', 'Style']\",out,{scores('1', '0')},0_0.png\n"
    )
    _, marks = small(tmp_path).score_file(file)
    mark = marks["0_0"]
    assert mark
    assert mark.parts == {"Text Generation": (1, 1), "Style": (0, 1)}
    # What they are about here is not known.
    assert mark.missed == ("Style",)


def test_the_last_row_about_a_picture_makes_its_mark(tmp_path: Path) -> None:
    file = tmp_path / "judgements.csv"
    rows = [f"0,x,\"['Style']\",out,{scores(score)},0_0.png\n" for score in "10"]
    file.write_text(COLUMNS + "".join(rows))
    official, marks = small(tmp_path).score_file(file)
    assert official["primary_dimensions"] == {"Style": entry(1, 2, 0.5)}
    assert marks["0_0"]
    assert marks["0_0"].score == 0


def test_a_very_long_answer(tmp_path: Path) -> None:
    # 4,096 tokens of dashes are more than the 131,072 characters that the csv module reads.
    bench = small(tmp_path)
    (text,) = answer(1, 0)
    bench.write_judgements(tmp_path, tmp_path, {"1_0": (text + "-" * 200_000,)})
    _, marks = bench.score_file(tmp_path / "en.csv")
    assert marks["1_0"] == bench.read(bench.items[1], (text,))


def test_files_that_hold_no_judgements(tmp_path: Path) -> None:
    bench = small(tmp_path)
    with pytest.raises(ConfigError, match="cannot read"):
        bench.score_file(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="has no column 'testpoint'; it has 'index', 'prompt_en'"):
        bench.score_file(tmp_path / "test_prompts_en.csv")


def test_judgements_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(StoreError, match="cannot write"):
        small(tmp_path).write_judgements(tmp_path / "taken", tmp_path, {})
