"""Text from files and servers, made harmless for a terminal, a table or a spreadsheet."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from rr_refine.notices import shortened

__all__ = [
    "csv_cell",
    "dollars_set",
    "error_words",
    "is_hidden",
    "markdown_line",
    "names_of",
    "one_line",
    "quoted",
    "whole_number",
]

_HIDDEN: Final = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and signs by their category, and nothing is seen of them."""
_QUOTED: Final = 120
"""Characters of a value that an error shows."""
_FORMULA: Final = re.compile(r"[\t\r\n]|\s*[=+\-@＝＋－＠]")


def is_hidden(character: str) -> bool:
    """Whether it is shown as nothing, or does something to a terminal or to the text around it.

    Controls and escapes, marks of direction and joiners, halves of characters, line separators,
    fillers.
    """
    if character in _BLANK:
        return True
    return not character.isprintable() and unicodedata.category(character) in _HIDDEN


def one_line(text: str) -> str:
    """`text` on one line, without hidden characters; line ends and tabs are spaces."""
    if text.isprintable() and _BLANK.isdisjoint(text):
        return text
    kept = (" " if c in "\n\r\t" else c for c in text)
    return "".join(c for c in kept if not is_hidden(c))


def markdown_line(text: str) -> str:
    """`text` on one line of markdown, in a table or outside: no HTML, links, or pictures from
    elsewhere.
    """
    return re.sub(r"[\\|<]|(?<=!)\[|(?<=\])[\[(]", r"\\\g<0>", one_line(text))


def names_of(found: Sequence[str]) -> str:
    """Names that a file has, for an error: the first eight, by their first 40 characters.

    What was taken for names may be anything: the file is not the one that was meant.
    """
    shown = [repr(name if len(name) <= 40 else f"{name[:39]}…") for name in found[:8]]
    more = [f"and {len(found) - 8} more"] if len(found) > 8 else []
    return ", ".join(shown + more)


def quoted(value: object) -> str:
    """A value out of a file, for an error: as Python writes it, the beginning of a long one."""
    if isinstance(value, str):
        return repr(shortened(value, _QUOTED))
    return shortened(repr(value), _QUOTED)


def csv_cell(value: object) -> object:
    """A cell of a spreadsheet; a text that a spreadsheet would take for a formula is one no more,
    and characters that steer a terminal are gone.

    It gets an apostrophe in front (OWASP, CSV injection). Numbers, also as texts, stay as they are.
    """
    if not isinstance(value, str):
        return value
    # Half characters stay: who writes the file has a mark for them.
    value = "".join(
        c for c in value if c in "\n\r\t" or "\ud800" <= c <= "\udfff" or not is_hidden(c)
    )
    value = re.sub(r";(?=[=+\-@])", ";'", value)  # in many countries ";" ends a cell
    if not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def error_words(text: str) -> str:
    """An error as people say it: `CriticTimeout: 60 s` is `critic timeout: 60 s`, and
    `no picture (OutOfMemoryError)` is `no picture (out of memory error)`.
    """
    return re.sub(
        r"(^|\()((?:[A-Z][a-z]+){2,})(?=:|\)|$)",
        lambda m: m[1] + re.sub(r"(?<=[a-z])(?=[A-Z])", " ", m[2]).lower(),
        text,
    )


def dollars_set(usd: float) -> str:
    """A price or limit in US dollars as it was set, to the cent at least: `$0.30`, `$0.0025`."""
    whole, _, cents = format(Decimal(repr(usd)), ",f").partition(".")
    return f"${whole}.{cents.rstrip('0').ljust(2, '0')}"


def whole_number(text: str) -> int | None:
    """The number that a text of somebody else is: digits 0 to 9, 15 at most; None for others.

    `str.isdigit` is true of `²` too, which `int` refuses, as it does 5,000 digits.
    """
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None
