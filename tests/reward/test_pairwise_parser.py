from __future__ import annotations

import json

import pytest

from rr_refine.errors import CriticAnswerError, CriticRefused, CriticTruncated, CriticUnreadable
from rr_refine.reward.comparison import PairwiseCritique, Winner
from rr_refine.reward.parser import parse_comparison
from rr_refine.terms import DIMENSIONS, Dimension, Task, dimensions_of
from tests.reward.answers import RATIONALES, SUMMARY, pairwise, pointwise

ANSWER = pairwise()


def assert_canonical(critique: PairwiseCritique) -> None:
    assert critique.scores_a == dict.fromkeys(DIMENSIONS, 3.5) | {"text_rendering": None}
    assert critique.scores_b == dict.fromkeys(DIMENSIONS, 2.0) | {"text_rendering": None}
    assert critique.winners == dict.fromkeys(DIMENSIONS, "a") | {"text_rendering": None}
    assert critique.rationales == RATIONALES
    assert critique.summary == SUMMARY
    assert critique.winner == "a"


@pytest.mark.parametrize("task", ["t2i", "edit"])
def test_reads_the_format_of_the_released_critics(task: Task) -> None:
    answer = pairwise(task)

    critique = parse_comparison(answer, task)

    assert critique.task == task
    assert tuple(critique.scores_a) == tuple(critique.winners) == dimensions_of(task)
    assert critique.raw == answer
    if task == "edit":
        assert_canonical(critique)


FORMS = {
    "no marks": ANSWER.replace("# ", "").replace("#", ""),
    "bold": ANSWER.replace("## Score A:", "**Score A:**").replace("## Winner:", "**Winner**:"),
    "bold lines": ANSWER.replace("## Winner: Image A", "**Winner: Image A**"),
    "underscores": ANSWER.replace("Score A", "score_a").replace("Score B", "score_b"),
    "spelled out": ANSWER.replace("Score A", "Score for Image A").replace("Score B", "Score (B)"),
    "the image first": ANSWER.replace("Score A", "Image A Score").replace(
        "Score B", "Image B Score"
    ),
    "winner first": ANSWER.replace("## Justification", "## Winner: Image A\n## Justification", 3),
    "B first": "\n".join(
        line.replace("A: 3.5", "B: 2.0") if "A: 3.5" in line else line.replace("B: 2.0", "A: 3.5")
        for line in ANSWER.split("\n")
    ),
    "values on the next line": ANSWER.replace(": 3.5", ":\n3.5").replace(": Image A", ":\nImage A"),
    "abbreviated": ANSWER.replace("Physical and Visual Quality", "Visual Quality"),
    "fenced": f"Here:\n```\n{ANSWER}\n```",
    "Windows line ends": ANSWER.replace("\n", "\r\n"),
    "JSON": json.dumps(
        {
            d: {
                "justification": RATIONALES[d],
                "score_a": "N/A" if d == "text_rendering" else 3.5,
                "score_b": "N/A" if d == "text_rendering" else 2.0,
                "winner": "N/A" if d == "text_rendering" else "Image A",
            }
            for d in DIMENSIONS
        }
        | {"summary": SUMMARY}
    ),
}


@pytest.mark.parametrize("answer", FORMS.values(), ids=FORMS.keys())
def test_reads_every_way_of_marking(answer: str) -> None:
    assert_canonical(parse_comparison(answer, "edit"))


def test_prose_in_a_summary_is_no_field() -> None:
    summary = "Winner: Image B, some would say.\nScore A: 1.0"
    critique = parse_comparison(ANSWER.replace(SUMMARY, summary), "edit")
    assert_canonical(critique.model_copy(update={"summary": SUMMARY}))
    assert critique.summary == summary


WINNERS: dict[str, Winner] = {
    "Image A": "a",
    "image a.": "a",
    "A": "a",
    "**A**": "a",
    "Image A (by a whisker)": "a",
    "Image A - Image B has six toes": "a",
    "The image A wins": "a",
    "Image A is better.": "a",
    "Image B": "b",
    "B": "b",
    "Tie": "tie",
    "It's a tie": "tie",
    "It\u2019s a tie.": "tie",
    "It is a tie": "tie",
    "Draw": "tie",
}


@pytest.mark.parametrize("stated", WINNERS)
def test_reads_a_winner(stated: str) -> None:
    answer = pairwise(verdicts={"physical_quality": ("3.0", "3.0", stated)})
    assert parse_comparison(answer, "edit").winners["physical_quality"] == WINNERS[stated]


