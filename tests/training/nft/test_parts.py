"""Recipes, rows and their order, scores as they come, the page."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.errors import ConfigError, CriticError, CriticUnavailable, StoreError
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.terms import Identity
from rr_refine.training.nft.config import builtin_recipes, load_recipe
from rr_refine.training.nft.data import Stream, TrainingPrompt, read_rows
from rr_refine.training.nft.judging import Scorer, TooManyFailures, make_critic
from rr_refine.training.nft.page import chart_of, write_page
from rr_refine.training.nft.rollout import Sampler, Wanted
from rr_refine.training.nft.run import train
from rr_refine.training.nft.trainer import NftTrainer
from tests.training.nft.toy import ColourCritic, recipe, rows, toy

REQUEST = CritiqueRequest("red", Image.new("RGB", (4, 4), (200, 100, 100)))


@pytest.mark.parametrize("name", builtin_recipes())
def test_built_in_recipes_load_and_say_their_family(name: str) -> None:
    assert load_recipe(name).pipeline is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rte": 1.0}, "unknown field 'learning_rte' .did you mean 'learning_rate'"),
        ({"images": 1}, "images = 1: it must be 2 or more"),
        ({"times": [0.001, 1.0]}, r"times = \(0.001, 1.0\) must rise, from 0.02"),
        ({"keep": 999}, "keep = 999 is more than images"),
        ({"guard": "x", "held_out": None, "judge": None}, "guard = 'x' has no effect without"),
    ],
)
def test_a_wrong_recipe_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe("sketch", changes)


def test_a_folder_of_another_recipe_is_refused_and_keys_do_not_get_there(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text(recipe().model_dump_json())
    chosen = recipe(
        critic={"use": "fake"},
        data="tests.training.nft.toy:rows",
        model="x",
        learning_rate=0.5,
    )
    with pytest.raises(ConfigError, match=r"holds a training with model = 'toy', not 'x'"):
        train(chosen, tmp_path)
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(ConfigError, match=r"recipe\.json' cannot be read"):
        train(chosen, tmp_path)
    nested = {"use": "weighted", "rewards": [{"use": "openai", "api_key": "secret"}]}
    for critic in ({"use": "fake", "api_key": "secret"}, nested):
        with pytest.raises(ConfigError, match="critic: secrets such as api_key must not stand in"):
            train(recipe(critic=critic), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def write_rows(file: Path, *rows_: dict[str, object]) -> Path:
    file.parent.mkdir(exist_ok=True)
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows_))
    else:
        pq.write_table(pa.Table.from_pylist([*rows_]), file)
    return file


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_of_the_published_set(tmp_path: Path, suffix: str) -> None:
    """TIGER-Lab/RationalRewards_DiffusionNFT_TrainData has `prompt`, `image_path`, `requirement`,
    of which the last two may be null or left out.
    """
    t2i = write_rows(
        tmp_path / "t2i" / f"train.{suffix}",
        {"prompt": "a cat, 猫", "image_path": None, "requirement": None},
        {"prompt": "a dog", "image_path": "", "requirement": "keep it small"},
    )
    assert read_rows(str(t2i)) == [
        TrainingPrompt(prompt="a cat, 猫"),
        TrainingPrompt(prompt="a dog"),
    ]
    edits = write_rows(
        tmp_path / "edit" / f"train.{suffix}",
        {"prompt": "add a hat", "image_path": "images/a/1.png", "requirement": "only a hat"},
        {"prompt": "add a hat", "image_path": "images/a/2.png"},
    )
    (tmp_path / "edit" / "images" / "a").mkdir(parents=True)
    for number in (1, 2):
        Image.new("RGB", (6, 4), "red").save(tmp_path / f"edit/images/a/{number}.png")
    found = read_rows(str(edits))
    assert [row.prompt for row in found] == ["add a hat"] * 2  # two groups: two pictures
    sizes = [one.size for row in found if (one := row.picture(None)) is not None]
    assert sizes == [(6, 4)] * 2 and found[0].source != found[1].source


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "a cat", "image": "cat.png"},
        {"instruction": "a cat", "source": "cat.png", "id": 7},
        {"prompt": "a cat", "images": "other", "image_path": "cat.png", "requirement": "x"},
        {"prompt": "a cat", "image": ["cat.png"]},
    ],
)
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_of_files(tmp_path: Path, fields: dict[str, object], suffix: str) -> None:
    file = write_rows(tmp_path / f"rows.{suffix}", fields)
    assert read_rows(str(file)) == [TrainingPrompt(prompt="a cat", source=tmp_path / "cat.png")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"prompt": ""}\n', "row 1 of .* has no prompt"),
        ("[1]\n", "row 1 of .* is no object"),
        ('{"prompt": "x", "image": 7}\n', "row 1 of .*: a picture is no path: 7"),
        ('{"prompt": "x", "image": ["a", "b"]}\n', "row 1 of .* has 2 pictures, not one"),
        ("{nonsense\n", "line 1 of .* is no JSON"),
        ("", "holds no rows"),
    ],
)
def test_rows_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_rows(str(tmp_path / "rows.jsonl"))
    with pytest.raises(ConfigError, match=r"there is no data '.*none.jsonl'"):
        read_rows(str(tmp_path / "none.jsonl"))
    with pytest.raises(ConfigError, match="no_rows' holds no rows"):
        read_rows(f"{__name__}:no_rows")
    with pytest.raises(ConfigError, match="gives something else than TrainingPrompt"):
        read_rows(f"{__name__}:no_prompts")


def no_rows() -> list[TrainingPrompt]:
    return []


def no_prompts() -> list[str]:
    return ["a cat"]


@pytest.mark.parametrize(
    "path", ["os:abort", "os:system", "builtins:list", "shutil:rmtree", "string:capwords"]
)
def test_a_path_of_something_else_is_not_called(path: str) -> None:
    with pytest.raises(ConfigError, match=f"'{path}' is no function.* not called"):
        read_rows(path)


def test_equal_words_in_two_rows_are_two_groups() -> None:
    numbers = Stream(3, None).take(9, 1)
    assert numbers == [0, 1, 2]


def test_rows_rest_and_come_again_and_the_place_is_remembered() -> None:
    stream = Stream(4, None)
    assert stream.take(2, 1) == [0, 1]
    stream.rest([2], until=2)
    assert stream.take(2, 2) == [3, 0]
    other = Stream(4, None)
    other.load_state_dict(stream.state_dict())
    assert stream.take(3, 3) == other.take(3, 3) == [1, 2, 3]
    shuffled = Stream(50, 7)
    first, second = shuffled.take(50, 1), shuffled.take(50, 2)
    assert sorted(first) == sorted(second) == list(range(50)) and first != second


def test_failures_are_rows_of_nothing_and_n_a_is_nothing() -> None:
    with Scorer(ColourCritic(faults=1.1), 4, 0.0) as scorer:
        assert np.isnan(scorer.ask([REQUEST] * 3).result()).all()
        assert scorer.failures == {"CriticError": 3} and scorer.last
        scorer.begin()
        assert not scorer.failures and not scorer.last
    with Scorer(ColourCritic(), 4, 0.0) as scorer:
        found = scorer.ask([REQUEST]).result()
    assert 0.5 < found[0, 0] < 1 and np.isnan(found[0, 1:]).all()


def test_so_many_at_once_and_no_more() -> None:
    class Busy(ColourCritic):
        now = most = 0

        async def critique(self, request: CritiqueRequest) -> Any:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.01)
            self.now -= 1
            return await super().critique(request)

    critic = Busy()
    with Scorer(critic, 3, 0.0) as scorer:
        scorer.ask([REQUEST] * 10).result()
    assert critic.most == 3


def test_a_critic_that_sleeps_is_woken_once_when_all_is_drawn() -> None:
    """`critic.sleep_mode`: awake while anybody asks it, asleep while pictures are drawn."""
    story: list[str] = []

    class Sleeper(ColourCritic):
        askers = 0

        async def critique(self, request: CritiqueRequest) -> Any:
            self.askers += 1
            if self.askers == 1:
                story.append("woken")
            await asyncio.sleep(0.01)
            self.askers -= 1
            if not self.askers:
                story.append("asleep")
            return await super().critique(request)

    sampler = Sampler(toy(), {"num_inference_steps": 2}, batch=2)
    wanted = [Wanted(row, number, number) for number, row in enumerate(rows(2))]
    with Scorer(Sleeper(), 100, 0.0) as scorer:
        result = sampler.roll_out(
            wanted, scorer, overlap=False, on_pictures=lambda done, _: story.append(str(done))
        )
    assert story == ["2", "4", "6", "woken", "asleep"] and result.scores.shape == (6, 4)


def test_several_endpoints_share_the_work() -> None:
    options = {"use": "openai", "model": "m"}
    critic = make_critic(options, ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"])
    with pytest.raises(CriticUnavailable, match="all 2 critics failed"):
        asyncio.run(critic.critique(REQUEST))


class Redness:
    """A scalar reward of somebody's own."""

    identity = Identity(kind="toy", name="redness")

    async def score(self, request: CritiqueRequest) -> float:
        return float(np.asarray(request.image)[0, 0, 0]) / 255


