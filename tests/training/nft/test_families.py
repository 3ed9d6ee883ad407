"""Every family: conditions as the stock pipeline has them, batches that do not mix, LoRAs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from rr_refine.errors import ConfigError
from rr_refine.generators.diffusers.tiny import TINY, build_tiny
from rr_refine.training.nft.adapters import Adapters
from rr_refine.training.nft.families import FAMILIES, Drawn, draw, family_for, join, predict
from rr_refine.training.nft.pipeline import call_arguments, set_up
from tests.generators.diffusers.conftest import picture, small_qwen_edits
from tests.training.nft.toy import recipe

__all__ = ["small_qwen_edits"]

CALL: dict[str, Any] = {"width": 32, "height": 32}
KONTEXT = {"max_area": 32 * 32, "_auto_resize": False}


def pipeline_and_call(name: str, **changes: Any) -> tuple[Any, dict[str, object]]:
    call = CALL | (KONTEXT if name == "FluxKontextPipeline" else {})
    chosen = recipe(steps=3, call=call, **changes)
    pipeline = set_up(build_tiny(name), chosen)
    return pipeline, call_arguments(pipeline, chosen)


def drawn(pipeline: Any, call: Any, which: slice) -> Drawn:
    """Two samples that differ in all they have, or one of them."""
    edits = family_for(pipeline).task == "edit"
    sources = [picture("red", (32, 32)), picture("blue", (32, 32))] if edits else None
    prompts = ["a red cat", "two dogs on a very long bench"][which]
    return draw(pipeline, prompts, None if sources is None else sources[which], [1, 2][which], call)


@pytest.mark.parametrize("solver", ["pipeline", "dpm2"])
@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_batch_of_two_equals_two_singles(name: str, solver: str) -> None:
    pipeline, call = pipeline_and_call(name, solver=solver)
    both = drawn(pipeline, call, slice(0, 2))
    for index in range(2):
        one = drawn(pipeline, call, slice(index, index + 1))
        assert torch.allclose(one.latents[0], both.latents[index], atol=1e-2)
        noisy, t = one.latents, torch.tensor([0.5])
        alone = predict(pipeline.transformer, noisy, t, one.conditions[0])
        together = predict(
            pipeline.transformer,
            torch.cat([both.latents[:1], noisy] if index else [noisy, both.latents[1:]]),
            torch.tensor([0.5, 0.5]),
            join(both.conditions),
        )
        assert torch.allclose(alone[0], together[index], atol=2e-4)
    assert (both.latents[0] - both.latents[1]).abs().max() > 0.1


@pytest.mark.parametrize("name", list(FAMILIES))
def test_velocities_are_those_that_the_pipeline_integrates(name: str) -> None:
    """An Euler loop over `predict` ends where the stock pipeline ends."""
    pipeline, call = pipeline_and_call(name)
    first: list[torch.Tensor] = []
    hook = pipeline.transformer.register_forward_pre_hook(
        lambda _module, _args, kwargs: first.append(kwargs["hidden_states"]), with_kwargs=True
    )
    one = drawn(pipeline, call, slice(0, 1))
    hook.remove()
    x = first[0][:, : one.latents.shape[1]]
    sigmas = pipeline.scheduler.sigmas
    for sigma, after in pairwise(sigmas):
        v = predict(pipeline.transformer, x, sigma[None], one.conditions[0])
        x = x + (after - sigma) * v
    assert torch.allclose(x, one.latents, atol=1e-4)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_the_lora_loads_at_full_strength(name: str, tmp_path: Path) -> None:
    pipeline, call = pipeline_and_call(name)
    before = drawn(pipeline, call, slice(0, 1)).latents
    adapters = Adapters(pipeline.transformer, rank=4, alpha=8)
    for weight in adapters.trained:
        torch.nn.init.normal_(weight, std=0.3)
    trained = drawn(pipeline, call, slice(0, 1)).latents
    file = adapters.save(pipeline, tmp_path, torch.float32)
    fresh, _ = pipeline_and_call(name)
    fresh.load_lora_weights(file.parent)
    assert torch.allclose(drawn(fresh, call, slice(0, 1)).latents, trained, atol=1e-4)
    assert (before - trained).abs().max() > 0.01


def test_guidance_of_a_second_pass_is_refused() -> None:
    pipeline = build_tiny("StableDiffusion3Pipeline")
    with pytest.raises(ConfigError, match=r"call\.guidance_scale = 4\.5: Stable"):
        call_arguments(pipeline, recipe(call={"guidance_scale": 4.5}))
    flux, call = pipeline_and_call("FluxPipeline")
    assert call_arguments(flux, recipe(call={"guidance_scale": 2.5}))["guidance_scale"] == 2.5
    with pytest.raises(ConfigError, match="6 passes for 3 steps: train without guidance"):
        drawn(flux, call | {"true_cfg_scale": 2.0, "negative_prompt": "x"}, slice(0, 1))


def test_a_pipeline_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="object cannot be trained: known are Stable"):
        family_for(object())


def test_each_family_has_a_tiny_pipeline() -> None:
    assert set(TINY) == set(FAMILIES)
    assert isinstance(picture("red"), Image.Image)
