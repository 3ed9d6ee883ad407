from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from rr_refine.benchmarks.arms import make_arms
from rr_refine.benchmarks.report import moved, read_results, write_report
from rr_refine.benchmarks.results import Results, summarise
from rr_refine.benchmarks.table import write_tables
from rr_refine.benchmarks.trial import Trial
from rr_refine.errors import StoreError
from tests.benchmarks.trials import JUDGED, PROGRAM, marked, of_parts, point, trial

ARMS = make_arms(2, names=["one-shot", "refine"])
WORST = of_parts(A=(0, 4), B=(0, 1))
JUDGED_TRIALS = [
    trial("one-shot", "a", point(of_parts(A=(2, 4), B=(1, 1))), worst=WORST, labels={"size": "s"}),
    trial(
        "one-shot", "b", point(None), worst=WORST, labels={"size": "m"}, error="GeneratorError: no"
    ),
    trial("refine", "a", point(of_parts(A=(4, 4), B=(1, 1)), 2), worst=WORST, labels={"size": "s"}),
    trial("refine", "b", point("CriticTimeout: a, b", 2), worst=WORST, labels={"size": "m"}),
]
CURVES = [
    *(trial("one-shot", i, point(marked(2.0)), point(marked(2.0))) for i in "ab"),
    *(trial("refine", i, point(marked(2.0)), point(marked(4.0), 2)) for i in "ab"),
]


def judged() -> Results:
    return summarise(lambda: JUDGED_TRIALS, ARMS, JUDGED, dimensions=["A"])


def curves() -> Results:
    return summarise(lambda: CURVES, ARMS, PROGRAM)


@pytest.mark.parametrize(
    ("results", "trials", "plots"),
    [
        (curves(), CURVES, {"exact", "score"}),
        (judged(), JUDGED_TRIALS, {"overall", "exact", "score"}),
    ],
)
def test_files(results: Results, trials: list[Trial], plots: set[str], tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write_report(folder, results, lambda: trials)
    assert Results.model_validate_json((folder / "results.json").read_text()) == results
    assert (folder / "table.md").read_text() == write_tables(results)
    assert {p.name for p in folder.iterdir()} == {
        *("results.json", "table.md", "results.csv", "dimensions.csv", "index.html"),
        *(f"{name}.svg" for name in plots),
    }


def heights(svg: Path) -> list[float]:
    root = ET.parse(svg).getroot()
    words = "".join(root.itertext())
    assert all(arm.name in words for arm in ARMS)
    found = [float(y) for e in root.iter() if (y := e.get("cy"))]
    assert all(0 < height < float(root.get("height", 0)) for height in found)
    return found


def test_plots_of_curves(tmp_path: Path) -> None:
    write_report(tmp_path, curves(), lambda: CURVES)
    for name in ("exact.svg", "score.svg"):
        assert len(heights(tmp_path / name)) == 1 + 2, "one-shot has one point, refine two"
        assert "renders allowed" in (tmp_path / name).read_text()


def test_plots_of_results_alone(tmp_path: Path) -> None:
    write_report(tmp_path, judged(), lambda: JUDGED_TRIALS)
    for name in ("overall.svg", "exact.svg", "score.svg"):
        one_shot, refine = heights(tmp_path / name)
        assert refine < one_shot, "refine is better, so it is higher"
        assert "renders used" in (tmp_path / name).read_text()


@pytest.mark.parametrize(("low", "high"), [(0.0, 10.0), (1.2, 1.3), (3.0, 3.0), (-0.4, 0.2)])
def test_any_scale_fits_into_a_plot(low: float, high: float, tmp_path: Path) -> None:
    trials = [
        trial(arm, item, point(marked(score)), point(marked(score), 2))
        for arm, score in (("one-shot", low), ("refine", high))
        for item in "ab"
    ]
    write_report(tmp_path, summarise(lambda: trials, ARMS, JUDGED), lambda: trials)
    assert heights(tmp_path / "score.svg")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_line_per_trial(tmp_path: Path) -> None:
    write_report(tmp_path, judged(), lambda: JUDGED_TRIALS)
    found = read(tmp_path / "results.csv")
    assert [(row["arm"], row["item"], row["label_size"]) for row in found] == [
        *(("one-shot", "a", "s"), ("one-shot", "b", "m")),
        *(("refine", "a", "s"), ("refine", "b", "m")),
    ]
    assert found[2] == {
        **{"arm": "refine", "item": "a", "group": "a", "label_size": "s"},
        **{"first_score": "1.0", "first_exact": "1", "score": "1.0", "exact": "1", "missing": ""},
        **{"spent": "2", "critic_calls": "1", "critic_tokens": "0", "triggered": "0"},
        **{"stop": "target", "error": "", "run": "runs/refine/a"},
        **{"text_right": "", "text_said": "", "seconds": ""},
    }
    assert (found[1]["score"], found[1]["missing"], found[1]["error"]) == (
        *("", "no picture"),
        "GeneratorError: no",
    )
    assert (found[3]["score"], found[3]["missing"]) == ("", "CriticTimeout: a, b")


def test_a_line_per_estimate(tmp_path: Path) -> None:
    write_report(tmp_path, judged(), lambda: JUDGED_TRIALS)
    found = {
        (r["arm"], r["baseline"], r["kind"], r["name"]): r
        for r in read(tmp_path / "dimensions.csv")
    }
    # A of refine: 4 of 4 with a, 0 of 4 with b.
    assert float(found["refine", "", "dimension", "A"]["value"]) == 0.5
    assert float(found["refine", "", "measure", "overall"]["value"]) == 0.5
    assert float(found["refine", "one-shot", "dimension", "A"]["value"]) == 0.25
    assert ("one-shot", "", "part", "B") in found
    assert found["refine", "", "dimension", "A"]["items"] == "2"


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    write_report(tmp_path, judged(), lambda: JUDGED_TRIALS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def torn() -> Iterator[Trial]:
        yield JUDGED_TRIALS[0]
        raise StoreError("trials.jsonl is broken")

    with pytest.raises(StoreError, match="is broken"):
        write_report(tmp_path, judged(), torn)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "table.md").mkdir()
    with pytest.raises(StoreError, match="cannot write the report"):
        write_report(tmp_path, judged(), lambda: JUDGED_TRIALS)
    assert not list(tmp_path.glob(".*")), "nothing half written is left"


def test_trials_of_another_folder_keep_their_runs(tmp_path: Path) -> None:
    there, here = tmp_path / "first" / "part", tmp_path / "whole"
    (one,) = moved(JUDGED_TRIALS[:1], there, here)
    assert (here / one.run).resolve() == there / "runs" / "one-shot" / "a"
    assert one.model_copy(update={"run": JUDGED_TRIALS[0].run}) == JUDGED_TRIALS[0]


def test_trials_of_older_versions_are_read() -> None:
    made = JUDGED_TRIALS[0]
    line = made.model_dump_json()
    assert '"sample":' in line
    assert Trial.model_validate_json(line.replace('"sample":', '"shot":')) == made


def test_results_of_older_versions_are_read(tmp_path: Path) -> None:
    write_report(tmp_path, judged(), lambda: JUDGED_TRIALS)
    file = tmp_path / "results.json"
    old = json.loads(file.read_text())
    for arm in old["arms"]:
        for field in ("text_right", "text_said", "seconds"):
            del arm[field]
    for field in ("scale", "official_values"):
        del old[field]
    del old["provenance"]["source"]
    file.write_text(json.dumps(old))
    assert read_results(tmp_path).arms[0].items == 2
