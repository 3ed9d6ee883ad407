"""The gates, one by one, and both variants of the filter."""

from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.reward.preferences.pair import Label, Order
from rr_refine.reward.template import builtin_template
from rr_refine.training.parrot.config import ParrotOptions, Variant
from rr_refine.training.parrot.consistency import (
    baseline_questions,
    check_consistency,
    predict_questions,
    text_fault,
)
from rr_refine.training.parrot.folder import ParrotFolder
from rr_refine.training.parrot.prompts import ask
from rr_refine.training.parrot.rationale import Gate, Rationale, read_rationale
from rr_refine.training.parrot.teacher import TeacherAnswer
from tests.training.parrot.fakes import make_folder, pair_of, pairwise, sound

OPTIONS = ParrotOptions()
GOOD = pairwise("t2i", "A")


@pytest.fixture
def folder(tmp_path: Path) -> ParrotFolder:
    return make_folder(tmp_path, 12)


def read(
    folder: ParrotFolder,
    text: str,
    *,
    order: Order = "AB",
    finish: str = "stop",
    options: ParrotOptions = OPTIONS,
) -> Rationale:
    answer = TeacherAnswer(text=text, finish_reason=finish)
    return read_rationale("r", pair_of(folder), order, answer, options)


def say(*extra: str) -> str:
    return pairwise("t2i", "A", " ".join((sound("A"), *extra)))


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        (GOOD, None),
        (pairwise("t2i", "B"), "score order"),
        (pairwise("t2i", "A", high=2.1), "score order"),  # leads by 0.2 in sum
        (pairwise("t2i", "A", high=2.2), None),  # by 0.4
        (GOOD.replace("## Winner: Image A", "## Winner: Image B", 1), "format"),
        (GOOD.replace("# Summary", "# Coda"), "format"),
        ("Sure, here it is.\n" + GOOD, "format"),
        (GOOD.replace("## Score A: 3.5\n", "", 1), "format"),
        ("I cannot judge these pictures.", "format"),
        ("", "format"),
        (pairwise("t2i", "A", "Fine."), "length"),
        (pairwise("t2i", "A", "word " * 2000), "length"),
        (say("This is in line with the human preference."), "leak"),
        (say("Annotators chose it."), "leak"),
        (say("The given label says so."), "leak"),
        (say("I was told that it is better."), "leak"),
        (say("The preferred answer is clear."), "leak"),
        (say("Image C is worse."), "third picture"),
        (say("The third image is worse."), "third picture"),
        (say("The label on the bottle is legible, and people picked flowers."), None),
    ],
)
def test_the_gates_of_the_text(folder: ParrotFolder, text: str, failed: Gate | None) -> None:
    assert read(folder, text).failed == failed


def test_the_score_comes_after_its_justification(folder: ParrotFolder) -> None:
    lines = GOOD.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("## Justification"))
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    assert read(folder, "\n".join(lines)).failed == "format"


def test_a_cut_off_rationale_is_never_read(folder: ParrotFolder) -> None:
    found = read(folder, GOOD, finish="length")
    assert (found.failed, found.critique) == ("finish", None)


def test_what_the_request_says_is_no_leak(folder: ParrotFolder) -> None:
    pair = pair_of(folder).model_copy(
        update={"instruction": "a poster about human rights and votes"}
    )
    text = say("The poster shows human votes.")
    asked = pair.model_copy(update={"instruction": "a poster of human votes"})
    answer = TeacherAnswer(text=text)
    assert read_rationale("r", pair, "AB", answer, OPTIONS).failed == "leak"
    assert read_rationale("r", asked, "AB", answer, OPTIONS).failed is None


def test_labels_are_in_the_words_of_the_rationale(folder: ParrotFolder) -> None:
    assert read(folder, GOOD, order="AB").failed is None
    assert read(folder, GOOD, order="BA").failed == "score order"
    assert read(folder, pairwise("t2i", "B"), order="BA").failed is None


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_the_predictive_questions(folder: ParrotFolder, order: Order) -> None:
    rationale = read(folder, pairwise("t2i", "A" if order == "AB" else "B"), order=order)
    first, second = predict_questions(rationale, "predictive", folder.pictures)
    pair = rationale.pair
    named = (pair.image_a, pair.image_b) if order == "AB" else (pair.image_b, pair.image_a)
    for question in (first, second):
        assert (question.image_a, question.image_b) == tuple(map(folder.pictures.path, named))
        assert question.rationale == rationale.evidence
        assert "3.5" not in (question.rationale or "")
        assert (question.label, question.choices) == (None, ("A", "B"))
    assert (first.order, second.order) == ("AB", "BA")


