"""A critic in this process: any model that transformers loads as image-text-to-text."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from pydantic import Field

from rr_refine.batching import Batcher
from rr_refine.endpoint.chat import Message
from rr_refine.plugins import factory
from rr_refine.reward.answer_form import AnswerForm
from rr_refine.reward.judging import Answer, ModelCritic, ModelOptions
from rr_refine.reward.local_model import LocalOptions, require_local
from rr_refine.reward.transformers_model import ModelQuestion, load_model, why_too_long
from rr_refine.terms import Identity, Usage

__all__ = ["TransformersCritic", "TransformersCriticOptions", "create"]

_SURE: Final = 1000
"""Bytes of a question that every critic has room for: it need not be counted."""


class TransformersCriticOptions(ModelOptions, LocalOptions):
    """Which model is loaded, where, and how it is asked."""

    temperature: float = Field(default=0.1, ge=0, le=2)
    """Sampling temperature; 0 takes the most likely token each time."""
    guided: bool = False
    """Hold the model to the form of an answer while it writes, so that the answer can always be
    read. Off by default: in that form every text has one line, and large critics write several."""


class TransformersCritic(ModelCritic):
    """Judges with a model in this process, in a thread of its own.

    The first call loads the model. Calls made at the same time share a call of the model, up to
    `batch`. Cancelling one ends its part of it, and the whole at the next token if it was the last.
    """

    def __init__(self, options: TransformersCriticOptions) -> None:
        """Nothing is loaded yet.

        Raises:
            MissingExtraError: torch or transformers is not installed, or what `guided` needs.
        """
        require_local("transformers", *(["llguidance"] if options.guided else []))
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
                **self._asked,
                **({"guided": True} if options.guided else {}),
            },
        )

    async def _too_long(self, messages: tuple[Message, ...]) -> str | None:
        if sum(len(message.text.encode()) for message in messages) < _SURE:
            return None
        return await asyncio.to_thread(why_too_long, self._options, messages)

    async def _ask(
        self, messages: tuple[Message, ...], samples: int, form: AnswerForm
    ) -> tuple[list[Answer], Usage]:
        return await self._batcher.submit(ModelQuestion(messages, samples, form), kind=samples)


create = factory(TransformersCritic, TransformersCriticOptions, "critic")