def test_a_scalar_reward_is_the_reward() -> None:
    critic = make_critic({"use": f"{__name__}:Redness"})
    with Scorer(critic, 4, 0.0) as scorer:
        found = scorer.ask([REQUEST]).result()
    assert found[0, 0] == pytest.approx(200 / 255) and np.isnan(found[0, 1:]).all()


def test_parts_of_a_reward_are_in_the_log_and_on_the_page(tmp_path: Path) -> None:
    redness: dict[str, JsonValue] = {"use": f"{__name__}:Redness", "name": "red", "weight": 3}
    critic = make_critic({"use": "weighted", "rewards": [redness, {"use": "fake"}]})
    chosen = recipe(groups=3, images=4, epochs=2, device="cpu")
    NftTrainer(toy(), chosen, rows=rows(1), critic=critic, out=tmp_path).run()
    lines = [json.loads(line) for line in (tmp_path / "policy.jsonl").read_text().splitlines()]
    for line in lines:
        mixed = 0.75 * line["part red"] + 0.25 * line["part fake"]
        assert line["reward"] == pytest.approx(mixed, abs=1e-4)
    assert lines[0]["part red"] != lines[1]["part red"]
    page = (tmp_path / "index.html").read_text()
    assert "Training reward by part" in page and f"red {lines[-1]['part red']:.3g}" in page


