"""How parts come in, ours and yours alike: by entry point or dotted path.

A part is named by an entry point (`fake`, `diffusers`, …) or by a dotted path
(`my_pkg.mod:MyCritic`). Either way it is a callable that takes the options of its config section as
keyword arguments and returns the part. What a dotted path names is a class with the methods of the
protocol, or a function called `create`: nothing else is called. A name that two packages declare is
refused, so that none can take the place of ours. The entry point groups, all under `rr_refine.`:

    generators     makes pictures: `rr_refine.Generator`
    families       a diffusers pipeline by its class's name: gives a
                   `rr_refine.generators.diffusers.family.Family`
    critics        judges them: `rr_refine.Critic`, or a number: `rr_refine.reward.scalar.Reward`
    rewriters      proposes prompts: `rr_refine.Rewriter`
    intent_checks  rejects prompts: `rr_refine.agent.intent.IntentCheck`
    evidence       measures pictures: `rr_refine.reward.evidence.evidence.Evidence`
    stop_rules     ends runs: `rr_refine.agent.stopping.StopRule`, without options
    acceptance     takes pictures or refuses them: `rr_refine.agent.acceptance.Acceptance`, likewise
    templates      a critic's template by name: gives a `rr_refine.reward.template.Template`
    benchmarks     a benchmark: `rr_refine.benchmarks.loader.BenchmarkLoader`
    judges         answers a benchmark's questions, or grades its pictures
    teachers       explains preferences, for `rr-refine parrot run`
    trainers       a command under `rr-refine train`, without options of a config section
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar, cast, get_args

from pydantic import BaseModel, JsonValue, SecretStr, ValidationError

from rr_refine.component import has_methods
from rr_refine.errors import ConfigError, RefineError
from rr_refine.redaction import is_secret

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = [
    "Group",
    "available",
    "create",
    "did_you_mean",
    "entry_point",
    "factory",
    "imported",
    "is_dotted_path",
    "parse_options",
    "require_protocol",
]

Group = Literal[
    "generators",
    "families",
    "critics",
    "rewriters",
    "intent_checks",
    "evidence",
    "stop_rules",
    "acceptance",
    "templates",
    "judges",
    "teachers",
]
"""An entry point group whose parts `create` makes, without the prefix `rr_refine.`."""

_PROTOCOLS: Final[Mapping[Group, tuple[str, tuple[tuple[str, ...], ...]]]] = {
    "generators": ("rr_refine.Generator", (("generate",),)),
    "critics": (
        "rr_refine.Critic or rr_refine.reward.scalar.Reward",
        (("critique",), ("score",)),
    ),
    "rewriters": ("rr_refine.Rewriter", (("rewrite",),)),
    "intent_checks": ("rr_refine.agent.intent.IntentCheck", (("problems",),)),
    "evidence": ("rr_refine.reward.evidence.evidence.Evidence", (("examine",),)),
    "stop_rules": ("rr_refine.agent.stopping.StopRule", (("check",),)),
    "acceptance": ("rr_refine.agent.acceptance.Acceptance", (("weigh",),)),
    "judges": ("rr_refine.benchmarks.question.Judge", (("ask",), ("grade",))),
    "teachers": ("rr_refine.training.parrot.teacher.Teacher", (("identify", "answer"),)),
}
"""The protocol of a group's parts, and its methods: all those of one of these rows."""

_MISSING: Final = object()
_SCANNING: Final = threading.Lock()
"""Runs that begin together wait for one scan."""

T = TypeVar("T")
OptionsT = TypeVar("OptionsT", bound=BaseModel)


def available(group: str) -> list[str]:
    """Names of the installed parts of a group, sorted."""
    return sorted(_installed(group).names)


