"""What a pipeline's text encoders get of a prompt, found by encoding it without the encoders.

Every family prepares prompts in its own way: chat templates, instructions put in front, limits of
the tokenizer, limits of what is kept of an encoder's output, a second encoder that takes more. So
the pipeline itself is called, on a copy whose text encoders answer with the positions of the tokens
in place of hidden states, and which ends before another model is at work. The positions that come
out are those that the denoiser sees; the tokenizers' offsets tell the words.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

from rr_refine.boundary import without_panics

__all__ = ["EncoderInput", "Encoding", "encode"]

_WIDTH: Final = 8
"""Of the hidden states of CLIP; others are wider, since SD3 pads those of CLIP to theirs."""
_STRIDE: Final = 2**16
"""Positions of one call of an encoder lie below; float32 tells 256 such calls apart."""
_LAYERS: Final = 64
_BIDIRECTIONAL: Final = ("T5", "Bert", "BERT", "Roberta")
"""In the names of encoders whose every token changes what comes out at all others."""
_WENT_ON: Final = "it went on to another model"
_TOO_LONG: Final = "sequence-length-is-longer-than-the-specified-maximum"


@dataclass(slots=True)
class EncoderInput:
    """One text as one encoder gets it."""

    text: str
    """The prompt with whatever the pipeline puts around it."""
    ids: list[int]
    spans: list[tuple[int, int]] | None
    """Where each token stands in the text; (0, 0) for one that is not from there. None where the
    tokenizer cannot tell."""
    tokenizer: PreTrainedTokenizerBase
    given: bool = False
    """Whether an encoder got it: pipelines count tokens for messages of their own too."""
    causal: bool = True
    """Whether a token changes nothing that comes before it."""
    kept: set[int] = field(default_factory=set)
    """Positions whose hidden state goes on to the denoiser; none where only a summary does."""


@dataclass(slots=True)
class Encoding:
    """All that was tokenized on the way, in order."""

    inputs: list[EncoderInput] = field(default_factory=list)
    unseen: str = ""
    """Which text encoders the pipeline did not get to, and why; then what others read says nothing
    of the whole."""

    @property
    def given(self) -> list[EncoderInput]:
        """Those that reached an encoder; all, where none was seen to."""
        return [one for one in self.inputs if one.given] or self.inputs

    @property
    def readers(self) -> list[EncoderInput]:
        """Those whose tokens reach the denoiser one by one: a summary beside them that takes less
        is no news. All, where that cannot be seen.
        """
        return [one for one in self.given if one.kept] or self.given


def encode(pipeline: Any, arguments: Mapping[str, Any]) -> Encoding:
    """Call a copy of `pipeline`, up to where its prompts are encoded.

    Not beside a render of the same pipeline: they share the tokenizers' memory.

    Args:
        arguments: those of a render.
    """
    trace = _Trace()
    # Scaling the LoRAs of a text encoder would scale those of the real one.
    arguments = {k: v for k, v in arguments.items() if not k.endswith("attention_kwargs")}
    with _silence(type(pipeline).__module__), torch.no_grad():
        stand_in = _stand_in(pipeline, trace)
        why = _ended(stand_in, arguments)
        picture_first = why == _WENT_ON and not trace.encoding.inputs
        if picture_first and hasattr(stand_in, "encode_prompt"):
            why = _ended(stand_in.encode_prompt, _own_arguments(pipeline, arguments))
    if missing := sorted(trace.encoders - trace.asked):
        trace.encoding.unseen = f"the pipeline did not get to its {' and '.join(missing)} ({why})"
    trace.finish()
    return trace.encoding


def _ended(call: Callable[..., object], arguments: Mapping[str, Any]) -> str:
    """Call it, and tell how it ended: an error after all encoders is no matter."""
    try:
        with without_panics():
            call(**arguments)
    except _EncodedError:
        return _WENT_ON
    except Exception as error:  # noqa: BLE001  any pipeline's; what is missing then is told
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return "it ended before"


def _own_arguments(pipeline: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What of a call belongs to `encode_prompt`."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(type(pipeline).__call__).parameters.items()
        if parameter.default is not parameter.empty
    }
    fixed = {"device": torch.device("cpu"), "num_images_per_prompt": 1}
    known = {**defaults, **arguments, **fixed}
    wanted = inspect.signature(type(pipeline).encode_prompt).parameters
    return {name: known[name] for name in wanted if name in known}


class _EncodedError(Exception):
    """The pipeline has gone beyond its text encoders."""


class _Trace:
    """Who was given what, and what came out."""

    def __init__(self) -> None:
        self.encoding = Encoding()
        self.outputs: list[object] = []
        self.encoders: set[str] = set()
        """Components that are text encoders."""
        self.asked: set[str] = set()
        """Those that were given tokens."""
        self._rows: list[EncoderInput | None] = []

    def tokenized(
        self, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], ids: Any, spans: Any
    ) -> None:
        """A tokenizer was called."""
        for index, text in enumerate(texts):
            where = None if spans is None else [(int(a), int(b)) for a, b in spans[index]]
            row = [int(one) for one in ids[index]]
            self.encoding.inputs.append(EncoderInput(text, row, where, tokenizer))

    def encoded(self, ids: torch.Tensor, *, causal: bool) -> torch.Tensor:
        """An encoder was called; gives its hidden states, `(batch, tokens, 1)`."""
        first = len(self._rows)
        for row in ids.tolist():
            found = next((o for o in reversed(self.encoding.inputs) if o.ids == row), None)
            if found is not None:
                found.given, found.causal = True, causal
            self._rows.append(found)
        rows = torch.arange(first, len(self._rows), dtype=torch.float32)[:, None, None]
        positions = torch.arange(1, ids.shape[1] + 1, dtype=torch.float32)[None, :, None]
        return rows * _STRIDE + positions

    def finish(self) -> None:
        """Find the positions that came out."""
        for tensor in _tensors(self.outputs):
            for mark in torch.unique(tensor.float()).tolist():
                row, position = divmod(int(mark), _STRIDE)
                if position > 0 and row < len(self._rows) and (one := self._rows[row]):
                    one.kept.add(position - 1)


def _tensors(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(each)


class _Answer:
    """The output of a text encoder, in every form in which pipelines take it."""

    def __init__(self, states: torch.Tensor, *, projected: bool) -> None:
        self.last_hidden_state = states
        self.hidden_states = (states,) * _LAYERS
        self.pooler_output = self.text_embeds = torch.zeros(len(states), _WIDTH)
        first, second = (self.text_embeds, states) if projected else (states, self.pooler_output)
        self._entries = (first, second, self.hidden_states)

    def __getitem__(self, index: Any) -> Any:
        return getattr(self, index) if isinstance(index, str) else self._entries[index]


class _Still:
    """A component whose attributes can be read, and which computes nothing."""

    dtype = torch.float32
    device = torch.device("cpu")

    def __init__(self, real: object) -> None:
        self._real = real

    # So that isinstance() sees the real one.
    __class__ = property(lambda self: type(self._real))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name in ("modules", "named_modules", "parameters", "named_parameters", "children"):
            return lambda *_, **__: iter(())
        if name in ("to", "eval", "train", "requires_grad_"):
            return lambda *_, **__: self
        if isinstance(found, torch.nn.Module):
            return type(self)(found) if isinstance(self, _Encoder) else _Still(found)
        return _refuse if inspect.ismethod(found) else found

    def __call__(self, *_: object, **__: object) -> Any:
        raise _EncodedError


def _refuse(*_: object, **__: object) -> Any:
    raise _EncodedError


def _encoder(real: object, name: str, trace: _Trace) -> _Still:
    if name.startswith("text_encoder"):
        trace.encoders.add(name)
    made: _Still = type("_Encoder", (_Encoder,), {"trace": trace, "component": name})(real)
    return made


class _Encoder(_Still):
    """A text encoder, or a part of one: answers tokens with their positions."""

    trace: _Trace
    component: str
    """Its name in the pipeline."""

    def __call__(self, *given: object, **named: object) -> Any:
        tensors = [one for one in (named.get("input_ids"), *given) if isinstance(one, torch.Tensor)]
        if not tensors:
            raise _EncodedError
        if tensors[0].is_floating_point():  # a norm or a projection behind the encoder
            return tensors[0]
        name = type(self._real).__name__
        causal = not any(word in name for word in _BIDIRECTIONAL)
        width = _WIDTH if name.startswith("CLIP") else 8 * _WIDTH
        self.trace.asked.add(self.component)
        states = self.trace.encoded(tensors[0], causal=causal).repeat(1, 1, width)
        return _Answer(states, projected=name.endswith("WithProjection"))


def _traced(tokenizer: PreTrainedTokenizerBase, trace: _Trace) -> PreTrainedTokenizerBase:
    """A copy that tells what it is asked."""
    real = type(tokenizer)

    def call(self: Any, text: Any = None, *given: Any, **named: Any) -> Any:
        several = isinstance(text, list | tuple)
        texts = list(text) if several else [text]
        if not all(isinstance(one, str) for one in texts):
            return real.__call__(self, text, *given, **named)
        if self.is_fast:
            named["return_offsets_mapping"] = True
        answer = real.__call__(self, text, *given, **named)
        spans, ids = answer.pop("offset_mapping", None), answer["input_ids"]
        if not several and not isinstance(ids, torch.Tensor):
            ids, spans = [ids], None if spans is None else [spans]
        trace.tokenized(tokenizer, texts, ids, spans)
        return answer

    made = copy.copy(tokenizer)
    made.__class__ = type(real.__name__, (real,), {"__call__": call, "__module__": real.__module__})
    made.deprecation_warnings = {**made.deprecation_warnings, _TOO_LONG: True}
    return made


def _stand_in(pipeline: Any, trace: _Trace) -> Any:
    """A copy of the pipeline that encodes its prompts, and no more."""
    real = type(pipeline)

    def watched(name: str) -> Callable[..., Any]:
        def method(self: Any, *given: Any, **named: Any) -> Any:
            output = getattr(real, name)(self, *given, **named)
            trace.outputs.append(output)
            return output

        return method

    own: dict[str, Any] = {
        "_execution_device": torch.device("cpu"),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "__module__": real.__module__,
        "__setattr__": object.__setattr__,
        "prepare_latents": _refuse,
    }
    own |= {name: watched(name) for name in dir(real) if name.endswith("encode_prompt")}
    made = copy.copy(pipeline)
    made.__dict__ = dict(pipeline.__dict__)
    object.__setattr__(made, "__class__", type(real.__name__, (real,), own))
    for name, part in pipeline.components.items():
        if isinstance(part, PreTrainedTokenizerBase):
            made.__dict__[name] = _traced(part, trace)
        elif isinstance(part, ProcessorMixin):
            made.__dict__[name] = copy.copy(part)
            if (tokenizer := getattr(part, "tokenizer", None)) is not None:
                made.__dict__[name].tokenizer = _traced(tokenizer, trace)
        elif isinstance(part, PreTrainedModel):
            made.__dict__[name] = _encoder(part, name, trace)
        elif isinstance(part, torch.nn.Module) or hasattr(part, "set_timesteps"):
            made.__dict__[name] = _Still(part)
    return made


@contextmanager
def _silence(module: str) -> Iterator[None]:
    """No notes of a pipeline's module: what it says here, it says again in the render."""
    logger = logging.getLogger(module)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
