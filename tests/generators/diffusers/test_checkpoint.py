"""Models on disk: found, told apart, loaded."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import numpy as np
import pytest
import torch
from diffusers import FluxPipeline
from huggingface_hub import constants, errors
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from PIL import ImageChops
from pydantic import JsonValue
from safetensors.torch import load_file, save_file

from rr_refine.digest import file_digest
from rr_refine.drawing_settings import settings_in
from rr_refine.errors import (
    ConfigError,
    GeneratorUnavailable,
    MissingExtraError,
    OutOfMemoryError,
    UnsupportedRequestError,
)
from rr_refine.generators.diffusers import DiffusersGenerator, RenderOptions, create
from rr_refine.generators.diffusers import checkpoint as checkpoint_module
from rr_refine.generators.diffusers.loading import memory_advice
from rr_refine.generators.diffusers.lora import _require_names
from rr_refine.generators.generator import Generator, RenderRequest
from rr_refine.plugins import create as create_plugin
from tests.generators.diffusers import tiny
from tests.generators.diffusers.conftest import picture

SMALL: dict[str, Any] = {"steps": 2, "width": 32, "height": 32, "device": "cpu"}
CUBE = RenderRequest("a red cube", 1)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Flux pipeline as `save_pretrained` writes it."""
    folder = tmp_path_factory.mktemp("models") / "tiny-flux"
    tiny.build("FluxPipeline").save_pretrained(folder)
    return folder


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return shutil.copytree(saved, tmp_path / "model")


def save_lora(folder: Path, seed: int = 0) -> Path:
    pipeline = tiny.build("FluxPipeline")
    torch.manual_seed(seed)
    config = LoraConfig(r=2, lora_alpha=4, target_modules=["to_q", "to_v"], init_lora_weights=False)
    pipeline.transformer.add_adapter(config)
    FluxPipeline.save_lora_weights(
        folder, transformer_lora_layers=get_peft_model_state_dict(pipeline.transformer)
    )
    return folder / "pytorch_lora_weights.safetensors"


async def test_a_folder_gives_what_its_pipeline_gave(saved: Path) -> None:
    loaded = create_plugin("generators", "diffusers", {"model": str(saved), **SMALL})
    assert isinstance(loaded, Generator)
    options = RenderOptions(steps=2, width=32, height=32)
    made = DiffusersGenerator.from_pipeline(
        tiny.build("FluxPipeline"), name="tiny", options=options
    )
    assert loaded.tasks == {"t2i"}
    assert (await loaded.generate(CUBE)).tobytes() == (await made.generate(CUBE)).tobytes()


async def test_one_folder_for_both_tasks(saved: Path) -> None:
    loaded = create(model=str(saved), edit_pipeline="FluxKontextPipeline", batch=2, **SMALL)
    assert loaded.tasks == {"t2i", "edit"}
    assert (await loaded.generate(CUBE)).size == (32, 32)
    edit = RenderRequest("make it blue", 1, picture("red"), {"width": 64})
    with pytest.raises(UnsupportedRequestError, match="multiple"):
        await loaded.generate(replace(edit, parameters={"width": 62}))
    assert (await loaded.generate(edit)).size == (64, 32)


