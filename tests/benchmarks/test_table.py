from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from rr_refine.benchmarks.arms import make_arms
from rr_refine.benchmarks.page import page_parts
from rr_refine.benchmarks.results import Noise, Results, summarise
from rr_refine.benchmarks.spreadsheet import estimate_lines, trial_lines
from rr_refine.benchmarks.table import rows, write_tables
from rr_refine.benchmarks.trial import Trial
from rr_refine.plain_text import error_words
from tests.benchmarks.trials import JUDGED, PROGRAM, marked, of_parts, point, trial

ARMS = make_arms(2, names=["one-shot", "refine"])


def judged(
    *,
    new: float = 3.0,
    lost: bool = False,
    critic: bool = False,
    noise: Noise | None = None,
    of: float = 4.0,
) -> Results:
    """Two items with parts A and A/x: 2 of `of` with one-shot, `new` with refine."""
    before, after = of_parts(A=(2, of), finer=(2, of)), of_parts(A=(new, of), finer=(new, of))
    worst = of_parts(A=(0, of), finer=(0, of))
    trials = [
        *(trial("one-shot", item, point(before), worst=worst) for item in "ab"),
        trial("refine", "a", point(after, 2), worst=worst, tokens=700, triggered=True),
        trial("refine", "b", point("CriticTimeout: 60 s" if lost else after, 2), worst=worst),
    ]
    source = JUDGED.model_copy(update={"judge_is_critic": critic})
    scale = (0.0, 4.0 / of)
    return summarise(lambda: trials, ARMS, source, dimensions=["A"], noise=noise, scale=scale)


def table(page: str, title: str = "") -> list[list[str]]:
    """The cells of the table under a title; without one, of the first."""
    lines = page.splitlines()
    start = lines.index(title) + 2 if title else 2
    body = lines[start : lines.index("", start)]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in body if "---" not in line
    ]


def test_graded_by_a_program() -> None:
    trials = [
        *(
            trial("one-shot", i, point(marked(s)), labels={"size": i})
            for i, s in [("a", 4.0), ("b", 1.0)]
        ),
        *(trial("refine", i, point(marked(4.0), 2), labels={"size": i}) for i in "ab"),
    ]
    assert write_tables(summarise(lambda: trials, ARMS, PROGRAM)) == (
        "hats: 2 items, at most 2 renders each, generator painter, critic eye\n\n"
        "| arm | exact | score | renders | over one-shot | regressed |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
        "| one-shot | 50.0 % [9.5, 90.5] | 2.50 | 1.00 |  | 0.0 % |\n"
        "| refine | 100.0 % [34.2, 100.0] | 4.00 | 2.00 | +50.0 [-56.3, +100.0] | 0.0 % |\n\n"
        "Exact by size\n\n"
        "| arm | a (1) | b (1) |\n"
        "| --- | ---: | ---: |\n"
        "| one-shot | 100.0 % [n/a] | 0.0 % [n/a] |\n"
        "| refine | 100.0 % [n/a] | 100.0 % [n/a] |\n\n"
        "Brackets: 95 % intervals over items (n/a: of one prompt alone, or nothing varies); "
        "differences are paired, in points. "
        "Regressed: results that lost what the arm's first picture had.\n"
    )


def measured_trials() -> list[Trial]:
    """The critic takes a wrong word for right; of one picture nothing is measured."""
    right = point(marked(4.0), text_right=1.0, text_said=4.0)
    wrong = point(marked(1.0), text_right=0.5, text_said=3.0)
    return [
        trial("one-shot", "a", wrong, seconds=1.0),
        trial("one-shot", "b", right, seconds=2.0),
        trial("one-shot", "c", point(marked(4.0)), seconds=3.0),
        trial("refine", "a", right, seconds=4.0),
        trial("refine", "b", right, seconds=6.0),
        trial("refine", "c", point(marked(4.0))),
    ]


def test_text_that_was_measured_stands_beside_what_the_critic_says() -> None:
    results = summarise(measured_trials, ARMS, PROGRAM)
    page = write_tables(results)
    head, one_shot, refine = table(page)
    assert head[-3:] == ["text right, measured", "text right, says the critic", "seconds"]
    read, said, seconds = one_shot[-3:]
    assert (read[:7], said[:8], seconds) == ("50.0 % ", "100.0 % ", "2.0")
    assert all(cell.endswith("] of 2") for cell in (read, said))
    assert [cell[:7] for cell in refine[-3:]] == ["100.0 %", "100.0 %", "5.0"]
    assert "Text right: results with all of the lettering" in page
    assert "of 2" in "".join(page_parts(results, {}, measured_trials(), Path()))
    lines = list(csv.DictReader(trial_lines(results, measured_trials())))
    assert [(one["text_right"], one["text_said"], one["seconds"]) for one in lines[:3]] == [
        *(("0.5", "3.0", "1.0"), ("1.0", "4.0", "2.0"), ("", "", "3.0")),
    ]
    estimates = list(csv.DictReader(estimate_lines(results)))
    assert [one["value"] for one in estimates if one["name"] == "text right"] == ["0.5", "1.0"]


def test_where_nothing_is_measured_there_are_no_such_columns() -> None:
    trials = [trial(arm, "a", point(marked(4.0)), seconds=1.0) for arm in ("one-shot", "refine")]
    page = write_tables(summarise(lambda: trials, ARMS, PROGRAM))
    assert "text right" not in page and "seconds" not in page


