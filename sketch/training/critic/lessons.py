"""What the student reads before anybody teaches it to judge: talks about pictures and requests.

They teach to say what pictures show, what differs between two, what a request asks for, which of
it a picture has, where all of it could go, and how it is said in full. Scores and preferences are
not among it.
"""

from __future__ import annotations

from random import Random
from typing import Final

from rr_refine.endpoint.chat import Message
from rr_refine.sketch.checking import check
from rr_refine.sketch.plan import describe_plan, plan
from rr_refine.sketch.sight import Sight, describe_sight, sight_of
from rr_refine.sketch.training.critic.asking import random_edit_phrase, random_request
from rr_refine.sketch.training.critic.mutation import muddle
from rr_refine.sketch.training.critic.nearby import near, request_near
from rr_refine.sketch.training.critic.viewing import View, random_view, view_of
from rr_refine.sketch.world.edit import KEEP_REST, apply, phrase_edit, random_edit
from rr_refine.sketch.world.phrasing import REGISTERS, describe, phrase
from rr_refine.sketch.world.request import NOTHING_ELSE, Request, requirements
from rr_refine.sketch.world.sampling import random_scene

__all__ = ["SET_PHRASES", "Lesson", "question_of", "random_lesson", "talk_about"]

Lesson = tuple[Message, ...]
"""Questions and answers by turns; the pictures stand in the first question."""

_DESCRIBE: Final[dict[tuple[str, ...], str]] = {
    ("The picture",): "What does the picture show?",
    ("The source", "The picture"): "What do the source and the picture show?",
    ("Image A", "Image B"): "What do the images show?",
    ("The source", "Image A", "Image B"): "What do the source and the images show?",
}
"""How pictures are called, in their order, and how they are asked about."""
_NAMES: Final = ("The picture", "The source", "Image A", "Image B")
_DIFFERS: Final = "What differs?"
_CHANGED: Final = "What was changed?"
_ASKED: Final = "What is asked for?"
_MISSED: Final = "What is missed?"
_WHERE: Final = "Where does everything go?"
_IN_FULL: Final = "How is it said in full?"
_QUESTIONS: Final = (*_DESCRIBE.values(), _DIFFERS, _CHANGED, _ASKED, _MISSED, _WHERE, _IN_FULL)
_REQUEST: Final = "Request:"
_MUDDLED: Final = 0.5
"""How often a description has little more than the words of the request: the most to mend."""

SET_PHRASES: Final = (
    *_QUESTIONS,
    _REQUEST,
    *(f"{name} {verb}:" for name in _NAMES for verb in ("shows", "alone has")),
)
"""What the talks say again and again."""


def random_lesson(random: Random) -> Lesson:
    """One talk: about one picture and a request, about several pictures, or without any.

    More than half are without: holding a request against what is seen takes longest to learn, and
    can be learned from words.
    """
    chance = random.random()
    if chance < 0.25:
        return talk_about(random_view(random), random)
    if chance < 0.45:
        return _about_several(random)
    return _without_pictures(random)


def talk_about(view: View, random: Random) -> Lesson:
    """What one picture shows, and how it does by a request."""
    names = ("The picture",)
    request = request_near(view.sight, random.choice(REGISTERS), random)
    return _show(names, [view]) + _about_request(request, view.sight, random)


def question_of(message: Message) -> str:
    """Which of the constant questions a user's message ends in."""
    return next(question for question in _QUESTIONS if message.text.endswith(question))


def _about_several(random: Random) -> Lesson:
    """A source and one or two edits of it, good and bad; or two pictures that are alike."""
    scene = random_scene(random)
    names = random.choice(list(_DESCRIBE)[1:])
    if names[0] != "The source":
        views = [view_of(scene, random), view_of(near(scene, random), random)]
        return _show(names, views) + _ask(_DIFFERS) + _answer(_difference(names, views))
    edit = random_edit(scene, random)
    full = phrase_edit(edit, scene, dense=True)
    edited = apply(edit, scene)
    views = [view_of(scene, random), view_of(edited, random)]
    talk: Lesson = ()
    if len(names) == 2:
        talk += _ask(_CHANGED) + _answer(f"{full.removesuffix(f'; {KEEP_REST}')}.")
    else:
        views.append(view_of(near(edited, random), random))
    talk = _show(names, views) + talk
    said = random_edit_phrase(edit, scene, random)
    talk += _ask(f"{_REQUEST}\n{said}\n{_IN_FULL}") + _answer(full)
    return talk + _ask(_DIFFERS) + _answer(_difference(names[-2:], views[-2:]))


def _without_pictures(random: Random) -> Lesson:
    """About a request, with a description in the picture's stead or with nothing to be seen."""
    if random.random() < _MUDDLED:
        scene, _, request = random_request(random)
        sight = sight_of(muddle(scene, random))
    else:
        sight = random_view(random).sight
        request = request_near(sight, random.choice(REGISTERS), random)
    if random.random() < 0.3:
        return _about_request(request, None, random)
    first, *rest = _about_request(request, sight, random)
    shown = f"{_shows('The picture', sight)}\n"
    return (Message("user", (shown + first.text,)), *rest)


def _about_request(request: Request, sight: Sight | None, random: Random) -> Lesson:
    """Questions about a request, and of how a picture does by it, if there is one."""
    said = phrase(request, random.choice(REGISTERS), random)
    *things, last = requirements(request)
    talk = _ask(f"{_REQUEST}\n{said}\n{_ASKED}") + _answer(f"{', '.join(things)} and {last}.")
    if sight:
        talk += _ask(_MISSED) + _answer(_held_against(request, sight))
    seen = sight or Sight(None)
    if target := plan(request, seen):
        talk += _ask(_WHERE) + _answer(f"{describe_plan(request, target, seen)}.")
        talk += _ask(_IN_FULL) + _answer(describe(target))
    return talk


def _held_against(request: Request, sight: Sight) -> str:
    """Requirement by requirement what is seen of it, and which are missed."""
    checks = check(request, sight)
    said = ", ".join(map(str, checks))
    missed = "; ".join(one.requirement for one in checks if not one.met)
    return f"Checked: {said}. " + (f"Missed: {missed}." if missed else "Nothing is missed.")


def _difference(names: tuple[str, ...], views: list[View]) -> str:
    """What each of two pictures shows that the other does not."""
    seen = [describe_sight(view.sight).split("; ") for view in views]
    said = []
    for name, mine, other in zip(names, seen, reversed(seen), strict=True):
        alone = [thing for thing in mine if thing not in other]
        said.append(f"{name} alone has: {'; '.join(alone) or NOTHING_ELSE}.")
    return " ".join(said)


def _show(names: tuple[str, ...], views: list[View]) -> Lesson:
    """Pictures, the question what they show, and what they do."""
    content = [part for view in views for part in ("\n", view.image)][1:]
    content.append(f"\n{_DESCRIBE[names]}")
    shown = [_shows(name, view.sight) for name, view in zip(names, views, strict=True)]
    return (Message("user", tuple(content)), *_answer(" ".join(shown)))


def _shows(name: str, sight: Sight) -> str:
    return f"{name} shows: {describe_sight(sight)}."


def _ask(text: str) -> Lesson:
    return (Message("user", (text,)),)


def _answer(text: str) -> Lesson:
    return (Message("assistant", (text,)),)
