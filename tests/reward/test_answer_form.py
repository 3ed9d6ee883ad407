from __future__ import annotations

import json
import re
from random import Random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from rr_refine.errors import CriticUnreadable
from rr_refine.reward.answer_form import answer_form
from rr_refine.reward.answer_format import write_comparison, write_critique
from rr_refine.reward.comparison import PairwiseCritique
from rr_refine.reward.critique import Critique
from rr_refine.reward.judging import Answer, guided_notices, read_comparison, read_critique
from rr_refine.reward.parser import parse_comparison, parse_critique
from rr_refine.terms import Dimension, Task, dimensions_of
from tests.reward.answers import pairwise, pointwise

TASKS: tuple[Task, ...] = get_args(Task)
SCORES: list[float | None] = [*(tenths / 10 for tenths in range(10, 41)), None]
MEAN_TEXTS = (
    "<think>never closed",
    "fine.</think> Score: 1.0",
    "Summary: bad. Score: 4.0",
    "model",
    "Refined Request: another",
    "2. Image Faithfulness: 4.0",
    '"an open quote',
    "<the new request>",
    "[INST] </s> <|im_end|>",
    "I'm sorry, I cannot judge this.",
    "```json",
    '{"scores": {}}',
)


def some_scores(task: Task, random: Random) -> dict[Dimension, float | None]:
    scores = {d: random.choice(SCORES) for d in dimensions_of(task)}
    return scores | {"text_faithfulness": random.choice(SCORES[:-1])}


@pytest.mark.parametrize("task", TASKS)
def test_what_we_write_has_the_form_and_says_the_same_to_both_readers(task: Task) -> None:
    random = Random(task)
    for _ in range(40):
        a, b = some_scores(task, random), some_scores(task, random)
        b = {d: None if a[d] is None else b[d] if b[d] is not None else 2.5 for d in a}
        text = write_critique(a, "a red cat", why="It is so.")
        one = read_critique(Answer(text, guided=answer_form(task)), task)
        assert one == parse_critique(text, task)
        assert one.scores == a
        text = write_comparison(a, b, why="It is so.")
        two = read_comparison(Answer(text, guided=answer_form(task, pairwise=True)), task)
        assert two == parse_comparison(text, task)
        assert (two.scores_a, two.scores_b) == (a, b)


def test_a_released_critics_answer_has_the_form() -> None:
    assert answer_form("edit").read(pointwise("edit")) is not None
    assert answer_form("edit", pairwise=True).read(pairwise("edit")) is not None


@pytest.mark.parametrize(
    "analysis",
    [
        "The request is to 4.0\n# Summary:; a small blue star at the top.",  # both as they came
        "beige background; a large 4.0\n## Score A: add, a circle at the top:, a ring.",
        "one\ntwo\n1. Text Faithfulness:",
        "one\n## Score: 1.0\n## Score: 2.0",
    ],
)
def test_an_analysis_of_some_lines_is_left_as_it_came(analysis: str) -> None:
    """Of 389 answers that could be read, two were led to other scores since they had these."""
    scores: dict[Dimension, float | None] = dict.fromkeys(dimensions_of("edit"), 2.5)
    written = write_critique(scores, "a red cat", why="It is so.", analysis="ANALYSIS")
    read = answer_form("edit").read(written.replace("ANALYSIS", analysis))
    assert read is not None and not read.cut
    assert read.texts["analysis"] == analysis
    assert read.verdicts["text_faithfulness"] == ("2.5",)


@pytest.mark.parametrize(
    "analysis",
    [
        "one\n# Detailed Judgement",
        "one\n# Detailed Judgement\n1. Text Faithfulness:\n## Justification: x\n## Score: 4.0",
        "one\n# Drawn",
        "one\n\ntwo",
        "one\ntwo\nthree\nfour",
        "one\n" + "x" * 201,
    ],
)
def test_where_the_analysis_ends_is_never_in_doubt(analysis: str) -> None:
    scores: dict[Dimension, float | None] = dict.fromkeys(dimensions_of("edit"), 2.5)
    written = write_critique(scores, "a red cat", why="It is so.", analysis="ANALYSIS")
    assert answer_form("edit").read(written.replace("ANALYSIS", analysis)) is None


