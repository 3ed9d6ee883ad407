"""Any diffusers pipeline as a generator: weights on your own device."""

from __future__ import annotations

from rr_refine.generators.diffusers.generator import DiffusersGenerator
from rr_refine.generators.diffusers.options import DiffusersOptions, LoraOptions, RenderOptions
from rr_refine.plugins import factory

__all__ = ["DiffusersGenerator", "DiffusersOptions", "LoraOptions", "RenderOptions", "create"]

create = factory(DiffusersGenerator, DiffusersOptions, "generator")
