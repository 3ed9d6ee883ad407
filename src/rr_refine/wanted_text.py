"""What a request wants written in the picture: quotes, and words that are said to be written.

A quote is not always lettering (`a "cute" cat`), and lettering is not always quoted (`a sign that
says OPEN`). What is only likely is marked so, and nothing is held against a picture by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rr_refine.terms import Record

__all__ = ["QUOTED", "WantedText", "wanted_texts"]


class WantedText(Record):
    """A piece of lettering that a request asks for."""

    text: str
    """The words, without quotation marks."""
    sure: bool = True
    """False where the words may have been meant otherwise."""


_PAIRS: Final = ("“”", "«»", "»«", "‹›", "「」", "『』", "《》")
QUOTED: Final = re.compile(
    "|".join(
        [
            r'(?<!\d)"([^"\n]*)"',  # behind a digit it means inches
            r"„([^„“”\n]+)[“”]",
            *(rf"{a}([^{a}{b}\n]+){b}" for a, b in _PAIRS),
            # Within a word these are apostrophes, which belong to the text.
            r"(?<!\w)'((?:[^'\n]|(?<=\w)'(?=\w))++)'(?!\w)",
            r"(?<!\w)‘((?:[^‘’\n]|(?<=\w)’(?=\w))++)’(?!\w)",
        ]
    )
)
"""A quotation; one of the groups holds what stands between the marks."""

# Whoever says one of these near a quote speaks of lettering. Chinese and a few European languages
# beside English: the languages of posters that the published benchmarks hold.
_LETTERING: Final = re.compile(
    r"\b(?:say(?:s|ing)?|said|reads?|reading|writ(?:e|es|ten|ing)|text|words?|letter(?:s|ing|ed)?"
    r"|titled?|title|caption(?:ed)?|label(?:s|l?ed)?|signs?|signage|poster|banner|billboard|logo"
    r"|slogan|headline|heading|subtitle|inscription|inscribed|engraved|embroidered|spell(?:s|ed|ing)?"
    r"|typograph\w*|calligraph\w*|font|neon|graffiti|sticker|badge|tattoo|plaque|print(?:ed|s)?"
    r"|quote|message|phrase|marquee|menu|cover|card|bearing|displays?|stating|states?|tag|stamp(?:ed)?"
    r"|aufschrift|schrift|steht|texto?|dice|letrero|écrit|texte|inscription|affiche|scritta|titolo)\b"
    r"|写|書|字|标题|標題|标语|標語|招牌|海报|海報|文本|题|題|印|刻|显示|顯示|と",
    re.IGNORECASE,
)

# What stands right before a quote that is to go: `remove the word "OLD"`, `change "A" to …`.
_TO_GO: Final = re.compile(
    r"\b(?:remov\w*|delet\w*|eras\w*|drop|replac\w*|chang\w*|swap\w*|turn|convert\w*|instead\s+of"
    r"|without|not|never|no\s+longer|rather\s+than|get\s+rid\s+of|avoid|from)\b[^.;!?\n]*$"
    r"|(?:删除|去掉|去除|移除|把|将|將|不要)[^。;!?\n]*$",
    re.IGNORECASE,
)
_TO_COME: Final = re.compile(
    r"\b(?:to|into|with|by|as|say(?:s|ing)?|reads?|and\s+(?:add|write|put))\b[^.;!?\n]*$"
    r"|(?:改成|改为|改為|换成|換成|替换为|为|為|成)[^。;!?\n]*$",
    re.IGNORECASE,
)

# Lettering without quotation marks: behind the cue, words in capitals, or else the next few words.
_CUE: Final = re.compile(
    r"\b(?:that\s+(?:says?|reads?)|(?:which|it)\s+(?:says?|reads?)|say(?:s|ing)|reading"
    r"|(?:with|and|of|has|in|bearing|the|shows?)\s+(?:the\s+)?(?:words?|letters?|text|title|caption"
    r"|slogan|name|inscription|lettering)|(?:written|lettering|text|title|caption|headline|word)\s*:"
    r"|spell(?:s|ing)(?:\s+out)?)\s+(?!\bin\b)",
    re.IGNORECASE,
)
_CAPITALS: Final = re.compile(r"[A-Z0-9][A-Z0-9'’&!?-]*(?:\s++[A-Z0-9][A-Z0-9'’&!?-]*){0,15}(?!\w)")
_FOLLOWING: Final = re.compile(r"[^\W_][\w'’&-]*(?:\s++[^\W_][\w'’&-]*){0,4}")
_NEAR: Final = 200
"""Characters before a text that may say what is to be done with it."""
_ENDS: Final = re.compile(
    r"(?<!\s)\s++(?:in|on|with|above|below|under|over|next|beside|near|at|and|by|from|for|to|as|of|across"
    r"|against|behind|is|are|made|painted|hanging|standing|left|right)\b.*$",
    re.IGNORECASE | re.DOTALL,
)


def wanted_texts(request: str) -> tuple[WantedText, ...]:
    """The lettering that a request asks for, in its order, each text once.

    In an edit, text that is to be removed or replaced is not asked for. The time is in proportion
    to the text.
    """
    found: dict[str, WantedText] = {}
    for _, wanted in sorted((*_quoted(request), *_unquoted(request)), key=lambda item: item[0]):
        found.setdefault(wanted.text, wanted)
    return tuple(found.values())


def _quoted(request: str) -> Iterator[tuple[int, WantedText]]:
    sure = _LETTERING.search(QUOTED.sub(_blank, request)) is not None
    end = 0
    for match in QUOTED.finditer(request):
        before, end = request[max(end, match.start() - _NEAR) : match.start()], match.end()
        if _is_to_go(before):
            sure = True  # what takes its place is lettering as well
        elif text := (match[match.lastindex or 0]).strip():
            yield match.start(), WantedText(text=text, sure=sure)


def _unquoted(request: str) -> Iterator[tuple[int, WantedText]]:
    rest = QUOTED.sub(_blank, request)
    for cue in _CUE.finditer(rest):
        at = cue.end()
        if _is_to_go(rest[max(0, cue.start() - _NEAR) : cue.start()]):
            continue
        if capitals := _CAPITALS.match(rest, at):
            yield at, WantedText(text=capitals.group())
        elif following := _FOLLOWING.match(rest, at):
            text = _ENDS.sub("", following.group())
            yield at, WantedText(text=text, sure=False)


def _is_to_go(before: str) -> bool:
    going, coming = _TO_GO.search(before), _TO_COME.search(before)
    return going is not None and (coming is None or coming.start() < going.start())


def _blank(match: re.Match[str]) -> str:
    return "\0" * len(match.group())
