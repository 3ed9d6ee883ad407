"""Let a CUDA build of torchvision be imported beside a CPU build of torch. For tests only.

`import torchvision` registers shape functions for two operators of its compiled library, which a
CPU torch cannot load. The transforms do not use them, so it is enough that their names exist.
`.ci/vllm` copies this module into the test environment, where a `.pth` file imports it at start-up;
importing torch then and there would slow every start, hence the hook.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _BeforeTorchvision(MetaPathFinder):
    """Finds nothing; defines the operators when torchvision is looked for."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            torch.library.define(
                "torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
            torch.library.define(
                "torchvision::qnms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        return None


sys.meta_path.insert(0, _BeforeTorchvision())
