"""Runs that ended early: what is kept, and how they go on."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from rr_refine.agent.review import Accept, Decision
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewrites
from rr_refine.agent.run import Run, load_run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import CriticUnavailable, RewriteError, StoreError, StoreLockedError
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.terms import Identity
from tests.agent.full_disk import FullDisk
from tests.agent.records import only_run, record
from tests.agent.whole import UnreliableCritic, UnreliableGenerator, policy, run
from tests.commands import Commands


@pytest.fixture(scope="module")
def whole_record(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    done = asyncio.run(run(tmp_path_factory.mktemp("whole")))
    return record(done.path)


# A run of this size writes about 40 kB: config, manifest, events, journal, pictures, result.
@pytest.mark.parametrize("room", [0, 1, 1500, 2500, *range(4000, 34000, 3000)])
async def test_a_full_disk_ends_the_run_and_loses_nothing(
    tmp_path: Path, room: int, whole_record: dict[tuple[str, str], Any]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        disk = FullDisk(patch, room)
        with pytest.raises(StoreError, match="No space left"):
            await run(tmp_path)
        assert disk.hits
    folder = only_run(tmp_path)
    before = record(folder)
    assert before.items() <= whole_record.items()
    done = await run(tmp_path)
    # Without its manifest there is nothing yet that could be gone on with.
    assert (done.path == folder) == (folder / "manifest.json").exists()
    assert record(done.path) == whole_record
    assert not list(folder.rglob("*.part"))
    assert [e.type for e in done.events()][-1] == "run-finished"


@pytest.mark.parametrize("size", [1300, 2500, 4000, 5500])
def test_files_that_cannot_grow(commands: Commands, size: int) -> None:
    """The kernel's own refusal."""
    request = (
        "three red hats",
        "--generator=fake",
        "--set",
        "generator.width=48",
        "--set",
        "generator.height=32",
    )
    full = commands.run(*request, file_size=size)
    assert full.code == 1
    assert "Traceback" not in full.stderr
    assert "error: store error: " in full.stderr.splitlines()[-1]
    again = commands.run(*request)
    assert again.code == 0, again.stderr


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    async def second(_: object) -> Decision:
        with pytest.raises(StoreLockedError, match="the same request is at work in"):
            await run(tmp_path, policy=reviewed, reviewer=second)
        return Accept()

    reviewed = policy(review=True)
    done = await run(tmp_path, policy=reviewed, reviewer=second)
    assert done.path == only_run(tmp_path)
    assert done.status == "done"
    with RunFolder(done.path, lock=False) as readable:
        assert list(readable.journal.items("outcome"))
        with pytest.raises(StoreError, match="reading only"):
            readable.journal.put("outcome", "outcome", {})


async def test_a_finished_run_is_not_gone_on_with(tmp_path: Path) -> None:
    first = await run(tmp_path)
    second = await run(tmp_path)
    assert first.status == second.status == "done"
    assert first.path != second.path


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "four red hats"},
        {"seed": 1},
        {"keep": ["red"]},
        {"avoid": ["blue"]},
        {"parameters": {"width": 64}},
        {"policy": policy(rounds=3)},
        {"rewriters": ["rules"]},
        {"settings": {"note": "another"}},
    ],
)
async def test_another_job_is_another_run(tmp_path: Path, change: dict[str, Any]) -> None:
    dying = UnreliableCritic([CriticUnavailable("gone")])
    first = await run(tmp_path, critic=dying)
    other = await run(tmp_path, **change)
    assert other.path != first.path
    assert (await run(tmp_path)).path == first.path


class Moody:
    """A rewriter that fails as planned, and else has its own idea of a prompt."""

    identity = Identity(kind="moody", name="moody")

    def __init__(self, *moods: str | None) -> None:
        self.moods = iter(moods)

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        idea = next(self.moods)
        if idea is None:
            raise RewriteError("not today")
        return Rewrites(proposals=(Rewrite(prompt=f"{context.request.prompt}, {idea}"),))


async def test_another_course_leaves_nothing_of_the_first_behind(tmp_path: Path) -> None:
    """A rewriter that had failed comes to other prompts when the run is gone over again."""

    async def go(moody: Moody, *faults: Exception | None) -> Run:
        critic = UnreliableCritic(faults)
        return await run(
            tmp_path, critic=critic, rewriters=[moody, "rules"], policy=policy(rounds=4)
        )

    gone = CriticUnavailable("gone")
    first = await go(Moody(None, None, None), None, None, None, gone)
    assert [c.origin for c in first.candidates] == ["request", "rules", "rules", "rules"]
    second = await go(Moody("in fog", "in rain"), None, gone)
    assert second.path == first.path
    assert [c.origin for c in second.candidates] == ["request", "moody", "moody"]
    assert second.outcome is not None
    assert second.outcome.candidates == second.candidates
    assert load_run(second.path).outcome == second.outcome


async def test_a_failed_end_does_not_hide_what_came_after(tmp_path: Path) -> None:
    """The outcome of a failed session is no longer true once the run has gone on."""
    going = asyncio.Event()

    class Hanging(UnreliableCritic):
        async def critique(self, request: CritiqueRequest) -> Assessment:
            if len(self.requests) == 1:
                going.set()
                await asyncio.Event().wait()
            return await super().critique(request)

    dying = UnreliableCritic([None, CriticUnavailable("gone")])
    failed = await run(tmp_path, critic=dying, policy=policy(rounds=3))
    assert failed.outcome is not None
    task = asyncio.create_task(run(tmp_path, critic=Hanging(), policy=policy(rounds=3)))
    await going.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left = load_run(failed.path)
    assert left.outcome is None
    assert [c.id for c in left.candidates] == ["r0c0", "r1c0"]
    assert left.best is not None
    assert left.best.id == "r1c0"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("samples.jsonl", "nonsense\n{}\n"),
        ("samples.jsonl", '{"kind": "round", "key": "r0", "value": {}}\n'),
        ("samples.jsonl", '{"kind": "outcome", "key": "outcome", "value": {}}\n'),
        ("config.json", "{"),
        ("config.json", '{"request": {}}'),
        ("config.json", None),
        ("manifest.json", "{}"),
        ("manifest.json", '{"status": "sleeping"}'),
    ],
)
async def test_a_spoiled_folder_says_so(tmp_path: Path, name: str, text: str | None) -> None:
    done = await run(tmp_path)
    (done.path / name).unlink()
    if text is not None:
        (done.path / name).write_text(text)
    with pytest.raises(StoreError, match=re.escape(str(done.path))):
        load_run(done.path)


async def test_a_lost_picture_is_rendered_again(tmp_path: Path) -> None:
    first = await run(tmp_path, critic=UnreliableCritic([None, CriticUnavailable("gone")]))
    for picture in first.path.glob("images/*/*.png"):
        picture.unlink()
    making = UnreliableGenerator()
    again = await run(tmp_path, generator=making)
    assert again.path == first.path
    assert len(making.requests) == 2
    assert again.best is not None
    assert again.image(again.best).size == (48, 32)
