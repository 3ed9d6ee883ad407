from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from rr_refine.errors import (
    CriticAnswerError,
    CriticRefused,
    CriticTruncated,
    CriticUnreadable,
)
from rr_refine.reward.critique import Critique
from rr_refine.reward.parser import parse_critique
from rr_refine.terms import DIMENSIONS, Dimension, Task, dimensions_of
from tests.reward.answers import (
    COMMENTS,
    RATIONALES,
    REQUEST,
    SCORES,
    SUMMARY,
    TITLES,
    Told,
    pointwise,
)

ANSWER = pointwise()


def assert_canonical(critique: Critique) -> None:
    assert critique.scores == SCORES
    assert critique.rationales == RATIONALES
    assert critique.summary == SUMMARY
    assert critique.refinement_comments == COMMENTS
    assert critique.refined_request == REQUEST


@pytest.mark.parametrize("task", ["t2i", "edit"])
def test_reads_the_format_of_the_released_critics(task: Task) -> None:
    answer = pointwise(task)

    critique = parse_critique(answer, task)

    dimensions = dimensions_of(task)
    assert critique.task == task
    assert critique.scores == {d: SCORES[d] for d in dimensions}
    assert critique.rationales == {d: RATIONALES[d] for d in dimensions}
    assert critique.summary == SUMMARY
    assert critique.refinement_comments == COMMENTS
    assert critique.refined_request == REQUEST
    assert critique.raw == answer


def swapped(answer: str) -> str:
    """Score before justification, as in the paper's appendix."""
    return re.sub(
        r"(## Justification: .*?)\n(## Score: [^\n]*)", r"\2\n\1", answer, flags=re.DOTALL
    )


MARKS = {
    "score first": swapped(ANSWER),
    "no marks": ANSWER.replace("# ", "").replace("#", ""),
    "no marks, score first": swapped(ANSWER).replace("# ", "").replace("#", ""),
    "three hashes": ANSWER.replace("# ", "### ").replace("####", "###"),
    "hashes before numbers": ANSWER.replace("\n1.", "\n### 1.").replace("\n3.", "\n### 3."),
    "hashes without a blank": ANSWER.replace("# ", "#"),
    "bold labels": ANSWER.replace("## Score:", "**Score:**").replace(
        "## Justification:", "**Justification:**"
    ),
    "bold labels, colon outside": ANSWER.replace("## Score:", "**Score**:").replace(
        "## Justification:", "- **Justification**:"
    ),
    "bold labels, no colon": ANSWER.replace("## Score:", "**Score**"),
    "bold lines": ANSWER.replace("## Score: 3.5", "**Score: 3.5**"),
    "bold dimensions": ANSWER.replace("1. Text Faithfulness:", "**1. Text Faithfulness:**"),
    "bold dimensions without numbers": ANSWER.replace(
        "1. Text Faithfulness:", "**Text Faithfulness**"
    ),
    "italic labels": ANSWER.replace("## Score:", "_Score:_"),
    "other numbers": ANSWER.replace("2. Image", "(2) Image").replace("3. Phys", "7) Phys"),
    "no numbers": ANSWER.replace("1. ", "").replace("2. ", "").replace("4. ", ""),
    "no colon": ANSWER.replace("Faithfulness:", "Faithfulness").replace("Quality:", "Quality"),
    "no colon in fields": ANSWER.replace("## Score: ", "## Score ").replace(
        "## Justification: ", "## Justification\n"
    ),
    "dashes": ANSWER.replace("## Score:", "## Score -").replace("Summary:", "Summary —"),
    "full-width colons": ANSWER.replace(":", "：").replace("Score：", "Score： "),
    "abbreviated": ANSWER.replace("Physical and Visual Quality", "Physical Quality"),
    "ampersand": ANSWER.replace("Physical and Visual", "Physical & Visual"),
    "visual only": ANSWER.replace("Physical and Visual", "Visual"),
    "a remark in a heading": ANSWER.replace("Rendering:", "Rendering (if any was asked for):"),
    "the scale in a heading": ANSWER.replace("Score:", "Score (1-4):"),
    "US spelling": ANSWER.replace("Judgement", "Judgment"),
    "upper case": ANSWER.replace("Faithfulness", "FAITHFULNESS").replace("Score", "SCORE"),
    "lower case": ANSWER.replace("Faithfulness", "faithfulness").replace("Score", "score"),
    "values on the next line": ANSWER.replace("Score: ", "Score:\n\n").replace(
        "Request: ", "Request:\n"
    ),
    "indented": ANSWER.replace("\n##", "\n   ##"),
    "quoted": "> " + ANSWER.replace("\n", "\n> ").replace("\n> \n", "\n\n"),
    "field behind its dimension": ANSWER.replace(":\n## Just", ": ## Just"),
    "Windows line ends": ANSWER.replace("\n", "\r\n"),
    "old Mac line ends": ANSWER.replace("\n", "\r"),
    "blank lines": ANSWER.replace("\n", "\n\n"),
    "trailing blanks": ANSWER.replace("\n", "  \n") + "\n\n",
    "rules": ANSWER.replace("\n2.", "\n---\n2.").replace("\n# S", "\n\n---\n\n# S") + "\n---",
    "chatter before": "Certainly! Here is my judgement.\n\n" + ANSWER,
    "a thought before": "<think>\nText Faithfulness\n## Score: 1.0\n</think>\n" + ANSWER,
    "a thought without its opening tag": "Score: 1.0\n</think>\n\n" + ANSWER,
    "a fence": f"```\n{ANSWER}\n```",
    "a fence with chatter around": f"Here:\n```markdown\n{ANSWER}\n```\nAnything else?",
    "a byte-order mark": "\ufeff" + ANSWER,
    "no analysis": ANSWER[ANSWER.index("1. ") :],
    "said twice": f"{ANSWER}\n\n{ANSWER}",
}


