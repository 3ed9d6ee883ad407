"""What is asked for has an effect, or is refused."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.errors import ConfigError, UnsupportedRequestError
from rr_refine.generators.diffusers import DiffusersGenerator, RenderOptions
from rr_refine.generators.diffusers.arguments import offered, plan_call
from rr_refine.generators.diffusers.family import family_of, pipeline_class
from rr_refine.generators.diffusers.tiny import flux, qwen
from rr_refine.generators.generator import RenderRequest
from rr_refine.terms import Task
from tests.generators.diffusers import tiny
from tests.generators.diffusers.conftest import picture

SMALL = RenderOptions(steps=1, width=64, height=64)


def plan(
    pipeline: Any, size: tuple[int, int] | None = None, /, **asked: JsonValue
) -> dict[str, JsonValue]:
    task: Task = "edit" if size else "t2i"
    family = family_of(type(pipeline))
    call = plan_call(
        pipeline, task, family, defaults={}, asked=asked, source_sizes=[size] if size else ()
    )
    return dict(call.arguments)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("FluxKontextPipeline", {"max_area": 4096}, "takes no 'max_area'"),
        ("FluxKontextPipeline", {"_auto_resize": False}, "takes no '_auto_resize'"),
        ("FluxPipeline", {"guidance": 2.0}, "did you mean 'guidance_scale'"),
        ("FluxPipeline", {"max_side": 64}, "takes no 'max_side'"),
        ("FluxPipeline", {"prompt_embeds": [1]}, "takes no 'prompt_embeds'"),
        ("FluxPipeline", {"generator": 1}, "takes no 'generator'"),
        ("FluxPipeline", {"negative_prompt": "fog"}, "set 'true_cfg_scale' above 1"),
        ("FluxPipeline", {"width": 64}, "go together"),
        ("FluxPipeline", {"width": 66, "height": 64}, "multiple of 4, such as 64 or 68"),
        ("FluxPipeline", {"num_inference_steps": 2}, "set 'steps' instead"),
        ("FluxPipeline", {"steps": 0}, "steps = 0"),
        ("FluxPipeline", {"steps": "many"}, "steps = 'many'"),
        ("FluxPipeline", {"guidance_scale": float("nan")}, "JSON"),
        ("QwenImagePipeline", {"guidance_scale": 4.0}, "use 'true_cfg_scale'"),
        (
            "QwenImagePipeline",
            {"true_cfg_scale": 1.0, "negative_prompt": "fog"},
            "while 'true_cfg_scale' is 1.0",
        ),
        ("StableDiffusion3Pipeline", {"true_cfg_scale": 4.0}, "it has 'guidance_scale'"),
        (
            "StableDiffusion3Pipeline",
            {"guidance_scale": 1.0, "negative_prompt": "fog"},
            "set 'guidance_scale' above 1",
        ),
        ("ZImagePipeline", {"width": 63, "height": 63}, "multiple of 4"),
        ("StableDiffusionPipeline", {"cross_attention": 1}, "takes no 'cross_attention'"),
    ],
)
async def test_refused_in_a_request(
    name: str, parameters: dict[str, JsonValue], message: str
) -> None:
    tested = DiffusersGenerator.from_pipeline(tiny.build(name), name="tiny", options=SMALL)
    if "steps" not in parameters and "num_inference_steps" not in parameters:
        parameters = {"steps": 1, **parameters}
    if parameters.keys() & {"width"} and "height" not in parameters:
        parameters = {**parameters, "height": None}
    with pytest.raises(UnsupportedRequestError, match=message):
        await tested.generate(RenderRequest("a cube", 1, parameters=parameters))


@pytest.mark.parametrize(
    ("name", "source"),
    [("FluxPipeline", picture("red")), ("QwenImageEditPipeline", None)],
)
async def test_refuses_the_other_task(name: str, source: Image.Image | None) -> None:
    tested = DiffusersGenerator.from_pipeline(tiny.build(name), name="tiny")
    with pytest.raises(UnsupportedRequestError, match=f"{name} does not do"):
        await tested.generate(RenderRequest("a cube", 1, source))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("FluxPipeline", {"parameters": {"strength": 0.5}}, "takes no 'strength'"),
        ("FluxPipeline", {"width": 65, "height": 64}, "multiple of 4"),
        ("QwenImagePipeline", {"guidance_scale": 4.0}, "true_cfg_scale"),
        ("StableDiffusionInstructPix2PixPipeline", {"width": 64, "height": 64}, "'width'"),
    ],
)
def test_refused_in_the_options(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DiffusersGenerator.from_pipeline(
            tiny.build(name), name="tiny", options=RenderOptions(**options)
        )


@pytest.mark.parametrize("field", ["steps", "num_inference_steps", "width", "negative_prompt"])
def test_one_place_for_each_option(field: str) -> None:
    with pytest.raises(ValueError, match="does not belong in 'parameters'"):
        RenderOptions(parameters={field: 1})


def test_flux_without_guidance_embedding_has_no_guidance_scale() -> None:
    schnell = flux(guidance_embeds=False)
    with pytest.raises(UnsupportedRequestError, match="no guidance embedding"):
        plan(schnell, guidance_scale=3.5)
    assert plan(schnell, true_cfg_scale=2.0) == {"true_cfg_scale": 2.0, "negative_prompt": ""}
    assert plan(flux(), guidance_scale=3.5) == {"guidance_scale": 3.5}


def test_step_distilled_klein_has_no_guidance() -> None:
    klein = tiny.klein()
    assert plan(klein, guidance_scale=4.0) == {"guidance_scale": 4.0}
    klein.register_to_config(is_distilled=True)
    with pytest.raises(UnsupportedRequestError, match="step-distilled"):
        plan(klein, guidance_scale=4.0)


def test_distilled_guidance_knows_no_negative_prompt() -> None:
    """LCM: the UNet takes the scale as an input."""
    lcm = tiny.sd()
    lcm.unet.register_to_config(time_cond_proj_dim=8)
    with pytest.raises(UnsupportedRequestError, match="distilled"):
        plan(lcm, negative_prompt="fog")


def test_qwen_guides_by_default() -> None:
    """Its `true_cfg_scale` of 4 does nothing without a negative prompt."""
    pipeline = qwen()
    assert plan(pipeline) == {"negative_prompt": " "}
    assert plan(pipeline, true_cfg_scale=1.0) == {"true_cfg_scale": 1.0}
    assert plan(pipeline, negative_prompt="fog") == {"negative_prompt": "fog"}


@pytest.mark.parametrize(
    ("asked", "arguments"),
    [
        # one megapixel, in the source's proportions
        ({}, {"width": 200, "height": 100}),
        ({"max_side": 100}, {"width": 100, "height": 48, "max_area": 4800, "_auto_resize": False}),
        (
            {"max_side": 500},
            {"width": 200, "height": 100, "max_area": 20000, "_auto_resize": False},
        ),
        (
            {"width": 64, "height": 32},
            {"width": 64, "height": 32, "max_area": 2048, "_auto_resize": False},
        ),
    ],
)
def test_size_of_a_kontext_edit(
    asked: dict[str, JsonValue], arguments: dict[str, JsonValue]
) -> None:
    assert plan(tiny.build("FluxKontextPipeline"), (202, 101), **asked) == arguments


@pytest.mark.parametrize(
    ("source", "parameters", "size"),
    [
        ((64, 64), {}, (64, 64)),
        ((96, 48), {"max_side": 64}, (64, 32)),
        ((96, 48), {"width": 32, "height": 32}, (32, 32)),
    ],
)
async def test_edits_have_the_size_that_was_planned(
    source: tuple[int, int], parameters: dict[str, JsonValue], size: tuple[int, int]
) -> None:
    tested = DiffusersGenerator.from_pipeline(
        tiny.build("FluxKontextPipeline"),
        name="tiny",
        options=RenderOptions(steps=1, max_side=64),
    )
    image = await tested.generate(RenderRequest("a cube", 1, picture("red", source), parameters))
    assert image.size == size


async def test_null_goes_back_to_the_default_of_the_pipeline() -> None:
    tested = DiffusersGenerator.from_pipeline(
        tiny.build("StableDiffusion3Pipeline"),
        name="tiny",
        options=RenderOptions(steps=1, width=32, height=32),
    )
    image = await tested.generate(
        RenderRequest("a cube", 1, parameters={"width": None, "height": None})
    )
    assert image.size == (64, 64)


async def test_texts_are_repeated_for_a_batch() -> None:
    import asyncio

    tested = DiffusersGenerator.from_pipeline(
        tiny.build("FluxPipeline"), name="tiny", options=SMALL, batch=2
    )
    parameters: dict[str, JsonValue] = {
        "negative_prompt": "fog",
        "true_cfg_scale": 2.0,
        "prompt_2": "a longer one",
    }
    images = await asyncio.gather(
        *(tested.generate(RenderRequest("a", seed, parameters=parameters)) for seed in (1, 2))
    )
    assert [image.size for image in images] == [(64, 64)] * 2


@pytest.mark.parametrize(
    ("name", "defaults", "negative"),
    [
        ("FluxPipeline", {}, False),
        ("FluxPipeline", {"true_cfg_scale": 4.0}, True),
        ("QwenImagePipeline", {}, True),
        ("QwenImagePipeline", {"true_cfg_scale": 1.0}, False),
        ("StableDiffusion3Pipeline", {}, True),
        ("StableDiffusion3Pipeline", {"guidance_scale": 0.0}, False),
        ("Flux2KleinPipeline", {}, False),
    ],
)
def test_what_a_form_may_offer(name: str, defaults: dict[str, Any], *, negative: bool) -> None:
    takes = offered(pipeline_class(name), family_of(name), defaults)
    assert takes == {"width", "height", *(["negative_prompt"] if negative else [])}