def test_graded_by_a_judge() -> None:
    page = write_tables(judged())
    assert page.startswith("hats: 2 items") and "judge judge-7\n" in page
    assert table(page) == [
        [
            *("arm", "overall", "score", "renders", "over one-shot", "win / tie / loss"),
            *("regressed", "triggered", "tokens"),
        ],
        ["one-shot", "50.0 % [0.6, 99.4]", "50.0 %", "1.00", "", "", "0.0 %", "0.0 %", "0"],
        [
            *("refine", "75.0 % [1.2, 99.9]", "75.0 %", "2.00", "+25.0 [-57.9, +82.9]"),
            *("2 / 0 / 0", "0.0 %", "50.0 %", "350"),
        ],
    ]
    assert table(page, "By dimension")[1] == [
        *("A (2)", "50.0 % [0.6, 99.4]", "75.0 % [1.2, 99.9]", "+25.0 [-57.9, +82.9]"),
    ]
    assert [row[0] for row in table(page, "By finer dimension")] == ["dimension", "finer (2)"]
    assert "Every item of every arm has a picture and a mark." in page
    assert "Judge: judge-7 (openai); words of its questions: ours." in page
    assert "row 9 was mended" in page
    assert "critic itself" not in page


def test_other_scales_have_no_percent() -> None:
    page = write_tables(
        judged(new=4.0, of=1.0)
    )  # 2 and 4 for each item, of a scale that begins at 1
    assert table(page)[2][1:5] == ["4.00 [1.37, 4.00]", "4.00", "2.00", "+2.00 [n/a]"]
    assert "differences are paired. " in page


def test_what_is_not_covered_is_shown_both_ways() -> None:
    page = write_tables(judged(lost=True))
    assert table(page)[2][1] == "37.5 % [0.2, 99.4]"
    assert table(page, "Without what has no mark") == [
        [
            *("arm", "items", "with a picture", "with a mark", "overall of these"),
            *("score of these", "the others"),
        ],
        ["one-shot", "2", "2", "2", "50.0 % [0.6, 99.4]", "50.0 % [0.6, 99.4]", ""],
        [
            *("refine", "2", "2", "1", "75.0 % [n/a]", "75.0 % [n/a]"),
            "1 judge timeout",
        ],
    ]
    assert "Every item" not in page


def test_a_judge_that_is_the_critic_is_flagged() -> None:
    assert "**The judge is the critic itself**" in write_tables(judged(critic=True))


@pytest.mark.parametrize(("difference", "beyond"), [(0.1, True), (0.2, False)])
def test_effects_are_held_against_the_noise_of_the_judge(difference: float, beyond: bool) -> None:
    page = write_tables(judged(noise=Noise(pictures=9, difference=difference, flipped=0.25)))
    # +- 1.96 x difference x sqrt(pi) / 2 x sqrt(2 / 2 items): 0.1737 and 0.3474; measured: 0.25.
    floor = "±17.4 points" if beyond else "±34.7 points"
    assert floor in page
    assert f"differ by {100 * difference:.1f} points on average, and 25.0 % of the verdicts" in page
    assert f"over one-shot: refine +25.0{'' if beyond else ' (within it)'}." in page


def test_pictures_that_nobody_graded_have_no_numbers() -> None:
    trials = [trial(arm.name, "a", point("CriticUnavailable: no judge")) for arm in ARMS]
    page = write_tables(summarise(lambda: trials, ARMS, PROGRAM))
    assert table(page)[0] == ["arm", "renders"]
    assert page.endswith("No picture was graded.\n")


def test_unfinished_items_are_told() -> None:
    trials = [trial(arm.name, "a", point(marked(2.0))) for arm in ARMS]
    trials.append(trial("refine", "b", point(marked(2.0))))
    assert "through 1 more items" in write_tables(summarise(lambda: trials, ARMS, PROGRAM))


def test_a_label_with_very_many_values_has_no_table() -> None:
    trials = [
        trial(arm.name, str(i), point(marked(2.0)), labels={"few": str(i % 2), "many": str(i)})
        for arm in ARMS
        for i in range(13)
    ]
    page = write_tables(summarise(lambda: trials, ARMS, PROGRAM))
    assert "Exact by few" in page
    assert "Exact by many" not in page


def test_cells_cannot_break_a_table() -> None:
    assert rows([["a", "b"], ["x|y", "1"]]).splitlines()[2] == "| x\\|y | 1 |"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("CriticTimeout: no answer in 60 s", "critic timeout: no answer in 60 s"),
        ("no picture (OutOfMemoryError)", "no picture (out of memory error)"),
        ("CriticUnreadable", "critic unreadable"),
        ("not judged", "not judged"),
        ("A FluxPipeline is broken", "A FluxPipeline is broken"),
    ],
)
def test_errors_are_named_in_words(text: str, words: str) -> None:
    assert error_words(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "\\<script>",
        "![](https://tracker.example/x.png)",
        "a](https://elsewhere.example)",
        "x\n<b>",
    ],
)
def test_names_of_others_are_no_markup_anywhere(text: str) -> None:
    results = judged()
    arm = results.arms[0].model_copy(update={"arm": text})
    source = results.provenance.model_copy(
        update={
            "benchmark": text,
            "date": text,
            "wording": text,
            "notes": (text,),
            "versions": {"rr-refine": text, "commit": text},
            "generator": results.provenance.generator.model_copy(update={"name": text}),
        }
    )
    changed = {"provenance": source, "arms": (arm, *results.arms[1:])}
    written = write_tables(results.model_copy(update=changed))
    assert re.search(r"(?<!\\)(\\\\)*<", written) is None
    assert "![" not in written and "](" not in written
