"""`rr-refine train nft`: a generator trained by a critic's scores."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import JsonValue

from rr_refine.cli.exits import DONE
from rr_refine.errors import MissingExtraError

__all__ = ["nft"]


def nft(
    *,
    recipe: str,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    data: str | None = None,
    epochs: int | None = None,
    seconds: float | None = None,
    seed: int | None = None,
) -> int:
    """Train a LoRA of a generator by DiffusionNFT, with a critic's dimensions as the reward.

    Goes on where the training in OUT stopped. Writes OUT/best and OUT/last, LoRAs that diffusers
    and ComfyUI load, a log in JSON lines, a page and a checkpoint.

    Args:
        recipe: A built-in recipe's name, or a TOML file; see docs/rl.md.
        out: Folder of the training.
        data: Prompts, in place of the recipe's: JSON lines or parquet.
        epochs: In all, those of earlier runs counted in.
        seconds: Stop after so much time, that of earlier runs counted in.
        seed: Of everything that is random.
    """
    for package in ("diffusers", "peft", "accelerate"):
        if find_spec(package) is None:
            raise MissingExtraError("rr-refine train nft", "local")
    from rr_refine.training.nft.config import load_recipe
    from rr_refine.training.nft.run import train

    given: dict[str, JsonValue] = {"data": data, "epochs": epochs, "seconds": seconds, "seed": seed}
    chosen = load_recipe(recipe, {key: value for key, value in given.items() if value is not None})
    _silence()
    stopped = train(chosen, out, lambda words: print(words, file=sys.stderr, flush=True))
    print(
        f"{out}: stopped after epoch {stopped.epoch}, the best is {stopped.best}: {stopped.reason}"
    )
    return DONE


def _silence() -> None:
    """No bars of libraries between our lines."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
