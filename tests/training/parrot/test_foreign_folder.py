"""PARROT folders that somebody else made: nothing in them is followed, and they are private."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from rr_refine.errors import ConfigError, RefineError, StoreError
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.export import export
from rr_refine.training.parrot.folder import ParrotFolder
from rr_refine.training.parrot.ingest import ingest
from rr_refine.training.parrot.pipeline import produce
from rr_refine.training.parrot.prompts import _opened
from tests.commands import Commands
from tests.hostile_files import HOSTILE, SECRET
from tests.training.parrot.fakes import FakeTeacher, make_folder, raw_pair


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A folder with all of its files."""
    place = make_folder(tmp_path / "parrot")
    await produce(place, FakeTeacher(), options=ParrotOptions())
    export(place, template="sketch")
    return place.path


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", ["pairs.jsonl", "ingest.jsonl", "answers/00000.jsonl", "run.json"])
async def test_a_hostile_file(folder: Path, name: str, kind: str) -> None:
    (folder / name).unlink()
    HOSTILE[kind](folder / name)
    with pytest.raises((ConfigError, StoreError), match=str(folder / name)):
        export(ParrotFolder(folder), template="sketch")
    with suppress(RefineError):
        ingest(ParrotFolder(folder), [raw_pair(9)], workers=1)
    with suppress(RefineError):
        await produce(ParrotFolder(folder), FakeTeacher(), options=ParrotOptions())
    aside = (folder / name).parent / "aside"
    assert not aside.exists() or aside.read_bytes() == SECRET


@pytest.mark.parametrize("key", ["../../photo", "/etc/photo", "ab", "A" * 64, "a" * 65, ""])
@pytest.mark.parametrize("field", ["image_a", "image_b", "source"])
async def test_pairs_name_pictures_of_their_folder_only(folder: Path, field: str, key: str) -> None:
    """The picture would be sent to the teacher."""
    file = folder / "pairs.jsonl"
    first, *others = file.read_text().splitlines()
    changed = json.dumps({**json.loads(first), field: key})
    file.write_text("".join(f"{line}\n" for line in (changed, *others)))
    with pytest.raises(StoreError, match="line 1 of"):
        await produce(ParrotFolder(folder), FakeTeacher(), options=ParrotOptions())


@pytest.mark.parametrize("part", ["images", "images/*", "images/*/*"])
def test_pictures_that_are_links_are_not_shown_to_the_teacher(
    folder: Path, tmp_path: Path, part: str
) -> None:
    for path in list(folder.glob(part)):
        path.rename(tmp_path / f"aside-{path.name}")
        path.symlink_to(tmp_path / f"aside-{path.name}")
    key = ParrotFolder(folder).pairs[0].image_a
    with pytest.raises(ConfigError, match="is a link"):
        _opened(ParrotFolder(folder).pictures.path(key))


@pytest.mark.parametrize("private", [True, False])
def test_who_may_read(tmp_path: Path, private: bool) -> None:
    source, settings = tmp_path / "source", tmp_path / "home" / ".rr-refine" / "settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"private = {str(private).lower()}\n")
    settings.chmod(0o600)
    (source / "images").mkdir(parents=True)
    (source / "train.json").write_text("[]")
    (tmp_path / "here").mkdir()
    commands = Commands(tmp_path / "here")
    before = os.umask(0o022)
    try:
        commands.run("parrot", "ingest", "hpdv3", str(source / "train.json"), "made")
    finally:
        os.umask(before)
    mode = stat.S_IMODE((commands.folder / "made").stat().st_mode)
    assert mode == (0o700 if private else 0o755)


def test_a_folder_made_by_a_program_is_private(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        make_folder(tmp_path / "new" / "parrot")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "new").rglob("*")}
    assert modes == {0o700, 0o600}