@pytest.mark.parametrize("answer", MARKS.values(), ids=MARKS.keys())
def test_reads_every_way_of_marking(answer: str) -> None:
    assert_canonical(parse_critique(answer, "edit"))


def test_an_overall_score_is_no_dimension() -> None:
    answer = ANSWER.replace("\n# Summary", "\nOverall Score: 3.1\n# Summary")
    assert_canonical(parse_critique(answer, "edit"))


def test_reads_dimensions_in_any_order() -> None:
    head, rest = ANSWER.split("1. Text", 1)
    first, rest = rest.split("2. Image", 1)
    middle, tail = rest.split("# Summary", 1)

    assert_canonical(parse_critique(f"{head}2. Image{middle}1. Text{first}# Summary{tail}", "edit"))


def test_reads_a_compact_answer() -> None:
    critique = parse_critique(
        "Text Faithfulness: 3.5/4\nPhysical Quality: 3\nText Rendering: N/A\nSummary: Good.", "t2i"
    )

    assert critique.scores == {
        "text_faithfulness": 3.5,
        "physical_quality": 3.0,
        "text_rendering": None,
    }
    assert set(critique.rationales.values()) == {None}
    assert (critique.summary, critique.refined_request) == ("Good.", None)


READABLE: dict[str, float | None] = {
    "3": 3.0,
    "4.0": 4.0,
    "1": 1.0,
    "3.25": 3.25,
    "3,5": 3.5,
    "３．５": 3.5,
    "**3.5**": 3.5,
    "`3.5`": 3.5,
    "[3.5]": 3.5,
    "(3.5)": 3.5,
    "3.5.": 3.5,
    "3.5/4": 3.5,
    "3.5 / 4.0": 3.5,
    "**3.5**/4": 3.5,
    "3.5 out of 4": 3.5,
    "3.5 (out of 4)": 3.5,
    "3.5 (minor flaws)": 3.5,
    "3.5/4 (minor flaws)": 3.5,
    "3.5 - minor flaws": 3.5,
    "3.5, for minor flaws": 3.5,
    "3.5. The flaws are minor.": 3.5,
    "about 3.5": 3.5,
    "approx. 3.5": 3.5,
    "~3.5": 3.5,
    "I would give it a 3.5": 3.5,
    "\n3.5": 3.5,
    "3.5\nThe flaws are minor.": 3.5,
    "N/A": None,
    "n/a": None,
    "NA": None,
    "N.A.": None,
    "**N/A**": None,
    "N/A (no text requested)": None,
    "N/A - no text requested": None,
    "N/A. No text requested.": None,
    "Not applicable": None,
    "Not Applicable (nothing to read)": None,
}


