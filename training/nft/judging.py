"""A critic that is asked while pictures are drawn: on an event loop of its own, in a thread."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from time import monotonic
from types import TracebackType
from typing import Self

import numpy as np
from anyio.from_thread import start_blocking_portal
from pydantic import JsonValue

from rr_refine.component import connected
from rr_refine.errors import ConfigError, CriticError, CriticTimeout, CriticUnavailable, RefineError
from rr_refine.plugins import create
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import Critic, CritiqueRequest
from rr_refine.reward.pool import pool
from rr_refine.reward.scalar import critic_of
from rr_refine.terms import DIMENSIONS, to_reward
from rr_refine.training.nft.advantage import Floats

__all__ = ["Scorer", "TooManyFailures", "make_critic"]

_PAUSES = (0.5, 1, 2, 4, 8, 16)
"""Seconds between two tries at a critic that cannot be reached; the last for all further ones."""


def make_critic(options: Mapping[str, JsonValue], endpoints: Sequence[str] = ()) -> Critic:
    """The critic of a recipe's section, or a pool of equal ones.

    Raises:
        ConfigError: there is no such critic, or it does not take these options.
    """
    rest = dict(options)
    use = rest.pop("use", None)
    if not isinstance(use, str):
        raise ConfigError(f"a critic needs `use`, the name of one, not {use!r}")
    each = [rest | {"base_url": address} for address in endpoints] or [rest]
    critics = [critic_of(use, create("critics", use, one)) for one in each]
    return pool(critics) if endpoints else critics[0]


class TooManyFailures(RefineError):
    """So many critiques of an epoch failed that nothing can be learnt from the others."""


class Scorer:
    """Scores of pictures as they come. A context: the critic is connected inside.

    Args:
        critic: see `make_critic`.
        concurrency: most critiques at once.
        patience: seconds for which one that cannot be reached is asked again.
    """

    def __init__(self, critic: Critic, concurrency: int, patience: float) -> None:
        self._critic = critic
        self._patience = patience
        self._gate = asyncio.Semaphore(concurrency)
        self._down_since: float | None = None
        self.failures: Counter[str] = Counter()
        """By error, since `begin`."""
        self.parts: dict[str, list[float]] = defaultdict(list)
        """Of rewards that are made of others: what each said, by name, since `begin`."""
        self.last = ""
        """The last failure since `begin`, in words."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal(name="rr-refine-nft-critic"))
            critic = self._portal.wrap_async_context_manager(connected([self._critic]))
            stack.enter_context(critic)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def begin(self) -> None:
        """Forget failures and parts of before."""
        self.failures.clear()
        self.parts.clear()
        self.last = ""

    def ask(self, requests: Sequence[CritiqueRequest]) -> Future[Floats]:
        """Scores in [0, 1], (N, D) in the order of `DIMENSIONS`: NaN for what does not apply, and
        a row of NaN for a failure.
        """
        return self._portal.start_task_soon(self._all, requests)

    async def _all(self, requests: Sequence[CritiqueRequest]) -> Floats:
        rows = await asyncio.gather(*(self._one(request) for request in requests))
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(DIMENSIONS))

    async def _one(self, request: CritiqueRequest) -> list[float]:
        async with self._gate:
            try:
                assessment = await self._patiently(request)
            except CriticError as error:
                self.failures[type(error).__name__] += 1
                self.last = str(error)
                return [np.nan] * len(DIMENSIONS)
        for critique in assessment.critiques:
            for name, value in critique.parts.items():
                self.parts[name].append(value)
        scores = [assessment.mean.get(name) for name in DIMENSIONS]
        return [np.nan if score is None else to_reward(score) for score in scores]

    async def _patiently(self, request: CritiqueRequest) -> Assessment:
        """Ask again while it cannot be reached, as long as it was reached not too long ago."""
        tries = 0
        while True:
            try:
                assessment = await self._critic.critique(request)
            except (CriticUnavailable, CriticTimeout):
                now = monotonic()
                self._down_since = now if self._down_since is None else self._down_since
                pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
                if now + pause - self._down_since > self._patience:
                    raise
                tries += 1
                await asyncio.sleep(pause)
            else:
                self._down_since = None
                return assessment
