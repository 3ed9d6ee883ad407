"""What a teacher is asked, in words: the student's own prompt, and a block that the student never
sees.

The blocks end the message, behind the pictures and the request, so that a server's prefix cache
holds for every question about the same pictures. None of their sentences may stand in a training
row; `BLOCKS` lists them for whoever checks that.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from rr_refine.digest import digest
from rr_refine.endpoint.chat import Message
from rr_refine.errors import ConfigError
from rr_refine.pictures import load_stored
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.messages import build_messages
from rr_refine.reward.template import Template
from rr_refine.terms import DIMENSIONS
from rr_refine.training.parrot.teacher import PictureLost, QuestionKind, TeacherQuestion

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["BLOCKS", "ask", "words_digest"]

_ANCHOR: Final = """\


A note for you alone, which no part of your answer may give away: people looked at both pictures \
and preferred {label}. Look for what in the pictures speaks for that. Report faithfully what you \
see of both, in favour and against, and claim nothing that cannot be seen. Weigh it so that \
{label} comes out ahead in total, and let the scores and winners follow from your justifications; \
a single dimension may still go the other way. If you find nothing at all that speaks for {label}, \
judge as you see it. Write as somebody who was told nothing: do not mention this note, other \
people, their choice, or that you knew it."""

_PROJECT: Final = """\


A note for you alone, which no part of your answer may give away: this picture was compared with \
another one that was made for the same request. There it was called Image {side}, and got these \
scores:
{scores}
Between the two tags stands what was said about both. It may show you where to look.

<comparison>
{rationale}
</comparison>

Check each point against the picture, and leave out what you cannot see in it. Score the picture \
as if you had seen nothing else; your scores should come within half a point of those above. Write \
about this one picture only: do not mention this note, a comparison, another picture, or the names \
Image A and Image B. Where something is at fault, let the refined request cure it."""

_PREDICT_SYSTEM: Final = "You read notes about two pictures and say which of the two is better."

_PREDICT: Final = """\
Below are {pictures}, the request that they were made for, and notes on how well they meet it. \
The notes may be wrong: what they say against the evidence of the pictures counts for nothing, and \
what they do not say is for you to see."""

_PREDICT_TEXT: Final = """\
Below are the request that two pictures were made for, Image A and Image B, and notes on how well \
they meet it. You do not see the pictures."""

_PREDICT_END: Final = """\


<user_request>
{instruction}
</user_request>

<notes>
{rationale}
</notes>

Which picture is the better one by what you know now? Answer with one of these and nothing else: \
{choices}"""

BLOCKS: Final = (_ANCHOR, _PROJECT, _PREDICT_SYSTEM, _PREDICT, _PREDICT_TEXT, _PREDICT_END)
"""Everything that is said to the teacher and never to the student."""

_WORDS: Final[dict[QuestionKind, tuple[str, ...]]] = {
    "anchor": (_ANCHOR,),
    "judge": (),
    "predict": (_PREDICT_SYSTEM, _PREDICT, _PREDICT_TEXT, _PREDICT_END),
    "project": (_PROJECT,),
}


def words_digest(kind: QuestionKind, template: Template) -> str:
    """SHA-256 (64 hex digits) of all that is said for one kind of question."""
    rubrics = None if kind == "predict" else template.digest
    return digest({"template": rubrics, "words": [*_WORDS[kind]]})


def ask(question: TeacherQuestion, template: Template) -> tuple[Message, ...]:
    """The messages of a question; loads its pictures.

    Raises:
        ConfigError: the template lacks a rubric, or a picture is a link.
        PictureLost: a picture is missing, or no picture.
        CriticError: the request is no valid Unicode.
    """
    if question.kind == "predict":
        return _predict(question)
    a = _opened(question.image_a)
    b = None if question.image_b is None else _opened(question.image_b)
    source = None if question.source is None else _opened(question.source)
    request: CritiqueRequest | ComparisonRequest = (
        CritiqueRequest(question.instruction, a, source)
        if b is None
        else ComparisonRequest(question.instruction, a, b, source)
    )
    *before, user = build_messages(request, template)
    return (*before, _user(*user.content, _block(question)))


def _block(question: TeacherQuestion) -> str:
    """The text that is added to the student's prompt."""
    if question.kind == "anchor":
        return _ANCHOR.format(label=f"Image {question.label}")
    if question.kind == "project":
        scores = question.scores or {}
        lines = [
            f"- {d.replace('_', ' ')}: {'N/A' if (score := scores[d]) is None else f'{score:g}'}"
            for d in DIMENSIONS
            if d in scores
        ]
        return _PROJECT.format(
            side=question.side, scores="\n".join(lines), rationale=question.rationale or ""
        )
    return ""


def _predict(question: TeacherQuestion) -> tuple[Message, ...]:
    content: list[str | Image.Image] = []
    if question.image_a is None:
        content.append(_PREDICT_TEXT)
    else:
        a = ("\n\nImage A:", _opened(question.image_a))
        b = ("\n\nImage B:", _opened(question.image_b))
        edits = question.source is not None
        pictures = "a source picture and two edits of it" if edits else "two pictures"
        content.append(_PREDICT.format(pictures=pictures))
        content += ["\n\nThe source picture:", _opened(question.source)] if edits else []
        content += a + b if question.order == "AB" else b + a
    choices = question.choices if question.order == "AB" else question.choices[::-1]
    end = _PREDICT_END.format(
        choices=", ".join(choices),
        instruction=question.instruction,
        rationale=question.rationale or "(there are none)",
    )
    return Message("system", (_PREDICT_SYSTEM,)), _user(*content, end)


def _user(*parts: str | Image.Image) -> Message:
    """A user's message, with neighbouring texts joined."""
    content: list[str | Image.Image] = []
    for part in parts:
        if isinstance(part, str) and content and isinstance(content[-1], str):
            content[-1] += part
        else:
            content.append(part)
    return Message("user", tuple(content))


def _opened(path: Path | None) -> Image.Image:
    if path is None:
        raise ValueError("a question lacks a picture that its kind shows")
    try:
        return load_stored(path, within=path.parents[2])  # DIR/images/ab/….png
    except (FileNotFoundError, ValueError) as error:
        raise PictureLost(f"picture {str(path)!r} cannot be read: {error}") from error
    except OSError as error:  # a link, say
        raise ConfigError(f"picture {str(path)!r} cannot be read: {error}") from error