DECORATED: dict[str, float | None] = {
    "[ 3.5 ]": 3.5,
    "$3.5$": 3.5,
    "\\boxed{3.5}": 3.5,
    "$\\boxed{3.5}$": 3.5,
    "**\\boxed{3.5}**": 3.5,
    "\\(3.5\\)": 3.5,
    "\\[3.5\\]": 3.5,
    "$$3.5$$": 3.5,
    "\\text{3.5}": 3.5,
    "\\mathbf{3.5}": 3.5,
    "$\\mathbf{3.5}$": 3.5,
    "\\text{N/A}": None,
    "3.5 points": 3.5,
    "3.5 pts": 3.5,
    "3.5 pts.": 3.5,
    "3.5\u5206": 3.5,
    "3.5 \u5206": 3.5,
    "3.5\u70b9": 3.5,
    "3.5\uc810": 3.5,
    "3,5 Punkte": 3.5,
    "3.5 puntos": 3.5,
    "3.5 \u0431\u0430\u043b\u043b\u0430": 3.5,
    "3 points": 3.0,
    "2 pts": 2.0,
    "3\u5206": 3.0,
    "3.5 (1-4)": 3.5,
    "3.5 (1 - 4)": 3.5,
    "3.5 (1\u20134)": 3.5,
    "3.5 (1.0-4.0)": 3.5,
    "3.5 (scale 1-4)": 3.5,
    "3.5 (scale: 1-4)": 3.5,
    "3.5 (scale of 1 to 4)": 3.5,
    "3.5 (on a scale of 1 to 4)": 3.5,
    "3.5 on a scale of 1 to 4": 3.5,
    "3.5 on a 1-4 scale": 3.5,
    "3.5 [1-4]": 3.5,
    "3.5 (from 1 to 4)": 3.5,
    "\u200b3.5": 3.5,
    "3.5\u200b": 3.5,
    "3\u200b.5": 3.5,
    "\ufeff3.5": 3.5,
    "3.5\u200e": 3.5,
    "3.5\u2060": 3.5,
    "3.5\xa0": 3.5,
    "3.5<|im_end|>": 3.5,
    "3.5</s>": 3.5,
    "3.5 <|endoftext|>": 3.5,
    "3.5<|eot_id|>": 3.5,
    "3.5</score>": 3.5,
    "<score>3.5</score>": 3.5,
    "<b>3.5</b>": 3.5,
    "<answer>3.5</answer>": 3.5,
    "<|begin_of_box|>3.5<|end_of_box|>": 3.5,
    "3<|im_end|>": 3.0,
    "<3.5>": 3.5,
    "3.5<br>": 3.5,
    "3.5<br/>": 3.5,
    "\u201c3.5\u201d": 3.5,
    "\u300c3.5\u300d": 3.5,
    "\u30103.5\u3011": 3.5,
    "3.5\u3002": 3.5,
    "\uff083.5\uff09": 3.5,
    "3.5 / 4 points": 3.5,
    "3.5/4\u5206": 3.5,
    "3.5 points out of 4": 3.5,
    "3.5 out of 4 points": 3.5,
    "3.5 of 4": 3.5,
    "3.5\u5206\uff08\u6ee1\u52064\u5206\uff09": 3.5,
    "3.5\uff08\u6ee1\u52064\u5206\uff09": 3.5,
    "3.5\\": 3.5,
    "N/A<|im_end|>": None,
    "\u4e0d\u9002\u7528": None,
    "\u8a72\u5f53\u306a\u3057": None,
    "nicht anwendbar": None,
    "[ N/A ]": None,
    "$N/A$": None,
    "( 3.5 )": 3.5,
    "* 3.5 *": 3.5,
    "**3.5** points": 3.5,
    "3.5 points - minor": 3.5,
    "3.5</answer>\n": 3.5,
    "{3.5}": 3.5,
    "3.5 / 4.0 (minor flaws)": 3.5,
    "**[ 3.5 ]**": 3.5,
    "`3.5`": 3.5,
    "3.5;": 3.5,
    "3.5\t": 3.5,
    "N/A</s>": None,
    "3.5points": 3.5,
    "\\boxed{3.5}.": 3.5,
    "$3.5$ - minor flaws": 3.5,
    "\\boxed{3.5/4}": 3.5,
    "$3.5/4$": 3.5,
    "\\frac{3.5}{4}": 3.5,
}
"""What models put around a score, each of which cost a second question before."""


