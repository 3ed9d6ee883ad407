from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from statistics import fmean

import pytest

from rr_refine.reward.parser import parse_comparison
from rr_refine.reward.preferences.pair import Side
from rr_refine.sketch.checking import Asked, scores_of
from rr_refine.sketch.observation import describe_observation, observation_of, read_observation
from rr_refine.sketch.training.critic.cases import ChoiceModel
from rr_refine.sketch.training.critic.faults import FaultRates, invent, misread
from rr_refine.sketch.training.critic.rationales import (
    compare,
    free_critique,
    project,
)
from rr_refine.sketch.training.critic.reader import lean, predict, shown
from rr_refine.sketch.training.critic.wording import WrittenJudgement, comparison_text
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.training.parrot.rationale import (
    evidence_of,
    read_pairwise,
    read_pointwise,
)
from rr_refine.training.parrot.sentences import gives_away
from tests.sketch.critic.observations import random_asked, random_judgement, task_of

NEVER = FaultRates(vague=0, hallucinates=0, ignores_label=0, misreads=0, second_look=0, gives_in=0)


def pairs(
    seed: int, count: int
) -> Iterator[tuple[Asked, WrittenJudgement, WrittenJudgement, Side, Random]]:
    """Pairs of which the labelled one is clearly better."""
    random = Random(seed)
    while count:
        asked, scene = random_asked(random)
        a, b = (random_judgement(asked, scene, random) for _ in range(2))
        if abs(a.total - b.total) > 0.15:
            count -= 1
            yield asked, a, b, "A" if a.total > b.total else "B", random


def chance(text: str, random: Random) -> float:
    """Of Image A, by the evidence of a rationale, in both orders."""
    return fmean(predict(text, order, random) for order in ("AB", "BA"))


def test_a_teacher_without_faults_says_what_is_there() -> None:
    for asked, a, b, label, random in pairs(1, 60):
        for written in (
            compare(asked, a, b, label, NEVER, random),
            compare(asked, a, b, None, NEVER, random),
        ):
            assert written.truth is None
            critique = read_pairwise(written.text, task_of(asked))
            assert (critique.scores_a, critique.scores_b) == (a.scores, b.scores)
            assert critique.winner == label.lower()
            assert not gives_away(written.text, "")
        alone = free_critique(asked, a, NEVER, random)
        assert alone.truth is None
        assert read_pointwise(alone.text, task_of(asked)).scores == a.scores


@pytest.mark.parametrize(
    ("rate", "fault"),
    [
        ("vague", "vague"),
        ("hallucinates", "hallucination"),
        ("ignores_label", "label ignored"),
        ("misreads", "misread"),
    ],
)
def test_faults_are_made_and_told(rate: str, fault: str) -> None:
    rates = NEVER.model_copy(update={rate: 1.0})
    told = Counter()  # type: Counter[str | None]
    for asked, a, b, label, random in pairs(2, 50):
        written = compare(asked, a, b, label, rates, random)
        told[written.truth] += 1
        read_pairwise(written.text, task_of(asked))
        if written.truth is None:
            assert shown(written.text, "Image A") == a.observation
            assert shown(written.text, "Image B") == b.observation
    assert told[fault] >= 47
    assert set(told) <= {fault, None}


def test_who_ignores_the_label_argues_for_the_other() -> None:
    rates = NEVER.model_copy(update={"ignores_label": 1.0})
    found = [
        parse_comparison(compare(asked, a, b, label, rates, random).text, task_of(asked))
        .winner == label.lower()
        for asked, a, b, label, random in pairs(3, 60)
    ]  # fmt: skip
    assert sum(found) <= 6


def test_hindsight_mends_what_contradicts_the_label() -> None:
    eyes = NEVER.model_copy(update={"misreads": 1.0})
    wrong: Counter[str] = Counter()
    for asked, a, b, label, random in pairs(4, 100):
        for second_look in (0.0, 1.0):
            rates = eyes.model_copy(update={"second_look": second_look})
            written = compare(asked, a, b, label, rates, random)
            critique = parse_comparison(written.text, task_of(asked))
            wrong[f"{second_look}"] += critique.winner != label.lower()
        free = parse_comparison(compare(asked, a, b, None, eyes, random).text, task_of(asked))
        wrong["free"] += free.winner != label.lower()
    assert wrong["1.0"] == 0
    assert wrong["0.0"] > 3
    assert wrong["free"] > 3


