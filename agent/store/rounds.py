"""Rounds in the journal: what was tried and what was best, round after round.

A run that goes on is gone over from the beginning, and may take another course where a failure is
made good. Each round names the one that it was built on, so that rounds of an earlier
course are not taken for rounds of this one.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from rr_refine.agent.history import Candidate
from rr_refine.agent.store.journal import Journal
from rr_refine.digest import digest
from rr_refine.terms import Record

__all__ = ["Round", "read_rounds", "round_item"]


class Round(Record):
    """A finished round."""

    after: str | None
    """Digest of the round before it, as it stands in the journal."""
    incumbent: str | None
    """Id of the best candidate so far."""
    candidates: tuple[Candidate, ...]
    """Those of this round."""


def round_item(
    journal: Journal, candidates: Sequence[Candidate], incumbent: Candidate | None
) -> tuple[str, dict[str, JsonValue]]:
    """Key and value of the last round's item.

    Args:
        candidates: all so far.
        incumbent: the best of them.
    """
    number = candidates[-1].round
    item = Round(
        after=_digest(journal.get("round", f"r{number - 1}")),
        incumbent=None if incumbent is None else incumbent.id,
        candidates=tuple(c for c in candidates if c.round == number),
    )
    return f"r{number}", item.model_dump(mode="json")


def read_rounds(journal: Journal) -> tuple[Round, ...]:
    """The finished rounds, in order.

    Raises:
        pydantic.ValidationError: an item is no round.
    """
    rounds: list[Round] = []
    before: JsonValue = None
    while (item := journal.get("round", f"r{len(rounds)}")) is not None:
        found = Round.model_validate(item)
        if found.after != _digest(before):
            break
        rounds.append(found)
        before = item
    return tuple(rounds)


def _digest(item: JsonValue) -> str | None:
    return digest(item) if isinstance(item, dict) else None