def test_failures_are_told_in_words(tmp_path: Path) -> None:
    class Edits(ColourCritic):
        async def critique(self, request: CritiqueRequest) -> Any:
            raise CriticError("it judges text-to-image only")

    trainer = NftTrainer(toy(), recipe(), rows=rows(1), critic=Edits(), out=tmp_path)
    with pytest.raises(TooManyFailures, match="the last: it judges text-to-image only"):
        trainer.run()


@pytest.mark.parametrize("use", [None, "nobody", "rr_refine.terms:Usage"])
def test_a_critic_that_is_none(use: object) -> None:
    with pytest.raises(ConfigError):
        make_critic({"use": use})  # type: ignore[dict-item]


def test_the_page_shows_what_there_is_and_loads_nothing(tmp_path: Path) -> None:
    lines = [{"step": n, "reward": 0.5 + n / 10, "kl": 0.01 * n, "failed": 0} for n in (1, 2, 2)]
    (tmp_path / "policy.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    looks = [{"epoch": n, "reward": 0.4, "reward <b>": 0.4, "full <b>": 1} for n in (0, 2)]
    (tmp_path / "held-out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in looks))
    (tmp_path / "recipe.json").write_text(recipe(data="</pre><b>").model_dump_json())
    (tmp_path / "grid").mkdir()
    Image.new("RGB", (8, 4)).save(tmp_path / "grid" / "00002.png")
    ended = write_page(tmp_path, best=2, stopped="all is done").read_text()
    assert "Stopped after epoch 2: all is done; the best is 2." in ended and "2, best" in ended
    page = write_page(tmp_path, best=0).read_text()
    assert ", best" not in page
    assert "Epoch 2 of 25" in page and "held out 0.4" in page and "data:image/png" in page
    assert (
        "<b>" not in page and "://" not in page and page.count("src=") == page.count('src="data:')
    )
    assert "independent judge" not in page and "names no judge" in page
    critic: dict[str, JsonValue] = {"use": "fake"}
    same = recipe(data="</pre><b>", held_out="x", critic=critic, judge=critic)
    (tmp_path / "recipe.json").write_text(same.model_dump_json())
    assert "independent judge" not in write_page(tmp_path, best=0).read_text()
    other = recipe(data="</pre><b>", held_out="x", critic=critic, judge={"use": "fake", "seed": 1})
    (tmp_path / "recipe.json").write_text(other.model_dump_json())
    assert "independent judge" in write_page(tmp_path, best=0).read_text()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("policy.jsonl", "[1]\n", "line 1 is no object with a whole number 'step'"),
        ("policy.jsonl", '{"step": 1}\n{"step": "2"}\n', "line 2 is no object"),
        ("policy.jsonl", '{"step": 1, "reward": "much"}\n', "line 1: 'reward' is no number"),
        ("held-out.jsonl", '{"step": 1}\n', "line 1 is no object with a whole number 'epoch'"),
        ("held-out.jsonl", "[" * 5000 + "]" * 5000 + "\n", "nested"),
        ("recipe.json", "[1, 2]", "it is no object"),
        ("recipe.json", "{", "cannot be read"),
        ("recipe.json", b"\xff\xfe{", "cannot be read"),
    ],
    ids=["list", "text", "curve", "epoch", "deep", "recipe list", "torn recipe", "no text"],
)
def test_a_log_of_another_form_is_an_error_that_names_it(
    tmp_path: Path, name: str, text: str | bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StoreError, match=words) as caught:
        write_page(tmp_path)
    assert name in str(caught.value)


def test_a_chart_of_nothing_is_none_and_of_equals_is_one() -> None:
    assert chart_of("x", "", {"a": []}) is None
    chart = chart_of("x", "", {"a": [(3, 0.0)]})
    assert chart is not None and chart.lines[0].points == "44.0,178.0"