def test_identity_needs_no_weights(model: Path) -> None:
    identity = create(model=str(model), **SMALL).identity
    assert identity.kind == "diffusers:FluxPipeline"
    assert identity.name == str(model)
    assert identity.details == {
        "sha256": checkpoint_module.fingerprint(model),
        "device": "cpu",
        "dtype": "float32",
        "steps": 2,
        "width": 32,
        "height": 32,
    }


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "bfloat16"},
        {"guidance_scale": 2.0},
        {"parameters": {"max_sequence_length": 64}},
        {"edit_pipeline": "FluxKontextPipeline"},
        {"variant": "fp16"},
        {"compile": True},
        {"pipeline": "FluxKontextPipeline"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_identity_tells_options_apart(saved: Path, options: dict[str, Any]) -> None:
    plain = create(model=str(saved), **SMALL).identity
    assert create(model=str(saved), **{**SMALL, **options}).identity != plain


@pytest.mark.parametrize("options", [{"batch": 4}, {"local_files_only": True}])
def test_identity_leaves_out_what_changes_no_image(saved: Path, options: dict[str, Any]) -> None:
    plain = create(model=str(saved), **SMALL).identity
    assert create(model=str(saved), **SMALL, **options).identity == plain


@pytest.mark.parametrize("whole", [64 * 2**20, 0])
def test_fingerprint_follows_the_weights(
    model: Path, monkeypatch: pytest.MonkeyPatch, whole: int
) -> None:
    """Both for small files, read whole, and for large ones, read in part."""
    monkeypatch.setattr(checkpoint_module, "_WHOLE", whole)
    before = checkpoint_module.fingerprint(model)
    (model / "README.md").write_text("about it")
    assert checkpoint_module.fingerprint(model) == before
    weights = model / "transformer" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    assert checkpoint_module.fingerprint(model) != before


async def test_lora_is_applied_and_identified_by_content(saved: Path, tmp_path: Path) -> None:
    file = save_lora(tmp_path / "one")
    copy = shutil.copytree(file.parent, tmp_path / "copy")
    other = save_lora(tmp_path / "other", seed=1)

    def with_lora(model: Path, **options: Any) -> Generator:
        return create(model=str(saved), lora=[{"model": str(model), **options}], **SMALL)

    plain = await create(model=str(saved), **SMALL).generate(CUBE)
    full, off = with_lora(file), with_lora(file, scale=0.0)
    assert (await full.generate(CUBE)).tobytes() != plain.tobytes()
    assert (await off.generate(CUBE)).tobytes() == plain.tobytes()
    assert with_lora(copy).identity == full.identity
    assert with_lora(other).identity != full.identity != off.identity
    assert full.identity.details["lora"] == [{"sha256": file_digest(file), "scale": 1.0}]


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ({"model": "no/such/file.safetensors"}, "does not exist"),
        ({"model": "EMPTY"}, "must hold one .safetensors file, not none"),
        ({"model": "EMPTY", "weight_name": "a.safetensors"}, "has no 'a.safetensors'"),
        ({"model": "FILE", "weight_name": "a.safetensors"}, "'weight_name' has no effect"),
        ({"model": "FILE", "revision": "main"}, "'revision' has no effect"),
    ],
)
def test_lora_that_cannot_be_found(
    saved: Path, tmp_path: Path, lora: dict[str, Any], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.safetensors").touch()
    places = {"EMPTY": tmp_path / "empty", "FILE": tmp_path / "file.safetensors"}
    lora = {**lora, "model": str(places.get(lora["model"], lora["model"]))}
    with pytest.raises(ConfigError, match=message):
        create(model=str(saved), lora=[lora], **SMALL)


@pytest.mark.filterwarnings("ignore")
def partly(folder: Path, lost: int) -> Path:
    """A LoRA whose last modules have names that no Flux model has."""
    file = save_lora(folder)
    weights = load_file(file)
    modules = sorted({key.rpartition(".lora_")[0] for key in weights})
    odd = set(modules[len(modules) - lost :])
    save_file(
        {
            (f"transformer.nowhere.{key}" if key.rpartition(".lora_")[0] in odd else key): value
            for key, value in weights.items()
        },
        file,
    )
    return file


@pytest.mark.parametrize("lost", [1, 3])
async def test_half_a_lora_is_refused_with_the_counts(
    saved: Path, tmp_path: Path, lost: int
) -> None:
    file = partly(tmp_path / "lora", lost)
    there = len({key.rpartition(".lora_")[0] for key in load_file(file)})
    message = f"weights for {there} modules, of which FluxPipeline has {there - lost}: {lost} would"
    with pytest.raises(ConfigError, match=message):
        await create(model=str(saved), lora=[{"model": str(file)}], **SMALL).generate(CUBE)


@pytest.mark.parametrize("names", [("hat", "hat"), ("lora-1", None)])
def test_two_loras_of_one_name(saved: Path, tmp_path: Path, names: tuple[str | None, ...]) -> None:
    file = save_lora(tmp_path / "lora")
    given = [{"model": str(file), **({"name": name} if name else {})} for name in names]
    with pytest.raises(ConfigError, match="2 LoRAs have the name"):
        create(model=str(saved), lora=given, **SMALL)


@pytest.mark.parametrize("rslora", [False, True])
async def test_a_lora_as_peft_saves_it(saved: Path, tmp_path: Path, rslora: bool) -> None:
    """It draws what the same weights draw as diffusers saves them, scale included."""
    pipeline = tiny.build("FluxPipeline")
    torch.manual_seed(0)
    config = LoraConfig(
        r=2,
        lora_alpha=8,
        target_modules=["to_q", "to_v"],
        init_lora_weights=False,
        use_rslora=rslora,
    )
    wrapped = get_peft_model(pipeline.transformer, config)
    wrapped.save_pretrained(tmp_path / "peft")
    wrapped.eval()
    options = RenderOptions(steps=2, width=32, height=32)
    with_it = DiffusersGenerator.from_pipeline(pipeline, name="tiny", options=options)
    expected = await with_it.generate(CUBE)
    plain = await create(model=str(saved), **SMALL).generate(CUBE)
    file = tmp_path / "peft" / "adapter_model.safetensors"
    loaded = create(model=str(saved), lora=[{"model": str(file)}], **SMALL)
    image = await loaded.generate(CUBE)
    assert max(ImageChops.difference(image, expected).tobytes()) <= 1
    assert image.tobytes() != plain.tobytes()
    (tmp_path / "peft" / "adapter_config.json").unlink()
    with pytest.raises(ConfigError, match=r"adapter_config\.json"):
        await create(model=str(saved), lora=[{"model": str(file)}], **SMALL).generate(CUBE)


@pytest.mark.parametrize("pattern", ["(a+)+$b", ".*", "(.*)*x", "(a|a)(a|a)b", "a{9}{9}"])
@pytest.mark.parametrize(
    "key", ["rank_pattern", "alpha_pattern", "target_modules", "modules_to_save"]
)
def test_patterns_that_may_run_for_ever_are_refused(key: str, pattern: str) -> None:
    value = pattern if key == "target_modules" else {pattern: 3}
    for name in (key, f"transformer.{key}"):
        with pytest.raises(ConfigError, match="only names are taken"):
            _require_names(Path("x.safetensors"), {name: value})
    names = ["blocks.0.attn.to_q", r"^blocks\.1\.to_out\.0$", "to-k"]
    _require_names(Path("x.safetensors"), {key: names, "base_model_name_or_path": "(a+)+"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("init_lora_weights", "pissa_niter_1000000000"),
        ("transformer.init_lora_weights", "loftq"),
        ("layer_replication", [[0, 10**9]]),
    ],
)
def test_what_would_make_it_compute_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match="which is for training it"):
        _require_names(Path("x.safetensors"), {key: value})
    plain = {"init_lora_weights": True, "loftq_config": {}, "transformer.init_lora_weights": None}
    _require_names(Path("x.safetensors"), plain)


