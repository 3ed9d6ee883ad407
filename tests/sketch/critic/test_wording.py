from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from statistics import fmean

import pytest

from rr_refine.reward.parser import parse_comparison, parse_critique
from rr_refine.sketch.checking import Asked, RequestedEdit, missed, scores_of
from rr_refine.sketch.observation import Observation, observation_of, read_observation
from rr_refine.sketch.plan import plan
from rr_refine.sketch.training.critic.wording import (
    FIXED_PIECES,
    HEADINGS,
    WrittenJudgement,
    comparison_text,
    critique_text,
    quality_words,
)
from rr_refine.sketch.world.edit import read_edit
from rr_refine.sketch.world.phrasing import read_request
from rr_refine.sketch.world.request import COUNTS, NOTHING_ELSE, violations
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import BACKGROUNDS, COLOURS, KINDS, PLACES, SIZES, WORDS
from rr_refine.sketch.world.understanding import not_understood
from tests.sketch.critic.observations import (
    random_asked,
    random_judgement,
    random_observation,
    task_of,
)

OTHER_WORDS = """
    a an the and of in all at to on yes no something unclear nothing letters word background left
    right above below make remove add move replace with change is are requirements All met missed
    reads has Mend None Image A B It's tie N/A
"""
KNOWN = {
    *" ".join((*FIXED_PIECES, *PLACES, *COUNTS, OTHER_WORDS)).split(),
    *(*KINDS, *COLOURS, *SIZES, *BACKGROUNDS, *WORDS, "crosses"),
    *(f"{kind}s" for kind in KINDS),
    *(count.capitalize() for count in COUNTS),
}


@dataclass(frozen=True)
class Sample:
    asked: Asked
    a: WrittenJudgement
    b: WrittenJudgement
    critique: str
    """Of `a`."""
    comparison: str


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    random = Random(1)
    made = []
    for number in range(300):
        asked, scene = random_asked(random)
        a, b = (random_judgement(asked, scene, random) for _ in range(2))
        if number % 10 == 0:
            a, b = WrittenJudgement(None, a.scores), WrittenJudgement(None, b.scores)
        texts = critique_text(asked, a), comparison_text(asked, a, b)
        made.append(Sample(asked, a, b, *texts))
    return made


def test_critiques_are_read_as_they_were_meant(samples: list[Sample]) -> None:
    for sample in samples:
        critique = parse_critique(sample.critique, task_of(sample.asked))
        assert critique.scores == sample.a.scores
        assert all(critique.rationales.values())
        assert critique.summary
        assert critique.refinement_comments
        assert (critique.refined_request is not None) == sample.a.improvable


def test_comparisons_are_read_as_they_were_meant(samples: list[Sample]) -> None:
    for sample in samples:
        critique = parse_comparison(sample.comparison, task_of(sample.asked))
        assert (critique.scores_a, critique.scores_b) == (sample.a.scores, sample.b.scores)
        for dimension, winner in critique.winners.items():
            one, other = sample.a.scores[dimension], sample.b.scores[dimension]
            if one is None or other is None:
                assert winner is None
            else:
                assert winner == ("a" if one > other else "b" if other > one else "tie")
        better = {"a": "Image A", "b": "Image B", "tie": "Neither image"}[critique.winner]
        assert critique.summary == f"{better} is better."


def test_proposed_requests_are_in_the_world_and_true_to_the_request(
    samples: list[Sample],
) -> None:
    for sample in samples:
        asked = sample.asked
        refined = parse_critique(sample.critique, task_of(asked)).refined_request
        if refined is None:
            continue
        assert not_understood(refined, task_of(asked)) == ()
        if isinstance(asked, RequestedEdit):
            assert read_edit(refined, asked.source) == asked.edit
            continue
        said = read_request(refined)
        assert said and said.count == asked.count
        target = plan(said, Observation(None), Random(0))
        assert target and violations(asked, target) == ()


def test_what_is_missed_is_named(samples: list[Sample]) -> None:
    for sample in samples:
        if sample.a.observation is None or isinstance(sample.asked, RequestedEdit):
            continue
        why = parse_critique(sample.critique, "t2i").rationales["text_faithfulness"] or ""
        shown = re.search(r"The picture shows: ([^.]*)\.", why)
        assert shown and read_observation(shown[1]) == sample.a.observation
        found = re.search(r"Missed: ([^.]*)\.", why)
        named = found[1].split("; ") if found else []
        named += [NOTHING_ELSE] if "There is more than asked." in why else []
        assert tuple(named) == missed(sample.asked, sample.a.observation)
        assert ("Nothing is missed." in why) == (not named)


def test_the_words_are_a_closed_set(samples: list[Sample]) -> None:
    known = {word.strip(".,;:()") for word in KNOWN}
    for sample in samples:
        for line in (sample.critique + sample.comparison).splitlines():
            if re.match(r"#|\d\. ", line):
                assert line.startswith(HEADINGS)
            said = re.sub(r"^(#+ [A-Z][A-Za-z ]*:?|\d\. .*)|\b[1-4]\.\d$", "", line)
            assert {word.strip(".,;:()") for word in said.split()} <= known


