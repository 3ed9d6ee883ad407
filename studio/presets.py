"""What the form offers under "How": presets by what they are for, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rr_refine.agent.policy import PresetName
from rr_refine.terms import Record

__all__ = ["PresetChoice", "choices"]


class PresetChoice(Record):
    """A preset."""

    name: str
    title: str
    about: str
    """What it is for, and what it does."""
    intent: bool
    """Meant for a purpose; others are methods, to be compared with one another."""


_METHODS: Final[dict[PresetName, tuple[str, str]]] = {
    "refine": (
        "Until it is right",
        "For most pictures. Up to four rounds, each with a better prompt; the best picture wins.",
    ),
    "rewrite-first": (
        "Richer prompt, until it is right",
        "For a short idea: a fuller prompt before anything is drawn, then up to three better ones.",
    ),
    "one-shot": (
        "One picture, judged",
        "To see what your own words give: one picture, and what the critic says about it.",
    ),
    "best-of-n": (
        "Best of four",
        "When the words are right and luck decides: your prompt, four pictures; the critic "
        "chooses.",
    ),
    "blind-rewrite": (
        "Richer prompt",
        "For a short idea: the prompt is made fuller before anything is drawn; one picture.",
    ),
    "blind-rewrite-best-of-n": (
        "Richer prompt, best of four",
        "For a short idea, and a choice: a fuller prompt, four pictures; the critic chooses.",
    ),
    "paper": (
        "Refine once",
        "The paper's way: one new prompt at most, and its picture is taken as it is.",
    ),
}


def choices(intents: Mapping[str, str]) -> list[PresetChoice]:
    """All presets, the usual one first.

    Args:
        intents: those for a purpose, with the words about them.
    """
    methods = [
        PresetChoice(name=name, title=title, about=about, intent=name == "refine")
        for name, (title, about) in _METHODS.items()
    ]
    purposes = [
        PresetChoice(
            name=name,
            title=name.replace("-", " ").capitalize(),
            about=words[:1].upper() + words[1:],
            intent=True,
        )
        for name, words in intents.items()
    ]
    return [methods[0], *purposes, *methods[1:]]