@pytest.mark.parametrize("name", ["model_index.json", "adapter_config.json"])
async def test_a_pipe_in_a_models_folder_holds_nothing_up(
    saved: Path, tmp_path: Path, name: str
) -> None:
    if name == "model_index.json":
        os.mkfifo(tmp_path / name)
        with pytest.raises(ConfigError, match="cannot be read"):
            await create(model=str(tmp_path), **SMALL).generate(CUBE)
        return
    state = {"base_model.model.x.lora_A.weight": torch.zeros(1, 4)}
    file = tmp_path / "lora.safetensors"
    save_file(state, file)
    os.mkfifo(tmp_path / name)
    with pytest.raises(ConfigError, match="cannot be read"):
        await create(model=str(saved), lora=[{"model": str(file)}], **SMALL).generate(CUBE)


async def test_a_tag_in_the_prompt_applies_the_lora(saved: Path, tmp_path: Path) -> None:
    file = save_lora(tmp_path / "lora").rename(tmp_path / "red-hat.safetensors")

    def with_lora(scale: float) -> DiffusersGenerator:
        return create(model=str(saved), lora=[{"model": str(file), "scale": scale}], **SMALL)

    tagged = with_lora(1.0)
    syntax = tagged.read_syntax("a <lora:red-hat:0.5> red cube")
    assert (syntax.prompt, syntax.parameters) == ("a red cube", {"loras": {"lora-0": 0.5}})
    (notice,) = syntax.notices
    assert "0.5" in notice
    asked = replace(CUBE, parameters=syntax.parameters)
    half, whole = [await with_lora(scale).generate(CUBE) for scale in (0.5, 1.0)]
    assert (await tagged.generate(asked)).tobytes() == half.tobytes()
    assert (await tagged.generate(CUBE)).tobytes() == whole.tobytes() != half.tobytes()
    with pytest.raises(UnsupportedRequestError, match="LoRAs are lora-0"):
        await tagged.generate(replace(CUBE, parameters={"loras": {"x": 1.0}}))


