"""A template: the exact words in which a critic is asked, with slots for the user's own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import ValidationError, model_validator

from rr_refine.boundary import raised_as
from rr_refine.digest import digest
from rr_refine.errors import ConfigError
from rr_refine.files import MAX_BYTES, replace_file
from rr_refine.invalid import told_invalid
from rr_refine.local_path import expand_home
from rr_refine.named import read_named
from rr_refine.plugins import available, create
from rr_refine.terms import Record

__all__ = [
    "BUILTIN",
    "Rubric",
    "RubricName",
    "Slot",
    "SlotName",
    "Template",
    "Text",
    "builtin_template",
    "load_template",
    "read_template",
    "save_template",
]

RubricName = Literal["t2i", "edit", "pairwise-t2i", "pairwise-edit"]
"""What is asked: to judge one picture, or to compare two, per task."""

BUILTIN: Final = "builtin"
"""The name of the template in our own words that the package carries."""

SlotName = Literal["request", "source", "image", "image_a", "image_b"]

_IMAGES: Final[dict[RubricName, tuple[SlotName, ...]]] = {
    "t2i": ("image",),
    "edit": ("source", "image"),
    "pairwise-t2i": ("image_a", "image_b"),
    "pairwise-edit": ("source", "image_a", "image_b"),
}


class Text(Record):
    """Words of the template itself."""

    text: str


class Slot(Record):
    """A place for something of the request: the user's words, or a picture."""

    slot: SlotName


class Rubric(Record):
    """One question to the critic."""

    system: str | None = None
    """The system message; None for none."""
    user: tuple[Text | Slot, ...]
    """The user message, in order. Neighbouring texts are joined without anything in between."""


class Template(Record):
    """The rubrics of one wording. Released critics were trained on exactly one."""

    name: str
    """Where it comes from, for people; not part of the digest."""
    rubrics: dict[RubricName, Rubric]
    several_sources: bool = False
    """Whether further source pictures may stand beside the first, with a sentence that says so: not
    in words that a model was trained on, which know one. Not part of the digest."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, rubric in self.rubrics.items():
            slots = [part.slot for part in rubric.user if isinstance(part, Slot)]
            if "request" not in slots:
                raise ValueError(f"the {name} rubric has no place for the user's request")
            images = [slot for slot in slots if slot != "request"]
            if sorted(images) != sorted(_IMAGES[name]):
                raise ValueError(
                    f"the {name} rubric needs the pictures {', '.join(_IMAGES[name])} once each, "
                    f"and has {', '.join(images) or 'none'}"
                )
        return self

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of all its words and slots."""
        return digest({"rubrics": self.model_dump(mode="json")["rubrics"]})

    def rubric(self, name: RubricName) -> Rubric:
        """The rubric that asks for `name`.

        Raises:
            ConfigError: this template has none, as it was imported from a file without it.
        """
        try:
            return self.rubrics[name]
        except KeyError:
            raise ConfigError(
                f"template {self.name!r} has no {name!r} rubric (it has "
                f"{', '.join(map(repr, sorted(self.rubrics)))}); import a file that has it, "
                f"or use the template {BUILTIN!r}"
            ) from None


@cache
def builtin_template() -> Template:
    """The rubric in our own words, with the headings that released critics write."""
    template = read_template(BUILTIN, files("rr_refine.reward") / "templates")
    return template.model_copy(update={"several_sources": True})


def read_template(name: str, folder: Traversable) -> Template:
    """A template from a folder of Markdown files, one a rubric, as it lies in a package.

    A file has two sections, headed by `<!-- system -->` and `<!-- user -->`, of which the first may
    be empty and is then no message; in the second, a line that is `{{slot}}` and nothing else is a
    slot. A picture takes the line breaks around it, the request does not.
    """
    return Template(
        name=name,
        rubrics={
            rubric: _read_rubric((folder / f"{rubric}.md").read_text("utf-8")) for rubric in _IMAGES
        },
    )


def _read_rubric(markdown: str) -> Rubric:
    _, _, rest = markdown.partition("<!-- system -->\n")
    system, _, user = rest.partition("<!-- user -->\n")
    pieces = re.split(r"^\{\{(\w+)\}\}$", user.strip(), flags=re.MULTILINE)
    parts: list[Text | Slot] = []
    for index, piece in enumerate(pieces):
        if index % 2:
            parts.append(Slot.model_validate({"slot": piece}))
            continue
        text = piece
        if index > 0 and pieces[index - 1] != "request":
            text = text.lstrip("\n")
        if index + 1 < len(pieces) and pieces[index + 1] != "request":
            text = text.rstrip("\n")
        if text:
            parts.append(Text(text=text))
    return Rubric(system=system.strip() or None, user=tuple(parts))


def save_template(template: Template, store: Path) -> Path:
    """Write `template` to `store/<digest>.json`, creating the folder, and return the path.

    Raises:
        ConfigError: the folder cannot be written.
    """
    path = store / f"{template.digest}.json"
    text = json.dumps(template.model_dump(mode="json"), ensure_ascii=False, indent=2)
    with raised_as(ConfigError, f"template cannot be written to {str(path)!r}"):
        replace_file(path, f"{text}\n".encode(), durable=False)
    return path


def load_template(name: str, store: Path | None = None) -> Template:
    """Load a template.

    Args:
        name: `builtin`, an entry point of `rr_refine.templates`, the beginning of a digest in the
            store, or the path of a stored template.
        store: the folder that `save_template` wrote to.

    Raises:
        ConfigError: there is none of that name, or more than one, or the file is damaged.
    """
    if name == BUILTIN:
        return builtin_template()
    named = available("templates")
    if name in named:
        return _require_template(create("templates", name, {}), name)
    if re.fullmatch(r"[0-9a-f]{4,64}", name) and store is not None:
        found = sorted(store.glob(f"{name}*.json"))
        if len(found) == 1:
            return _read_stored(found[0])
        if found:
            raise ConfigError(
                f"template {name!r} could be {_listed([p.stem[:12] for p in found])}: "
                "give more digits"
            )
    path = expand_home(name)
    if path.is_file():
        return _read_stored(path)
    stored = [p.stem[:12] for p in sorted(store.glob("*.json"))] if store is not None else []
    raise ConfigError(
        f"there is no template {name!r}; there are {_listed([BUILTIN, *named, *stored])}, "
        "or give the path of a stored one (rr-refine critic import-template FILE makes one)"
    )


def _require_template(given: object, name: str) -> Template:
    if not isinstance(given, Template):
        raise ConfigError(f"the entry point {name!r} of rr_refine.templates gives {given!r}")
    return given


def _read_stored(path: Path) -> Template:
    try:
        template = Template.model_validate_json(read_named(path, MAX_BYTES))
    except OSError as error:
        raise ConfigError(f"template {str(path)!r} cannot be read: {error}") from error
    except ValidationError as error:
        raise ConfigError(
            f"{str(path)!r} is no stored template: {told_invalid(error)}; if it is a README "
            "or model card, make one of it with rr-refine critic import-template FILE"
        ) from error
    if re.fullmatch(r"[0-9a-f]{64}", path.stem) and path.stem != template.digest:
        raise ConfigError(
            f"template {str(path)!r} was changed after it was imported: its digest is now "
            f"{template.digest[:12]}; import it again"
        )
    return template


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
