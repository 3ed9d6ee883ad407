"""Training rows, as TRL reads them: what the student is asked at inference, and the kept answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from PIL import Image

from rr_refine.endpoint.chat import Message
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.messages import build_messages
from rr_refine.reward.preferences.pair import Order, PreferencePair, Side
from rr_refine.reward.template import Template
from rr_refine.terms import Record, Task

__all__ = ["ChatMessage", "ContentPart", "RowKind", "SftRow", "sft_row"]

ContentPart: TypeAlias = dict[str, str]
"""`{"type": "text", "text": "…"}`, or `{"type": "image"}` for the next image of the row."""

RowKind = Literal["pairwise", "pointwise"]


class ChatMessage(Record):
    """One message. Its content is a list of parts, always, so that all rows are of one type."""

    role: Literal["system", "user", "assistant"]
    content: tuple[ContentPart, ...]


class SftRow(Record):
    """One row. With `prompt` and `completion`, TRL supervises the completion only."""

    id: str
    kind: RowKind
    task: Task
    dataset: str
    prompt: tuple[ChatMessage, ...]
    """What a critic is asked, word for word."""
    completion: tuple[ChatMessage, ...]
    images: tuple[str, ...]
    """Keys of pictures in the order of the image parts; in a file, paths relative to the folder."""


def sft_row(
    id: str, pair: PreferencePair, order: Order, side: Side | None, text: str, template: Template
) -> SftRow:
    """The row that teaches to say `text`.

    Args:
        id: of the question that was answered.
        pair: what was judged.
        order: which picture is Image A.
        side: the picture that was judged alone, as `order` calls it; None for both.
        text: the answer.
        template: the student's.

    Raises:
        ConfigError: the template has no rubric for this.
        CriticError: the request is no valid Unicode.
    """
    blanks: dict[str, Image.Image] = {}

    def blank(key: str) -> Image.Image:
        """Stands in for a picture: where it goes is for the template to say."""
        return blanks.setdefault(key, Image.new("RGB", (1, 1)))

    source = None if pair.source is None else blank(pair.source)
    a, b = blank(pair.image("A", order)), blank(pair.image("B", order))
    request: CritiqueRequest | ComparisonRequest = (
        ComparisonRequest(pair.instruction, a, b, source)
        if side is None
        else CritiqueRequest(pair.instruction, a if side == "A" else b, source)
    )
    messages = build_messages(request, template)
    return SftRow(
        id=id,
        kind="pairwise" if side is None else "pointwise",
        task=pair.task,
        dataset=pair.dataset,
        prompt=tuple(map(_message, messages)),
        completion=(
            ChatMessage(role="assistant", content=({"type": "text", "text": text.strip()},)),
        ),
        images=tuple(
            next(key for key, stand_in in blanks.items() if stand_in is part)
            for part in _parts(messages)
            if not isinstance(part, str)
        ),
    )


def _message(message: Message) -> ChatMessage:
    content: list[ContentPart] = [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"}
        for part in message.content
    ]
    return ChatMessage(role=message.role, content=tuple(content))


def _parts(messages: Sequence[Message]) -> list[str | Image.Image]:
    return [part for message in messages for part in message.content]