@pytest.mark.parametrize(
    "stated",
    ["", "Image", "Image C", "A or B", "Image A / Image B", "A, B", "Both", "Neither", "3.0"],
)
def test_an_unreadable_winner_is_an_error(stated: str) -> None:
    answer = pairwise(verdicts={"physical_quality": ("3.0", "3.0", stated)})
    with pytest.raises(CriticUnreadable, match="winner of physical quality"):
        parse_comparison(answer, "edit")


VERDICTS: dict[tuple[str, str, str], Winner | None] = {
    ("N/A", "N/A", "N/A"): None,
    ("N/A", "n/a (no text)", "It's a tie"): None,
    ("3.0", "2.9", "It's a tie"): "tie",
    ("3.0", "3.0", "Image B"): "b",
    ("2.9", "3.0", "Image B"): "b",
}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_scores_and_winner_that_go_together(verdict: tuple[str, str, str]) -> None:
    critique = parse_comparison(pairwise(verdicts={"text_rendering": verdict}), "edit")
    assert critique.winners["text_rendering"] == VERDICTS[verdict]


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (("3.0", "N/A", "Image A"), "only in part"),
        (("N/A", "3.0", "Image B"), "only in part"),
        (("3.0", "3.0", "N/A"), "only in part"),
        (("N/A", "N/A", "Image A"), "only in part"),
        (("2.0", "3.9", "Image A"), "contradicts itself"),
        (("3.9", "2.0", "Image B"), "contradicts itself"),
        (("5", "3.0", "Image A"), "score a of text rendering cannot be read"),
        (("3.0", "3 or 2", "Image A"), "score b of text rendering cannot be read"),
    ],
)
def test_a_contradictory_verdict_is_an_error(verdict: tuple[str, str, str], message: str) -> None:
    answer = pairwise(verdicts={"text_rendering": verdict})
    with pytest.raises(CriticUnreadable, match=message) as caught:
        parse_comparison(answer, "edit")
    assert caught.value.raw == answer


def test_the_sum_of_scores_decides() -> None:
    verdicts: dict[Dimension, tuple[str, str, str]] = {
        "text_faithfulness": ("3.0", "2.9", "Image A"),
        "image_faithfulness": ("3.0", "2.9", "Image A"),
        "physical_quality": ("2.0", "3.0", "Image B"),
    }
    assert parse_comparison(pairwise(verdicts=verdicts), "edit").winner == "b"


def test_image_faithfulness_of_a_text_to_image_answer() -> None:
    answer = pairwise("edit", {"image_faithfulness": ("N/A", "N/A", "N/A")})
    assert "image_faithfulness" not in parse_comparison(answer, "t2i").scores_a

    with pytest.raises(CriticUnreadable, match="no source image"):
        parse_comparison(ANSWER, "t2i")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("", CriticUnreadable),
        (pointwise(), CriticUnreadable),
        (pairwise(verdicts=dict.fromkeys(DIMENSIONS, ("N/A",) * 3)), CriticUnreadable),
        (ANSWER.replace("## Score A: 3.5\n", "", 1), CriticUnreadable),
        (ANSWER.replace("## Winner: Image A\n", "", 1), CriticUnreadable),
        (ANSWER + "\n" + ANSWER.replace("3.5", "3.4"), CriticUnreadable),
        (ANSWER[: ANSWER.index("4. Text")], CriticUnreadable),
        (ANSWER[: ANSWER.rindex("## Score B")], CriticTruncated),
        (ANSWER[: ANSWER.index("six")], CriticTruncated),
        ("I'm sorry, but I can't compare these images.", CriticRefused),
    ],
)
def test_what_is_no_comparison_is_an_error(answer: str, error: type[CriticAnswerError]) -> None:
    with pytest.raises(CriticAnswerError) as caught:
        parse_comparison(answer, "edit")
    assert type(caught.value) is error
    assert caught.value.raw == answer


def test_an_answer_that_the_server_calls_truncated_is_never_used() -> None:
    with pytest.raises(CriticTruncated, match="token limit"):
        parse_comparison(ANSWER, "edit", truncated=True)


def test_no_cut_answer_gives_another_verdict() -> None:
    whole = parse_comparison(ANSWER, "edit")
    for end in range(len(ANSWER)):
        try:
            cut = parse_comparison(ANSWER[:end], "edit")
        except CriticAnswerError:
            continue
        assert (cut.scores_a, cut.scores_b) == (whole.scores_a, whole.scores_b)
        assert cut.winners == whole.winners
