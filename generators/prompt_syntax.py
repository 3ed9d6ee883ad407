"""The prompt syntax of other tools: what a generator takes of it, and what are mere words to it.

A generator that has LoRAs, or knows that it reads such marks as words, may have

    def read_syntax(self, prompt: str) -> PromptSyntax
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

from pydantic import JsonValue

from rr_refine.component import layers
from rr_refine.terms import Record

__all__ = ["CanReadSyntax", "PromptSyntax", "read_tags", "syntax_of"]

_TAG: Final = re.compile(
    r"<(?:lora|lyco):(?P<name>[^<>:\n]+)(?::(?P<scale>-?\d*\.?\d+))?(?::[^<>\n]*)?>", re.IGNORECASE
)
_QUOTED: Final = re.compile(r'"[^"\n]*"|“[^“”\n]*”')
_MARKS: Final = re.compile(
    r"\([^()\n]*:\s*-?\d+(?:\.\d+)?\s*\)"  # (red hat:1.3)
    r"|(?<!\()\({2,}+[^()\n]++\){2,}|(?<!\{)\{{2,}+[^{}\n]++\}{2,}"  # ((red hat)), {{red hat}}
    r"|\[[^\[\]\n]+\]"  # [red hat], [red:blue:0.5], [red|blue]
    r"|\b(?:BREAK|ADDCOMM|ADDROW|ADDCOL|ADDBASE)\b"
    r"|<(?:lora|lyco|hypernet|embedding|wildcard):[^<>\n]+>"
    r"|\{[^{}\n]*\|[^{}\n]*\}"  # {red|blue}
    r"|\\[()\[\]]"  # \(series\)
    r"|(?<!\S)--(?:ar|aspect|v|version|niji|s|stylize|style|chaos|c|no|q|quality|iw|sref|cref|seed"
    r"|tile|weird|raw)\b(?:\s+(?!--)[\w:.]+)?"  # of Midjourney
    r"|\bembedding:[\w.-]+|__[\w/-]+__"
)


class PromptSyntax(Record):
    """A prompt as a generator understands it."""

    prompt: str
    """Without what is no words to it."""
    parameters: dict[str, JsonValue] = {}
    """What stands in place of that in the request's parameters."""
    notices: tuple[str, ...] = ()
    """What is to be said about it, a clause each."""


@runtime_checkable
class CanReadSyntax(Protocol):
    """A generator that knows the syntax of other tools."""

    def read_syntax(self, prompt: str) -> PromptSyntax:
        """How it understands a prompt. Asked before anything is connected; must be quick."""
        ...


def syntax_of(generator: object, prompt: str) -> PromptSyntax:
    """How a generator understands a prompt; one that cannot tell takes it as it is."""
    for one in layers(generator):
        if isinstance(one, CanReadSyntax):
            return one.read_syntax(prompt)
    return PromptSyntax(prompt=prompt)


def read_tags(prompt: str, loras: Mapping[str, str]) -> PromptSyntax:
    """Take `<lora:name:0.8>` of known LoRAs out of a prompt, and name the marks that are words.

    Args:
        loras: adapters by the names that a tag may call them.
    """
    scales: dict[str, JsonValue] = {}

    def take(tag: re.Match[str]) -> str:
        adapter = loras.get(tag["name"].strip())
        if adapter is None:
            return tag.group()
        scales[adapter] = float(tag["scale"] or 1.0)
        return " "

    text = _TAG.sub(take, prompt)
    if scales:
        text = re.sub(r"[ \t]{2,}", " ", text)
        text = re.sub(r"(?<!\s)\s+([,.;])(?=[\s,.;]|$)", r"\1", text).strip(" ,")
    notices = [
        f"LoRA {name!r} is applied at {scale:g} for the tag in the prompt, which is taken out"
        for name, scale in scales.items()
    ]
    marks = list(dict.fromkeys(_MARKS.findall(_QUOTED.sub(" ", text))))
    if marks:
        shown = ", ".join(marks[:5]) + (", …" if len(marks) > 5 else "")
        missing = (
            f"; a LoRA is given by generator.lora (there is {', '.join(loras) or 'none'})"
            if any("<lora:" in mark.lower() for mark in marks)
            else ""
        )
        notices.append(f"the generator reads {shown} as words: it knows no such syntax{missing}")
    return PromptSyntax(
        prompt=text, parameters={"loras": scales} if scales else {}, notices=tuple(notices)
    )