def test_a_false_label_is_rationalised_or_refused() -> None:
    for gives_in in (0.0, 1.0):
        rates = NEVER.model_copy(update={"gives_in": gives_in})
        for asked, a, b, label, random in pairs(5, 30):
            false: Side = "B" if label == "A" else "A"
            written = compare(asked, a, b, false, rates, random)
            assert written.truth == ("rationalised" if gives_in else None)


def test_text_without_its_verdict_tells_the_verdict_unless_it_is_vague() -> None:
    clear, vague = [], []
    for asked, a, b, label, random in pairs(6, 80):
        critique = parse_comparison(comparison_text(asked, a, b), task_of(asked))
        p = chance(evidence_of(critique), random)
        clear.append(p if label == "A" else 1 - p)
        blurred = comparison_text(
            asked, WrittenJudgement(None, a.scores), WrittenJudgement(None, b.scores)
        )
        evidence = evidence_of(parse_comparison(blurred, task_of(asked)))
        assert lean(evidence) == 0
        vague.append(chance(evidence, random))
        assert (lean(blurred) > 0) == (label == "A")  # the scores give the verdict away
    assert sum(p > 0.5 for p in clear) > 72
    assert 0.4 < fmean(vague) < 0.6


def test_a_reader_leans_to_what_is_named_first() -> None:
    random = Random(1)
    first = fmean(predict("nothing", "AB", random) for _ in range(300))
    second = fmean(predict("nothing", "BA", random) for _ in range(300))
    assert first > 0.5 > second


def test_a_projection_takes_over_what_the_comparison_said() -> None:
    for asked, a, b, _, random in pairs(7, 40):
        text = comparison_text(asked, a, b)
        written = project(asked, b, "B", text, b.scores, NEVER, random)
        critique = read_pointwise(written.text, task_of(asked))
        assert written.truth is None
        assert critique.scores == b.scores
        assert b.observation
        assert f"The picture shows: {describe_observation(b.observation)}." in critique.raw
        assert "Image" not in "".join(filter(None, critique.rationales.values()))


def test_a_second_look_at_a_projection_finds_inventions() -> None:
    copied: Counter[str | None] = Counter()
    for asked, a, b, _, random in pairs(8, 30):
        assert a.observation
        false = invent(a.observation, random)
        wrong = WrittenJudgement(false, scores_of(asked, false, 3.0))
        text = comparison_text(asked, wrong, b)
        careful = NEVER.model_copy(update={"second_look": 1.0})
        assert project(asked, a, "A", text, wrong.scores, careful, random).truth is None
        copied[project(asked, a, "A", text, wrong.scores, NEVER, random).truth] += 1
    assert copied == {"hallucination": 30}


def test_slips_and_inventions_change_one_thing_that_can_be_said() -> None:
    random = Random(9)
    for _ in range(300):
        observed = observation_of(random_scene(random))
        for other in (misread(observed, random), invent(observed, random)):
            assert other != observed
            assert read_observation(describe_observation(other)) == other
            assert len(set(other.shapes) - set(observed.shapes)) <= 1
            assert len(set(observed.shapes) - set(other.shapes)) <= 1


def test_choices() -> None:
    model = ChoiceModel(temperature=0.2, tie=0.1)
    random = Random(1)
    good = {"text_faithfulness": 4.0, "physical_quality": 3.9, "text_rendering": None}
    bad = {"text_faithfulness": 2.8, "physical_quality": 3.9, "text_rendering": None}
    near = {"text_faithfulness": 4.0, "physical_quality": 3.8, "text_rendering": None}
    chosen = Counter(model.choose(good, bad, random)[0] for _ in range(2000))  # type: ignore[arg-type]
    assert chosen["first"] / 2000 == pytest.approx(1 / (1 + 2.718281828**-3), abs=0.02)
    assert model.choose(good, near, random) == ("tie", 0.0)  # type: ignore[arg-type]
    _, margin = model.choose(bad, good, random)  # type: ignore[arg-type]
    assert margin == pytest.approx(0.905, abs=0.001)
