"""CLIPScore and PickScore, with a tiny model of the same class and random weights."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from pydantic import JsonValue

from rr_refine.component import notice_of
from rr_refine.errors import ConfigError, CriticError, MissingExtraError
from rr_refine.plugins import create
from rr_refine.reward.clip import ClipReward, clipscore, pickscore
from rr_refine.reward.contract import CriticContract
from rr_refine.reward.critic import Critic, CritiqueRequest
from rr_refine.reward.scalar import RewardCritic, Scored, critic_of
from tests.reward.tiny_clip import build_tiny_clip
from tests.reward.tiny_llava import build_tiny_llava

PROMPTS = ("a red cube", "two dogs on a very long bench", "x", "blue")
PICTURES = [Image.new("RGB", (40, 24), name) for name in ("red", "blue", "white", "black")]
MAKERS = {"clipscore": clipscore, "pickscore": pickscore}
WIDE: dict[str, JsonValue] = {"scale": [-100, 100]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_clip(tmp_path_factory.mktemp("clip"))


def make(model: Path, kind: str = "clipscore", /, **options: JsonValue) -> ClipReward:
    given: dict[str, JsonValue] = {"device": "cpu", "local_files_only": True, "processor": None}
    return MAKERS[kind](model=str(model), **given | options)


def requests() -> list[CritiqueRequest]:
    return [CritiqueRequest(p, image) for p, image in zip(PROMPTS, PICTURES, strict=True)]


def logits(model: Path) -> torch.Tensor:
    """What the model itself says of each pair: exp(logit_scale) cos."""
    from transformers import CLIPModel, CLIPProcessor

    processor: Any = CLIPProcessor.from_pretrained(model)
    loaded: Any = CLIPModel.from_pretrained(model)
    clip = loaded.eval()
    inputs = processor(text=list(PROMPTS), images=PICTURES, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return torch.as_tensor(clip(**inputs).logits_per_image.diag())


async def scores(reward: ClipReward) -> list[Scored]:
    return [await reward.score(request) for request in requests()]


class TestClipScore(CriticContract):
    tasks = ("t2i",)
    kind = "clipscore"

    @pytest.fixture(autouse=True)
    def _model(self, model: Path) -> None:
        self.model = model

    def make_critic(self) -> Critic:
        return RewardCritic(make(self.model, self.kind))


class TestPickScore(TestClipScore):
    kind = "pickscore"


async def test_pickscore_is_the_scaled_cosine_in_parts_of_26(model: Path) -> None:
    found = await scores(make(model, "pickscore"))
    assert [one.value for one in found] == pytest.approx((logits(model) / 26).clamp(0, 1).tolist())


async def test_clipscore_is_two_and_a_half_cosines(model: Path) -> None:
    """Hessel et al. 2021: w = 2.5; torchmetrics' 100 max(cos, 0) is 40 times that."""
    from transformers import CLIPModel

    scale = CLIPModel.from_pretrained(model).logit_scale.detach().exp()
    expected = 2.5 * (logits(model) / scale).clamp(min=0)
    found = await scores(make(model))
    assert [one.value for one in found] == pytest.approx(expected.clamp(max=1).tolist(), abs=1e-6)
    assert len({one.value for one in found}) > 2
    raw, cosine = (float(part.split(" ")[1]) for part in found[0].text.split(", "))
    assert found[0].text.startswith("clipscore ") and raw == pytest.approx(2.5 * cosine, abs=1e-5)


@pytest.mark.parametrize("kind", list(MAKERS))
async def test_a_batch_equals_single_calls_and_repeats(model: Path, kind: str) -> None:
    single = await scores(make(model, kind, batch=1, **WIDE))
    reward = make(model, kind, batch=4, **WIDE)
    for _ in range(2):
        together = await asyncio.gather(*(reward.score(request) for request in requests()))
        assert [one.value for one in together] == pytest.approx(
            [one.value for one in single], abs=1e-6
        )