@pytest.mark.parametrize("value", DECORATED)
def test_reads_a_decorated_score(value: str) -> None:
    for dimension in DIMENSIONS[1::2]:
        answer = pointwise(scores={dimension: value})
        assert parse_critique(answer, "edit").scores[dimension] == DECORATED[value]
        assert parse_critique(answer + "<|im_end|>", "edit").scores[dimension] == DECORATED[value]


DOUBTFUL = [
    "$3.5",
    "3.5$ off",
    "3 points off",
    "3 points deducted",
    "1 point (deducted for blur)",
    "2 points, taken off for blur",
    "2 points. Deducted.",
    "\u62631\u5206",
    "1\u5206\uff08\u6263\u5206\uff09",
    "1\u5206\uff0c\u6263\u5728\u6a21\u7cca",
    "3.5 (1-5)",
    "3.5 (0-4)",
    "3.5 (1-10)",
    "3.5 (1-40)",
    "3.5 on a scale of 1 to 10",
    "3.5 on a scale of 0 to 4",
    "3.5 points out of 5",
    "3.5/5\u5206",
    "3.5\u5206\uff08\u6ee1\u52065\u5206\uff09",
    "3.5\u5206\uff08\u6ee1\u520610\u5206\uff09",
    "5\u5206",
    "\\boxed{5}",
    "\\boxed{}",
    "$$",
    "<score>",
    "<score></score>",
    "3\u200b5",
    "3.5<|im_end|>2.0",
    "<3.5",
    "3.5>",
    "3 points or 4 points",
    "3.5 points 2.0",
    "1-4",
    "(1-4)",
    "[1-4]",
    "[1, 4]",
    "3.5 -4",
    "3.5 of 5",
    "3.5 of 40",
    "\\boxed{3}{4}",
    "$3$4",
    "\u202e3.1",
    "3.5 percent",
    "3.5 pounds",
    "3.5 grade",
    "3.5 pointsless",
    "-3.5 points",
    "\u22123.5\u5206",
    "~~2.0~~ 3.5",
    "~~3.5~~",
    "3.5 points (or 3)",
    "3.5\u5206?",
    "<a number>",
    "<b>3.5</b> 2",
    "3\u20e3",
    "3.5 \\times 2",
    "$3.5 \\pm 0.5$",
    "3.5\xb10.5",
    "3\xbd",
    "\\frac{1}{2}",
    "$3$-$4$",
    "3.5 / 4 / 5",
    "3/4/5",
    "2/4 points lost",
    "3 of the 4 elements",
    "3 of 4 elements are there",
    "2 of 4 cats",
    "lost 1 point",
    "1 of 4: one missing",
    "2 out of 4 elements",
]
"""Their neighbours, which say something else or nothing for certain."""


@pytest.mark.parametrize("value", DOUBTFUL)
def test_a_decorated_score_in_doubt_is_an_error(value: str) -> None:
    with pytest.raises(CriticUnreadable, match="image faithfulness"):
        parse_critique(pointwise(scores={"image_faithfulness": value}), "edit")


@pytest.mark.parametrize("value", READABLE)
def test_reads_a_score(value: str) -> None:
    for dimension in DIMENSIONS[1::2]:
        answer = pointwise(scores={dimension: value})
        assert parse_critique(answer, "edit").scores[dimension] == READABLE[value]


UNREADABLE = [
    *("0", "0.9", "4.1", "5", "10", "-1", "- 3.5", "\N{MINUS SIGN}1", "+-3", "1e0", "NaN", "inf"),
    *("?", "3.5?", "3?", "-", "...", "", "\n", "three", "good", "None", "unclear", "pending"),
    *("3-4", "3 - 4", "3\N{EN DASH}4", "3 to 4", "3 or 4", "3.5, 3.0", "3.5 3.0", "3.5 -> 3.0"),
    *("3.5 (or 3.0)", "3.5 (N/A)", "N/A or 4", "N/A (else 4)", "4 N/A", "3.5\n3.0", "3.5\nN/A"),
    *("5/10", "8/10", "3.5/5", "3.5/40", "3.5/4.5", "3.5 out of 5", "3.5 (out of ten)", "80%"),
    *("3%", "<3.5", ">3", "at least 3", "not 3.5", "3.5.2", "3,500", "3.5²", "3½", "٣", "3.5x"),
    *("3.5 stars", "3.5 would be harsh", "3. Some toes are missing", "<a number>", "[float]"),
]