async def test_lora_for_another_model(saved: Path, tmp_path: Path) -> None:

    file = tmp_path / "other.safetensors"
    save_file({"unet.down.lora_A.weight": torch.zeros(2, 2)}, file)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no weights")
    for path in (file, broken):
        with pytest.raises(ConfigError, match="LoRA"):
            await create(model=str(saved), lora=[{"model": str(path)}], **SMALL).generate(CUBE)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("/no/such/folder", "does not exist"),
        ("./folder", "does not exist"),
        ("EMPTY", "has no model_index.json"),
        ("FILE", "cannot be read"),
        ("CKPT", "is a file"),
    ],
)
def test_wrong_folder_is_told_at_once(tmp_path: Path, model: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "one.safetensors").touch()
    (tmp_path / "one.ckpt").touch()
    places = {
        "EMPTY": tmp_path / "empty",
        "FILE": tmp_path / "one.safetensors",
        "CKPT": tmp_path / "one.ckpt",
    }
    with pytest.raises(ConfigError, match=message) as caught:
        create(model=str(places.get(model, model)))
    assert "\n" not in str(caught.value)


def test_a_folder_has_no_revision(saved: Path) -> None:
    with pytest.raises(ConfigError, match="'revision' has no effect"):
        create(model=str(saved), revision="main")


