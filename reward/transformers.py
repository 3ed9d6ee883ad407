"""A critic in this process: any model that transformers loads as image-text-to-text."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Literal

from pydantic import Field

from rr_refine.batching import Batcher
from rr_refine.endpoint.chat import Message
from rr_refine.errors import MissingExtraError
from rr_refine.plugins import factory
from rr_refine.reward.judging import Answer, ModelCritic, ModelOptions
from rr_refine.reward.transformers_model import ModelQuestion, load_model
from rr_refine.terms import Identity, Usage

__all__ = ["TransformersCritic", "TransformersCriticOptions", "create"]


class TransformersCriticOptions(ModelOptions):
    """Which model is loaded, and where."""

    temperature: float = Field(default=0.1, ge=0, le=2)
    """Sampling temperature; 0 takes the most likely token each time."""
    model: str
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


class TransformersCritic(ModelCritic):
    """Judges with a model in this process, in a thread of its own.

    The first call loads the model. Calls made at the same time share a call of the model, up to
    `batch`. Cancelling one ends its part of it, and the whole at the next token if it was the last.
    """

    def __init__(self, options: TransformersCriticOptions) -> None:
        """Nothing is loaded yet.

        Raises:
            MissingExtraError: torch or transformers is not installed.
        """
        if find_spec("torch") is None or find_spec("transformers") is None:
            raise MissingExtraError("the critic 'transformers'", "local")
        super().__init__(options)
        self._options = options
        self._batcher = Batcher(partial(load_model, options), "rr-refine-critic")

    @property
    def identity(self) -> Identity:
        """The model and how it is asked. Device and batch are left out: they change no answer."""
        options = self._options
        return Identity(
            kind="transformers",
            name=options.model,
            details={
                "revision": options.revision,
                "dtype": options.dtype,
                "template": self._template.digest,
                "samples": options.samples,
                "temperature": options.temperature,
                "max_tokens": options.max_tokens,
                "repair": options.repair,
            },
        )

    async def _ask(self, messages: tuple[Message, ...], samples: int) -> tuple[list[Answer], Usage]:
        return await self._batcher.submit(ModelQuestion(messages, samples), kind=samples)


create = factory(TransformersCritic, TransformersCriticOptions, "critic")
