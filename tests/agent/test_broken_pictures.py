"""A picture that cannot be read is the fault of who made it or of the disk, never of the critic."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rr_refine.agent.pictures import RunPictures
from rr_refine.agent.run import load_run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import GeneratorError, StoreError
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.pictures import encode_png
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from tests.agent.records import only_run
from tests.agent.whole import UnreliableCritic, UnreliableGenerator, run


class Opens(UnreliableCritic):
    """Sends pictures as files, and opens what it sends."""

    async def critique(self, request: CritiqueRequest) -> Assessment:
        with Image.open(io.BytesIO(encode_png(request.image))) as picture:
            picture.load()
        return await super().critique(request)


def noise(mode: str) -> Image.Image:
    return Image.effect_noise((200, 200), 90).convert(mode)


def lazy(mode: str, kind: str = "PNG") -> Image.Image:
    """A file that ends too early, and that nobody has decoded yet."""
    file = io.BytesIO()
    noise(mode).save(file, kind)
    return Image.open(io.BytesIO(file.getvalue()[: len(file.getvalue()) // 2]))


def closed() -> Image.Image:
    image = lazy("RGB")
    image.close()
    return image


class Gives(UnreliableGenerator):
    def __init__(self, picture: Image.Image) -> None:
        super().__init__()
        self.picture = picture

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        return self.picture


@pytest.mark.parametrize(
    "picture",
    [
        lazy("RGB"),
        lazy("RGBA"),
        lazy("L"),
        lazy("P"),
        lazy("RGB", "JPEG"),
        lazy("CMYK", "JPEG"),
        closed(),
        Image.new("RGB", (0, 9)),
        Image.new("RGBA", (9, 0)),
    ],
    ids=lambda p: f"{p.mode}-{p.format}-{p.width}",
)
async def test_a_broken_picture_is_the_generators_fault(
    picture: Image.Image, tmp_path: Path
) -> None:
    with pytest.raises(GeneratorError):
        await run(tmp_path, generator=Gives(picture), critic=Opens())
    failed = load_run(only_run(tmp_path))
    assert failed.outcome is not None
    assert failed.outcome.stop.rule == "generator-failed"
    assert failed.candidates[0].failure is not None
    assert failed.candidates[0].failure.stage == "render"


async def test_a_picture_that_nobody_could_open_again_is_the_generators_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the limit of the program that we are part of."""
    picture = Image.new("RGB", (48, 32), "red")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)
    words = r"48x32 pixels are more than Pillow opens again, 1,400: .* raise PIL\.Image\.MAX"
    with pytest.raises(GeneratorError, match=words):
        await run(tmp_path / "a", generator=Gives(picture), critic=Opens())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert (await run(tmp_path / "b", generator=Gives(picture), critic=Opens())).incumbent


@pytest.mark.parametrize(
    "error",
    [Image.DecompressionBombError("large"), MemoryError(), OSError("lost"), SyntaxError("broken")],
    ids=lambda e: type(e).__name__,
)
async def test_a_stored_picture_that_cannot_be_read_is_not_the_critics_fault(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Image.Image:
        raise error

    monkeypatch.setattr(RunPictures, "keep", lambda *_: None)
    monkeypatch.setattr("rr_refine.agent.store.folder.load_stored", broken)
    with pytest.raises(StoreError):
        await run(tmp_path, critic=Opens())
    monkeypatch.undo()
    assert load_run(only_run(tmp_path)).status == "failed"
    assert (await run(tmp_path, critic=Opens())).incumbent is not None


async def test_a_picture_that_is_lost_is_not_the_critics_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RunFolder.put_image

    def lose(folder: RunFolder, *given: Any, **how: Any) -> str:
        name = whole(folder, *given, **how)
        folder.image_path(name).write_bytes(b"no picture")
        return name

    monkeypatch.setattr(RunPictures, "keep", lambda *_: None)
    monkeypatch.setattr(RunFolder, "put_image", lose)
    with pytest.raises(StoreError, match="cannot be read"):
        await run(tmp_path, critic=Opens())
