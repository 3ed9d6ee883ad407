from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from PIL import Image, ImageChops
from pydantic import JsonValue

from rr_refine import plugins
from rr_refine.component import Companions, notice_of, shared_companions
from rr_refine.errors import (
    BlankImageError,
    ConfigError,
    GeneratorError,
    GeneratorRefused,
    GeneratorTimeout,
    GeneratorUnavailable,
    MissingExtraError,
    OutOfMemoryError,
    UnsupportedRequestError,
)
from rr_refine.generators import FakeGenerator, GeneratorContract, OnStep, RenderRequest
from rr_refine.generators.fake import FakeOptions
from rr_refine.generators.ray import RayGenerator, RayOptions
from rr_refine.plugins import parse_options
from rr_refine.terms import Identity, Task

ray = pytest.importorskip("ray")

SMALL: dict[str, JsonValue] = {"width": 32, "height": 32}
MORTAL = f"{__name__}:Mortal"


class Mortal(FakeGenerator):
    """Says in its log which process renders; some prompts are the death of it."""

    def __init__(self, **options: JsonValue) -> None:
        self._unlike = bool(options.pop("unlike", False))
        self._diary = Path(str(options.pop("diary", os.devnull)))
        super().__init__(parse_options(FakeOptions, options, "generator"))

    @property
    def identity(self) -> Identity:
        plain = super().identity
        return plain.model_copy(update={"name": str(os.getpid())}) if self._unlike else plain

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        if request.prompt == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if request.prompt == "odd":
            raise ValueError("odd request")
        with self._diary.open("ab", buffering=0) as file:
            file.write(b"%d %d\n" % (os.getpid(), request.seed))
        return await super().generate(request)


def not_a_generator() -> int:
    return 7


def made(generator: str = "fake", *, workers: int = 1, **options: Any) -> RayGenerator:
    given = {"num_cpus": 0, "num_gpus": 0, "options": SMALL, **options}
    return RayGenerator(RayOptions(generator=generator, workers=workers, **given))


class Paired(Mortal):
    """Was made for a critic, and says so."""

    notice = "knows little"
    companions = Companions(rewriters=("planner",), intent_check="own")


def test_what_the_workers_generator_brings_along_is_known_before_they_start() -> None:
    whole = made(f"{__name__}:Paired")
    assert notice_of(whole) == "knows little"
    assert shared_companions(whole, Paired(**SMALL)) == Paired.companions
    assert notice_of(made("no_such_module:Anything")) is None


async def plain(request: RenderRequest) -> Image.Image:
    return await FakeGenerator(FakeOptions(width=32, height=32)).generate(request)


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None


async def until(holds: Any) -> None:
    async with asyncio.timeout(300):
        while not holds():  # noqa: ASYNC110  nothing tells when a file grows
            await asyncio.sleep(0.02)


async def test_where_no_ray_is(unused_port: int) -> None:
    assert not ray.is_initialized()
    start = time.monotonic()
    with pytest.raises(GeneratorUnavailable, match=f"127.0.0.1:{unused_port}"):
        await made(address=f"127.0.0.1:{unused_port}").connect()
    assert time.monotonic() - start < 60  # Ray itself tries for more than three minutes


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def running() -> Iterator[RayGenerator]:
    """Two workers on a Ray that was started for them; others of this module find it there."""
    handler = signal.getsignal(signal.SIGTERM)
    generator = made(workers=2)
    asyncio.run(generator.connect())
    assert signal.getsignal(signal.SIGTERM) is handler, "Ray's own would end a run, not drain it"
    yield generator
    assert ray.is_initialized(), "a generator has ended the Ray of another"
    asyncio.run(generator.aclose())
    assert not ray.is_initialized()


class Kept:
    """A generator that nobody closes: starting workers takes a while."""

    def __init__(self, inner: RayGenerator) -> None:
        self._inner = inner

    @property
    def identity(self) -> Identity:
        return self._inner.identity

    @property
    def tasks(self) -> frozenset[Task]:
        return self._inner.tasks

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        return await self._inner.generate(request, on_step=on_step)


class TestRayGenerator(GeneratorContract):
    @pytest.fixture(autouse=True)
    def _shared(self, running: RayGenerator) -> None:
        self._running = running

    def make_generator(self) -> Kept:
        return Kept(self._running)


def test_pictures_and_identity_are_those_of_the_generator(running: RayGenerator) -> None:
    noise = Image.effect_noise((40, 24), 90).convert("RGB")
    requests = [
        RenderRequest("a hat", 1),
        RenderRequest("a hat", 2, parameters=MappingProxyType({"width": 48})),
        RenderRequest("a red hat", 1, noise),
    ]

    async def check() -> None:
        for request in requests:
            assert same(await running.generate(request), await plain(request))

    asyncio.run(check())
    fake = FakeGenerator(FakeOptions(width=32, height=32))
    assert (running.identity, running.tasks) == (fake.identity, fake.tasks)


async def test_it_can_be_used_again_after_closing(running: RayGenerator) -> None:
    generator = made()
    with pytest.raises(ConfigError, match="connect first"):
        _ = generator.identity
    for _ in range(2):
        assert (await generator.generate(RenderRequest("a hat", 1))).size == (32, 32)
        assert generator.workers == 1
        await generator.aclose()
        assert generator.workers == 0


