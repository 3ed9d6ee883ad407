"""`rr-refine parrot sft RECIPE`: fine-tune a student on what PARROT exported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import JsonValue

from rr_refine.cli.exits import DONE, guarded
from rr_refine.cli.flag import Flag

__all__ = ["sft"]


def sft(
    recipe: str,
    /,
    *,
    model: str | None = None,
    data: Annotated[list[Path] | None, Parameter(negative=())] = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    max_steps: int | None = None,
    resume: Flag = False,
    dry_run: Flag = False,
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
    """

    def command() -> int:
        from rr_refine.training.parrot.dry_run import dry_run as rehearse
        from rr_refine.training.parrot.recipe import load_recipe
        from rr_refine.training.parrot.sft import fine_tune

        given: dict[str, JsonValue] = {
            "model": model,
            "data": [{"file": str(file)} for file in data] if data else None,
            "out": None if out is None else str(out),
            "max_steps": max_steps,
            "resume": resume or None,
        }
        loaded = load_recipe(recipe, {k: v for k, v in given.items() if v is not None})
        if dry_run:
            seen = rehearse(loaded)
            print(f"rows: {seen.rows}")
            print(f"supervised: {seen.supervised!r}")
            print(f"loss: {', '.join(f'{loss:.3f}' for loss in seen.losses)}")
            print(f"trained: {seen.trained_weights:,} of {seen.weights:,} weights")
            print("frozen weights unchanged, a resumed run ends the same, the folder loads")
            return DONE
        report = fine_tune(loaded, say=_say)
        print(
            f"{report.steps} steps, {report.rows} rows, loss {report.first_loss:.3f} to "
            f"{report.last_loss:.3f}, {report.rows_per_second:.1f} rows/s",
            file=sys.stderr,
        )
        print(report.student)
        return DONE

    return guarded(command)


def _say(line: dict[str, float]) -> None:
    shown = ("loss", "mean_token_accuracy", "learning_rate", "epoch")
    values = ", ".join(f"{key} {line[key]:.4g}" for key in shown if key in line)
    print(f"step {line['step']}: {values}", file=sys.stderr, flush=True)
