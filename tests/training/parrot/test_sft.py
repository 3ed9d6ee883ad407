from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from rr_refine.errors import ConfigError, RefineError
from rr_refine.training.parrot import sft
from rr_refine.training.parrot.dry_run import dry_run
from rr_refine.training.parrot.mixture import read_mixture
from rr_refine.training.parrot.recipe import Lora, SftRecipe, builtin_recipes, load_recipe
from rr_refine.training.parrot.sft import SftReport, fine_tune
from rr_refine.training.parrot.student import load_student, merge_adapter
from tests.reward.tiny_llava import build_tiny_llava
from tests.training.parrot.test_recipe import write_rows

pytest.importorskip("torch")
pytest.importorskip("trl")

pytestmark = [
    # PEFT asks the model by a name that transformers has given up.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llava(tmp_path_factory.mktemp("llava"))


def recipe(llava: Path, out: Path, **changes: object) -> SftRecipe:
    part = write_rows(out.parent / "data" / "rows.jsonl")
    fields: dict[str, object] = {
        "model": str(llava),
        "data": (part,),
        "out": out,
        "max_steps": 4,
        "batch": 2,
        "accumulate": 2,
        "learning_rate": 0.03,
        "warmup": 0.0,
        "precision": "float32",
        "recompute": False,
        "log_every": 1,
    }
    return SftRecipe.model_validate(fields | changes)


def weights(folder: str | Path) -> Mapping[str, torch.Tensor]:
    from safetensors.torch import load_file

    files = sorted(Path(folder).glob("*.safetensors"))
    return {name: weight for file in files for name, weight in load_file(file).items()}


def moved(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> set[str]:
    """Parts of the model that training changed."""
    import torch

    assert before.keys() == after.keys()
    names = [name for name in before if not torch.equal(before[name], after[name])]
    parts = ("vision_tower", "projector", "language_model", "lm_head")
    return {part for part in parts if any(part in name for name in names)}


def test_a_llava_student_learns_and_loads(llava: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    said: list[dict[str, float]] = []
    report = fine_tune(recipe(llava, tmp_path / "out"), say=said.append)
    assert (report.rows, report.steps, report.epochs) == (4, 4, 4.0)
    assert report.last_loss < report.first_loss - 0.2
    assert 0 < report.trained_weights < report.weights
    assert moved(weights(llava), weights(report.student)) == {"language_model", "lm_head"}
    lines = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [line["step"] for line in said] == [1, 2, 3, 4]
    assert SftReport.model_validate_json((tmp_path / "out/report.json").read_bytes()) == report
    assert lines[0]["loss"] == pytest.approx(report.first_loss, abs=1e-4)
    AutoModelForImageTextToText.from_pretrained(report.student)
    AutoProcessor.from_pretrained(report.student)  # type: ignore[no-untyped-call]


def test_what_is_not_frozen_is_trained(llava: Path, tmp_path: Path) -> None:
    free = recipe(llava, tmp_path / "out", freeze_tower=False, freeze_projector=False, max_steps=1)
    report = fine_tune(free)
    assert report.trained_weights == report.weights
    assert {"vision_tower", "projector"} < moved(weights(llava), weights(report.student))


def test_a_killed_training_goes_on_exactly(llava: Path, tmp_path: Path) -> None:
    import torch

    whole = recipe(llava, tmp_path / "out", save_every=2, seed=5)
    report = fine_tune(whole)
    killed = whole.model_copy(update={"out": tmp_path / "killed", "resume": True})
    shutil.copytree(whole.out, killed.out)
    (killed.out / "report.json").unlink()
    shutil.rmtree(killed.out / "checkpoints" / "checkpoint-4")
    resumed = fine_tune(killed)
    assert resumed.steps == report.steps
    after = weights(resumed.student)
    for name, weight in weights(report.student).items():
        assert torch.equal(weight, after[name]), name


@pytest.mark.parametrize("lora", [None, Lora(rank=4, alpha=8)], ids=["whole", "adapters"])
def test_a_checkpoint_of_somebody_else_is_looked_at(
    llava: Path, tmp_path: Path, lora: Lora | None
) -> None:
    first = recipe(llava, tmp_path / "out", save_every=1, max_steps=1, lora=lora)
    fine_tune(first)
    (first.out / "report.json").unlink()
    again = first.model_copy(update={"resume": True})
    assert fine_tune(again).steps == 1
    (first.out / "report.json").unlink()
    config = {"peft_type": "LORA", "r": 4, "target_modules": "(a|a)*b"}
    hostile = first.out / "checkpoints" / "checkpoint-1" / "adapter_config.json"
    hostile.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"checkpoint = .*the pattern '\(a\|a\)\*b'"):
        fine_tune(again)


def test_a_folder_belongs_to_one_training(llava: Path, tmp_path: Path) -> None:
    first = recipe(llava, tmp_path / "out", max_steps=1)
    report = fine_tune(first)
    with pytest.raises(ConfigError, match="holds a training already"):
        fine_tune(first)
    again = first.model_copy(update={"resume": True})
    assert fine_tune(again) == report
    with pytest.raises(ConfigError, match=r"another 'learning_rate'.*0.03, not 1.0"):
        fine_tune(again.model_copy(update={"learning_rate": 1.0}))


def test_adapters_load_and_merge(llava: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForImageTextToText

    report = fine_tune(recipe(llava, tmp_path / "out", lora=Lora(rank=4, alpha=8)))
    assert report.last_loss < report.first_loss
    assert {name.partition(".lora_")[1] for name in weights(report.student)} == {".lora_"}
    assert all("language_model" in name for name in weights(report.student))
    merge_adapter(Path(report.student), tmp_path / "merged")
    ids = torch.tensor([[10, 20, 30]])
    logits = {}
    for name, folder in (("base", llava), ("adapter", report.student), ("merged", "merged")):
        model: Any = AutoModelForImageTextToText.from_pretrained(tmp_path / folder)
        with torch.inference_mode():
            logits[name] = model.eval()(input_ids=ids).logits
    assert torch.allclose(logits["adapter"], logits["merged"], atol=1e-5)
    assert not torch.allclose(logits["base"], logits["merged"], atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"max_pixels": 1024}, "max_pixels has no effect .*CLIPImageProcessorPil"),
        ({"model": "no/such/folder"}, "cannot be loaded"),
        ({"lora": Lora(targets="nothing")}, "cannot be trained like this"),
    ],
)
def test_what_does_not_fit(
    llava: Path, tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        fine_tune(recipe(llava, tmp_path / "out", **changes))
    assert not (tmp_path / "out" / "recipe.json").exists()  # so that a second try is a first one


def test_a_loss_that_is_no_number_ends_the_training(llava: Path, tmp_path: Path) -> None:
    import torch

    def broken(recipe: SftRecipe) -> tuple[Any, Any]:
        model, processor = load_student(recipe)
        with torch.no_grad():
            model.lm_head.weight[0] = torch.nan
        return model, processor

    with pytest.raises(RefineError, match="the loss became nan at step 1"):
        fine_tune(recipe(llava, tmp_path / "out"), load=broken)
    assert not (tmp_path / "out" / "model").exists()


def test_the_loss_is_that_of_trl_and_nothing_is_reported_home(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trl

    from rr_refine.training.parrot.trainer import CriticTrainer, estimate_lengths, to_arguments

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("trl.trainer.base_trainer.send_telemetry", lambda **_: pytest.fail("sent"))
    chosen = recipe(llava, tmp_path / "out")
    model, processor = load_student(chosen)
    mixture = read_mixture(chosen.data, (), 0)
    lengths = estimate_lengths(mixture.rows, processor)
    trainer = CriticTrainer(
        lengths,
        model=model,
        args=to_arguments(chosen),
        train_dataset=mixture.dataset(),
        processing_class=processor,
    )
    batch = trainer.data_collator([mixture.dataset()[i] for i in range(4)])
    counts = batch["attention_mask"].sum(1).tolist()
    assert lengths == pytest.approx(counts, rel=0.05)  # the tiny tokenizer's tokens are bytes
    assert CriticTrainer.compute_loss is trl.SFTTrainer.compute_loss  # TRL's own, not a copy


def test_batches_are_of_one_length_and_differ_by_epoch() -> None:
    from rr_refine.training.parrot.trainer import LengthGroupedSampler

    lengths = [float(number % 10) for number in range(203)]
    batches = LengthGroupedSampler(lengths, batch=4, seed=1)
    epochs = []
    for epoch in (0, 1, 0):
        batches.set_epoch(epoch)
        epochs.append(list(batches))
        assert sorted(epochs[-1]) == list(range(203))
    assert epochs[0] == epochs[2] != epochs[1]
    assert epochs[0] != list(LengthGroupedSampler(lengths, batch=4, seed=2))
    groups = [[lengths[row] for row in epochs[0][i : i + 4]] for i in range(0, 200, 4)]
    assert groups[0] == [9.0] * 4
    assert sum(max(group) - min(group) for group in groups) <= 10
    assert [min(group) for group in groups] != sorted(min(group) for group in groups)
    assert list(LengthGroupedSampler([1.0], batch=4, seed=0)) == [0]


@pytest.mark.parametrize("name", builtin_recipes())
def test_dry_run(name: str) -> None:
    report = dry_run(load_recipe(name))
    assert report.rows == "made up"
    assert report.supervised.startswith("## Justification")
    assert report.supervised.endswith("<|im_end|>\n")
    assert report.losses[-1] < report.losses[0]
    assert (report.trained_weights == report.weights) == (name == "sketch")


def test_dry_run_takes_the_rows_of_the_recipe(llava: Path, tmp_path: Path) -> None:
    own = recipe(llava, tmp_path / "out")
    report = dry_run(own)
    assert (report.rows, report.supervised) == ("recipe", "Score: 0.5<|im_end|>\n")
    assert not own.out.exists()


def test_dry_run_notices_a_tower_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sft, "freeze", lambda model, recipe: None)
    with pytest.raises(ConfigError, match="the tower moved in training"):
        dry_run(load_recipe("qwen3-vl-8b"))


def test_dry_run_notices_a_prompt_that_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling as Collator

    collate = Collator.torch_call

    def whole(self: Collator, examples: list[dict[str, Any]]) -> dict[str, Any]:
        self.completion_only_loss = False
        batch: dict[str, Any] = collate(self, examples)
        return batch

    monkeypatch.setattr(Collator, "torch_call", whole)
    with pytest.raises(ConfigError, match="what is supervised is not"):
        dry_run(load_recipe("qwen3-vl-8b"))


def test_a_resumed_log_has_no_step_twice(llava: Path, tmp_path: Path) -> None:
    whole = recipe(llava, tmp_path / "out", save_every=2)
    fine_tune(whole)
    before = (whole.out / "log.jsonl").read_text()
    (whole.out / "report.json").unlink()
    shutil.rmtree(whole.out / "checkpoints" / "checkpoint-4")
    fine_tune(whole.model_copy(update={"resume": True}))
    lines = [json.loads(line) for line in (whole.out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    losses = [json.loads(line)["loss"] for line in before.splitlines()]
    assert [line["loss"] for line in lines] == pytest.approx(losses, abs=1e-4)


@pytest.mark.parametrize(("keep", "left"), [(1, [4]), (2, [3, 4]), ("all", [1, 2, 3, 4])])
def test_checkpoints_that_are_kept(
    llava: Path, tmp_path: Path, keep: object, left: list[int]
) -> None:
    fine_tune(recipe(llava, tmp_path / "out", save_every=1, keep=keep))
    found = (tmp_path / "out" / "checkpoints").glob("checkpoint-*")
    assert sorted(int(folder.name.partition("-")[2]) for folder in found) == left


def test_the_validation_set_is_measured(llava: Path, tmp_path: Path) -> None:
    part = write_rows(tmp_path / "more" / "rows.jsonl", 12)
    changes: dict[str, object] = {"data": (part,), "validation": 0.4, "validate_every": 3}
    report = fine_tune(recipe(llava, tmp_path / "out", **changes))
    assert report.validation_rows > 0
    assert report.rows + report.validation_rows == 12
    lines = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_text().splitlines()]
    measured = {line["step"]: line["eval_loss"] for line in lines if "eval_loss" in line}
    assert list(measured) == [3, 4]
    assert report.validation_loss == pytest.approx(measured[4], abs=1e-4)
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]


def test_trackers_are_told_if_the_recipe_says_so(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import TrainerCallback
    from transformers.integrations import integration_utils

    class Tracker(TrainerCallback):
        told: list[float] = []

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            Tracker.told += [kwargs["logs"]["loss"]] if "loss" in kwargs["logs"] else []

    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "trackio", Tracker)
    fine_tune(recipe(llava, tmp_path / "silent"))
    assert Tracker.told == []
    with pytest.raises(ConfigError, match="'trackio' needs a package of its own: pip install"):
        fine_tune(recipe(llava, tmp_path / "out", trackers=("trackio",)))
    monkeypatch.setattr(
        integration_utils, "get_available_reporting_integrations", lambda: ["trackio"]
    )
    fine_tune(recipe(llava, tmp_path / "out", trackers=("trackio",)))
    assert len(Tracker.told) == 4
    with pytest.raises(ConfigError, match=r"trackers: 'wandbb' is none; there are .*wandb"):
        fine_tune(recipe(llava, tmp_path / "else", trackers=("wandbb",)))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_is_a_setting(llava: Path, tmp_path: Path, attention: str) -> None:
    model, _ = load_student(recipe(llava, tmp_path / "out", attention=attention))
    assert model.config._attn_implementation == attention


def test_attention_that_is_not_installed_is_one_line(llava: Path, tmp_path: Path) -> None:
    wanted = recipe(llava, tmp_path / "out", attention="flash_attention_2")
    with pytest.raises(ConfigError, match=r"(?i)flash"):
        load_student(wanted)


def test_older_trainings_may_be_resumed(llava: Path, tmp_path: Path) -> None:
    first = recipe(llava, tmp_path / "out", max_steps=1)
    report = fine_tune(first)
    begun = json.loads((first.out / "recipe.json").read_text())
    assert not {"keep", "validation", "trackers", "attention"} & begun.keys()
    assert fine_tune(first.model_copy(update={"resume": True})) == report


@pytest.mark.parametrize(
    "line", ["[1]", '{"loss": 1}', "{", "[" * 10**5], ids=["list", "no step", "torn", "deep"]
)
def test_a_log_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path, line: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(f'{{"step": 1}}\n{line}\n')
    with pytest.raises(ConfigError, match=r"log\.jsonl cannot be read: "):
        sft._forget_after(log, 1)
