"""What a part may have besides its one method, all optional: connections, limits, companions.

Some parts must ask who they are, and some hold connections: `connected`. A generator or critic may
also have any of these, which are looked up by name:

    notice: str
        What everybody who uses it should know, without a full stop: `a small model that knows
        coloured shapes and nothing else`. Terminal and studio show it.
    notices: tuple[str, ...]
        What came out when it was connected, such as a server that does not list the model. A run
        records it.
    unknown(request) -> tuple[str, ...]
        The words of a request that it does not understand: see `CanTellUnknown`.
    is_outside(request, source) -> bool
        Whether a request is altogether out of its world: see `CanTellOutside`.
    examples: Examples
        Requests that it understands whole, where that is not anything one may say.
    run_record: dict[str, JsonValue]
        What a run keeps of it besides its identity, such as a workflow, without secrets: in the
        run's `generator.json`.
    companions: Companions
        Other parts that were made for it: see `shared_companions`.
    most_sources: int | None
        How many pictures to edit it takes in at once: None for no fixed number, 1 if it does not
        say. Known once it is connected.
    takes: frozenset[str]
        Which of `width`, `height` and `negative_prompt` have an effect as parameters of a request,
        so that a form can offer them. Known once it is connected; asked in a thread.

    prices: tuple[Priced, ...]
        What its services take, where they may take something.

One that stands in front of another, such as a cache, names it in the attribute `wrapped`, and what
it has none of itself is then looked up there.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeVar, cast

from rr_refine.boundary import boundary
from rr_refine.errors import ConfigError

if TYPE_CHECKING:
    from PIL import Image
    from pydantic import JsonValue

    from rr_refine.request import Request  # pydantic, which `rr-refine --help` does not load

__all__ = [
    "CanTellOutside",
    "CanTellUnknown",
    "Companions",
    "Examples",
    "HasCompanions",
    "HasNotice",
    "Priced",
    "ask_both",
    "call_hook",
    "connected",
    "examples_of",
    "has_methods",
    "is_outside",
    "layers",
    "most_sources",
    "notice_of",
    "outsiders",
    "prices_of",
    "record_of",
    "shared_companions",
    "takes",
    "texts",
    "told_by",
    "unknown_to",
]

AnswerT = TypeVar("AnswerT", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Companions:
    """Parts that were made for a generator and its critic, by entry point or dotted path."""

    rewriters: tuple[str, ...] = ()
    """What `companions` stands for in a policy's rewriters, in this order."""
    intent_check: str | None = None
    """What is used where no other intent check is named."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Requests that a part understands whole, as users may write them."""

    t2i: str
    edit: str | None = None


class Priced(NamedTuple):
    """What a service takes."""

    words: str
    """A clause: `some-model: $0.04 a picture`."""
    bounded: bool
    """Whether the most that a request may cost is known before it is sent."""
    keyed: bool
    """Whether a key is sent: what asks for none is mostly a server of one's own."""


class HasNotice(Protocol):
    """A part whose users should know something about it."""

    @property
    def notice(self) -> str | None:
        """One clause, such as `a small model that knows coloured shapes and nothing else`."""
        ...


class CanTellUnknown(Protocol):
    """A part that can tell what it does not understand."""

    def unknown(self, request: Request) -> tuple[str, ...]:
        """The words of the request that it does not understand, each once and as they were written.

        It is asked before anything is connected, and must be quick.
        """
        ...


class CanTellOutside(Protocol):
    """A part that can tell which requests are not for it."""

    def is_outside(self, request: Request, source: Image.Image | None) -> bool:
        """Whether it understands not one thing of the request, or nothing of the picture to edit,
        so that a run of more rounds would show no more than the first picture.

        It is asked before anything is connected, and must be quick.

        Args:
            source: the picture to edit; None where there is none, or it is not there yet.
        """
        ...


class HasCompanions(Protocol):
    """A part that others were made for."""

    @property
    def companions(self) -> Companions | None:
        """Known before `connect`."""
        ...


def notice_of(part: object) -> str | None:
    """The notice of a part, if it has one."""
    for one in layers(part):
        if notice := getattr(one, "notice", None):
            return str(notice)
    return None


def record_of(part: object) -> dict[str, JsonValue] | None:
    """What a run keeps of a part besides its identity; None if nothing."""
    for one in layers(part):
        if (found := getattr(one, "run_record", None)) is not None:
            return cast("dict[str, JsonValue]", found)
    return None


def told_by(part: object) -> tuple[str, ...]:
    """What a part has to tell once it is connected.

    Raises:
        ConfigError: `notices` is something else than texts.
    """
    for one in layers(part):
        if notices := getattr(one, "notices", None):
            return texts(f"{type(one).__name__}.notices", notices)
    return ()


def prices_of(part: object, *, own: bool = True) -> tuple[Priced, ...]:
    """What the services of a part take; nothing where it asks none, or does not say.

    Args:
        own: with servers of one's own that nobody gave a price, which a limit asks for.
    """
    for one in layers(part):
        if (prices := getattr(one, "prices", None)) is not None:
            return tuple(price for price in prices if own or price.bounded or price.keyed)
    return ()


def most_sources(part: object) -> int | None:
    """The most pictures to edit that a part takes in at once; None for no fixed number."""
    for one in layers(part):
        if hasattr(one, "most_sources"):
            most: int | None = one.most_sources
            return most
    return 1


def takes(part: object) -> frozenset[str]:
    """The parameters of a request that a form may offer; none where a generator does not say."""
    for one in layers(part):
        if (names := getattr(one, "takes", None)) is not None:
            with boundary(ConfigError, f"{type(one).__name__}.takes"):
                return frozenset(names) & {"width", "height", "negative_prompt"}
    return frozenset()


