"""Words become a request or an edit of the sketch world, and words that it does not know."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from pydantic import ValidationError

from rr_refine.sketch.world.request import DIRECTIONS, Group, Relation, Request
from rr_refine.sketch.world.scene import BACKGROUNDS, COLOURS, KINDS, PLACES, SIZES, WORDS, Scene

__all__ = ["VOCABULARY", "read_request", "read_scene", "unknown_words"]

_COUNTS: Final = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_GRAMMAR: Final = "the at in on of to and left right above below background word all nothing else"
_FILLERS: Final = (
    "please draw for me i would like see can you make picture with hey just nice little "
    "keep everything same remove add move replace change by into it image its there is"
)


def _any(words: tuple[str, ...]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_KIND: Final = rf"(?P<kind>{_any(KINDS)})(?:es|s)?"
_PLACE: Final = rf"(?:at|in|on) the (?P<place>{_any(PLACES)})"
_GROUP: Final = re.compile(
    rf"\b(?P<count>{_any(tuple(_COUNTS))}) (?:(?P<size>{_any(SIZES)}) )?"
    rf"(?P<colour>{_any(COLOURS)}) {_KIND}\b(?: {_PLACE}\b)?"
)
_TOTAL: Final = re.compile(
    rf"\b(?:{_any(tuple(_COUNTS))}) (?:{_any(COLOURS)}) (?:{_any(KINDS)})(?:es|s)? in all\b"
)
_BACKGROUND: Final = re.compile(rf"\b(?P<background>{_any(BACKGROUNDS)}) background\b")
_WORD: Final = re.compile(rf"\bthe word (?P<word>{_any(WORDS)})\b(?: {_PLACE}\b)?", re.IGNORECASE)
_DIRECTION: Final = re.compile(rf" (?:to the )?(?P<direction>{_any(DIRECTIONS)}) ")
VOCABULARY: Final = frozenset(
    word.lower()
    for words in (
        KINDS, COLOURS, SIZES, BACKGROUNDS, WORDS, tuple(_COUNTS), _GRAMMAR.split(),
        _FILLERS.split(), *(place.split() for place in PLACES), (f"{kind}s" for kind in KINDS),
        ("crosses",),
    )
    for word in words
)  # fmt: skip


def read_request(text: str) -> Request | None:
    """What `text` asks for, or None where it asks for no shape or for the impossible.

    Reads back what `phrasing` writes, and anything near it; words that carry nothing are skipped.
    """
    flat = _TOTAL.sub("", _flat(text))
    found = list(_GROUP.finditer(flat))
    groups = []
    for match in found:
        fields = {key: value for key, value in match.groupdict().items() if value}
        groups.append({**fields, "count": _COUNTS[match["count"]]})
    relations = []
    for index, (one, other) in enumerate(pairwise(found)):
        if between := _DIRECTION.fullmatch(flat[one.end() : other.start()]):
            relations.append(
                Relation.model_validate(
                    {"first": index, "direction": between["direction"], "second": index + 1}
                )
            )
    background, word = _BACKGROUND.search(flat), _WORD.search(flat)
    try:
        return Request.model_validate(
            {
                "groups": tuple(Group.model_validate(group) for group in groups),
                "relations": tuple(relations),
                "background": background["background"] if background else None,
                "word": word["word"].upper() if word else None,
                "word_place": word["place"] if word else None,
            }
        )
    except ValidationError:
        return None


def read_scene(text: str) -> Scene | None:
    """The only scene that a dense request allows; None where it leaves something open."""
    request = read_request(text)
    if request is None or request.background is None or request.relations:
        return None
    word = {"word": request.word, "place": request.word_place} if request.word else None
    try:
        scene = Scene.model_validate(
            {
                "background": request.background,
                "shapes": [group.model_dump(exclude={"count"}) for group in request.groups],
                "lettering": word,
            }
        )
    except ValidationError:  # a size or a place left open, or what can be no scene
        return None
    return scene if len(scene.shapes) == request.count else None


def unknown_words(text: str) -> tuple[str, ...]:
    """The words of `text` that mean nothing in the sketch world, each once, in order."""
    words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text)
    return tuple(dict.fromkeys(word for word in words if word.lower() not in VOCABULARY))


def _flat(text: str) -> str:
    """Lower case, single spaces, no quotation marks; separators stay."""
    return re.sub(r"\s+", " ", re.sub(r"[\"'“”‘’]", "", text)).strip().lower()
