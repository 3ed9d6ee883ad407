"""From a folder or a hub id to pipelines that are ready to call."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from rr_refine.boundary import is_out_of_memory
from rr_refine.errors import (
    ConfigError,
    GeneratorError,
    GeneratorUnavailable,
    OutOfMemoryError,
)
from rr_refine.generators.diffusers.checkpoint import Checkpoint
from rr_refine.generators.diffusers.family import family_of, pipeline_class
from rr_refine.generators.diffusers.lora import add_loras
from rr_refine.generators.diffusers.options import DiffusersOptions
from rr_refine.generators.diffusers.parts import INDEX, require_classes, require_whole
from rr_refine.hub import hub_that_answers
from rr_refine.terms import Task
from rr_refine.torch_build import is_cpu_build

__all__ = ["load_pipelines", "memory_advice", "pair_pipelines", "resolve_device", "resolve_dtype"]


_ENCODERS: Final = ("cond_stage_model.", "conditioner.", "text_encoders.")
_VAE: Final = ("first_stage_model.", "vae.", "decoder.")
"""What the names of weights start with in single files that have text encoders, or the VAE."""


def load_pipelines(checkpoint: Checkpoint, options: DiffusersOptions) -> dict[Task, object]:
    """Load the weights and put them where they are to run: minutes and gigabytes.

    Raises:
        ConfigError: the model is incomplete, or an option does not fit it.
        OutOfMemoryError: the weights do not fit.
        GeneratorUnavailable: loading failed otherwise.
    """
    device = resolve_device(options.device)
    if options.offload != "none" and device == "cpu":
        raise ConfigError(f"offload={options.offload!r} has no effect on the CPU")
    with _quiet() if options.quiet else nullcontext():
        pipeline = _from_pretrained(checkpoint, options, device)
        pipelines = pair_pipelines(pipeline, options.edit_pipeline)
    if options.quiet:
        for one in pipelines.values():
            _hush(one)
    add_loras(pipeline, checkpoint.loras)
    try:
        if options.offload == "model":
            pipeline.enable_model_cpu_offload(device=device)
        elif options.offload == "sequential":
            pipeline.enable_sequential_cpu_offload(device=device)
        else:
            pipeline.to(device)
    except Exception as error:
        raise _load_error(
            error, f"model {options.model!r} cannot be moved to {device!r}", options, device
        ) from error
    if options.compile:
        _compile(pipeline)
    return pipelines


def pair_pipelines(pipeline: object, edit_pipeline: str | None) -> dict[Task, object]:
    """The pipeline for each task; `edit_pipeline` names a class to make of the same components.

    `from_pipe` of diffusers would do it too, but casts the components to float32.

    Raises:
        ConfigError: the components do not fit that class, or it does no edits.
    """
    pipelines: dict[Task, object] = dict.fromkeys(family_of(type(pipeline)).tasks, pipeline)
    if edit_pipeline is None:
        return pipelines
    if "edit" not in family_of(edit_pipeline).tasks:
        raise ConfigError(f"edit_pipeline={edit_pipeline!r} does no edits")
    made_of: Any = pipeline
    there = {**made_of.config, **made_of.components}
    edit_class = pipeline_class(edit_pipeline)
    wanted = inspect.signature(edit_class).parameters
    missing = [
        name
        for name, parameter in wanted.items()
        if parameter.default is parameter.empty and name not in there
    ]
    if missing:
        raise ConfigError(
            f"edit_pipeline={edit_pipeline!r} cannot be made of a {type(pipeline).__name__}: "
            f"it needs {', '.join(missing)}"
        )
    made = edit_class(**{name: there[name] for name in wanted if name in there})
    made.set_progress_bar_config(**getattr(pipeline, "_progress_bar_config", {}))
    return {**pipelines, "edit": made}


def resolve_device(device: str) -> str:
    """The torch device to run on; `auto` is an accelerator if there is one.

    Raises:
        ConfigError: torch does not know it, or this machine has none.
    """
    if device == "cpu" or (device == "auto" and is_cpu_build()):
        return "cpu"
    import torch

    accelerator = torch.accelerator.current_accelerator() if _has_accelerator() else None
    if device == "auto":
        return accelerator.type if accelerator else "cpu"
    try:
        asked = torch.device(device)
    except RuntimeError:
        raise ConfigError(
            f"device {device!r} is not known to torch: use 'auto', 'cuda', 'cuda:1', 'mps' or 'cpu'"
        ) from None
    if asked.type != "cpu":
        there = accelerator.type if accelerator else None
        count = torch.accelerator.device_count()
        if asked.type != there or (asked.index or 0) >= count:
            raise ConfigError(
                f"device {device!r} is not on this machine, which has "
                f"{f'{count} x {there}' if accelerator else 'no accelerator'}; use 'auto' or 'cpu'"
            )
    return device


def resolve_dtype(dtype: str, device: str) -> str:
    """The name of the torch dtype to load in."""
    if dtype != "auto":
        return dtype
    return "float32" if device == "cpu" else "bfloat16"


def _has_accelerator() -> bool:
    import torch

    return torch.accelerator.is_available()


def _parts_beside(checkpoint: Checkpoint, dtype: Any) -> dict[str, Any]:
    """Text encoders and VAE that a single file lacks, from the folder `config`.

    diffusers takes the VAE from the file alone, and looks for encoders by another name than theirs.
    """
    folder = Path(checkpoint.config or "")
    if checkpoint.config is None or not (folder / INDEX).is_file():
        return {}
    import diffusers
    import transformers
    from safetensors import safe_open

    with safe_open(checkpoint.location, framework="pt") as opened:
        keys = list(opened.keys())
    found = {}
    for name, entry in checkpoint.parts.items():
        library, class_name = entry if isinstance(entry, list) else (None, None)
        home = {"transformers": transformers, "diffusers": diffusers}.get(str(library))
        inside = _ENCODERS if library == "transformers" else _VAE
        if home is None or (name != "vae" and library == "diffusers"):
            continue
        if any((folder / name).glob("*.safetensors")) and not any(
            k.startswith(inside) for k in keys
        ):
            loader = getattr(home, str(class_name))
            found[name] = loader.from_pretrained(
                folder / name, dtype=dtype, use_safetensors=True, trust_remote_code=False
            )
    return found


def _from_pretrained(checkpoint: Checkpoint, options: DiffusersOptions, device: str) -> Any:
    import torch

    loader: Any = pipeline_class(checkpoint.class_name)
    require_whole(loader)
    require_classes(checkpoint.parts)
    dtype = getattr(torch, resolve_dtype(options.dtype, device))
    given: dict[str, Any] = {"local_files_only": options.local_files_only}
    single = Path(checkpoint.location).is_file()
    if single and not hasattr(loader, "from_single_file"):
        raise ConfigError(f"{checkpoint.class_name} cannot be loaded from a single file")
    if single:
        if checkpoint.config is not None:
            given |= {"config": checkpoint.config, "revision": checkpoint.config_commit}
        given |= _parts_beside(checkpoint, dtype)
    else:
        given |= {"revision": checkpoint.commit or options.revision, "variant": options.variant}
        given |= {"use_safetensors": True, "trust_remote_code": False}
    load = loader.from_single_file if single else loader.from_pretrained
    try:
        with hub_that_answers():
            pipeline = load(checkpoint.location, dtype=dtype, **given)
    except Exception as error:
        raise _load_error(
            error, f"model {options.model!r} cannot be loaded", options, device
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


_silence = threading.Lock()
"""One at a time: of two that overlap, the later would restore the silence of the earlier."""


@contextmanager
def _quiet() -> Iterator[None]:
    """For this moment, and the whole process: no bars and no notes of the libraries."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    with _silence:
        before = []
        for library in (of_diffusers, of_transformers):
            bars: Any = library.is_progress_bar_enabled()
            before.append((library, library.get_verbosity(), bars))
            library.set_verbosity_error()
            library.disable_progress_bar()
        try:
            yield
        finally:
            for library, verbosity, bars in before:
                library.set_verbosity(verbosity)
                if bars:
                    library.enable_progress_bar()


