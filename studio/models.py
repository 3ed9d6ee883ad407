"""What the page says about the models in use: their names, and plainly what they are not."""

from __future__ import annotations

from collections.abc import Iterator

from rr_refine.sketch.world.reading import unknown_words
from rr_refine.terms import Identity, Record

__all__ = ["Models", "models_of", "notes_on"]


class Models(Record):
    """The settings line of the page."""

    generator: str
    critic: str
    notes: tuple[str, ...] = ()
    """Whole sentences about stand-ins and small models; empty for others."""


def models_of(generator: Identity, critic: Identity) -> Models:
    """Who draws and who judges."""
    notes = tuple(_stand_ins(generator, critic))
    return Models(generator=generator.name, critic=critic.name, notes=notes)


def notes_on(prompt: str, generator: Identity, critic: Identity) -> tuple[str, ...]:
    """What the models in use cannot do with this prompt."""
    if not (_is_sketch(generator) or _is_sketch(critic)):
        return ()
    unknown = unknown_words(prompt)
    if not unknown:
        return ()
    shown = ", ".join(f"“{word}”" for word in unknown[:5]) + (", …" if len(unknown) > 5 else "")
    return (f"The small sketch models do not know {shown}: they know coloured shapes only.",)


def _stand_ins(generator: Identity, critic: Identity) -> Iterator[str]:
    # A stand-in must never pass for a model.
    fakes = [
        words
        for identity, words in (
            (generator, "The generator is a stand-in: it draws patterns, not what you ask for."),
            (critic, "The critic is a stand-in: it invents its scores and looks at no picture."),
        )
        if identity.kind == "fake"
    ]
    if fakes:
        yield " ".join(fakes)
    small = [w for w, i in (("generator", generator), ("critic", critic)) if _is_sketch(i)]
    if small:
        yield (
            f"Small sketch model in the box: {' and '.join(small)}. It knows coloured shapes and "
            "nothing else."
        )


def _is_sketch(identity: Identity) -> bool:
    return "sketch" in (identity.name, identity.kind)
