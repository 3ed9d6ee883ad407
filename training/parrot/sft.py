"""Phase 3 of PARROT: supervised fine-tuning of a student on rows that do not show it the label.

    recipe -> rows of the mixture -> TRL's SFTTrainer -> a folder that transformers and vLLM load

What is supervised is the completion and its end token, nothing of the prompt. Beyond the
configuration released with the paper, the mixture has weights, a batch's rows are of one length
(TRL cannot pack rows with pictures), and a run goes on exactly where it was killed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import ValidationError

from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError, MissingExtraError
from rr_refine.files import make_folder, parse_json, read_file, replace_file, require_no_links
from rr_refine.lines import read_lines
from rr_refine.named import require_ours
from rr_refine.plain_text import quoted
from rr_refine.terms import Record
from rr_refine.training.parrot.mixture import Mixture, read_mixture
from rr_refine.training.parrot.recipe import SftRecipe
from rr_refine.training.parrot.student import (
    adapters,
    control_tokens,
    count_weights,
    freeze,
    limit_pixels,
    load_student,
)
from rr_refine.training.recipes import first_change

if TYPE_CHECKING:
    from rr_refine.training.parrot.trainer import CriticTrainer

__all__ = ["Loader", "SftReport", "fine_tune"]

Loader: TypeAlias = "Callable[[SftRecipe], tuple[Any, Any]]"
"""From a recipe, the model and the processor to train: a `PreTrainedModel`, a `ProcessorMixin`."""


class SftReport(Record):
    """What came of a training."""

    student: str
    """The folder of the model, or of its adapters if the recipe has [lora]."""
    rows: int
    """Different rows that it was trained on."""
    rows_per_epoch: int
    left_out: int
    """Rows whose text holds a control token of the model; see `Mixture`."""
    lost: int = 0
    """Rows with a picture that is no longer there."""
    validation_rows: int = 0
    """Rows that were not trained on; see `SftRecipe.validation`."""
    validation_loss: float | None = None
    """Of these, at the end."""
    steps: int
    epochs: float
    first_loss: float
    """Of the first step."""
    last_loss: float
    """Mean over the steps of the log's last line."""
    trained_weights: int
    weights: int
    seconds: float
    """Of the last session, if the training was resumed; without loading and saving."""
    rows_per_second: float
    """In the last session, on all devices together."""


def fine_tune(
    recipe: SftRecipe,
    *,
    say: Callable[[dict[str, float]], None] | None = None,
    load: Loader | None = None,
) -> SftReport:
    """Train a student. Alone, or as one of the processes that `accelerate launch` started.

    Writes `model/`, `log.jsonl`, `recipe.json`, `report.json` and `checkpoints/` to `recipe.out`. A
    training that is resumed after its end is not done again.

    Args:
        recipe: what to train, on what, and how.
        say: gets every line of the log too, in the main process: `step`, `loss`,
            `mean_token_accuracy`, `learning_rate`, `grad_norm`, `epoch`; or `step`, `eval_loss`,
            and other values of the validation set.
        load: in place of `load_student`.

    Raises:
        ConfigError: something in the recipe is missing, has no effect, or does not fit the device;
            or `out` holds another training.
        MissingExtraError: TRL is not installed.
        RefineError: the loss is not finite any more.
    """
    if any(find_spec(name) is None for name in ("trl", "datasets", "peft", "torch")):
        raise MissingExtraError("fine-tuning", "train")
    from torch import OutOfMemoryError
    from transformers.trainer_utils import get_last_checkpoint

    from rr_refine.training.loop import Log
    from rr_refine.training.parrot.trainer import LogCallback, to_arguments

    _require_trackers(recipe)
    arguments = to_arguments(recipe)
    if report := _finished(recipe):
        return report
    model, processor = (load or load_student)(recipe)
    limit_pixels(processor, recipe)
    if recipe.lora is None:
        freeze(model, recipe)
    mixture = read_mixture(recipe.data, control_tokens(processor), recipe.seed, recipe.validation)
    log = Log(recipe.out / "log.jsonl")

    def report_line(line: dict[str, float]) -> None:
        log(**line)
        if say:
            say(line)

    require_no_links(recipe.out)
    trainer = _trainer(recipe, arguments, model, processor, mixture, LogCallback(report_line))
    arguments.distributed_state.wait_for_everyone()  # all have looked at the folder
    main = arguments.process_index == 0
    if main:
        make_folder(recipe.out)
        settings = json.dumps(recipe.training, indent=2)
        replace_file(recipe.out / "recipe.json", f"{settings}\n".encode(), durable=False)
    trained, weights = count_weights(trainer.model)
    checkpoints = Path(arguments.output_dir)
    last: str | None = None
    if recipe.resume and checkpoints.is_dir():
        last = get_last_checkpoint(checkpoints)  # type: ignore[no-untyped-call]
    before = int(last.rpartition("-")[2]) if last else 0
    if main and recipe.resume:
        _forget_after(recipe.out / "log.jsonl", before)
    start = time.monotonic()
    try:
        trainer.train(resume_from_checkpoint=last)
        if mixture.validation and trainer.state.global_step % recipe.validate_every:
            trainer.evaluate()
    except OutOfMemoryError as error:
        raise ConfigError(
            f"batch = {recipe.batch} does not fit on the device: lower it and raise accumulate, "
            "set recompute = true, lower max_pixels, or share the weights among more devices"
        ) from error
    seconds = time.monotonic() - start
    student = recipe.out / "model"
    trainer.save_student(student)
    state = trainer.state
    losses = [line["loss"] for line in state.log_history if "loss" in line]
    measured = [line["eval_loss"] for line in state.log_history if "eval_loss" in line]
    seen = (state.global_step - before) * recipe.batch * recipe.accumulate * arguments.world_size
    report = SftReport(
        student=str(student),
        rows=mixture.distinct,
        rows_per_epoch=len(mixture.rows),
        left_out=mixture.left_out,
        lost=mixture.lost,
        validation_rows=len(mixture.validation),
        validation_loss=measured[-1] if measured else None,
        steps=state.global_step,
        epochs=state.epoch,
        first_loss=losses[0],
        last_loss=losses[-1],
        trained_weights=trained,
        weights=weights,
        seconds=seconds,
        rows_per_second=seen / seconds,
    )
    if main:
        text = report.model_dump_json(indent=2) + "\n"
        replace_file(recipe.out / "report.json", text.encode(), durable=False)
    return report


