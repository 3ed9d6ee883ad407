"""A dry run: a whole recipe on a random Qwen3-VL of a few hundred thousand weights.

The same code trains it for a few steps on a CPU in seconds, and what people found out after days
on many GPUs is checked: that exactly the answer is supervised, that what is frozen stays as it is
and the rest moves, that the loss falls, that a killed run goes on as if nothing had been, and
that the folder loads.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal

from rr_refine.errors import ConfigError
from rr_refine.lines import read_lines
from rr_refine.reward.local_model import load_processor
from rr_refine.terms import Record
from rr_refine.training.parrot.mixture import MixtureRow, open_row, read_mixture
from rr_refine.training.parrot.recipe import DataPart, SftRecipe
from rr_refine.training.parrot.sft import fine_tune
from rr_refine.training.parrot.tiny_qwen3_vl import build_tiny_qwen3_vl

if TYPE_CHECKING:
    import torch

__all__ = ["DryRunReport", "dry_run"]

STEPS: Final = 4
"""A checkpoint is made half-way."""
ROWS: Final = 4
"""All of them are seen in every step, so the loss must fall."""
PIXELS: Final = 64 * 64


class DryRunReport(Record):
    """What the dry run showed."""

    processor: Literal["whole", "without its video part, which needs torchvision"]
    """How much of Qwen's processor the tiny model has."""
    rows: Literal["recipe", "made up"]
    """Whether rows of the recipe's own files were used; made-up ones if the files are not there."""
    supervised: str
    """The text of the tokens that were learned from, in the first row."""
    losses: tuple[float, ...]
    """Of each step, before its update."""
    trained_weights: int
    weights: int


def dry_run(recipe: SftRecipe) -> DryRunReport:
    """Train a tiny model by `recipe`. Nothing of it is kept, and `recipe.out` is not touched.

    Model, output folder, resolution, batch, rate and length are replaced; what is trained, what is
    frozen, the adapters, the precision and the rest are the recipe's.

    Raises:
        ConfigError: what is checked does not hold, or recipe or data are at fault.
        MissingExtraError: TRL is not installed.
    """
    with TemporaryDirectory() as folder:
        return _dry_run(recipe, Path(folder))


def _dry_run(recipe: SftRecipe, folder: Path) -> DryRunReport:
    own = all(part.file.exists() for part in recipe.data)
    data = _shortened(recipe.data, folder) if own else (_made_up(folder),)
    tiny = recipe.model_copy(
        update={
            "model": str(folder / "tiny"),
            "revision": None,
            "data": data,
            "out": folder / "out",
            "max_steps": STEPS,
            "batch": ROWS // 2,
            "accumulate": 2,
            "learning_rate": 0.01,
            "warmup": 0.0,
            "max_pixels": PIXELS,
            "workers": 0,
            "log_every": 1,
            "save_every": STEPS // 2,
            "resume": False,
            "keep": 2,
            "validation": 0.0,
            "trackers": (),
        }
    )
    processor = build_tiny_qwen3_vl(folder / "tiny", recipe.seed)
    whole = hasattr(processor, "video_processor")
    if whole:  # as a training does
        processor = load_processor(str(folder / "tiny"))

    def load(tiny: SftRecipe) -> tuple[Any, Any]:
        from transformers import Qwen3VLForConditionalGeneration

        return Qwen3VLForConditionalGeneration.from_pretrained(
            tiny.model, use_safetensors=True, trust_remote_code=False
        ), processor

    losses: list[float] = []
    report = fine_tune(tiny, say=lambda line: losses.append(line["loss"]), load=load)
    if not all(map(math.isfinite, losses)) or losses[-1] >= losses[0]:
        raise ConfigError(f"the dry run's loss did not fall: {losses}")
    rows = read_mixture(data, (), recipe.seed).rows
    supervised = _require_completion_only(rows[0], processor)
    _require_only_what_was_meant(tiny, recipe)
    _require_the_same_when_resumed(tiny, folder / "resumed", load)
    _require_loadable(Path(report.student), processor)
    return DryRunReport(
        processor="whole" if whole else "without its video part, which needs torchvision",
        rows="recipe" if own else "made up",
        supervised=supervised,
        losses=tuple(losses),
        trained_weights=report.trained_weights,
        weights=report.weights,
    )


