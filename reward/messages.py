"""Messages: a request poured into a rubric, in a form that every critic can turn into its own."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rr_refine.errors import CriticError
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.template import RubricName, Slot, Template

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Content", "Message", "build_messages", "png_data_url", "repair_messages"]

Content = tuple["str | Image.Image", ...]
"""Texts and RGB images, in order."""

_REPAIR = """\
Your answer could not be read: {problem}

Write the same judgement again, with the same scores and the same words, in exactly the answer \
format that you were given, from the first heading to the last. Write nothing else."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a critic."""

    role: Literal["system", "user", "assistant"]
    content: Content
    """No two texts in a row: they are one, so that no chat template can put anything between."""

    @property
    def text(self) -> str:
        """Its words without its images."""
        return "".join(part for part in self.content if isinstance(part, str))


def build_messages(
    request: CritiqueRequest | ComparisonRequest, template: Template
) -> tuple[Message, ...]:
    """Ask about `request` in the words of `template`: maybe a system message, one user message.

    The prompt goes in verbatim, whatever it holds: parts are put side by side, and no text is
    formatted or searched once a word of the user's is in it.

    Raises:
        ConfigError: the template has no rubric for this task.
        CriticError: the prompt is no valid Unicode, so that no critic could be sent it.
    """
    try:
        request.prompt.encode()
    except UnicodeEncodeError as error:
        raise CriticError(f"the prompt is no valid Unicode text: {error}") from error
    fillings: Mapping[str, str | Image.Image | None]
    name: RubricName
    if isinstance(request, CritiqueRequest):
        name = request.task
        fillings = {"request": request.prompt, "source": request.source, "image": request.image}
    else:
        name = "pairwise-t2i" if request.task == "t2i" else "pairwise-edit"
        fillings = {
            "request": request.prompt,
            "source": request.source,
            "image_a": request.image_a,
            "image_b": request.image_b,
        }
    rubric = template.rubric(name)
    content: list[str | Image.Image] = []
    for part in rubric.user:
        filling = fillings[part.slot] if isinstance(part, Slot) else part.text
        if filling is None:  # the source of a text-to-image request; Template checks its slots
            continue
        if isinstance(filling, str) and content and isinstance(content[-1], str):
            content[-1] += filling
        else:
            content.append(filling)
    user = Message("user", tuple(content))
    return (user,) if rubric.system is None else (Message("system", (rubric.system,)), user)


def repair_messages(
    messages: tuple[Message, ...], answer: str, problem: str
) -> tuple[Message, ...]:
    """Continue a conversation whose `answer` could not be read: say why and ask for it again."""
    return (
        *messages,
        Message("assistant", (answer,)),
        Message("user", (_REPAIR.replace("{problem}", problem),)),
    )


def png_data_url(image: Image.Image) -> str:
    """The image as a lossless `data:image/png;base64,…` address."""
    buffer = io.BytesIO()
    # Level 1 takes a third of the default's time, and the bytes travel a local network at most.
    image.save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