@pytest.mark.parametrize("value", UNREADABLE)
def test_an_unreadable_score_is_an_error(value: str) -> None:
    for dimension in DIMENSIONS[::3]:
        answer = pointwise(scores={dimension: value})
        with pytest.raises(CriticUnreadable, match=dimension.replace("_", " ")) as caught:
            parse_critique(answer, "edit")
        assert caught.value.raw == answer


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_missing_dimension_is_an_error(dimension: Dimension) -> None:
    start = ANSWER.index(f"{DIMENSIONS.index(dimension) + 1}. ")
    end = ANSWER.index("\n", ANSWER.index("## Score", start)) + 1

    with pytest.raises(CriticUnreadable, match=f"{dimension.replace('_', ' ')} is missing"):
        parse_critique(ANSWER[:start] + ANSWER[end:], "edit")


PROSE = [
    "Text Faithfulness: the prompt asks for a cat.",
    "1. Text Faithfulness: the prompt asks for a cat.",
    "**Text Faithfulness**: the prompt asks for a cat.",
    "Text Faithfulness",
    "Summary: so far it is fine.",
    "**Summary:** so far it is fine.",
    "Justification: none is needed.",
    "Score: 2.0 for that would be harsh.",
    "- Score: 2 or 3, it is hard to say",
    "**Score:** 2.0 would be harsh.",
    "I would give Score: 2.0 for that.",
    "The Physical and Visual Quality is not the point; Text Rendering: N/A is.",
    "User Request Refinement: none.",
    "Refinement comments: none.",
    "Winner: Image A",
    "Score A: 2.0",
    "{not: json}",
    "```\nScored from 1 to 4\n```",
]


@pytest.mark.parametrize("line", PROSE)
@pytest.mark.parametrize("order", ["justification first", "score first"])
def test_prose_in_a_justification_is_no_heading(line: str, order: str) -> None:
    rationale = f"It is fine.\n{line}\nSo much for that."
    answer = str(Told(rationales={"image_faithfulness": rationale}))
    critique = parse_critique(swapped(answer) if order == "score first" else answer, "edit")

    if order == "score first":
        assert critique.scores == SCORES
    else:
        assert_canonical(replace_rationale(critique, rationale))


def replace_rationale(critique: Critique, expected: str) -> Critique:
    assert critique.rationales["image_faithfulness"] == expected
    return critique.model_copy(update={"rationales": RATIONALES})


DOUBTS = {
    "two scores": ANSWER.replace("## Score: 3.5", "## Score: 3.5\n## Score: 3.0"),
    "a score and N/A": ANSWER.replace("## Score: 3.5", "## Score: 3.5\n## Score: N/A"),
    "a bare second score": ANSWER.replace("## Score: 3.5", "Score: 2.0\n## Score: 3.5"),
    "the whole rubric twice": ANSWER + "\n\n" + pointwise(scores={"physical_quality": "3.0"}),
    "a recap that differs": ANSWER.replace(SUMMARY, "\nText Faithfulness: 4\nGood."),
    "a second section": ANSWER.replace("# Summary", "**Text Faithfulness**\nScore: 1\n# Summary"),
    "an unknown dimension": ANSWER.replace("# Summary", "5. Style:\n## Score: 2.0\n# Summary"),
    "the template echoed": ANSWER.replace("3.5", "<a number>").replace("3.8", "<a number>")
    + "\n"
    + ANSWER,
    "the format, not filled in": str(Told(request="<the new request, or None>")),
    "two requests": ANSWER + "\n## Refined Request: A blue dog.",
    "all N/A": pointwise(scores=dict.fromkeys(DIMENSIONS, "N/A")),
    "another scale in a heading": ANSWER.replace("Score:", "Score (0-10):"),
    "only a justification": "1. Text Faithfulness:\n## Justification: Good.\n# Summary: Good.",
    "empty": "",
    "blank": " \n\t ",
    "prose": "What a lovely picture of a cat!",
    "a score of nothing": "## Score: 3.5\n",
    "an empty fence": "```\n```",
    "half a surrogate pair": ANSWER + "\ud83d",
}


@pytest.mark.parametrize("answer", DOUBTS.values(), ids=DOUBTS.keys())
def test_a_doubtful_answer_is_an_error(answer: str) -> None:
    with pytest.raises(CriticUnreadable) as caught:
        parse_critique(answer, "edit")
    assert caught.value.raw == answer


