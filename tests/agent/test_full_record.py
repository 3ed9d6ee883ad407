"""A run whose record has all that is read of one: it ends in words, and can be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from rr_refine import picture_file
from rr_refine.agent.run import load_run
from rr_refine.agent.store import folder as folder_module
from rr_refine.agent.store import journal as journal_module
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import GeneratorError, StoreFullError
from rr_refine.lines import _cost
from tests.agent import whole
from tests.agent.records import only_run

LIMITS = {"samples.jsonl": journal_module, "events.jsonl": folder_module}


@pytest.mark.parametrize("name", LIMITS)
async def test_a_record_that_is_full_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole_run = await whole.run(tmp_path / "whole")
    room = sum(map(_cost, (whole_run.path / name).read_bytes().splitlines())) * 3 // 4
    with monkeypatch.context() as patch:
        patch.setattr(LIMITS[name], "MAX_JOURNAL", room)
        with pytest.raises(StoreFullError, match=name):
            await whole.run(tmp_path / "runs")
        run = load_run(only_run(tmp_path / "runs"))
        assert run.events()
    assert run.status == "failed"
    assert run.result_path is not None
    assert run.best is not None
    assert room // 2 < sum(map(_cost, (run.path / name).read_bytes().splitlines())) <= room


async def test_a_picture_that_nobody_would_read_is_no_render(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_file, "_megapixels", 0.001)
    with pytest.raises(GeneratorError, match="megapixels"):
        await whole.run(tmp_path / "runs")


def test_a_file_of_a_picture_has_the_limit_of_those_who_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Image.effect_noise((40, 40), 80).convert("RGB")
    with RunFolder(tmp_path / "run") as folder:
        monkeypatch.setattr(folder_module, "MAX_PICTURE", 1000)
        with pytest.raises(StoreFullError, match="1,000 are the most that is read"):
            folder.put_image(picture)
        assert not list((tmp_path / "run").rglob("*.png"))
        monkeypatch.undo()
        name = folder.put_image(picture)
        before = folder.image_path(name).read_bytes()
        monkeypatch.setattr(folder_module, "MAX_PICTURE", len(before) + 100)
        with pytest.raises(StoreFullError):
            folder.write_metadata(name, {"prompt": "x" * 1000})
        assert folder.image_path(name).read_bytes() == before
