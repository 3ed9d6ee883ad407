"""Files of models that somebody else made: what they may not be is said before they are loaded."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from pydantic import JsonValue
from safetensors.torch import save_file

from rr_refine.endpoint.chat import Message
from rr_refine.errors import ConfigError, RefineError
from rr_refine.generators.diffusers import create as diffusers
from rr_refine.generators.diffusers.checkpoint import find_checkpoint
from rr_refine.generators.diffusers.loading import load_pipelines
from rr_refine.generators.diffusers.options import DiffusersOptions
from rr_refine.generators.diffusers.tiny import flux
from rr_refine.hub import require_files
from rr_refine.reward.clip import clipscore
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.transformers import TransformersCriticOptions
from rr_refine.reward.transformers import create as transformers
from rr_refine.reward.transformers_model import load_model, why_too_long
from rr_refine.training.nft.config import NftRecipe
from rr_refine.training.nft.pipeline import load_pipeline
from rr_refine.training.parrot.recipe import SftRecipe
from rr_refine.training.parrot.student import load_student, merge_adapter
from tests.reward.tiny_clip import build_tiny_clip
from tests.reward.tiny_llava import build_tiny_llava

JUDGED = CritiqueRequest("a cat", Image.new("RGB", (32, 32)))
ODD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
}
KERNEL = '{"text_config": {"_attn_implementation": "somebody/kernel"}}'


def recipe(model: Path) -> SftRecipe:
    return SftRecipe.model_validate({"model": str(model), "data": [{"file": "x"}], "out": "o"})


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "unet/config.json", "x.gguf"])
@pytest.mark.parametrize("kind", ODD)
def test_a_folder_of_a_model_holds_files(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    ODD[kind](tmp_path / name)
    with pytest.raises(OSError, match="is no file"):
        require_files(str(tmp_path))
    with pytest.raises(ConfigError, match="is no file"):
        diffusers(model=str(tmp_path))
    with pytest.raises(ConfigError, match="is no file"):
        asyncio.run(transformers(model=str(tmp_path)).critique(JUDGED))
    with pytest.raises(ConfigError, match="is no file"):
        load_student(recipe(tmp_path))


@pytest.mark.parametrize("kind", ODD)
def test_so_do_folders_beside_a_model(tmp_path: Path, kind: str) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    ODD[kind](beside / "tokenizer.json")
    file = lora(tmp_path, "model.diffusion_model.out.weight")
    with pytest.raises(ConfigError, match="is no file"):
        diffusers(model=str(file), pipeline="FluxPipeline", config=str(beside))
    clip = build_tiny_clip(tmp_path / "clip")
    with pytest.raises(ConfigError, match="is no file"):
        asyncio.run(clipscore(model=str(clip), processor=str(beside)).score(JUDGED))


def test_links_to_files_and_to_nothing_are_as_the_hubs_cache_has_them(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text("{}")
    (tmp_path / "config.json").symlink_to("blob")
    (tmp_path / "gone").symlink_to("nothing")
    require_files(str(tmp_path))
    require_files("owner/model")


def test_a_model_names_no_code_of_the_hub(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(KERNEL)
    with pytest.raises(ConfigError, match=r"names code of the hub.*somebody/kernel"):
        asyncio.run(transformers(model=str(tmp_path)).critique(JUDGED))
    (tmp_path / "config.json").write_text(KERNEL.replace("somebody/kernel", "sdpa"))
    require_files(str(tmp_path))


@pytest.mark.parametrize("place", [".", "text_encoder_2"])
@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        ("config.4.0.0.json", json.loads(KERNEL), "names code of the hub"),
        ("config. 4\n.json", json.loads(KERNEL), "names code of the hub"),
        ("config.json", {"attribute_map": {"_attn_implementation": "x"}}, "by other names"),
        ("config.json", {"transformers_weights": "adapter_model.bin"}, "names weights"),
        ("config.json", {"transformers_weights": "a/b/p.safetensors"}, "names weights"),
        ("config.json", {"transformers_weights": ["x.bin"]}, "names weights"),
        ("model.safetensors.index.json", {"weight_map": {"a": "evil.bin"}}, "names weights"),
        ("model.safetensors.index.json", {"weight_map": {"a": "../x.safetensors"}}, "names weigh"),
        ("model.safetensors.index.json", {"weight_map": {"a": "b/c/x.safetensors"}}, "names wei"),
        ("x.safetensors.index.json", {"weight_map": {"a": "x.index.json"}}, "names weights"),
        (
            "diffusion_pytorch_model.safetensors.index.fp16.json",
            {"weight_map": {"a": 3}},
            "names w",
        ),
        ("adapter_config.json", {"peft_type": "XLORA", "adapters": {"0": "/x"}}, "further models"),
        ("adapter_config.json", {"prompt_tuning_init_state_dict_path": "/x.bin"}, "further model"),
        ("adapter_config.json", {"tokenizer_name_or_path": "/x"}, "further models"),
    ],
)
def test_a_model_names_no_other_files(
    tmp_path: Path, place: str, name: str, config: dict[str, JsonValue], words: str
) -> None:
    file = tmp_path / place / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=words):
        asyncio.run(transformers(model=str(tmp_path)).critique(JUDGED))
    with pytest.raises(ConfigError, match=words):
        _ = diffusers(model=str(tmp_path)).identity


def test_it_names_its_own(tmp_path: Path) -> None:
    for name, config in (
        ("config.json", {"transformers_weights": "x.safetensors.index.json", "attribute_map": {}}),
        ("config.4.0.0.json", {"transformers_weights": None}),
        ("model.safetensors.index.json", {"weight_map": {"a": "model-1-of-2.safetensors"}}),
        ("pytorch_model.bin.index.json", {"weight_map": {"a": "pytorch_model-1-of-2.bin"}}),
        ("adapter_config.json", {"peft_type": "LORA", "r": 4}),
    ):
        (tmp_path / name).write_text(json.dumps(config))
    require_files(str(tmp_path))


@pytest.mark.parametrize("place", [".", "text_encoder_2"])
@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"target_modules": r"(\w+\.?)+!"}, "may run for ever"),
        ({"rank_pattern": {"(a+)+$": 4}}, "may run for ever"),
        ({"rank_pattern": {f"to_{n}": 4 for n in range(1001)}}, "1,001 modules .* the most"),
        ({"target_modules": [f"to_{n}" for n in range(20_001)]}, "20,001 modules .* the most"),
        ({"modules_to_save": ["head", "(a|a)*b"]}, "may run for ever"),
        ({"target_modules": "(a|a)(a|a)(a|a)b"}, "may run for ever"),
        ({"target_modules": ".*.*.*x"}, "may run for ever"),
        ({"target_modules": ".*(.|.|.)(.|.|.)x"}, "may run for ever"),
        ({"target_modules": f".*({'|'.join('a' * 200)})({'|'.join('a' * 200)})x"}, "for ever"),
        ({"target_modules": f".*({'|'.join(map(str, range(500)))})x"}, "may run for ever"),
        ({"init_lora_weights": "pissa_niter_1000000000"}, "is for training it"),
    ],
)
def test_an_adapter_in_a_models_folder_names_modules_only(
    tmp_path: Path, place: str, config: dict[str, JsonValue], words: str
) -> None:
    file = tmp_path / place / "adapter_config.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=words):
        asyncio.run(transformers(model=str(tmp_path)).critique(JUDGED))
    with pytest.raises(ConfigError, match=words):
        _ = diffusers(model=str(tmp_path)).identity
    for good in (["q_proj", "k_proj"], r"model\.language_model\..*\.(q|k|v|o)_proj", "all-linear"):
        file.write_text(json.dumps({"target_modules": good}))
        require_files(str(tmp_path))


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
        ("{% include '/etc/hostname' %}", "no loader"),
    ],
)
def test_a_chat_template_reaches_no_code_and_no_file(
    tmp_path: Path, template: str, words: str
) -> None:
    folder = build_tiny_llava(tmp_path)
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(RefineError, match=words):
        asyncio.run(transformers(model=str(folder)).critique(JUDGED))


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json"])
@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"model": {"type": "BPE", "vocab": 3}}'])
def test_a_damaged_file_is_an_error_in_words(tmp_path: Path, name: str, text: str) -> None:
    folder = build_tiny_llava(tmp_path)
    (folder / name).write_text(text)
    with pytest.raises(ConfigError, match="cannot be loaded"):
        asyncio.run(transformers(model=str(folder)).critique(JUDGED))
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_student(recipe(folder))


PEFT = "base_model.model.to_q.lora_A.weight"


def lora(folder: Path, name: str, config: object = None, **metadata: str) -> Path:
    file = folder / "lora.safetensors"
    save_file({name: torch.zeros(2, 2)}, file, metadata=metadata or None)
    if config is not None:
        (folder / "adapter_config.json").write_text(json.dumps(config))
    return file


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        {},
        {"r": 4},
        {"r": 0, "lora_alpha": 4},
        {"r": float("nan"), "lora_alpha": 4},
        {"r": 4, "lora_alpha": 1e308},
        {"r": "9" * 5_000, "lora_alpha": 4},
        {"r": 4, "lora_alpha": [4]},
        {"r": 4, "lora_alpha": 4, "rank_pattern": {"to_q": -1}},
        {"r": 4, "lora_alpha": 4, "rank_pattern": 3},
        {"r": 4, "lora_alpha": 4, "alpha_pattern": {"(a+)+$": 4}},
        {"r": 4, "lora_alpha": 4, "init_lora_weights": "pissa_niter_1000000000"},
    ],
    ids=str,
)
def test_a_lora_is_refused_when_it_is_named(tmp_path: Path, config: object) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    file = lora(tmp_path, PEFT, config)
    with pytest.raises(ConfigError, match="LoRA"):
        diffusers(model=str(model), lora=[{"model": str(file)}])


def test_so_is_one_of_another_form(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    given: list[JsonValue] = [{"model": str(lora(tmp_path, "transformer.to_q.lora_A.weight"))}]
    diffusers(model=str(tmp_path), lora=given)
    told = json.dumps({"transformer.target_modules": "(.*)*x"})
    lora(tmp_path, "transformer.to_q.lora_A.weight", lora_adapter_metadata=told)
    with pytest.raises(ConfigError, match="only names are taken"):
        diffusers(model=str(tmp_path), lora=given)
    (tmp_path / "lora.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="cannot be read"):
        diffusers(model=str(tmp_path), lora=given)


@pytest.mark.parametrize("library", ["antigravity", "idlelib.idle", "os", ".", "../x", "mine", 3])
def test_parts_of_a_pipeline_are_of_diffusers_and_transformers(
    tmp_path: Path, library: object
) -> None:
    index = {"_class_name": "FluxPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    known = {"tokenizer": ["transformers", "CLIPTokenizer"], "image_encoder": [None, None]}
    own = {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index | known))
    diffusers(model=str(tmp_path))
    (tmp_path / "model_index.json").write_text(
        json.dumps(index | known | {"safety_checker": own["safety_checker"]})
    )
    diffusers(model=str(tmp_path))
    (tmp_path / "model_index.json").write_text(json.dumps(index | {"unet": [library, "main"]}))
    with pytest.raises(ConfigError, match=r"neither diffusers nor|no file"):
        diffusers(model=str(tmp_path))


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flux")
    flux().save_pretrained(folder)
    return folder


def make_generator(model: Path) -> None:
    options = DiffusersOptions(model=str(model), device="cpu")
    load_pipelines(find_checkpoint(options), options)


def make_policy(model: Path) -> None:
    given = {"model": str(model), "data": "x", "critic": {"use": "fake"}}
    load_pipeline(NftRecipe.model_validate(given))


@pytest.mark.parametrize("load", [make_generator, make_policy])
@pytest.mark.parametrize(
    ("part", "entry"),
    [
        ("scheduler", ["diffusers", "DiffusionPipeline"]),
        ("scheduler", ["diffusers", "AutoPipelineForText2Image"]),
        ("vae", ["diffusers", "OnnxRuntimeModel"]),
        ("vae", ["flux", "FluxPipeline"]),
        ("text_encoder", ["transformers", "pipeline"]),
        ("text_encoder", ["transformers", "Trainer"]),
        ("text_encoder", ["transformers", "AutoModel.from_config"]),
        ("text_encoder", ["transformers", 3]),
        ("vae", ["diffusers", "NoSuchModel"]),
        ("vae", ["diffusers", "ClassifierFreeGuidance"]),
    ],
)
def test_parts_are_models_and_what_has_no_weights(
    tmp_path: Path, pipeline: Path, part: str, entry: list[str], load: Callable[[Path], None]
) -> None:
    """A pipeline in a pipeline read pickles, an ONNX model its own file."""
    folder = Path(shutil.copytree(pipeline, tmp_path / "x"))
    load(folder)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {part: entry}))
    with pytest.raises(ConfigError, match="is no model, scheduler"):
        load(folder)
    (folder / "model_index.json").write_text(json.dumps(index | {part: ["os", "system"]}))
    with pytest.raises(ConfigError, match="neither diffusers nor transformers"):
        load(folder)


@pytest.mark.parametrize("load", [make_generator, make_policy])
@pytest.mark.parametrize("name", ["KandinskyCombined", "StableCascadeCombined"])
def test_no_model_that_a_readme_names_is_loaded(
    tmp_path: Path, pipeline: Path, name: str, load: Callable[[Path], None]
) -> None:
    folder = Path(shutil.copytree(pipeline, tmp_path / "x"))
    (folder / "model_index.json").write_text(json.dumps({"_class_name": f"{name}Pipeline"}))
    (folder / "README.md").write_text("---\nprior: [./pp]\n---\n")
    with pytest.raises(ConfigError, match="a second model, which the README"):
        load(folder)


def test_nor_is_one_for_sounds_or_below_an_adapter(tmp_path: Path) -> None:
    model, base = tmp_path / "model", tmp_path / "base"
    model.mkdir()
    base.mkdir()
    named = {"audio_tokenizer": {"audio_tokenizer_name_or_path": "somebody/pickles"}}
    for name, config in (
        ("processor_config.json", named),
        ("audio_tokenizer_config.json", named["audio_tokenizer"]),
    ):
        (model / name).write_text(json.dumps(config))
        with pytest.raises(ConfigError, match="a further model: 'somebody/pickles'"):
            asyncio.run(transformers(model=str(model)).critique(JUDGED))
        (model / name).unlink()
    adapter = {"base_model_name_or_path": str(base), "target_modules": "all-linear"}
    (model / "adapter_config.json").write_text(json.dumps(adapter))
    weights = model / "adapter_model.safetensors"
    save_file({"x": torch.zeros(1)}, weights)
    (base / "config.json").write_text(KERNEL)
    (base / "adapter_config.json").write_text(json.dumps(adapter))  # for itself, without an end
    doors: tuple[Callable[[], object], ...] = (
        lambda: asyncio.run(transformers(model=str(model)).critique(JUDGED)),
        lambda: asyncio.run(clipscore(model=str(model)).score(JUDGED)),
        lambda: load_student(recipe(model)),
        lambda: merge_adapter(model, tmp_path / "out"),
    )
    for door in doors:
        with pytest.raises(ConfigError, match="names code of the hub"):
            door()
    (base / "config.json").write_text("{}")
    require_files(str(model))
    weights.rename(weights.with_suffix(".bin"))
    for door in doors:
        with pytest.raises(ConfigError, match=r"ha(s|ve) no 'adapter_model.safetensors"):
            door()
    weights.with_suffix(".bin").rename(weights)
    (tmp_path / "weights.bin").write_bytes(b"")
    adapter["base_model_name_or_path"] = str(tmp_path / "weights.bin")
    (model / "adapter_config.json").write_text(json.dumps(adapter))
    for door in doors:
        with pytest.raises(ConfigError, match="which is no folder"):
            door()


def test_a_tilde_is_the_home_folder_for_every_loader(
    tmp_path: Path, pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries would take it for a folder of that name: one in the project, which nobody saw."""
    home, here = tmp_path / "home", tmp_path / "here"
    for folder in (home, here / "~"):
        shutil.copytree(pipeline, folder / "flux")
        build_tiny_llava(folder / "llava")
        build_tiny_clip(folder / "clip")
    for config in (here / "~").glob("**/config.json"):
        config.write_text(KERNEL)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    critic = TransformersCriticOptions(model="~/llava", device="cpu")
    load_model(critic)
    message = Message(role="user", content=("a cat",))
    why_too_long(critic, (message,))
    asyncio.run(clipscore(model="~/clip", device="cpu").score(JUDGED))
    beside = clipscore(model=str(home / "clip"), processor="~/clip", device="cpu")
    asyncio.run(beside.score(JUDGED))
    load_student(recipe(Path("~/llava")))
    make_generator(Path("~/flux"))
    make_policy(Path("~/flux"))
    shutil.rmtree(home)
    nothing: tuple[Callable[[], object], ...] = (
        lambda: load_model(critic),
        lambda: asyncio.run(clipscore(model="~/clip", device="cpu").score(JUDGED)),
        lambda: load_student(recipe(Path("~/llava"))),
        lambda: make_generator(Path("~/flux")),
        lambda: make_policy(Path("~/flux")),
    )
    for load in nothing:
        with pytest.raises(ConfigError):
            load()


def test_a_tokenizer_that_panics_is_an_error_in_words(tmp_path: Path, pipeline: Path) -> None:
    """What breaks down in Rust raises what is no `Exception`, as if by Ctrl-C."""
    llava, clip = build_tiny_llava(tmp_path / "llava"), build_tiny_clip(tmp_path / "clip")
    for file in (llava / "tokenizer.json", clip / "tokenizer.json"):
        kept = json.loads(file.read_text())
        kept["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
        file.write_text(json.dumps(kept))
    flux_folder = Path(shutil.copytree(pipeline, tmp_path / "flux"))
    shutil.copy(clip / "tokenizer.json", flux_folder / "tokenizer")
    doors: tuple[Callable[[], object], ...] = (
        lambda: asyncio.run(transformers(model=str(llava)).critique(JUDGED)),
        lambda: asyncio.run(clipscore(model=str(clip)).score(JUDGED)),
        lambda: load_student(recipe(llava)),
        lambda: make_generator(flux_folder),
        lambda: make_policy(flux_folder),
    )
    for door in doors:
        with pytest.raises(RefineError, match="a library broke down"):
            door()
