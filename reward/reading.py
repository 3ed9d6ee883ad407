"""What a critic's answer contains, before a parser picks what it needs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar, get_args

from rr_refine.errors import CriticRefused, CriticTruncated, CriticUnreadable
from rr_refine.reward.headings import Field, Part, label_of, read_heading
from rr_refine.reward.sections import Entry, read_sections
from rr_refine.reward.values import excerpt, read_text
from rr_refine.reward.wrapping import TruncatedTextError, drop_thoughts, strip_marks
from rr_refine.terms import Dimension

__all__ = ["Reading", "read_answer"]

T = TypeVar("T")

_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
_FENCE: Final = re.compile(r"[ \t]{0,3}(?:```|~~~)")
_JSON: Final = re.compile(r"\s{0,9}(?:\{|\[\s{0,9}(?:\{|$))")
_REFUSAL: Final = re.compile(
    r"^\W{0,8}(?:(?:(?:i'm|i\sam)\s)?(?:very\s|so\s|really\s)?sorry\b"
    r"|(?:unfortunately,?\s|i\sapologi[sz]e,?\s(?:but\s)?)?"
    r"(?:i\s(?:can't|cannot|can\snot|won't|will\snot)|(?:i'm|i\sam)\s(?:unable|not\sable))\b"
    r"|as\san\sai\b)",
    re.IGNORECASE | re.MULTILINE,
)

_Node: TypeAlias = "str | bool | list[_Node] | _Object | None"


class _Object(tuple[tuple[str, "_Node"], ...]):
    """The pairs of an object as written: a key that stands twice is kept twice."""

    __slots__ = ()


# Numbers stay text: what was written is what the score reader judges, `NaN` and `1e999` included.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Object,
    parse_float=str,
    parse_int=str,
    parse_constant=str,
    strict=False,
)
_MAX_DEPTH: Final = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """The entries of one answer."""

    raw: str
    entries: tuple[Entry, ...]
    last: Dimension | None
    """The dimension whose section runs to the end of the text, if one does."""

    def text(self, label: Field | Part, dimension: Dimension | None = None) -> str:
        """All that stands under a label; what is said twice in the same words counts once."""
        found = self._find(label, dimension)
        chosen = [entry for entry in found if entry.firm and entry.text.strip()] or found
        return "\n".join(filter(None, dict.fromkeys(read_text(entry.text) for entry in chosen)))

    def has(self, label: Field | Part, dimension: Dimension | None = None) -> bool:
        """Whether something stands under a label."""
        return any(entry.firm and entry.text.strip() for entry in self._find(label, dimension))

    def value(
        self, label: Field | Part, dimension: Dimension | None, read: Callable[[str], T]
    ) -> T:
        """The one value that stands under a label.

        Raises:
            CriticTruncated: the answer ends in the dimension's section before the value, or in it.
            CriticUnreadable: there is none, it cannot be read, or there are two.
        """
        name = _spoken(label) + (f" of {_spoken(dimension)}" if dimension else "")
        if not self.has(label, dimension):
            if dimension and self.last == dimension:
                raise CriticTruncated(f"the answer ends before the {name}", self.raw)
            raise CriticUnreadable(f"the {name} is missing", self.raw)
        values: dict[T, str] = {}
        for entry in self._find(label, dimension):
            try:
                values.setdefault(read(entry.text), entry.text)
            except TruncatedTextError as error:
                raise CriticTruncated(f"the {name} is cut off: {error}", self.raw) from error
            except ValueError as error:
                if entry.firm:
                    message = f"the {name} cannot be read: {error}"
                    raise CriticUnreadable(message, self.raw) from error
        if len(values) > 1:
            stated = " and as ".join(excerpt(text) for text in values.values())
            raise CriticUnreadable(f"the {name} is stated as {stated}", self.raw)
        return next(iter(values))

    def _find(self, label: Field | Part, dimension: Dimension | None) -> list[Entry]:
        return [e for e in self.entries if e.label == label and e.dimension == dimension]


def read_answer(text: str, fields: Sequence[Field], *, truncated: bool) -> Reading:
    """Take a critic's answer apart: text or JSON, fenced or not, with or without a preamble.

    A reasoning model's thoughts and chatter before the first heading are read over.

    Args:
        text: the answer as it came.
        fields: what a dimension has in this kind of answer.
        truncated: the server said that the token limit ended the answer. Then it is never used:
            the limit cuts the end, which is the refined request, and nothing in a text tells a
            cut request from a whole one.

    Raises:
        CriticTruncated: `truncated`, or it ends inside a thought, a fence or a JSON document.
        CriticRefused: the critic declined to judge.
        CriticUnreadable: there is no score in it.
    """
    if truncated:
        raise CriticTruncated(
            f"the token limit cut the answer off after {len(text)} characters; allow more tokens",
            text,
        )
    try:
        text.encode()
        body = strip_marks(drop_thoughts(text))
        entries, last = _read(body, fields)
    except TruncatedTextError as error:
        raise CriticTruncated(f"the answer is cut off: {error}", text) from error
    except ValueError as error:
        raise CriticUnreadable(f"the answer cannot be read: {error}", text) from error
    if any(entry.label.startswith("score") and entry.label in fields for entry in entries):
        return Reading(text, tuple(entries), last)
    if _REFUSAL.search(body.replace("’", "'")):
        raise CriticRefused(f"the critic declined to judge: {excerpt(body, 200)}", text)
    if last:
        raise CriticTruncated(f"the answer ends in {_spoken(last)}, before any score", text)
    if not text.strip():
        raise CriticUnreadable("the answer is empty", text)
    raise CriticUnreadable(f"there is no score in the answer: {excerpt(text, 200)}", text)


def _read(text: str, fields: Sequence[Field]) -> tuple[list[Entry], Dimension | None]:
    """The entries of an answer, and the dimension it ends in, if it does."""
    lines = _LINE.findall(text.replace("\r\n", "\n").replace("\r", "\n"))
    start, fence_closed = _start(lines), True
    if start is not None and _FENCE.match(lines[start]):
        end = max(i for i, line in enumerate(lines) if _FENCE.match(line))
        fence_closed = end > start
        lines = lines[start + 1 : end if fence_closed else None]
        start = _start(lines)
    if start is not None and _JSON.match(lines[start]):
        return _read_document("".join(lines[start:]).lstrip()), None
    if not fence_closed:
        raise TruncatedTextError("the fence around it is never closed")
    return read_sections(lines, fields)


def _read_document(text: str) -> list[Entry]:
    entries, behind = _read_json(text)
    lines = _LINE.findall(behind)
    start = _start(lines)
    if start is not None and not _FENCE.match(lines[start]):
        raise ValueError(f"behind its JSON document it goes on with {excerpt(lines[start])}")
    return entries


def _start(lines: Sequence[str]) -> int | None:
    """The first line that is a heading or opens a fence or a JSON document."""
    for i, line in enumerate(lines):
        if _FENCE.match(line) or _JSON.match(line) or read_heading(line):
            return i
    return None


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _read_json(text: str) -> tuple[list[Entry], str]:
    """The entries of the JSON document that `text` begins with, and the text behind it.

    Dimensions, fields and parts are known by their keys, spelled as in a text answer, with `_` or
    in camel case, at any place. These say the same: `{"scores": {"text_faithfulness": 3.5}}`,
    `{"Text Faithfulness": {"score": 3.5}}`, `[{"dimension": "Text Faithfulness", "score": 3.5}]`.

    Raises:
        TruncatedTextError: the text ends inside the document.
        ValueError: it is no JSON, or nested deeper than an answer can be.
    """
    try:
        document, end = _DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            raise TruncatedTextError("its JSON document is never closed") from error
        raise ValueError(f"it begins like JSON but is none: {error}") from error
    except RecursionError as error:
        raise ValueError("its JSON document is nested too deeply") from error
    return list(_walk(document, None, None, _MAX_DEPTH)), text[end:]


def _walk(
    node: _Node, dimension: Dimension | None, label: Field | Part | None, depth: int
) -> Iterator[Entry]:
    """The entries below `node`, which stands under `dimension` and `label`."""
    if depth == 0:
        raise ValueError(f"its JSON document is nested deeper than {_MAX_DEPTH} levels")
    if isinstance(node, _Object):
        own = any(label is not None and label_of(key)[1] == label for key, _ in node)
        for key, value in node:
            named, field = label_of(key)
            # Beside a score of its own, and in the place of a name, what is said is no score.
            inherited = not (own or (isinstance(value, str) and label_of(value)[0]))
            under = field or (label if named or inherited else None)
            if named and under not in get_args(Field) and not isinstance(value, _Object | list):
                under = "score"  # {"text_faithfulness": 3.5}
            yield from _walk(value, named or dimension, under, depth - 1)
    elif isinstance(node, list):
        for item in node:
            yield from _walk(item, _dimension_in(item) or dimension, label, depth - 1)
    elif label is not None:
        nothing = "N/A" if label.startswith(("score", "winner")) else ""
        text = node if isinstance(node, str) else nothing if node is None else str(node)
        text.encode()  # an escaped half of a surrogate pair is no text: UnicodeEncodeError
        yield Entry(label, dimension, f"{text}\n")


def _dimension_in(node: _Node) -> Dimension | None:
    """The dimension that an object of a list names in one of its values."""
    if not isinstance(node, _Object):
        return None
    named = (label_of(value)[0] for _, value in node if isinstance(value, str))
    return next((dimension for dimension in named if dimension), None)