def test_image_faithfulness_of_a_text_to_image_answer() -> None:
    critique = parse_critique(pointwise(scores={"image_faithfulness": "N/A"}), "t2i")
    assert "image_faithfulness" not in critique.scores

    with pytest.raises(CriticUnreadable, match="no source image"):
        parse_critique(pointwise("edit"), "t2i")


def test_image_faithfulness_of_an_edit_may_be_not_applicable() -> None:
    critique = parse_critique(pointwise(scores={"image_faithfulness": "N/A"}), "edit")
    assert critique.scores["image_faithfulness"] is None


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't assist with that.",
        "I\u2019m sorry, I can\u2019t help with this request.",
        "Sorry, I cannot evaluate this image.",
        "I cannot judge images of real people.",
        "I am unable to evaluate this content.",
        "Unfortunately, I can't help with that.",
        "I apologize, but I cannot assist.",
        "As an AI, I do not judge such images.",
        "# User Request Analysis\nI'm sorry, I can't continue with this.",
        "<think>They want a judgement.</think>I won't do that.",
    ],
)
def test_a_refusal(answer: str) -> None:
    with pytest.raises(CriticRefused) as caught:
        parse_critique(answer, "edit")
    assert caught.value.raw == answer


def test_regret_in_a_judgement_is_no_refusal() -> None:
    rationale = "I'm sorry, but I cannot see a cat."
    critique = parse_critique(str(Told(rationales={"text_faithfulness": rationale})), "edit")
    assert critique.rationales["text_faithfulness"] == rationale


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER[: ANSWER.index("toes")],
        ANSWER[: ANSWER.index("## Score: 2.0")],
        ANSWER[: ANSWER.index(" N/A")],
        "1. Text Faithfulness:\n## Justification: The cat",
        "1. Text Faithfulness:",
        "<think>The picture shows",
        f"```\n{ANSWER}",
        str(Told(request='"A red cat')),
        str(Told(request="```\nA red cat")),
        '{"text_faithfulness": {"justification": "The ca',
        '{"text_faithfulness": {"score": 3.5},',
    ],
)
def test_an_answer_that_visibly_ends_too_early_is_truncated(answer: str) -> None:
    with pytest.raises(CriticTruncated) as caught:
        parse_critique(answer, "edit")
    assert caught.value.raw == answer


def test_an_answer_that_the_server_calls_truncated_is_never_used() -> None:
    # The scores are all there, but nothing tells whether the refined request is.
    with pytest.raises(CriticTruncated, match="token limit"):
        parse_critique(ANSWER, "edit", truncated=True)


def test_a_number_at_the_end_may_be_half_a_number() -> None:
    answer = ANSWER[: ANSWER.index("# Summary")].replace("N/A", "3.5")

    assert parse_critique(answer, "edit").scores["text_rendering"] == 3.5
    for whole in ("3.5", "3.0", "4"):  # one decimal is all that critics write, and 4 is the top
        read = parse_critique(answer[: answer.rindex("3.5")] + whole, "edit")
        assert read.scores["text_rendering"] == float(whole)
    for cut in ("3.", "3", "2", "1"):
        with pytest.raises(CriticUnreadable, match="may be cut short"):
            parse_critique(answer[: answer.rindex("3.5")] + cut, "edit")