def _require_trackers(recipe: SftRecipe) -> None:
    """Refuse trackers that transformers does not know, or that are not installed."""
    from transformers.integrations.integration_utils import (
        INTEGRATION_TO_CALLBACK,
        get_available_reporting_integrations,
    )

    for name in recipe.trackers:
        if name not in INTEGRATION_TO_CALLBACK:
            known = ", ".join(sorted(INTEGRATION_TO_CALLBACK))
            raise ConfigError(f"trackers: {name!r} is none; there are {known}")
        if name not in get_available_reporting_integrations():  # type: ignore[no-untyped-call]
            raise ConfigError(f"trackers: {name!r} needs a package of its own: pip install {name}")


def _forget_after(log: Path, step: int) -> None:
    """Take the lines of later steps out of a log: they are trained, and logged, again."""
    with raised_as(ConfigError, f"{log} cannot be read", OSError, ValueError):
        lines = list(read_lines(log))
        kept = [line for line in lines if _step_of(line) <= step]
    if len(kept) < len(lines):
        replace_file(log, b"".join(line + b"\n" for line in kept), durable=False)


def _step_of(line: bytes) -> float:
    found = parse_json(line, nan=True)
    step = found.get("step") if isinstance(found, dict) else None
    if not isinstance(step, int | float):
        raise ValueError(f"a line has no step: {quoted(line.decode())}")
    return step


def _finished(recipe: SftRecipe) -> SftReport | None:
    """The report, if `recipe.out` holds this training and it has ended.

    Raises:
        ConfigError: it holds a training, and the recipe does not say to go on, or says another.
    """
    file = recipe.out / "recipe.json"
    if not file.exists():
        require_ours(recipe.out, (), ("checkpoints", "log.jsonl"), "out")
        return None
    if not recipe.resume:
        raise ConfigError(
            f"{str(recipe.out)!r} holds a training already: go on with resume = true, or name "
            "another folder"
        )
    if change := first_change(file, recipe.training):
        key, before = change
        raise ConfigError(
            f"the training in {str(recipe.out)!r} was begun with another {key!r} "
            f"({before!r}, not {recipe.training[key]!r}): it cannot go on with this recipe; name "
            "another folder"
        )
    try:
        return SftReport.model_validate_json(read_file(recipe.out / "report.json"))
    except (FileNotFoundError, ValidationError):
        return None


def _trainer(
    recipe: SftRecipe, arguments: Any, model: Any, processor: Any, mixture: Mixture, reporter: Any
) -> CriticTrainer:
    from transformers import PrinterCallback

    from rr_refine.training.parrot.trainer import CriticTrainer, estimate_lengths

    try:
        trainer = CriticTrainer(
            estimate_lengths(mixture.rows, processor),
            model=model,
            args=arguments,
            train_dataset=mixture.dataset(),
            eval_dataset=mixture.validation_dataset(),
            processing_class=processor,
            peft_config=adapters(recipe),
            callbacks=[reporter],
        )
    except ValueError as error:  # PEFT's, where no layer is called what `targets` says
        raise ConfigError(f"{recipe.model!r} cannot be trained like this: {error}") from error
    trainer.remove_callback(PrinterCallback)
    return trainer
