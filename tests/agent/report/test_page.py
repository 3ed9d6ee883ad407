from __future__ import annotations

import pytest
from markupsafe import Markup

from rr_refine.agent.report.page import cut, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a red hat,\n\ttwo cats", "a red hat,\n\ttwo cats"),
        ("one\r\ntwo\rthree", "one\ntwo␍three"),
        ("\x1b[31mred\x1b]0;title\x07", "␛[31mred␛]0;title␇"),
        ("\x00\x7f\x9b2J\b", "␀␡[U+009B]2J␈"),
        ("\u202eevil\u2066", "[U+202E]evil[U+2066]"),
        ("half \ud83d a smile", "half [U+D83D] a smile"),
        ("👩‍👩‍👧 \u200fשלום", "👩‍👩‍👧 \u200fשלום"),
    ],
)
def test_what_is_hidden_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("value", [3, 2.5, None, Markup("\x1b<b>")])
def test_all_else_stays(value: object) -> None:
    assert visible(value) is value


def test_cut() -> None:
    assert cut("12345", 5) == "12345"
    assert cut("123456", 5) == "1234…"
