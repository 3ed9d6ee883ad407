"""Every known family, as a real pipeline with random weights."""

from __future__ import annotations

import asyncio
import inspect
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.errors import ConfigError
from rr_refine.generators.diffusers import DiffusersGenerator, RenderOptions
from rr_refine.generators.diffusers.family import FAMILIES, family_of, pipeline_class
from rr_refine.generators.generator import RenderRequest
from rr_refine.terms import Task
from tests.generators.diffusers import tiny
from tests.generators.diffusers.conftest import picture, watch_calls
from tests.installed import install

SIZE: dict[str, JsonValue] = {"steps": 2, "width": 64, "height": 64}
NO_BINNING: dict[str, JsonValue] = {**SIZE, "use_resolution_binning": False}
GUIDED: dict[str, JsonValue] = {**SIZE, "true_cfg_scale": 4.0}

PROMPTS = ("a red cube", "a much longer prompt: a blue circle left of 3 stars, on a white table")
SOURCES = (picture("black"), picture("yellow"))


class Case(NamedTuple):
    name: str
    task: Task
    parameters: dict[str, JsonValue] = SIZE
    prompt_effect: int = 8
    """Of 255 levels, at least: what the second prompt changes."""


CASES = [
    Case("FluxPipeline", "t2i"),
    Case("FluxKontextPipeline", "t2i"),
    Case("FluxKontextPipeline", "edit"),
    Case("FluxImg2ImgPipeline", "edit", {**SIZE, "strength": 0.5}),
    Case("Flux2KleinPipeline", "t2i"),
    Case("Flux2KleinPipeline", "edit"),
    Case("QwenImagePipeline", "t2i", GUIDED),
    Case("QwenImageEditPipeline", "edit", GUIDED),
    Case("QwenImageEditPlusPipeline", "edit", GUIDED),
    Case("StableDiffusionPipeline", "t2i"),
    Case("StableDiffusionXLPipeline", "t2i"),
    Case("StableDiffusion3Pipeline", "t2i"),
    Case("StableDiffusionInstructPix2PixPipeline", "edit", {"steps": 2}),
    Case("ZImagePipeline", "t2i"),
    Case("SanaPipeline", "t2i", NO_BINNING),
    Case("PixArtAlphaPipeline", "t2i", NO_BINNING),
    Case("PixArtSigmaPipeline", "t2i", NO_BINNING),
]
IDS = [f"{case.name}-{case.task}" for case in CASES]


def request(case: Case, index: int, *, seed: int | None = None) -> RenderRequest:
    source = SOURCES[index] if case.task == "edit" else None
    return RenderRequest(
        PROMPTS[index], index if seed is None else seed, source, dict(case.parameters)
    )


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any channel of any pixel, of 255."""
    assert one.size == other.size
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


def generator(name: str, batch: int = 1) -> DiffusersGenerator:
    return DiffusersGenerator.from_pipeline(tiny.build(name), name="tiny", batch=batch)


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_renders_and_repeats(case: Case) -> None:
    steps: list[tuple[int, int]] = []
    tested = generator(case.name)
    assert case.task in tested.tasks
    first = await tested.generate(
        request(case, 0), on_step=lambda done, total: steps.append((done, total))
    )
    assert (first.mode, first.size) == ("RGB", (64, 64))
    assert steps[-1][0] == steps[-1][1] == len(steps)
    assert difference(first, await tested.generate(request(case, 0))) == 0
    other_seed = await tested.generate(request(case, 0, seed=7))
    assert difference(first, other_seed) >= 8


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_image_of_a_batch_equals_its_single_run(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured on a CPU in float32: equal up to rounding (2e-5 of 1), so at most one level of 255.

    Families that are not batched are rendered one by one, and then it is exact.
    """
    family = family_of(case.name)
    together = case.task in family.batched
    tested = generator(case.name, batch=2 if family.batched else 1)
    singles = [await tested.generate(request(case, index)) for index in (0, 1)]
    crossed = await tested.generate(
        RenderRequest(PROMPTS[1], 0, request(case, 0).source, dict(case.parameters))
    )
    # Were the prompts of a batch mixed up, it would be seen:
    assert difference(singles[0], crossed) >= 4
    calls = watch_calls(monkeypatch, pipeline=pipeline_class(case.name))
    batch = await asyncio.gather(*(tested.generate(request(case, index)) for index in (0, 1)))
    assert calls == ([2] if together else [1, 1])
    for single, batched in zip(singles, batch, strict=True):
        assert difference(single, batched) <= (1 if together else 0)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [(case.name, case.parameters) for case in CASES if case.task == "edit"],
    ids=[case.name for case in CASES if case.task == "edit"],
)
async def test_the_source_is_seen(name: str, parameters: dict[str, JsonValue]) -> None:
    tested = generator(name)
    one, other = [
        await tested.generate(RenderRequest(PROMPTS[0], 0, source, dict(parameters)))
        for source in SOURCES
    ]
    assert difference(one, other) >= 1


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_table_agrees_with_diffusers(name: str) -> None:
    accepted = inspect.signature(pipeline_class(name).__call__).parameters
    family = FAMILIES[name]
    assert ("edit" in family.tasks) == ("image" in accepted)
    assert family.batched <= family.tasks
    assert set(family.defaults) <= set(accepted)
    measured = {(case.name, case.task) for case in CASES}
    assert {(name, task) for task in family.batched} <= measured


