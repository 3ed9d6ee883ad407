from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas
import pytest

from rr_refine.benchmarks.preference import mmrb2
from rr_refine.benchmarks.preference.evaluate import evaluate_preference
from rr_refine.benchmarks.preference.item import PreferenceItem, Skipped
from rr_refine.errors import ConfigError, CriticTimeout
from tests.benchmarks.preference.files import hub, stored, write
from tests.benchmarks.preference.judges import Judge, picture

CHOSEN = ["a", "B", "b", "A"]


async def test_right_and_first(tmp_path: Path) -> None:
    data = mmrb2.load(write(tmp_path / "x.parquet", hub(CHOSEN)))
    right = await evaluate_preference(data, Judge(), tmp_path, modes=("pairwise", "pointwise"))
    assert [(one.accuracy.value, one.official) for one in right.measures] == [(1, 1), (1, 1)]
    assert right.skipped == {}
    first = await evaluate_preference(data, Judge("first"), tmp_path)
    # OfficialRule, too, asks in both orders.
    assert [(one.accuracy.value, one.official) for one in first.measures] == [(0.5, 0.5)]
    ties = await evaluate_preference(data, Judge("tie"), tmp_path)
    assert [(one.accuracy.value, one.official) for one in ties.measures] == [(0, 0)]


async def test_failures(tmp_path: Path) -> None:
    data = mmrb2.load(write(tmp_path / "x.parquet", hub(CHOSEN)))
    faults = {"request 1": CriticTimeout("too slow")}
    judge = Judge("first", fails=faults.get)
    (one,) = (await evaluate_preference(data, judge, tmp_path)).measures
    # Three pairs are right in one order each: of 8 answers ours, of 6 official.
    assert (one.accuracy.value, one.official) == (3 / 8, 3 / 6)


async def test_our_number_is_that_of_the_official_script(tmp_path: Path) -> None:
    file = write(tmp_path / "x.parquet", hub(CHOSEN))
    faults = {"request 1": CriticTimeout("too slow")}
    result = await evaluate_preference(mmrb2.load(file), Judge("first", fails=faults.get), tmp_path)
    swapped = {"A": "B", "B": "A"}
    predictions = {}
    for line in (tmp_path / "pairs.jsonl").read_text().splitlines():
        pair = json.loads(line)
        if "failure" not in pair:
            predictions[pair["id"]] = {
                "forward": [{"judgement": pair["forward"]}],
                # The script wants the judge's own word, who saw B under the name of A.
                "reverse": [{"judgement": swapped[pair["reverse"]]}],
            }
    (tmp_path / "predictions.json").write_text(json.dumps(predictions))
    scored = mmrb2.score_predictions(tmp_path / "predictions.json", mmrb2.read_truth(file))
    assert scored["accuracy"] == result.measures[0].official == 0.5
    assert (scored["total_evaluated"], scored["missing_pairs"]) == (6, 1)


def changed(**columns: Any) -> dict[str, Any]:
    return hub(["A"])[0] | columns


PICTURES = [stored(1, 1), stored(2, 2)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (changed(), None),
        (changed(prompt_images=PICTURES[:1]), None),
        (changed(prompt_images=None), None),
        (changed(prompt_images=PICTURES), "2 input images"),
        (changed(response_a_images=PICTURES), "a response with 2 images"),
        (changed(response_b_images=PICTURES), "a response with 2 images"),
        (changed(response_b_images=[]), "a response with 0 images"),
        (changed(response_a_text="<image_1> Here it is."), "a response with words"),
    ],
)
@pytest.mark.parametrize("arrays", [False, True])
def test_what_can_be_asked(
    tmp_path: Path, row: dict[str, Any], reason: str | None, arrays: bool
) -> None:
    """List columns are lists, or the arrays that pandas makes of them, in which the reference sees
    no pictures."""
    if arrays:
        # Beside a row with pictures, so that the column has a type.
        file = write(tmp_path / "x.parquet", [row, changed(prompt_images=PICTURES)])
        row = {str(k): v for k, v in pandas.read_parquet(file).iloc[0].items()}
        assert hasattr(row["response_a_images"], "tolist")
    found = mmrb2.read_pair(row, tmp_path)
    if reason is not None:
        assert found == Skipped("p0", "p0", reason)
        return
    assert isinstance(found, PreferenceItem)
    assert (found.id, found.prompt, found.truth) == ("p0", "request 0", "A")
    assert (found.image_a, found.image_b) == (picture(200, 0), picture(50, 1))
    images = row["prompt_images"]
    assert found.source == (None if images is None or not len(images) else PICTURES[0]["bytes"])


async def test_skipped_pairs_are_counted(tmp_path: Path) -> None:
    rows = hub(["A", "B", "A"])
    rows[1]["prompt_images"] = PICTURES
    rows[2]["prompt_text"] = "<image_1> request 2"
    rows[2]["prompt_images"] = PICTURES[:1]
    judge = Judge()
    data = mmrb2.load(write(tmp_path / "x.parquet", rows))
    result = await evaluate_preference(data, judge, tmp_path)
    assert result.skipped == {"2 input images": 1}
    assert (result.rows, result.measures[0].pairs) == (3, 2)
    assert sorted(judge.asked) == ["request 0", "request 2"]


def built(*pairs: dict[str, Any]) -> str:
    """A file as the benchmark's build_from_hf.py writes it."""
    return json.dumps({"pairs": list(pairs)})


