"""A critic in this process: any model that transformers loads as image-text-to-text."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, cast

from rr_refine.errors import ConfigError, CriticError, CriticUnavailable, MissingExtraError
from rr_refine.plugins import parse_options
from rr_refine.reward.judging import Answer, ModelCritic, ModelOptions
from rr_refine.terms import Identity, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch
    from pydantic import JsonValue
    from transformers import StoppingCriteriaList

    from rr_refine.reward.messages import Message

__all__ = ["TransformersCritic", "TransformersCriticOptions", "create"]


class TransformersCriticOptions(ModelOptions):
    """Which model is loaded, and where."""

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


def create(**options: JsonValue) -> TransformersCritic:
    """Make the critic from its config section.

    Raises:
        ConfigError: an option is unknown or out of range.
        MissingExtraError: torch or transformers is not installed.
    """
    return TransformersCritic(parse_options(TransformersCriticOptions, options, "critic"))


class TransformersCritic(ModelCritic):
    """Judges with a model in this process, one question at a time, in a thread of its own.

    The first call loads the model. Cancelling a call stops its generation at the next token.
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
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="critic")
        self._loaded: _Loaded | None = None  # touched in the worker's thread only

    @property
    def identity(self) -> Identity:
        """The model and how it is asked. The device is left out."""
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
        stop = threading.Event()
        answer = self._worker.submit(self._generate, messages, samples, stop)
        try:
            return await asyncio.wrap_future(answer)
        finally:
            stop.set()

    def _generate(
        self, messages: tuple[Message, ...], samples: int, stop: threading.Event
    ) -> tuple[list[Answer], Usage]:
        """Answer one question, in the worker's thread."""
        import torch

        if self._loaded is None:
            self._loaded = _load(self._options)
        try:
            with torch.inference_mode():
                return self._loaded.answer(messages, samples, stop, self._options)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise CriticError(
                f"the critic {self._options.model!r} ran out of memory on a question with "
                f"{samples} samples: lower critic.samples or critic.max_tokens, or judge "
                "smaller pictures"
            ) from error
        except (RuntimeError, ValueError, IndexError) as error:
            raise CriticError(
                f"the critic {self._options.model!r} failed: {_first_line(error)}"
            ) from error


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model in memory."""

    processor: Any  # a ProcessorMixin and a PreTrainedModel, whose own types do not add up
    model: Any
    ends: frozenset[int]
    """Tokens that end an answer."""

    def answer(
        self,
        messages: tuple[Message, ...],
        samples: int,
        stop: threading.Event,
        options: TransformersCriticOptions,
    ) -> tuple[list[Answer], Usage]:
        """Tokenise, generate and decode."""
        # Sanitised: a prompt may hold `<image>` or `<|im_end|>`, and means the letters.
        inputs = self.processor.apply_chat_template(
            [_to_chat(message) for message in messages],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            sanitize_control_tokens=True,
        ).to(self.model.device, dtype=self.model.dtype)
        asked = inputs["input_ids"].shape[1]
        longest = self.model.config.get_text_config().max_position_embeddings
        if asked >= longest:
            raise CriticError(
                f"the question has {asked} tokens, and the critic {options.model!r} takes fewer "
                f"than {longest}: judge smaller pictures, or shorten the prompt"
            )
        sampling = {"temperature": options.temperature} if options.temperature else {}
        generated = self.model.generate(
            **inputs,
            max_new_tokens=min(options.max_tokens, longest - asked),
            do_sample=bool(sampling),
            num_return_sequences=samples,
            stopping_criteria=_stop_when(stop),
            **sampling,
        )
        answers, written = [], 0
        for row in generated[:, asked:].tolist():
            end = next((i for i, token in enumerate(row) if token in self.ends), None)
            text = self.processor.decode(row[:end], skip_special_tokens=True)
            answers.append(Answer(text, truncated=end is None))
            written += len(row) if end is None else end + 1
        return answers, Usage(calls=samples, prompt_tokens=asked, completion_tokens=written)


def _load(options: TransformersCriticOptions) -> _Loaded:
    """Load processor and model.

    Raises:
        ConfigError: there is no such model, or transformers cannot load it as a critic.
        CriticUnavailable: it does not fit on the device.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText, AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            options.model, revision=options.revision, local_files_only=options.local_files_only
        )
        with _silent_loading():
            model: Any = AutoModelForImageTextToText.from_pretrained(
                options.model,
                revision=options.revision,
                local_files_only=options.local_files_only,
                dtype=options.dtype,
            )
        model = model.to(_device(options.device)).eval()
    except torch.OutOfMemoryError as error:
        raise CriticUnavailable(
            f"the critic {options.model!r} does not fit on {options.device!r}: "
            "try critic.dtype = 'bfloat16', or a server (rr-refine serve)"
        ) from error
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise ConfigError(
            f"critic.model = {options.model!r} cannot be loaded: {_first_line(error)}; it must be "
            "the folder or hub id of an image-text-to-text model, with its processor"
        ) from error
    stops = model.generation_config.eos_token_id
    return _Loaded(processor, model, frozenset([stops] if isinstance(stops, int) else stops or ()))


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


def _device(name: str) -> str:
    import torch

    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _stop_when(stop: threading.Event) -> StoppingCriteriaList:
    """Stopping criteria that end every row at the next token once `stop` is set."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Stopped(StoppingCriteria):
        def __call__(
            self,
            input_ids: torch.LongTensor,
            scores: tuple[torch.Tensor] | None,  # noqa: ARG002
            **kwargs: object,  # noqa: ARG002
        ) -> torch.BoolTensor:
            rows = torch.full((input_ids.shape[0],), stop.is_set(), device=input_ids.device)
            return cast("torch.BoolTensor", rows)

    return StoppingCriteriaList([Stopped()])


def _to_chat(message: Message) -> dict[str, object]:
    return {
        "role": message.role,
        "content": [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else {"type": "image", "image": part}
            for part in message.content
        ],
    }


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
