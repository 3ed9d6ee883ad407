"""`rr-refine train nft`: a generator trained by a critic's scores."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from pydantic import JsonValue

from rr_refine.cli.exits import DONE
from rr_refine.cli.options import Count, Flag, SomeOut
from rr_refine.cli.progress import Progress
from rr_refine.cli.text import say, tell
from rr_refine.cli.trust import CODE, SettingsFile, require_trust
from rr_refine.errors import ConfigError, MissingExtraError
from rr_refine.plugins import is_dotted_path

__all__ = ["nft", "silence_libraries"]

KEY = "NFT_API_KEY"
"""Environment variable of the critic's key."""


def nft(
    *,
    recipe: str,
    out: SomeOut = None,
    data: str | None = None,
    epochs: Count | None = None,
    seconds: float | None = None,
    seed: int | None = None,
    dry_run: Flag = False,
    trust: Flag = False,
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
        dry_run: Take two steps with a tiny random pipeline of the recipe's family instead.
        trust: Let the recipe's file name code, and where the key goes; remembered until it changes.
    """
    for package in ("diffusers", "peft", "accelerate"):
        if find_spec(package) is None:
            raise MissingExtraError("rr-refine train nft", "local")
    from rr_refine.cli.settings import read_settings
    from rr_refine.training.nft.config import load_recipe
    from rr_refine.training.nft.dry_run import dry_run as rehearse
    from rr_refine.training.nft.run import train

    given: dict[str, JsonValue] = {"data": data, "epochs": epochs, "seconds": seconds, "seed": seed}
    changes = {key: value for key, value in given.items() if value is not None}
    files: list[SettingsFile] = []

    def check(path: Path, contents: bytes, fields: Mapping[str, JsonValue]) -> None:
        if file := _foreign(path, contents, fields, trusted=trust):
            files.append(file)

    chosen = load_recipe(recipe, changes, check)
    foreign = files[0] if files else None
    key = os.environ.get(KEY)
    if foreign and key and ("base_url" in json.dumps(chosen.critic) or chosen.endpoints):
        raise ConfigError(
            f"{KEY} from the environment is not sent to the address that {foreign.shown} names: "
            "add --trust if you have read that file and trust it"
        )
    silence_libraries()
    if dry_run:
        seen = rehearse(chosen)
        say(f"{seen.pipeline}: {seen.trained_weights:,} of {seen.weights:,} weights trained")
        say(f"two steps moved the policy by {seen.moved:.2g}, and nothing else")
        say("the LoRA loads into the stock pipeline at full strength")
        return DONE
    if out is None:
        raise ConfigError("rr-refine train nft needs --out, the folder of the training")
    progress = Progress()
    stopped = train(
        chosen,
        out,
        api_key=key,
        private=read_settings(None, {}).flag("private"),
        say=tell,
        on_pictures=lambda done, wanted: progress("pictures", done, wanted),
    )
    tell(f"stopped after epoch {stopped.epoch}: {stopped.reason}")
    say(out / ("best" if (out / "best").exists() else "last"))
    return DONE


def _foreign(
    recipe: Path, data: bytes, fields: Mapping[str, JsonValue], *, trusted: bool
) -> SettingsFile | None:
    """The file of a recipe that is not the package's, as long as it is not trusted.

    Raises:
        ConfigError: it names code, and is not trusted.
    """
    file = require_trust(recipe, data, fields, trusted=trusted)
    for name in ("model", "data", "held_out"):
        value = str(fields.get(name, ""))
        if file is not None and is_dotted_path(value):
            raise file.refusal(name, value, CODE)
    return file


def silence_libraries() -> None:
    """No bars of libraries between our lines."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
