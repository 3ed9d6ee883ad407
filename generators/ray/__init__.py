"""Copies of a generator on many GPUs, of one machine or of a Ray cluster."""

from __future__ import annotations

from rr_refine.generators.ray.generator import RayGenerator, create
from rr_refine.generators.ray.worker_pool import RayOptions

__all__ = ["RayGenerator", "RayOptions", "create"]