async def test_errors_arrive_as_themselves(running: RayGenerator, tmp_path: Path) -> None:
    faults = {
        "oom": OutOfMemoryError,
        "refused": GeneratorRefused,
        "timeout": GeneratorTimeout,
        "unavailable": GeneratorUnavailable,
        "black": BlankImageError,
    }
    log = tmp_path / "log"
    script = [*faults, "hang"]
    generator = made(MORTAL, options={**SMALL, "script": script, "log": str(log)})
    await generator.connect()
    for error in faults.values():
        with pytest.raises(error) as caught:
            await generator.generate(RenderRequest("a hat", 1))
        assert type(caught.value) is error
        assert "ray" not in str(caught.value).lower()
    with pytest.raises(UnsupportedRequestError, match=r"'widht' \(did you mean 'width'\?\)"):
        await generator.generate(RenderRequest("a hat", 1, parameters={"widht": 64}))
    with pytest.raises(GeneratorError, match="ValueError: odd request"):
        await generator.generate(RenderRequest("odd", 1))

    # The last of the script: a render that ends only when it is cancelled, over there too.
    call = asyncio.create_task(generator.generate(RenderRequest("a hat", 77)))
    await until(lambda: "77" in log.read_text())
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: json.loads(log.read_text().splitlines()[-1])["event"] == "end")
    assert json.loads(log.read_text().splitlines()[-1])["outcome"] == "cancelled"
    assert (await generator.generate(RenderRequest("a hat", 1))).mode == "RGB"
    assert (generator.workers, generator.repeated) == (1, 0)
    await generator.aclose()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"options": {"widht": 3}}, "'generator.widht' \\(did you mean 'width'"),
        (
            {"generator": f"{__name__}:not_a_generator", "options": {}},
            "is no generator.*not called",
        ),
        ({"generator": MORTAL, "options": {"unlike": True}, "workers": 2}, "different pictures"),
        ({"num_gpus": 1, "workers": 1000}, "1000 workers of num_gpus = 1 need more than"),
        ({"num_cpus": 900, "workers": 2}, "2 workers of num_cpus = 900 need more than"),
        ({"num_gpus": 1.5, "workers": 1}, "num_gpus"),
    ],
)
async def test_mistakes_come_out_when_it_connects(
    running: RayGenerator, options: dict[str, Any], message: str
) -> None:
    generator = made(**options)
    with pytest.raises(ConfigError, match=message):
        await generator.connect()
    assert generator.workers == 0
    await generator.aclose()


async def test_a_killed_worker_loses_nothing(
    running: RayGenerator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diary = tmp_path / "diary"
    diary.touch()
    generator = made(MORTAL, workers=2, options={**SMALL, "seconds": 0.5, "diary": str(diary)})
    await generator.connect()

    def renders() -> list[list[int]]:
        return [[int(number) for number in line.split()] for line in diary.read_text().splitlines()]

    requests = [RenderRequest("a hat", seed) for seed in range(8)]
    calls = [asyncio.create_task(generator.generate(request)) for request in requests]
    await until(lambda: len(renders()) == 8)
    by_worker = Counter(pid for pid, _ in renders())
    assert list(by_worker.values()) == [4, 4], "the least busy should be next"
    os.kill(next(iter(by_worker)), signal.SIGKILL)

    async with asyncio.timeout(300):
        pictures = await asyncio.gather(*calls)
    for request, picture in zip(requests, pictures, strict=True):
        assert same(picture, await plain(request))
    assert generator.repeated == 4
    assert len(renders()) == 12, "what the other was at has been rendered twice"
    await until(lambda: generator.workers == 2)
    await asyncio.gather(*(generator.generate(request) for request in requests[:2]))
    assert len({pid for pid, _ in renders()}) == 3, "the new one renders too"
    await generator.aclose()
    assert capsys.readouterr().out == "", "standard output is for data"


async def test_a_deadly_request_and_the_end_of_replacements(running: RayGenerator) -> None:
    generator = made(MORTAL, replacements=2)
    await generator.connect()
    with pytest.raises(GeneratorUnavailable, match="3 Ray workers died during the render of 'die'"):
        await generator.generate(RenderRequest("die", 1))
    assert generator.workers == 0
    with pytest.raises(GeneratorUnavailable, match="no Ray worker is left: a Ray worker died"):
        await generator.generate(RenderRequest("a hat", 1))
    await generator.aclose()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "generator.generator"),
        ({"generator": "fake", "worker": 2}, "did you mean 'workers'"),
        ({"generator": "fake", "workers": 0}, "generator.workers"),
        ({"generator": "fake", "num_gpus": -1}, "generator.num_gpus"),
        ({"generator": "fake", "address": "ray://head:10001"}, "generator.address"),
        ({"generator": "fake", "address": "head"}, "generator.address"),
    ],
)
def test_its_own_options(options: dict[str, JsonValue], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plugins.create("generators", "rr_refine.generators.ray:create", options)


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ray" else real(name)
    )
    with pytest.raises(MissingExtraError, match=r"pip install 'rr-refine\[ray\]'"):
        made()
