"""A vision-language model in memory: loading one, and putting batches of questions to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from rr_refine.batching import BatchJob
from rr_refine.boundary import raised_as
from rr_refine.endpoint.chat import Message
from rr_refine.errors import ConfigError, CriticError
from rr_refine.reward.answer_form import AnswerForm
from rr_refine.reward.judging import Answer
from rr_refine.reward.local_model import LocalModel, load_processor, loading, pick_device
from rr_refine.terms import Usage

if TYPE_CHECKING:
    import torch
    from transformers import StoppingCriteriaList

    from rr_refine.reward.guiding import Guide, GuidedRow
    from rr_refine.reward.transformers import TransformersCriticOptions

__all__ = ["Model", "ModelQuestion", "Reply", "load_model", "why_too_long"]

_NEEDED: Final = "the folder or hub id of an image-text-to-text model"
Reply: TypeAlias = "tuple[list[Answer], Usage]"
QuestionJob: TypeAlias = "BatchJob[ModelQuestion, Reply]"


@dataclass(frozen=True, slots=True)
class ModelQuestion:
    """What is asked, and how many independent answers are wanted."""

    messages: tuple[Message, ...]
    samples: int
    form: AnswerForm
    """That a guided model's answers have."""


class Model(LocalModel["ModelQuestion", "Reply"]):
    """A model and its processor; a `BatchWorker` for jobs of equally many samples.

    A greedy answer does not depend on the questions beside it: shorter ones are padded on the left,
    and padding is masked and has no position. Only rounding does, since matrix products of another
    size add up in another order; it can turn a choice between two tokens that are as good as equal.

    A batch takes as long as its longest answer.
    """

    def __init__(self, processor: Any, model: Any, options: TransformersCriticOptions) -> None:
        # A ProcessorMixin and a PreTrainedModel, whose own types do not add up.
        super().__init__(
            options,
            f"a question with {options.samples} samples: lower critic.samples or "
            "critic.max_tokens, or judge smaller pictures",
        )
        self._processor = processor
        self._model = model
        self._options = options
        stops = model.generation_config.eos_token_id
        self._ends = frozenset([stops] if isinstance(stops, int) else stops or ())
        processor.tokenizer.padding_side = "left"
        self._guide: Guide | None = None
        if options.guided:
            from rr_refine.reward.guiding import Guide

            with raised_as(
                ConfigError, f"critic.guided cannot be used with {options.model!r}", ValueError
            ):
                self._guide = Guide(processor.tokenizer, self._ends)

    def _answer(self, jobs: Sequence[QuestionJob]) -> None:
        """Tokenise, generate and decode. Those that are too long fail alone; the others then wait
        for another call.
        """
        from rr_refine.reward.growing_cache import growing_cache

        inputs = self._tokenise([job.work for job in jobs])
        asked: list[int] = inputs["attention_mask"].sum(dim=1).tolist()
        longest = _context_of(self._model.config)
        for job, tokens in zip(jobs, asked, strict=True):
            if tokens >= longest:
                job.result.set_exception(CriticError(_too_long(self._options, tokens, longest)))
        if max(asked) >= longest:
            return
        limits = [min(self._options.max_tokens, longest - tokens) for tokens in asked]
        samples, padded = jobs[0].work.samples, inputs["input_ids"].shape[1]
        temperature = self._options.temperature
        sampling = {"temperature": temperature} if temperature else {}
        guided = None
        if self._guide is not None:
            forms = [job.work.form for job in jobs for _ in range(samples)]
            each = [limit for limit in limits for _ in range(samples)]
            guided = self._guide.rows(forms, each, padded)
        generated = self._model.generate(
            **inputs,
            max_new_tokens=max(limits),
            do_sample=bool(sampling),
            num_return_sequences=samples,
            past_key_values=growing_cache(self._model),
            stopping_criteria=_stop_rows(jobs, limits, padded),
            logits_processor=None if guided is None else [guided],
            **sampling,
        )
        rows = generated[:, padded:].tolist()
        for i, (job, tokens, limit) in enumerate(zip(jobs, asked, limits, strict=True)):
            mine = slice(i * samples, (i + 1) * samples)
            own = [row[:limit] for row in rows[mine]]
            hows = [None] * samples if guided is None else guided.rows[mine]
            job.result.set_result(self._read(own, hows, job.work.form, tokens))

    def _tokenise(self, questions: Sequence[ModelQuestion]) -> Any:
        asked = _tokenised(self._processor, [question.messages for question in questions])
        return asked.to(self._model.device, dtype=self._model.dtype)

    def _read(
        self,
        rows: list[list[int]],
        hows: Sequence[GuidedRow | None],
        form: AnswerForm,
        asked: int,
    ) -> Reply:
        """The samples of one question, which had `asked` tokens."""
        answers, written = [], 0
        for row, how in zip(rows, hows, strict=True):
            end = next((i for i, token in enumerate(row) if token in self._ends), None)
            text = self._processor.decode(row[:end], skip_special_tokens=True)
            answer = Answer(text, truncated=end is None)
            if how is not None:
                answer = replace(answer, guided=form, steered=how.steered, shortened=how.shortened)
            answers.append(answer)
            written += len(row) if end is None else end + 1
        return answers, Usage(calls=len(rows), prompt_tokens=asked, completion_tokens=written)


