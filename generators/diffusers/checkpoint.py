"""Which model it is: found and told apart without loading its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from rr_refine.digest import file_digest
from rr_refine.errors import ConfigError, MissingExtraError
from rr_refine.generators.diffusers.options import DiffusersOptions, LoraOptions
from rr_refine.generators.diffusers.parts import INDEX, read_parts
from rr_refine.hub import (
    hub_that_answers,
    is_hub_id,
    local_name,
    require_files,
    require_hub,
    require_meant,
)
from rr_refine.named import open_named, read_named

__all__ = [
    "Checkpoint",
    "LoraFile",
    "find_checkpoint",
    "find_parts",
    "fingerprint",
    "needs_the_hub",
]

_LORA: Final = "pytorch_lora_weights.safetensors"
_READ_BY_A_LOADER: Final = {".json", ".safetensors", ".bin", ".txt", ".model", ".jinja"}
_SINGLE_FILES: Final = {
    "v1": "StableDiffusionPipeline",
    "v2": "StableDiffusionPipeline",
    "xl": "StableDiffusionXLPipeline",
    "playground": "StableDiffusionXLPipeline",
    "sd3": "StableDiffusion3Pipeline",
    "flux-schnell": "FluxPipeline",
    "flux-dev": "FluxPipeline",
}
"""By the beginning of what diffusers calls the kind of a single file."""
_WHOLE: Final = 64 * 2**20
_BLOCK: Final = 64 * 2**10
_BLOCKS: Final = 64


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A LoRA, found: always a file here, since one from the hub is fetched first."""

    path: Path
    name: str
    """Of the adapter in the pipeline."""
    scale: float
    digest: str
    """SHA-256 of the file."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model, found."""

    location: str
    """Folder or hub id, as `from_pretrained` takes it."""
    class_name: str
    """Of the pipeline to load."""
    commit: str | None
    """The hub commit that the revision stands for; None for a folder."""
    loras: Sequence[LoraFile]
    config: str | None = None
    """Folder or hub id with what a single file lacks."""
    config_commit: str | None = None
    """The hub commit of it whose parts were looked at."""
    parts: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the index of the model, or of `config`, says of them; see `read_parts`."""

    def describe(self) -> dict[str, JsonValue]:
        """What tells these weights from others, whatever their place."""
        path = Path(self.location)
        weights: dict[str, JsonValue] = (
            {"commit": self.commit}
            if self.commit
            else {"sha256": fingerprint(path) if path.is_dir() else _file_fingerprint(path)}
        )
        if self.loras:
            weights["lora"] = [{"sha256": lora.digest, "scale": lora.scale} for lora in self.loras]
        return weights


def find_checkpoint(options: DiffusersOptions) -> Checkpoint:
    """Find the model and its LoRAs.

    From the hub it fetches `model_index.json` (a kilobyte), which names the pipeline's class and
    the commit, and LoRAs.

    Raises:
        ConfigError: there is no such model, or it is not one of diffusers.
    """
    loras = [
        _find_lora(lora, index, local_files_only=options.local_files_only)
        for index, lora in enumerate(options.lora)
    ]
    model = local_name(options.model)
    config = None if options.config is None else local_name(options.config)
    for name in filter(None, (model, config)):
        try:
            require_files(name)
        except (OSError, ValueError) as error:
            raise ConfigError(f"model {name!r} cannot be read: {error}") from error
    folder = Path(model)
    single = folder.is_file() and folder.suffix == ".safetensors"
    if options.config is not None and not single:
        raise ConfigError(f"model {options.model!r} is no single file: 'config' has no effect")
    if folder.is_dir():
        if options.revision is not None:
            raise ConfigError(f"model {options.model!r} is a folder: 'revision' has no effect")
        return _checkpoint(model, folder / INDEX, options, None, loras)
    if single:
        return _single_file(folder, config, options, loras)
    if not is_hub_id(model):
        what = "is a file" if folder.is_file() else "does not exist"
        raise ConfigError(
            f"model {options.model!r} {what}: give a folder with a {INDEX}, "
            "a .safetensors file with all weights, or a hub id such as "
            "'black-forest-labs/FLUX.1-dev'"
        )
    index = _hub_file(
        f"model {options.model!r}",
        options.model,
        INDEX,
        options.revision,
        local_files_only=options.local_files_only,
    )
    # The cache keeps each file under snapshots/<commit>/. Loading from that folder asks nobody,
    # while `local_files_only` alone does not keep the hub's client from calling home.
    location = str(index.parent) if options.local_files_only else options.model
    return _checkpoint(location, index, options, index.parent.name, loras)


def _checkpoint(
    location: str,
    index: Path,
    options: DiffusersOptions,
    commit: str | None,
    loras: Sequence[LoraFile],
) -> Checkpoint:
    parts = read_parts(index, f"model folder {options.model!r}")
    name = parts.get("_class_name")
    if options.pipeline is None and not isinstance(name, str):
        raise ConfigError(f"{str(index)!r} names no pipeline class: set the 'pipeline' option")
    return Checkpoint(location, options.pipeline or str(name), commit, loras, parts=parts)


def _single_file(
    path: Path, config: str | None, options: DiffusersOptions, loras: Sequence[LoraFile]
) -> Checkpoint:
    """A file with all weights of a model.

    Raises:
        ConfigError: it cannot be read, or an option has no effect on it.
    """
    for name in ("revision", "variant"):
        if getattr(options, name) is not None:
            raise ConfigError(f"model {options.model!r} is a single file: {name!r} has no effect")
    commit, parts = None, dict[str, JsonValue]()
    if config is not None:
        index = Path(config) / INDEX
        if not index.parent.is_dir():
            index = _hub_file(
                f"config {config!r}",
                config,
                INDEX,
                None,
                local_files_only=options.local_files_only,
            )
            commit = index.parent.name
        parts = read_parts(index, f"config {config!r}")
    kind = options.pipeline or _class_of_file(path)
    return Checkpoint(str(path), kind, None, loras, config, commit, parts)


def _class_of_file(path: Path) -> str:
    """The pipeline class for a file's weights, told by their names and shapes as diffusers does."""
    try:
        from diffusers.loaders.single_file_utils import infer_diffusers_model_type
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingExtraError("the diffusers generator", "local") from error
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {key: _Shape(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"model {str(path)!r} cannot be read: {error}") from error
    try:
        kind = str(infer_diffusers_model_type(shapes))
    except (KeyError, IndexError, AttributeError):
        kind = "unknown"
    # Where nothing is found, diffusers takes the model for Stable Diffusion 1.
    known = kind != "v1" or any(key.startswith("model.diffusion_model.") for key in shapes)
    for start, name in _SINGLE_FILES.items():
        if known and kind.startswith(start) and "inpaint" not in kind and "refiner" not in kind:
            return name
    raise ConfigError(
        f"model {str(path)!r} is a single file of the kind {kind!r}: say with generator.pipeline "
        f"which class it is for (known by themselves are {', '.join(_SINGLE_FILES.values())})"
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    shape: Sequence[int]


def find_parts(model: str, revision: str | None) -> tuple[dict[str, JsonValue], str | None]:
    """What the index of a folder or repository says of its parts, and the commit of a repository.

    Raises:
        ConfigError: it cannot be read, or one is of no known library.
    """
    folder = Path(model)
    if folder.is_dir():
        return read_parts(folder / INDEX, f"model folder {model!r}"), None
    index = _hub_file(f"model {model!r}", model, INDEX, revision, local_files_only=False)
    return read_parts(index, f"model {model!r}"), index.parent.name


def needs_the_hub(options: DiffusersOptions) -> bool:
    """Whether `find_checkpoint` would look for something in a hub repository."""
    names = (options.model, options.config, *(lora.model for lora in options.lora))
    return any(map(is_hub_id, filter(None, names)))


def fingerprint(folder: Path) -> str:
    """SHA-256 over the files of a model folder that a loader reads, by name, size and content.

    Of files above 64 MiB it reads 64 blocks of 64 KiB, evenly spread: training moves all weights,
    and hashing 30 GB at every start would take a minute.

    Raises:
        ConfigError: a file cannot be read.
    """
    sha = hashlib.sha256()
    paths = (path for path in folder.rglob("*") if path.suffix in _READ_BY_A_LOADER)
    try:
        for path in sorted(path for path in paths if path.is_file()):
            size = path.stat().st_size
            sha.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
            if size <= _WHOLE:
                sha.update(read_named(path))
                continue
            with open_named(path) as file:
                for block in range(_BLOCKS):
                    file.seek(block * max(0, size - _BLOCK) // (_BLOCKS - 1))
                    sha.update(file.read(_BLOCK))
    except OSError as error:
        raise ConfigError(f"model folder {str(folder)!r} cannot be read: {error}") from error
    return sha.hexdigest()


def _file_fingerprint(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise ConfigError(f"model {str(path)!r} cannot be read: {error}") from error


def _hub_file(
    what: str, repository: str, name: str, revision: str | None, *, local_files_only: bool
) -> Path:
    """A file of a hub repository, fetched if need be.

    Raises:
        ConfigError: it is not there, or cannot be reached.
    """
    try:
        import httpx2
        from huggingface_hub import errors, hf_hub_download, try_to_load_from_cache
    except ImportError as error:
        raise MissingExtraError("the diffusers generator", "local") from error
    fetch = f"fetch it once with `hf download {repository}`"
    if local_files_only:
        cached = try_to_load_from_cache(repository, name, revision=revision)
        if not isinstance(cached, str):
            raise ConfigError(
                f"{what} is not in the hub's cache, and local_files_only is set: {fetch}"
            )
        return Path(cached)
    try:
        require_hub(repository, name, revision)
        with hub_that_answers():
            return Path(hf_hub_download(repository, name, revision=revision))
    except errors.GatedRepoError as error:
        raise ConfigError(
            f"{what} is gated: accept its licence on the hub, then run `hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ConfigError(f"{what} has no revision {revision!r}") from error
    except errors.RepositoryNotFoundError as error:
        raise ConfigError(
            f"{what} is neither on this disk nor on the hub (a private one needs `hf auth login`)"
        ) from error
    except (errors.LocalEntryNotFoundError, httpx2.TransportError) as error:
        raise ConfigError(
            f"{what} is not in the hub's cache, and the hub is out of reach: {fetch}"
        ) from error
    except errors.EntryNotFoundError as error:
        raise ConfigError(f"{what} has no {name}") from error
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        text = " ".join(str(error).split())
        raise ConfigError(f"{what} cannot be looked up on the hub: {text}") from error


def _find_lora(options: LoraOptions, index: int, *, local_files_only: bool) -> LoraFile:
    require_meant(options.model)
    path = Path(local_name(options.model))
    what = f"LoRA {options.model!r}"
    if is_hub_id(options.model):
        path = _hub_file(
            what,
            options.model,
            options.weight_name or _LORA,
            options.revision,
            local_files_only=local_files_only,
        )
    elif options.revision is not None:
        raise ConfigError(f"{what} is not a hub id: 'revision' has no effect")
    elif path.is_dir():
        path = _weight_file(path, options)
    elif not path.is_file():
        raise ConfigError(f"{what} does not exist")
    elif options.weight_name is not None:
        raise ConfigError(f"{what} is a file: 'weight_name' has no effect")
    try:
        sha = file_digest(path)
    except OSError as error:
        raise ConfigError(f"{what} cannot be read: {error}") from error
    return LoraFile(path, options.adapter(index), options.scale, sha)


def _weight_file(folder: Path, options: LoraOptions) -> Path:
    if options.weight_name is not None:
        path = folder / options.weight_name
        if not path.is_file():
            raise ConfigError(f"LoRA folder {options.model!r} has no {options.weight_name!r}")
        return path
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise ConfigError(
            f"LoRA folder {options.model!r} must hold one .safetensors file, not {names}; "
            "choose one with 'weight_name'"
        )
    return files[0]
