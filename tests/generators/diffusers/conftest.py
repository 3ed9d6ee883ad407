from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from diffusers import FluxPipeline
from PIL import Image, ImageDraw

Before = Callable[[dict[str, Any]], None]


@pytest.fixture(autouse=True)
def small_qwen_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qwen's edit pipelines bring every source to one megapixel; bring it to 64x64 here."""
    from diffusers.pipelines.qwenimage import (
        pipeline_qwenimage_edit,
        pipeline_qwenimage_edit_plus,
    )

    real = pipeline_qwenimage_edit.calculate_dimensions
    monkeypatch.setattr(
        pipeline_qwenimage_edit, "calculate_dimensions", lambda _, ratio: real(64 * 64, ratio)
    )
    monkeypatch.setattr(pipeline_qwenimage_edit_plus, "VAE_IMAGE_SIZE", 64 * 64)
    monkeypatch.setattr(pipeline_qwenimage_edit_plus, "CONDITION_IMAGE_SIZE", 64 * 64)


def picture(color: str, size: tuple[int, int] = (64, 64)) -> Image.Image:
    image = Image.new("RGB", size, color)
    ImageDraw.Draw(image).ellipse((8, 8, size[0] // 2, size[1] // 2), fill="white")
    return image


def watch_calls(
    monkeypatch: pytest.MonkeyPatch, before: Before | None = None, pipeline: Any = FluxPipeline
) -> list[int]:
    """The batch size of each pipeline call; `before` sees the arguments first, and may raise."""
    calls: list[int] = []
    real = pipeline.__call__

    @functools.wraps(real)
    def watched(self: Any, **arguments: Any) -> Any:
        prompt = arguments["prompt"]
        calls.append(len(prompt) if isinstance(prompt, list) else 1)
        if before is not None:
            before(arguments)
        return real(self, **arguments)

    monkeypatch.setattr(pipeline, "__call__", watched)
    return calls
