"""The parser on thousands of drawn answers: read as meant, or an error; never another score."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rr_refine.errors import CriticAnswerError, CriticTruncated
from rr_refine.reward.critique import Critique
from rr_refine.reward.parser import parse_comparison, parse_critique
from rr_refine.terms import Dimension, Task, dimensions_of
from tests.reward.answers import TITLES, number, pointwise

# The same examples on every machine and in every run.
fixed = settings(derandomize=True, deadline=None, database=None)
many = settings(fixed, max_examples=800)
some = settings(fixed, max_examples=300)
few = settings(fixed, max_examples=50)
"""For those that spoil every drawn answer in a hundred ways."""


Scores = tuple[float | None, ...]


@dataclass(frozen=True)
class Judgement:
    """What an answer means."""

    task: Task
    scores: dict[Dimension, float | None]
    rationales: dict[Dimension, str]
    summary: str
    comments: str
    request: str | None

    def assert_read(self, critique: Critique) -> None:
        assert critique.task == self.task
        assert critique.scores == self.scores
        assert {d: tidy(r) for d, r in critique.rationales.items()} == self.rationales
        assert tidy(critique.summary) == self.summary
        assert tidy(critique.refinement_comments) == self.comments
        assert tidy(critique.refined_request) == self.request


def tidy(text: str | None) -> str | None:
    """Without the blanks at line ends that one of the styles adds."""
    return None if text is None else "\n".join(line.rstrip() for line in text.split("\n"))


PROSE = (
    *(
        "It is fine.",
        "A red cat, café, 赤い猫 🐈.",
        "It has six toes; four would do.",
        "There is 1.",
    ),
    *("Its Text Faithfulness: good, as the Summary: says.", "I would give Score: 2.0 for that."),
    *('The sign reads "OPEN", "SHUT" or `so`.', "# 1 in the list", "2.0 or 3.5? N/A, I think."),
    *("(see above)", "Text Rendering and Physical Quality are apart.", "As in ## Score: 1.0, say."),
    *(
        "The winner: Image A",
        "Refined, the request is Refined Request: so.",
        "{not: json} or",
        "<b> is bold",
    ),
)
HAZARDS = (
    *("Text Faithfulness: the prompt asks for it.", "Summary: fine so far.", "- it has six toes"),
    *("Score: 2.0 for that would be harsh.", "1. Physical Quality: see above.", "1. a red cat"),
    *(
        "Justification: not needed.",
        "Winner: Image B",
        "Overall: good.",
        "- **Text Rendering**: none",
    ),
)
tasks: st.SearchStrategy[Task] = st.sampled_from(("t2i", "edit"))
scores = st.none() | st.integers(10, 40).map(lambda tenths: tenths / 10)


def paragraphs(*further: str) -> st.SearchStrategy[str]:
    """One to three lines; what might pass for a heading never comes first, behind a label."""
    lines = st.tuples(st.sampled_from(PROSE), st.lists(st.sampled_from(further), max_size=2))
    return lines.map(lambda parts: "\n".join([parts[0], *parts[1]]))


plain = paragraphs(*PROSE)
tricky = paragraphs(*PROSE, *HAZARDS)


def judge(
    task: Task, scores: Scores, rationales: Sequence[str], summary: str, comments: str, request: str
) -> Judgement:
    dimensions = dimensions_of(task)
    return Judgement(
        task=task,
        scores=dict(zip(dimensions, scores, strict=False)),
        rationales=dict(zip(dimensions, rationales, strict=False)),
        summary=summary,
        comments=comments,
        request=request or None,
    )


def judgements(rationales: st.SearchStrategy[str]) -> st.SearchStrategy[Judgement]:
    return st.builds(
        judge,
        tasks,
        st.tuples(scores, scores, scores, scores),
        st.tuples(rationales, rationales, rationales, rationales),
        plain,
        plain,
        plain | st.just(""),
    ).filter(lambda judgement: any(score is not None for score in judgement.scores.values()))


plainly_judged = judgements(plain)
trickily_judged = judgements(tricky)

SPELLINGS: dict[Dimension, tuple[str, ...]] = {
    "text_faithfulness": ("Text Faithfulness", "Text-Faithfulness", "Textual Faithfulness"),
    "image_faithfulness": ("Image Faithfulness", "image_faithfulness", "Image Fidelity"),
    "physical_quality": (
        *("Physical and Visual Quality", "Physical & Visual Quality", "Physical Quality"),
        *("Visual Quality", "Physical/Visual Quality", "Visual and Physical Quality"),
    ),
    "text_rendering": ("Text Rendering", "Text Rendering Quality", "Text Render"),
}
Writer = Callable[[str], str]
marked_labels: st.SearchStrategy[Writer] = st.sampled_from(
    (
        lambda label: f"## {label}: ",
        lambda label: f"# {label}: ",
        lambda label: f"##{label}:",
        lambda label: f"## {label}：",
        lambda label: f"## {label} - ",
        lambda label: f"#### {label} ",
        lambda label: f"### **{label}**: ",
        lambda label: f"**{label}:** ",
        lambda label: f"**{label}**: ",
        lambda label: f"**{label}** ",
        lambda label: f"- **{label}:** ",
    )
)
any_labels: st.SearchStrategy[Writer] = marked_labels | st.sampled_from(
    (lambda label: f"{label}: ", lambda label: f"- {label}: ", lambda label: f"{label} = ")
)
titles: st.SearchStrategy[Writer] = st.sampled_from(
    (
        str,
        lambda title: f"{title}:",
        lambda title: f"### {title}:",
        lambda title: f"**{title}**",
        lambda title: f"**{title}:**",
        lambda title: f"## **{title}**",
        lambda title: f"  {title} :",
        lambda title: f"{title} (if it applies):",
    )
)
cases: st.SearchStrategy[Writer] = st.sampled_from((str, str.upper, str.lower))
score_forms: st.SearchStrategy[Callable[[float], str]] = st.sampled_from(
    (
        str,
        lambda score: f"{score:.2f}",
        lambda score: f"{score:g}",
        lambda score: f"**{score}**",
        lambda score: f"{score}/4",
        lambda score: f"{score} / 4.0",
        lambda score: f"{score} out of 4",
        lambda score: f"{score} (minor flaws)",
        lambda score: f"{score} - minor flaws",
        lambda score: f"about {score}",
        lambda score: f"[{score}]",
        lambda score: f"{score}.",
        lambda score: str(score).replace(".", ","),
        lambda score: "".join(chr(ord(c) + 0xFEE0) for c in str(score)),
    )
)
ABSENT = ("N/A", "n/a", "NA", "N.A.", "**N/A**", "N/A (no text requested)", "Not applicable")
HEADS = ((), ("# User Request Analysis", "A red cat."), ("# Detailed Judgment:",))
wraps: st.SearchStrategy[Writer] = st.sampled_from(
    (
        str,
        lambda answer: f"Sure, here is my judgement.\n\n{answer}",
        lambda answer: f"```\n{answer}\n```",
        lambda answer: f"Here:\n```markdown\n{answer}\n```\nShall I go on?",
        lambda answer: f"<think>\nIs it\n## Score: 1.0\n</think>\n\n{answer}\n",
        lambda answer: answer.replace("\n", "\r\n"),
        lambda answer: answer.replace("\n", "  \n"),
        lambda answer: f"\ufeff{answer}\n\n",
        lambda answer: f"{answer}\n\n{answer}",
    )
)
REQUEST_FORMS = ("{}", '"{}"', "“{}”", "«{}»", "**{}**", "\n{}", "\n\n{}", "\n```\n{}\n```")
NO_REQUEST = ("None", "N/A", "none.", "-", "", "No refinement needed.", '"None"')


PLACES = [dict(zip(TITLES, places, strict=True)) for places in permutations(range(4))]
orders = st.sampled_from(PLACES)
numbers = st.sampled_from(("", "{}. ", "{}) ", "({}) "))
breaks = st.sampled_from(("", "\n", "\n\n"))
separators = st.sampled_from(("\n", "\n\n"))
spellings = {dimension: st.sampled_from(names) for dimension, names in SPELLINGS.items()}
heads = st.sampled_from(HEADS)
absent = st.sampled_from(ABSENT)
request_forms = st.sampled_from(REQUEST_FORMS)
no_requests = st.sampled_from(NO_REQUEST)
refinements = st.sampled_from(("", "# User Request Refinement:", "**User Request Refinement**"))
flags = st.booleans()


@st.composite
def text_of(draw: st.DrawFn, judgement: Judgement, labels: st.SearchStrategy[Writer]) -> str:
    """The judgement as text, in a drawn style."""
    title, label, case, numbered = draw(titles), draw(labels), draw(cases), draw(numbers)
    score_first, lead = draw(flags), draw(separators)[1:]
    lines = [*draw(heads)]
    dimensions = sorted(judgement.scores, key=draw(orders).__getitem__)
    for place, dimension in enumerate(dimensions, 1):
        name = case(draw(spellings[dimension]))
        score = judgement.scores[dimension]
        value = draw(absent) if score is None else draw(score_forms)(score)
        fields = [
            label(case("Justification")) + lead + judgement.rationales[dimension],
            label(case("Score")) + draw(breaks) + value,
        ]
        lines += [title(numbered.format(place) + name), *(fields[::-1] if score_first else fields)]
    request = judgement.request
    lines += [
        label(case("Summary")) + judgement.summary,
        draw(refinements),
        label("Refinement Comments") + lead + judgement.comments,
        label(case("Refined Request"))
        + (draw(request_forms).replace("{}", request) if request else draw(no_requests)),
    ]
    return draw(separators).join(lines)


def number_or_na(score: float | None) -> str | float:
    return "n/a" if score is None else score


def camel(dimension: Dimension) -> str:
    head, *tail = dimension.split("_")
    return head + "".join(word.capitalize() for word in tail)


values: st.SearchStrategy[Callable[[float | None], str | float]] = st.sampled_from(
    (number, number_or_na)
)
names: st.SearchStrategy[Callable[[Dimension], str]] = st.sampled_from(
    (TITLES.__getitem__, str, camel)
)
shapes = st.integers(0, 4)
indents = st.sampled_from((None, 2))
frames = st.sampled_from(("{}", "```json\n{}\n```", "Here:\n{}\nShall I go on?"))


@st.composite
def document_of(draw: st.DrawFn, judgement: Judgement) -> str:
    """The judgement as JSON, in a drawn shape."""
    name, value = draw(names), draw(values)
    scores = {name(d): value(score) for d, score in judgement.scores.items()}
    reasons = {name(d): reason for d, reason in judgement.rationales.items()}
    both = {n: {"score": scores[n], "justification": reasons[n]} for n in scores}
    dimensions: tuple[dict[str, object], ...] = (
        {**both},
        {"Detailed Judgement": both},
        {"scores": scores, "justifications": reasons},
        {**scores, "rationale": reasons},
        {"dimensions": [{"name": n, **fields} for n, fields in both.items()]},
    )
    refinement = {"Refinement Comments": judgement.comments, "Refined Request": judgement.request}
    document = {
        "User Request Analysis": "A red cat.",
        **dimensions[draw(shapes)],
        "Summary": judgement.summary,
        **({"User Request Refinement": refinement} if draw(flags) else refinement),
    }
    text = json.dumps(document, indent=draw(indents), ensure_ascii=draw(flags))
    return draw(frames).replace("{}", text)


@many
@given(st.data())
def test_an_answer_in_a_marked_style_is_read_as_meant(data: st.DataObject) -> None:
    judgement = data.draw(trickily_judged)
    answer = data.draw(wraps)(data.draw(text_of(judgement, marked_labels)))
    critique = parse_critique(answer, judgement.task)
    judgement.assert_read(critique)
    assert critique.raw == answer


@some
@given(st.data())
def test_an_answer_in_any_style_is_read_as_meant(data: st.DataObject) -> None:
    judgement = data.draw(plainly_judged)
    answer = data.draw(wraps)(data.draw(text_of(judgement, any_labels)))
    judgement.assert_read(parse_critique(answer, judgement.task))


@some
@given(st.data())
def test_a_document_is_read_as_meant(data: st.DataObject) -> None:
    judgement = data.draw(trickily_judged)
    answer = data.draw(document_of(judgement))
    judgement.assert_read(parse_critique(answer, judgement.task))


def scores_or_error(answer: str, task: Task) -> dict[Dimension, float | None] | None:
    """What is read, or None for an error that carries the answer; any other exception passes."""
    try:
        return parse_critique(answer, task).scores
    except CriticAnswerError as error:
        return None if error.raw == answer else {}


@pytest.mark.parametrize("task", ["t2i", "edit"])
def test_no_cut_of_the_canonical_answer_gives_another_score(task: Task) -> None:
    answer = pointwise(task, {"text_rendering": "3.5"})
    whole = parse_critique(answer, task)
    for end in range(len(answer)):
        cut = scores_or_error(answer[:end], task)
        assert cut in (None, whole.scores)
        assert cut is None or end >= answer.rindex("3.5") + len("3.5")


@few
@given(st.data(), st.integers(0, 4))
def test_no_cut_gives_another_score(data: st.DataObject, first: int) -> None:
    judgement = data.draw(plainly_judged)
    answer = data.draw(wraps)(data.draw(text_of(judgement, any_labels)))
    for end in range(first, len(answer), 5):
        assert scores_or_error(answer[:end], judgement.task) in (None, judgement.scores)
        with pytest.raises(CriticTruncated):
            parse_critique(answer[:end], judgement.task, truncated=True)


@few
@given(st.data(), st.integers(0, 4))
def test_no_cut_of_a_document_is_read(data: st.DataObject, first: int) -> None:
    judgement = data.draw(plainly_judged)
    answer = data.draw(document_of(judgement))
    for end in range(first, answer.rindex("}"), 5):
        assert scores_or_error(answer[:end], judgement.task) is None


@few
@given(st.data())
def test_no_loss_of_lines_gives_another_score(data: st.DataObject) -> None:
    judgement = data.draw(plainly_judged)
    lines = data.draw(wraps)(data.draw(text_of(judgement, any_labels))).split("\n")
    for length in (1, 2, 3, 5):
        for start in range(len(lines)):
            answer = "\n".join(lines[:start] + lines[start + length :])
            assert scores_or_error(answer, judgement.task) in (None, judgement.scores)


@pytest.mark.parametrize("damage", ["", "\n", "#", "**", ":", "1.", "## "])
def test_no_damage_around_the_scores_gives_another_score(damage: str) -> None:
    answer = pointwise("edit", {"text_rendering": "3.1"})
    whole = parse_critique(answer, "edit").scores
    stated = [range(*match.span()) for match in re.finditer(r"(?<=Score:) .*\n", answer)]
    for at in range(len(answer)):
        if not any(at in span for span in stated):
            spoiled = answer[:at] + damage + answer[at + (not damage) :]
            assert scores_or_error(spoiled, "edit") in (None, whole)


@some
@given(st.data(), scores)
def test_a_second_score_is_never_passed_over(data: st.DataObject, other: float | None) -> None:
    judgement = data.draw(plainly_judged)
    dimension = data.draw(st.sampled_from(list(judgement.scores)))
    assume(other != judgement.scores[dimension])
    again = judgement.scores | {dimension: other}
    second = "\n".join(f"{TITLES[d]}: {number(score)}" for d, score in again.items())
    answer = data.draw(text_of(judgement, marked_labels))
    assert scores_or_error(f"{second}\n# Summary: Again.\n{answer}", judgement.task) is None
    assert scores_or_error(f"{answer}\n# Summary: Again.\n{second}\n", judgement.task) is None


@many
@given(st.text(max_size=300), tasks)
def test_any_text_is_an_error(text: str, task: Task) -> None:
    assert scores_or_error(text, task) is None
    with pytest.raises(CriticAnswerError) as caught:
        parse_comparison(text, task)
    assert caught.value.raw == text


FRAGMENTS = (
    *("1. Text Faithfulness:\n", "Image Faithfulness\n", "**Visual Quality**\n", "Text Rendering"),
    *("## Score: 3.5\n", "Score: 2", "**Score:** N/A", "Score A: 3.0\n", "Winner: A\n", "3-4"),
    *("## Justification: it is\n", "# Summary: it is\n", "Refined Request: ", '"', "```", "\n"),
    *(
        '{"score": ',
        "}",
        "[",
        "<think>",
        "</think>",
        "I'm sorry",
        "\r",
        " ",
        ":",
        "**",
        "\x00",
        "²",
    ),
)


@many
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40), tasks)
def test_any_fragments_are_an_error_or_scores_that_stand_there(
    parts: list[str], task: Task
) -> None:
    answer = "".join(parts)
    found = scores_or_error(answer, task)
    for score in (found or {}).values():
        assert f"{score:g}" in answer if score is not None else "N/A" in answer


SIZE = 200_000
HOSTILE = (
    *("#", "*", "_", "`", " ", "\n", "\t", "-", "(", "[", "{", '"', "1", ".", ">", "0.", "\ufeff"),
    *("* ", "- ", "1. ", "## ", "**", "---", "---***", "```\n", "~~~\n", "<think>", "</think>"),
    *("Score: ", "Score: 3\n", "## Score: 3.0\n", "Score: 3 (", "Score (", "Winner: A\n", "N/A "),
    *(
        "Text Faithfulness",
        "Text Faithfulness: ",
        "1. Text Faithfulness\n",
        "Text Faithfulness: 3\n",
    ),
    *("Summary: ", "# Summary\n", '## Refined Request: "\n', "physical and ", "visual quality "),
    *("I'm sorry ", "sorry\n", "I'm ", '{"a":', '["', '{"score": 3}', "[{", "\\", "{}\n"),
)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_long_hostile_text_is_read_through(hostile: str) -> None:
    text = hostile * (SIZE // len(hostile))
    spoiled = f"1. Text Faithfulness:\n## Score: 3.0 {text}\n## Justification: {text}"
    for answer in (text, spoiled):
        assert scores_or_error(answer, "t2i") is None
