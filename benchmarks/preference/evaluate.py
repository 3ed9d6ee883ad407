"""Evaluation: a critic is asked about every pair, and compared with what people said.

OUT/preference.json   the result
OUT/table.md          the same as a table
OUT/pairs.jsonl       what was said about each pair, in the order of the answers
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from rr_refine.agent.budget import Cost
from rr_refine.agent.manifest import versions
from rr_refine.benchmarks.engine import run_many
from rr_refine.benchmarks.preference.item import PreferenceItem, PreferenceSet, Skipped
from rr_refine.benchmarks.preference.protocol import Mode, PairOutcome, measure_accuracy
from rr_refine.benchmarks.preference.results import DEFINITIONS, PreferenceResult, write_table
from rr_refine.boundary import raised_as
from rr_refine.errors import (
    ConfigError,
    CriticAnswerError,
    CriticError,
    OverBudgetError,
    StoreError,
)
from rr_refine.files import make_folder, remove_file, replace_file
from rr_refine.lines import LineFile
from rr_refine.reward.comparison import Winner
from rr_refine.reward.critic import ComparisonRequest, Critic, CritiqueRequest, can_compare
from rr_refine.reward.preferences.pair import Label, open_picture
from rr_refine.terms import SCORE_MAX, SCORE_MIN, Usage

__all__ = ["evaluate_preference", "select"]

T = TypeVar("T", bound=Hashable)

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
    cost: Callable[[], Cost | None] = lambda: None,
) -> PreferenceResult:
    """Ask about every selected pair. A failed answer is recorded, and counts as wrong; what a
    budget does not allow is not asked, and counts nowhere.

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
        cost: what was paid so far, asked at the end.

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
    outcomes: list[PairOutcome] = []
    skipped: list[Skipped] = []
    unasked: list[str] = []
    with closing(_new_file(out)) as file:
        done = 0

        async def ask(item: PreferenceItem | Skipped) -> None:
            nonlocal done
            try:
                answer = await _ask(critic, item, modes)
            except OverBudgetError:  # one of a later pair may be in the cache, or cost less
                unasked.append(item.group)
                return
            if isinstance(answer, Skipped):
                skipped.append(answer)
            else:
                _write(file, answer)
                outcomes.extend(o.model_copy(update={"message": None, "raw": None}) for o in answer)
            done += 1
            if on_pair is not None:
                on_pair(done, owed, sum(o.failure is not None for o in outcomes))

        await run_many((ask(item) for item in data.read() if item.group in chosen), concurrency)
    unreadable = [found.detail for found in skipped if found.reason == _UNREADABLE]
    if unreadable and not outcomes:
        raise ConfigError(f"not one pair's pictures can be read; the last: {unreadable[-1]}")
    torn = {*(found.group for found in skipped), *unasked}
    result = PreferenceResult(
        benchmark=data.name,
        files=dict(data.files),
        critic=critic.identity,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        modes=tuple(modes),
        selection=_selection(limit, shard),
        rows=owed,
        labels=_counts(o.truth for o in outcomes if o.mode == modes[0]),
        skipped=_counts(found.reason for found in skipped),
        failures=_counts(o.failure for o in outcomes if o.failure),
        not_asked=len(unasked),
        measures=tuple(
            found
            for protocol in data.protocols
            for mode in modes
            if (found := measure_accuracy(protocol, mode, outcomes, torn))
        ),
        usage=sum((outcome.usage for outcome in outcomes), Usage()),
        cost=cost(),
        notes=data.notes,
        definitions={
            **DEFINITIONS,
            **{p.name: f"{p.definition} Official: {p.official.rule}." for p in data.protocols},
        },
    )
    with raised_as(StoreError, f"cannot write the result to {str(out)!r}"):
        replace_file(out / "table.md", write_table(result).encode(), durable=False)
        text = result.model_dump_json(indent=1) + "\n"
        replace_file(out / "preference.json", text.encode(), durable=True)
    return result


async def _ask(
    critic: Critic, item: PreferenceItem | Skipped, modes: Sequence[Mode]
) -> list[PairOutcome] | Skipped:
    """Ask about a pair in all modes, unless it is to be skipped."""
    if isinstance(item, Skipped):
        return item
    try:
        request = await asyncio.to_thread(_open, item)
    except ConfigError as error:
        return Skipped(item.id, item.group, _UNREADABLE, str(error))
    return [await _outcome(critic, item, mode, request) for mode in modes]


async def _outcome(
    critic: Critic, item: PreferenceItem, mode: Mode, request: ComparisonRequest
) -> PairOutcome:
    known = PairOutcome(id=item.id, group=item.group, size=item.size, mode=mode, truth=item.truth)
    ask = _compare if mode == "pairwise" else _score
    try:
        return known.model_copy(update=await ask(critic, request))
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


async def _compare(critic: Critic, request: ComparisonRequest) -> dict[str, object]:
    assert can_compare(critic)
    found = await critic.compare(request)
    return {
        "forward": _FORWARD[found.forward.winner],
        "reverse": _REVERSE[found.reverse.winner],
        "usage": found.usage,
    }


async def _score(critic: Critic, request: ComparisonRequest) -> dict[str, object]:
    a, b = [
        await critic.critique(CritiqueRequest(request.prompt, picture, request.source))
        for picture in (request.image_a, request.image_b)
    ]
    gap = a.reward - b.reward
    better = "tie" if abs(gap) < _EQUAL else "A" if gap > 0 else "B"
    return {
        "forward": better,
        "reverse": better,
        "scores": tuple(SCORE_MIN + (SCORE_MAX - SCORE_MIN) * x.reward for x in (a, b)),
        "usage": a.usage + b.usage,
    }


def _open(item: PreferenceItem) -> ComparisonRequest:
    """A pair with its pictures decoded."""
    source = None if item.source is None else open_picture(item.source)
    return ComparisonRequest(
        item.prompt, open_picture(item.image_a), open_picture(item.image_b), source
    )


def _new_file(out: Path) -> LineFile:
    with raised_as(StoreError, f"cannot write to {str(out)!r}"):
        make_folder(out)
        remove_file(out / "pairs.jsonl")  # all of it is said again
        return LineFile(out / "pairs.jsonl")


def _write(file: LineFile, outcomes: Sequence[PairOutcome]) -> None:
    with raised_as(StoreError, "cannot write the outcome of a pair"):
        for outcome in outcomes:
            file.append(outcome.model_dump_json(exclude_defaults=True).encode(), sync=False)


def _counts(found: Iterable[T]) -> dict[T, int]:
    return dict(sorted(Counter(found).items(), key=str))


def _selection(limit: int | None, shard: tuple[int, int]) -> str:
    parts = [f"limit {limit}"] if limit is not None else []
    if shard[1] > 1:
        parts.append(f"shard {shard[0]}/{shard[1]}")
    return ", ".join(parts) or "all"