REQUESTS = {
    "A red cat.": "A red cat.",
    "\nA red cat.": "A red cat.",
    "\n\nA red cat,\nin a garden.\n\nAt dawn.": "A red cat,\nin a garden.\n\nAt dawn.",
    '"A red cat."': "A red cat.",
    "'A red cat's tail.'": "A red cat's tail.",
    "\u201cA red cat.\u201d": "A red cat.",
    "\u2018A red cat.\u2019": "A red cat.",
    "\u201eA red cat.\u201c": "A red cat.",
    "\u00abA red cat.\u00bb": "A red cat.",
    "\u300cA red cat.\u300d": "A red cat.",
    "`A red cat.`": "A red cat.",
    "**A red cat.**": "A red cat.",
    '**"A red cat."**': "A red cat.",
    "\n```\nA red cat.\n```": "A red cat.",
    "\n```text\nA red cat.\n```\n": "A red cat.",
    'A shop sign "OPEN".': 'A shop sign "OPEN".',
    '"OPEN" in red letters': '"OPEN" in red letters',
    '"OPEN" beside "SHUT"': '"OPEN" beside "SHUT"',
    '"A sign with "OPEN" on it"': 'A sign with "OPEN" on it',
    "A red cat.\n---": "A red cat.",
    "None of the cats is red.": "None of the cats is red.",
    "No changes to the garden; make the cat red.": "No changes to the garden; make the cat red.",
    "A score of 3.5 on a board.\nScore: 2.0": "A score of 3.5 on a board.\nScore: 2.0",
    "<lora:cat:0.8> a red cat <lora:dawn:1>": "<lora:cat:0.8> a red cat <lora:dawn:1>",
    "": None,
    "None": None,
    "none.": None,
    '"None"': None,
    "**N/A**": None,
    "N/A (it is perfect)": None,
    "None - it is perfect.": None,
    "-": None,
    "```": None,
    "Not applicable": None,
    "Not needed.": None,
    "No refinement needed.": None,
    "No changes are necessary": None,
    "No further refinement is required.": None,
    "Same as the original request.": None,
    "Unchanged": None,
}


@pytest.mark.parametrize("written", REQUESTS)
def test_reads_the_refined_request(written: str) -> None:
    critique = parse_critique(str(Told(request=written)), "edit")
    assert critique.scores == SCORES
    assert critique.refined_request == REQUESTS[written]


def test_an_answer_without_refinement_proposes_none() -> None:
    critique = parse_critique(ANSWER[: ANSWER.index("# User Request Refinement")], "edit")
    assert critique.summary == SUMMARY
    assert (critique.refinement_comments, critique.refined_request) == (None, None)


@pytest.mark.parametrize(
    "written", ["\nIt is good,\nbut for the paw.", "It is good,\nbut for the paw."]
)
def test_reads_a_summary_of_several_lines(written: str) -> None:
    critique = parse_critique(str(replace(Told(), summary=written)), "edit")
    assert critique.summary == "It is good,\nbut for the paw."


def test_a_recap_that_agrees_stays_in_the_summary() -> None:
    summary = "Good.\nText Faithfulness: 3.5\n- **Physical Quality**: 2.0/4\nThe paw is odd."
    critique = parse_critique(str(Told(summary=summary)), "edit")
    assert critique.scores == SCORES
    assert critique.summary == summary


def test_prose_under_a_dimension_is_its_rationale() -> None:
    critique = parse_critique(ANSWER.replace("## Justification: ", ""), "edit")
    assert_canonical(critique)


NESTED = {
    "User Request Analysis": "A red cat in a garden.",
    "Detailed Judgement": {
        "Text Faithfulness": {"Justification": RATIONALES["text_faithfulness"], "Score": 3.5},
        "Image Faithfulness": {"Justification": RATIONALES["image_faithfulness"], "Score": "3.8"},
        "Physical & Visual Quality": {"Score": 2.0, "Reasoning": RATIONALES["physical_quality"]},
        "Text Rendering": {"Justification": RATIONALES["text_rendering"], "Score": "N/A"},
    },
    "Summary": SUMMARY,
    "User Request Refinement": {"Refinement Comments": COMMENTS, "Refined Request": REQUEST},
}
FLAT = {
    **{f"{d}_score": "N/A" if s is None else s for d, s in SCORES.items()},
    **{f"{d}_justification": r for d, r in RATIONALES.items()},
    "summary": SUMMARY,
    "refinement_comments": COMMENTS,
    "refined_request": REQUEST,
}
BY_FIELD = {
    "scores": {d: "n/a" if s is None else s for d, s in SCORES.items()},
    "justifications": RATIONALES,
    "summary": SUMMARY,
    "refinementComments": COMMENTS,
    "refinedRequest": REQUEST,
}
LISTED = {
    "dimensions": [
        {"dimension": d, "score": "N/A" if s is None else s, "rationale": RATIONALES[d]}
        for d, s in SCORES.items()
    ],
    "summary": SUMMARY,
    "refinement": {"refinement_comments": COMMENTS, "refined_request": REQUEST},
}
NAMED: dict[str, object] = {
    **{d: "N/A" if s is None else s for d, s in SCORES.items()},
    "justification": RATIONALES,
    "overall_summary": SUMMARY,
    "refinement_comments": COMMENTS,
    "refined_prompt": f'"{REQUEST}"',
}
DOCUMENTS = {
    "nested": json.dumps(NESTED, indent=2),
    "flat": json.dumps(FLAT),
    "by field": json.dumps(BY_FIELD),
    "a list": json.dumps(LISTED, indent=1),
    "named": json.dumps(NAMED),
    "fenced": f"```json\n{json.dumps(NESTED, indent=2)}\n```",
    "fenced, with chatter": f"Here it is:\n```json\n{json.dumps(FLAT)}\n```\nAnything else?",
    "with chatter": f"Here it is:\n\n{json.dumps(NESTED, indent=2)}\n\nAnything else?",
    "behind a thought": f"<think>Hm.</think>{json.dumps(FLAT)}",
    "said twice": json.dumps(FLAT)[:-1] + "," + json.dumps(FLAT)[1:],
}


