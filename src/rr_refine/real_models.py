"""The shortest ways to models for pictures of anything, for requests that the models in use do not
understand: data only.
"""

from __future__ import annotations

from typing import Final

__all__ = ["WAYS"]

WAYS: Final = (
    "`rr-refine doctor` shows what this machine has",
    'with a GPU of 16 GB here: rr-refine "…" --model black-forest-labs/FLUX.2-klein-4B '
    "(Apache-2.0, no login; FLUX.1-dev is for non-commercial use, and needs `hf auth login`)",
    'hosted, by key: RR_REFINE_GENERATOR__API_KEY=… rr-refine "…" --generator images-api '
    "--set generator.base_url=https://HOST/v1 --set generator.model=MODEL",
    'with your own ComfyUI: rr-refine "…" --generator comfyui --set generator.workflow=my.json '
    "(a workflow, or a PNG that ComfyUI saved)",
    'a critic for all of them: rr-refine "…" --critic-url http://localhost:6868/v1, which '
    "`rr-refine serve TIGER-Lab/RationalRewards-8B-T2I` serves on a GPU of 24 GB (Apache-2.0)",
)
"""A clause each, without a full stop."""
