"""Protocols of evaluation: which pairs count, what is right, and what is in the denominator.

The published numbers of one benchmark are often of several protocols, and cannot be compared with
each other; so each number here has the name of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from rr_refine.benchmarks.preference.item import DECIDED, Truth
from rr_refine.reward.preferences.pair import Label
from rr_refine.statistics import Clusters, Estimate
from rr_refine.terms import Record, Usage

__all__ = [
    "EvaluationProtocol",
    "Mode",
    "OfficialRule",
    "Order",
    "PairOutcome",
    "ProtocolResult",
    "measure_accuracy",
]

Mode = Literal["pairwise", "pointwise"]
"""Both pictures side by side, or each alone."""

Order = Literal["forward", "reverse"]
"""Which picture was shown first: A, or B."""

_ORDERS: Final[tuple[Order, ...]] = get_args(Order)


class PairOutcome(Record):
    """A line of pairs.jsonl."""

    id: str
    group: str
    size: int
    """As `PreferenceItem.size`."""
    mode: Mode
    truth: Truth
    forward: Label | None = None
    """With A shown first; None where there is no answer that can be read."""
    reverse: Label | None = None
    """With B shown first, in the same names. Pointwise, where nothing has an order, the same."""
    scores: tuple[float, float] | None = None
    """Pointwise: the means of A and B, 1 to 4."""
    failure: str | None = None
    """The type of the error: `CriticTimeout`."""
    message: str | None = None
    unanswered: bool = False
    """It failed because the critic said nothing at all; an answer that cannot be read is one."""
    raw: str | None = None
    """The answer that could not be read, as it came; those that could are in the cache."""
    usage: Usage = Usage()

    def right(self, order: Order) -> bool:
        """Whether the critic, asked in this order, says what people said.

        One tie stands for both of theirs: it is accepted where both are good and where both are
        bad, as GenAI-Bench's script accepts a plain `[[A=B]]`.
        """
        verdict = self.forward if order == "forward" else self.reverse
        return verdict is not None and verdict == (
            "tie" if self.truth == "both_bad" else self.truth
        )


@dataclass(frozen=True, slots=True)
class OfficialRule:
    """How the official script comes to its number."""

    rule: str
    """In words, for the table."""
    modes: frozenset[Mode]
    """The modes that it can be computed for."""
    orders: tuple[Order, ...] = ("forward",)
    """Which of the two orders it looks at."""
    drops: Literal["nothing", "unanswered", "failed"] = "nothing"
    """What leaves its denominator: pairs without any answer, or those without a readable one,
    too. What does not is wrong."""


@dataclass(frozen=True, slots=True)
class EvaluationProtocol:
    """One way to count."""

    name: str
    definition: str
    official: OfficialRule
    truths: frozenset[Truth] = field(default_factory=lambda: frozenset(get_args(Truth)))
    """The labels that count; pairs with others are left out."""
    size: int | None = None
    """Count only groups of so many candidates."""
    grouped: bool = False
    """A group is right if all its pairs are."""

    def holds(self, outcome: PairOutcome) -> bool:
        """Whether a pair counts."""
        return outcome.truth in self.truths and self.size in (None, outcome.size)


class ProtocolResult(Record):
    """One critic by one protocol, in one mode."""

    mode: Mode
    protocol: str
    accuracy: Estimate
    """Ours: each order counts half, what failed is wrong."""
    both_orders: Estimate | None
    """Share that is right in both orders; None for pointwise, where there are none."""
    official: float | None
    """What the official script would have come to; None where it has no such number."""
    pairs: int
    """Pairs that count, with those that failed."""
    units: int
    """What is counted: these pairs, or their groups."""
    failures: dict[str, int]
    """Pairs without an answer that can be read, by error."""
    consistent: Estimate | None
    """Share of the answered pairs with the same verdict in both orders; None for pointwise."""
    first: Estimate | None
    """Share of the verdicts for a picture that name the one that was shown first: 0.5 where the
    place does not matter. None for pointwise, and where there are none."""
    ties: Estimate | None = None
    """Share of the verdicts that prefer neither picture; None where there are none."""


def measure_accuracy(
    protocol: EvaluationProtocol,
    mode: Mode,
    outcomes: Iterable[PairOutcome],
    broken: Collection[str] = (),
) -> ProtocolResult | None:
    """Count by a protocol.

    Args:
        protocol: how.
        mode: which of the outcomes.
        outcomes: of any modes.
        broken: groups that are not whole, as a pair was skipped; they cannot be counted as groups.

    Returns:
        None where no pair counts.
    """
    counted = [o for o in outcomes if o.mode == mode and protocol.holds(o)]
    if protocol.grouped:
        counted = [o for o in counted if o.group not in broken]
    if not counted:
        return None
    units = _units(protocol, counted)
    pairwise = mode == "pairwise"
    ours = _estimates(units)
    return ProtocolResult(
        mode=mode,
        protocol=protocol.name,
        accuracy=ours["accuracy"],
        both_orders=ours["both_orders"] if pairwise else None,
        official=_official(protocol, units) if mode in protocol.official.modes else None,
        pairs=len(counted),
        units=len(units),
        failures=dict(sorted(Counter(o.failure for o in counted if o.failure).items())),
        consistent=ours.get("consistent") if pairwise else None,
        first=ours.get("first") if pairwise else None,
        ties=ours.get("ties"),
    )


def _units(
    protocol: EvaluationProtocol, outcomes: Sequence[PairOutcome]
) -> list[list[PairOutcome]]:
    if not protocol.grouped:
        return [[outcome] for outcome in outcomes]
    groups: dict[str, list[PairOutcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.group, []).append(outcome)
    return list(groups.values())


def _official(protocol: EvaluationProtocol, units: Sequence[Sequence[PairOutcome]]) -> float | None:
    drops = protocol.official.drops
    votes: list[bool] = []
    for unit in units:
        kept = [
            o
            for o in unit
            if not (o.failure and drops == "failed")
            and not (o.unanswered and drops == "unanswered")
        ]
        size = unit[0].size
        whole = not protocol.grouped or len(kept) == size * (size - 1) // 2
        if kept:
            votes += [
                whole and all(o.right(order) for o in kept) for order in protocol.official.orders
            ]
    return sum(votes) / len(votes) if votes else None


def _estimates(units: Sequence[Sequence[PairOutcome]]) -> dict[str, Estimate]:
    """Shares, over groups; those of nothing are left out."""
    counted = [_count(unit) for unit in units]
    clusters = Clusters(len(units), groups=[unit[0].group for unit in units])
    found = {}
    for name in counted[0]:
        got, of = zip(*(count[name] for count in counted), strict=True)
        if items := int(sum(of)):
            found[name] = clusters.ratio(got, of).model_copy(update={"items": items})
    return found


def _count(unit: Sequence[PairOutcome]) -> dict[str, tuple[float, float]]:
    """What a unit adds to each share, as (got, of)."""
    forward, reverse = (all(o.right(order) for o in unit) for order in _ORDERS)
    answered = [o for o in unit if o.failure is None]
    verdicts = [(v, shown) for o in answered for v, shown in ((o.forward, "A"), (o.reverse, "B"))]
    named = [verdict == shown for verdict, shown in verdicts if verdict in DECIDED]
    return {
        "accuracy": ((forward + reverse) / 2, 1),
        "both_orders": (forward and reverse, 1),
        "consistent": (sum(o.forward == o.reverse for o in answered), len(answered)),
        "first": (sum(named), len(named)),
        "ties": (sum(verdict == "tie" for verdict, _ in verdicts), len(verdicts)),
    }