def load_model(options: TransformersCriticOptions) -> Model:
    """Load processor and model.

    Raises:
        ConfigError: there is no such model, or transformers cannot load it as a critic.
        CriticUnavailable: it does not fit on the device.
    """
    from transformers import AutoModelForImageTextToText

    where = _where(options)
    with loading(options, _NEEDED) as name:
        processor = load_processor(name, **where)
        model: Any = AutoModelForImageTextToText.from_pretrained(
            name,
            dtype=options.dtype,
            use_safetensors=True,
            trust_remote_code=False,
            **where,
        )
        model = model.to(pick_device(options.device)).eval()
    return Model(processor, model, options)


def why_too_long(options: TransformersCriticOptions, messages: tuple[Message, ...]) -> str | None:
    """Why a question has no place in the model, whose weights are not loaded; None where it has.

    Raises:
        ConfigError: as `load_model`.
    """
    with _counting:
        processor, longest = _counter(options)
        tokens = _tokenised(processor, [messages])["input_ids"].shape[1]
    return None if tokens < longest else _too_long(options, tokens, longest)


_counting: Final = Lock()
"""A processor is for one thread at a time, so the model has its own."""


@lru_cache(maxsize=1)
def _counter(options: TransformersCriticOptions) -> tuple[Any, int]:
    """A processor, and the most tokens that the model takes: every run asks for them twice."""
    from transformers import AutoConfig

    where = _where(options)
    with loading(options, _NEEDED) as name:
        config = AutoConfig.from_pretrained(name, trust_remote_code=False, **where)
        return load_processor(name, **where), _context_of(config)


def _where(options: TransformersCriticOptions) -> dict[str, Any]:
    return options.model_dump(include={"revision", "local_files_only"})


def _context_of(config: Any) -> int:
    """The most tokens of a question and its answer together."""
    return int(config.get_text_config().max_position_embeddings)


def _too_long(options: TransformersCriticOptions, tokens: int, longest: int) -> str:
    return (
        f"the question has {tokens} tokens, and the critic {options.model!r} takes fewer than "
        f"{longest}: judge smaller pictures, or shorten the prompt"
    )


def _tokenised(processor: Any, questions: Sequence[tuple[Message, ...]]) -> Any:
    # Sanitised: a prompt may hold `<image>` or `<|im_end|>`, and means the letters.
    return processor.apply_chat_template(
        [[_to_chat(message) for message in messages] for messages in questions],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        sanitize_control_tokens=True,
        processor_kwargs={"padding": len(questions) > 1},
    )


def _stop_rows(
    jobs: Sequence[QuestionJob], limits: Sequence[int], padded: int
) -> StoppingCriteriaList:
    """Stopping criteria that end the rows of a job at its limit, and once nobody waits for it."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Stopped(StoppingCriteria):
        def __call__(
            self,
            input_ids: torch.LongTensor,
            scores: tuple[torch.Tensor] | None,  # noqa: ARG002
            **kwargs: object,  # noqa: ARG002
        ) -> torch.BoolTensor:
            written = input_ids.shape[1] - padded
            stopped = [
                job.abandoned or written >= limit for job, limit in zip(jobs, limits, strict=True)
            ]
            rows = torch.tensor(stopped, device=input_ids.device)
            samples = input_ids.shape[0] // len(jobs)
            return cast("torch.BoolTensor", rows.repeat_interleave(samples))

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
