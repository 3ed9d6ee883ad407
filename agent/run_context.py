"""A run at work: its folder, found or new, open for the graph."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from rr_refine.agent.feasible import require_feasible
from rr_refine.agent.follow_up import FollowUp, reopen
from rr_refine.agent.job import Job
from rr_refine.agent.manifest import check_config, config_of, differences, identity_of
from rr_refine.agent.session import at_work
from rr_refine.agent.state import RunContext
from rr_refine.agent.store.folder import RunFolder, new_run_name, slug
from rr_refine.component import connected
from rr_refine.digest import digest
from rr_refine.errors import StoreError, StoreLockedError
from rr_refine.named import require_path
from rr_refine.threads import in_thread

__all__ = ["folder_for", "run_context"]

_BEGUN: Final = ("samples.jsonl", "events.jsonl")
"""Empty files of a run folder that has no config yet."""


def folder_for(job: Job, out: Path, *, private: bool = True) -> RunFolder:
    """The folder in `out` of the run with the job's id, or of an unfinished run of the same job.

    Else it is a new one.

    The job's components must be connected: their identities are part of what is the same.

    Args:
        private: a new folder is for this user alone.

    Raises:
        StoreLockedError: that run is being worked on.
        StoreError: the folder cannot be created, or holds something else.
    """
    if job.run_id is not None:
        path = require_path(out / job.run_id)
        if path.is_symlink():
            raise StoreError(f"{str(path)!r} is a link; links in here are not followed")
        if path.is_dir():
            _require_ours(path, job)
        return RunFolder(path, private=private)
    config = config_of(job)
    identity = identity_of(config)
    for path in sorted(out.glob(f"*-{identity[:8]}-*"), reverse=True):
        if path.is_symlink():
            continue
        try:
            folder = RunFolder(path, lock=False)
            manifest, earlier = map(folder.read_json, ("manifest.json", "config.json"))
            same = isinstance(earlier, dict) and not differences(config, earlier)
        except (StoreError, ValidationError):  # not ours to go on with
            continue
        if same and isinstance(manifest, dict) and manifest.get("identity") == identity:
            if manifest.get("status") == "done":
                break
            try:
                return RunFolder(path)
            except StoreLockedError as error:
                raise StoreLockedError(
                    f"the same request is at work in {str(path)!r}: wait for it, or give a run_id "
                    "of your own for another run"
                ) from error
    return RunFolder(out / new_run_name(job.request.prompt, identity), private=private)


def _require_ours(path: Path, job: Job) -> None:
    """See that a folder holds the run of the job, or is as a killed process left it that had just
    made it. Nothing is written before: it may be somebody else's.

    Raises:
        ConfigError: it holds another run.
        StoreError: it holds something else, or cannot be read.
    """
    with RunFolder(path, lock=False) as folder:
        if folder.read_json("config.json") is not None:
            check_config(folder, job)
            return
    for entry in path.iterdir():
        begun = entry.name in _BEGUN and not entry.lstat().st_size
        if not begun and not re.fullmatch(r"\.lock|\.config\.json\.\w+\.part", entry.name):
            raise StoreError(f"{str(path)!r} holds other files: give another run_id")


@asynccontextmanager
async def run_context(
    job: Job,
    out: Path | str,
    *,
    private: bool = True,
    follow_up: FollowUp | None = None,
    caller: str | None = None,
) -> AsyncIterator[RunContext]:
    """A run of the job in its folder, for the graph: `graph.ainvoke(…, context=context)`.

    Inside, the job's components are connected, and no other process works on the folder. It holds
    all that a run of `arefine` has: config and manifest at once, status and report at the end.

    To resume, in this process or another, open the run again and use the same thread: with
    `make_job(…, run_id=…)`, the caller's own or `context.run_id` of the first time. Without one
    the newest unfinished run of the same job is opened.

    Args:
        out: the folder that holds the run folders.
        private: a new run folder is for this user alone.
        follow_up: what the job was made of; where `go_on` gave it, its run goes on from its end.
        caller: who asks, where the same job of another is another run: makes an id if there is
            none, which is the same for the same job of the same caller.

    Raises:
        ConfigError: the job cannot be done, or the run of this id is of another job.
        StoreLockedError: that run is being worked on.
        RefineError: a component cannot be reached, or the folder cannot be written.
    """
    out = require_path(out)
    async with connected(job.components):
        await in_thread(config_of, job)  # identities, some of which are read from many files
        await require_feasible(
            job.request, job.generator, job.critic, job.sources, lineage=job.lineage
        )
        if follow_up is not None and follow_up.decision is not None:
            find = partial(reopen, job, follow_up)
        else:
            if caller is not None and job.run_id is None:
                told = digest({"caller": caller, "job": identity_of(config_of(job))})
                job = replace(job, run_id=f"{slug(job.request.prompt)}-{told[:12]}")
            find = partial(folder_for, job, out, private=private)
        with ExitStack() as opened:
            folder = await in_thread(lambda: opened.enter_context(find()))
            async with at_work(folder, job) as context:
                yield context