def unknown_to(part: object, request: Request) -> tuple[str, ...]:
    """The words of a request that a part says it does not understand.

    Raises:
        ConfigError: it cannot tell, though it has a method for it.
    """
    for one in layers(part):
        if callable(getattr(one, "unknown", None)):
            with boundary(ConfigError, f"{type(one).__name__}.unknown"):
                given = cast("CanTellUnknown", one).unknown(request)
                return texts(f"{type(one).__name__}.unknown(request)", given)
    return ()


def is_outside(part: object, request: Request, source: Image.Image | None = None) -> bool:
    """Whether a part says that a request is altogether out of its world.

    Raises:
        ConfigError: it cannot tell, though it has a method for it.
    """
    for one in layers(part):
        if callable(getattr(one, "is_outside", None)):
            with boundary(ConfigError, f"{type(one).__name__}.is_outside"):
                given: object = cast("CanTellOutside", one).is_outside(request, source)
            if not isinstance(given, bool):
                what = f"{type(one).__name__}.is_outside(request, source)"
                raise ConfigError(f"{what} = {given!r} must be True or False")
            return given
    return False


def outsiders(
    generator: object, critic: object, request: Request, source: Image.Image | None = None
) -> str:
    """Which of both say so: `generator and critic`, one of them, or nothing.

    Raises:
        ConfigError: see `is_outside`.
    """
    asked = ask_both(lambda part: is_outside(part, request, source), generator, critic)
    return " and ".join(parts for parts, _ in asked)


def examples_of(part: object) -> Examples | None:
    """Requests that a part understands whole; None where it does not say.

    Raises:
        ConfigError: `examples` is something else.
    """
    return _attribute(part, "examples", Examples)


def texts(what: str, given: object) -> tuple[str, ...]:
    """Some texts that a part gave. One text by itself is a mistake: it is no row of letters.

    Raises:
        ConfigError: they are something else.
    """
    if isinstance(given, Iterable) and not isinstance(given, str):
        found = tuple(given)
        if all(isinstance(one, str) for one in found):
            return found
    raise ConfigError(f"{what} = {given!r} must be a tuple of str")


def ask_both(
    question: Callable[[object], AnswerT | None], generator: object, critic: object
) -> list[tuple[str, AnswerT]]:
    """What generator and critic answer, with `generator`, `critic` or, where they answer the same,
    `generator and critic` before it. Empty answers are left out.
    """
    answers: dict[AnswerT, list[str]] = {}
    for name, part in (("generator", generator), ("critic", critic)):
        if answer := question(part):
            answers.setdefault(answer, []).append(name)
    return [(" and ".join(names), answer) for answer, names in answers.items()]


def shared_companions(generator: object, critic: object) -> Companions:
    """What generator and critic both bring along: what one of them names alone is not used.

    A rewriter that was made for a generator and its critic says nothing useful to others.

    Raises:
        ConfigError: `companions` is something else.
    """
    one, other = _companions(generator), _companions(critic)
    return Companions(
        rewriters=tuple(name for name in one.rewriters if name in other.rewriters),
        intent_check=one.intent_check if one.intent_check == other.intent_check else None,
    )


def _companions(part: object) -> Companions:
    return _attribute(part, "companions", Companions) or Companions()


def _attribute(part: object, name: str, kind: type[T]) -> T | None:
    for one in layers(part):
        found = getattr(one, name, None)
        if isinstance(found, kind):
            return found
        if found is not None:
            raise ConfigError(
                f"{type(one).__name__}.{name} = {found!r} must be a "
                f"rr_refine.component.{kind.__name__}"
            )
    return None


def layers(part: object) -> Iterable[object]:
    """The part itself, and what it stands in front of, outermost first."""
    while part is not None:
        yield part
        part = getattr(part, "wrapped", None)


@asynccontextmanager
async def connected(components: Iterable[object]) -> AsyncIterator[None]:
    """Make components ready for work, and close them at the end, unless others on this event loop
    still have them so: runs may share a component.

    A component that has to discover something before it knows its `identity`, such as the name of
    a served model, has `async def connect()`. It is called for every run, also while others are at
    work with the component, and changes nothing for them. One that holds connections or threads has
    `async def aclose()`; it may be used again afterwards. Both are optional.

    Raises:
        RefineError: a component cannot be reached.
    """
    async with AsyncExitStack() as stack:
        for part in components:
            stack.push_async_callback(_leave, part)
            _USERS[_here(part)] += 1
            await call_hook(part, "connect")
        yield


_USERS: Final[Counter[tuple[int, int]]] = Counter()
"""How many have a component connected, by event loop and component."""


def _here(part: object) -> tuple[int, int]:
    return id(asyncio.get_running_loop()), id(part)


async def _leave(part: object) -> None:
    _USERS[_here(part)] -= 1
    if not _USERS[_here(part)]:
        del _USERS[_here(part)]
        await call_hook(part, "aclose")


def has_methods(component: object, *names: str) -> bool:
    """Whether a component, or the class of one, has these methods. Properties are not touched:
    `identity` may not be known before `connect`, and `isinstance` with a protocol would ask for it.
    """
    kind = component if isinstance(component, type) else type(component)
    return all(callable(getattr(kind, name, None)) for name in names)


async def call_hook(component: object, name: Literal["connect", "aclose"]) -> None:
    """Call one of the two optional methods of a component, if it has it."""
    method = getattr(component, name, None)
    if callable(method) and inspect.isawaitable(result := method()):
        await result
