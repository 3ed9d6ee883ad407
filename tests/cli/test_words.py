"""The words of people are the same in the terminal and in the studio."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from rr_refine.agent.history import Verdict, VerdictRule
from rr_refine.cli.words import dimension_words, verdict_word
from rr_refine.terms import DIMENSION_WORDS


def test_dimensions_are_called_as_in_the_studio() -> None:
    page = files("rr_refine.studio").joinpath("page", "dom.js").read_text("utf-8")
    studio = dict(re.findall(r'^  (\w+_\w+): "([^"]+)",$', page, re.MULTILINE))
    assert {name: words.capitalize() for name, words in DIMENSION_WORDS.items()} == studio
    assert dimension_words("text_faithfulness") == "what you asked for (text faithfulness)"


@pytest.mark.parametrize(
    ("accepted", "rule", "word"),
    [
        (True, "first", "first try"),
        (True, "win", "better"),
        (True, "pairwise", "better"),
        (True, "always", "taken"),
        (True, "picked", "picked"),
        (False, "worse", "refused"),
    ],
)
def test_verdicts(accepted: bool, rule: VerdictRule, word: str) -> None:
    assert verdict_word(Verdict(accepted=accepted, rule=rule, reason="so")) == word
