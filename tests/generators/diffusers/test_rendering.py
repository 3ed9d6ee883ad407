"""Batches, cancellation, memory and errors."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
import torch
from diffusers import PixArtSigmaPipeline, StableDiffusionPipeline
from PIL import Image

from rr_refine.errors import (
    ConfigError,
    GeneratorError,
    GeneratorRefused,
    OutOfMemoryError,
    UnsupportedRequestError,
)
from rr_refine.generators.diffusers import DiffusersGenerator, RenderOptions
from rr_refine.generators.generator import RenderRequest
from tests.generators.diffusers import tiny
from tests.generators.diffusers.conftest import picture, watch_calls

OPTIONS = RenderOptions(steps=2, width=32, height=32)


def generator(batch: int = 1, *, edit_pipeline: str | None = None) -> DiffusersGenerator:
    return DiffusersGenerator.from_pipeline(
        tiny.build("FluxPipeline"),
        name="tiny",
        options=OPTIONS,
        batch=batch,
        edit_pipeline=edit_pipeline,
    )


def cube(seed: int, **parameters: Any) -> RenderRequest:
    return RenderRequest(f"a cube, {seed}", seed, parameters=parameters)


def batch_size(arguments: dict[str, Any]) -> int:
    return len(arguments["prompt"]) if isinstance(arguments["prompt"], list) else 1


async def together(tested: DiffusersGenerator, *requests: RenderRequest) -> list[Any]:
    return await asyncio.gather(
        *(tested.generate(request) for request in requests), return_exceptions=True
    )


@pytest.mark.parametrize(
    ("batch", "requests", "calls"),
    [
        (4, 1, [1]),
        (4, 4, [4]),
        (4, 6, [4, 2]),
        (1, 3, [1, 1, 1]),
    ],
)
async def test_concurrent_calls_share_a_pipeline_call(
    monkeypatch: pytest.MonkeyPatch, batch: int, requests: int, calls: list[int]
) -> None:
    seen = watch_calls(monkeypatch)
    await together(generator(batch), *(cube(seed) for seed in range(requests)))
    assert seen == calls


async def test_only_alike_requests_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = watch_calls(monkeypatch)
    images = await together(
        generator(4), cube(1), cube(2, width=64, height=64), cube(3), cube(4, width=64, height=64)
    )
    assert calls == [2, 2]
    assert [image.width for image in images] == [32, 64, 32, 64]


class Gate:
    """Holds a pipeline call until it is opened."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, _: dict[str, Any]) -> None:
        self.reached.set()
        assert self.open.wait(30)


async def test_what_is_queued_during_a_render_goes_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate()
    calls = watch_calls(monkeypatch, gate)
    tested = generator(4)
    first = asyncio.create_task(tested.generate(cube(1)))
    await asyncio.to_thread(gate.reached.wait, 30)
    later = [asyncio.create_task(tested.generate(cube(seed))) for seed in (2, 3, 4)]
    await asyncio.sleep(0.01)
    gate.open.set()
    await asyncio.gather(first, *later)
    assert calls == [1, 3]


async def test_steps_are_counted_for_each_request() -> None:
    steps: dict[int, list[tuple[int, int]]] = {1: [], 2: []}
    tested = generator(2)
    await asyncio.gather(
        *(
            tested.generate(cube(seed), on_step=lambda *step, seed=seed: steps[seed].append(step))
            for seed in steps
        )
    )
    assert steps == {1: [(1, 2), (2, 2)], 2: [(1, 2), (2, 2)]}


