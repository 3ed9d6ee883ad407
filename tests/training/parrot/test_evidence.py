"""What is left of a rationale must not tell the label except by what it says of the pictures."""

from __future__ import annotations

import json
import re

import pytest

from rr_refine.reward.parser import parse_comparison
from rr_refine.terms import DIMENSIONS, dimensions_of
from rr_refine.training.parrot.rationale import evidence_of
from tests.reward.answers import RATIONALES, SCORES, TITLES, pairwise

TOLD = re.compile(r"3\.5|2\.0|Image A\b|winner|score|summary|paw\.", re.IGNORECASE)


def restyled(heading: str, *, bold: bool = False) -> str:
    """The standard answer with `heading` instead of `## X:`, which stands for X."""
    lines = []
    for line in pairwise("edit").splitlines():
        found = re.match(r"## (Justification|Score A|Score B|Winner): ?(.*)", line)
        if found:
            value = f"**{found[2]}**" if bold and found[1] != "Justification" else found[2]
            line = heading.replace("X", found[1]) + value
        lines.append(line)
    return "\n".join(lines)


FORMS = {
    "standard": pairwise("edit"),
    "bold": restyled("**X:** "),
    "bold with colon outside": restyled("**X**: "),
    "bold values": restyled("## X: ", bold=True),
    "bare": restyled("X: "),
    "items": restyled("- X: "),
    "deeper": restyled("#### X: "),
    "dash": restyled("## X - "),
    "values on the next line": restyled("## X:\n"),
    "capitals": restyled("## X: ").replace("## Score", "## SCORE").replace("Winner", "WINNER"),
    "underscores": restyled("## X: ").replace("Score A", "score_a").replace("Score B", "score_b"),
    "of image": restyled("## X: ").replace("Score A", "Score of Image A"),
    "brackets": restyled("## X: ").replace("Score A", "Score (A)").replace("Score B", "Score (B)"),
    "windows": pairwise("edit").replace("\n", "\r\n"),
    "fenced": f"```markdown\n{pairwise('edit')}\n```",
    "thought first": f"<think>A wins, 3.5 to 2.0.</think>\n{pairwise('edit')}",
    "chat first": f"Image A is the winner with 3.5!\n\n{pairwise('edit')}",
    "json": json.dumps(
        {
            dimension: {
                "justification": RATIONALES[dimension],
                "score_a": 3.5 if SCORES[dimension] else "N/A",
                "score_b": 2.0 if SCORES[dimension] else "N/A",
                "winner": "Image A" if SCORES[dimension] else "N/A",
            }
            for dimension in DIMENSIONS
        }
        | {"summary": {"text": "Image A, 3.5"}}
    ),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_no_form_of_a_heading_carries_a_score_or_winner_along(text: str) -> None:
    evidence = evidence_of(parse_comparison(text, "edit"))
    assert not TOLD.search(evidence), evidence
    for dimension in dimensions_of("edit"):
        assert RATIONALES[dimension] in evidence


@pytest.mark.parametrize(
    ("justification", "left"),
    [
        ("The hat is blue in B. So A gets 3.5 and B 2.0.", "The hat is blue in B."),
        ("The hat is blue in B, so A is scored higher.", "The hat is blue in B"),
        ("The hat is blue in B; Image A wins here. It fits.", "The hat is blue in B; It fits."),
        ("A is preferred. The hat is blue in B.", "The hat is blue in B."),
        ("Both fit.\nIt's a tie.\nB's hat is blue.", "Both fit. B's hat is blue."),
        ("A: 4/4, B: 2 out of 4. The hat is blue in B.", "The hat is blue in B."),
        ("Anchored at 3 for A. The hat is blue in B.", "The hat is blue in B."),
        (
            "A is better overall. A shows three red circles, B two.",
            "A shows three red circles, B two.",
        ),
    ],
)
def test_decisions_within_a_justification_go_too(justification: str, left: str) -> None:
    text = pairwise("t2i").replace(RATIONALES["text_faithfulness"], justification)
    evidence = evidence_of(parse_comparison(text, "t2i"))
    assert evidence.splitlines()[0] == f"Text faithfulness: {left}"


def test_nothing_is_left_of_a_rationale_that_only_decides() -> None:
    text = pairwise("t2i")
    for rationale in RATIONALES.values():
        text = text.replace(rationale, "Image A wins.")
    assert evidence_of(parse_comparison(text, "t2i")) == ""


def test_titles_are_those_of_the_format() -> None:
    assert set(TITLES) == set(DIMENSIONS)
