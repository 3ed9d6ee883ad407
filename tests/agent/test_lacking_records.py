"""Runs of older versions, and of others: what their records lack is no internal error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from rr_refine.agent.export import Export
from rr_refine.agent.follow_up import again, use_prompt, vary
from rr_refine.agent.refine import arefine
from rr_refine.agent.report.gallery import entry_of, write_gallery
from rr_refine.agent.report.notebook import notebook_cell
from rr_refine.agent.report.report import write_report
from rr_refine.agent.run import load_run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import RefineError
from tests.agent import whole
from tests.agent.records import only_run

ODD: Final[tuple[Any, ...]] = (7, -1e300, [], "x", None, {})
NEEDED: Final = ("request", "policy", "status", "lineage")
"""Without these, or with others, there is no run."""


def report(path: Path) -> None:
    with RunFolder(path, lock=False) as folder:
        entry = entry_of(write_report(folder))
    write_gallery(path.parent / "gallery.html", [entry])


def export(path: Path) -> None:
    out = path.parent / "export"
    out.mkdir(exist_ok=True)
    Export(out).add(load_run(path))


USES: Final[dict[str, Callable[[Path], object]]] = {
    "load_run": lambda path: load_run(path).to_dataframe(),
    "report": report,
    "export": export,
    "notebook": lambda path: notebook_cell(load_run(path)),
    "vary": lambda path: vary(path, 2).policy,
    "again": lambda path: again(path).images,
    "use_prompt": lambda path: use_prompt(path).policy,
}


def places(value: object, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner: dict[Any, object] = value if isinstance(value, dict) else {}
    if isinstance(value, list):
        inner = dict(enumerate(value))
    for key, one in inner.items():
        yield (*way, key)
        yield from places(one, (*way, key))


def changes(value: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """The way to each value, and the record without it, or with another in its place."""
    for way in places(value):
        for new in (..., *ODD):
            copy = inner = json.loads(json.dumps(value))
            for key in way[:-1]:
                inner = inner[key]
            if new is ...:
                del inner[way[-1]]
            else:
                inner[way[-1]] = new
            yield way, json.dumps(copy)


@pytest.fixture
async def run(tmp_path: Path) -> Path:
    await whole.run(tmp_path / "runs")
    return only_run(tmp_path / "runs")


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("file", ["config.json", "manifest.json"])
def test_what_a_record_lacks(run: Path, file: str, use: str) -> None:
    path, known, refused = run / file, 0, dict[tuple[Any, ...], str]()
    for way, changed in changes(json.loads(path.read_text())):
        path.write_text(changed)
        known += 1
        try:
            USES[use](run)
        except RefineError as error:
            refused[way] = str(error)
    assert known > 50
    assert {way[0] for way in refused} <= set(NEEDED)  # what only provenance tells is no condition
    for way, words in refused.items():
        assert file in words or way[-1] == "source", words


@pytest.mark.parametrize("part", ["generator", "critic"])
async def test_a_run_that_does_not_say_its_parts_is_followed_with_named_ones(
    run: Path, part: str
) -> None:
    path = run / "config.json"
    config = json.loads(path.read_text())
    del config[part]["name"]
    path.write_text(json.dumps(config))
    made = await arefine(again(run), generator=whole.generator(), critic=whole.UnreliableCritic())
    assert made.outcome is not None and made.outcome.ok
