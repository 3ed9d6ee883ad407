"""Whole runs of requests that say something beyond the small world: none may be called right.

    python -m tests.benchmarks.open_words dev|test [FOLDER]        default: a temporary folder

Runs every sentence of `tests/benchmarks/outside` with the bundled models. Prints, by kind, how many
there are, how many end in `target` (false green verdicts: 0 wanted), how many have a result with
nothing open, how many get one picture only, and the rewrites that lost a kind or colour.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from rr_refine.agent.refine import arefine
from rr_refine.request import Request
from rr_refine.sketch.critic import SketchCritic
from rr_refine.sketch.generator import SketchGenerator
from rr_refine.sketch.intent import SketchIntentCheck
from tests.benchmarks.outside import Sentence, sentences

__all__ = ["measure"]


async def measure(part: Literal["dev", "test"], folder: Path) -> dict[str, Counter[str]]:
    """What became of the sentences, by kind."""
    generator, critic, check = SketchGenerator(), SketchCritic(), SketchIntentCheck()
    found: dict[str, Counter[str]] = {}

    async def run(sentence: Sentence) -> None:
        prompt = sentence.prompt
        done = await arefine(prompt, out=folder, generator=generator, critic=critic)
        assert done.outcome is not None
        best, rule = done.outcome.best, done.outcome.stop.rule
        request = Request(prompt=prompt)
        lost = sum(bool(check.problems(request, c.prompt)) for c in done.candidates)
        green = rule == "target" or best is None or not best.open_points
        counts = found.setdefault(sentence.kind, Counter())
        counts.update(
            {"n": 1, rule: 1, "green": green, "one": len(done.candidates) == 1, "lost": lost}
        )
        print(f"{rule:<16} {len(done.candidates)} {prompt!r}", file=sys.stderr, flush=True)

    for sentence in sentences(part):
        await run(sentence)
    return found


def main() -> None:
    """Measure and print."""
    part: Literal["dev", "test"] = "test" if sys.argv[1:2] == ["test"] else "dev"
    with TemporaryDirectory() as temporary:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else temporary)
        found = asyncio.run(measure(part, folder))
    columns = ("n", "target", "green", "unjudged", "one", "lost")
    print("| kind | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    total: Counter[str] = Counter()
    for kind, counts in found.items():
        total += counts
        print(f"| {kind} | " + " | ".join(str(counts[column]) for column in columns) + " |")
    print("| all | " + " | ".join(str(total[column]) for column in columns) + " |")


if __name__ == "__main__":
    main()
