"""What a pipeline's index says of its parts, looked at before any of them is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from rr_refine.errors import ConfigError
from rr_refine.files import MAX_BYTES, parse_json
from rr_refine.named import read_named

__all__ = ["INDEX", "read_parts", "require_classes", "require_whole"]

INDEX: Final = "model_index.json"
_KINDS: Final = {
    "diffusers": ("ModelMixin", "SchedulerMixin"),
    "transformers": (
        *("PreTrainedModel", "PreTrainedTokenizerBase", "ProcessorMixin"),
        *("FeatureExtractionMixin", "ImageProcessingMixin"),
    ),
}
"""Base classes of parts: models, whose weights diffusers reads as it was told, and what has none.
A pipeline as a part would read its own weights as it likes, and so would an ONNX model."""


def read_parts(index: Path, what: str) -> dict[str, JsonValue]:
    """The index, all of whose parts are of known libraries.

    Args:
        what: whose it is, for messages.

    Raises:
        ConfigError: one is not; or the file cannot be read.
    """
    try:
        entries = parse_json(read_named(index, MAX_BYTES))
    except FileNotFoundError:
        raise ConfigError(
            f"{what} has no {INDEX}: it must be in diffusers' layout, as `save_pretrained` "
            "writes it"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(index)!r} cannot be read: {error}") from error
    parts = entries if isinstance(entries, dict) else {}
    for part, (library, class_name) in _classes(parts):
        if not _is_known(library):
            raise ConfigError(
                f"{str(index)!r} takes {part!r} from {library!r:.80}, which is neither diffusers "
                "nor transformers: loading it would import whatever module has that name"
            )
        if not isinstance(class_name, str) or "Pipeline" in class_name or "Onnx" in class_name:
            raise _odd(part, class_name)
    return parts


def require_classes(parts: Mapping[str, JsonValue]) -> None:
    """See that the parts are models, schedulers, tokenizers and processors; imports their classes.

    Raises:
        ConfigError: one is something else, or there is no such class.
    """
    import diffusers
    import transformers

    homes: dict[str, Any] = {"diffusers": diffusers, "transformers": transformers}
    kinds = tuple(getattr(homes[home], name) for home, names in _KINDS.items() for name in names)
    for part, (library, class_name) in _classes(parts):
        home = homes.get(str(library)) or getattr(diffusers.pipelines, str(library), None)
        found = getattr(home, str(class_name), None)
        if not (isinstance(found, type) and issubclass(found, kinds)):
            raise _odd(part, class_name)


def require_whole(pipeline: type) -> None:
    """Refuse a pipeline that would load another one, which its README names, and nobody looked at.

    Raises:
        ConfigError: it is one of them.
    """
    if getattr(pipeline, "_load_connected_pipes", False):
        raise ConfigError(
            f"{pipeline.__name__} loads a second model, which the README of its folder names: it "
            "cannot be used; name the pipeline of one of the two in generator.pipeline"
        )


def _classes(parts: Mapping[str, JsonValue]) -> list[tuple[str, tuple[JsonValue, JsonValue]]]:
    return [
        (part, (entry[0], entry[1]))
        for part, entry in parts.items()
        if isinstance(entry, list) and len(entry) == 2 and entry[0] is not None
    ]


def _odd(part: str, class_name: JsonValue) -> ConfigError:
    return ConfigError(
        f"the model's {INDEX} makes {part!r:.80} of {class_name!r:.80}, which is no model, "
        "scheduler, tokenizer or processor of diffusers or transformers: only the weights of "
        "those are read as safetensors and nothing else"
    )


def _is_known(library: JsonValue) -> bool:
    """Whether parts of a pipeline are of this library, or of a pipeline of diffusers' own."""
    if library in _KINDS:
        return True
    found = find_spec("diffusers")
    home = Path(found.origin if found and found.origin else "").parent / "pipelines"
    return isinstance(library, str) and library.isidentifier() and (home / library).is_dir()