@pytest.mark.parametrize(
    ("index", "message"),
    [("{", "cannot be read"), ("[]", "names no pipeline"), ("{}", "set the 'pipeline' option")],
)
def test_wrong_index(tmp_path: Path, index: str, message: str) -> None:
    (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(ConfigError, match=message):
        create(model=str(tmp_path))


async def test_incomplete_folder(model: Path) -> None:
    (model / "vae" / "config.json").unlink()
    with pytest.raises(ConfigError, match="cannot be loaded") as caught:
        await create(model=str(model), **SMALL).generate(CUBE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modle": "x"}, "did you mean 'model'"),
        ({}, "generator.model"),
        ({"model": "x", "dtype": "float8"}, "generator.dtype"),
        ({"model": "x", "batch": 0}, "generator.batch"),
        ({"model": "x", "lora": [{"modle": "y"}]}, "generator.lora"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"offload": "model"}, "no effect on the CPU"),
        ({"device": "toaster"}, "not known to torch"),
        ({"device": "cuda:99"}, "not on this machine"),
        ({"pipeline": "FluxPipelin"}, "did you mean 'FluxPipeline'"),
        ({"edit_pipeline": "FluxPipeline"}, "does no edits"),
        ({"parameters": {"strength": 1}}, "takes no 'strength'"),
    ],
)
async def test_options_that_do_not_fit(saved: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        await create(model=str(saved), **{**SMALL, **options}).generate(CUBE)


async def test_bfloat16_renders(saved: Path) -> None:
    image = await create(model=str(saved), dtype="bfloat16", **SMALL).generate(CUBE)
    assert image.size == (32, 32)


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), OutOfMemoryError, "dtype='bfloat16'"),
        (ImportError("you need sentencepiece"), ConfigError, "package"),
        (OSError("no file named\n diffusion.safetensors"), ConfigError, "no file named diffusion"),
        (RuntimeError("CUDA driver error"), GeneratorUnavailable, "CUDA driver error"),
    ],
)
async def test_loading_failed(
    saved: Path,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    expected: type[Exception],
    message: str,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise raised

    loaded = create(model=str(saved), **SMALL)
    with monkeypatch.context() as broken:
        broken.setattr(FluxPipeline, "from_pretrained", fail)
        with pytest.raises(expected, match=message) as caught:
            await loaded.generate(CUBE)
    assert caught.value.__cause__ is raised
    assert (await loaded.generate(CUBE)).size == (32, 32), "a failed load is tried again"


@pytest.mark.parametrize(("offload", "method"), [("model", "model"), ("sequential", "sequential")])
async def test_offloading_is_left_to_diffusers(
    saved: Path, monkeypatch: pytest.MonkeyPatch, offload: str, method: str
) -> None:
    """On a machine that says it has an accelerator."""
    from rr_refine.generators.diffusers import loading

    devices: list[str] = []
    monkeypatch.setattr(loading, "resolve_device", lambda _: "cuda")
    monkeypatch.setattr(loading, "resolve_dtype", lambda *_: "float32")
    monkeypatch.setattr(
        FluxPipeline,
        f"enable_{method}_cpu_offload",
        lambda _, device: devices.append(device),
    )
    await create(model=str(saved), offload=offload, **SMALL).generate(CUBE)
    assert devices == ["cuda"]


async def test_compile_compiles_the_denoiser(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self: compiled.append(type(self).__name__)
    )
    await create(model=str(saved), compile=True, **SMALL).generate(CUBE)
    assert compiled == ["FluxTransformerBlock", "FluxSingleTransformerBlock"]


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"rr-refine\[local\]"):
        create(model="owner/name")


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


