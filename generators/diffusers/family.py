"""What is known of the pipelines, beyond what their signatures say.

An installed package adds its own by an entry point of the group `rr_refine.families`, named after
the pipeline class: a callable without arguments that gives a `Family`.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from pydantic import JsonValue

from rr_refine.errors import ConfigError
from rr_refine.plugins import available, create, did_you_mean, imported
from rr_refine.terms import Task

__all__ = ["FAMILIES", "Family", "family_of", "pipeline_class"]

_T2I: Final[frozenset[Task]] = frozenset({"t2i"})
_EDIT: Final[frozenset[Task]] = frozenset({"edit"})
_BOTH = _T2I | _EDIT
_NONE: Final[frozenset[Task]] = frozenset()

_NOT_OURS: Final = ("mask_image", "control_image", "num_frames", "video", "audio")
"""Parameters of pipelines that need more than a prompt and a picture, or give no picture."""


@dataclass(frozen=True, slots=True)
class Family:
    """One pipeline class."""

    tasks: frozenset[Task]
    batched: frozenset[Task] = _NONE
    """Tasks in which an image of a batch was measured to equal its single run (tests). Others are
    rendered one by one: FLUX.2 takes a list of pictures as references of one image, so that a batch
    of edits would mix its sources."""
    most_sources: int | None = 1
    """Most pictures to edit of one image; None for no fixed number."""
    edit_area: int | None = None
    """For a pipeline that gives an edit the proportions of its last source: pixels of an edit that
    has those of its first one, where no size was asked for."""
    defaults: Mapping[str, JsonValue] = field(default_factory=dict)
    """Passed unless overridden."""
    unconditional: str = ""
    """The negative prompt where `true_cfg_scale` asks for guidance and none was given."""
    pipeline: str | None = None
    """`my_pkg.mod:MyPipeline`, where diffusers itself has no class of that name."""


# PixArt's caption cleaning does something else when two optional packages are missing.
_PIXART = Family(_T2I, _T2I, defaults={"clean_caption": False})
# Qwen's model cards: a single space for "nothing to steer away from".
_QWEN_EDIT = Family(_EDIT, _EDIT, unconditional=" ")

FAMILIES: Final[Mapping[str, Family]] = {
    "FluxPipeline": Family(_T2I, _T2I),
    "FluxKontextPipeline": Family(_BOTH, _BOTH),
    "Flux2Pipeline": Family(_BOTH, most_sources=None),
    "Flux2KleinPipeline": Family(_BOTH, _T2I, most_sources=None),
    "Flux2KleinKVPipeline": Family(_BOTH, most_sources=None),
    "QwenImagePipeline": Family(_T2I, _T2I, unconditional=" "),
    "QwenImage21Pipeline": Family(_BOTH, unconditional=" "),
    "QwenImageEditPipeline": _QWEN_EDIT,
    "QwenImageEditPlusPipeline": Family(
        _EDIT, most_sources=None, edit_area=1024 * 1024, unconditional=" "
    ),
    "StableDiffusionPipeline": Family(_T2I, _T2I),
    "StableDiffusionXLPipeline": Family(_T2I, _T2I),
    "StableDiffusion3Pipeline": Family(_T2I, _T2I),
    "StableDiffusionInstructPix2PixPipeline": Family(_EDIT, _EDIT),
    "ZImagePipeline": Family(_T2I, _T2I),
    "ZImageOmniPipeline": Family(_BOTH),
    "SanaPipeline": Family(_T2I, _T2I),
    "PixArtAlphaPipeline": _PIXART,
    "PixArtSigmaPipeline": _PIXART,
}


def family_of(pipeline: type | str) -> Family:
    """The family of a pipeline class of diffusers, or of your own.

    What is not listed is told by its signature: it needs a source picture if it takes `image`, and
    is not batched.

    Raises:
        ConfigError: diffusers has no such pipeline, or it needs inputs that we have not.
    """
    name = pipeline if isinstance(pipeline, str) else pipeline.__name__
    if (known := _family(name)) and (isinstance(pipeline, str) or pipeline is _class(name, known)):
        return known
    made_by = pipeline_class(pipeline) if isinstance(pipeline, str) else pipeline
    accepted = inspect.signature(made_by.__call__).parameters
    if needed := [parameter for parameter in _NOT_OURS if parameter in accepted]:
        raise ConfigError(
            f"{name} cannot be used: it works with {needed[0]!r}, "
            "and a generator is given a prompt and at most one picture"
        )
    if "prompt" not in accepted:
        raise ConfigError(f"{name} cannot be used: it takes no prompt")
    return Family(_EDIT if "image" in accepted else _T2I)


def pipeline_class(name: str) -> type[Any]:
    """The pipeline class of that name; imports diffusers.

    Raises:
        ConfigError: there is none.
    """
    import diffusers

    found = _class(name, _family(name))
    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        if name not in FAMILIES and name in available("families"):
            raise ConfigError(
                f"the entry point {name!r} of rr_refine.families names no pipeline class: its "
                f"Family.pipeline must be the path of one, unless diffusers has {name!r} itself"
            )
        known = [entry for entry in dir(diffusers) if entry.endswith("Pipeline")]
        raise ConfigError(
            f"diffusers {diffusers.__version__} has no pipeline "
            f"{name!r}{did_you_mean(name, [*known, *available('families')])}; a package of your "
            "own can add one by an entry point of the group 'rr_refine.families'"
        )
    return found


def _family(name: str) -> Family | None:
    """What is known of the pipeline class `name`, here or by an installed package."""
    declared = name in available("families")
    if name in FAMILIES and declared:
        raise ConfigError(
            f"an installed package declares the family {name!r} of rr_refine.families, which is "
            "ours: uninstall it, or give its family the name of a pipeline class of its own"
        )
    if not declared:
        return FAMILIES.get(name)
    family = create("families", name, {})
    if not isinstance(family, Family):
        raise ConfigError(
            f"the entry point {name!r} of rr_refine.families gives {family!r}, which is no Family"
        )
    return family


def _class(name: str, family: Family | None) -> object:
    import diffusers

    if family is None or family.pipeline is None:
        return getattr(diffusers, name, None)
    return imported(f"pipeline {family.pipeline!r}", partial(pkgutil.resolve_name, family.pipeline))
