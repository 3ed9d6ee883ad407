"""Any diffusers pipeline as a generator: weights on your own device."""

from __future__ import annotations

from pydantic import JsonValue

from rr_refine.generators.diffusers.generator import DiffusersGenerator
from rr_refine.generators.diffusers.options import DiffusersOptions, LoraOptions, RenderOptions
from rr_refine.generators.generator import Generator
from rr_refine.plugins import parse_options

__all__ = ["DiffusersGenerator", "DiffusersOptions", "LoraOptions", "RenderOptions", "create"]


def create(**options: JsonValue) -> Generator:
    """Make the generator from its config section; loads no weights.

    Raises:
        ConfigError: an unknown or wrong option, or a folder that is no model.
        MissingExtraError: torch or diffusers are not installed.
    """
    return DiffusersGenerator(parse_options(DiffusersOptions, options, "generator"))
