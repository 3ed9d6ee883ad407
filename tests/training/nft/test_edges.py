"""Rows that are good at once or all rest, bases that cannot be trained upon, trackers, sharding."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from accelerate import Accelerator
from accelerate.tracking import (
    LOGGER_TYPE_TO_CLASS,
    GeneralTracker,
    on_main_process,
)
from accelerate.utils import DistributedType, LoggerType

from rr_refine.cli.nft import _foreign
from rr_refine.errors import ConfigError, CriticError, StoreError
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.terms import Identity, dimensions_of
from rr_refine.training.nft.data import read_rows
from rr_refine.training.nft.pipeline import set_up
from rr_refine.training.nft.trainer import NftTrainer
from tests.training.nft.toy import ColourCritic, recipe, rows, toy

SMALL: dict[str, Any] = {"groups": 6, "images": 4, "epochs": 3, "evaluate_every": 9}


class ByRequest:
    """Has a score for each request, whatever the picture; of others it is shaken by the picture."""

    identity = Identity(kind="toy", name="by request")

    def __init__(self, **scores: float | None) -> None:
        self._scores, self.asked = scores, list[str]()

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self.asked.append(request.prompt)
        score = self._scores.get(request.prompt, (await ColourCritic().critique(request)).mean[
            "text_faithfulness"
        ])  # fmt: skip
        if score is None:
            raise CriticError("no")
        names = dimensions_of("t2i")
        critique = Critique(
            task="t2i",
            scores=dict.fromkeys(names) | {"text_faithfulness": score},
            rationales=dict.fromkeys(names),
            raw=str(score),
        )
        return Assessment(critic=self.identity, critiques=(critique,))


def trainer(out: Path, critic: Any, said: list[str] | None = None, **changes: Any) -> NftTrainer:
    return NftTrainer(
        toy(),
        recipe(**SMALL | changes),
        rows=rows(2),
        critic=critic,
        out=out,
        say=(said if said is not None else list[str]()).append,
    )


def log(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "policy.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("score", "left_out"), [(2.99, False), (3.0, True), (4.0, True)])
def test_rows_that_are_good_at_once_are_never_trained_on(
    tmp_path: Path, score: float, left_out: bool
) -> None:
    critic, said = ByRequest(red=score, green=1.0, blue=1.0), list[str]()
    trainer(tmp_path, critic, said, initial_below=3.0, solved_above=1.0).run()
    assert f"{2 if left_out else 0} of 6 rows are good at once, and left out" in said[0]
    assert sorted(critic.asked[:6]) == sorted(row.prompt for row in rows(2))
    assert ("red" in critic.asked[6:]) is not left_out
    assert [line["pictures"] for line in log(tmp_path)] == [16 if left_out else 24] * 3
    assert log(tmp_path)[-1]["resting"] == (2 if left_out else 0)


def test_the_first_look_is_taken_once_and_remembered(tmp_path: Path) -> None:
    options: dict[str, Any] = {"initial_below": 3.0, "solved_above": 1.0}
    trainer(tmp_path, ByRequest(red=4.0, green=1.0, blue=1.0), **options, epochs=1).run()
    critic, said = ByRequest(red=4.0, green=1.0, blue=1.0), list[str]()
    trainer(tmp_path, critic, said, **options, epochs=2).run()
    assert "red" not in critic.asked and len(critic.asked) == 16
    assert not any("good at once" in text for text in said)


def test_a_row_whose_first_look_failed_is_kept(tmp_path: Path) -> None:
    critic = ByRequest(red=4.0, green=None)
    trainer(tmp_path, critic, initial_below=3.0, max_failures=1.0, epochs=1).run()
    assert critic.asked.count("green") == 2 + 2 * 4


def test_where_all_are_good_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"initial_below = 2\.0: all 6 rows are as good at once"):
        trainer(tmp_path, ByRequest(red=4.0, green=4.0, blue=2.0), initial_below=2.0).run()


@pytest.mark.parametrize("part", ["last", "best", "policy.pt", "grid"])
def test_nothing_is_written_through_a_link(tmp_path: Path, part: str) -> None:
    out, precious = tmp_path / "out", tmp_path / "precious"
    out.mkdir()
    precious.mkdir()
    (out / part).symlink_to(precious)
    with pytest.raises(StoreError, match=part):
        trainer(out, ByRequest(red=4.0)).run()
    assert not any(precious.iterdir())


def test_it_ends_when_all_rows_rest(tmp_path: Path) -> None:
    critic = ByRequest(red=4.0, green=4.0, blue=4.0)
    for _ in range(2):  # the same command again finds the same
        stopped = trainer(tmp_path, critic, flat_below=0.05).run()
        assert stopped.reason == "all rows rest, so that nothing is left to train on"
        assert stopped.epoch == 1  # the last that was trained in
        assert len(critic.asked) == 24 and len(log(tmp_path)) == 1
    assert (tmp_path / "last" / "lora.pt").exists()
    assert "Stopped after epoch 1: all rows rest" in (tmp_path / "index.html").read_text()


def test_rows_that_rested_come_again(tmp_path: Path) -> None:
    critic = ByRequest(red=4.0)
    trainer(tmp_path, critic, flat_below=0.05, rest=1, epochs=3).run()
    assert [line["pictures"] for line in log(tmp_path)] == [24, 16, 24]


@pytest.mark.parametrize("trainable", [True, False])
def test_a_quantised_base(trainable: bool) -> None:
    """diffusers says by its quantiser whether adapters can be trained on it."""
    pipeline = toy()
    pipeline.transformer.quantization_method = "gguf"
    pipeline.transformer.hf_quantizer = SimpleNamespace(is_trainable=trainable)
    if trainable:
        assert set_up(pipeline, recipe()) is pipeline
    else:
        with pytest.raises(ConfigError, match="quantised by 'gguf' cannot be trained upon"):
            set_up(pipeline, recipe())


class Told(GeneralTracker):  # type: ignore[misc]
    """In TensorBoard's or wandb's place: remembers."""

    name = "told"
    requires_logging_directory = True
    heard: list[tuple[int | None, dict[str, float]]] = []
    ended = 0

    def __init__(self, run_name: str, logging_dir: Any = None, **_: Any) -> None:
        super().__init__()
        self.run_name, self.place = run_name, logging_dir

    @property
    def tracker(self) -> None:
        return None

    @on_main_process  # type: ignore[untyped-decorator]
    def log(self, values: dict[str, float], step: int | None = None, **_: Any) -> None:
        Told.heard.append((step, values))

    @on_main_process  # type: ignore[untyped-decorator]
    def finish(self) -> None:
        Told.ended += 1


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_tracker_is_told_what_the_log_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, name, Told)
    monkeypatch.setattr("accelerate.tracking._available_trackers", [LoggerType(name)])
    monkeypatch.setattr(Told, "heard", [])
    monkeypatch.setattr(Told, "ended", 0)
    trainer(tmp_path, ColourCritic(), trackers=[name]).run()
    assert [step for step, _ in Told.heard] == [1, 2, 3] and Told.ended == 1
    for (_, values), line in zip(Told.heard, log(tmp_path), strict=True):
        assert {"reward", "spread", "kl", "failed", "flat", "loss"} <= set(values)
        assert {k: round(v, 5) for k, v in values.items()} == {
            k: v for k, v in line.items() if k not in ("step", "seconds")
        }


def test_a_tracker_that_is_not_installed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """accelerate leaves it out with a line at the level of debugging."""
    monkeypatch.setattr("accelerate.tracking._available_trackers", [LoggerType("tensorboard")])
    with pytest.raises(ConfigError, match="trackers: wandb is not installed: pip"):
        trainer(tmp_path, ColourCritic(), trackers=["tensorboard", "wandb"])


@pytest.mark.parametrize("kind", [DistributedType.FSDP, DistributedType.DEEPSPEED])
def test_a_sharded_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: DistributedType
) -> None:
    monkeypatch.setattr(Accelerator, "distributed_type", property(lambda _: kind))
    with pytest.raises(ConfigError, match=rf"no sharded model \({kind.value}\) can be trained"):
        trainer(tmp_path, ColourCritic())


@pytest.mark.parametrize("name", ["model", "data", "held_out"])
def test_a_recipe_of_somebody_else_names_code_also_beside_a_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The file may be gone when it is read."""
    monkeypatch.chdir(tmp_path)
    Path("evil:rows").write_text('{"prompt": "a cat"}\n')
    recipe = Path("r.toml")
    recipe.write_text(f'{name} = "evil:rows"\n')
    with pytest.raises(ConfigError, match=r"evil:rows.*--trust"):
        _foreign(recipe, recipe.read_bytes(), {name: "evil:rows"}, trusted=False)
    assert len(read_rows("./evil:rows")) == 1
