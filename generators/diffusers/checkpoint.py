"""Which model it is: found and told apart without loading its weights."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rr_refine.digest import file_digest
from rr_refine.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from rr_refine.generators.diffusers.options import DiffusersOptions, LoraOptions

__all__ = ["Checkpoint", "LoraFile", "find_checkpoint", "fingerprint", "is_hub_id"]

_INDEX: Final = "model_index.json"
_HUB_ID: Final = re.compile(r"[\w.-]+(/[\w.-]+)?")
_READ_BY_A_LOADER: Final = {".json", ".safetensors", ".bin", ".txt", ".model", ".jinja"}
_WHOLE: Final = 64 * 2**20
_BLOCK: Final = 64 * 2**10
_BLOCKS: Final = 64


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A LoRA, found."""

    location: str
    """The folder of a local file, or a hub id."""
    weight_name: str | None
    revision: str | None
    name: str
    scale: float
    digest: str | None
    """SHA-256 of a local file; None for a hub id."""

    def describe(self) -> dict[str, JsonValue]:
        """What goes into the identity: the content of a local file, whatever its place."""
        if self.digest is not None:
            return {"file": self.weight_name, "sha256": self.digest, "scale": self.scale}
        return {
            "model": self.location,
            "file": self.weight_name,
            "revision": self.revision,
            "scale": self.scale,
        }


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

    def describe(self) -> dict[str, JsonValue]:
        """What tells these weights from others."""
        weights: dict[str, JsonValue] = (
            {"commit": self.commit} if self.commit else {"sha256": fingerprint(Path(self.location))}
        )
        return weights | ({"lora": [lora.describe() for lora in self.loras]} if self.loras else {})


def find_checkpoint(options: DiffusersOptions) -> Checkpoint:
    """Find the model and its LoRAs.

    Of a hub id it fetches `model_index.json` (a kilobyte; from the cache where it is there), which
    names the pipeline's class and the commit.

    Raises:
        ConfigError: there is no such model, or it is not one of diffusers.
    """
    loras = [_find_lora(lora, index) for index, lora in enumerate(options.lora)]
    folder = Path(options.model).expanduser()
    if folder.is_dir():
        return Checkpoint(str(folder), _class_name(folder / _INDEX, options), None, loras)
    if not is_hub_id(options.model):
        what = "is a file" if folder.is_file() else "does not exist"
        raise ConfigError(
            f"model {options.model!r} {what}: give a folder with a {_INDEX}, "
            "or a hub id such as 'black-forest-labs/FLUX.1-dev'"
        )
    index = _fetch_index(options)
    # The cache keeps each file under snapshots/<commit>/.
    return Checkpoint(options.model, _class_name(index, options), index.parent.name, loras)


def is_hub_id(model: str) -> bool:
    """Whether `model` names a hub repository rather than something on disk."""
    there = Path(model).expanduser().exists()
    return not there and _HUB_ID.fullmatch(model) is not None


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
                sha.update(path.read_bytes())
                continue
            with path.open("rb") as file:
                for block in range(_BLOCKS):
                    file.seek(block * (size - _BLOCK) // (_BLOCKS - 1))
                    sha.update(file.read(_BLOCK))
    except OSError as error:
        raise ConfigError(f"model folder {str(folder)!r} cannot be read: {error}") from error
    return sha.hexdigest()


def _class_name(index: Path, options: DiffusersOptions) -> str:
    try:
        entries = json.loads(index.read_bytes())
    except FileNotFoundError:
        raise ConfigError(
            f"model folder {options.model!r} has no {_INDEX}: "
            "it must be in diffusers' layout, as `save_pretrained` writes it"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(index)!r} cannot be read: {error}") from error
    name = entries.get("_class_name") if isinstance(entries, dict) else None
    if options.pipeline is None and not isinstance(name, str):
        raise ConfigError(f"{str(index)!r} names no pipeline class: set the 'pipeline' option")
    return options.pipeline or str(name)


def _fetch_index(options: DiffusersOptions) -> Path:
    try:
        from huggingface_hub import errors, hf_hub_download
    except ImportError as error:
        raise MissingExtraError("the diffusers generator", "local") from error
    model = options.model
    try:
        return Path(
            hf_hub_download(
                model,
                _INDEX,
                revision=options.revision,
                local_files_only=options.local_files_only,
            )
        )
    except errors.GatedRepoError as error:
        raise ConfigError(
            f"model {model!r} is gated: accept its licence on the hub, then run `hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ConfigError(f"model {model!r} has no revision {options.revision!r}") from error
    except errors.RepositoryNotFoundError as error:
        raise ConfigError(
            f"model {model!r} is neither a folder here nor on the hub "
            "(a private one needs `hf auth login`)"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        why = "local_files_only is set" if options.local_files_only else "the hub is out of reach"
        raise ConfigError(
            f"model {model!r} is not in the hub's cache, and {why}: "
            f"fetch it once with `hf download {model}`, or give a folder"
        ) from error
    except errors.EntryNotFoundError as error:
        raise ConfigError(
            f"model {model!r} has no {_INDEX}: it is not in diffusers' layout"
        ) from error
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        raise ConfigError(f"model {model!r} cannot be looked up on the hub: {error}") from error


def _find_lora(options: LoraOptions, index: int) -> LoraFile:
    path = Path(options.model).expanduser()
    name = options.name or f"lora-{index}"
    if path.is_dir():
        path = _weight_file(path, options)
    elif not path.is_file():
        if _HUB_ID.fullmatch(options.model) is None or path.suffix == ".safetensors":
            raise ConfigError(f"LoRA {options.model!r} does not exist")
        return LoraFile(
            options.model, options.weight_name, options.revision, name, options.scale, None
        )
    elif options.weight_name is not None:
        raise ConfigError(f"LoRA {options.model!r} is a file: 'weight_name' has no effect")
    if options.revision is not None:
        raise ConfigError(f"LoRA {options.model!r} is not a hub id: 'revision' has no effect")
    try:
        sha = file_digest(path)
    except OSError as error:
        raise ConfigError(f"LoRA {str(path)!r} cannot be read: {error}") from error
    return LoraFile(str(path.parent), path.name, None, name, options.scale, sha)


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
