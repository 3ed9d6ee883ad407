"""What the page says about the models in use: their names and their limits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rr_refine.component import ask_both, examples_of, notice_of, outsiders, unknown_to
from rr_refine.generators.generator import Generator
from rr_refine.real_models import WAYS
from rr_refine.request import Request
from rr_refine.reward.critic import Critic
from rr_refine.terms import Record

__all__ = ["StudioModels", "models_of", "notes_before", "notes_on"]


class StudioModels(Record):
    """The settings line of the page."""

    generator: str
    critic: str
    notes: tuple[str, ...] = ()
    """Whole sentences about stand-ins and small models; empty for others."""
    example: str | None = None
    """A prompt that the generator understands whole, where that is not anything one may say."""
    edit_example: str | None = None
    """Likewise, for a picture to edit."""


def models_of(generator: Generator, critic: Critic) -> StudioModels:
    """Who draws and who judges; both must be connected."""
    notices = [
        f"{parts.capitalize()}: {notice}."
        for parts, notice in ask_both(notice_of, generator, critic)
    ]
    examples = examples_of(generator)
    return StudioModels(
        example=examples and examples.t2i,
        edit_example=examples and examples.edit,
        generator=generator.identity.name,
        critic=critic.identity.name,
        notes=(*_stand_ins(generator, critic), *notices),
    )


def notes_on(request: Request, generator: Generator, critic: Critic) -> tuple[str, ...]:
    """Which words of a request the models in use do not know, in whole sentences."""
    notes = []
    for parts, words in ask_both(partial(unknown_to, request=request), generator, critic):
        shown = ", ".join(f"“{word}”" for word in words[:5]) + (", …" if len(words) > 5 else "")
        know = "do not know" if " and " in parts else "does not know"
        notes.append(f"{parts.capitalize()} {know} {shown}.")
    return tuple(notes)


def notes_before(
    request: Request, generator: Generator, critic: Critic
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is to be said of a prompt before its run starts, in whole sentences, and the ways to
    other models where it takes such.
    """
    notes = notes_on(request, generator, critic)
    if outsiders(generator, critic, request):
        return (
            *notes,
            "So one picture is made, and no more. Pictures of anything need others:",
        ), WAYS
    if notes:
        return (*notes, "No picture passes as all that was asked for."), ()
    return (), ()


def _stand_ins(generator: Generator, critic: Critic) -> Iterator[str]:
    # A stand-in must never pass for a model.
    fakes = [
        words
        for part, words in (
            (generator, "The generator is a stand-in: it draws patterns, not what you ask for."),
            (critic, "The critic is a stand-in: it invents its scores and looks at no picture."),
        )
        if part.identity.kind == "fake"
    ]
    if fakes:
        yield " ".join(fakes)
