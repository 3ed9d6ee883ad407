"""How much of a prompt a pipeline reads, and which words it leaves out."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import JsonValue

from rr_refine.digest import digest
from rr_refine.generators.diffusers.encoding import EncoderInput, Encoding, encode
from rr_refine.generators.prompt_fit import PromptFit

__all__ = ["PromptReader"]

_PROBE: Final = "so " * 2500 + "so"
"""Longer than any encoder reads. One that reads all of it is taken to have no limit."""
_LENGTH: Final = "max_sequence_length"
_LENGTHS: Final = (256, 512, 1024, 2048)
"""Tried where a pipeline has `max_sequence_length`; it refuses what is too much, or does not
check."""
_PUNCTUATION: Final = " \t\n,.;:!?-"
_TEXTS: Final = ("prompt", "negative_prompt")


class PromptReader:
    """Measures the prompts of one pipeline with its own tokenizers, as its own code calls them.

    One thread at a time, and none beside a render.
    """

    def __init__(self, pipeline: object) -> None:
        self._pipeline: Any = pipeline
        self._known: dict[str, _Limits] = {}

    def fit(self, arguments: Mapping[str, Any]) -> PromptFit:
        """How the pipeline takes the prompt of a call.

        Args:
            arguments: of the call, with one prompt.
        """
        limits = self._limits(arguments)
        encoding = encode(self._pipeline, arguments)
        if unseen := encoding.unseen or limits.unseen:
            return PromptFit(unknown=unseen)
        texts = {k: v for k, v in arguments.items() if k.startswith(_TEXTS) and isinstance(v, str)}
        read = dict(self._best(encoding, limits, texts))
        best, cut = read.get("prompt", (None, ""))
        if best is None:
            return PromptFit(reads=_reads(encoding))
        body, _ = limits.body(best)
        limit = limits.capacity(best)
        return PromptFit(
            limit=limit,
            length=_count(best, body),
            cut=_as_written(cut, texts["prompt"]),
            negative_cut=read.get("negative_prompt", (None, ""))[1],
            reads=_reads(encoding),
            hint=self._hint(arguments, limit) if cut and limit is not None else "",
        )

    def _best(
        self, encoding: Encoding, limits: _Limits, texts: Mapping[str, str]
    ) -> Iterator[tuple[str, tuple[EncoderInput, str]]]:
        """For the prompt and the negative prompt: the encoder that reads most, and what it cuts."""
        sources = {id(one): _source(limits.body(one)[0], texts) for one in encoding.given}
        for name in _TEXTS:
            of_it = [one for one in encoding.given if sources[id(one)] == name]
            readers = [one for one in of_it if one in encoding.readers] or of_it
            cuts = {id(one): limits.cut(one) for one in readers}
            if readers:
                best = min(readers, key=lambda o: (len(cuts[id(o)]), -(limits.capacity(o) or 1e9)))
                yield name, (best, cuts[id(best)])

    def _limits(self, arguments: Mapping[str, Any]) -> _Limits:
        """What the encoders take, found out once for calls that differ in their texts only."""
        rest = {
            name: value
            for name, value in arguments.items()
            if not name.startswith(_TEXTS) and isinstance(value, str | int | float | None)
        }
        pictures = arguments.get("image")  # some pipelines put a token for each into the text
        number = len(pictures) if isinstance(pictures, list) else 1
        key = json.dumps([number, rest], sort_keys=True)
        if key not in self._known:
            probed = {k: v for k, v in arguments.items() if not k.startswith(_TEXTS)}
            if isinstance(arguments.get("negative_prompt"), str):
                probed["negative_prompt"] = ""  # guidance may need one
            self._known[key] = _Limits(encode(self._pipeline, {**probed, "prompt": _PROBE}))
        return self._known[key]

    def _hint(self, arguments: Mapping[str, Any], limit: int) -> str:
        """How the pipeline can be made to read more, if it can."""
        known = inspect.signature(type(self._pipeline).__call__).parameters
        if _LENGTH not in known:
            return ""
        now = arguments.get(_LENGTH, known[_LENGTH].default)
        longer = {}
        for length in _LENGTHS:
            limits = self._limits({**arguments, _LENGTH: length})
            found = None if limits.unseen else limits.most()
            if found is not None and found > limit:
                longer[length] = found
        if not longer:
            return ""
        length, tokens = max(longer.items())
        if length == _LENGTHS[-1]:  # any length passes, whatever the model was trained with
            return f"{_LENGTH}, now {now}, can be set higher where the model was trained with more"
        return f"{_LENGTH} = {length} reads {tokens} tokens"


class _Limits:
    """What each encoder takes, and what the pipeline puts around a prompt."""

    def __init__(self, probe: Encoding) -> None:
        self.unseen = probe.unseen
        """As of an `Encoding`."""
        self._around: dict[int, tuple[str, str]] = {}
        self._most: dict[int, int | None] = {}
        for one in probe.readers + probe.given:
            head, found, tail = one.text.partition(_PROBE)
            if not found or id(one.tokenizer) in self._around:
                continue
            self._around[id(one.tokenizer)] = (head, tail)
            start, end = len(head), len(one.text) - len(tail)
            whole = one.spans is None or _covered(one, start, end)[1] == end
            kept = 0 if whole else sum(1 for _, (a, b) in _kept(one) if start <= a and b <= end)
            self._most[id(one.tokenizer)] = None if whole else kept
        self._read = {id(one.tokenizer) for one in probe.readers}

    def capacity(self, one: EncoderInput) -> int | None:
        """Most tokens of a prompt that this encoder reads; None for no limit, or unknown."""
        return self._most.get(id(one.tokenizer))

    def most(self) -> int | None:
        """Of the encoder that reads most."""
        numbers = [self._most.get(name) for name in self._read]
        return None if None in numbers else max(filter(None, numbers), default=0)

    def body(self, one: EncoderInput) -> tuple[str, int]:
        """The prompt in a text, and where it starts."""
        head, tail = self._around.get(id(one.tokenizer), ("", ""))
        if one.text.startswith(head) and one.text.endswith(tail):
            return one.text[len(head) : len(one.text) - len(tail)], len(head)
        return one.text, 0

    def cut(self, one: EncoderInput) -> str:
        """The words of the prompt that this encoder does not read; a word read in part is one."""
        body, start = self.body(one)
        if one.spans is None:
            return _cut_of_ids(one, body)
        first, last = _covered(one, start, start + len(body))
        head, tail = one.text[start:first], one.text[last : start + len(body)]
        for side in (tail, head):
            words = side.strip()
            if any(map(str.isalnum, words)):
                words = words.lstrip(_PUNCTUATION)
            # What normalizing leaves nothing of is not cut: an invisible mark, say.
            if words and _count(one, words):
                return _whole_words(body, words, at=(last if side is tail else start) - start)
        return ""


def _kept(one: EncoderInput) -> Iterator[tuple[int, tuple[int, int]]]:
    """Tokens that are read, each with its place in the text."""
    assert one.spans is not None
    for position, span in enumerate(one.spans):
        if span[1] > span[0] and (not one.kept or position in one.kept):
            yield one.ids[position], span


def _covered(one: EncoderInput, start: int, end: int) -> tuple[int, int]:
    """From where to where the part of the text from `start` to `end` is read."""
    if one.spans is None:
        return start, end
    inside = [(a, b) for _, (a, b) in _kept(one) if b > start and a < end]
    # The mark of a space has the place of the letter behind it.
    last = [token for token, (a, b) in _kept(one) if b > start and a < end][-1:]
    if last and not str(one.tokenizer.convert_ids_to_tokens(last[0])).strip("▁Ġ "):
        inside.pop()
    if not inside:
        return start, start
    return max(start, min(a for a, _ in inside)), min(end, max(b for _, b in inside))


def _cut_of_ids(one: EncoderInput, body: str) -> str:
    """What is cut, where the tokenizer cannot tell which words a token stands for."""
    whole = one.tokenizer.encode(one.text, truncation=False, verbose=False)
    lost = whole[len(one.ids) - 1 : -1] if len(whole) > len(one.ids) else []
    words = str(one.tokenizer.decode(lost, skip_special_tokens=True)).strip()
    return words if words in body else " ".join(body.split()[-max(1, len(words.split())) :])


def _count(one: EncoderInput, text: str) -> int:
    """How many tokens a text is."""
    return len(one.tokenizer.encode(text, add_special_tokens=False, verbose=False))


def _as_written(words: str, prompt: str) -> str:
    """The words as they are in the prompt, which a pipeline may bring into small letters first."""
    at = prompt.casefold().rfind(words.casefold())
    written = prompt[at : at + len(words)] if at >= 0 else words
    return written if written.casefold() == words.casefold() else words


def _whole_words(body: str, words: str, at: int) -> str:
    """The cut words from the start of the first, where the limit goes through it."""
    at = body.index(words, max(0, at))
    start = at
    while start and _joins(body[start - 1]) and _joins(body[start]):
        start -= 1
    return body[start : at + len(words)]


def _joins(character: str) -> bool:
    """Whether it is in the midst of a word, in a script that sets spaces between words."""
    cased = character.isascii() or character.lower() != character.upper()
    return character.isalnum() and cased


def _source(body: str, texts: Mapping[str, str]) -> str:
    """The argument that a text comes from. Pipelines may clean it, with the prompt's words left."""
    if body in texts.values():
        return next(name for name, text in texts.items() if text == body)
    folded = " ".join(body.casefold().split())
    for name, text in texts.items():
        if " ".join(text.casefold().split()) == folded:
            return name
    negative = texts.get("negative_prompt")
    return "negative_prompt" if negative is None and not body.strip() else "prompt"


def _reads(encoding: Encoding) -> str | None:
    """Equal for calls whose texts no encoder tells apart."""
    if not encoding.given:
        return None
    ids = [o.ids[: max(o.kept) + 1] if o.kept and o.causal else o.ids for o in encoding.given]
    return digest({"ids": [list[JsonValue](one) for one in ids]})
