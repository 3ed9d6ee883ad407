"""Importing a template: the exact words that a released critic was trained on.

They stand in the critic's README or model card, inside Python functions that build the messages.
The functions are read, never run (see `source_reader`), and what they say is kept in a store, named
by its hash.
"""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

from pydantic import ValidationError

from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError
from rr_refine.files import MAX_BYTES
from rr_refine.foreign_python import parse_source
from rr_refine.invalid import told_invalid
from rr_refine.named import read_named
from rr_refine.reward.source_reader import (
    ImagePart,
    SourceReader,
    UnknownValue,
    Value,
    is_stand_in,
)
from rr_refine.reward.template import (
    Rubric,
    RubricName,
    Slot,
    Template,
    Text,
    builtin_template,
    save_template,
)

__all__ = ["import_template"]

_FENCE = re.compile(r"^[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)")
_SOURCE_WORDS = ("source", "original", "before", "input", "reference")


def import_template(path: Path, store: Path) -> Template:
    """Take the rubrics out of a README, model card or Python file, and put them into `store`.

    A function that builds messages with one picture gives the `t2i` rubric, one with two pictures
    the `edit` rubric; a file may hold only one of the two, and `Template.rubrics` says which. The
    released critics' pairwise words are not in their READMEs, so those rubrics are our own.

    The user's request is a slot in the result even where the original code formats it into a text
    that it then splits; so a request that holds the marker of the split does no harm here. White
    space that the code would strip off the request stays on it.

    Raises:
        ConfigError: the file cannot be read, holds no such function, holds two that differ, or
            code that would have to be run; the message names the line.
    """
    found: dict[RubricName, tuple[str, Rubric]] = {}
    names: dict[str, Value] = {}
    broken: ConfigError | None = None
    for above, code in _code_blocks(path):
        try:
            module = parse_source(code)
        except SyntaxError as error:
            line = above + (error.lineno or 1)
            broken = ConfigError(f"{str(path)!r}, line {line}: is no Python code: {error.msg}")
            continue
        reader = SourceReader(str(path), above, names)
        reader.read_module(module)
        for function in ast.walk(module):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and _builds(function):
                name, rubric = _to_rubric(reader, function)
                before = found.setdefault(name, (function.name, rubric))
                if before[1] != rubric:
                    raise ConfigError(
                        f"{str(path)!r} has two functions that build {name!r} messages, "
                        f"{before[0]!r} and {function.name!r}, and they differ; "
                        "remove one of them from a copy of the file"
                    )
    if not found:
        raise broken or ConfigError(
            f"{str(path)!r} has no Python code block with a function that builds chat messages; "
            "it must be a copy of the critic's README or model card that has them"
        )
    ours = {n: r for n, r in builtin_template().rubrics.items() if n.startswith("pairwise")}
    rubrics = {**ours, **{name: rubric for name, (_, rubric) in found.items()}}
    try:
        template = Template(name=path.name, rubrics=rubrics)
    except ValidationError as error:
        raise ConfigError(
            f"the messages in {str(path)!r} are no rubric: {told_invalid(error)}"
        ) from error
    save_template(template, store)
    return template


def _code_blocks(path: Path) -> list[tuple[int, str]]:
    """The Python code blocks of a file, each with the number of lines above it."""
    with raised_as(ConfigError, f"{str(path)!r} cannot be read", OSError, UnicodeDecodeError):
        text = read_named(path, MAX_BYTES).decode()
    if path.suffix == ".py":
        return [(0, text)]
    blocks: list[tuple[int, str]] = []
    opened: re.Match[str] | None = None
    code: list[str] = []
    above = 0
    for number, line in enumerate([*text.split("\n"), None], 1):
        fence = None if line is None else _FENCE.match(line)
        if opened is None:
            opened, above = fence, number
            code.clear()
        elif line is None or (
            fence
            and fence["fence"].startswith(opened["fence"])
            and not line[fence.end("fence") :].strip(" \t")
        ):
            if opened["language"].lower() in ("", "py", "python", "python3"):
                blocks.append((above, textwrap.dedent("\n".join((*code, "")))))
            opened = None
        else:
            code.append(line)
    return blocks


def _builds(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it writes messages for one judgement: a dict with a `role`, and no pair by name."""
    roles = (
        key
        for node in ast.walk(function)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and key.value == "role"
    )
    return any(roles) and not re.search("pair|compar", function.name.lower())


def _to_rubric(
    reader: SourceReader, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> tuple[RubricName, Rubric]:
    where = f"{reader.name!r}, line {reader.above + function.lineno}: {function.name!r}"
    messages = reader.read_function(function)
    if isinstance(messages, dict):  # a whole request
        messages = messages.get("messages")
    contents: dict[str, list[str | ImagePart]] = {}
    for message in _known_list(messages, where, "messages"):
        role = message.get("role") if isinstance(message, dict) else message
        if not isinstance(message, dict) or role not in ("system", "user") or role in contents:
            raise ConfigError(f"{where} must build one user message, and a system message at most")
        contents[str(role)] = _content(message.get("content"), where)
    if "user" not in contents:
        raise ConfigError(f"{where} builds no user message")
    system = "".join(part for part in contents.get("system", []) if isinstance(part, str))
    texts = [part for part in contents["user"] if isinstance(part, str)]
    requests = {c for text in texts for c in text if is_stand_in(c)}
    if len(requests) != 1 or any(map(is_stand_in, system)):
        raise ConfigError(
            f"{where} must put one of its parameters, the request, into the user's text; "
            f"it puts {len(requests)} there"
        )
    pictures = [part for part in contents["user"] if isinstance(part, ImagePart)]
    match [_is_source(picture) for picture in pictures]:
        case [_]:
            name: RubricName = "t2i"
            slots = [Slot(slot="image")]
        case [False, True]:
            name, slots = "edit", [Slot(slot="image"), Slot(slot="source")]
        case [_, _]:
            name, slots = "edit", [Slot(slot="source"), Slot(slot="image")]
        case _:
            raise ConfigError(f"{where} shows {len(pictures)} pictures, neither one nor two")
    parts: list[Text | Slot] = []
    for part in contents["user"]:
        if isinstance(part, ImagePart):
            parts.append(slots.pop(0))
            continue
        parts += [
            Slot(slot="request") if is_stand_in(piece) else Text(text=piece)
            for piece in re.split("([\ud800-\udfff])", part)
            if piece
        ]
    return name, Rubric(system=system or None, user=tuple(parts))


def _content(content: Value, where: str) -> list[str | ImagePart]:
    """The texts and pictures of one message."""
    if isinstance(content, str):
        return [content]
    parts: list[str | ImagePart] = []
    for part in _known_list(content, where, "content"):
        if isinstance(part, dict):
            part = part.get("text")
        if isinstance(part, UnknownValue):
            raise _unreadable(part, where)
        if not isinstance(part, (str, ImagePart)):
            raise ConfigError(f"{where} builds a content part that is neither text nor picture")
        parts.append(part)
    return parts


def _known_list(value: Value, where: str, what: str) -> list[Value]:
    if isinstance(value, UnknownValue):
        raise _unreadable(value, where)
    if not isinstance(value, list):
        raise ConfigError(f"{where} does not build a list of {what}")
    return value


def _unreadable(value: UnknownValue, where: str) -> ConfigError:
    return ConfigError(
        f"{where} uses {value.source!r} (line {value.line}), which would have to be run, "
        "and imported code never is"
    )


def _is_source(picture: ImagePart) -> bool:
    return any(word in picture.source.lower() for word in _SOURCE_WORDS)
