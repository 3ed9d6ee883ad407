"""`rr-refine parrot …`: training data for a critic from preferences, and the training itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import JsonValue

from rr_refine.boundary import boundary
from rr_refine.cli.bench_options import parse_shard
from rr_refine.cli.bench_preference import BenchmarkName, preference
from rr_refine.cli.exits import DONE, FAILED
from rr_refine.cli.notes import say_told
from rr_refine.cli.options import AtOnce, Count, Flag, Folder, Out, SomeOut
from rr_refine.cli.progress import Progress
from rr_refine.cli.settings import read_settings
from rr_refine.cli.text import say, short, tell
from rr_refine.cli.trust import SettingsFile, require_trust
from rr_refine.component import connected
from rr_refine.errors import ConfigError, StoreError
from rr_refine.files import make_folder
from rr_refine.named import folder_here, require_ours
from rr_refine.redaction import clean
from rr_refine.reward.preferences.sources import SOURCES, SourceName
from rr_refine.training.parrot.config import (
    ParrotConfig,
    ParrotOptions,
    StudentOptions,
    create_teacher,
    read_config,
)
from rr_refine.training.parrot.dry_run import dry_run as rehearse
from rr_refine.training.parrot.export import export as write
from rr_refine.training.parrot.folder import ParrotFolder
from rr_refine.training.parrot.ingest import EvaluationSet, Reread
from rr_refine.training.parrot.ingest import ingest as add
from rr_refine.training.parrot.pipeline import PipelineProgress, produce
from rr_refine.training.parrot.recipe import load_recipe
from rr_refine.training.parrot.report import summarise
from rr_refine.training.parrot.sft import fine_tune
from rr_refine.training.parrot.teacher import Teacher

__all__ = ["evaluate", "export", "ingest", "run", "sft"]

KEY = "PARROT_API_KEY"
"""Environment variable of the teacher's key."""


def ingest(
    source: SourceName,
    path: Path,
    folder: Folder,
    /,
    *,
    dataset: str | None = None,
    split: str = "train",
    margin: float | None = None,
    limit: Count | None = None,
    seed: int = 0,
    evaluation: Annotated[list[Path] | None, Parameter(negative=())] = None,
) -> int:
    """Add the pairs of a published data set, in random order, without ties and unclear ones.

    Args:
        source: Format of the files.
        path: A parquet file or a folder of them; for hpdv3 the JSON file beside `images`; for
            recorded what `rr-refine export` wrote.
        folder: Where pairs and pictures are kept; made if it is not there.
        dataset: Name to record; the data set's own by default.
        split: Name of the split to record.
        margin: Least margin, 0 to 1; by default the data set's own rule.
        limit: Pairs of this source at most, drawn at random.
        seed: Of the draw.
        evaluation: JSON lines of requests that must not be trained on. May be given more than once.
    """
    private = read_settings(None, {}).flag("private")
    reader, held_back = SOURCES[source], EvaluationSet.read(evaluation or ())
    require_ours(folder, ("pairs.jsonl", "ingest.jsonl"), ("images", "pairs.jsonl.lock"), "folder")
    with boundary(StoreError, f"making {str(folder)!r}"):
        make_folder(folder, private=private)
    counts = add(
        ParrotFolder(folder),
        Reread(lambda: reader.read(path, dataset or reader.dataset, split)),
        margin=reader.margin if margin is None else margin,
        evaluation=held_back,
        limit=limit,
        seed=seed,
    )
    for count in counts:
        dropped = ", ".join(f"{reason} {n}" for reason, n in count.dropped.items())
        kept = f"{count.dataset} {count.split}: {count.kept} of {count.read} kept"
        say(f"{kept}; dropped: {dropped}" if dropped else kept)
        if count.broken:
            tell(f"note: {count.broken}")
    return DONE


