"""A run does on the event loop's thread nothing that may hold it: no files, pictures, pages."""

from __future__ import annotations

import importlib.metadata
import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.ImageFile import ImageFile

from rr_refine import arefine, plugins
from rr_refine.agent.report.page import PAGES
from rr_refine.agent.review import Accept, Decision, EditPrompt, Pick, Reject, ReviewRequest
from rr_refine.errors import GeneratorRefused
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.terms import Identity, Task
from tests.agent.whole import UnreliableCritic, policy

SLOW: list[tuple[Any, str]] = [
    (os, "open"),
    (os, "write"),
    (os, "fsync"),
    (os, "replace"),
    (os, "scandir"),
    (Path, "glob"),
    (Image.Image, "save"),
    (Image.Image, "copy"),
    (Image.Image, "convert"),
    (Image.Image, "tobytes"),
    (ImageFile, "load"),
    (importlib.metadata, "entry_points"),
    (plugins, "entry_points"),
    (PAGES, "page"),
]


class Held:
    """What was done on this thread of all that is slow, and what anywhere."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here: list[str] = []
        self.anywhere: set[str] = set()
        self._thread = threading.current_thread()
        for owner, name in SLOW:
            monkeypatch.setattr(owner, name, self._watched(name, getattr(owner, name)))

    def _watched(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.anywhere.add(name)
            if threading.current_thread() is self._thread:
                files = [frame.filename for frame in traceback.extract_stack()]
                # Imports are done once; the fake critic is a part as users have them.
                if not any("importlib" in f or f.endswith("reward/fake.py") for f in files):
                    self.here.append("".join(traceback.format_stack(limit=6)))
            return work(*args, **kwargs)

        return watched


class Drawn:
    """Draws nothing when it is asked: its pictures are there. It refuses one prompt."""

    identity = Identity(kind="test", name="drawn")
    tasks: frozenset[Task] = frozenset({"t2i", "edit"})

    def __init__(self) -> None:
        shades = range(20, 240, 20)
        self._pictures = iter([Image.new("RGBA", (48, 32), (s, 90, 9, 255)) for s in shades])

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        if request.prompt.endswith("no hats"):
            raise GeneratorRefused("not that")
        return next(self._pictures)


async def test_nothing_holds_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source.png"
    Image.new("RGB", (48, 32), "red").save(source)
    decisions: list[Decision] = [
        Pick(candidate="r0c0"),
        Reject(reason="with a blue hat", revises=True),
        EditPrompt(prompt="no hats"),
    ]

    async def reviewer(question: ReviewRequest) -> Decision:
        return decisions.pop(0) if decisions else Accept()

    options: dict[str, Any] = {
        "image": source,
        "generator": Drawn(),
        "critic": UnreliableCritic(),
        "policy": policy(rounds=3, candidates=2, review=True),
        "reviewer": reviewer,
        "out": tmp_path / "runs",
        "run_id": "mine",
    }
    plugins._scan.cache_clear()
    held = Held(monkeypatch)
    run = await arefine("three red hats", **options)
    again = await arefine("three red hats", **options)  # all of it is looked up
    assert again.candidates == run.candidates
    monkeypatch.undo()
    assert not held.here, "\n\n".join(held.here)
    assert held.anywhere >= {"open", "fsync", "save", "copy", "entry_points", "page"}
    assert run.revisions
    assert len(run.candidates) == 6
    assert run.status == "done"
