from __future__ import annotations

import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import JsonValue
from sd_parsers import ParserManager

from rr_refine.agent.store.png import encode_png, read_metadata, with_metadata

PICTURE = Image.effect_noise((16, 12), 80).convert("RGB")
PNG = encode_png(PICTURE)
Metadata = dict[str, JsonValue]


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


METADATA: dict[str, Metadata] = {
    "a real one": {"prompt": "a cat", "seed": 7, "scores": {"physical_quality": 3.5, "x": None}},
    "unicode": {"prompt": "ein „Häuschen“ für 猫 🐈 – naïve"},
    "controls": {"prompt": "a\0b\x1b[31mc\r\nd\te"},
    "a lone surrogate": {"prompt": "a\ud800b"},
    "100 kB": {"prompt": "long " * 20_000},
    "big numbers": {"seed": 2**63 - 1, "reward": 0.1 + 0.2},
    "empty": {},
}


@pytest.mark.parametrize("name", METADATA)
def test_a_story_comes_back(name: str) -> None:
    told = with_metadata(PNG, METADATA[name])
    expected = METADATA[name]
    if name == "a lone surrogate":
        expected = {"prompt": "a?b"}  # it has no UTF-8, which the chunk is
    assert read_metadata(told) == expected


@pytest.mark.parametrize("name", METADATA)
def test_pixels_stay_and_pillow_reads_the_text(name: str) -> None:
    image = opened(with_metadata(PNG, METADATA[name]))
    assert image.mode == "RGB"
    assert image.tobytes() == PICTURE.tobytes()
    prompt = str(METADATA[name].get("prompt", ""))
    seen = prompt.replace("\0", "").replace("\ud800", "?")
    assert image.info["parameters"].startswith(seen + "\n")
    assert "rr-refine" in image.info


def test_readers_of_other_tools_find_everything() -> None:
    settings: Metadata = {
        "Steps": 20,
        "Sampler": "Euler a",
        "CFG scale": 7.5,
        "Negative prompt": "fog, rain",
        "Lora hashes": "hat: 0123456789ab",
    }
    told = with_metadata(
        PNG,
        {
            "prompt": "a cat, <lora:x:0.8>\nand a dog: 2",
            "seed": 7,
            "size": "16x12",
            "model": "owner/model",
            "run": "r",
            "settings": settings,
        },
    )
    found = ParserManager().parse(io.BytesIO(told))
    assert found is not None
    assert [str(prompt) for prompt in found.prompts] == ["a cat, <lora:x:0.8>\nand a dog: 2"]
    assert [str(prompt) for prompt in found.negative_prompts] == ["fog, rain"]
    (sampler,) = found.samplers
    assert sampler.name == "Euler a"
    assert sampler.parameters == {"steps": "20", "cfg_scale": "7.5", "seed": "7"}
    assert sampler.model is not None
    assert sampler.model.name == "owner/model"
    assert found.metadata["Size"] == "16x12"
    last = opened(told).info["parameters"].splitlines()[-1]
    assert last == (
        "Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 7, Size: 16x12, Model: owner/model, "
        'Lora hashes: "hat: 0123456789ab", Run: r'
    )


def test_what_other_tools_show() -> None:
    told = with_metadata(PNG, {"prompt": "a cat", "seed": 7, "model": "m", "run": "r", "reward": 1})
    assert opened(told).info["parameters"] == "a cat\nSeed: 7, Model: m, Run: r"


def test_a_new_story_takes_the_place_of_the_old() -> None:
    once = with_metadata(PNG, {"prompt": "a cat"})
    twice = with_metadata(
        with_metadata(PNG, {"prompt": "an old cat", "seed": 1}), {"prompt": "a cat"}
    )
    assert twice == once
    assert b"an old cat" not in twice


def test_other_chunks_are_left_alone() -> None:
    buffer = io.BytesIO()
    PICTURE.save(buffer, "PNG", dpi=(300, 300))
    told = opened(with_metadata(buffer.getvalue(), {"prompt": "a cat"}))
    assert told.info["dpi"] == opened(buffer.getvalue()).info["dpi"]


def test_every_chunk_has_its_checksum() -> None:
    told, at = with_metadata(PNG, METADATA["unicode"]), 8
    kinds = []
    while at < len(told):
        length = int.from_bytes(told[at : at + 4], "big")
        body = told[at + 4 : at + 8 + length]
        assert int.from_bytes(told[at + 8 + length : at + 12 + length], "big") == zlib.crc32(body)
        kinds.append(body[:4])
        at += 12 + length
    assert kinds[:3] == [b"IHDR", b"iTXt", b"iTXt"]
    assert kinds[-1] == b"IEND"


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.booleans()))
def test_any_story_comes_back(story: Metadata) -> None:
    told = with_metadata(PNG, story)
    assert read_metadata(told) == story
    assert opened(told).tobytes() == PICTURE.tobytes()


def test_a_picture_without_a_story_has_none() -> None:
    assert read_metadata(PNG) is None


def test_what_a_picture_says_about_itself_is_not_written() -> None:
    image = PICTURE.copy()
    image.info = {"exif": b"secret place", "comment": "secret words", "dpi": (300, 300)}
    image.info["icc_profile"] = b"whose monitor it was"
    assert encode_png(image) == PNG
    assert "comment" in image.info  # the caller's own is left alone


@pytest.mark.parametrize("data", [b"", b"GIF89a", PNG[1:], b"\x89PNG"])
def test_what_is_no_png_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a PNG file"):
        with_metadata(data, {})
    with pytest.raises(ValueError, match="not a PNG file"):
        read_metadata(data)


def test_a_story_that_is_no_object_is_refused() -> None:
    told = with_metadata(PNG, {"a": 1}).replace(b'{"a": 1}', b"[1, 234]")
    with pytest.raises(ValueError, match="no JSON object"):
        read_metadata(told)


def test_a_torn_picture_is_read_without_end() -> None:
    told = with_metadata(PNG, {"prompt": "a cat"})
    for end in range(8, len(told)):
        try:
            story = read_metadata(told[:end])
        except ValueError:
            continue
        assert story in (None, {"prompt": "a cat"})
