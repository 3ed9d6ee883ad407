"""What happened in a run, in one sentence."""

from __future__ import annotations

from typing import Literal

from rr_refine.agent.run import Run

__all__ = ["State", "gain_of", "headline", "state_of"]

State = Literal["improved", "unchanged", "changed", "failed", "unfinished"]
"""`improved`: the result scores higher than the first image. `unchanged`: it is the first image.
`changed`: it is another one, and does not score higher. `failed`: the critic, the generator or the
run itself failed, though there may be a result."""


def state_of(run: Run) -> State:
    """What came of a run."""
    outcome = run.outcome
    if outcome is None:
        return "failed" if run.status == "failed" else "unfinished"
    if not outcome.ok or outcome.best is None:
        return "failed"
    if outcome.best.id == outcome.first.id:
        return "unchanged"
    return "improved" if (gain_of(run) or 0.0) > 0 else "changed"


def gain_of(run: Run) -> float | None:
    """Mean score of the result less that of the first image; None where either has none."""
    best = run.best
    if best is None or best.mean is None or run.candidates[0].mean is None:
        return None
    return best.mean - run.candidates[0].mean


def headline(run: Run) -> str:
    """One sentence, in which nothing is anyone else's words."""
    state, sentence = state_of(run), _sentence(run)
    if run.outcome is None and run.best is not None:
        sentence = f"so far, {sentence}"
    elif state == "failed" and run.best is not None:
        sentence = f"it failed before its end: {sentence}"
    return f"{sentence[0].upper()}{sentence[1:]}."


def _sentence(run: Run) -> str:
    best = run.best
    if best is None:
        return "no image came out of this run" if run.candidates else "no round is finished yet"
    first = run.candidates[0]
    images = sum(c.image is not None for c in run.candidates)
    if best.mean is None:
        return "there is an image that nobody judged"
    if best.id == first.id:
        if run.outcome is None:
            return f"the best image has {best.mean:.2f} of 4"
        if images == 1:
            return f"one image was made, which the critic gives {best.mean:.2f} of 4"
        more = _count(images - 1, "further image")
        return f"{more} did not take the place of the first, which has {best.mean:.2f} of 4"
    if first.mean is None:
        return f"the best image has {best.mean:.2f} of 4; the first one has no score"
    if best.mean > first.mean:
        rise = f"from {first.mean:.2f} to {best.mean:.2f} of 4"
        rounds = best.round
        if rounds == 0:
            return f"the best of {images} images takes the score {rise}"
        return f"{_count(rounds, 'new prompt')} took the picture {rise}"
    return (
        f"another image took the place of the first, with {best.mean:.2f} of 4 "
        f"where that has {first.mean:.2f}"
    )


def _count(number: int, noun: str) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    shown = words[number] if number < len(words) else str(number)
    return f"{shown} {noun}" if number == 1 else f"{shown} {noun}s"
