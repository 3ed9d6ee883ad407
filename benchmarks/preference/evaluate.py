"""Evaluating: a critic is asked about every pair, and held against what people said.

OUT/preference.json   the result
OUT/table.md          the same as a table
OUT/pairs.jsonl       what was said about each pair, in the order of the answers
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from rr_refine.benchmarks.engine import run_many
from rr_refine.benchmarks.preference.item import PreferenceItem, PreferenceSet, Skipped, Truth
from rr_refine.benchmarks.preference.protocol import Mode, PairOutcome, measure_accuracy
from rr_refine.benchmarks.preference.results import DEFINITIONS, PreferenceResult, write_table
from rr_refine.errors import ConfigError, CriticAnswerError, CriticError, StoreError
from rr_refine.files import replace_file
from rr_refine.lines import LineFile
from rr_refine.reward.comparison import Winner
from rr_refine.reward.critic import ComparisonRequest, Critic, CritiqueRequest, can_compare
from rr_refine.reward.preferences.pair import Label, open_picture
from rr_refine.terms import SCORE_MAX, SCORE_MIN, Usage

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["evaluate_preference", "select"]

_EQUAL: Final = 1e-9
"""As for the sums of a comparison (`PairwiseCritique.winner`): rounding is no preference."""
_UNREADABLE: Final = "a picture that cannot be read"
_FORWARD: Final[dict[Winner, Label]] = {"a": "A", "b": "B", "tie": "tie"}
_REVERSE: Final[dict[Winner, Label]] = {"a": "B", "b": "A", "tie": "tie"}


def select(
    groups: Sequence[str], limit: int | None, shard: tuple[int, int] = (1, 1)
) -> frozenset[str]:
    """The groups to ask about: the first `limit`, then of those every n-th, from the i-th on.

    So the shards of a set are of nearly equal size, have nothing in common, and are all of it.

    Args:
        groups: of each row, in order.
        limit: groups at most; a pair of no group counts as one.
        shard: (i, n), i from 1.
    """
    index, count = shard
    return frozenset(list(dict.fromkeys(groups))[:limit][index - 1 :: count])


async def evaluate_preference(
    data: PreferenceSet,
    critic: Critic,
    out: Path,
    *,
    modes: Sequence[Mode] = ("pairwise",),
    limit: int | None = None,
    shard: tuple[int, int] = (1, 1),
    concurrency: int = 32,
    on_pair: Callable[[int, int, int], None] | None = None,
) -> PreferenceResult:
    """Ask about every pair that is selected; what fails is data, and wrong.

    A few pairs' pictures are in memory at a time.

    Args:
        data: the pairs.
        critic: connected; from a `Cache`, it is not asked again after an interruption.
        out: where the files go.
        modes: how to ask.
        limit: see `select`.
        shard: see `select`.
        concurrency: pairs under way at once.
        on_pair: called with the pairs done, those selected, and those that failed.

    Raises:
        ConfigError: the critic cannot compare, nothing is selected, or no picture can be read.
        StoreError: a file cannot be written.
    """
    if "pairwise" in modes and not can_compare(critic):
        raise ConfigError(
            f"critic {critic.identity.name!r} cannot compare two pictures: give --mode pointwise"
        )
    chosen = select(data.groups, limit, shard)
    owed = sum(group in chosen for group in data.groups)
    if not owed:
        raise ConfigError(f"nothing of {data.name} is selected; it has {len(data.groups)} pairs")
    next(data.read(), None)  # a file of another form is found before anything is written
    with _Questioning(critic, modes, out) as asking:
        done = 0

        async def one(found: PreferenceItem | Skipped) -> None:
            nonlocal done
            await asking.ask(found)
            done += 1
            if on_pair is not None:
                on_pair(done, owed, asking.failed)

        await run_many((one(found) for found in _found(data, chosen)), concurrency)
    asking.require_pictures()
    result = PreferenceResult(
        benchmark=data.name,
        files=dict(data.files),
        critic=critic.identity,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        modes=tuple(modes),
        selection=_selection(limit, shard),
        rows=owed,
        labels=dict(sorted(asking.labels.items())),
        skipped=dict(sorted(asking.skipped.items())),
        failures=dict(sorted(Counter(o.failure for o in asking.outcomes if o.failure).items())),
        measures=tuple(
            found
            for protocol in data.protocols
            for mode in modes
            if (found := measure_accuracy(protocol, mode, asking.outcomes, asking.broken))
        ),
        usage=sum((outcome.usage for outcome in asking.outcomes), Usage()),
        notes=data.notes,
        definitions={
            **DEFINITIONS,
            **{p.name: f"{p.definition} Official: {p.official.rule}." for p in data.protocols},
        },
    )
    try:
        replace_file(out / "table.md", write_table(result).encode(), durable=False)
        text = result.model_dump_json(indent=1) + "\n"
        replace_file(out / "preference.json", text.encode(), durable=True)
    except OSError as error:
        raise StoreError(f"cannot write the result to {str(out)!r}: {error}") from error
    return result


class _Questioning:
    """The questions to one critic, and what came of them. A context manager: it holds a file."""

    def __init__(self, critic: Critic, modes: Sequence[Mode], out: Path) -> None:
        self._critic = critic
        self._modes = modes
        self.outcomes: list[PairOutcome] = []
        self.labels: Counter[Truth] = Counter()
        self.skipped: Counter[str] = Counter()
        self.broken: set[str] = set()
        """Groups of which a pair was skipped."""
        self.failed = 0
        self._why = ""
        try:
            out.mkdir(parents=True, exist_ok=True)
            (out / "pairs.jsonl").unlink(missing_ok=True)  # all of it is said again
            self._file = LineFile(out / "pairs.jsonl")
        except OSError as error:
            raise StoreError(f"cannot write to {str(out)!r}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    async def ask(self, found: PreferenceItem | Skipped) -> None:
        """Ask in all modes, unless it is to be skipped."""
        if isinstance(found, Skipped):
            self._skip(found.group, found.reason)
            return
        try:
            pictures = await asyncio.to_thread(_Pictures.open, found)
        except ConfigError as error:
            self._why = str(error)
            self._skip(found.group, _UNREADABLE)
            return
        self.labels[found.truth] += 1
        for mode in self._modes:
            outcome = await self._outcome(found, mode, pictures)
            self.failed += outcome.failure is not None
            self.outcomes.append(outcome.model_copy(update={"message": None, "raw": None}))
            self._write(outcome)

    def require_pictures(self) -> None:
        """Not a single pair could be looked at: the data is not whole."""
        if not self.outcomes and self.skipped[_UNREADABLE]:
            raise ConfigError(f"not one pair's pictures can be read; the last: {self._why}")

    def _skip(self, group: str, reason: str) -> None:
        self.skipped[reason] += 1
        self.broken.add(group)

    async def _outcome(self, item: PreferenceItem, mode: Mode, pictures: _Pictures) -> PairOutcome:
        known = PairOutcome(
            id=item.id, group=item.group, size=item.size, mode=mode, truth=item.truth
        )
        ask = self._compare if mode == "pairwise" else self._score
        try:
            return known.model_copy(update=await ask(item.prompt, pictures))
        except CriticError as error:
            answer = error if isinstance(error, CriticAnswerError) else None
            return known.model_copy(
                update={
                    "failure": type(error).__name__,
                    "message": str(error),
                    "unanswered": answer is None,
                    "raw": None if answer is None else answer.raw,
                }
            )

    async def _compare(self, prompt: str, pictures: _Pictures) -> dict[str, object]:
        assert can_compare(self._critic)
        found = await self._critic.compare(
            ComparisonRequest(prompt, pictures.a, pictures.b, pictures.source)
        )
        return {
            "forward": _FORWARD[found.forward.winner],
            "reverse": _REVERSE[found.reverse.winner],
            "usage": found.usage,
        }

    async def _score(self, prompt: str, pictures: _Pictures) -> dict[str, object]:
        a, b = [
            await self._critic.critique(CritiqueRequest(prompt, picture, pictures.source))
            for picture in (pictures.a, pictures.b)
        ]
        gap = a.reward - b.reward
        verdict = "tie" if abs(gap) < _EQUAL else "A" if gap > 0 else "B"
        return {
            "forward": verdict,
            "reverse": verdict,
            "scores": tuple(SCORE_MIN + (SCORE_MAX - SCORE_MIN) * x.reward for x in (a, b)),
            "usage": a.usage + b.usage,
        }

    def _write(self, outcome: PairOutcome) -> None:
        try:
            self._file.append(outcome.model_dump_json(exclude_defaults=True).encode(), sync=False)
        except OSError as error:
            raise StoreError(f"cannot write the outcome of a pair: {error}") from error


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Of one pair, decoded."""

    a: Image.Image
    b: Image.Image
    source: Image.Image | None

    @classmethod
    def open(cls, item: PreferenceItem) -> Self:
        source = None if item.source is None else open_picture(item.source)
        return cls(open_picture(item.image_a), open_picture(item.image_b), source)


def _found(data: PreferenceSet, chosen: Collection[str]) -> Iterator[PreferenceItem | Skipped]:
    return (found for found in data.read() if found.group in chosen)


def _selection(limit: int | None, shard: tuple[int, int]) -> str:
    parts = [f"limit {limit}"] if limit is not None else []
    if shard[1] > 1:
        parts.append(f"shard {shard[0]}/{shard[1]}")
    return ", ".join(parts) or "all"
