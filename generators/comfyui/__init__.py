"""Pictures from the user's own ComfyUI server."""

from __future__ import annotations

from rr_refine.generators.comfyui.generator import ComfyUIGenerator
from rr_refine.generators.comfyui.options import ComfyUIOptions
from rr_refine.plugins import factory

__all__ = ["ComfyUIGenerator", "ComfyUIOptions", "create"]

create = factory(ComfyUIGenerator, ComfyUIOptions, "generator")
