"""Large pictures to edit are loaded, held and sent a few at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from rr_refine.benchmarks.sources import load_source, pixels_of
from rr_refine.room import Room


async def test_no_more_pixels_than_there_is_room_for() -> None:
    room, held, seen = Room(10), [0], list[int]()

    async def work(pixels: int) -> None:
        async with room.held(pixels):
            held[0] += min(pixels, 10)
            seen.append(held[0])
            await asyncio.sleep(0)
            held[0] -= min(pixels, 10)

    await asyncio.gather(*map(work, (3, 4, 5, 20, 1, 0, 9, 2)))
    assert len(seen) == 8
    assert max(seen) == 10


async def test_room_is_given_back_by_what_fails() -> None:
    room = Room(10)
    with pytest.raises(ValueError, match="oh"):
        async with room.held(10):
            raise ValueError("oh")
    async with asyncio.timeout(5), room.held(10):
        pass


def test_a_large_source_is_scaled_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rr_refine.benchmarks.sources.SOURCE_PIXELS", 100)
    Image.new("RGB", (40, 10), "red").save(tmp_path / "x.png")
    assert pixels_of(tmp_path / "x.png") == 100
    image = load_source(tmp_path / "x.png")
    assert image.width * image.height <= 100
    assert pixels_of(image) == image.width * image.height
    assert pixels_of(None) == pixels_of(tmp_path / "nothing.png") == 0