def test_the_papers_question(folder: ParrotFolder) -> None:
    rationale = read(folder, GOOD)
    (question,) = predict_questions(rationale, "paper", folder.pictures)
    assert question.rationale == GOOD
    assert (question.image_a, question.image_b, question.source) == (None, None, None)
    assert question.choices == ("A", "B", "tie")


def chances(**found: float) -> TeacherAnswer:
    named: dict[Label, float] = {"A": found["A"], "B": found["B"]}
    if "tie" in found:
        named["tie"] = found["tie"]
    return TeacherAnswer(text="", chances=named)


@pytest.mark.parametrize(
    ("variant", "found", "kept", "chance", "flipped"),
    [
        ("predictive", [chances(A=0.9, B=0.1), chances(A=0.8, B=0.2)], True, 0.85, False),
        ("predictive", [chances(A=0.9, B=0.1), chances(A=0.3, B=0.7)], True, 0.6, True),
        ("predictive", [chances(A=0.9, B=0.1), chances(A=0.2, B=0.8)], False, 0.55, True),
        ("predictive", [chances(A=0.5, B=0.5), chances(A=0.5, B=0.5)], False, 0.5, False),
        ("paper", [chances(A=0.4, B=0.3, tie=0.3)], True, 0.4, None),
        ("paper", [chances(A=0.3, B=0.3, tie=0.4)], False, 0.3, None),
        ("paper", [chances(A=0.4, B=0.4, tie=0.2)], False, 0.4, None),
        ("paper", [chances(A=0.1, B=0.9, tie=0.0)], False, 0.1, None),
    ],
)
def test_both_variants_of_the_verdict(
    folder: ParrotFolder,
    variant: Variant,
    found: list[TeacherAnswer],
    kept: bool,
    chance: float,
    flipped: bool | None,
) -> None:
    verdict = check_consistency(read(folder, GOOD), variant, found, OPTIONS)
    assert verdict.kept == kept
    assert verdict.reason == (None if kept else "prediction")
    assert verdict.chance == pytest.approx(chance)
    assert verdict.flipped == flipped


def test_the_papers_filter_asks_only_that_a_text_can_be_read(folder: ParrotFolder) -> None:
    leak, unreadable = read(folder, say("Annotators chose it.")), read(folder, "no")
    assert text_fault(leak, "predictive") == "leak"
    assert text_fault(leak, "paper") is None
    assert text_fault(unreadable, "paper") == "format"


def test_a_leak_is_counted_as_one_whatever_else_is_wrong(folder: ParrotFolder) -> None:
    leak = "Annotators chose Image A."
    for text in (
        pairwise("t2i", "B", leak),  # the wrong way round, too
        pairwise("t2i", "A", leak),  # too short, too
        leak,  # not in the format, too
    ):
        assert read(folder, text).failed == "leak"
    assert text_fault(read(folder, pairwise("t2i", "A", leak)), "paper") is None


@pytest.mark.parametrize(
    ("alone", "gain", "reason"),
    [
        (0.3, None, None),
        (0.95, None, None),  # adds nothing, which is reported only
        (0.95, 0.05, "gain"),
        (0.82, 0.05, "gain"),
        (0.79, 0.05, None),
        (None, 0.05, "gain"),  # nothing is known of its gain
    ],
)
def test_what_a_rationale_adds_to_the_pictures(
    folder: ParrotFolder, alone: float | None, gain: float | None, reason: Gate | None
) -> None:
    rationale = read(folder, GOOD)
    baseline = [] if alone is None else [chances(A=alone, B=1 - alone)] * 2
    answers = [chances(A=0.9, B=0.1), chances(A=0.8, B=0.2)]
    options = ParrotOptions(gain=gain)
    check = check_consistency(rationale, "predictive", answers, options, baseline)
    assert check.reason == reason
    assert check.gain == (None if alone is None else pytest.approx(0.85 - alone))


def test_the_baseline_is_asked_without_a_rationale(folder: ParrotFolder) -> None:
    pair = pair_of(folder)
    first, second = baseline_questions(pair, folder.pictures)
    assert (first.rationale, second.rationale) == ("", "")
    assert (first.order, second.order) == ("AB", "BA")
    assert first.image_a == folder.pictures.path(pair.image_a)
    *_, user = ask(first, builtin_template())
    assert "<notes>\n(there are none)\n</notes>" in user.text
