"""What of a prompt each family reads, measured as the pipeline itself encodes it."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from pydantic import JsonValue

from rr_refine.generators.diffusers import DiffusersGenerator, RenderOptions
from rr_refine.generators.generator import RenderRequest
from rr_refine.generators.prompt_fit import PromptFit, fit_of
from tests.generators.diffusers import tiny
from tests.generators.diffusers.conftest import picture

EDITS = {
    "FluxImg2ImgPipeline",
    "QwenImageEditPipeline",
    "QwenImageEditPlusPipeline",
    "StableDiffusionInstructPix2PixPipeline",
}
# The most tokens of a prompt; what is missing to 77, 512, … are the encoder's own. Of the tiny
# tokenizers each letter is one, so that Qwen-Image's instructions take more than the 34 tokens that
# its pipeline leaves out again.
LIMITS = {
    "FluxPipeline": 511,
    "FluxKontextPipeline": 511,
    "FluxImg2ImgPipeline": 511,
    "Flux2KleinPipeline": 506,
    "QwenImagePipeline": 397,
    "QwenImageEditPipeline": None,
    "QwenImageEditPlusPipeline": None,
    "StableDiffusion3Pipeline": 255,
    "ZImagePipeline": 506,
    "SanaPipeline": 298,
    "PixArtAlphaPipeline": 119,
    "PixArtSigmaPipeline": 299,
    "StableDiffusionPipeline": 75,
    "StableDiffusionXLPipeline": 75,
    "StableDiffusionInstructPix2PixPipeline": 75,
}


@functools.cache
def pipeline(name: str) -> Any:
    return tiny.build(name)


def made(name: str, **options: Any) -> DiffusersGenerator:
    options = {"steps": 1, "width": 32, "height": 32} | options
    if "Pix2Pix" in name or name in ("QwenImageEditPlusPipeline", "FluxImg2ImgPipeline"):
        del options["width"], options["height"]
    return DiffusersGenerator.from_pipeline(
        pipeline(name), name="tiny", options=RenderOptions(**options)
    )


def asked(name: str, prompt: str, **parameters: JsonValue) -> RenderRequest:
    source = picture("red", (32, 32)) if name in EDITS else None
    return RenderRequest(prompt, 1, source, parameters)


async def fit(name: str, prompt: str, **parameters: JsonValue) -> PromptFit:
    found = await fit_of(made(name), asked(name, prompt, **parameters))
    assert found is not None
    return found


def test_every_tiny_pipeline_is_here() -> None:
    assert LIMITS.keys() == tiny.PIPELINES.keys()


@pytest.mark.parametrize("name", LIMITS)
async def test_what_stands_behind_the_limit_is_told(name: str) -> None:
    """And is behind it: two prompts that differ there only give one picture."""
    generator = made(name)
    long = "A Red cube, " * 60
    one, other = (asked(name, f"{long}{end}") for end in ("then Friederike's hat", "then a dog"))
    short = await generator.fit_prompt(asked(name, "A Red cube"))
    first, second = [await generator.fit_prompt(each) for each in (one, other)]
    assert (short.limit, short.cut) == (LIMITS[name], "")
    if LIMITS[name] is None:
        assert (first.cut, second.cut) == ("", "")
        assert first.reads != second.reads
        return
    assert first.limit == LIMITS[name]
    assert first.cut.endswith("A Red cube, then Friederike's hat")
    assert first.cut in one.prompt
    assert first.cut.split()[0] in ("A", "Red", "cube,")
    assert first.read_part(one.prompt) + first.cut == one.prompt
    assert first.reads == second.reads != short.reads
    assert len({(await generator.generate(each)).tobytes() for each in (one, other)}) == 1


@pytest.mark.parametrize("name", [name for name, limit in LIMITS.items() if limit is not None])
async def test_the_limit_is_the_limit(name: str) -> None:
    """A prompt of so many tokens is read whole; one more, and its last word is not."""
    limit = LIMITS[name]
    assert limit is not None
    per = (await fit(name, "a a a a a a")).length
    assert per is not None
    # One letter with the space before it is one token of CLIP, and two of the others here.
    count = limit if per == 6 else (limit + 12 - per) // 2
    assert (await fit(name, " ".join("a" * count))).cut == ""
    assert (await fit(name, " ".join("a" * (count + 1)))).cut == "a"


@pytest.mark.parametrize(
    ("name", "parameters", "limit", "hint"),
    [
        ("FluxPipeline", {}, 511, ""),
        ("FluxPipeline", {"max_sequence_length": 256}, 255, "max_sequence_length = 512 reads 511"),
        ("StableDiffusion3Pipeline", {}, 255, "max_sequence_length = 512 reads 511 tokens"),
        ("QwenImagePipeline", {}, 397, "max_sequence_length = 1024 reads 909 tokens"),
        ("SanaPipeline", {}, 298, "max_sequence_length, now 300, can be set higher"),
        ("StableDiffusionPipeline", {}, 75, ""),
    ],
)
async def test_a_longer_limit_is_used_and_named(
    name: str, parameters: dict[str, JsonValue], limit: int, hint: str
) -> None:
    found = await fit(name, "a red cube " * 200, **parameters)
    assert found.limit == limit
    assert found.hint.startswith(hint) and bool(found.hint) == bool(hint)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("StableDiffusionPipeline", {}),
        ("StableDiffusionXLPipeline", {}),
        ("StableDiffusion3Pipeline", {}),
        ("FluxPipeline", {"true_cfg_scale": 2.0}),
        ("QwenImagePipeline", {"true_cfg_scale": 2.0}),
        ("SanaPipeline", {}),
        ("PixArtSigmaPipeline", {}),
        ("ZImagePipeline", {"guidance_scale": 4.0}),
    ],
)
async def test_negative_prompts_likewise(name: str, parameters: dict[str, JsonValue]) -> None:
    found = await fit(name, "a cube", negative_prompt="Fog, " * 150 + "rain", **parameters)
    assert found.cut == ""
    assert found.negative_cut.endswith("rain")
    assert any("negative prompt" in text and "rain" in text for text in found.notices())


async def test_a_summary_that_takes_less_is_no_news() -> None:
    """CLIP gives FLUX one vector, always of 77 tokens at most; T5 reads on."""
    assert (await fit("FluxPipeline", "a red cube " * 20)).cut == ""
    assert (await fit("StableDiffusion3Pipeline", "a red cube " * 10)).cut == ""


async def test_but_it_makes_two_prompts_different() -> None:
    same, other = "a red cube " * 60, "a red ball " * 60
    assert (await fit("FluxPipeline", same)).reads != (await fit("FluxPipeline", other)).reads


async def test_an_encoder_with_words_of_its_own() -> None:
    """What `prompt_2` holds is read by T5, and says nothing of the prompt."""
    found = await fit("FluxPipeline", "a red cube " * 20, prompt_2="a ball")
    assert found.limit == 75
    assert found.cut.endswith("red cube")


async def test_without_the_longest_encoder_the_next_one_counts() -> None:
    name = "StableDiffusion3Pipeline"
    whole = tiny.build(name)
    whole.text_encoder_3 = whole.tokenizer_3 = None
    generator = DiffusersGenerator.from_pipeline(whole, name="tiny")
    assert (await generator.fit_prompt(asked(name, "a red cube " * 20))).limit == 75


@pytest.mark.parametrize(
    ("one", "other"), [("a red cube", "A  RED cube"), ("a red cube", "a red cube ")]
)
async def test_what_the_tokenizer_makes_equal_is_equal(one: str, other: str) -> None:
    name = "StableDiffusionPipeline"
    assert (await fit(name, one)).reads == (await fit(name, other)).reads


@pytest.mark.parametrize(
    "prompt", ["", " \n", "猫" * 200, "🟥👩‍👩‍👧 " * 100, "a\u200b", "a cube \udc80", "<|im_end|> a"]
)
@pytest.mark.parametrize("name", ["StableDiffusionPipeline", "FluxPipeline", "QwenImagePipeline"])
async def test_any_prompt(name: str, prompt: str) -> None:
    found = await fit(name, prompt)
    assert found.cut in prompt


async def test_measuring_changes_no_picture() -> None:
    name = "SanaPipeline"
    plain, measured = made(name), made(name)
    request = asked(name, "a red cube " * 60)
    await measured.fit_prompt(request)
    assert (await plain.generate(request)).tobytes() == (await measured.generate(request)).tobytes()


@pytest.mark.parametrize("name", LIMITS)
async def test_all_encoders_of_the_families_are_seen(name: str) -> None:
    assert (await fit(name, "a cat")).unknown == ""


@pytest.mark.parametrize("only_long", [False, True])
@pytest.mark.parametrize(
    ("name", "method", "missing"),
    [
        ("StableDiffusion3Pipeline", "_get_t5_prompt_embeds", "text_encoder_3"),
        ("FluxPipeline", "_get_t5_prompt_embeds", "text_encoder_2"),
        ("FluxPipeline", "_get_clip_prompt_embeds", "text_encoder and text_encoder_2"),
        ("QwenImagePipeline", "_get_qwen_prompt_embeds", "text_encoder"),
    ],
)
async def test_an_error_between_encoders_is_no_limit(
    name: str, method: str, missing: str, only_long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest encoder is not reached: what the others cut is not what the model cuts."""
    generator = made(name)
    real = getattr(type(pipeline(name)), method)

    def failing(self: object, *given: Any, **named: Any) -> object:
        prompt = named.get("prompt", given[0] if given else "")
        if not only_long or len(str(prompt)) > 5000:
            raise RuntimeError("out of luck")
        return real(self, *given, **named)

    monkeypatch.setattr(type(pipeline(name)), method, failing)
    found = await fit_of(generator, asked(name, "a " * 100 + "cat"))
    why = f"the pipeline did not get to its {missing} (RuntimeError: out of luck)"
    assert found == PromptFit(unknown=why)
    words = f"how much of a prompt the generator reads is unknown: {why}"
    assert found is not None
    assert found.notices() == (words,)


async def test_an_error_behind_all_encoders_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    before = await fit("StableDiffusion3Pipeline", "a cat")

    def failing(*_: object, **__: object) -> None:
        raise ValueError("no such size")

    monkeypatch.setattr(type(pipeline("StableDiffusion3Pipeline")), "prepare_latents", failing)
    monkeypatch.setattr("rr_refine.generators.diffusers.encoding._refuse", failing)
    assert await fit("StableDiffusion3Pipeline", "a cat") == before
