"""`rr-refine train sketch`: both small models, from nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter

from rr_refine.cli import text
from rr_refine.cli.exits import DONE
from rr_refine.cli.nft import silence_libraries
from rr_refine.cli.options import Flag, Out, Within
from rr_refine.errors import ConfigError, MissingExtraError
from rr_refine.files import make_folder, replace_file, require_no_links
from rr_refine.hub import loaded
from rr_refine.named import require_ours

if TYPE_CHECKING:
    from rr_refine.sketch.training.critic.train import Pictures

__all__ = ["sketch"]

_FILES: Final = (
    *(f"{name}.{kind}" for name in ("autoencoder", "tower") for kind in ("pt", "jsonl")),
    *("generator/model_index.json", "critic/config.json"),
)
"""By which a folder of such a training, or of a generator to take, is known."""


def sketch(
    *,
    out: Out = Path("runs/train-sketch"),
    only: Literal["generator", "critic"] | None = None,
    renders: Annotated[int, Parameter(validator=Within(0, 10**6))] | None = None,
    device: str = "auto",
    quick: Flag = False,
) -> int:
    """Train the sketch generator and the sketch critic from nothing, or go on where it stopped.

    Writes OUT/generator, which diffusers loads, and OUT/critic, which transformers and vLLM load.
    Checkpoints and logs (JSON lines) lie beside them. Hours on a CPU, minutes on a GPU.

    Args:
        out: Folder of checkpoints, logs, data and the finished models.
        only: One of the two. The critic alone takes the pictures of a generator that is there.
        renders: Requests that the generator draws for the critic to learn from, and words that go
            through its autoencoder; 2,500 of each by default.
        device: auto, cuda, mps or cpu.
        quick: A few steps of everything, to see that it runs; the models are worth nothing.
    """
    require_ours(out, _FILES, ("renders", "decoded", "quick.txt"))
    require_no_links(out)
    count = renders if renders is not None else 8 if quick else 2500
    for package in ("diffusers", "trl"):
        if find_spec(package) is None:
            raise MissingExtraError("rr-refine train", "train")
    _require_alike(out, quick=quick)
    silence_libraries()
    say = _clock()
    if only != "critic":
        from rr_refine.sketch.training.generator.train import (
            QUICK,
            GeneratorRecipe,
            train_generator,
        )

        recipe = QUICK if quick else GeneratorRecipe()
        text.say(train_generator(out, recipe, device, say))
    if only != "generator":
        from rr_refine.sketch.training.critic import train as critic

        pictures = _pictures(out, count, device, say, required=renders is not None)
        wanted = critic.QUICK if quick else critic.CriticRecipe()
        text.say(critic.train_critic(out, wanted, pictures, device, say))
    return DONE


def _require_alike(out: Path, *, quick: bool) -> None:
    """Refuse to go on in a folder of `--quick` without it, and mark one that begins with it.

    Raises:
        ConfigError: it is such a folder.
    """
    mark = out / "quick.txt"
    if quick and not any(out.glob("*.pt")):
        make_folder(out)
        replace_file(mark, b"made with --quick: the models here are worth nothing\n", durable=False)
    elif mark.exists() and not quick:
        raise ConfigError(
            f"{str(out)!r} was made with --quick, so a generator that is worth something is "
            "missing in it, and a critic of full size cannot go on from it: add --quick, or give "
            "another --out"
        )


def _pictures(
    out: Path, count: int, device: str, say: Callable[[str], None], *, required: bool
) -> Pictures | None:
    """What the critic learns from beside drawings; None without a generator in `out`.

    Raises:
        ConfigError: there is no generator and one is required, or it cannot be loaded.
    """
    from diffusers import AutoencoderTiny

    from rr_refine.sketch.generator import SketchGenerator, SketchGeneratorOptions
    from rr_refine.sketch.training.critic.train import Pictures
    from rr_refine.sketch.training.generator.pictures import decode_cases, render_cases
    from rr_refine.training.loop import pick_device

    folder = out / "generator"
    if not count:
        return None
    if not (folder / "model_index.json").is_file():
        missing = f"no finished generator in {str(folder)!r}"
        if required:
            raise ConfigError(
                f"--renders {count}: there is {missing}; train one first, without --only critic"
            )
        say(f"{missing}: the critic learns from drawings alone")
        return None
    say("pictures for the critic")
    options = SketchGeneratorOptions(model=folder, device=device, batch=16)
    with loaded("generator", str(folder), ask=False):
        autoencoder = AutoencoderTiny.from_pretrained(folder / "vae", use_safetensors=True)
    autoencoder = autoencoder.float().to(pick_device(device))
    return Pictures(
        render_cases(out / "renders", SketchGenerator(options), count),
        decode_cases(out / "decoded", autoencoder, count),
    )


def _clock() -> Callable[[str], None]:
    start = time.monotonic()

    def say(stage: str) -> None:
        text.tell(f"{time.monotonic() - start:7.0f} s  {stage}")

    return say
