"""Several pictures to edit: each reaches the model; two are refused where one is taken."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import Flux2KleinKVPipeline, Flux2Pipeline, QwenImageEditPlusPipeline
from PIL import Image

from rr_refine.component import most_sources
from rr_refine.errors import UnsupportedRequestError
from rr_refine.generators.diffusers import DiffusersGenerator, RenderOptions
from rr_refine.generators.diffusers.arguments import plan_call
from rr_refine.generators.diffusers.family import FAMILIES, Family, family_of, pipeline_class
from rr_refine.generators.generator import RenderRequest
from rr_refine.generators.prompt_fit import fit_of
from rr_refine.generators.sources import SEVERAL
from tests.generators.diffusers import tiny
from tests.generators.diffusers.conftest import picture, watch_calls

SMALL = RenderOptions(steps=2, width=64, height=64)
PROMPT = "put the ball of picture 2 onto the table"
ONE = ("FluxKontextPipeline", "QwenImageEditPipeline", "StableDiffusionInstructPix2PixPipeline")


def flux2(pipeline: type[Any]) -> Any:
    """One of the larger FLUX.2 pipelines around the parts of the small one."""
    parts = dict(tiny.build("Flux2KleinPipeline").components)
    if pipeline is Flux2Pipeline:
        parts |= {"text_encoder": None, "tokenizer": None}  # made for gigabytes; see `words`
    made = pipeline(**parts)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """FLUX.2's prompts without its encoder: sources do not go through it."""

    def encode(self: Any, prompt: str, **_: object) -> tuple[torch.Tensor, torch.Tensor]:
        noise = torch.Generator().manual_seed(len(prompt))
        embeds = torch.randn(1, 5, 48, generator=noise)
        return embeds, self._prepare_text_ids(embeds)

    monkeypatch.setattr(Flux2Pipeline, "encode_prompt", encode)


def build(name: str) -> Any:
    if name in ("Flux2Pipeline", "Flux2KleinKVPipeline"):
        return flux2(pipeline_class(name))
    return tiny.build(name)


def generator(name: str, options: RenderOptions = SMALL, batch: int = 1) -> DiffusersGenerator:
    return DiffusersGenerator.from_pipeline(build(name), name="tiny", options=options, batch=batch)


def request(*colours: str, prompt: str = PROMPT, **parameters: Any) -> RenderRequest:
    first, *more = (picture(colour) for colour in colours)
    return RenderRequest(prompt, 1, first, parameters, tuple(more))