def entry_point(group: str, name: str) -> EntryPoint | None:
    """The entry point of that name, without `rr_refine.` before its group; None if there is none.

    Raises:
        ConfigError: several installed packages declare it.
    """
    found = list(_installed(group).select(name=name))
    if len(found) > 1:
        found.sort(key=lambda entry: (_package(entry) != "rr-refine", _package(entry)))
        packages = " and ".join(dict.fromkeys(repr(_package(entry)) for entry in found))
        raise ConfigError(
            f"{_noun(group)} {name!r} is declared by {packages}: only one package can have the "
            f"name; uninstall {_package(found[-1])!r}, or give its part another name"
        )
    return found[0] if found else None


def _installed(group: str) -> EntryPoints:
    """Those of a group in all packages, that of one which was installed meanwhile included."""
    with _SCANNING:
        groups = _scan(tuple((folder, _changed(folder)) for folder in sys.path))
    return groups.get(f"rr_refine.{group}", EntryPoints())


@lru_cache(1)
def _scan(folders: tuple[tuple[str, int], ...]) -> dict[str, EntryPoints]:  # noqa: ARG001
    """What is in these folders, as of when each was last changed. It takes 10 ms and more."""
    found = entry_points()
    return {group: found.select(group=group) for group in found.groups if "rr_refine" in group}


