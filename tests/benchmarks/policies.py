"""What diffusion RL did to the bundled generator: LoRAs against none, on requests of three kinds.

python -m tests.benchmarks.policies OUT [--lora NAME=FOLDER ...] [--limit 300] [--guidance 2.5]

easy: one to three shapes and no word. hard: the benchmark's test requests. dense: the same, in
full. Each is drawn once, with the same seed by every policy, at the shipped steps and guidance, or
with another one (--guidance 1 is none), and graded by the oracle. OUT gets a line of JSON for each
picture, and goes on where it stopped (one OUT for one guidance); a table is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from rr_refine.errors import GeneratorError
from rr_refine.generators.generator import RenderRequest
from rr_refine.lines import LineFile, read_lines
from rr_refine.sketch.bench.generator import render_all
from rr_refine.sketch.bench.tasks import requests
from rr_refine.sketch.generator import SketchGenerator, SketchGeneratorOptions
from rr_refine.sketch.oracle.grading import grade_picture, read_asked
from rr_refine.sketch.training.prompts import prompt_of
from rr_refine.statistics import SHARE, Clusters, Estimate, Range, estimate
from rr_refine.terms import to_reward

__all__ = ["main"]

MEASURES: dict[str, Range | None] = {"exact": SHARE, "reward": None, "missed": None}
KINDS = ("easy", "hard", "dense")
CHUNK = 48


@dataclass(frozen=True)
class Case:
    kind: str
    prompt: str
    seed: int
    register: str


def cases(kind: str, limit: int) -> list[Case]:
    if kind == "easy":
        registers = ("terse", "relational", "casual")
        made = []
        for number in range(limit):
            random = Random(f"rr-refine rl test easy {number}")
            prompt = prompt_of("easy", random, number)
            made.append(Case(kind, prompt, random.getrandbits(31), registers[number % 3]))
        return made
    tasks = requests("test", limit, in_full=kind == "dense")
    return [Case(kind, t.item.prompt, t.item.seed, t.item.labels["register"]) for t in tasks]


def draw(out: Path, name: str, lora: Path | None, limit: int, guidance: float) -> None:
    lines = [json.loads(line) for line in read_lines(out)] if out.exists() else []
    done = {(line["policy"], line["kind"], line["prompt"]) for line in lines}
    generator = SketchGenerator(
        SketchGeneratorOptions(lora=lora, batch=16, true_cfg_scale=guidance, device="cpu")
    )
    owed = [c for kind in KINDS for c in cases(kind, limit) if (name, kind, c.prompt) not in done]
    file = LineFile(out)
    for start in range(0, len(owed), CHUNK):
        part = owed[start : start + CHUNK]
        asked = [RenderRequest(case.prompt, case.seed) for case in part]
        for case, picture in zip(
            part, asyncio.run(render_all(generator, asked, CHUNK)), strict=True
        ):
            if isinstance(picture, GeneratorError):
                raise picture
            wanted = read_asked(case.prompt, None)
            assert wanted is not None, case.prompt
            grade = grade_picture(wanted, picture)
            scores = [score for score in grade.scores.values() if score is not None]
            line = {
                "policy": name, "kind": case.kind, "prompt": case.prompt,
                "register": case.register, "exact": grade.exact, "missed": len(grade.missed),
                "reward": to_reward(fmean(scores)), "background": grade.reading.background,
                "asked_background": "background" in case.prompt,
            }  # fmt: skip
            file.append(json.dumps(line).encode(), sync=False)
        file.sync()
    file.close()


def table(out: Path) -> str:
    lines: list[dict[str, Any]] = [json.loads(line) for line in read_lines(out)]
    names = list(dict.fromkeys(line["policy"] for line in lines))
    rows = [
        "| policy | kind | n | exact | reward | missed | backgrounds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        for kind in KINDS:
            own = [li for li in lines if (li["policy"], li["kind"]) == (name, kind)]
            if own:
                rows.append(_row(name, kind, own))
    base = {(li["kind"], li["prompt"]): li for li in lines if li["policy"] == names[0]}
    rows += ["", f"Against {names[0]}, on the same requests and seeds:", ""]
    rows += ["| policy | kind | exact | reward | missed |", "|---|---|---|---|---|"]
    for name in names[1:]:
        for kind in KINDS:
            own = [li for li in lines if (li["policy"], li["kind"]) == (name, kind)]
            pairs = [(li, base[kind, li["prompt"]]) for li in own if (kind, li["prompt"]) in base]
            if pairs:
                gained = [
                    Clusters(len(pairs)).difference(
                        [float(one[key]) for one, _ in pairs],
                        [float(other[key]) for _, other in pairs],
                        scale,
                    )
                    for key, scale in MEASURES.items()
                ]
                rows.append(f"| {name} | {kind} | {' | '.join(map(_shown, gained))} |")
    return "\n".join(rows)


def _row(name: str, kind: str, own: Sequence[dict[str, Any]]) -> str:
    values = [estimate((float(li[key]) for li in own), scale) for key, scale in MEASURES.items()]
    free = [line["background"] for line in own if not line["asked_background"]]
    cells = " | ".join(map(_shown, values))
    return f"| {name} | {kind} | {len(own)} | {cells} | {_entropy(free):.2f} |"


def _shown(value: Estimate) -> str:
    if value.low is None or value.high is None:
        return f"{value.value:+.3f} [n/a]"
    return f"{value.value:+.3f} [{value.low:+.3f}, {value.high:+.3f}]"


def _entropy(values: Iterable[object]) -> float:
    """Bits: 0 where all backgrounds are alike, 2 for four that are equally frequent."""
    counts = Counter(values)
    total = sum(counts.values())
    return -sum(n / total * log(n / total, 2) for n in counts.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--lora", action="append", default=[])
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--guidance", type=float, default=2.5)
    given = parser.parse_args()
    draw(given.out, "base", None, given.limit, given.guidance)
    for pair in given.lora:
        name, _, folder = pair.partition("=")
        draw(given.out, name, Path(folder), given.limit, given.guidance)
    print(table(given.out))


if __name__ == "__main__":
    main()