def difference(one: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("name", SEVERAL)
async def test_every_picture_reaches_the_model(name: str) -> None:
    tested = generator(name)
    assert most_sources(tested) is None
    base = await tested.generate(request("red", "blue"))
    assert base.tobytes() == (await tested.generate(request("red", "blue"))).tobytes()
    for other in (
        request("red"),
        request("red", "yellow"),  # the second is seen
        request("green", "blue"),  # and the first still is
        request("blue", "red"),  # their order counts
        request("red", "blue", "yellow"),
    ):
        assert difference(base, await tested.generate(other)) > 2


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("name", SEVERAL)
async def test_the_result_has_the_proportions_of_the_first(name: str) -> None:
    """Qwen-Image-Edit-Plus by itself goes by the last."""
    pipeline, family = build(name), FAMILIES[name]
    sizes = [(96, 64), (64, 96)]
    call = plan_call(pipeline, "edit", family, defaults={}, asked={}, source_sizes=sizes)
    assert call.source_sizes == sizes
    if family.edit_area is not None:
        assert dict(call.arguments) | {"width": 1248, "height": 832} == dict(call.arguments)
        alone = plan_call(pipeline, "edit", family, defaults={}, asked={}, source_sizes=sizes[:1])
        assert "width" not in alone.arguments
        return
    tested = DiffusersGenerator.from_pipeline(pipeline, name="tiny", options=RenderOptions(steps=1))
    wide, tall = (picture("red", size) for size in sizes)
    assert (await tested.generate(RenderRequest("x", 1, wide, {}, (tall,)))).size == (96, 64)
    assert (await tested.generate(RenderRequest("x", 1, tall, {}, (wide,)))).size == (64, 96)


def test_sizes_are_rounded_as_for_one() -> None:
    module = inspect.getmodule(QwenImageEditPlusPipeline)
    for size in ((96, 64), (1000, 333), (512, 512), (10, 3000)):
        ours = plan_call(
            tiny.build("QwenImageEditPlusPipeline"),
            "edit",
            FAMILIES["QwenImageEditPlusPipeline"],
            defaults={},
            asked={},
            source_sizes=[size, (64, 64)],
        ).arguments
        theirs = vars(module)["calculate_dimensions"](1024 * 1024, size[0] / size[1])
        assert (ours["width"], ours["height"]) == theirs


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("name", SEVERAL)
async def test_each_goes_in_by_its_own_size(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[list[tuple[int, int]]] = []
    pipeline = build(name)
    watch_calls(
        monkeypatch, lambda a: sizes.append([one.size for one in a["image"]]), type(pipeline)
    )
    tested = DiffusersGenerator.from_pipeline(pipeline, name="tiny", options=SMALL)
    asked = RenderRequest(
        "x", 1, picture("red", (256, 128)), {"max_side": 128}, (picture("blue", (96, 192)),)
    )
    await tested.generate(asked)
    assert sizes == [[(128, 64), (64, 128)]]
    small = RenderRequest("x", 1, picture("red"), {}, (Image.new("RGB", (64, 1)),))
    with pytest.raises(UnsupportedRequestError, match="64x1 pixels"):
        await tested.generate(small)


@pytest.mark.parametrize("name", ONE)
async def test_one_that_takes_one_refuses_two(name: str) -> None:
    tested = generator(name, RenderOptions(steps=1))
    assert most_sources(tested) == 1
    with pytest.raises(UnsupportedRequestError) as caught:
        await tested.generate(request("red", "blue"))
    told = str(caught.value)
    assert f"{name} takes one picture to edit at a time, and 2 were given" in told
    assert all(other in told for other in (*SEVERAL, "images-api"))


async def test_kontext_for_edits_beside_another() -> None:
    made = DiffusersGenerator.from_pipeline(
        tiny.build("FluxPipeline"), name="tiny", edit_pipeline="FluxKontextPipeline"
    )
    assert most_sources(made) == 1


@pytest.mark.parametrize("name", ["Flux2KleinPipeline", "QwenImageEditPlusPipeline"])
async def test_the_prompt_is_measured_with_them(name: str) -> None:
    """The words that stand for pictures in the text are no words of the prompt."""
    tested = generator(name)
    asked = [request("red", "blue"), request("red"), request("red", "blue", "green")]
    fits = [await fit_of(tested, one) for one in asked]
    assert all(fit is not None and fit.cut == "" for fit in fits)
    assert {(fit.length, fit.limit) for fit in fits if fit} == {(len(PROMPT), fits[0].limit)}  # type: ignore[union-attr]


async def test_a_family_of_a_package_may_batch_and_take_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A list of pictures means one thing at a time."""
    family = Family(frozenset({"edit"}), frozenset({"edit"}), most_sources=2)
    name = "rr_refine.generators.diffusers.rendering.family_of"
    monkeypatch.setattr(name, lambda _: family)
    pipeline = tiny.build("QwenImageEditPlusPipeline")
    calls = watch_calls(monkeypatch, pipeline=QwenImageEditPlusPipeline)
    tested = DiffusersGenerator.from_pipeline(pipeline, name="tiny", options=SMALL, batch=2)
    await asyncio.gather(*(tested.generate(request("red", "blue")) for _ in range(2)))
    assert calls == [1, 1]
    with pytest.raises(UnsupportedRequestError, match="takes 2 pictures to edit at a time, and 3"):
        await tested.generate(request("red", "blue", "green"))


def test_the_names_in_messages_are_those_of_the_table() -> None:
    assert set(SEVERAL) == {n for n, family in FAMILIES.items() if family.most_sources != 1}
    assert all(family_of(name).most_sources is None for name in SEVERAL)
    assert Flux2KleinKVPipeline.__name__ in SEVERAL
