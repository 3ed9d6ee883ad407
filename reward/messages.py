"""Messages: a request filled into a rubric, in a form that any critic can convert to its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from rr_refine.digest import digest
from rr_refine.endpoint.chat import Message
from rr_refine.errors import CriticError
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.template import RubricName, Slot, Template

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
    facts = request.facts if isinstance(request, CritiqueRequest) else ()
    if facts:
        content.append(_FACTS.replace("{facts}", "\n".join(f"- {fact}" for fact in facts)))
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
