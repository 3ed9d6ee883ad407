"""Previews: binary messages of the socket, on their way to who shows them."""

from __future__ import annotations

import asyncio
import base64
import io
import struct
from pathlib import Path

import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine import arefine
from rr_refine.agent.events import Event, StepDone
from rr_refine.agent.policy import preset
from rr_refine.cli.live.status import Status
from rr_refine.cli.live.thumbnail import read_preview
from rr_refine.generators.comfyui.progress import Steps
from rr_refine.generators.generator import RenderRequest
from tests.generators.comfyui.standin import StandIn
from tests.generators.comfyui.test_generator import make


class Shown:
    """What an `on_step` of the loop does."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.pictures: list[bytes] = []

    def __call__(self, done: int, total: int) -> None:
        self.steps.append((done, total))

    def preview(self, picture: bytes) -> None:
        self.pictures.append(picture)


def encoded(form: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, form)
    return file.getvalue()


def at_work(shown: Shown, node: str = "7") -> Steps:
    steps = Steps("job", ["7"], shown)
    data: dict[str, JsonValue] = {"prompt_id": "job", "node": node, "value": 1, "max": 4}
    steps.hear({"type": "progress", "data": data})
    return steps


@pytest.mark.parametrize(("number", "form"), [(1, "JPEG"), (2, "PNG")])
def test_previews_are_told(number: int, form: str) -> None:
    shown = Shown()
    at_work(shown).hear(struct.pack(">II", 1, number) + encoded(form))
    assert shown.pictures == [encoded(form)]
    assert shown.steps == [(1, 4)]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0\0\0\1",
        struct.pack(">II", 1, 1),
        struct.pack(">II", 1, 1) + bytes(100),
        struct.pack(">II", 1, 2) + encoded("JPEG"),
        struct.pack(">II", 2, 2) + encoded("PNG"),
        struct.pack(">II", 3, 1) + b"text of a node",
        struct.pack(">II", 1, 1) + b"<svg onload=alert(1)>",
    ],
)
def test_what_is_no_preview(frame: bytes) -> None:
    shown = Shown()
    at_work(shown).hear(frame)
    assert shown.pictures == []


def test_a_preview_of_something_else_is_none() -> None:
    """It names no job; what comes before the sampler is at work is from another node."""
    shown = Shown()
    at_work(shown, node="upscaler").hear(struct.pack(">II", 1, 1) + encoded("JPEG"))
    assert shown.pictures == []


def test_who_takes_no_previews_gets_none() -> None:
    seen: list[tuple[int, int]] = []
    steps = Steps("job", ["7"], lambda done, total: seen.append((done, total)))
    data: dict[str, JsonValue] = {"prompt_id": "job", "node": "7", "value": 1, "max": 4}
    steps.hear({"type": "progress", "data": data})
    steps.hear(struct.pack(">II", 1, 1) + encoded("JPEG"))
    assert seen == [(1, 4)]


def test_a_server_is_asked_for_previews_that_somebody_shows(comfyui: StandIn) -> None:
    comfyui.seconds, comfyui.preview = 0.3, encoded("JPEG")

    async def draw(on_step: Shown | None) -> None:
        generator = make(comfyui)
        try:
            await generator.generate(RenderRequest("a fox", 1), on_step=on_step)
        finally:
            await generator.aclose()

    shown = Shown()
    asyncio.run(draw(shown))
    assert shown.pictures and set(shown.pictures) == {encoded("JPEG")}
    asyncio.run(draw(None))
    assert comfyui.extras == [{"preview_method": "auto"}, None]


async def test_previews_of_a_run_are_streamed_and_not_recorded(
    comfyui: StandIn, tmp_path: Path
) -> None:
    comfyui.seconds, comfyui.preview = 0.3, encoded("JPEG")
    seen: list[Event] = []
    run = await arefine(
        "a fox",
        generator=make(comfyui),
        critic="fake",
        policy=preset("refine", budget={"rounds": 1}),
        out=tmp_path,
        on_event=seen.append,
    )
    shown = [event for event in seen if isinstance(event, StepDone) and event.preview]
    assert shown and shown[-1].steps == 4
    assert (
        shown[0].preview == f"data:image/jpeg;base64,{base64.b64encode(encoded('JPEG')).decode()}"
    )
    assert "base64" not in (run.path / "events.jsonl").read_text()

    status = Status(run.policy)
    for event in seen:
        status.follow(event)
        if event is shown[0]:
            (stage,) = status.stages.values()
            assert stage.preview == shown[0].preview
            assert stage.step == shown[0].step
    thumbnail = read_preview(str(shown[0].preview), 20, 8)
    assert thumbnail is not None and (thumbnail.columns, thumbnail.rows) == (16, 8)


@pytest.mark.parametrize("url", ["", "data:image/png;base64,", "data:image/png;base64,AAAA", "x,y"])
def test_previews_that_cannot_be_drawn(url: str) -> None:
    assert read_preview(url, 20, 8) is None
