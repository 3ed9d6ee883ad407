from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.reward.preferences.pair import Side
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.folder import ParrotFolder
from rr_refine.training.parrot.projection import Fault, project_question, read_projections
from rr_refine.training.parrot.rationale import Rationale, read_rationale
from rr_refine.training.parrot.teacher import TeacherAnswer, TeacherQuestion
from tests.training.parrot.fakes import make_folder, pair_of, pairwise, pointwise

OPTIONS = ParrotOptions()


@pytest.fixture
def folder(tmp_path: Path) -> ParrotFolder:
    return make_folder(tmp_path, 12, task="edit")


@pytest.fixture
def rationale(folder: ParrotFolder) -> Rationale:
    answer = TeacherAnswer(text=pairwise("edit", "A"))
    return read_rationale("r", pair_of(folder), "AB", answer, OPTIONS)


def ask(rationale: Rationale, folder: ParrotFolder, side: Side) -> TeacherQuestion:
    return project_question(rationale, side, folder.pictures)


def faults(
    rationale: Rationale, a: str, b: str, *, finish: str = "stop"
) -> tuple[Fault | None, Fault | None]:
    first = TeacherAnswer(text=a, finish_reason=finish)
    found = read_projections(rationale, first, TeacherAnswer(text=b), OPTIONS)
    return found[0].fault, found[1].fault


def test_the_question_shows_one_picture_and_its_own_scores(
    folder: ParrotFolder, rationale: Rationale
) -> None:
    question = ask(rationale, folder, "B")
    assert question.image_a == folder.pictures.path(rationale.pair.image_b)
    assert question.image_b is None
    assert (question.side, question.label) == ("B", None)
    assert question.scores is not None
    assert set(question.scores.values()) == {2.0, None}
    assert "blue dog" in (question.rationale or "")
    assert "3.5" not in (question.rationale or "")


def test_both_pictures_become_samples(folder: ParrotFolder, rationale: Rationale) -> None:
    answers = [TeacherAnswer(text=pointwise(ask(rationale, folder, side))) for side in ("A", "B")]
    a, b = read_projections(rationale, answers[0], answers[1], OPTIONS)
    assert (a.fault, b.fault) == (None, None)
    assert (a.image, b.image) == (rationale.pair.image_a, rationale.pair.image_b)
    assert a.critique is not None
    assert a.critique.refined_request == "a red cat on a mat, sharp"


def test_one_may_be_kept_without_the_other(folder: ParrotFolder, rationale: Rationale) -> None:
    a, b = (ask(rationale, folder, side) for side in ("A", "B"))
    good, other = pointwise(a), pointwise(b)
    assert faults(rationale, good, pointwise(b, shift=0.4)) == (None, None)
    assert faults(rationale, good, pointwise(b, shift=0.6)) == (None, "scores")
    assert faults(rationale, good, other.replace("Score: N/A", "Score: 2.0")) == (None, "scores")
    assert faults(rationale, good, "no") == (None, "format")
    assert faults(rationale, good, other, finish="length") == ("finish", None)
    without = other.partition("# User Request Refinement")[0]
    assert faults(rationale, good, without) == (None, "format")


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("Image B is worse.", "comparison"),
        ("The other image is worse.", "comparison"),
        ("Human raters preferred it.", "leak"),
        ("Unlike the source image it is sharp.", None),
    ],
)
def test_a_pointwise_answer_knows_one_picture(
    folder: ParrotFolder, rationale: Rationale, sentence: str, fault: Fault | None
) -> None:
    good = pointwise(ask(rationale, folder, "A"))
    text = good.replace("sits there.", f"sits there. {sentence}")
    assert faults(rationale, text, pointwise(ask(rationale, folder, "B"))) == (fault, None)


def test_the_order_of_the_pair_is_kept(folder: ParrotFolder) -> None:
    answer = TeacherAnswer(text=pairwise("edit", "A", high=2.3))
    rationale = read_rationale("r", pair_of(folder), "AB", answer, OPTIONS)
    a, b = (ask(rationale, folder, side) for side in ("A", "B"))
    assert faults(rationale, pointwise(a), pointwise(b)) == (None, None)
    assert faults(rationale, pointwise(a, shift=-0.3), pointwise(b)) == ("order", "order")