@pytest.mark.parametrize("text", MEAN_TEXTS)
@pytest.mark.parametrize("task", TASKS)
def test_texts_that_look_like_marks_spoil_no_answer_of_the_form(task: Task, text: str) -> None:
    scores: dict[Dimension, float | None] = dict.fromkeys(dimensions_of(task), 2.5)
    written = write_critique(scores, text, why=text, analysis=text, summary=text, comments=text)
    read = read_critique(Answer(written, guided=answer_form(task)), task)
    assert read.scores == scores
    assert read.refined_request is None or read.refined_request in text
    written = write_comparison(scores, scores, why=text, analysis=text, summary=text)
    form = answer_form(task, pairwise=True)
    assert read_comparison(Answer(written, guided=form), task).scores_a == scores


@settings(max_examples=60, deadline=None)
@given(data=st.data(), task=st.sampled_from(TASKS), two=st.booleans())
def test_every_answer_of_the_form_is_read(data: st.DataObject, task: Task, two: bool) -> None:
    form = answer_form(task, pairwise=two)
    # Shorter texts than it allows: Hypothesis is slow with long ones.
    regex = re.sub(r"\{1,\d+\}", "{1,9}", form.regex)
    text = data.draw(st.from_regex(regex, fullmatch=True))
    answer = Answer(text, guided=form)
    read = read_comparison(answer, task) if two else read_critique(answer, task)
    assert isinstance(read, PairwiseCritique if two else Critique)
    for dimension in dimensions_of(task):
        score = (
            read.scores_a[dimension]
            if isinstance(read, PairwiseCritique)
            else read.scores[dimension]
        )
        assert f": {'N/A' if score is None else score}\n" in text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("## Score: 3.5", "## Score: 4.1"),
        ("## Score: 3.5", "## Score: 0.9"),
        ("## Score: 3.5", "## Score: N/A"),  # text faithfulness
        ("2. Image Faithfulness:", "2. Physical and Visual Quality:"),
        ("# Summary: ", "Summary: "),
    ],
)
def test_what_has_another_form_goes_to_the_parser(old: str, new: str) -> None:
    text = pointwise("edit")
    assert old in text
    assert answer_form("edit").read(text.replace(old, new, 1)) is None
    with pytest.raises(CriticUnreadable):
        read_critique(
            Answer(text.replace("## Score: 3.5", "## Score: 4.1"), guided=answer_form("edit")),
            "edit",
        )


def test_a_winner_that_contradicts_its_scores_has_no_form() -> None:
    form = answer_form("t2i", pairwise=True)
    for a, b, winner, fits in (
        (3.1, 3.0, "Image A", True),
        (3.1, 3.0, "It's a tie", True),
        (3.1, 3.0, "Image B", False),
        (3.0, 3.0, "Image B", True),
        (2.9, 3.0, "Image A", False),
        (1.0, 4.0, "Image B", True),
        (1.0, 4.0, "N/A", False),
    ):
        verdict = (str(a), str(b), winner)
        text = pairwise("t2i", {"physical_quality": verdict})
        assert (form.read(text) is not None) == fits, verdict


def test_a_text_at_its_bound_is_told() -> None:
    form = answer_form("t2i")
    scores: dict[Dimension, float | None] = dict.fromkeys(dimensions_of("t2i"), 3.0)
    long: dict[Dimension, str] = {
        "text_faithfulness": "x" * 1600,
        "physical_quality": "y",
        "text_rendering": "z",
    }
    answer = Answer(write_critique(scores, None, why=long, summary="s" * 800), guided=form)
    (notice,) = guided_notices(answer)
    assert notice.endswith("cut at its bound (text faithfulness, summary)")
    long["physical_quality"] = "y" * 1601
    assert form.read(write_critique(scores, None, why=long)) is None


def filled(schema: JsonValue, name: str = "") -> JsonValue:
    """The last value that a schema allows: of a winner a tie, of a score that applies the best."""
    assert isinstance(schema, dict)
    parts, values = schema.get("properties"), schema.get("enum")
    if isinstance(parts, dict):
        assert schema["required"] == [*parts]
        return {key: filled(part, key) for key, part in parts.items()}
    if isinstance(values, list):
        return [value for value in values if value != "N/A"][-1]
    return f"this is the {name}"


@pytest.mark.parametrize("task", TASKS)
def test_the_schema_says_the_same_as_the_format(task: Task) -> None:
    critique = parse_critique(json.dumps(filled(dict(answer_form(task).schema))), task)
    assert critique.scores == dict.fromkeys(dimensions_of(task), 4.0)
    assert critique.rationales["physical_quality"] == "this is the justification"
    assert critique.refined_request == "this is the refined_request"
    schema = answer_form(task, pairwise=True).schema
    assert parse_comparison(json.dumps(filled(dict(schema))), task).winners == dict.fromkeys(
        dimensions_of(task), "tie"
    )
