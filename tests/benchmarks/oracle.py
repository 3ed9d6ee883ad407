"""How exactly the oracle of the sketch world reads, and how fast.

    python -m tests.benchmarks.oracle [pictures [clean|light|heavy]]

Draws random scenes with jitter and reads them back, clean and lightly degraded (goals: 99.5 % and
98 % exact, 15 ms a picture on one core). Then what it makes of heavy faults: a picture that is read
as another scene without a doubt is a lie.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

from PIL import Image

from rr_refine.sketch.oracle.grading import grade_picture
from rr_refine.sketch.oracle.reading import SceneReading
from rr_refine.sketch.world.degrading import degrade
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.phrasing import dense
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import Scene


def pictures(count: int, strength: str) -> Iterator[tuple[Scene, Image.Image]]:
    """Scenes, drawn and degraded; the same ones every time."""
    random = Random(f"oracle {strength}")
    for _ in range(count):
        scene = random_scene(random)
        image = draw(scene, random)
        if strength == "light":
            image = degrade(image, random, "light")
        if strength == "heavy":
            image = degrade(image, random, "heavy")
        yield scene, image


def things(scene: Scene) -> Iterator[tuple[str, object]]:
    """Everything in a scene, under the name that it is counted by."""
    for shape in scene.shapes:
        yield f"kind {shape.kind}", shape
        yield f"size {shape.size}", shape
        yield f"colour {shape.colour}", shape
    yield f"background {scene.background}", scene.background
    if scene.lettering:
        yield f"word {scene.lettering.word}", scene.lettering


def measure(count: int, strength: str) -> None:
    """Print what became of `count` pictures."""
    times, residuals, scores = [], [], []
    outcomes: Counter[str] = Counter()
    total: Counter[str] = Counter()
    read: Counter[str] = Counter()
    for scene, image in pictures(count, strength):
        start = time.process_time()
        grade = grade_picture(dense(scene), image)
        times.append(time.process_time() - start)
        reading = grade.reading
        residuals.append(reading.residual)
        scores.append(grade.scores["physical_quality"] or 0.0)
        outcomes[outcome(scene, reading)] += 1
        found = {reading.background, reading.lettering, *reading.shapes}
        for name, thing in things(scene):
            total[name] += 1
            read[name] += thing in found
    spread = statistics.quantiles(residuals, n=20)
    print(f"\n{strength}: {count} pictures, {1000 * statistics.median(times):.1f} ms a picture")
    print("  " + ", ".join(f"{k} {100 * v / count:.2f} %" for k, v in outcomes.most_common()))
    print(f"  residual {spread[0]:.3f} to {spread[-1]:.3f}, median {spread[9]:.3f} (5 to 95 %)")
    print(f"  physical quality {statistics.mean(scores):.2f}, below 3.0 in", end=" ")
    print(f"{100 * sum(score < 3 for score in scores) / count:.1f} %")
    for group in ("kind", "size", "colour", "background", "word"):
        shares = {
            value: 100 * read[name] / total[name]
            for name in sorted(total, key=lambda name: read[name] / total[name])
            if (value := name.removeprefix(f"{group} ")) != name
        }
        print(f"  {group:10} " + ", ".join(f"{v} {share:.1f}" for v, share in shares.items()))


def outcome(scene: Scene, reading: SceneReading) -> str:
    """`exact`, `unreadable` (admitted), or `wrong`."""
    if reading.scene is None:
        return "unreadable"
    return "exact" if reading.scene == scene else "wrong"


if __name__ == "__main__":
    for strength in sys.argv[2:] or ("clean", "light", "heavy"):
        measure(int(sys.argv[1]) if len(sys.argv) > 1 else 2000, strength)