async def test_hub_model_in_the_cache(saved: Path, hub_cache: Path) -> None:
    repository = hub_cache / "models--owner--tiny"
    shutil.copytree(saved, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    loaded = create(model="owner/tiny", local_files_only=True, **SMALL)
    assert loaded.identity.kind == "diffusers:FluxPipeline"
    assert loaded.identity.details["commit"] == COMMIT
    assert (await loaded.generate(CUBE)).size == (32, 32)


async def test_hub_lora_in_the_cache(saved: Path, hub_cache: Path) -> None:
    repository = hub_cache / "models--owner--lora"
    file = save_lora(repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)

    def with_lora(model: str) -> Generator:
        lora: list[JsonValue] = [{"model": model}]
        return create(model=str(saved), lora=lora, local_files_only=True, **SMALL)

    cached, local = with_lora("owner/lora"), with_lora(str(file))
    assert cached.identity == local.identity
    assert (await cached.generate(CUBE)).tobytes() == (await local.generate(CUBE)).tobytes()
    with pytest.raises(ConfigError, match=r"LoRA 'owner/other' is not in the hub's cache"):
        _ = with_lora("owner/other").identity


async def test_hub_model_that_is_not_there(hub_cache: Path) -> None:
    """Making the generator asks nobody; the first use does."""
    loaded = create(model="owner/absent", local_files_only=True)
    with pytest.raises(ConfigError, match="not in the hub's cache, and local_files_only is set"):
        _ = loaded.identity
    with pytest.raises(ConfigError, match="hf download owner/absent"):
        await loaded.generate(CUBE)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.RepositoryNotFoundError, "neither on this disk nor on the hub"),
        (errors.RevisionNotFoundError, "has no revision 'v2'"),
        (errors.RemoteEntryNotFoundError, "has no model_index.json"),
        (errors.GatedRepoError, "accept its licence"),
        (errors.LocalEntryNotFoundError, "the hub is out of reach"),
        (errors.HfHubHTTPError, "cannot be looked up"),
        (ConnectionError, "cannot be looked up"),
    ],
)
def test_what_the_hub_says(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception], message: str
) -> None:
    """The hub's client is replaced: nothing is asked of anybody."""

    def refuse(*_: Any, **__: Any) -> None:
        if issubclass(error, errors.HfHubHTTPError):
            request = httpx2.Request("HEAD", "http://127.0.0.1/")
            raise error("as the hub\nsays", response=httpx2.Response(404, request=request))
        raise error("as the hub\nsays")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(ConfigError, match=message) as caught:
        _ = create(model="owner/name", revision="v2").tasks
    assert "\n" not in str(caught.value)


# -- a single file -----------------------------------------------------------------------------

SD1 = "model.diffusion_model.input_blocks.0.0.weight"


def single(path: Path, *names: str) -> Path:
    save_file({name: torch.zeros(2, 4, 1, 1) for name in names}, path)
    return path


@pytest.mark.parametrize(
    ("names", "class_name"),
    [
        ((SD1,), "StableDiffusionPipeline"),
        (
            (SD1, "conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias"),
            "StableDiffusionXLPipeline",
        ),
    ],
)
def test_a_single_file_tells_its_class(
    tmp_path: Path, names: tuple[str, ...], class_name: str
) -> None:
    made = create(model=str(single(tmp_path / "model.safetensors", *names)), **SMALL)
    assert made.identity.kind == f"diffusers:{class_name}"
    assert made.tasks == {"t2i"}


async def test_a_real_single_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transformer alone, as most of FLUX are; the rest comes from the folder `config`."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pipeline, folder, file = (
        tiny.build("FluxPipeline"),
        tmp_path / "config",
        tmp_path / "m.safetensors",
    )
    pipeline.save_pretrained(folder)
    with torch.no_grad():
        for weight in pipeline.transformer.parameters():
            weight.mul_(1.3)
    save_file(pipeline.transformer.state_dict(), file)
    options = {**SMALL, "config": str(folder), "local_files_only": True}
    made = create(model=str(file), pipeline="FluxPipeline", **options)
    drawn = await made.generate(CUBE)
    own = RenderOptions(steps=2, width=32, height=32)
    same = DiffusersGenerator.from_pipeline(pipeline, name="same", options=own)
    other = await create(model=str(folder), **SMALL).generate(CUBE)
    # By a level: mapped weights are summed in another order.
    assert np.abs(np.asarray(drawn, int) - np.asarray(await same.generate(CUBE), int)).max() <= 1
    assert np.abs(np.asarray(drawn, int) - np.asarray(other, int)).max() > 8