def run(
    folder: Path,
    /,
    *,
    config: Path | None = None,
    teacher_url: str | None = None,
    part: str = "1/1",
    concurrency: AtOnce = 64,
    ask_again: Flag = False,
    trust: Flag = False,
) -> int:
    """Ask the teacher everything that is owed, then export. Start it again after any end.

    A question that the teacher refuses is settled; its pair is lost. Exit code 1 if others stayed
    without an answer.

    Args:
        folder: With pairs; see `rr-refine parrot ingest`.
        config: A TOML file with the tables teacher, parrot and student.
        teacher_url: Endpoint of the teacher, in place of the file's.
        part: i/n: the i-th of n jobs on one folder. With more than one, export when all are done.
        concurrency: Pairs in progress at once.
        ask_again: Ask what was refused in earlier runs, too.
        trust: Let the file name code, and where the key goes; remembered until it changes.
    """
    settings, foreign = _read(config, trusted=trust)
    place, shard = ParrotFolder(folder), parse_shard(part, "--part")
    options = dict(settings.teacher)
    if key := os.environ.get(KEY):
        if foreign and teacher_url is None and "base_url" in options:
            raise ConfigError(
                f"{KEY} from the environment is not sent to {clean(str(options['base_url']))!r}, "
                f"which {foreign.shown} names in teacher.base_url: give the address by "
                "--teacher-url, or add --trust if you have read that file and trust it"
            )
        options["api_key"] = key
    if teacher_url is not None:
        options["base_url"] = teacher_url
    teacher = create_teacher(options)
    progress = asyncio.run(
        _produce(place, teacher, settings.parrot, shard, concurrency, again=ask_again)
    )
    if shard[1] == 1:
        _export(place, settings)
    if progress.refused:
        tell(
            f"{progress.refused} questions were refused, by the teacher or its server; "
            "--ask-again asks them once more"
        )
    if progress.lost:
        tell(f"{progress.lost} pairs were passed over: a picture of theirs cannot be read")
    if progress.failures:
        tell(
            f"{progress.failures} questions stayed without an answer; run again to ask them; the "
            f"last: {short(progress.why, 300)}"
        )
    return FAILED if progress.failures else DONE


def export(folder: Path, /, *, config: Path | None = None, trust: Flag = False) -> int:
    """Write training rows and the report of what was answered so far. Needs no teacher.

    Args:
        folder: With the answers of `rr-refine parrot run`.
        config: As for the run; another student, threshold or filter may be chosen.
        trust: As for the run.
    """
    _export(ParrotFolder(folder), None if config is None else _read(config, trusted=trust)[0])
    return DONE


def sft(
    recipe: str,
    *,
    model: str | None = None,
    data: Annotated[list[Path] | None, Parameter(negative=())] = None,
    out: SomeOut = None,
    max_steps: Count | None = None,
    resume: Flag = False,
    dry_run: Flag = False,
    trust: Flag = False,
) -> int:
    """Fine-tune a student. On several GPUs, start it with `accelerate launch`; see the recipes.

    Args:
        recipe: A TOML file, or sketch, qwen3-vl-8b or qwen3-vl-8b-lora.
        model: Hub id or folder of the model to begin with, in place of the recipe's.
        data: A file of training rows, in place of the recipe's. May be given more than once.
        out: Folder for the student, the log and checkpoints, in place of the recipe's.
        max_steps: Steps to train, in place of the recipe's epochs.
        resume: Go on from the newest checkpoint in the folder.
        dry_run: Train a tiny random Qwen3-VL by the recipe instead, and check what came of it.
        trust: Let the recipe's file name a folder elsewhere; remembered until it changes.
    """
    given: dict[str, JsonValue] = {
        "model": model,
        "data": [{"file": str(file)} for file in data] if data else None,
        "out": None if out is None else str(out),
        "max_steps": max_steps,
        "resume": resume or None,
    }
    changes = {key: value for key, value in given.items() if value is not None}

    def check(path: Path, contents: bytes, fields: Mapping[str, JsonValue]) -> None:
        left = {key: value for key, value in fields.items() if key not in changes}
        require_trust(path, contents, left, trusted=trust)

    loaded = load_recipe(recipe, changes, check)
    if out is None:
        folder_here(loaded.out)
    if dry_run:
        seen = rehearse(loaded)
        say(f"processor: {seen.processor}")
        say(f"rows: {seen.rows}")
        say(f"supervised: {seen.supervised!r}")
        say(f"loss: {', '.join(f'{loss:.3f}' for loss in seen.losses)}")
        say(f"trained: {seen.trained_weights:,} of {seen.weights:,} weights")
        say("frozen weights unchanged, a resumed run ends the same, the folder loads")
        return DONE
    report = fine_tune(loaded, say=_say)
    tell(
        f"{report.steps} steps, {report.rows} rows, loss {report.first_loss:.3f} to "
        f"{report.last_loss:.3f}, {report.rows_per_second:.1f} rows/s"
    )
    if report.lost:
        tell(f"{report.lost} rows were left out: a picture of theirs is missing")
    if report.validation_loss is not None:
        tell(f"loss {report.validation_loss:.3f} on {report.validation_rows} rows not trained on")
    say(Path(report.student))
    return DONE