def built_pair(id: str, chosen: str, **more: Any) -> dict[str, Any]:
    answer = {"model_name": "m", "response_content": [["image", f"images/{id}.png"]]}
    return {
        "id": id,
        "response_a": answer,
        "response_b": answer,
        "chosen": chosen,
        "human_annotations": [2, 2, 1],
        "prompt_content": [["text", "a cat"]],
    } | more


def test_the_built_files(tmp_path: Path) -> None:
    source = ["image", "input_images/s.jpg"]
    file = tmp_path / "edit.json"
    file.write_text(
        built(
            built_pair("p", "A"),
            built_pair("q", "B", prompt_content=[source, ["text", "make it a dog"]]),
            built_pair("r", "B", prompt_content=[source, source, ["text", "both"]]),
        )
    )
    data = mmrb2.load(file)
    assert data.groups == ["p", "q", "r"]
    p, q, r = data.read()
    picture = tmp_path / "images"
    assert p == PreferenceItem("p", "a cat", picture / "p.png", picture / "p.png", "A", "p")
    assert isinstance(q, PreferenceItem)
    assert (q.prompt, q.source) == ("make it a dog", tmp_path / "input_images" / "s.jpg")
    assert r == Skipped("r", "r", "2 input images")
    assert mmrb2.read_truth(file) == {"p": "A", "q": "B", "r": "B"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (built({"id": "p", "chosen": "A", "response_a": {}}), "has no requests in it"),
        (built(built_pair("p", "tievote")), "chosen is 'tievote', neither A nor B"),
        (built(built_pair("p", "C")), "the label 'C' is none of"),
        (built(built_pair("p", "A"), built_pair("p", "A")), "the id 'p' is there twice"),
    ],
)
def test_files_of_no_use(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t2i.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        mmrb2.load(tmp_path / "t2i.json")


def test_the_truth_needs_no_requests(tmp_path: Path) -> None:
    pair = built_pair("p", "A")
    del pair["prompt_content"]
    (tmp_path / "t2i_response_only.json").write_text(built(pair))
    assert mmrb2.read_truth(tmp_path / "t2i_response_only.json") == {"p": "A"}


def answers(*words: Any) -> list[dict[str, Any]]:
    return [{"judgement": word, "evaluator": "x", "metadata": {}} for word in words]


@pytest.mark.parametrize(
    ("predictions", "accuracy", "correct", "evaluated", "missing"),
    [
        # Both right; forward right and reverse (B flipped: A) right; q reverse A is B, right.
        ({"p": ("A", "B"), "q": ("B", "A")}, 4 / 4, 4, 4, 1),
        # Always A: p forward and q reverse.
        ({"p": ("A", "A"), "q": ("A", "A"), "r": ("A", "A")}, 3 / 6, 3, 6, 0),
        # A tie is wrong and counts, the other case, too; empty and null do not count.
        ({"p": ("tie", "b"), "q": ("", None)}, 0 / 2, 0, 2, 1),
        # A pair that is not of the benchmark is not looked at.
        ({"z": ("A", "B")}, 0.0, 0, 0, 3),
        ({}, 0.0, 0, 0, 3),
    ],
)
def test_score_predictions(
    tmp_path: Path,
    predictions: dict[str, tuple[Any, Any]],
    accuracy: float,
    correct: int,
    evaluated: int,
    missing: int,
) -> None:
    file = tmp_path / "predictions.json"
    written = {
        # Only the first of each list counts.
        pair: {"forward": answers(forward, "A"), "reverse": answers(reverse, "A")}
        for pair, (forward, reverse) in predictions.items()
    }
    file.write_text(json.dumps(written))
    assert mmrb2.score_predictions(file, {"p": "A", "q": "B", "r": "A"}, "image") == {
        "task_name": "image",
        "accuracy": accuracy,
        "total_pairs": 3,
        "evaluated_pairs": 3 - missing,
        "missing_pairs": missing,
        "total_correct": correct,
        "total_evaluated": evaluated,
    }


def test_empty_lists_leave_the_denominator(tmp_path: Path) -> None:
    file = tmp_path / "predictions.json"
    file.write_text(json.dumps({"p": {"forward": [], "reverse": answers("B")}, "q": {}}))
    found = mmrb2.score_predictions(file, {"p": "A", "q": "B"})
    # Both are there, but one answer only.
    assert (found["evaluated_pairs"], found["total_evaluated"], found["accuracy"]) == (2, 1, 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "holds no predictions by pair"),
        ('{"p": []}', "pair 'p': 'forward' is no list of judgements"),
        ('{"p": {"forward": "A"}}', "pair 'p': 'forward' is no list of judgements"),
        ('{"p": {"forward": {"judgement": "A"}}}', "'forward' is no list of judgements"),
    ],
)
def test_no_predictions(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        mmrb2.score_predictions(tmp_path / "x.json", {"p": "A"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"reasoning": "x", "better_response": "A", "confidence": 3}', "A"),
        ('```json\n{"better_response": "B"}\n```', "B"),
        ('Well. {"better_response": "tie"} That is all.', "tie"),
        ('{"better_response": "a"}', "a"),
        ('{"better_response": ""}', None),
        pytest.param('{"better_response": ' + "[" * 10**5 + "}", None, id="too deep"),
        ('{"better_response": null}', None),
        ('{"winner": "A"}', None),
        ('{"better_response": "A",}', None),
        ('["A"]', None),
        ("A", None),
        ("", None),
    ],
)
def test_official_parse(text: str, said: str | None) -> None:
    assert mmrb2.official_parse(text) == said
