"""Dialogues about pictures and requests, on which the student is pre-trained.

They teach it to describe pictures, to compare two, to say what a request asks for, which of it a
picture has, where everything could go, and how to ask for it in full. They hold no scores and no
preferences.
"""

from __future__ import annotations

from random import Random
from typing import Final

from rr_refine.endpoint.chat import Message
from rr_refine.sketch.checking import check
from rr_refine.sketch.observation import Observation, describe_observation, observation_of
from rr_refine.sketch.plan import describe_plan, plan
from rr_refine.sketch.training.critic.mutation import scramble
from rr_refine.sketch.training.critic.requests import (
    random_edit_phrase,
    random_request,
    request_near,
    scene_near,
)
from rr_refine.sketch.training.critic.training_pictures import (
    TrainingPicture,
    picture_of,
    random_picture,
)
from rr_refine.sketch.world.edit import KEEP_REST, apply, phrase_edit, random_edit
from rr_refine.sketch.world.phrasing import REGISTERS, describe, phrase
from rr_refine.sketch.world.request import NOTHING_ELSE, SceneRequest, requirements
from rr_refine.sketch.world.sampling import random_scene

__all__ = ["SET_PHRASES", "Dialogue", "dialogue_about", "question_of", "random_dialogue"]

Dialogue = tuple[Message, ...]
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
_SCRAMBLED: Final = 0.5
"""How often a description has little more than the words of the request: the most to mend."""

SET_PHRASES: Final = (
    *_QUESTIONS,
    _REQUEST,
    *(f"{name} {verb}:" for name in _NAMES for verb in ("shows", "alone has")),
)
"""What the dialogues say again and again."""


def random_dialogue(random: Random) -> Dialogue:
    """A dialogue about one picture and a request, about several pictures, or without any.

    More than half are without: holding a request against what is seen takes longest to learn, and
    can be learned from words.
    """
    chance = random.random()
    if chance < 0.25:
        return dialogue_about(random_picture(random), random)
    if chance < 0.45:
        return _about_several(random)
    return _without_pictures(random)


def dialogue_about(picture: TrainingPicture, random: Random) -> Dialogue:
    """What one picture shows, and how it does by a request."""
    names = ("The picture",)
    request = request_near(picture.observation, random.choice(REGISTERS), random)
    return _show(names, [picture]) + _about_request(request, picture.observation, random)


def question_of(message: Message) -> str:
    """Which of the constant questions a user's message ends in."""
    return next(question for question in _QUESTIONS if message.text.endswith(question))


def _about_several(random: Random) -> Dialogue:
    """A source and one or two edits of it, good and bad; or two pictures that are alike."""
    scene = random_scene(random)
    names = random.choice(list(_DESCRIBE)[1:])
    if names[0] != "The source":
        pictures = [picture_of(scene, random), picture_of(scene_near(scene, random), random)]
        return _show(names, pictures) + _turn(_DIFFERS, _difference(names, pictures))
    edit = random_edit(scene, random)
    full = phrase_edit(edit, scene, dense=True)
    edited = apply(edit, scene)
    pictures = [picture_of(scene, random), picture_of(edited, random)]
    changed: Dialogue = ()
    if len(names) == 2:
        changed = _turn(_CHANGED, f"{full.removesuffix(f'; {KEEP_REST}')}.")
    else:
        pictures.append(picture_of(scene_near(edited, random), random))
    shown = _show(names, pictures)
    said = random_edit_phrase(edit, scene, random)
    in_full = _turn(f"{_REQUEST}\n{said}\n{_IN_FULL}", full)
    differs = _turn(_DIFFERS, _difference(names[-2:], pictures[-2:]))
    return shown + changed + in_full + differs


def _without_pictures(random: Random) -> Dialogue:
    """About a request, with a description in the picture's stead or with nothing to be seen."""
    if random.random() < _SCRAMBLED:
        scene, _, request = random_request(random)
        observed = observation_of(scramble(scene, random))
    else:
        observed = random_picture(random).observation
        request = request_near(observed, random.choice(REGISTERS), random)
    if random.random() < 0.3:
        return _about_request(request, None, random)
    first, *rest = _about_request(request, observed, random)
    shown = f"{_shows('The picture', observed)}\n"
    return (Message("user", (shown + first.text,)), *rest)


def _about_request(request: SceneRequest, observed: Observation | None, random: Random) -> Dialogue:
    """Questions about a request, and of how a picture does by it, if there is one."""
    said = phrase(request, random.choice(REGISTERS), random)
    *things, last = requirements(request)
    dialogue = _turn(f"{_REQUEST}\n{said}\n{_ASKED}", f"{', '.join(things)} and {last}.")
    if observed:
        dialogue += _turn(_MISSED, _held_against(request, observed))
    seen = observed or Observation(None)
    if target := plan(request, seen):
        dialogue += _turn(_WHERE, f"{describe_plan(request, target, seen)}.")
        dialogue += _turn(_IN_FULL, describe(target))
    return dialogue


def _held_against(request: SceneRequest, observed: Observation) -> str:
    """Requirement by requirement what is seen of it, and which are missed."""
    checks = check(request, observed)
    said = ", ".join(map(str, checks))
    missed = "; ".join(one.requirement for one in checks if not one.met)
    return f"Checked: {said}. " + (f"Missed: {missed}." if missed else "Nothing is missed.")


def _difference(names: tuple[str, ...], pictures: list[TrainingPicture]) -> str:
    """What each of two pictures shows that the other does not."""
    seen = [describe_observation(picture.observation).split("; ") for picture in pictures]
    said = []
    for name, mine, other in zip(names, seen, reversed(seen), strict=True):
        alone = [thing for thing in mine if thing not in other]
        said.append(f"{name} alone has: {'; '.join(alone) or NOTHING_ELSE}.")
    return " ".join(said)


def _show(names: tuple[str, ...], pictures: list[TrainingPicture]) -> Dialogue:
    """Pictures, the question what they show, and what they do."""
    content = [part for picture in pictures for part in ("\n", picture.image)][1:]
    content.append(f"\n{_DESCRIBE[names]}")
    shown = [
        _shows(name, picture.observation) for name, picture in zip(names, pictures, strict=True)
    ]
    return Message("user", tuple(content)), Message("assistant", (" ".join(shown),))


def _shows(name: str, observed: Observation) -> str:
    return f"{name} shows: {describe_observation(observed)}."


def _turn(question: str, answer: str) -> Dialogue:
    return Message("user", (question,)), Message("assistant", (answer,))
