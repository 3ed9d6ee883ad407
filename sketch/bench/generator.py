"""How good the generator is by itself: dense requests drawn exactly, edits made and no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PIL import Image
from pydantic import JsonValue

from rr_refine.benchmarks.engine import run_many
from rr_refine.errors import GeneratorError
from rr_refine.generators.generator import Generator, RenderRequest
from rr_refine.sketch.bench.tasks import SketchTask, Split, edits, requests
from rr_refine.sketch.checking import THE_CHANGE
from rr_refine.sketch.oracle.grading import Grade
from rr_refine.statistics import Estimate, estimate, estimate_by
from rr_refine.terms import Identity, Record

__all__ = ["EditResult", "GeneratorResult", "evaluate_generator", "render_all"]


class EditResult(Record):
    """Edits of drawn pictures. A picture that failed counts against all three."""

    exact: Estimate
    """The scene is the source after the edit, in everything."""
    changed: Estimate
    """The change was made, whatever became of the rest."""
    kept: Estimate
    """Everything else was kept, whether or not the change was made."""
    exact_by_action: dict[str, Estimate]


class GeneratorResult(Record):
    """What `evaluate_generator` gives. A picture that failed is not exact."""

    split: str
    generator: Identity
    dense: Estimate
    """Dense requests that were drawn exactly: the most that a perfect prompt could reach in the
    benchmark, seeds aside."""
    dense_by_difficulty: dict[str, Estimate]
    dense_edits: EditResult
    """The target named in full, and that the rest stays."""
    terse_edits: EditResult
    failures: dict[str, int]
    """Renders that failed, by error."""


async def evaluate_generator(
    generator: Generator,
    split: Split,
    limit: int,
    *,
    parameters: Mapping[str, JsonValue] | None = None,
    concurrency: int = 32,
    on_picture: Callable[[int, int], None] | None = None,
) -> GeneratorResult:
    """Render `limit` dense requests and `limit` edits in each register, and grade them.

    Args:
        generator: connected.
        on_picture: called with (pictures done, pictures in all).

    Raises:
        ConfigError: the generator does not take these parameters.
    """
    dense = requests(split, limit, in_full=True)
    full, terse = edits(split, limit, in_full=True), edits(split, limit)
    tasks = (*dense, *full, *terse)
    pictures = await render_all(
        generator,
        [RenderRequest(t.item.prompt, t.item.seed, t.source, parameters or {}) for t in tasks],
        concurrency,
        on_picture,
    )
    grades = [
        None if isinstance(picture, GeneratorError) else task.grade(picture)
        for task, picture in zip(tasks, pictures, strict=True)
    ]
    errors = [type(p).__name__ for p in pictures if isinstance(p, GeneratorError)]
    drawn, made, said = grades[:limit], grades[limit : 2 * limit], grades[2 * limit :]
    return GeneratorResult(
        split=split,
        generator=generator.identity,
        dense=estimate(map(_exact, drawn)),
        dense_by_difficulty=_exact_by("difficulty", dense, drawn),
        dense_edits=_edit_result(full, made),
        terse_edits=_edit_result(terse, said),
        failures={error: errors.count(error) for error in sorted(set(errors))},
    )


async def render_all(
    generator: Generator,
    asked: Sequence[RenderRequest],
    concurrency: int,
    on_picture: Callable[[int, int], None] | None = None,
) -> list[Image.Image | GeneratorError]:
    """Render many requests, `concurrency` at once; a failure is in its picture's place."""
    pictures: dict[int, Image.Image | GeneratorError] = {}

    async def one(index: int) -> None:
        try:
            pictures[index] = await generator.generate(asked[index])
        except GeneratorError as error:
            pictures[index] = error
        if on_picture is not None:
            on_picture(len(pictures), len(asked))

    await run_many((one(index) for index in range(len(asked))), concurrency)
    return [pictures[index] for index in range(len(asked))]


def _edit_result(tasks: Sequence[SketchTask], grades: Sequence[Grade | None]) -> EditResult:
    return EditResult(
        exact=estimate(map(_exact, grades)),
        changed=estimate(g is not None and THE_CHANGE not in g.missed for g in grades),
        kept=estimate(g is not None and set(g.missed) <= {THE_CHANGE} for g in grades),
        exact_by_action=_exact_by("action", tasks, grades),
    )


def _exact_by(
    label: str, tasks: Sequence[SketchTask], grades: Sequence[Grade | None]
) -> dict[str, Estimate]:
    return estimate_by([task.item.labels[label] for task in tasks], map(_exact, grades))


def _exact(grade: Grade | None) -> bool:
    return grade is not None and grade.exact