@pytest.mark.parametrize("answer", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_reads_json(answer: str) -> None:
    assert_canonical(parse_critique(answer, "edit"))


LISTS: dict[str, object] = {
    "by dimension and score": [
        {"dimension": TITLES[d], "score": s, "comment": RATIONALES[d]} for d, s in SCORES.items()
    ],
    "by name and score": [
        {"name": d, "score": s, "justification": RATIONALES[d], "max": 4} for d, s in SCORES.items()
    ],
    "by criterion and value": [{"criterion": TITLES[d], "value": s} for d, s in SCORES.items()],
    "by dimension": [{TITLES[d]: s} for d, s in SCORES.items()],
    "objects": {TITLES[d]: {"score": s, "of": 4} for d, s in SCORES.items()},
    "numbers": SCORES,
}


@pytest.mark.parametrize("key", ["scores", "dimension_scores", "evaluation", "ratings"])
@pytest.mark.parametrize("form", LISTS)
def test_reads_scores_in_json_with_null_for_not_applicable(form: str, key: str) -> None:
    if key in ("dimension_scores", "evaluation") and form == "by criterion and value":
        return  # nothing says that the value is a score
    document = {key: LISTS[form], "summary": SUMMARY, "refined_request": None}
    critique = parse_critique(json.dumps(document), "edit")
    assert critique.scores == SCORES
    assert critique.refined_request is None


@pytest.mark.parametrize(
    "items",
    [
        [{"dimension": "Text Faithfulness"}],
        [{"dimension": "Text Faithfulness", "score": "good"}],
        [{"dimension": "Text Faithfulness", "score": 3.5, "Score": 2.0}],
        [{"dimension": "Text Faithfulness", "score": 3.5}] * 2
        + [{"dimension": "Text Faithfulness", "score": 3.0}],
        [{"dimension": "Text Faithfulness", "value": 3.5, "note": "4 of 5"}],
        [3.5, 3.8, 2.0, None],
    ],
)
def test_a_list_of_scores_in_doubt_is_an_error(items: list[object]) -> None:
    rest = [{"dimension": TITLES[d], "score": 3.0} for d in DIMENSIONS[1:]]
    with pytest.raises(CriticUnreadable):
        parse_critique(json.dumps({"scores": items + rest}), "edit")


@pytest.mark.parametrize(
    "score", ["4.5", "-1", "NaN", "Infinity", "true", '"3-4"', "[3.5, 3.0]", '{"value": 5}']
)
def test_an_unreadable_score_in_json_is_an_error(score: str) -> None:
    answer = json.dumps(FLAT).replace("3.8", score)
    with pytest.raises(CriticUnreadable):
        parse_critique(answer, "edit")


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(FLAT)[:-1] + ', "text_faithfulness_score": 3.0}',
        json.dumps({k: v for k, v in FLAT.items() if k != "image_faithfulness_score"}),
        json.dumps(FLAT) + "\n" + json.dumps(FLAT),
        json.dumps(FLAT) + "\n" + ANSWER,
        json.dumps(FLAT).replace(":", "=", 1),
        json.dumps(FLAT).replace(REQUEST, r"\ud83d"),
        '{"a":' * 20 + "1" + "}" * 20,
        '{"a":' * 100_000,
        "{}",
    ],
)
def test_doubtful_json_is_an_error(answer: str) -> None:
    with pytest.raises(CriticAnswerError) as caught:
        parse_critique(answer, "edit")
    assert caught.value.raw == answer
