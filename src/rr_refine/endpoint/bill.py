"""Who pays for the requests of an endpoint: asked before each is sent, and told what it cost.

A client sends a request again after a fault, and each time may be charged. Where nothing is known
about that, the most that it may cost is taken. Outside of `paid_by` nothing is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

__all__ = ["Bill", "Payer", "RequestCost", "current_bill", "current_payer", "paid_by"]

AnswerT_contra = TypeVar("AnswerT_contra", contravariant=True)

_FREE: Final = (401, 402, 404, 405, 429)
"""Statuses of requests that no service works on: no key, no money, no such model, too many."""
_INVALID: Final = (400, 413, 415, 422)
"""Of requests that cannot be done as they are, unless a filter says so."""


class Payer(Protocol):
    """Pays for requests."""

    @property
    def limited(self) -> bool:
        """Whether there is a limit, so that a request of unknown price cannot be sent."""
        ...

    async def reserve(self, work: str, most: float | None) -> str:
        """Set aside what a request may cost; gives the name of the entry.

        Args:
            work: what it is sent for.
            most: US dollars; None where no price is known.

        Raises:
            OverBudgetError: it could pass the limit.
        """
        ...

    def settle(self, entry: str, usd: float | None, *, assumed: bool) -> None:
        """A request has cost so much.

        Args:
            assumed: whether that is the most that it can have been.
        """
        ...


_PAYER: Final[ContextVar[tuple[Payer, str] | None]] = ContextVar("payer", default=None)
_BILL: Final[ContextVar[Bill | None]] = ContextVar("bill", default=None)


@contextmanager
def paid_by(payer: Payer, work: str) -> Iterator[None]:
    """Requests inside are sent for this work, and paid by this one."""
    token = _PAYER.set((payer, work))
    try:
        yield
    finally:
        _PAYER.reset(token)


def current_payer() -> Payer | None:
    """Who pays here."""
    found = _PAYER.get()
    return found and found[0]


@dataclass(frozen=True, slots=True)
class RequestCost(Generic[AnswerT_contra]):
    """What a request costs."""

    most: float | None
    """Before it is sent; None where no price is known."""
    told: Callable[[AnswerT_contra], tuple[float | None, bool]]
    """By its answer, and whether that is the most that it can be."""
    own: bool
    """Whether the server is one's own as far as can be seen: there is neither a price nor a key."""


class Bill:
    """What one request costs, however often it is sent.

    Args:
        cost: each time; None for what costs nothing, such as a list of models.
    """

    def __init__(self, cost: RequestCost[AnswerT_contra] | None) -> None:
        payer, self._work = _PAYER.get() or (None, "")
        counts = payer and cost and not (cost.own and not payer.limited)
        self._payer = payer if counts else None
        self._most = cost.most if cost else None
        self._open: str | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """It is the current one inside; what was sent and not settled by then is charged."""
        token = _BILL.set(self)
        try:
            yield
        finally:
            _BILL.reset(token)
            self.settle(self._most, assumed=True)

    async def send(self) -> None:
        """It is about to be sent.

        Raises:
            OverBudgetError: it could pass the limit.
        """
        self.settle(self._most, assumed=True)
        if self._payer is not None:
            self._open = await self._payer.reserve(self._work, self._most)

    def settle(self, usd: float | None, *, assumed: bool = False) -> None:
        """What was sent last has cost so much."""
        if self._payer is not None and self._open is not None:
            entry, self._open = self._open, None
            self._payer.settle(entry, usd, assumed=assumed)

    def refused(self, status: int, *, filtered: bool) -> None:
        """It was answered with an error.

        Args:
            filtered: whether a filter refused it, which may have looked at what was made.
        """
        if status in _FREE or (status in _INVALID and not filtered):
            self.settle(0.0)


def current_bill() -> Bill | None:
    """That of the request at work."""
    return _BILL.get()
