"""Several equal critics as one: each request goes to the least busy of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar, cast

from pydantic import JsonValue

from rr_refine.component import Priced, call_hook, prices_of
from rr_refine.errors import ConfigError, CriticTimeout, CriticUnavailable
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison
from rr_refine.reward.critic import (
    ComparisonRequest,
    Critic,
    CritiqueRequest,
    PairwiseCritic,
    can_compare,
)
from rr_refine.terms import Identity

__all__ = ["CriticPool", "PairwiseCriticPool", "pool"]

T = TypeVar("T")


def pool(critics: Sequence[Critic], *, rest: float = 30.0) -> Critic:
    """`critics` as one, which can compare if all of them can.

    Args:
        critics: one or more that judge alike, such as copies of a model on several endpoints.
        rest: see `CriticPool`.

    Raises:
        ConfigError: there is none.
    """
    pairwise = [critic for critic in critics if can_compare(critic)]
    if len(pairwise) == len(critics):
        return PairwiseCriticPool(pairwise, rest=rest)
    return CriticPool(critics, rest=rest)


class CriticPool:
    """Several critics alike, such as copies of a model on several endpoints, as one.

    A request goes to the critic with the fewest under way. One that cannot be reached, or does not
    answer in time, is asked again only after a rest, or if the others cannot be reached either;
    its request goes to another.

    Args:
        critics: of equal identity, which `connect` checks.
        rest: seconds for which a critic that failed is set aside.

    Raises:
        ConfigError: there is none.
    """

    def __init__(self, critics: Sequence[Critic], *, rest: float = 30.0) -> None:
        if not critics:
            raise ConfigError("a pool of critics needs at least one")
        self._members = [_Member(critic) for critic in critics]
        self._rest = rest

    @property
    def wrapped(self) -> Critic:
        """The first, which speaks for all: see `rr_refine.component`."""
        return self._members[0].critic

    @property
    def prices(self) -> tuple[Priced, ...]:
        """Those of all of them."""
        return tuple(one for member in self._members for one in prices_of(member.critic))

    @property
    def identity(self) -> Identity:
        """That of each critic.

        Raises:
            ConfigError: it is not known yet; await `connect` first.
        """
        return self._members[0].critic.identity

    async def connect(self) -> None:
        """Connect all critics, and see that they judge alike.

        Raises:
            ConfigError: two differ in what their judgements depend on.
            CriticError: one cannot be reached.
        """
        for member in self._members:
            await call_hook(member.critic, "connect")
        for number, member in enumerate(self._members[1:], start=2):
            if differs := _differences(self.identity, member.critic.identity):
                raise ConfigError(
                    f"critics 1 and {number} of a pool would judge differently: "
                    f"{'; '.join(differs)}. Serve the same model everywhere"
                )

    async def aclose(self) -> None:
        """Close all critics."""
        async with AsyncExitStack() as stack:
            for member in self._members:
                stack.push_async_callback(call_hook, member.critic, "aclose")

    async def critique(self, request: CritiqueRequest) -> Assessment:
        """See `Critic.critique`.

        Raises:
            CriticUnavailable, CriticTimeout: all critics failed so; of the kind of the last.
            CriticError: as the critic that was asked.
        """
        return await self._ask(lambda critic: critic.critique(request))

    async def _ask(self, call: Callable[[Critic], Awaitable[T]]) -> T:
        """Ask the least busy, and the others after it as long as they cannot be reached."""
        waiting = list(self._members)
        while True:
            now = monotonic()
            member = min(waiting, key=lambda member: (member.rests_until > now, member.busy))
            waiting.remove(member)
            member.busy += 1
            try:
                answer = await call(member.critic)
            except (CriticUnavailable, CriticTimeout) as error:
                member.rests_until = monotonic() + self._rest
                if waiting:
                    continue
                if len(self._members) == 1:
                    raise
                message = f"all {len(self._members)} critics failed; the last one: {error}"
                raise type(error)(message) from error
            finally:
                member.busy -= 1
            member.rests_until = 0.0
            return answer


class PairwiseCriticPool(CriticPool):
    """A `CriticPool` of critics that can all compare."""

    def __init__(self, critics: Sequence[PairwiseCritic], *, rest: float = 30.0) -> None:
        super().__init__(critics, rest=rest)

    async def compare(self, request: ComparisonRequest) -> Comparison:
        """See `PairwiseCritic.compare`.

        Raises:
            CriticError: as for `critique`.
        """
        return await self._ask(lambda critic: cast("PairwiseCritic", critic).compare(request))


@dataclass(slots=True)
class _Member:
    """A critic and how it does."""

    critic: Critic
    busy: int = 0
    """Requests that are with it."""
    rests_until: float = 0.0
    """On the monotonic clock."""


def _differences(one: Identity, other: Identity) -> list[str]:
    """What differs between two identities, in words."""
    first, second = _flat(one), _flat(other)
    return [
        f"{key} {first.get(key)!r} and {second.get(key)!r}"
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    ]


def _flat(identity: Identity) -> dict[str, JsonValue]:
    return {"kind": identity.kind, "name": identity.name, **identity.details}
