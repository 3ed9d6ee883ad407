"""The generator's recipe on the smallest scale: it learns, goes on, and its folder loads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from rr_refine.generators.generator import RenderRequest
from rr_refine.sketch.generator import MAX_TOKENS, SketchGenerator, SketchGeneratorOptions
from rr_refine.sketch.training.generator.autoencoder import (
    WORD_WEIGHT,
    AutoencoderRecipe,
    build_autoencoder,
    crops,
    train_autoencoder,
)
from rr_refine.sketch.training.generator.binding import train_binding
from rr_refine.sketch.training.generator.flow import train_flow
from rr_refine.sketch.training.generator.model import (
    build_clip_tokenizer,
    build_flow_model,
    build_t5,
    build_t5_tokenizer,
)
from rr_refine.sketch.training.generator.pool import Pool, pack, unpack
from rr_refine.sketch.training.generator.train import QUICK, GeneratorRecipe, train_generator
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.edit import phrase_edit, random_edit
from rr_refine.sketch.world.phrasing import REGISTERS, phrase, request_for
from rr_refine.sketch.world.sampling import random_scene


def losses(log: Path, name: str) -> list[float]:
    return [json.loads(line)[name] for line in log.read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = GeneratorRecipe(
        autoencoder=replace(QUICK.autoencoder, steps=100),
        binding=replace(QUICK.binding, steps=150),
        flow=replace(QUICK.flow, steps=100),
        decoder=replace(QUICK.decoder, steps=2),
    )
    return train_generator(tmp_path_factory.mktemp("sketch"), recipe)


def test_crops_of_words_hold_the_word_and_count_more() -> None:
    pixels, weight = crops(Random(3), 80)
    counts = weight.amin((1, 2, 3))  # what a crop's bare background counts
    assert set(counts.tolist()) == {1.0, WORD_WEIGHT}
    words = counts == WORD_WEIGHT
    assert 0.1 < words.float().mean() < 0.4  # one of two crops of every second scene
    # No shape is black or white, and no background is as black or white as letters are.
    letters = (pixels.amax(1) < -0.85) | (pixels.amin(1) > 0.91)
    of_paper = pixels[..., :1, :1].mean(1)
    inked = (letters & ((pixels.mean(1) - of_paper).abs() > 0.1)).sum((1, 2))
    assert (inked[words] > 20).all()


def test_each_head_of_an_untrained_t5_looks_back_by_its_own_distance() -> None:
    tokenizer = build_t5_tokenizer()
    torch.manual_seed(0)
    model: Any = build_t5(tokenizer, 192, 2)
    model.eval().set_attn_implementation("eager")
    words = tokenizer("a large red circle at the top left; a small blue star", return_tensors="pt")
    with torch.no_grad():
        attention = model(words.input_ids, output_attentions=True).attentions[0][0]
    for head, weights in enumerate(attention):
        back = weights.diagonal(-(head + 1))
        assert back.mean() > 0.5  # evenly spread it would be a tenth


def test_losses_fall(trained: Path) -> None:
    autoencoder = losses(trained.parent / "autoencoder.jsonl", "loss")
    binding = losses(trained.parent / "binding.jsonl", "loss")
    flow = losses(trained.parent / "flow.jsonl", "flow")
    assert autoencoder[-1] < 0.8 * autoencoder[0]
    assert binding[-1] < 0.9 * binding[0]
    assert flow[-1] < 0.9 * flow[0]


def test_stock_pipelines_load_the_folder(trained: Path) -> None:
    from diffusers import FluxKontextPipeline, FluxPipeline

    pipeline = FluxPipeline.from_pretrained(trained)
    pipeline.set_progress_bar_config(disable=True)
    options: dict[str, Any] = {
        "height": 128,
        "width": 128,
        "num_inference_steps": 2,
        "true_cfg_scale": 2.5,
        "negative_prompt": "",
        "max_sequence_length": MAX_TOKENS,
    }
    picture = pipeline("a red circle", **options).images[0]
    assert picture.size == (128, 128)
    edits = FluxKontextPipeline(**pipeline.components)
    edits.set_progress_bar_config(disable=True)
    edited = edits(image=picture, prompt="remove it", max_area=128 * 128, **options).images[0]
    assert edited.size == (128, 128)


async def test_the_generator_draws_and_edits_what_it_is_given(trained: Path) -> None:
    generator = SketchGenerator(SketchGeneratorOptions(model=trained, steps=2))
    one = await generator.generate(RenderRequest("two red circles", seed=3))
    again = await generator.generate(RenderRequest("two red circles", seed=3))
    other = await generator.generate(RenderRequest("two red circles", seed=4))
    assert one.size == (128, 128)
    assert one.tobytes() == again.tobytes() != other.tobytes()
    large = one.resize((300, 200))
    edited = await generator.generate(RenderRequest("remove it", seed=3, source=large))
    assert edited.size == (128, 85)  # the proportions of what it was given


def test_the_decoder_is_trained_alone(trained: Path) -> None:
    folder = trained.parent
    before = torch.load(folder / "autoencoder.pt", weights_only=True)["model"]
    after = torch.load(folder / "decoder.pt", weights_only=True)["model"]
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"decoder"}


def test_the_flow_model_begins_with_the_encoder_that_binds_words(tmp_path: Path) -> None:
    flow = replace(QUICK.flow, steps=1, learning_rates=(0.0, 0.0))
    t5 = train_binding(tmp_path, replace(QUICK.binding, steps=2), flow)
    again = train_binding(tmp_path, replace(QUICK.binding, steps=2), flow)  # nothing is left to do
    autoencoder = train_autoencoder(tmp_path, AutoencoderRecipe(steps=1, width=16, batch=4))
    model = train_flow(tmp_path, autoencoder, flow, again)
    for name, weight in model.t5.state_dict().items():
        assert torch.equal(weight, t5.state_dict()[name]), name


def test_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    recipe = AutoencoderRecipe(steps=4, width=16, batch=4)
    train_autoencoder(tmp_path, recipe)
    train_autoencoder(tmp_path, replace(recipe, steps=6))
    assert torch.load(tmp_path / "autoencoder.pt", weights_only=True)["step"] == 6
    autoencoder = train_autoencoder(tmp_path, replace(recipe, steps=6))  # nothing is left to do
    flow = replace(QUICK.flow, steps=2)
    train_flow(tmp_path, autoencoder, flow)
    train_flow(tmp_path, autoencoder, replace(flow, steps=3))
    state = torch.load(tmp_path / "flow.pt", weights_only=True)
    assert state["step"] == 3
    assert state["optimizers"][0]["state"]


@pytest.mark.parametrize("register", REGISTERS)
def test_every_caption_is_whole_words_and_fits(register: str) -> None:
    random = Random(5)
    t5, clip = build_t5_tokenizer(), build_clip_tokenizer()
    for _ in range(300):
        scene = random_scene(random)
        text = phrase(request_for(scene, register, random), register, random)  # type: ignore[arg-type]
        assert len(t5(text).input_ids) <= MAX_TOKENS
        assert t5.unk_token_id not in t5(text).input_ids
        assert len(clip(text).input_ids) <= clip.model_max_length
        edit = phrase_edit(random_edit(scene, random), scene, dense=True)
        assert len(t5(edit).input_ids) <= MAX_TOKENS


def test_words_of_other_worlds_are_spelled_not_lost() -> None:
    tokens = build_t5_tokenizer().tokenize("a red Zebra")
    assert tokens[:2] == ["▁a", "▁red"]
    assert "".join(tokens[2:]) == "▁Zebra"


def test_packing_is_that_of_the_stock_pipeline() -> None:
    from diffusers import FluxPipeline

    latents = torch.randn(2, 8, 16, 16)
    packed = pack(latents)
    assert torch.equal(packed, FluxPipeline._pack_latents(latents, 2, 8, 16, 16))
    assert torch.equal(unpack(packed), latents)


def test_an_edit_batch_pairs_each_picture_with_its_source() -> None:
    torch.manual_seed(0)
    autoencoder = build_autoencoder(16).eval()
    pool = Pool(autoencoder, Random(1), size=64)
    pool.renew(64)
    batch = pool.draw_batch(16, edits=True, caption_dropout=0.0)
    assert batch.sources is not None
    assert batch.sources.shape == batch.latents.shape == (16, 64, 32)
    assert not any(torch.equal(a, b) for a, b in zip(batch.sources, batch.latents, strict=True))
    assert all(batch.captions)
    dropped = pool.draw_batch(200, edits=False, caption_dropout=1.0)
    assert set(dropped.captions) == {""}


def test_two_scenes_of_one_draft_share_what_they_share() -> None:
    random = Random(2)
    scene = random_scene(random, shapes=4)
    fewer = scene.with_shapes(*scene.shapes[1:])
    one, other = (draw(s, Random(9)).crop((64, 64, 128, 128)) for s in (scene, fewer))
    gone = scene.shapes[0].place
    if gone in ("top left", "top", "top right", "left", "bottom left"):
        assert one.tobytes() == other.tobytes()


def test_zero_initialised_layers_give_zero_velocity() -> None:
    recipe = replace(QUICK.flow, steps=1)
    model = build_flow_model(recipe)
    weights = model.transformer.proj_out.weight
    assert not weights.any()


def test_a_folder_without_weights_is_a_clear_error(tmp_path: Path) -> None:
    from rr_refine.errors import ConfigError

    with pytest.raises(ConfigError, match="rr-refine train sketch"):
        SketchGenerator(SketchGeneratorOptions(model=tmp_path))
