"""How parts come in, ours and yours alike: by entry point or dotted path.

A part is named by an entry point (`fake`, `diffusers`, …) or by a dotted path
(`my_pkg.mod:MyCritic`). Either way it is a callable that takes the options of its config section as
keyword arguments and returns the part. The entry point groups, all under `rr_refine.`:

    generators     makes pictures: `rr_refine.Generator`
    families       a diffusers pipeline by its class's name: gives a
                   `rr_refine.generators.diffusers.family.Family`
    critics        judges them: `rr_refine.Critic`, or a number: `rr_refine.reward.scalar.Reward`
    rewriters      proposes prompts: `rr_refine.Rewriter`
    intent_checks  rejects prompts: `rr_refine.agent.intent.IntentCheck`
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
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import entry_points
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, TypeVar, cast, get_args

from pydantic import BaseModel, JsonValue, SecretStr, ValidationError

from rr_refine.errors import ConfigError, RefineError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = [
    "Group",
    "available",
    "create",
    "did_you_mean",
    "factory",
    "imported",
    "parse_options",
]

Group = Literal[
    "generators",
    "families",
    "critics",
    "rewriters",
    "intent_checks",
    "stop_rules",
    "acceptance",
    "templates",
    "judges",
    "teachers",
]
"""An entry point group whose parts `create` makes, without the prefix `rr_refine.`."""

T = TypeVar("T")
OptionsT = TypeVar("OptionsT", bound=BaseModel)


def available(group: Group) -> list[str]:
    """Names of the installed parts of a group, sorted."""
    return sorted(entry_points(group=f"rr_refine.{group}").names)


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
    return cast("Callable[..., object]", loaded)


def _noun(group: Group) -> str:
    return re.sub("ie$", "y", group.removesuffix("s")).replace("_", " ")


def _by_path(path: str) -> object:
    module, _, attribute = path.partition(":")
    found: object = attrgetter(attribute)(importlib.import_module(module))
    return found


def _entry(group: Group, name: str) -> object:
    found = entry_points(group=f"rr_refine.{group}", name=name)
    if not found:
        names = available(group)
        raise ConfigError(
            f"unknown {_noun(group)} {name!r}{did_you_mean(name, names)}; there are "
            f"{', '.join(names)}, or give a dotted path such as 'my_pkg.mod:MyClass'"
        )
    loaded: object = next(iter(found)).load()
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
    field = model.model_fields[str(error["loc"][0])]
    return SecretStr not in (field.annotation, *get_args(field.annotation))


def did_you_mean(word: str, choices: list[str]) -> str:
    """A hint such as ` (did you mean 'margin'?)`, or nothing."""
    close = difflib.get_close_matches(word, choices, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
