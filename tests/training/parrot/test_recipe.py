from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.errors import ConfigError
from rr_refine.training.parrot.mixture import open_row, read_mixture
from rr_refine.training.parrot.recipe import DataPart, SftRecipe, builtin_recipes, load_recipe

RELEASED: dict[str, object] = {
    "freeze_tower": True,
    "freeze_projector": True,
    "max_pixels": 802_816,
    "batch": 4,
    "accumulate": 4,
    "learning_rate": 1e-5,
    "weight_decay": 1e-6,
    "epochs": 3.0,
    "warmup": 0.05,
    "precision": "bfloat16",
    "save_every": 800,
    "lora": None,
}
"""rationalrewards_full_sft.yaml of the paper's repository."""


def write_rows(
    file: Path, count: int = 4, *, text: str = "", changes: Mapping[str, object] = {}
) -> DataPart:
    """Rows with one picture and with three, between texts."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        places = 1 + 2 * (number % 2)
        names = [f"{file.stem}-{number}-{i}.png" for i in range(places)]
        content: list[object] = [{"type": "text", "text": f"Request {number}{text}: "}]
        for i, name in enumerate(names):
            Image.new("RGB", (32, 32), (60 * number % 256, 80 * i, 90)).save(file.parent / name)
            content += [{"type": "image"}, {"type": "text", "text": f" is picture {i}. "}]
        answer = [{"type": "text", "text": f"Score: {number % 4}.5"}]
        row: dict[str, object] = {
            "id": f"{file.stem}-{number}",
            "kind": "pairwise" if number % 2 else "pointwise",
            "task": "edit" if number % 2 else "t2i",
            "dataset": "test",
            "prompt": [{"role": "user", "content": content}],
            "completion": [{"role": "assistant", "content": answer}],
            "images": names,
        }
        lines.append(json.dumps(row | dict(changes)))
    file.write_text("".join(f"{line}\n" for line in lines))
    return DataPart(file=file)


def test_the_recipe_for_8b_is_the_released_one() -> None:
    recipe = load_recipe("qwen3-vl-8b").model_dump()
    assert {key: recipe[key] for key in RELEASED} == RELEASED
    defaults = SftRecipe(model="m", data=(DataPart(file=Path("f")),), out=Path("o")).model_dump()
    for key in ("batch", "accumulate", "learning_rate", "weight_decay", "epochs", "warmup"):
        assert defaults[key] == RELEASED[key]


def test_every_recipe_of_the_package_is_valid() -> None:
    assert builtin_recipes() == ["qwen3-vl-8b", "qwen3-vl-8b-lora", "sketch"]
    lora = load_recipe("qwen3-vl-8b-lora").lora
    assert lora is not None
    assert (lora.rank, lora.alpha) == (64, 128)
    assert load_recipe("sketch", {"seed": 3}).seed == 3


@pytest.mark.parametrize(
    ("text", "changes", "says"),
    [
        (None, {}, "there is no recipe .*sketch"),
        ("model = ", {}, "not valid TOML"),
        ("model = 'm'\nlerning_rate = 1", {}, "'lerning_rate'.*did you mean 'learning_rate'"),
        ("model = 'm'", {}, "data is missing"),
        (
            "model = 'm'\nout = 'o'\ndata = [{file = 'f', weight = 0}]",
            {},
            "data.0.weight = 0: it must be above 0",
        ),
        (
            "model = 'm'\nout = 'o'\ndata = [{file = 'f'}]",
            {"batch": 0},
            "batch = 0: it must be 1 or more",
        ),
        (
            "model = 'm'\nout = 'o'\nfreeze_tower = false\ndata = [{file = 'f'}]\n[lora]\nrank = 4",
            {},
            "have no effect with .lora.",
        ),
    ],
)
def test_mistakes_in_a_recipe(
    tmp_path: Path, text: str | None, changes: dict[str, JsonValue], says: str
) -> None:
    file = tmp_path / "recipe.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_recipe(file, changes)


def test_a_mixture_has_each_row_by_its_weight(tmp_path: Path) -> None:
    parts = [
        write_rows(tmp_path / "half.jsonl", 10).model_copy(update={"weight": 0.5}),
        write_rows(tmp_path / "twice.jsonl", 3).model_copy(update={"weight": 2.0}),
    ]
    mixture = read_mixture(parts, (), seed=0)
    seen = [json.loads(row.line)["id"] for row in mixture.rows]
    assert (mixture.distinct, len(seen), mixture.left_out) == (8, 11, 0)
    assert {seen.count(f"twice-{number}") for number in range(3)} == {2}
    assert seen == [json.loads(row.line)["id"] for row in read_mixture(parts, (), 0).rows]
    assert seen != [json.loads(row.line)["id"] for row in read_mixture(parts, (), 1).rows]


def test_pictures_are_found_from_the_export_and_opened_in_order(tmp_path: Path) -> None:
    exported = write_rows(tmp_path / "sft" / "parrot.jsonl", 2)
    for picture in exported.file.parent.glob("*.png"):
        picture.rename(tmp_path / picture.name)
    opened = open_row(read_mixture([exported], (), 0).rows[1])
    images = opened["images"]
    assert isinstance(images, list)
    assert [image.getpixel((0, 0))[1] for image in images] == [0, 80, 160]
    elsewhere = exported.model_copy(update={"pictures": tmp_path / "sft"})
    with pytest.raises(ConfigError, match=r"picture .*missing"):
        read_mixture([elsewhere], (), 0)


def test_rows_that_write_control_tokens_are_left_out(tmp_path: Path) -> None:
    plain = write_rows(tmp_path / "plain.jsonl", 2)
    odd = write_rows(tmp_path / "odd.jsonl", 3, text=" <image> ")
    mixture = read_mixture([plain, odd], ["<image>"], 0)
    assert (len(mixture.rows), mixture.left_out) == (2, 3)
    with pytest.raises(ConfigError, match=r"no rows to train on.*3 hold a control token"):
        read_mixture([odd], ["<image>"], 0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "other"}, "line 1 .*no training row: kind"),
        ({"surprise": 1}, "line 1 .*no training row: there is no field surprise"),
        ({"images": []}, "places for 1 pictures, and names 0"),
        ({"images": ["missing.png"]}, "missing.png.*which is missing"),
    ],
)
def test_broken_rows(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_mixture([write_rows(tmp_path / "rows.jsonl", 1, changes=changes)], (), 0)


def test_missing_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"training data .*missing"):
        read_mixture([DataPart(file=tmp_path / "rows.jsonl")], (), 0)


def test_a_missing_picture_costs_its_rows_only(tmp_path: Path) -> None:
    part = write_rows(tmp_path / "rows.jsonl", 4)
    (tmp_path / "rows-1-2.png").unlink()
    mixture = read_mixture([part], (), 0)
    assert (len(mixture.rows), mixture.lost, mixture.left_out) == (3, 1, 0)


def test_a_validation_set_has_whole_pairs_that_are_not_trained_on(tmp_path: Path) -> None:
    part = write_rows(tmp_path / "rows.jsonl", 60)
    rows = [json.loads(line) for line in part.file.read_text().splitlines()]
    for number, row in enumerate(rows):
        row["id"] = f"pair{number // 3}:AB:0:{number % 3}"
    part.file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    twice = part.model_copy(update={"weight": 2.0})
    found = read_mixture([twice], (), 0, 0.3)
    trained, held = ({row.pair for row in some} for some in (found.rows, found.validation))
    assert not trained & held
    assert len(trained | held) == 20
    assert 2 <= len(held) <= 11
    assert len(found.validation) == 3 * len(held)  # each once
    assert len(found.rows) == 2 * 3 * len(trained)
    assert read_mixture([part], (), 0, 0.3).validation == found.validation
    assert read_mixture([part], (), 1, 0.3).validation != found.validation
    with pytest.raises(ConfigError, match=r"validation = 0.001 takes none"):
        read_mixture([part], (), 0, 0.001)
