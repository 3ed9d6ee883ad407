"""A published benchmark from end to end: arms run, pictures laid out, judged, scored, reported.

OUT/runs/<arm>/<item>/      the run, as `rr-refine` leaves it
OUT/pictures/<arm>/…        the official layout, and nothing else
OUT/judgements/<arm>/       what the official scoring script ingests
OUT/cache/                  renders, critiques and the judge's raw answers
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final, NoReturn

from pydantic import JsonValue

from rr_refine.agent.store.folder import image_path
from rr_refine.benchmarks.arms import Arm
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.definitions import WORSE_BY
from rr_refine.benchmarks.engine import read_trials, run_many
from rr_refine.benchmarks.item import Benchmark, Grader, Item, Mark
from rr_refine.benchmarks.judging import ATTEMPTS, Judging, StandIn
from rr_refine.benchmarks.published.protocol import Published
from rr_refine.benchmarks.question import Judge
from rr_refine.benchmarks.results import Noise, Provenance, Results, summarise
from rr_refine.benchmarks.trial import Trial
from rr_refine.errors import ConfigError, CriticError, CriticUnavailable, StoreError
from rr_refine.files import replace_file
from rr_refine.pictures import load_picture
from rr_refine.terms import Identity, Record

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Evaluation"]

_AT_ONCE: Final = 32
"""Pictures that are judged again at once; the judge bounds it further."""


class _Asked(Record):
    """OUT/judge.json."""

    judge: Identity
    wording: str
    files: dict[str, str]

    def __str__(self) -> str:
        files = ", ".join(f"{name} {digest[:8]}" for name, digest in self.files.items())
        return f"{self.judge.name!r} in words {self.wording!r} about {files}"


@dataclass(slots=True)
class Evaluation:
    """A published benchmark at work in a folder.

    Args:
        published: what is run.
        arms: how.
        out: the folder of `run_arms`.
        judge: connected; None leaves the pictures without marks, which a later session can add.
        cache: of the same folder.
        attempts: see `Judging`.
        worse_by: see `summarise`.
    """

    published: Published
    arms: Sequence[Arm]
    out: Path
    cache: Cache
    judge: Judge | StandIn | None = None
    attempts: int = ATTEMPTS
    worse_by: float = WORSE_BY

    def require_same_judge(self) -> None:
        """Refuse to mix the marks of two judges in one folder.

        Raises:
            ConfigError: another one, or one that was asked in other words or about other files,
                was at work here, or there is none now.
            StoreError: a file cannot be read.
        """
        path = self.out / "judge.json"
        if not path.exists():
            return
        try:
            theirs = _Asked.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from error
        mine = self._asked
        if mine is None:
            raise ConfigError(
                f"{str(self.out)!r} was judged by {theirs}: go on with the same judge, or give "
                "another --out"
            )
        if theirs != mine:
            raise ConfigError(
                f"{str(self.out)!r} was judged by {theirs}, and this would be {mine}: marks of two "
                "judges cannot be compared; give another --out"
            )

    @property
    def _asked(self) -> _Asked | None:
        if self.judge is None:
            return None
        return _Asked(
            judge=self.judge.identity,
            wording=self.published.wording,
            files=dict(self.published.files),
        )

    @property
    def benchmark(self) -> Benchmark:
        """For `run_arms`."""
        published = self.published
        grade: Grader = _no_judge
        if self.judge is not None:
            judging = self._judging
            asked = self._asked
            assert asked is not None

            async def grade(item: Item, image: Image.Image) -> Mark:
                path = self.out / "judge.json"
                if not path.exists():  # whose marks these are is on disk before the first of them
                    data = asked.model_dump_json(indent=1).encode() + b"\n"
                    await asyncio.to_thread(replace_file, path, data, durable=True)
                return await judging.mark(item, image)

        return Benchmark(
            name=published.name,
            items=published.items,
            grade=grade,
            worst=published.worst,
            dimensions=published.dimensions,
        )

    def lay_out(self) -> None:
        """Bring the pictures of all trials that are there into the official layout.

        Raises:
            StoreError: a file cannot be read or written.
        """
        items = {item.id: item for item in self.published.items}
        try:
            for trial in self.trials():
                if trial.result.shot is not None:
                    target = self._pictures(trial.arm) / self.published.picture(items[trial.item])
                    _link(image_path(self.out / trial.run, trial.result.shot.image), target)
        except OSError as error:
            raise StoreError(f"cannot lay out the pictures of {self.out}: {error}") from error
        for arm in self.arms:
            self._pictures(arm.name).mkdir(parents=True, exist_ok=True)
            self.published.lay_out(self._pictures(arm.name))

    def results(self, provenance: Provenance, noise: Noise | None = None) -> Results:
        """Score all trials that are there.

        Args:
            provenance: as far as the caller knows it; what the benchmark knows is filled in.

        Raises:
            StoreError: a file cannot be read or written.
        """
        official, further = self._score()
        return summarise(
            self.trials,
            self.arms,
            provenance.model_copy(
                update={
                    "wording": self.published.wording,
                    "files": dict(self.published.files),
                    "notes": self.published.notes,
                    "judge_is_critic": provenance.judge is not None
                    and provenance.judge.name == provenance.critic.name,
                }
            ),
            dimensions=self.published.dimensions if self.judge is not None else (),
            official=official,
            extra_views=further,
            noise=noise,
            worse_by=self.worse_by,
        )

    def trials(self) -> Iterator[Trial]:
        """Those of the benchmark's items and arms, one at a time."""
        arms, items = {arm.name for arm in self.arms}, {item.id for item in self.published.items}
        return (t for t in read_trials(self.out) if t.arm in arms and t.item in items)

    def preflight(self) -> dict[str, list[str]]:
        """What the official script would stumble over, by arm; see `Published.preflight`."""
        return {arm.name: self.published.preflight(self._pictures(arm.name)) for arm in self.arms}

    async def noise(self, pictures: int) -> Noise | None:
        """The judge against itself: pictures of the first arm, judged once more.

        Args:
            pictures: how many; where a second answer cannot be had or read, one less.

        Raises:
            StoreError: an answer cannot be kept.
        """
        if self.judge is None or not pictures:
            return None
        judging = self._judging
        items = {item.id: item for item in self.published.items}
        first = (t for t in self.trials() if t.arm == self.arms[0].name and t.result.mark)
        pairs: list[tuple[Mark, Mark]] = []

        async def again(trial: Trial) -> None:
            shot, mark = trial.result.shot, trial.result.mark
            assert shot is not None and mark is not None
            file = image_path(self.out / trial.run, shot.image)
            image = await asyncio.to_thread(load_picture, file)
            with suppress(CriticError):
                pairs.append((mark, await judging.mark(items[trial.item], image, turn=1)))

        await run_many((again(trial) for trial in islice(first, pictures)), _AT_ONCE)
        if not pairs:
            return None
        return Noise(
            pictures=len(pairs),
            difference=fmean(abs(a.score - b.score) for a, b in pairs),
            flipped=fmean(a.exact != b.exact for a, b in pairs),
        )

    def _score(self) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
        """Write all judgements as the official scripts ingest them; gives, by arm, what those make
        of them, and what else can be read from them.
        """
        official: dict[str, JsonValue] = {}
        further: dict[str, JsonValue] = {}
        if self.judge is None:
            return official, further
        judging = self._judging
        made: dict[str, dict[str, str]] = {arm.name: {} for arm in self.arms}
        for trial in self.trials():
            if trial.result.shot is not None:
                made[trial.arm][trial.item] = trial.result.shot.image
        for arm, pictures in made.items():
            judged = {
                item.id: judging.answers(item, pictures[item.id])
                for item in self.published.items
                if item.id in pictures  # the official scripts never come to ask about others
            }
            self.published.write_judgements(
                self.out / "judgements" / arm, self._pictures(arm), judged
            )
            official[arm] = self.published.official(judged)
            if views := self.published.views(judged):
                further[arm] = views
        return official, further

    @property
    def _judging(self) -> Judging:
        assert self.judge is not None
        return Judging(self.published, self.judge, self.cache, self.attempts)

    def _pictures(self, arm: str) -> Path:
        return self.out / "pictures" / arm


async def _no_judge(item: Item, image: Image.Image) -> NoReturn:
    del item, image
    raise CriticUnavailable("there is no judge; give one with --judge-url, and --resume")


def _link(source: Path, target: Path) -> None:
    """The same file at a second place where that can be, else a copy."""
    if target.exists():
        if target.samefile(source):
            return
        target.unlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
