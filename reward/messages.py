"""Messages: a request filled into a rubric, in a form that any critic can convert to its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rr_refine.boundary import raised_as
from rr_refine.digest import digest
from rr_refine.endpoint.chat import Message
from rr_refine.errors import CriticError
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.template import RubricName, SlotName, Template, Text

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["FACTS_DIGEST", "build_messages", "repair_messages"]

_REPAIR = """\
Your answer could not be read: {problem}

Write the same judgement again, with the same scores and the same words, in exactly the answer \
format that you were given, from the first heading to the last. Write nothing else."""

_FACTS = """\

A program measured the following in the picture. It is more reliable than the eye about spelling:
{facts}
"""
_SOURCES: Final = """\

There are {count} source pictures, Source image 1 to {count}. Source image 1 is the one that was \
edited: image faithfulness is judged by it. The request may want something taken from the others; \
what is taken must look as it does there, which belongs to text faithfulness.
"""
_NAMES: Final = {"image": "Edited image", "image_a": "Image A", "image_b": "Image B"}
FACTS_DIGEST: Final = digest({"facts": _FACTS})
"""SHA-256 (64 hex digits) of the words in which measurements are told to a critic."""


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
    with raised_as(CriticError, "the prompt is no valid Unicode text", UnicodeEncodeError):
        request.prompt.encode()
    sources = request.sources if template.several_sources else request.sources[:1]
    fillings: dict[SlotName, str | Image.Image] = {"request": request.prompt}
    name: RubricName
    facts: Sequence[str] = ()
    if isinstance(request, CritiqueRequest):
        name, facts = request.task, request.facts
        fillings["image"] = request.image
    else:
        name = "pairwise-t2i" if request.task == "t2i" else "pairwise-edit"
        fillings |= {"image_a": request.image_a, "image_b": request.image_b}
    rubric = template.rubric(name)
    parts: list[str | Image.Image] = []
    for part in rubric.user:
        if isinstance(part, Text):
            parts.append(part.text)
        elif part.slot == "source":
            parts += _labelled(sources)
        else:
            # Behind several sources, a picture without a name could be taken for one of them.
            if len(sources) > 1 and part.slot in _NAMES:
                parts.append(f"\n{_NAMES[part.slot]}:\n")
            parts.append(fillings[part.slot])
    content: list[str | Image.Image] = []
    for piece in parts:
        if isinstance(piece, str) and content and isinstance(content[-1], str):
            content[-1] += piece
        else:
            content.append(piece)
    if facts:
        content.append(_FACTS.replace("{facts}", "\n".join(f"- {fact}" for fact in facts)))
    user = Message("user", tuple(content))
    return (user,) if rubric.system is None else (Message("system", (rubric.system,)), user)


def _labelled(sources: Sequence[Image.Image]) -> Sequence[str | Image.Image]:
    """The source pictures; several with their numbers before them, and what they are."""
    if len(sources) < 2:
        return sources
    pieces: list[str | Image.Image] = [_SOURCES.format(count=len(sources))]
    for number, source in enumerate(sources, 1):
        pieces += [f"\nSource image {number}:\n", source]
    return pieces


def repair_messages(
    messages: tuple[Message, ...], answer: str, problem: str
) -> tuple[Message, ...]:
    """Continue a conversation whose `answer` could not be read: say why and ask for it again."""
    return (
        *messages,
        Message("assistant", (answer,)),
        Message("user", (_REPAIR.replace("{problem}", problem),)),
    )