def test_an_answer_is_short(samples: list[Sample]) -> None:
    assert fmean(len(sample.critique.split()) for sample in samples) < 250
    assert fmean(len(sample.comparison.split()) for sample in samples) < 320


def test_a_critique() -> None:
    request = read_request("two red circles, a blue star and the word SUN on a white background")
    observed = read_observation(
        "white background; a large red circle at the top left; a small blue star at the center; "
        "a small green moon at the right; unclear letters"
    )
    assert request and observed
    judgement = WrittenJudgement(observed, scores_of(request, observed, 3.1, "SUM"))
    text = critique_text(request, judgement)
    assert text.splitlines()[:-2] == [
        "# User Request Analysis",
        "The request asks for two red circles, a blue star, a white background, the word SUN and "
        "nothing else.",
        "# Detailed Judgement",
        "1. Text Faithfulness:",
        "## Justification: The picture shows: white background; a large red circle at the top "
        "left; a small blue star at the center; a small green moon at the right; unclear letters. "
        "Checked: two red circles (at the top left: no), a blue star (at the center: yes), a white "
        "background (white background: yes), the word SUN (unclear letters: no), nothing else (at "
        "the right: no). Missed: two red circles; the word SUN. There is more than asked.",
        "## Score: 1.6",
        "2. Physical and Visual Quality:",
        "## Justification: The picture is slightly rough.",
        "## Score: 3.1",
        "3. Text Rendering:",
        "## Justification: The picture has unclear letters.",
        "## Score: 2.6",
        "# Summary: Three of five requirements are missed.",
        "",
        "# User Request Refinement:",
    ]
    comments, refined = text.splitlines()[-2:]
    assert comments == (
        "## Refinement Comments: Mend: two red circles; the word SUN; nothing else. Plan: the "
        "word SUN (at the bottom), two red circles (at the top left: large, at the left: large), a "
        "blue star (at the center: small)."
    )
    assert refined.startswith(
        "## Refined Request: white background; a large red circle at the top "
    )


def test_a_comparison_of_edits() -> None:
    source = read_request(
        "white background; a large red circle at the top; a small blue star at the left"
    )
    assert source
    random = Random(1)
    scene = random_scene(random, shapes=1, worded=False).model_copy(update={"background": "white"})
    circle, star = (
        observed.shapes[0]
        for words in ("a large red circle at the top", "a small blue star at the left")
        if (observed := read_observation(f"white background; {words}"))
    )
    scene = scene.with_shapes(circle, star)
    edit = read_edit("make the red circle green", scene)
    assert edit
    change = RequestedEdit(edit, scene)
    good, bad = observation_of(change.expected), Observation("black", (circle,))
    text = comparison_text(
        change,
        WrittenJudgement(good, scores_of(change, good, 3.9)),
        WrittenJudgement(bad, scores_of(change, bad, 1.2)),
    )
    assert text.splitlines() == [
        "# User Request Analysis",
        "The source shows: white background; a large red circle at the top; a small blue star at "
        "the left. The request is to make the large red circle at the top green. Wanted: white "
        "background; a large green circle at the top; a small blue star at the left.",
        "# Detailed Judgement",
        "1. Text Faithfulness:",
        "## Justification: Image A shows: white background; a large green circle at the top; a "
        "small blue star at the left. Checked: a large green circle at the top (at the top: yes), "
        "a small blue star at the left (at the left: yes), a white background (white background: "
        "yes), nothing else (yes). The change was made. Image B shows: black background; a large "
        "red circle at the top. Checked: a large green circle at the top (none: no), a small blue "
        "star at the left (none: no), a white background (black background: no), nothing else (at "
        "the top: no). The change was not made.",
        "## Score A: 4.0",
        "## Score B: 2.8",
        "## Winner: Image A",
        "2. Image Faithfulness:",
        "## Justification: Image A keeps everything else. Image B lost: the small blue star at "
        "the left; the white background.",
        "## Score A: 4.0",
        "## Score B: 2.2",
        "## Winner: Image A",
        "3. Physical and Visual Quality:",
        "## Justification: Image A is clean. Image B is broken.",
        "## Score A: 3.9",
        "## Score B: 1.2",
        "## Winner: Image A",
        "4. Text Rendering:",
        "## Justification: No text was asked for.",
        "## Score A: N/A",
        "## Score B: N/A",
        "## Winner: N/A",
        "# Summary: Image A is better.",
    ]


def test_who_is_vague_says_nothing_definite() -> None:
    request = read_request("a red circle")
    assert request
    seen = WrittenJudgement(
        None, scores_of(request, random_observation(random_scene(Random(1)), Random(1)), 2.0)
    )
    text = critique_text(request, seen)
    assert text.count("The picture shows some shapes. It fits the request in part.") == 2
    assert "## Refined Request: a red circle\n" in text


@pytest.mark.parametrize(
    ("score", "words"),
    [(4.0, "clean"), (3.5, "clean"), (3.4, "slightly rough"), (1.5, "rough"), (1.0, "broken")],
)
def test_quality_in_words(score: float, words: str) -> None:
    assert quality_words(score) == f"is {words}"