def test_every_family_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "generators.md").read_text(encoding="utf-8")
    assert [name for name in FAMILIES if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("FluxInpaintPipeline", "mask_image"),
        ("FluxControlPipeline", "control_image"),
        ("WanPipeline", "num_frames"),
        ("DDPMPipeline", "no prompt"),
        ("FluxPipelin", "did you mean 'FluxPipeline'"),
        ("FluxTransformer2DModel", "no pipeline"),
    ],
)
def test_refuses_pipelines_that_it_cannot_drive(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        family_of(name)


@pytest.mark.parametrize(
    ("name", "tasks"),
    [("ChromaPipeline", {"t2i"}), ("FluxImg2ImgPipeline", {"edit"}), ("FluxPipeline", {"t2i"})],
)
def test_tasks(name: str, tasks: set[str]) -> None:
    assert family_of(name).tasks == tasks


def test_your_own_class_is_told_by_its_signature() -> None:
    own = type("FluxPipeline", (pipeline_class("FluxPipeline"),), {"__module__": "my_package"})
    assert family_of(own).tasks == {"t2i"}
    assert family_of(own).batched == frozenset()


def test_batch_without_effect_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch"):
        generator("QwenImageEditPlusPipeline", batch=2)


def test_options_are_checked_when_a_pipeline_is_given() -> None:
    with pytest.raises(ConfigError, match="max_side"):
        DiffusersGenerator.from_pipeline(
            tiny.build("FluxPipeline"), name="tiny", options=RenderOptions(max_side=64)
        )


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        ("return None", "'BadPipeline' of rr_refine.families gives None, which is no Family$"),
        ("return 'a.b:C'", "gives 'a.b:C', which is no Family$"),
        ("return Family(frozenset({'t2i'}))", "names no pipeline class: its Family.pipeline must"),
        ("return Family(frozenset(), pipeline='json:loads')", "names no pipeline class"),
        ("return Family(frozenset(), pipeline='bad_pipeline:X')", "imported: TypeError: "),
    ],
)
def test_a_family_of_a_package_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gives: str, words: str
) -> None:
    (tmp_path / "bad_family.py").write_text(
        f"from rr_refine.generators.diffusers.family import Family\ndef create():\n    {gives}\n"
    )
    (tmp_path / "bad_pipeline.py").write_text("len()")
    install(tmp_path, {"families": {"BadPipeline": "bad_family:create"}})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "bad_family", raising=False)
    with pytest.raises(ConfigError, match=words) as caught:
        pipeline_class("BadPipeline")
    assert "did you mean" not in str(caught.value)
