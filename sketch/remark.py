"""What a person remarks about a request of the small world, read into the request.

Read are short instructions of that world: another background, colour, size, kind, count, place or
word; one thing more or less. Of any other remark nothing is made: half of one would be worse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from rr_refine.sketch.world.edit import edit_parts
from rr_refine.sketch.world.phrasing import phrase, read_request
from rr_refine.sketch.world.request import (
    COUNTS,
    DIRECTIONS,
    SceneRequest,
    any_of,
)
from rr_refine.sketch.world.scene import BACKGROUNDS, COLOURS, KINDS, PLACES, SIZES, WORDS
from rr_refine.sketch.world.understanding import not_understood

__all__ = ["LONGEST", "revised_edit", "revised_request"]

LONGEST: Final = 1000
"""Most characters of a remark that is read: instructions are short."""

_SIZE_WORDS: Final = {str(size): str(size) for size in SIZES} | {
    **{"smaller": "small", "tiny": "small", "little": "small"},
    **{"larger": "large", "bigger": "large", "big": "large"},
}
_COUNTS: Final = {
    **{"a": 1, "an": 1},
    **{said: n for n, word in enumerate(COUNTS) if n for said in (word, str(n))},
}
_MEANT: Final[dict[str, Mapping[str, object]]] = {"n_size": _SIZE_WORDS, "n_count": _COUNTS}
_BG, _COLOUR, _PLACE = map(any_of, (BACKGROUNDS, COLOURS, PLACES))
_SIZE, _COUNT, _KIND = any_of(_SIZE_WORDS), any_of(_COUNTS), any_of(KINDS)
_POLITE: Final = re.compile(
    r"^(?:please|and|but|no,|now|just|can you|could you|i (?:want|would like|'d like) you to)\s+"
    r"(?=\w+ )|\s+(?:please|instead|for me|thanks|now)$"
)
_MARKS: Final = " .!;,"
_LONGEST: Final = 2000
"""Characters of a remark that is read: the time grows with their square."""
_NAMES: Final = ("size", "colour", "kind", "place")
_NOT: Final = (
    r"(?:,? (?:instead of|rather than|and not|not) (?:a |an |the )?"
    rf"(?:{_BG}|{_COLOUR}|{_SIZE}|{_COUNT})(?: background| (?:{_KIND})(?:es|s)?)?)?"
)
_THE: Final = r"(?:the |that |those |both |all (?:of )?(?:the )?)"
_BE: Final = r"(?: (?:should|must|has to|have to|needs to) be| is| are| to be| to| into)?"


def _target(name: str = "") -> str:
    return (
        rf"(?:(?P<{name}it>it|them|this|that)|{_THE}?(?:(?P<{name}size>{any_of(SIZES)}) )?"
        rf"(?:(?P<{name}colour>{_COLOUR}) )?(?P<{name}kind>{_KIND})(?P<{name}many>es|s)?"
        rf"(?: (?:at|in|on) the (?P<{name}place>{_PLACE}))?)"
    )


_MAKE: Final = r"(?:(?:make|turn|paint|colou?r|draw|set|change|have|i want|i would like) )?"
_NEW: Final = (
    rf"(?P<n_count>{_COUNT}) (?:(?P<n_size>{_SIZE}) )?(?:(?P<n_colour>{_COLOUR}) )?"
    rf"(?P<n_kind>{_KIND})(?:es|s)?(?: (?:at|in|on) the (?P<n_place>{_PLACE}))?"
)
_TOWARDS: Final = rf"(?:to the )?(?P<direction>{any_of(DIRECTIONS)})"
_FORMS: Final = {
    name: re.compile(form)
    for name, form in {
        "background": rf"{_MAKE}(?:it |with |on )*(?:a |the )?(?:(?P<bg>{_BG}) background"
        rf"|background(?: colou?r)?{_BE} (?P<bg2>{_BG})){_NOT}",
        "recolour": rf"{_MAKE}{_target()}{_BE} (?P<n_colour>{_COLOUR}){_NOT}",
        "resize": rf"{_MAKE}{_target()}{_BE} (?P<n_size>{_SIZE}){_NOT}",
        "replace": rf"(?:make|turn|change|replace) {_target()}(?: into| to| with| by)? {_NEW}",
        "move": rf"(?:move|put|place|have|i want)? ?{_target()}{_BE} (?:at |in |on |to )?the "
        rf"(?P<n_place>{_PLACE})(?: corner| side)?",
        "relate": rf"(?:move|put|place|have|i want)? ?{_target()}{_BE} {_TOWARDS} {_target('o_')}",
        "remove": rf"(?:remove|drop|delete|no|without|leave out|take away|get rid of) {_target()}",
        "add": rf"(?:add|also|plus|there should also be|and) (?:also )?{_NEW}"
        rf"(?: {_TOWARDS} {_target('o_')})?(?: too| as well)?",
        "count": rf"{_MAKE}(?:it |there should be |with )?{_NEW}{_NOT}",
        "no word": r"(?:remove|drop|delete|no|without|leave out)(?: the| any)? "
        r"(?:words?|text|lettering|letters)",
        "word": rf"(?:add|write|have|put|make)? ?(?:it|the word|the text|the lettering|a word)?"
        rf" ?(?:should |must |to )?(?:say|says|read|reads|be|is)?"
        rf" ?(?P<word>{any_of(WORDS).lower()})"
        rf"(?: (?:at|in|on) the (?P<n_place>{_PLACE}))?",
    }.items()
}


def revised_request(request: str, remark: str) -> str | None:
    """The request with the remark in it; None where one of them cannot be read whole."""
    if len(remark) > _LONGEST:
        return None
    asked = None if not_understood(request) else read_request(request)
    for clause in _clauses(remark):
        asked = None if asked is None else _revised(asked, clause)
    if asked is None:
        return None
    said = phrase(asked, "terse")
    return said if _same(read_request(said), asked) else None


def revised_edit(request: str, remark: str) -> str | None:
    """The edit that a remark makes of another one of the same thing; None where it is none."""
    if len(remark) > _LONGEST:
        return None
    said = _plain(remark)
    before, after = edit_parts(request), edit_parts(said)
    if before is None or after is None or before[0] != after[0] or after[0] == "add":
        return None  # who asks for one thing more need not want the other less
    return said if all(before[1].get(name) == after[1].get(name) for name in _NAMES) else None


def _plain(remark: str) -> str:
    said = re.sub(r"[\"“”‘’]", "", re.sub(r"\s+", " ", remark)).strip().lower().rstrip(_MARKS)
    while (shorter := _POLITE.sub("", said)) != said:
        said = shorter.rstrip(_MARKS)
    return said


def _clauses(remark: str) -> list[str]:
    """The instructions in a remark: it may hold several."""
    parts = re.split(r"(?:[;.!]|,(?! not)| and (?!not))\s*", _plain(remark))
    return [part.strip() for part in parts if part.strip()] or [remark]


def _revised(asked: SceneRequest, clause: str) -> SceneRequest | None:
    for name, form in _FORMS.items():
        if match := form.fullmatch(clause):
            said = {key: value for key, value in match.groupdict().items() if value}
            with suppress(ValueError, LookupError):
                return _apply(name, asked, said)
    return None


def _apply(name: str, asked: SceneRequest, said: dict[str, str]) -> SceneRequest:
    """The request after one instruction.

    Raises:
        LookupError: it is about nothing, or about several things where one is meant.
        ValueError: there is no such request.
    """
    whole = asked.model_dump()
    groups: list[dict[str, object]] = [*whole["groups"]]
    new: dict[str, object] = {
        key.removeprefix("n_"): _MEANT.get(key, {}).get(word, word)
        for key, word in said.items()
        if key.startswith("n_")
    }
    match name:
        case "background":
            whole["background"] = said.get("bg") or said["bg2"]
        case "word":
            whole |= {"word": said["word"].upper(), "word_place": new.get("place")}
        case "no word":
            whole |= {"word": None, "word_place": None}
        case "remove":
            gone = _found(asked, said)
            left = [index for index in range(len(groups)) if index not in gone]
            groups = [groups[index] for index in left]
            whole["relations"] = [
                {**dict(r), "first": left.index(r.first), "second": left.index(r.second)}
                for r in asked.relations
                if {r.first, r.second} <= {*left}
            ]
        case "relate" | "add":
            (first,) = _found(asked, said) if name == "relate" else (len(groups),)
            groups += [new] if name == "add" else []
            if "direction" in said:
                (second,) = _found(asked, said, "o_")
                others = [r for r in asked.relations if {r.first, r.second} != {first, second}]
                related = {"first": first, "direction": said["direction"], "second": second}
                whole["relations"] = [*others, related]
        case _:  # recolour, resize, move, replace, count
            if name == "count":  # what is named takes the place of the one thing of its kind
                kind, colour = said["n_kind"], said.get("n_colour")
                several = sum(group.kind == kind for group in asked.groups) > 1
                said = {"kind": kind} | ({"colour": colour} if colour and several else {})
            found = _found(asked, said)
            if name == "replace" and len(found) > 1:
                raise LookupError(said)
            for index in found:
                groups[index] |= new
    return SceneRequest.model_validate(whole | {"groups": groups})


def _found(asked: SceneRequest, said: dict[str, str], prefix: str = "") -> list[int]:
    """The groups that an instruction names: one, or all that `the circles` can mean.

    Raises:
        LookupError: none, or several where one is meant.
    """
    named = {n: said[prefix + n] for n in _NAMES if prefix + n in said}
    found = [i for i, g in enumerate(asked.groups) if named.items() <= g.model_dump().items()]
    if not found or (len(found) > 1 and prefix + "many" not in said):
        raise LookupError(named)
    return found


def _same(one: SceneRequest | None, other: SceneRequest) -> bool:
    """Whether two requests ask for the same, in whatever order."""

    def parts(request: SceneRequest) -> tuple[object, ...]:
        groups = request.groups
        related = {(groups[r.first], r.direction, groups[r.second]) for r in request.relations}
        counted = sorted(g.model_dump_json() for g in groups)
        return counted, related, request.background, request.word, request.word_place

    return one is not None and parts(one) == parts(other)