def evaluate(
    student: Path,
    benchmark: BenchmarkName,
    /,
    *,
    data: Path,
    out: Out,
    mode: Literal["pairwise", "pointwise", "both"] = "both",
    limit: Count | None = None,
    shard: str = "1/1",
    set_: Annotated[list[str] | None, Parameter("--set", negative=())] = None,
    concurrency: AtOnce = 4,
    resume: Flag = False,
    json: Flag = False,
) -> int:
    """Measure a student: how often it finds the picture that people preferred, in both orders.

    The same as `rr-refine bench preference` with the student as the critic, in this process.

    Args:
        student: The folder of a fine-tuning, or of a model.
        benchmark: genai-bench, mmrb2, editreward-bench or hpdv3.
        data: A file of the benchmark, or a folder or pattern of them.
        out: Folder of the results.
        mode: pairwise shows both pictures, pointwise each alone.
        limit: Pairs at most.
        shard: i/n: the i-th of n parts.
        set_: critic.*, as key=value, such as critic.template=sketch. May be given more than once.
        concurrency: Pairs in progress at once.
        resume: Continue in a folder that already has results.
        json: The result as one JSON object on stdout.
    """
    folder = student / "model" if (student / "model").is_dir() else student
    if (folder / "adapter_config.json").is_file():
        raise ConfigError(
            f"{str(folder)!r} holds adapters: make a model of them first, with "
            "rr_refine.training.parrot.student.merge_adapter"
        )
    if not folder.is_dir():
        raise ConfigError(f"there is no student in {str(student)!r}; see rr-refine parrot sft")
    return preference(
        benchmark,
        data=data,
        out=out,
        mode=mode,
        limit=limit,
        shard=shard,
        critic="transformers",
        set_=[f"critic.model={folder}", *(set_ or ())],
        concurrency=concurrency,
        resume=resume,
        json=json,
    )


def _read(config: Path | None, *, trusted: bool) -> tuple[ParrotConfig, SettingsFile | None]:
    """The file's contents; and the file, as long as it is not trusted."""
    foreign: list[SettingsFile] = []

    def check(data: bytes, table: Mapping[str, JsonValue]) -> None:
        assert config is not None
        if file := require_trust(config, data, table, trusted=trusted):
            foreign.append(file)

    return read_config(config, check), foreign[0] if foreign else None


async def _produce(
    folder: ParrotFolder,
    teacher: Teacher,
    options: ParrotOptions,
    part: tuple[int, int],
    concurrency: int,
    *,
    again: bool,
) -> PipelineProgress:
    show = Progress()
    async with connected([teacher]):
        progress = await produce(
            folder,
            teacher,
            options,
            part=part,
            concurrency=concurrency,
            again=again,
            on_progress=lambda now: show("pairs", now.done, now.pairs, now.failures),
        )
    say_told({"teacher": teacher})
    return progress


def _export(folder: ParrotFolder, config: ParrotConfig | None) -> None:
    student = StudentOptions() if config is None else config.student
    report = write(
        folder,
        options=None if config is None else config.parrot,
        template=student.template,
        template_store=student.template_store,
    )
    say(*summarise(report).splitlines())
    say(folder.path / "sft" / "parrot.jsonl")


def _say(line: dict[str, float]) -> None:
    shown = ("loss", "eval_loss", "mean_token_accuracy", "learning_rate", "epoch")
    values = ", ".join(f"{key} {line[key]:.4g}" for key in shown if key in line)
    tell(f"step {line['step']}: {values}")