@pytest.mark.parametrize("name", ["FluxPipeline", "PixArtSigmaPipeline", "QwenImagePipeline"])
async def test_cancelling_stops_at_the_next_step(name: str) -> None:
    pipeline = tiny.build(name)
    parameters = {"use_resolution_binning": False} if "PixArt" in name else {}
    options = RenderOptions(steps=500, width=32, height=32, parameters=parameters)
    tested = DiffusersGenerator.from_pipeline(pipeline, name="tiny", options=options)
    started = threading.Event()
    steps: list[int] = []

    def on_step(done: int, _: int) -> None:
        steps.append(done)
        started.set()

    call = asyncio.create_task(tested.generate(cube(1), on_step=on_step))
    await asyncio.to_thread(started.wait, 30)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await thread_ends()
    assert len(steps) < 500
    after = await tested.generate(cube(1, steps=2))
    fresh = DiffusersGenerator.from_pipeline(tiny.build(name), name="tiny", options=options)
    assert after.tobytes() == (await fresh.generate(cube(1, steps=2))).tobytes()


async def test_a_batch_goes_on_for_those_who_wait() -> None:
    tested = generator(2)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_step(*_: int) -> None:
        loop.call_soon_threadsafe(begun.set)

    long = {"steps": 60}
    gone = asyncio.create_task(tested.generate(cube(1, **long), on_step=on_step))
    stays = asyncio.create_task(tested.generate(cube(2, **long)))
    await begun.wait()
    gone.cancel()
    image = await stays
    assert gone.cancelled()
    assert image.size == (32, 32)


async def test_cancelled_in_the_queue_is_never_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    calls = watch_calls(monkeypatch, gate)
    tested = generator()
    first = asyncio.create_task(tested.generate(cube(1)))
    await asyncio.to_thread(gate.reached.wait, 30)
    queued = asyncio.create_task(tested.generate(cube(2)))
    await asyncio.sleep(0.01)
    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    gate.open.set()
    await first
    await thread_ends()
    assert calls == [1]


async def test_out_of_memory_halves_the_batch_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    def two_fit(arguments: dict[str, Any]) -> None:
        if batch_size(arguments) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    calls = watch_calls(monkeypatch, two_fit)
    tested = generator(8)
    images = await together(tested, *(cube(seed) for seed in range(8)))
    assert calls == [8, 4, 2, 2, 2, 2]
    assert all(image.size == (32, 32) for image in images)
    await together(tested, cube(1), cube(2), cube(3))
    assert calls[6:] == [2, 1]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 GB"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 GB."),
        MemoryError(),
    ],
    ids=lambda error: f"{type(error).__name__}: {str(error)[:12]}",
)
async def test_out_of_memory_for_one_image(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(_: dict[str, Any]) -> None:
        raise error

    calls = watch_calls(monkeypatch, full)
    failures = await together(generator(2), cube(1), cube(2))
    assert calls == [2, 1, 1]
    for failure in failures:
        assert isinstance(failure, OutOfMemoryError)
        assert "offload='model'" in str(failure)
        assert failure.__cause__ is not None


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ValueError("`max_sequence_length` cannot be greater than 512"), UnsupportedRequestError),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), GeneratorError),
        (AssertionError(), GeneratorError),
    ],
)
async def test_errors_of_a_pipeline_get_a_type(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, expected: type[GeneratorError]
) -> None:
    def fail(_: dict[str, Any]) -> None:
        raise raised

    watch_calls(monkeypatch, fail)
    with pytest.raises(expected, match="FluxPipeline") as caught:
        await generator().generate(cube(1))
    assert type(caught.value) is expected
    assert caught.value.__cause__ is raised


async def test_what_the_pipeline_refuses() -> None:
    with pytest.raises(UnsupportedRequestError, match="max_sequence_length"):
        await generator().generate(cube(1, max_sequence_length=1024))


async def test_one_bad_prompt_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(arguments: dict[str, Any]) -> None:
        if "a cube, 2" in arguments["prompt"]:
            raise RuntimeError("this prompt breaks the tokenizer")

    watch_calls(monkeypatch, poisoned)
    one, two, three = await together(generator(4), cube(1), cube(2), cube(3))
    assert isinstance(two, GeneratorError)
    assert one.size == three.size == (32, 32)