async def test_a_single_file_is_loaded_as_diffusers_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def load(path: str, **given: Any) -> Any:
        asked.append({"path": path, **given})
        return tiny.build("FluxPipeline")

    monkeypatch.setattr(FluxPipeline, "from_single_file", load)
    file, index = single(tmp_path / "m.safetensors", "x"), tmp_path / "c0ffee" / "model_index.json"
    index.parent.mkdir()
    index.write_text('{"_class_name": "FluxPipeline"}')
    monkeypatch.setattr(checkpoint_module, "_hub_file", lambda *_, **__: index)
    made = create(
        model=str(file),
        pipeline="FluxPipeline",
        config="owner/model",
        local_files_only=True,
        **SMALL,
    )
    assert made.identity.details["sha256"] == file_digest(file)
    assert (await made.generate(CUBE)).size == (32, 32)
    assert asked == [
        {
            "path": str(file),
            "dtype": torch.float32,
            "config": "owner/model",
            "revision": "c0ffee",
            "local_files_only": True,
        }
    ]


@pytest.mark.parametrize("library", ["this", "venv.__main__", "../x", 7])
@pytest.mark.parametrize("place", ["folder", "hub"])
def test_the_config_of_a_single_file_names_no_other_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, library: object
) -> None:
    index = tmp_path / "config" / "model_index.json"
    index.parent.mkdir()
    parts = {"_class_name": "FluxPipeline", "feature_extractor": [library, "Foo"]}
    index.write_text(json.dumps(parts))
    monkeypatch.setattr(checkpoint_module, "_hub_file", lambda *_, **__: index)
    config = str(index.parent) if place == "folder" else "owner/model"
    file = single(tmp_path / "m.safetensors", SD1)
    with pytest.raises(ConfigError, match="neither diffusers nor transformers"):
        _ = create(model=str(file), config=config, **SMALL).identity


def test_making_a_generator_asks_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_: object, **__: object) -> Path:
        raise ConfigError("the hub is asked")

    monkeypatch.setattr(checkpoint_module, "_hub_file", ask)
    file = single(tmp_path / "m.safetensors", SD1)
    made = create(model=str(file), config="owner/model", **SMALL)
    with pytest.raises(ConfigError, match="the hub is asked"):
        _ = made.identity


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (("x",), {}, "say with generator.pipeline"),
        ((SD1,), {"variant": "fp16"}, "'variant' has no effect"),
        ((SD1,), {"revision": "main"}, "'revision' has no effect"),
    ],
)
def test_a_single_file_that_cannot_be_used(
    tmp_path: Path, names: tuple[str, ...], options: dict[str, Any], message: str
) -> None:
    file = single(tmp_path / "m.safetensors", *names)
    with pytest.raises(ConfigError, match=message):
        _ = create(model=str(file), **options, **SMALL).identity


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="cannot be read"):
        _ = create(model=str(tmp_path / "m.safetensors"), **SMALL).identity


def test_config_is_for_single_files(saved: Path) -> None:
    with pytest.raises(ConfigError, match="'config' has no effect"):
        _ = create(model=str(saved), config="owner/model", **SMALL).identity


async def test_a_picture_tells_how_it_was_drawn(saved: Path, tmp_path: Path) -> None:
    file = save_lora(tmp_path / "one")
    made = create(model=str(saved), lora=[{"model": str(file), "name": "hat"}], **SMALL)
    assert settings_in(await made.generate(CUBE)) == {
        "Steps": 2,
        "Sampler": "Euler",
        "CFG scale": 3.5,
        "Lora hashes": f"hat: {file_digest(file)[:12]}",
    }


@pytest.mark.parametrize(
    ("given", "said", "not_said"),
    [
        (("cpu", "none", "float32"), ["dtype='bfloat16'", "smaller"], "offload"),
        (("cuda", "none", "bfloat16"), ["offload='model'", "offload='sequential'"], "dtype"),
        (("cuda", "model", "float32"), ["offload='sequential'", "dtype"], "offload='model'"),
        (("cuda", "sequential", "bfloat16"), ["smaller or a quantized"], "offload"),
    ],
)
def test_advice_about_memory_names_what_helps(
    given: tuple[str, str, str], said: list[str], not_said: str
) -> None:
    advice = memory_advice(*given)
    assert all(words in advice for words in said)
    assert not_said not in advice
