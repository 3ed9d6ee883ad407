"""A training in its folder: the recipe that it was begun by, its parts, and how it goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from accelerate import PartialState
from pydantic import JsonValue

from rr_refine.errors import ConfigError
from rr_refine.files import locked, make_folder, replace_file
from rr_refine.named import require_ours
from rr_refine.redaction import hidden
from rr_refine.training.nft.config import NftRecipe
from rr_refine.training.nft.data import read_rows
from rr_refine.training.nft.evaluation import Stopped
from rr_refine.training.nft.judging import make_critic
from rr_refine.training.nft.pipeline import load_pipeline
from rr_refine.training.nft.trainer import NftTrainer
from rr_refine.training.recipes import first_change

__all__ = ["train"]


def train(
    recipe: NftRecipe,
    out: Path,
    *,
    api_key: str | None = None,
    private: bool = True,
    say: Callable[[str], None] = lambda _: None,
    on_pictures: Callable[[int, int], None] | None = None,
) -> Stopped:
    """Train by a recipe, or go on where the training in `out` stopped.

    Args:
        api_key: of the critic; recipes hold none, since they are written to the folder.
        private: a folder that is created is for this user alone.
        say, on_pictures: see `NftTrainer`.

    Raises:
        ConfigError: a part cannot be made, or `out` holds a training by another recipe.
        StoreLockedError: another process trains there.
        TooManyFailures: of the critic; what was finished is saved.
    """
    for name, part in (("critic", recipe.critic), ("judge", recipe.judge or {})):
        if hidden(part) != part:
            raise ConfigError(
                f"{name}: secrets such as api_key must not stand in a recipe, which is copied to "
                "--out"
            )
    key: dict[str, JsonValue] = {} if api_key is None else {"api_key": api_key}
    critic = make_critic(recipe.critic | key, recipe.endpoints)
    judge = None if recipe.judge is None else make_critic(recipe.judge)
    rows = read_rows(recipe.data)
    held_out = [] if recipe.held_out is None else read_rows(recipe.held_out)
    require_ours(out, ("recipe.json",), ("lock",))
    make_folder(out, private=private)
    is_main = PartialState(cpu=recipe.device == "cpu").is_main_process
    with locked(out, out / "lock") if is_main else nullcontext():
        if is_main:
            _remember(recipe, out / "recipe.json")
        trainer = NftTrainer(
            load_pipeline(recipe),
            recipe,
            rows=rows,
            held_out=held_out,
            critic=critic,
            judge=judge,
            out=out,
            say=say,
            on_pictures=on_pictures,
        )
        if trainer.loop.step:
            say(f"goes on after epoch {trainer.loop.step}")
        return trainer.run()


def _remember(recipe: NftRecipe, file: Path) -> None:
    """Write the recipe, unless the folder holds a training by another one."""
    if file.exists() and (change := first_change(file, recipe.training)):
        key, before = change
        raise ConfigError(
            f"{str(file.parent)!r} holds a training with {key} = {before!r}, not "
            f"{recipe.training[key]!r}: name another folder"
        )
    replace_file(file, recipe.model_dump_json(indent=2).encode() + b"\n", durable=True)
