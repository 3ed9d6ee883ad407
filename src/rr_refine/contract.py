"""What the contract tests of all kinds of parts share."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import ClassVar, Final, Generic, Protocol, TypeVar

from rr_refine.component import call_hook, connected
from rr_refine.terms import Identity

__all__ = ["WEIRD_TEXTS", "Part", "PartContract", "require_members"]

T = TypeVar("T")

WEIRD_TEXTS: Final[Mapping[str, str]] = {
    "empty": "",
    "blank": " \n\t ",
    "image token": "<image> a cat <image><|vision_start|>",
    "html": "<script>alert('x')</script> & <b>bold</b>",
    "terminal escapes": "a \x1b[31mred\x1b[0m cube\x07\x00",
    "path parts": "../../etc/passwd\\..\\C:\\*?|",
    "format strings": "{prompt} %s ${HOME} {{}}",
    "many scripts": "赤い立方体 🟥👩‍👩‍👧 مكعب e\u0301\u202e",
    "lone surrogate": "a cube \udc80",
    "100 kB": "red " * 25_000,
}
"""Things that users type or paste."""


class Part(Protocol):
    """A part with an identity."""

    @property
    def identity(self) -> Identity:
        """Everything that could change its output."""
        ...


def require_members(part: object, *members: str) -> None:
    """See that a part has them. None is read: an identity may be unknown before the first call.

    Raises:
        AssertionError: it lacks one.
    """
    for member in members:
        found = inspect.getattr_static(part, member, None)
        assert found is not None, f"{type(part).__name__} lacks {member!r}"


PartT = TypeVar("PartT", bound=Part)
AnswerT = TypeVar("AnswerT")


class PartContract(Generic[PartT, AnswerT]):
    """What must hold of every part that is asked something, in an event loop of each test."""

    _error: ClassVar[type[Exception]]
    """What it may raise at what it cannot do."""

    def _make(self) -> PartT:
        """A new part."""
        raise NotImplementedError

    async def _ask(self, part: PartT, number: int = 0) -> AnswerT:
        """The answer to a usual question, checked; other numbers may be other questions."""
        raise NotImplementedError

    def _weird(self, part: PartT) -> Iterator[tuple[str, Awaitable[object]]]:
        """Answers to odd questions, checked, each with its name; one is asked when it is taken."""
        raise NotImplementedError

    def _require_alike(self, first: AnswerT, second: AnswerT) -> None:
        """See that two answers to one question are as alike as they must be."""

    def test_identity_is_stable(self) -> None:
        """The identity is JSON, stays the same, and is equal for two made alike."""

        async def identify(part: PartT) -> str:
            await self._ask(part)
            first = _json_of(part)
            await self._ask(part, 1)
            assert _json_of(part) == first, "the identity changed between two calls"
            return first

        one, other = self._run(identify), self._run(identify)
        assert one == other, "two that are made alike have different identities"

    def test_cancelling_leaves_it_usable(self) -> None:
        """A cancelled call ends as cancelled, and the next one works."""

        async def check(part: PartT) -> None:
            call = asyncio.ensure_future(self._ask(part))
            await asyncio.sleep(0)
            call.cancel()
            (ended,) = await asyncio.gather(call, return_exceptions=True)
            told = f"a cancelled call ended with {ended!r}"
            assert isinstance(ended, asyncio.CancelledError) or not isinstance(
                ended, BaseException
            ), told
            await self._ask(part)

        self._run(check)

    def test_weird_prompts(self) -> None:
        """Whatever a user types gives an answer or an error of the part's kind."""

        async def check(part: PartT) -> None:
            for name, answer in self._weird(part):
                try:
                    await answer
                except self._error:
                    continue
                except AssertionError:
                    raise
                except Exception as error:
                    kind = self._error.__name__
                    raise AssertionError(f"{name}: {error!r} instead of {kind}") from error

        self._run(check)

    def test_works_from_two_event_loops(self) -> None:
        """Nothing of the first event loop is needed in the second."""
        part = self._make()
        first = asyncio.run(_closing(part, self._ask(part)))
        self._require_alike(first, asyncio.run(_closing(part, self._ask(part))))

    def test_another_run_may_connect_it(self) -> None:
        """A run that has it connects it first, also while another is at work with it."""

        async def check(part: PartT) -> None:
            async with connected([part]):
                first, identity = await self._ask(part), _json_of(part)
                at_work = asyncio.ensure_future(self._ask(part, 1))
                await asyncio.sleep(0)
                async with connected([part]):
                    self._require_alike(first, await self._ask(part))
                await at_work
                self._require_alike(first, await self._ask(part))
                assert _json_of(part) == identity, "the identity changed when it was connected"

        self._run(check)

    def _run(self, check: Callable[[PartT], Coroutine[object, object, T]]) -> T:
        part = self._make()
        return asyncio.run(_closing(part, check(part)))


def _json_of(part: Part) -> str:
    """The identity as JSON, to be compared."""
    return json.dumps(part.identity.model_dump(mode="json"), sort_keys=True, allow_nan=False)


async def _closing(part: object, work: Coroutine[object, object, T]) -> T:
    """Do `work`, then close what the part has opened on this event loop."""
    try:
        return await work
    finally:
        await call_hook(part, "aclose")