async def test_blanked_by_the_safety_checker(monkeypatch: pytest.MonkeyPatch) -> None:
    def flag_second(self: Any, image: Any, *_: Any) -> tuple[Any, list[bool]]:
        return image, [False, True]

    monkeypatch.setattr(StableDiffusionPipeline, "run_safety_checker", flag_second)
    tested = DiffusersGenerator.from_pipeline(
        tiny.build("StableDiffusionPipeline"), name="tiny", options=OPTIONS, batch=2
    )
    fine, refused = await together(tested, cube(1), cube(2))
    assert fine.size == (32, 32)
    assert isinstance(refused, GeneratorRefused)


async def test_a_bug_in_a_callback_is_an_error_and_not_a_hang() -> None:
    def on_step(*_: int) -> None:
        raise ZeroDivisionError("a bug in the caller")

    with pytest.raises(GeneratorError, match="ZeroDivisionError"):
        await generator().generate(cube(1), on_step=on_step)


def test_event_loops_take_turns_and_no_thread_stays() -> None:
    tested = generator(2)

    async def two() -> list[Image.Image]:
        return await asyncio.gather(*(tested.generate(cube(seed)) for seed in (1, 2)))

    first, second = asyncio.run(two()), asyncio.run(two())
    assert [image.tobytes() for image in first] == [image.tobytes() for image in second]
    asyncio.run(thread_ends())


async def test_edits_with_the_components_of_a_flux_pipeline() -> None:
    tested = generator(edit_pipeline="FluxKontextPipeline")
    assert tested.tasks == {"t2i", "edit"}
    assert tested.identity.details["edit_pipeline"] == "FluxKontextPipeline"
    drawn = await tested.generate(cube(1))
    edited = await tested.generate(RenderRequest("make it red", 1, picture("red", (32, 32))))
    assert edited.size == (32, 32)
    assert edited.tobytes() != drawn.tobytes()


@pytest.mark.parametrize(
    ("edit_pipeline", "message"),
    [
        ("FluxPipeline", "does no edits"),
        ("QwenImageEditPipeline", "it needs processor"),
        ("FluxKontextPipelin", "did you mean"),
    ],
)
def test_wrong_edit_pipeline(edit_pipeline: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generator(edit_pipeline=edit_pipeline)


def test_a_pipeline_without_a_name() -> None:
    with pytest.raises(ConfigError, match="give it a name"):
        DiffusersGenerator.from_pipeline(tiny.build("FluxPipeline"))


def test_a_pipeline_in_training_mode() -> None:
    pipeline = tiny.build("FluxPipeline")
    pipeline.text_encoder_2.train()
    with pytest.raises(ConfigError, match=r"text_encoder_2.*\.eval\(\)"):
        DiffusersGenerator.from_pipeline(pipeline, name="tiny")


async def test_a_pipeline_without_callbacks_ends_its_render(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It cannot be stopped, so the call ends at once and the thread with the render."""
    real = PixArtSigmaPipeline.__call__

    def plain(self: Any, prompt: Any, generator: Any, num_inference_steps: int = 2) -> Any:
        return real(
            self,
            prompt,
            generator=generator,
            num_inference_steps=num_inference_steps,
            height=32,
            width=32,
            use_resolution_binning=False,
        )

    monkeypatch.setattr(PixArtSigmaPipeline, "__call__", plain)
    tested = DiffusersGenerator.from_pipeline(tiny.build("PixArtSigmaPipeline"), name="tiny")
    steps: list[int] = []
    image = await tested.generate(
        RenderRequest("a cube", 1), on_step=lambda done, _: steps.append(done)
    )
    assert image.size == (32, 32)
    assert steps == []


async def thread_ends() -> None:
    for _ in range(3000):
        if not any(thread.name == "rr-refine-diffusers" for thread in threading.enumerate()):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the device's thread still runs")