def _shortened(parts: Sequence[DataPart], folder: Path) -> tuple[DataPart, ...]:
    """The first rows of each of the recipe's files; pictures stay where they are."""
    count = math.ceil(ROWS / len(parts))
    short = []
    for number, part in enumerate(parts):
        file = folder / f"{number}.jsonl"
        file.write_bytes(b"".join(line + b"\n" for line in islice(read_lines(part.file), count)))
        short.append(DataPart(file=file, pictures=part.root))
    return tuple(short)


def _made_up(folder: Path) -> DataPart:
    """Rows of each form that there is: one picture or three, in the middle of the text."""
    from PIL import Image

    file = folder / "rows.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        for number in range(ROWS):
            names = [f"{number}-{i}.png" for i in range(1 if number % 2 else 3)]
            content = [{"type": "text", "text": f"Request {number}: a red square. Judge it."}]
            for i, name in enumerate(names):
                Image.new("RGB", (48 + 16 * i, 64), (60 * number, 80 * i, 90)).save(folder / name)
                content += [{"type": "text", "text": f"Picture {i}:"}, {"type": "image"}]
            answer = f"## Justification: number {number}.\n## Score: {number % 4 + 1}.0"
            row = {
                "id": str(number),
                "kind": "pointwise" if number % 2 else "pairwise",
                "task": "t2i" if number % 2 else "edit",
                "dataset": "made up",
                "prompt": [{"role": "user", "content": content}],
                "completion": [
                    {"role": "assistant", "content": [{"type": "text", "text": answer}]}
                ],
                "images": names,
            }
            lines.write(json.dumps(row) + "\n")
    return DataPart(file=file)


def _require_completion_only(row: MixtureRow, processor: Any) -> str:
    """The supervised text of a row, once it is seen to be its completion and the end of turn."""
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    collate = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)
    labels = collate([open_row(row)])["labels"][0]
    supervised: str = processor.tokenizer.decode(labels[labels != -100])
    completion = json.loads(row.line)["completion"][0]["content"][0]["text"]
    if supervised.strip() != f"{completion}{processor.tokenizer.eos_token}".strip():
        raise ConfigError(f"what is supervised is not {completion!r} but {supervised!r}")
    return supervised


def _require_only_what_was_meant(tiny: SftRecipe, recipe: SftRecipe) -> None:
    """Frozen weights are as they were, others are not; of LoRA, only adapters were saved."""
    import torch

    after = _weights(tiny.out / "model")
    if recipe.lora:
        others = [name for name in after if ".lora_" not in name]
        if others or not any(weight.any() for name, weight in after.items() if "lora_B" in name):
            raise ConfigError(f"beside or in place of the adapters, others were trained: {others}")
        return
    before = _weights(Path(tiny.model))
    moved = {
        name for name, weight in after.items() if not torch.equal(weight, before[name].to(weight))
    }
    merger = {name for name in after if "merger" in name}
    tower = {name for name in after if "visual." in name} - merger
    for part, names, frozen in (
        ("tower", tower, recipe.freeze_tower),
        ("projector", merger, recipe.freeze_projector),
        ("language model", set(after) - tower - merger, False),
    ):
        if frozen == bool(names & moved):
            raise ConfigError(f"the {part} {'moved' if frozen else 'did not move'} in training")


def _require_the_same_when_resumed(tiny: SftRecipe, out: Path, load: Any) -> None:
    import torch

    half = f"checkpoint-{STEPS // 2}"
    shutil.copytree(tiny.out / "checkpoints" / half, out / "checkpoints" / half)
    shutil.copy(tiny.out / "recipe.json", out)
    fine_tune(tiny.model_copy(update={"out": out, "resume": True}), load=load)
    whole, resumed = _weights(tiny.out / "model"), _weights(out / "model")
    for name, weight in whole.items():
        if not torch.allclose(weight.float(), resumed[name].float(), rtol=1e-2, atol=1e-3):
            raise ConfigError(f"a resumed training ended with another {name}")


def _require_loadable(student: Path, processor: Any) -> None:
    """It loads by what the Auto classes make of the folder, and answers."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    model: Any = AutoModelForImageTextToText.from_pretrained(
        student, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
    )
    tokenizer = AutoTokenizer.from_pretrained(student, trust_remote_code=False)
    inputs = tokenizer("Judge it.", return_tensors="pt")
    model.generate(**inputs, max_new_tokens=2, pad_token_id=processor.tokenizer.pad_token_id)


def _weights(folder: Path) -> Mapping[str, torch.Tensor]:
    from safetensors.torch import load_file

    return {
        name: weight
        for file in sorted(folder.glob("*.safetensors"))
        for name, weight in load_file(file).items()
    }
