from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.benchmarks.cache import Cache
from rr_refine.component import (
    Companions,
    ask_both,
    connected,
    notice_of,
    shared_companions,
    unknown_to,
)
from rr_refine.errors import ConfigError
from rr_refine.generators.fake import FakeGenerator
from rr_refine.request import Request
from rr_refine.reward.fake import FakeCritic
from rr_refine.reward.pool import pool


class Plain:
    """A part with none of the optional attributes."""


class Colours:
    notice = "knows red and nothing else"
    companions = Companions(rewriters=("a", "b"), intent_check="c")

    def unknown(self, request: Request) -> tuple[str, ...]:
        return tuple(word for word in request.prompt.split() if word != "red")


class InFront:
    def __init__(self, wrapped: object) -> None:
        self.wrapped = wrapped


REQUEST = Request(prompt="red fox")


@pytest.mark.parametrize("part", [Plain(), InFront(Plain())])
def test_all_of_it_is_optional(part: object) -> None:
    assert notice_of(part) is None
    assert unknown_to(part, REQUEST) == ()
    assert shared_companions(part, part) == Companions()


@pytest.mark.parametrize("part", [Colours(), InFront(Colours()), InFront(InFront(Colours()))])
def test_it_is_looked_up_in_what_is_wrapped(part: object) -> None:
    assert notice_of(part) == "knows red and nothing else"
    assert unknown_to(part, REQUEST) == ("fox",)
    assert shared_companions(part, Colours()) == Colours.companions


def test_our_wrappers_speak_for_what_they_wrap(tmp_path: Path) -> None:
    class Generator(Colours, FakeGenerator): ...

    class Critic(Colours, FakeCritic): ...

    critics = [Critic(), Critic()]
    with Cache(tmp_path) as cache:
        generator, critic = cache.generator(Generator()), cache.critic(pool(critics))
        assert shared_companions(generator, critic) == Colours.companions
        assert unknown_to(critic, REQUEST) == ("fox",)


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        (Companions(), Companions()),
        (Companions(("b", "x"), "c"), Companions(("b",), "c")),
        (Companions(("b", "a"), "x"), Companions(("a", "b"), None)),
    ],
)
def test_only_what_both_bring_along_is_shared(other: Companions, shared: Companions) -> None:
    class Other:
        companions = other

    assert shared_companions(Colours(), Other()) == shared
    assert shared_companions(Colours(), Plain()) == Companions()
    assert shared_companions(Plain(), Colours()) == Companions()


def test_equal_answers_are_given_together() -> None:
    class Blue(Colours):
        notice = "knows blue"

    assert ask_both(notice_of, Colours(), Colours()) == [("generator and critic", Colours.notice)]
    assert ask_both(notice_of, Plain(), Colours()) == [("critic", Colours.notice)]
    assert ask_both(notice_of, Colours(), Blue()) == [
        ("generator", Colours.notice),
        ("critic", "knows blue"),
    ]


def test_a_part_that_answers_wrongly_is_told() -> None:
    class Broken:
        companions = ("a", "b")

        def unknown(self, request: Request) -> tuple[str, ...]:
            raise KeyError(request.prompt)

    with pytest.raises(ConfigError, match=r"Broken\.unknown raised KeyError"):
        unknown_to(Broken(), REQUEST)

    class OneText:
        def unknown(self, request: Request) -> str:
            return "fox"

    with pytest.raises(ConfigError, match=r"^OneText\.unknown\(request\) = 'fox' must be a tuple"):
        unknown_to(OneText(), REQUEST)
    with pytest.raises(ConfigError, match=r"Broken\.companions = \('a', 'b'\) must be a "):
        shared_companions(Broken(), Plain())


class Connection:
    """A part that holds something open."""

    def __init__(self) -> None:
        self.open, self.closed = False, 0

    async def connect(self) -> None:
        self.open = True

    async def aclose(self) -> None:
        self.open, self.closed = False, self.closed + 1


async def test_a_shared_part_is_closed_by_the_last_that_has_it() -> None:
    """A run that ends does not close the connections of another that is at work."""
    part, other = Connection(), Connection()
    async with connected([part, other]):
        async with connected([part]):
            assert part.open
        assert (part.open, part.closed) == (True, 0)
    assert (part.open, part.closed) == (other.open, other.closed) == (False, 1)
    async with connected([part, part]):
        assert part.open
    assert part.closed == 2


async def test_a_part_that_cannot_be_connected_is_forgotten() -> None:
    class Gone(Connection):
        async def connect(self) -> None:
            raise ConfigError("gone")

    part, gone = Connection(), Gone()
    for _ in range(2):
        with pytest.raises(ConfigError):
            async with connected([part, gone]):
                raise AssertionError
    assert (part.closed, gone.closed) == (2, 2)
