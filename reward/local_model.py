"""A model in this process: how it is chosen and loaded, and batches that fit into memory."""

from __future__ import annotations

import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import Field

from rr_refine.batching import BatchJob
from rr_refine.boundary import without_panics
from rr_refine.errors import CriticError, CriticUnavailable, MissingExtraError, first_line
from rr_refine.hub import loaded
from rr_refine.terms import Given

__all__ = [
    "LocalModel",
    "LocalOptions",
    "load_processor",
    "loading",
    "pick_device",
    "require_local",
]

W = TypeVar("W")
R = TypeVar("R")

_PACKAGES: Final = ("torch", "transformers")


class LocalOptions(Given):
    """Which model is loaded, and where."""

    model: str = Field(min_length=1)
    """A folder, or an id of the model hub."""
    revision: str | None = None
    """The commit, tag or branch of a hub id; None for its newest."""
    local_files_only: bool = False
    """Never download: the model is in its folder or in the cache, or it is an error."""
    device: str = "auto"
    """`cuda`, `cuda:1`, `mps`, `cpu`, …; `auto` takes the first of these that there is."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Precision of the weights; `auto` takes that of the file."""
    batch: int = Field(default=1, ge=1, le=64)
    """Most questions in one call of the model; calls made at once share one. Faster for many, and
    takes that many times the memory of one question; a call lasts as long as its longest answer."""


class LocalModel(ABC, Generic[W, R]):
    """A `BatchWorker` that takes fewer at a time when memory runs out.

    Args:
        options: say how many at most.
        cure: what to do when even one does not fit, in words.
    """

    def __init__(self, options: LocalOptions, cure: str) -> None:
        self._name, self._cure = options.model, cure
        self._limit = options.batch

    @abstractmethod
    def _answer(self, jobs: Sequence[BatchJob[W, R]]) -> None:
        """Give each its result or its own error, as `BatchWorker.run`."""

    def limit(self, work: W) -> int:  # noqa: ARG002
        """Most in one call; falls when memory runs out."""
        return self._limit

    def run(self, jobs: Sequence[BatchJob[W, R]]) -> None:
        """Answer in one call. When memory runs out, the limit is halved, and stays so.

        Raises:
            CriticError: the model failed.
        """
        import torch

        try:
            with torch.inference_mode(), without_panics():
                self._answer(jobs)
            return
        except torch.OutOfMemoryError as error:
            # The frames hold activations, and an error may be kept long after the call.
            traceback.clear_frames(error.__traceback__)
            self._make_room(jobs, error)
        except Exception as error:
            traceback.clear_frames(error.__traceback__)
            raise CriticError(f"the critic {self._name!r} failed: {first_line(error)}") from error
        torch.cuda.empty_cache()  # only here, where the error has let go of the tensors

    def _make_room(self, jobs: Sequence[BatchJob[W, R]], cause: BaseException) -> None:
        if len(jobs) > 1:
            self._limit = len(jobs) // 2
            return
        error = CriticError(f"the critic {self._name!r} ran out of memory on {self._cure}")
        error.__cause__ = cause
        jobs[0].result.set_exception(error)


def require_local(critic: str, *more: str) -> None:
    """See that models can be loaded.

    Args:
        more: further packages that are needed.

    Raises:
        MissingExtraError: torch, transformers or one of these is not installed.
    """
    if any(find_spec(package) is None for package in (*_PACKAGES, *more)):
        raise MissingExtraError(f"the critic {critic!r}", "local")


@contextmanager
def loading(options: LocalOptions, needed: str) -> Iterator[str]:
    """Inside of it a model is loaded, without bars, once it is known that the hub answers. Gives
    its name for the library, see `rr_refine.hub.loaded`.

    Args:
        options: of the critic.
        needed: what it must be, such as `the folder or hub id of a CLIP model`.

    Raises:
        ConfigError: there is no such model, or transformers cannot load it.
        CriticUnavailable: it does not fit on the device.
    """
    import torch

    needed += (
        ", with its processor; what is not on this machine is downloaded, which needs a network"
    )
    ask = not options.local_files_only
    with loaded("critic.model", options.model, options.revision, ask=ask, needed=needed) as name:
        try:
            with _silent_loading():
                yield name
        except torch.OutOfMemoryError as error:
            raise CriticUnavailable(
                f"the critic {options.model!r} does not fit on its device: try "
                "critic.dtype = 'bfloat16', another critic.device, or a server (rr-refine serve)"
            ) from error


def load_processor(model: str, **where: Any) -> Any:
    """A model's processor, without code that comes with it.

    Raises:
        MissingExtraError: it has a part for videos, as Qwen3-VL's has, and torchvision is missing.
    """
    from transformers import AutoProcessor

    load: Any = AutoProcessor.from_pretrained  # which has no types
    try:
        return load(model, trust_remote_code=False, **where)
    except ImportError as error:
        if "torchvision" not in str(error).lower():
            raise
        raise MissingExtraError(f"the processor of {model!r}", "qwen-vl") from error


_silence = threading.Lock()
"""One at a time: two that overlap would put each other's hook back."""


@contextmanager
def _silent_loading() -> Iterator[None]:
    """No "Loading weights" bars from this thread. Other threads keep theirs, a program's own hook
    for them is still called, and the bars of downloads, which take long, stay.
    """
    from transformers.utils import logging

    here = threading.get_ident()

    def make(bar: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> object:
        if threading.get_ident() == here:
            options = options | {"disable": True}
        return hook(bar, args, options) if hook else bar(*args, **options)

    with _silence:
        hook = logging.set_tqdm_hook(None)
        logging.set_tqdm_hook(make)
        try:
            yield
        finally:
            logging.set_tqdm_hook(hook)


def pick_device(name: str) -> str:
    """`auto` is an accelerator if there is one, else the CPU."""
    import torch

    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
