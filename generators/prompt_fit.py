"""How much of a prompt a generator takes: an optional capability of generators.

Text encoders read a number of tokens and leave the rest out without a word, so that two prompts
which differ only behind that limit give the same picture. A generator that knows says so:

    async def fit_prompt(self, request: RenderRequest) -> PromptFit

One without it still works: then nothing is known, and nothing is said.
"""

from __future__ import annotations

from typing import Literal, Protocol, cast, runtime_checkable

from pydantic import Field

from rr_refine.component import layers
from rr_refine.generators.generator import RenderRequest
from rr_refine.terms import Record

__all__ = ["CanFit", "PromptFit", "can_fit", "characters_fit", "fit_of"]


class PromptFit(Record):
    """How a generator takes the prompt of one request."""

    limit: int | None = Field(None, ge=0)
    """Most of a prompt that is read; None where it is unknown, or where there is no limit."""
    unit: Literal["tokens", "characters"] = "tokens"
    """Of `limit` and `length`."""
    length: int | None = Field(None, ge=0)
    """How long the prompt is; None where unknown."""
    cut: str = ""
    """The words of the prompt that are not read, not even by the encoder that reads most."""
    negative_cut: str = ""
    """Those of the negative prompt."""
    reads: str | None = None
    """The same for prompts that give the same picture, since no encoder can tell them apart. None
    where unknown: then every prompt is another one."""
    hint: str = ""
    """How more can be read, as a clause: `max_sequence_length = 512 reads 511 tokens`."""
    unknown: str = ""
    """Why it could not be found out, as a clause; then words may be cut without a notice."""

    def read_part(self, prompt: str) -> str:
        """The prompt without what is not read."""
        if not self.cut:
            return prompt
        at = prompt.rfind(self.cut)
        if at < 0:  # the pipeline writes it otherwise, in small letters say
            at = prompt.casefold().rfind(self.cut.casefold())
        return prompt if at < 0 else prompt[:at] + prompt[at + len(self.cut) :]

    def __str__(self) -> str:
        return "a part" if self.limit is None else f"at most {self.limit} {self.unit}"

    def notices(self) -> tuple[str, ...]:
        """What is to be said about it; nothing where all is read."""
        if self.unknown:
            return (f"how much of a prompt the generator reads is unknown: {self.unknown}",)
        more = f"; {self.hint}" if self.hint else ""
        return tuple(
            f"the generator reads {self} of a {what}, and not these words: {_shown(words)}{more}"
            for what, words in (("prompt", self.cut), ("negative prompt", self.negative_cut))
            if words
        )


@runtime_checkable
class CanFit(Protocol):
    """A generator that knows how much of a prompt it takes."""

    async def fit_prompt(self, request: RenderRequest) -> PromptFit:
        """How it takes the prompt of this request, measured as a render would take it.

        It may load what it needs for that.

        Raises:
            GeneratorError: as `generate` does.
        """
        ...


async def fit_of(generator: object, request: RenderRequest) -> PromptFit | None:
    """How a generator takes a prompt; None where it cannot tell.

    Raises:
        GeneratorError: it failed; a ConfigError where it answers something else.
    """
    able = can_fit(generator)
    return None if able is None else PromptFit.model_validate(await able.fit_prompt(request))


def can_fit(generator: object) -> CanFit | None:
    """The generator, or what it stands in front of, if that can tell how it takes a prompt."""
    for one in layers(generator):
        if callable(getattr(one, "fit_prompt", None)):  # `isinstance` takes ten times as long
            return cast("CanFit", one)
    return None


def characters_fit(prompt: str, limit: int | None) -> PromptFit:
    """How a generator takes a prompt that reads so many characters; None where it is unknown."""
    if limit is None:
        return PromptFit()
    return PromptFit(limit=limit, unit="characters", length=len(prompt), cut=prompt[limit:].strip())


def _shown(words: str, most: int = 300) -> str:
    text = " ".join(words.split())
    if len(text) <= most:
        return f"“{text}”"
    return f"“{text[: most // 2]} … {text[-most // 2 :]}” ({len(text)} characters)"