def _changed(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def _package(entry: EntryPoint) -> str:
    """The name of a package, and where it is if its folder goes by another name."""
    if entry.dist is None:
        return "an unknown package"
    name, place = entry.dist.name, getattr(entry.dist, "_path", None)  # there is no public name
    same = place is None or re.sub(r"[-_.]+", "_", name.lower()) in place.name.lower()
    return name if same else f"{name} in {place}"


def require_protocol(
    group: Group, name: object, part: object, attributes: Iterable[str] = ()
) -> None:
    """A part must have the methods of its group's protocol. Nothing is called.

    Args:
        name: what the part goes by in the message.
        part: a part, or the class of one.
        attributes: what else a part must have. They are not read: they may not be known before
            `connect`.

    Raises:
        ConfigError: it has not.
    """
    if group not in _PROTOCOLS:
        return
    protocol, rows = _PROTOCOLS[group]
    if not any(has_methods(part, *row) for row in rows):
        methods = " or ".join(" and ".join(f"{method}()" for method in row) for row in rows)
        raise ConfigError(
            f"{name!r} is no {_noun(group)}: see the protocol {protocol}, which has {methods}"
        )
    # `connect` may set it, and `__getattr__` find it in what the part stands in front of.
    dynamic = any(hasattr(type(part), each) for each in ("connect", "__getattr__"))
    for attribute in () if dynamic else attributes:
        if inspect.getattr_static(part, attribute, _MISSING) is _MISSING:
            raise ConfigError(
                f"the {_noun(group)} {name!r} has no attribute {attribute!r}: see the protocol "
                f"{protocol}"
            )


def create(group: Group, name: str, options: Mapping[str, JsonValue]) -> object:
    """Make the part `name` of `group` from the options of its config section.

    Raises:
        ConfigError: there is no such part, it does not take these options, or making it failed.
        RefineError: the part's own.
    """
    factory = _factory(group, name)
    try:
        inspect.signature(factory).bind(**options)
    except (TypeError, ValueError) as error:  # ValueError: written in C, without a signature
        raise ConfigError(
            f"{_noun(group)} {name!r} does not take these options: {error}"
        ) from error
    what = f"{_noun(group)} {name!r}"
    try:
        return factory(**options)
    except RefineError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{what} raised {type(error).__name__}: {_one_line(error)}") from error


def factory(
    make: Callable[[OptionsT], T], options: type[OptionsT], section: str
) -> Callable[..., T]:
    """What an entry point names: it checks its keyword arguments and makes the part of them.

    Calling it raises ConfigError for an option that is unknown, missing or out of range, as
    `parse_options` does, and what `make` raises.
    """

    def create(**given: JsonValue) -> T:
        return make(parse_options(options, given, section))

    return create


def imported(what: str, load: Callable[[], object]) -> object:
    """Import code that is not ours, which may fail in any way.

    Args:
        what: what it is, for the message.

    Raises:
        ConfigError: it cannot be imported.
        RefineError: its own.
    """
    try:
        return load()
    except RefineError:
        raise
    except (Exception, SystemExit) as error:
        plain = isinstance(error, ImportError | AttributeError | ValueError)
        kind = "" if plain else f"{type(error).__name__}: "
        raise ConfigError(f"{what} cannot be imported: {kind}{_one_line(error)}") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _factory(group: Group, name: str) -> Callable[..., object]:
    find = _by_path if ":" in name else partial(_entry, group)
    loaded = imported(f"{_noun(group)} {name!r}", partial(find, name))
    if not callable(loaded):
        raise ConfigError(f"{_noun(group)} {name!r} is not callable")
    if ":" in name:
        _require_maker(group, name, loaded)
    return cast("Callable[..., object]", loaded)


def _require_maker(group: Group, name: str, found: object) -> None:
    """What a dotted path names may be any function: it is called only if it is meant for this."""
    if isinstance(found, type) and group in _PROTOCOLS:
        require_protocol(group, name, found)
        return
    module = str(getattr(found, "__module__", None) or "builtins").partition(".")[0]
    if re.split("[:.]", name)[-1] != "create" or module in sys.stdlib_module_names:
        protocol = _PROTOCOLS[group][0] if group in _PROTOCOLS else group
        raise ConfigError(
            f"{name!r} is no {_noun(group)}: see the protocol {protocol}; a dotted path must name "
            "a class that has it, or a function called `create`. It was not called"
        )


def _noun(group: str) -> str:
    return re.sub("ie$", "y", group.removesuffix("s")).replace("_", " ")


def is_dotted_path(text: str) -> bool:
    """Whether a text names code, `my_pkg.mod:name`, and no file, as which it would be `./a:b`: by
    how it is written, since files come and go.
    """
    return re.fullmatch(r"[^\W\d][\w.]*:[^\W\d][\w.]*", text) is not None


def _by_path(path: str) -> object:
    module, _, attribute = path.partition(":")
    found: object = attrgetter(attribute)(importlib.import_module(module))
    return found


def _entry(group: Group, name: str) -> object:
    found = entry_point(group, name)
    if found is None:
        names = available(group)
        raise ConfigError(
            f"unknown {_noun(group)} {name!r}{did_you_mean(name, names)}; there are "
            f"{', '.join(names)}, or give a dotted path such as 'my_pkg.mod:MyClass'"
        )
    loaded: object = found.load()
    return loaded


def parse_options(
    model: type[OptionsT], options: Mapping[str, JsonValue], section: str
) -> OptionsT:
    """Check a component's options against its model.

    Args:
        model: what the component takes.
        options: the config section as the user wrote it.
        section: its name, for the message: `generator`, `critic`, …

    Raises:
        ConfigError: an unknown key (with "did you mean") or a value out of range.
    """
    unknown = [key for key in options if key not in model.model_fields]
    if unknown:
        hint = did_you_mean(unknown[0], list(model.model_fields))
        raise ConfigError(f"unknown option {f'{section}.{unknown[0]}'!r}{hint}")
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([section, *map(str, first["loc"])])
        shown = f" = {first['input']!r}" if _may_be_shown(model, first) else ""
        message = first["msg"].removeprefix("Value error, ")
        # Without the cause: pydantic's own text repeats the input, and there may be a key in it.
        raise ConfigError(f"{key}{shown}: {message}") from None


def _may_be_shown(model: type[BaseModel], error: ErrorDetails) -> bool:
    """Whether a message may repeat the input: not a secret, nor an object that may hold one."""
    if not error["loc"] or isinstance(error["input"], dict):
        return False
    name = str(error["loc"][0])
    if is_secret(name):
        return False
    field = model.model_fields[name]
    return SecretStr not in (field.annotation, *get_args(field.annotation))


def did_you_mean(word: str, choices: list[str]) -> str:
    """A hint such as ` (did you mean 'margin'?)`, or nothing."""
    close = difflib.get_close_matches(word, choices, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
