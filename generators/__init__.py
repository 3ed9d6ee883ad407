"""Generators: prompt, seed and maybe a source picture in; one image out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from rr_refine.generators.fake import FakeGenerator
from rr_refine.generators.generator import Generator, OnStep, RenderRequest
from rr_refine.generators.images_api import ImagesApiGenerator

if TYPE_CHECKING:
    from rr_refine.generators.comfyui import ComfyUIGenerator
    from rr_refine.generators.contract import GeneratorContract
    from rr_refine.generators.diffusers import DiffusersGenerator

__all__ = [
    "ComfyUIGenerator",
    "DiffusersGenerator",
    "FakeGenerator",
    "Generator",
    "GeneratorContract",
    "ImagesApiGenerator",
    "OnStep",
    "RenderRequest",
]

_HOMES: Final = {
    "ComfyUIGenerator": "comfyui",
    "DiffusersGenerator": "diffusers",
    "GeneratorContract": "contract",
}
"""Where each of the others lives; it is imported when it is first used (PEP 562)."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
