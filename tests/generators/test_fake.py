from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from pydantic import JsonValue

from rr_refine import plugins
from rr_refine.errors import (
    BlankImageError,
    ConfigError,
    GeneratorError,
    GeneratorRefused,
    GeneratorTimeout,
    GeneratorUnavailable,
    OutOfMemoryError,
    UnsupportedRequestError,
)
from rr_refine.generators import FakeGenerator, Generator, GeneratorContract, RenderRequest
from rr_refine.generators.fake import create

SMALL: dict[str, JsonValue] = {"width": 48, "height": 32}


class TestContract(GeneratorContract):
    def make_generator(self) -> Generator:
        return create(**SMALL, seconds=0.01)


@pytest.mark.parametrize(
    "other",
    [
        RenderRequest("a cat", 2),
        RenderRequest("a cat ", 1),
        RenderRequest("a cat", 1, parameters={"width": 64}),
        RenderRequest("a cat", 1, source=Image.new("RGB", (48, 32), "white")),
        RenderRequest("a cat", 1, source=Image.new("RGB", (48, 32), "#fffffe")),
    ],
)
async def test_every_part_of_a_request_changes_the_picture(other: RenderRequest) -> None:
    generator = create(**SMALL)
    first = await generator.generate(RenderRequest("a cat", 1))
    assert first.tobytes() != (await generator.generate(other)).tobytes()


async def test_pictures_do_not_depend_on_pace_or_faults(tmp_path: Path) -> None:
    request = RenderRequest("a cat", 1)
    plain = create(**SMALL)
    slow = create(**SMALL, seconds=0.01, steps=2, script=["oom"], log=str(tmp_path / "log.jsonl"))
    with pytest.raises(OutOfMemoryError):
        await slow.generate(request)
    assert plain.identity == slow.identity
    assert (await plain.generate(request)).tobytes() == (await slow.generate(request)).tobytes()


async def test_an_edit_shows_its_source() -> None:
    source = Image.new("RGB", (60, 40), "white")
    source.paste((0, 0, 0), (0, 0, 30, 40))
    image = await create(**SMALL).generate(RenderRequest("at night", 1, source=source))
    assert image.size == source.size
    top = image.crop((0, 0, 60, 8)).resize((2, 1), Image.Resampling.BOX).convert("L")
    dark, light = top.getpixel((0, 0)), top.getpixel((1, 0))
    assert isinstance(dark, int)
    assert isinstance(light, int)
    assert light - dark > 50


async def test_the_label_says_what_it_is() -> None:
    """Two prompts of different words give different labels, so the label is there."""
    generator = create(width=256, height=256)
    image = await generator.generate(RenderRequest("a cat", 1))
    corner = image.crop((0, 240, 256, 256)).convert("L")
    darkest, brightest = corner.getextrema()
    assert isinstance(darkest, int | float)
    assert isinstance(brightest, int | float)
    assert brightest > 200
    assert darkest < 100


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("oom", OutOfMemoryError),
        ("black", BlankImageError),
        ("error", GeneratorError),
        ("refused", GeneratorRefused),
        ("timeout", GeneratorTimeout),
        ("unavailable", GeneratorUnavailable),
    ],
)
async def test_a_scripted_fault_happens_once(word: str, error: type[GeneratorError]) -> None:
    generator = create(**SMALL, script=["ok", word])
    request = RenderRequest("a cat", 1)
    before = await generator.generate(request)
    with pytest.raises(GeneratorError) as caught:
        await generator.generate(request)
    assert type(caught.value) is error
    after = await generator.generate(request)
    assert ImageChops.difference(before, after).getbbox() is None


async def test_a_hang_ends_by_cancellation() -> None:
    generator = create(**SMALL, script=["hang"])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(generator.generate(RenderRequest("a cat", 1)), 0.05)
    assert (await generator.generate(RenderRequest("a cat", 1))).size == (48, 32)


async def test_the_script_goes_by_the_order_of_starts() -> None:
    generator = create(**SMALL, script=["ok", "error", "ok"])
    results = await asyncio.gather(
        *(generator.generate(RenderRequest("a cat", seed)) for seed in range(3)),
        return_exceptions=True,
    )
    assert [isinstance(r, GeneratorError) for r in results] == [False, True, False]


async def test_steps() -> None:
    steps: list[tuple[int, int]] = []
    await create(**SMALL, steps=3).generate(
        RenderRequest("a cat", 1), on_step=lambda done, total: steps.append((done, total))
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]


async def test_log(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    generator = create(**SMALL, script=["ok", "oom", "hang"], log=str(path))
    await generator.generate(RenderRequest("one\n\udc80", 1))
    with pytest.raises(OutOfMemoryError):
        await generator.generate(RenderRequest("two", 2))
    call = asyncio.ensure_future(generator.generate(RenderRequest("three", 3)))
    await asyncio.sleep(0.01)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["start", "end", "start", "end", "start"]
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["outcome"] for line in lines if line["event"] == "end"] == [
        "ok",
        "oom",
        "cancelled",
    ]
    assert lines[0] == {
        "event": "start",
        "call": 1,
        "task": "t2i",
        "prompt": "one\n\udc80",
        "seed": 1,
    }


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"steps": 3}, "takes no parameter 'steps'"),
        ({"widht": 64}, "did you mean 'width'"),
        ({"width": 8}, "width = 8"),
        ({"height": 100_000}, "height = 100000"),
        ({"width": "64"}, "width = '64'"),
        ({"width": True}, "width = True"),
        ({"width": 64.0}, "width = 64.0"),
    ],
)
async def test_parameters_without_sense_are_refused(
    parameters: dict[str, JsonValue], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "log.jsonl"
    with pytest.raises(UnsupportedRequestError, match=words):
        await create(log=str(path)).generate(RenderRequest("a cat", 1, parameters=parameters))
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"script": ["ok", "bang"]}, r"generator\.script\.1 = 'bang'"),
        ({"width": 1}, r"generator\.width = 1"),
        ({"seconds": -1}, r"generator\.seconds = -1"),
        ({"step": 1}, r"unknown option 'generator\.step' \(did you mean 'steps'\?\)"),
    ],
)
def test_bad_options(options: dict[str, JsonValue], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        create(**options)


def test_comes_through_the_front_door() -> None:
    generator = plugins.create("generators", "fake", {"width": 64})
    assert isinstance(generator, FakeGenerator)
    assert generator.identity.details["width"] == 64


async def test_extreme_sources() -> None:
    for size in ((1, 1), (2000, 1), (1, 2000)):
        source = Image.new("RGB", size, "white")
        assert (await FakeGenerator().generate(RenderRequest("x", 1, source))).size == size
