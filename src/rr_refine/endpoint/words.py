"""What servers mean by their words: one reading of error bodies for all endpoints.

Servers say the same thing under many codes, statuses and keys. The forms in
`tests/endpoint/recorded.py` have their sources there; other wordings are only likely ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from pydantic import JsonValue

from rr_refine.plain_text import whole_number

__all__ = ["Said", "Topic", "status_within"]

Topic: TypeAlias = Literal["field", "billing", "refused", "long", "other"]
"""What an error is about: a field of the body that is not taken, the account's money, the content,
or the length of what was sent."""

_SHOWN: Final = (
    "error",
    "message",
    "msg",
    "detail",
    "errors",
    "status_msg",
    "error_msg",
    "name",
    "base_resp",
)
"""Keys that hold words for people, the best first."""

_SEARCHED: Final = 60_000
"""Characters of a body that are searched: an error of megabytes says it at its beginning."""

# Patterns are compiled when they are first used: most commands never ask a server.
_FIELD: Final = (
    r"(?i)(unknown|unexpected|invalid|extra)[ _](parameter|argument|field|propert|keyword|"
    r"request argument|input|value|name|n value)|"
    r"(n't|not|un)[ -]?(permitted|supported|allowed|recogni[sz]ed|accepted)|"
    r"do(es)? ?n[o']t (support|accept|take|allow)|cannot find field|extra_forbidden|deprecated|"
    r"only (the default|(1|one)\b|n ?=)|"
    r"must be (equal to |less than or equal to )?(1|one)\b|at most (1|one)\b"
)
"""The words of a server that does not take a field, or not this value of it."""

_BILLING: Final = (
    r"(?i)billing|insufficient[ _-]?(user[ _-]?)?(quota|balance|credit|fund)|"
    r"(credit|account|user) ?(balance|quota|limit) "
    r"(is )?(too low|exceeded|insufficient|not enough|reached|used up)|"
    r"exceeded your current quota|(out of|not enough|no|more) credits|payment[ _]required|"
    r"arrear|overdue|(hard|spend|spending)[ _]limit|account.{0,40}good standing"
)
"""The account cannot pay."""

_REFUSED: Final = (
    r"(?i)moderat(ion|ed|or)|safety|nsfw|responsible[ _-]?ai|rai[ _]?(filter|media)|"
    r"data[ _]?inspection|prohibited[ _](content|use)|un[ _]?safe|inappropriate|"
    r"content[ _-]?(policy|filter|management|checker|guideline|violation|restrict|risk)|"
    r"(?<!in)(?<!-)(?<!case )sensitive|(usage|use|our) polic(y|ies)|polic(y|ies)[ _]violation|"
    r"violat\w{0,9} .{0,60}(polic|guideline|terms|guardrail)|guard ?rails?\b|flagged|"
    r"risk[ _]?(control|detect)|recitation|blocklist|(filtered|blocked)=true|敏感"
)
"""A server that will not, rather than cannot."""

_LONG: Final = (
    r"(?i)too[ _]long|max_tokens must be at least|max[ _]length|context[ _](length|window|size)|"
    r"maximum[ _](length|(context[ _])?number of tokens)|"
    r"exceed\w{0,9} .{0,60}(length|tokens|characters|context|limit of)|above[ _]max|"
    r"(at most|no more than|less than|up to|maximum of) [\d,]+ (tokens|characters|words|chars)|"
    r"too many (tokens|characters)"
)

_TOPICS: Final[tuple[tuple[Topic, str], ...]] = (
    ("billing", _BILLING),
    ("refused", _REFUSED),
    ("long", _LONG),
)

_GOOD_IF_TRUE: Final = ("respect_moderation", "success", "safe")
"""Flags that tell of something when they are false; others do when they are true."""

_NAMED_STATUS: Final = (
    (r"(?i)rate[ _-]?limit|too[ _]?many[ _]?requests|throttl|resource[ _]?exhausted", 429),
    (r"(?i)overload|unavailable|capacity|try again later", 503),
    (r"(?i)time[ d]?[ _-]?out", 504),
    (r"(?i)invalid[ _]?api[ _]?key|unauthori[sz]ed|authentication", 401),
    (r"(?i)internal[ _]?(server[ _]?)?error|server[ _]error", 500),
)
"""Statuses by the words of an error that has no number."""


@dataclass(frozen=True, slots=True)
class Said:
    """The body of an error, read."""

    shown: str
    """Its words for people; not yet fit for a terminal."""
    whole: str
    """All texts in it, codes included."""

    @classmethod
    def read(cls, body: bytes | JsonValue) -> Said:
        """Read a body: JSON of any form, or text."""
        found: JsonValue
        if isinstance(body, bytes):
            text = body[: 4 * _SEARCHED].decode(errors="replace").strip()
            try:
                found = json.loads(text)
            except (ValueError, RecursionError):
                found = text
        else:
            found = body
        whole = " | ".join(_texts(found))[:_SEARCHED]
        return cls(shown=_shown(found) or whole, whole=whole)

    def topic(self, fields: Collection[str] = ()) -> Topic:
        """What it is about.

        Args:
            fields: those that were sent and that may be at fault.
        """
        if self.refused_field(fields):
            return "field"
        for topic, pattern in _TOPICS:
            if re.search(pattern, self.whole):
                return topic
        return "other"

    def refused_field(self, fields: Collection[str]) -> str | None:
        """Which of the fields the server does not take; None if it speaks of something else."""
        if not re.search(_FIELD, self.whole):
            return None
        places = {
            field: found.start()
            for field in fields
            if (found := re.search(_pattern(field), self.whole))
        }
        # "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        return min(places, key=places.__getitem__, default=None)


def status_within(body: JsonValue) -> int | None:
    """The status that a body means which came with 200: a number or a name in its error.

    Returns:
        None if it tells none.
    """
    if isinstance(body, Mapping):
        inner = body.get("error")
        for table in (inner, body):
            if not isinstance(table, Mapping):
                continue
            for key in ("code", "status", "status_code", "http_code"):
                value = table.get(key)
                if isinstance(value, str):
                    value = whole_number(value)
                if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
                    return value
    whole = Said.read(body).whole
    return next((status for pattern, status in _NAMED_STATUS if re.search(pattern, whole)), None)


def _pattern(field: str) -> str:
    name = re.escape(field)
    if len(field) > 2:
        return rf"(?<![\w]){name}(?![\w])"
    # A single letter is a field only in quotes or before a comparison: `'n'`, `n > 1`, `n must be`.
    return (
        rf"""(['"`]{name}['"`]|(?<![\w'.]){name} ?(>|=|<|:|must|should|value|is not|is only|was)|"""
        rf"(parameter|argument|field|value|supplied):? {name}\b|(?<=[|:] ){name}(?= \||$)|"
        rf"^{name} \|)"
    )


def _texts(body: JsonValue, depth: int = 0) -> Iterator[str]:
    """Every text in a body; of flags that say something bad, their names with the value."""
    if depth > 12:
        return
    if isinstance(body, str):
        yield body
    elif isinstance(body, Mapping):
        for key, value in body.items():
            if isinstance(value, bool):
                if value != (key in _GOOD_IF_TRUE):
                    yield f"{key}={value}"
            else:
                yield from _texts(value, depth + 1)
    elif isinstance(body, list):
        for value in body:
            yield from _texts(value, depth + 1)


def _shown(body: JsonValue) -> str:
    """Words for people: OpenAI's `message`, FastAPI's `detail`, or the body as it is."""
    if isinstance(body, Mapping):
        for key in _SHOWN:
            if words := _shown(body.get(key)):
                return words
        return ""
    if isinstance(body, list):
        if len(body) == 1 and isinstance(body[0], Mapping) and "loc" not in body[0]:
            return _shown(body[0])
        return str(body) if body else ""
    return "" if body is None or isinstance(body, bool) else str(body)