async def test_calls_made_at_once_share_a_call_of_the_model(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import CLIPModel

    rows: list[int] = []
    real: Any = CLIPModel.forward

    def forward(self: Any, **inputs: Any) -> object:
        rows.append(len(inputs["input_ids"]))
        if rows[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, **inputs)

    monkeypatch.setattr(CLIPModel, "forward", forward)
    reward = make(model, batch=8)
    await asyncio.gather(*(reward.score(request) for request in requests()))
    assert rows == [4, 2, 2]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
async def test_half_precision_is_near(model: Path, dtype: str) -> None:
    whole = await scores(make(model, **WIDE))
    half = await scores(make(model, **WIDE, dtype=dtype))
    values = [one.value for one in half]
    assert values == pytest.approx([one.value for one in whole], abs=5e-4)  # of a range of 200
    assert values != [one.value for one in whole]


async def test_what_is_outside_of_the_scale_is_cut_and_said(model: Path) -> None:
    (plain, *_) = await scores(make(model, "pickscore", scale=[-50, 50]))
    raw = plain.value * 100 - 50
    (high, *_) = await scores(make(model, "pickscore", scale=[raw - 2, raw - 1]))
    (low, *_) = await scores(make(model, "pickscore", scale=[raw + 1, raw + 2]))
    assert (low.value, high.value) == (0.0, 1.0) and not plain.usage.notices
    for found, counts in ((low, "0"), (high, "1")):
        (notice,) = found.usage.notices
        assert notice.startswith(f"pickscore {raw:.4g} is outside of critic.scale = [")
        assert notice.endswith(f"and counts as {counts}")


async def test_a_request_that_is_too_long_is_said(model: Path) -> None:
    reward = make(model)
    (notice,) = (await reward.score(CritiqueRequest("y" * 100, PICTURES[0]))).usage.notices
    assert "clipscore read 75 of the 100 tokens of the request" in notice
    whole = await reward.score(CritiqueRequest("y" * 75, PICTURES[0]))
    assert not any("tokens" in told for told in whole.usage.notices)


async def test_an_edit_is_refused(model: Path) -> None:
    with pytest.raises(CriticError, match="clipscore compares a picture with its description"):
        await make(model).score(CritiqueRequest("make it blue", PICTURES[0], PICTURES[1]))


async def test_what_is_not_there_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Even for local files only, the hub's client asks for a list of agents of its own.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("nobody/no-such-clip", str(tmp_path / "none")):
        with pytest.raises(
            ConfigError, match=r"critic\.model = .*the folder or hub id of a CLIP.*"
        ):
            await make(Path(name)).score(requests()[0])


async def test_a_model_of_another_kind_is_no_clip(tmp_path: Path) -> None:
    """transformers would make up all of its weights, with a warning in a log."""
    with pytest.raises(ConfigError, match="it is of the type 'llava', not 'clip'"):
        await make(build_tiny_llava(tmp_path)).score(requests()[0])


async def test_weights_that_lack_are_an_error_and_pickles_are_not_loaded(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = build_tiny_clip(tmp_path)
    file = folder / "model.safetensors"
    weights = load_file(file)
    part = {name: weight for name, weight in weights.items() if name != "text_projection.weight"}
    save_file(part, file, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks 1 weights, such as 'text_projection\.weight'"):
        await make(folder).score(requests()[0])
    file.unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"cannot be loaded: .*safetensors"):
        await make(folder).score(requests()[0])


async def test_code_beside_a_model_is_not_run(tmp_path: Path) -> None:
    folder = build_tiny_clip(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    await make(folder).score(requests()[0])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", list(MAKERS))
def test_the_plugin_door(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    critic = critic_of(kind, create("critics", kind, {"revision": "abc"}))
    assert isinstance(critic, RewardCritic) and "without reasons" in (notice_of(critic) or "")
    assert critic.identity.kind == kind and critic.identity.details["revision"] == "abc"
    with pytest.raises(ConfigError, match="did you mean 'model'"):
        create("critics", kind, {"modle": "x"})
    with pytest.raises(ConfigError, match=r"critic\.scale = \[1\.0, 1\.0\] must rise"):
        create("critics", kind, {"scale": [1, 1]})
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "rr_refine.reward.local_model.find_spec",
        lambda name: None if name == "transformers" else find(name),
    )
    with pytest.raises(MissingExtraError, match=rf"'{kind}'.*pip install 'rr-refine\[local\]'"):
        create("critics", kind, {})
