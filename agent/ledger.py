"""The ledger of a run, or of many together: what is paid to services, as a journal has it.

Every request has an entry, written with the most that it may cost before it is sent and again with
what it did cost. So a session that was killed has paid for what was under way, and failures, which
are owed again, have been paid for too. What is found in the journal costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from pydantic import Field, ValidationError

from rr_refine.agent.budget import Cost, dollars, may_cost
from rr_refine.agent.store.journal import Journal
from rr_refine.endpoint.bill import current_payer, paid_by
from rr_refine.errors import ConfigError, OverBudgetError, StoreError
from rr_refine.invalid import told_invalid
from rr_refine.plain_text import dollars_set
from rr_refine.terms import Record

__all__ = ["Ledger", "cost_in"]


class _Entry(Record):
    work: str
    """What the request was sent for: kind and key of the item in the journal."""
    usd: float | None = Field(ge=0)
    """US dollars; None where no price is known."""
    assumed: bool
    """Whether that is the most that it can have been."""

    @property
    def cost(self) -> Cost:
        if self.usd is None:
            return Cost(unpriced=1)
        return Cost(usd=self.usd, assumed_usd=self.usd if self.assumed else 0.0)


class Ledger:
    """What was paid, in this session and before.

    A ledger that is made where another one pays is a part of that: it spends no more than both
    allow, and both have every entry.

    Args:
        on_refused: called when a request was refused, before that is raised.
    """

    def __init__(self, journal: Journal, on_refused: Callable[[], None] | None = None) -> None:
        self._journal = journal
        self._on_refused = on_refused
        self._whole = current_payer()
        self._in_whole: dict[str, str] = {}
        self._entries = _entries_in(journal)
        self._open: set[str] = set()
        self._asked: set[str] = set()
        self.total = _sum(self._entries.values())
        """All that was paid, in every session."""
        self.so_far = Cost()
        """What the work has cost that was asked for in this session, whenever it was done; without
        what is under way.
        """
        self._changed = asyncio.Event()
        self.limit: float | None = None
        """US dollars that no request may pass."""
        self.refused_usd = 0.0
        """What the request that was refused last could have cost, beyond `so_far`."""

    def working(self, kind: str, key: str) -> AbstractContextManager[None]:
        """An item of the journal is asked for; requests inside are sent for it."""
        if (work := f"{kind} {key}") not in self._asked:
            self._asked.add(work)
            self.so_far += _sum(entry for entry in self._entries.values() if entry.work == work)
        return paid_by(self, work)

    @property
    def limited(self) -> bool:
        """See `rr_refine.endpoint.bill.Payer`."""
        return self.limit is not None or (self._whole is not None and self._whole.limited)

    async def reserve(self, work: str, most: float | None) -> str:
        """See `rr_refine.endpoint.bill.Payer`. What may still turn out to cost less is waited for.

        Raises:
            OverBudgetError: it could pass the limit.
            ConfigError: there is one, and the price is not known.
        """
        whole = None if self._whole is None else await self._whole.reserve(work, most)
        try:
            await self._require(most)
        except BaseException:
            if self._whole is not None and whole is not None:
                self._whole.settle(whole, 0.0, assumed=False)
            raise
        number = str(len(self._entries))
        self._open.add(number)
        if whole is not None:
            self._in_whole[number] = whole
        self._write(number, _Entry(work=work, usd=most, assumed=True))
        return number

    async def _require(self, most: float | None) -> None:
        """See that a request may be sent; see `reserve`."""
        while self.limit is not None:
            if most is None:
                raise ConfigError("budget.usd cannot be kept: a part asks a service of no price")
            if may_cost(self.limit, (spent := self.total.usd) + most):
                break
            if not self._open:
                self.refused_usd = spent + most - self.so_far.usd
                if self._on_refused is not None:
                    self._on_refused()
                    await asyncio.sleep(0)  # who waits for it comes first
                raise OverBudgetError(
                    f"not asked: it may cost up to {dollars(most)}, and {dollars(spent)} of "
                    f"{dollars_set(self.limit)} is spent"
                )
            await self._changed.wait()

    def settle(self, number: str, usd: float | None, *, assumed: bool) -> None:
        """See `rr_refine.endpoint.bill.Payer`."""
        if self._whole is not None and number in self._in_whole:
            self._whole.settle(self._in_whole.pop(number), usd, assumed=assumed)
        before = self._entries[number]
        entry = before.model_copy(update={"usd": usd, "assumed": assumed})
        self._open.discard(number)
        self.so_far += entry.cost
        if entry != before:
            self._write(number, entry)
        self._changed.set()
        self._changed = asyncio.Event()

    def _write(self, number: str, entry: _Entry) -> None:
        self.total += entry.cost
        if (before := self._entries.get(number)) is not None:
            self.total -= before.cost
        self._entries[number] = entry
        self._journal.put("charge", number, entry.model_dump(mode="json"))


def cost_in(journal: Journal) -> Cost:
    """What a run has paid, by its journal.

    Raises:
        StoreError: an entry is none.
    """
    return _sum(_entries_in(journal).values())


def _sum(entries: Iterable[_Entry]) -> Cost:
    return sum((entry.cost for entry in entries), Cost())


def _entries_in(journal: Journal) -> dict[str, _Entry]:
    try:
        return {number: _Entry.model_validate(item) for number, item in journal.items("charge")}
    except ValidationError as error:
        raise StoreError(
            f"a charge in {journal.path} cannot be read: {told_invalid(error)}"
        ) from error
