"""What a benchmark costs: said before it begins, limited, and said at its end.

OUT/charges.jsonl   every request to a service, see `rr_refine.agent.ledger`; where there is a price
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from rr_refine.agent.budget import dollars
from rr_refine.agent.feasible import require_priced
from rr_refine.agent.ledger import Ledger
from rr_refine.agent.policy import preset
from rr_refine.agent.store.journal import Journal
from rr_refine.cli.settings import Settings
from rr_refine.cli.text import plain, tell
from rr_refine.component import prices_of
from rr_refine.endpoint.bill import paid_by
from rr_refine.plain_text import dollars_set

__all__ = ["paying"]

_FILE: Final = "charges.jsonl"


@contextmanager
def paying(
    settings: Settings,
    parts: Iterable[object],
    out: Path,
    on_refused: Callable[[], None] | None = None,
) -> Iterator[Ledger | None]:
    """Inside, the ledger of `out` pays, within `budget.usd`; None where no part takes anything.

    Args:
        parts: connected; what they take is said.
        on_refused: see `Ledger`.

    Raises:
        ConfigError: the limit is none, or cannot be kept.
        StoreError: the ledger cannot be read or written.
    """
    asked = tuple(parts)
    budget = preset("refine", budget={"usd": settings.values.get("budget.usd")}).budget
    require_priced(budget, asked)
    prices = [price for part in asked for price in prices_of(part, own=budget.usd is not None)]
    if not prices and not (out / _FILE).exists():
        yield None
        return
    for words in dict.fromkeys(price.words for price in prices):
        tell(f"note: costs: {plain(words)}")
    with closing(Journal(out / _FILE)) as journal:
        ledger = Ledger(journal, on_refused)
        ledger.limit = budget.usd
        before = f"; {ledger.total} before" if str(ledger.total) else ""
        if budget.usd is None:
            tell(f"note: there is no limit of money; --budget-usd sets one for all of it{before}")
        else:
            tell(f"note: all of it may cost {dollars_set(budget.usd)} at most{before}")
        with paid_by(ledger, "benchmark"):
            yield ledger
        if ledger.refused_usd and budget.usd is not None:
            tell(
                f"{ledger.total} of {dollars_set(budget.usd)} is spent, and the next request could "
                "pass that: to go on, give a larger --budget-usd"
            )
        tell(f"cost       {str(ledger.total) or dollars(0)}, all sessions together")