_TOO_LONG: Final = "sequence-length-is-longer-than-the-specified-maximum"


def _hush(pipeline: object) -> None:
    """No notes of the pipeline and its tokenizers about words that are cut off."""
    logging.getLogger(type(pipeline).__module__).setLevel(logging.ERROR)
    for name in ("tokenizer", "tokenizer_2"):
        if (tokenizer := getattr(pipeline, name, None)) is not None:
            tokenizer.deprecation_warnings[_TOO_LONG] = True  # as if it had been said


def memory_advice(device: str, offload: str, dtype: str) -> str:
    """What to do where a model, or a picture, does not fit into memory; the mildest first."""
    ways = []
    if device != "cpu" and offload != "sequential":
        kinds = ("model", "sequential") if offload == "none" else ("sequential",)
        ways.append(f"set {' or '.join(f'offload={kind!r}' for kind in kinds)}")
    if dtype == "float32":
        ways.append("set dtype='bfloat16', which halves it")
    return ", or ".join([*ways, "take a smaller or a quantized model"])


def _load_error(
    error: Exception, what: str, options: DiffusersOptions, device: str
) -> ConfigError | GeneratorError:
    from safetensors import SafetensorError

    text = " ".join(str(error).split()) or repr(error)
    if is_out_of_memory(error):
        return OutOfMemoryError(
            f"{what}: out of memory: "
            f"{memory_advice(device, options.offload, resolve_dtype(options.dtype, device))} "
            f"({text:.200})"
        )
    if isinstance(error, ImportError):
        return ConfigError(f"{what}: a package that it needs is not installed: {text:.300}")
    if isinstance(error, OSError | ValueError | TypeError | KeyError | SafetensorError):
        return ConfigError(f"{what}: {text:.300}")
    return GeneratorUnavailable(f"{what}: {type(error).__name__}: {text:.300}")


def _compile(pipeline: Any) -> None:
    denoiser = getattr(pipeline, "transformer", None) or getattr(pipeline, "unet", None)
    if denoiser is None:
        raise ConfigError(f"compile=True has no effect on {type(pipeline).__name__}")
    if getattr(denoiser, "_repeated_blocks", None):
        denoiser.compile_repeated_blocks()
    else:
        denoiser.compile()
