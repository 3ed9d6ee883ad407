"""The parts of a job from names or objects, and those that generator and critic bring along."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, cast

from rr_refine.agent.intent import IntentCheck
from rr_refine.agent.rewriting.rewriter import Rewriter
from rr_refine.component import shared_companions
from rr_refine.errors import ConfigError
from rr_refine.generators.generator import Generator
from rr_refine.plugins import Group, create, require_protocol
from rr_refine.reward.critic import Critic
from rr_refine.reward.evidence.evidence import Evidence
from rr_refine.reward.scalar import critic_of

__all__ = [
    "COMPANIONS",
    "as_critic",
    "as_evidence",
    "as_generator",
    "as_intent_check",
    "as_rewriter",
    "companion_check",
    "make_chain",
    "make_part",
]

COMPANIONS: Final = "companions"
"""Among the names of rewriters: those that generator and critic bring along, which may be none."""
_NEEDED: Final = ("identity",)


def as_generator(given: object) -> Generator:
    """A generator by name, or the object itself if it is one.

    Raises:
        ConfigError: it is none.
    """
    return cast("Generator", make_part("generators", given, (*_NEEDED, "tasks")))


def as_critic(given: object) -> Critic:
    """A critic by name, or the object itself if it is one; a scalar reward becomes one.

    Raises:
        ConfigError: it is none.
    """
    made = create("critics", given, {}) if isinstance(given, str) else given
    return critic_of(given, made)


def as_rewriter(given: object) -> Rewriter:
    """A rewriter by name, or the object itself if it is one.

    Raises:
        ConfigError: it is none.
    """
    return cast("Rewriter", make_part("rewriters", given, _NEEDED))


def as_intent_check(given: object) -> IntentCheck:
    """An intent check by name, or the object itself if it is one.

    Raises:
        ConfigError: it is none.
    """
    return cast("IntentCheck", make_part("intent_checks", given, _NEEDED))


def as_evidence(given: object) -> Evidence:
    """Evidence by name, or the object itself if it is one.

    Raises:
        ConfigError: it is none.
    """
    return cast("Evidence", make_part("evidence", given, _NEEDED))


def make_chain(
    given: Iterable[Rewriter | str],
    generator: Generator,
    critic: Critic,
    make: Callable[[str], Rewriter] = as_rewriter,
) -> tuple[Rewriter, ...]:
    """The rewriters of a job, in order.

    Args:
        given: objects and names; `companions` stands for what generator and critic bring along.
        make: makes a rewriter by name.

    Raises:
        ConfigError: one is unknown, or no rewriter; or `companions` is all, and there are none.
    """
    chain = list(given)
    brought = [name for name in shared_companions(generator, critic).rewriters if name not in chain]
    spelled = [one for each in chain for one in (brought if each == COMPANIONS else (each,))]
    if chain and not spelled:
        raise ConfigError(
            f"rewriters = {chain!r} leaves none: this generator and this critic bring no rewriter "
            "along; add another, such as 'rules'"
        )
    return tuple(make(each) if isinstance(each, str) else as_rewriter(each) for each in spelled)


def companion_check(generator: Generator, critic: Critic) -> IntentCheck | None:
    """The intent check that generator and critic bring along, if they do.

    Raises:
        ConfigError: it is unknown.
    """
    name = shared_companions(generator, critic).intent_check
    return None if name is None else as_intent_check(name)


def make_part(group: Group, given: object, attributes: Iterable[str] = ()) -> object:
    """A part by name, or the object itself; it has the methods of its protocol.

    Args:
        attributes: what else it must have. They are not read: they may not be known before
            `connect`.

    Raises:
        ConfigError: it is unknown, or has not.
    """
    made = create(group, given, {}) if isinstance(given, str) else given
    require_protocol(group, given, made, attributes)
    return made
