"""Requests in words, in four registers, and words read back into requests."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Final, Literal, get_args

from pydantic import ValidationError

from rr_refine.sketch.world.request import (
    COUNTS,
    DIRECTIONS,
    Group,
    Relation,
    SceneRequest,
    any_of,
    group_phrase,
    relation_phrase,
    violations,
    word_phrase,
)
from rr_refine.sketch.world.scene import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    MAX_SHAPES,
    PLACES,
    SIZES,
    WORDS,
    Scene,
    plural,
)

__all__ = [
    "REGISTERS",
    "SPOKEN",
    "VOCABULARY",
    "Register",
    "TextReading",
    "dense",
    "describe",
    "phrase",
    "random_register",
    "read",
    "read_request",
    "read_scene",
    "request_for",
]

Register = Literal["terse", "relational", "casual", "dense"]
"""`two red circles and a blue star` · `two red circles left of a blue star` · `please draw two red
circles and a blue star for me` · `white background; a large red circle at the top left; …`"""

REGISTERS: Final[tuple[Register, ...]] = get_args(Register)

_CASUAL: Final = (
    "please draw {} for me",
    "i would like to see {}",
    "can you make a picture with {}?",
    "hey, just {} please",
    "a nice little picture of {}",
)


def random_register(random: Random) -> Register:
    """A register to practise in: mostly `relational`, which is the hardest to meet.

    Many scenes have no relation to tell of, so that about a third of the requests do.
    """
    return "relational" if random.random() < 0.5 else random.choice(REGISTERS)


def request_for(scene: Scene, register: Register, random: Random) -> SceneRequest:
    """A request in `register` that `scene` meets.

    Dense ones name everything. The others leave sizes and places open; a relational one says how
    two groups stand to each other where they do, and about every third names the background.
    """
    if register == "dense":
        return dense(scene)
    counts = Counter((shape.colour, shape.kind) for shape in scene.shapes)
    looks = list(counts)
    random.shuffle(looks)
    groups = tuple(
        Group(count=counts[colour, kind], colour=colour, kind=kind) for colour, kind in looks
    )
    request = SceneRequest(
        groups=groups,
        background=scene.background if random.random() < 0.3 else None,
        word=scene.lettering.word if scene.lettering else None,
    )
    if register != "relational" or len(groups) < 2:
        return request
    possible = [
        related
        for direction in random.sample(DIRECTIONS, len(DIRECTIONS))
        if not violations(
            related := request.model_copy(
                update={"relations": (Relation(first=0, direction=direction, second=1),)}
            ),
            scene,
        )
    ]
    return possible[0] if possible else request


def dense(scene: Scene) -> SceneRequest:
    """The request that names every property of `scene`."""
    return SceneRequest(
        groups=tuple(
            Group(count=1, colour=s.colour, kind=s.kind, size=s.size, place=s.place)
            for s in scene.shapes
        ),
        background=scene.background,
        word=scene.lettering.word if scene.lettering else None,
        word_place=scene.lettering.place if scene.lettering else None,
    )


def describe(scene: Scene) -> str:
    """`scene` in the dense register: `white background; a large red circle at the top left; …`."""
    return phrase(dense(scene), "dense")


def phrase(request: SceneRequest, register: Register, random: Random | None = None) -> str:
    """`request` in words; `random` chooses among ways of saying it casually."""
    if register == "dense":
        return "; ".join(
            [
                *([f"{request.background} background"] if request.background else []),
                *map(group_phrase, request.groups),
                *([word_phrase(request)] if request.word else []),
                *_totals(request),
            ]
        )
    related = {relation.first for relation in request.relations}
    related |= {relation.second for relation in request.relations}
    things = [relation_phrase(request, relation) for relation in request.relations]
    things += [group_phrase(g) for i, g in enumerate(request.groups) if i not in related]
    things += [word_phrase(request)] if request.word else []
    listed = _list(things) + (
        f" on a {request.background} background" if request.background else ""
    )
    if register != "casual":
        return listed
    frame = random.choice(_CASUAL) if random else _CASUAL[0]
    return frame.format(listed)


def _totals(request: SceneRequest) -> list[str]:
    """`two red circles in all`, where several clauses name like shapes: a rewrite keeps counts."""
    totals = []
    for colour, kind in dict.fromkeys((group.colour, group.kind) for group in request.groups):
        alike = [g.count for g in request.groups if (g.colour, g.kind) == (colour, kind)]
        if len(alike) > 1:
            total = Group(count=sum(alike), colour=colour, kind=kind)
            totals.append(f"{group_phrase(total)} in all")
    return totals


def _list(things: list[str]) -> str:
    return ", ".join(things[:-1]) + f" and {things[-1]}" if len(things) > 1 else things[0]


_COUNTS: Final = {"a": 1, "an": 1, **{COUNTS[count]: count for count in range(1, MAX_SHAPES + 1)}}
_GRAMMAR: Final = "the at in on of to and left right above below background word all nothing else"
_FILLERS: Final = (
    "please draw for me i would like see can you make picture with hey just nice little "
    "keep everything same remove add move replace change by into it image its there is"
)
VOCABULARY: Final = frozenset(
    word.lower()
    for words in (
        KINDS, COLOURS, SIZES, BACKGROUNDS, WORDS, tuple(_COUNTS), _GRAMMAR.split(),
        # "crosss" is a slip that the bundled tokenizers have, too.
        _FILLERS.split(), *(place.split() for place in PLACES), map(plural, KINDS), ("crosss",),
    )
    for word in words
)  # fmt: skip
SPOKEN: Final = VOCABULARY - (
    {word.lower() for word in WORDS} - {*_GRAMMAR.split(), *_FILLERS.split(), *KINDS, *COLOURS}
)
"""What has a meaning outside of lettering: `a cat` has none, though CAT can be written."""


def _whole(pattern: str) -> re.Pattern[str]:
    """`pattern` where whole words match: `two` is not in `twenty-two`, nor `sun` in `sun's`."""
    return re.compile(rf"(?<![\w'’-])(?:{pattern})(?!['’-]?\w)", re.IGNORECASE)


_KIND: Final = rf"(?P<kind>{any_of(KINDS)})(?:es|s)?"
_PLACE: Final = rf"(?:at|in|on) the (?P<place>{any_of(PLACES)})"
_GROUP: Final = _whole(
    rf"(?P<count>{any_of(tuple(_COUNTS))}) (?:(?P<size>{any_of(SIZES)}) )?"
    rf"(?P<colour>{any_of(COLOURS)}) {_KIND}(?: {_PLACE})?"
)
_TOTAL: Final = _whole(
    rf"(?P<count>{any_of(tuple(_COUNTS))}) (?P<colour>{any_of(COLOURS)}) {_KIND} in all"
)
_BACKGROUND: Final = _whole(
    rf"(?:(?:on|with) )?(?:(?:a|an|the) )?(?P<background>{any_of(BACKGROUNDS)}) background"
)
_WORD: Final = _whole(rf"the word (?P<word>{any_of(WORDS)})(?: {_PLACE})?")
_DIRECTION: Final = re.compile(rf" (?:to the )?(?P<direction>{any_of(DIRECTIONS)}) ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TextReading:
    """What was read in a text."""

    text: str
    """With single spaces, and without quotation marks."""
    spans: tuple[tuple[int, int], ...]
    """Where it says what was read, in no order; the rest was not understood."""
    request: SceneRequest | None
    """None where it asks for no shape or for the impossible."""


def read(text: str) -> TextReading:
    """Read back what `phrase` writes, and anything near it."""
    flat = re.sub(r"[\"“”‘„«»]|(?<!\w)['’]|['’](?!\w)", "", text)
    flat = re.sub(r"\s+", " ", flat).strip()
    totals = list(_TOTAL.finditer(flat))
    found = list(_GROUP.finditer(_TOTAL.sub(lambda match: ";" * len(match[0]), flat)))
    groups: list[dict[str, str | int]] = []
    for match in found:
        fields = {key: value.lower() for key, value in match.groupdict().items() if value}
        groups.append({**fields, "count": _COUNTS[fields["count"]]})
    relations: list[dict[str, str | int]] = []
    spans = [match.span() for match in found]
    spans += [match.span() for match in totals if _is_total(match, groups)]
    for index, (one, other) in enumerate(pairwise(found)):
        if between := _DIRECTION.fullmatch(flat[one.end() : other.start()]):
            direction = between["direction"].lower()
            relations.append({"first": index, "direction": direction, "second": index + 1})
            spans.append((one.end(), other.start()))
    background, word = _BACKGROUND.search(flat), _WORD.search(flat)
    spans += [match.span() for match in (background, word) if match]
    try:
        request = SceneRequest.model_validate(
            {
                "groups": groups,
                "relations": relations,
                "background": background["background"].lower() if background else None,
                "word": word["word"].upper() if word else None,
                "word_place": word["place"].lower() if word and word["place"] else None,
            }
        )
    except ValidationError:
        request = None
    return TextReading(flat, tuple(spans), request)


def _is_total(match: re.Match[str], groups: list[dict[str, str | int]]) -> bool:
    """Whether `two red circles in all` says what the groups say."""
    look = {name: match[name].lower() for name in ("colour", "kind")}
    counts = [int(group["count"]) for group in groups if look.items() <= group.items()]
    return sum(counts) == _COUNTS[match["count"].lower()]


def read_request(text: str) -> SceneRequest | None:
    """What `text` asks for, or None where it asks for no shape or for the impossible.

    What is not understood is skipped: see `rr_refine.sketch.world.understanding`.
    """
    return read(text).request


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
