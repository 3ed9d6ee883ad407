"""Requests in the generator's own style: what the bundled critic makes of them, beside the oracle.

    python -m tests.benchmarks.dense_style [REQUESTS]        default: 200

Requests like `white background; a large red circle at the top left`, half of them joined by `and`,
without a background, of held-out scenes. Every other picture is right; the others miss one thing,
or show another scene. A verdict is whether every applicable dimension reaches 3.0. Prints the
share of answers that are readable, of verdicts that are the oracle's, by style, and by the picture.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final

from rr_refine.benchmarks.headline import percent
from rr_refine.errors import CriticAnswerError
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.sketch.critic import SketchCritic, SketchCriticOptions
from rr_refine.sketch.oracle.grading import grade_picture, read_asked
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.edit import apply, random_edit
from rr_refine.sketch.world.phrasing import describe
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.statistics import estimate

__all__ = ["Verdict", "table", "verdicts"]

_TARGET: Final = 3.0
STYLES: Final = ("; ", " and ")
"""How the things are joined: as the generator's own prompts are, or in a sentence."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What critic and oracle say about one picture."""

    prompt: str
    style: str
    shown: str
    """`right`, `near` (one thing is wrong) or `other`."""
    oracle: bool
    critic: bool | None
    """None: its answer could not be read."""
    guided: bool = False


def _cases(count: int, seed: int) -> list[tuple[CritiqueRequest, str, str]]:
    cases = []
    for number in range(count):
        random = Random(f"rr-refine dense style {seed} {number}")
        scene = random_scene(random)
        style = STYLES[number % 2]
        parts = describe(scene).split("; ")
        if style == " and " and len(parts) > 1:
            parts = [part for part in parts if not part.endswith(" background")]
        prompt = style.join(part for part in parts if not part.endswith(" in all"))
        shown, picture = "right", scene
        if number // 2 % 2:
            shown = "near" if number // 4 % 2 else "other"
            picture = (
                apply(random_edit(scene, random), scene)
                if shown == "near"
                else random_scene(random)
            )
        cases.append((CritiqueRequest(prompt, draw(picture, random)), style, shown))
    return cases


async def verdicts(count: int, *, seed: int = 0, batch: int = 8) -> list[Verdict]:
    """Ask about `count` requests that the critic was not trained on."""
    critic = SketchCritic(SketchCriticOptions(device="cpu", batch=batch))

    async def ask(request: CritiqueRequest, style: str, shown: str) -> Verdict:
        asked = read_asked(request.prompt, None)
        assert asked is not None, request.prompt
        true = grade_picture(asked, request.image).scores.values()
        said: Critique | None = None
        with suppress(CriticAnswerError):
            said = (await critic.critique(request)).critiques[0]
        return Verdict(
            prompt=request.prompt,
            style=style,
            shown=shown,
            oracle=all(score is None or score >= _TARGET for score in true),
            critic=None
            if said is None
            else all(score is None or score >= _TARGET for score in said.scores.values()),
            guided=said is not None and said.guided,
        )

    return list(await asyncio.gather(*(ask(*case) for case in _cases(count, seed))))


def table(found: list[Verdict]) -> str:
    """The figures, a line for each kind."""
    kinds = {"all": found}
    kinds |= {f"joined by {style!r}": [v for v in found if v.style == style] for style in STYLES}
    kinds |= {
        f"{shown} pictures": [v for v in found if v.shown == shown]
        for shown in ("right", "near", "other")
    }
    lines = []
    for name, some in kinds.items():
        if not some:
            continue
        readable = sum(v.critic is not None for v in some)
        agreed = estimate(float(v.critic == v.oracle) for v in some)
        green = sum(bool(v.critic) and not v.oracle for v in some)
        lines.append(
            f"{name}: {len(some)}; readable {readable / len(some):.1%}, guided "
            f"{sum(v.guided for v in some)}; as the oracle "
            f"{percent(agreed)}; wrongly good {green}"
        )
    return "\n".join(lines)


async def main() -> None:
    """See the top of the file."""
    print(table(await verdicts(int(sys.argv[1]) if len(sys.argv) > 1 else 200)))


if __name__ == "__main__":
    asyncio.run(main())
