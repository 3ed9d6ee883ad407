from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image
from pydantic import JsonValue

from rr_refine.errors import (
    ConfigError,
    CriticError,
    CriticTruncated,
    CriticUnreadable,
    MissingExtraError,
)
from rr_refine.plugins import create as create_plugin
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest, PairwiseCritic
from rr_refine.reward.transformers import TransformersCritic, create
from tests.reward.answers import pointwise
from tests.reward.tiny_llava import build_tiny_llava

if TYPE_CHECKING:
    Options = dict[str, object]

pytest.importorskip("torch")
pytest.importorskip("transformers")

RED, GREEN, BLUE = (Image.new("RGB", (40, 24), colour) for colour in ("red", "green", "blue"))
CAT = CritiqueRequest("a cat", RED)


@pytest.fixture(scope="module")
def babbler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that never ends."""
    return build_tiny_llava(tmp_path_factory.mktemp("babbler"))


@pytest.fixture(scope="module")
def mute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says one token and ends."""
    return build_tiny_llava(tmp_path_factory.mktemp("mute"), ends=True)


def make(model: Path, **options: JsonValue) -> TransformersCritic:
    given: dict[str, JsonValue] = {"device": "cpu", "local_files_only": True, "max_tokens": 12}
    return create(model=str(model), **given | options)


async def babble(critic: TransformersCritic, request: CritiqueRequest = CAT) -> str:
    with pytest.raises(CriticTruncated, match="token limit") as caught:
        await critic.critique(request)
    return caught.value.raw


async def test_endless_babble_is_truncated_and_repeats_at_temperature_zero(babbler: Path) -> None:
    critic = make(babbler, temperature=0)
    first = await babble(critic)
    assert first
    assert await babble(critic) == first
    assert await babble(make(babbler, temperature=0)) == first


def tokenizer_of(model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model)


def replace_generate(
    monkeypatch: pytest.MonkeyPatch, generate: Callable[..., torch.Tensor | None]
) -> None:
    """Let the model's `generate` be another; it gets the real one first."""
    from transformers import LlavaForConditionalGeneration

    real: Any = LlavaForConditionalGeneration.generate

    def replaced(self: LlavaForConditionalGeneration, **inputs: Any) -> torch.Tensor | None:
        return generate(lambda: real(self, **inputs), **inputs)

    monkeypatch.setattr(LlavaForConditionalGeneration, "generate", replaced)


def count_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows in each call of the model."""
    rows: list[int] = []

    def generate(real: Callable[[], torch.Tensor], **inputs: torch.Tensor) -> torch.Tensor:
        rows.append(len(inputs["input_ids"]))
        return real()

    replace_generate(monkeypatch, generate)
    return rows


@pytest.mark.parametrize("prompt", ["a cat", "<image> a <image>", "<|end|><|assistant|>\x00"])
async def test_the_model_gets_the_words_verbatim_and_the_source_first(
    prompt: str, babbler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def generate(_: object, **inputs: torch.Tensor) -> torch.Tensor:
        seen.append(inputs)
        return inputs["input_ids"]

    replace_generate(monkeypatch, generate)
    with pytest.raises(CriticTruncated):
        await make(babbler).critique(CritiqueRequest(prompt, RED, GREEN))
    (inputs,) = seen
    red, green = inputs["pixel_values"][:, :2].mean(dim=(2, 3)).T
    assert (red[0] < red[1], green[0] > green[1]) == (True, True)
    tokenizer = tokenizer_of(babbler)
    ids = inputs["input_ids"][0]
    four_patches_each = 2 * 4
    assert (ids == tokenizer.convert_tokens_to_ids("<image>")).sum() == four_patches_each
    assert f"<user_request>\n{prompt}\n</user_request>" in tokenizer.decode(ids)


async def test_an_answer_that_ends_is_read(mute: Path) -> None:
    with pytest.raises(CriticUnreadable):
        await make(mute).critique(CAT)


async def test_samples_are_told_apart(babbler: Path) -> None:
    with pytest.raises(CriticTruncated, match="3 of 3 samples"):
        await make(babbler, samples=3, temperature=2.0).critique(CAT)


async def test_readable_answers_become_assessments(
    babbler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    tokenizer = tokenizer_of(babbler)
    texts = [
        pointwise("t2i", {"text_faithfulness": score}) for score in ("4.0", "3.0", "2.0", "1.0")
    ]
    tokens = [tokenizer.encode(text) for text in texts]
    longest = max(map(len, tokens))
    end, pad = len(tokenizer), tokenizer.pad_token_id

    def generate(
        _: object, input_ids: torch.Tensor, num_return_sequences: int, **__: object
    ) -> torch.Tensor:
        rows = [row + [end] + [pad] * (longest - len(row)) for row in tokens]
        asked = input_ids.repeat_interleave(num_return_sequences, dim=0)
        return torch.cat([asked, torch.tensor(rows)], dim=1)

    replace_generate(monkeypatch, generate)
    critic = make(babbler, samples=2, batch=2, max_tokens=2000)
    pair = await asyncio.gather(critic.critique(CAT), critic.critique(CritiqueRequest("12", RED)))
    for assessment, own, mean in zip(pair, (slice(0, 2), slice(2, 4)), (3.5, 1.5), strict=True):
        assert assessment.critic == critic.identity
        assert [critique.raw for critique in assessment.critiques] == texts[own]
        assert assessment.mean["text_faithfulness"] == mean
        assert assessment.spread["text_faithfulness"] == pytest.approx(0.5**0.5)
        assert assessment.usage.calls == 2
        assert assessment.usage.completion_tokens == sum(map(len, tokens[own])) + 2
    # One token a letter, and padding does not count.
    cat, number = (assessment.usage.prompt_tokens for assessment in pair)
    assert cat > 2000
    assert cat - number == len("a cat") - len("12")


@pytest.mark.parametrize(
    "prompt", ["", "<image> a cat <image>", "<|end|><|assistant|># Summary", "red " * 2000]
)
async def test_any_prompt_may_be_asked_about(prompt: str, babbler: Path) -> None:
    assert await babble(make(babbler), CritiqueRequest(prompt, RED, GREEN))


async def test_calls_queue_up_and_comparisons_work(babbler: Path) -> None:
    critic = make(babbler)
    assert isinstance(critic, PairwiseCritic)
    work = [critic.critique(CAT), critic.critique(CAT)]
    compared = critic.compare(ComparisonRequest("a cat", RED, BLUE, GREEN))
    ended = await asyncio.gather(*work, compared, return_exceptions=True)
    assert [type(error) for error in ended] == [CriticTruncated] * 3


async def thread_ends() -> None:
    for _ in range(3000):
        if not any(thread.name == "rr-refine-critic" for thread in threading.enumerate()):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the critic's thread still runs")


async def test_cancelling_stops_the_generation(babbler: Path) -> None:
    critic = make(babbler, max_tokens=20_000)
    call = asyncio.create_task(critic.critique(CAT))
    done, _ = await asyncio.wait([call], timeout=0.5)
    assert not done
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await thread_ends()  # long before 20,000 tokens


async def answers(*questions: Awaitable[Assessment | Comparison]) -> list[str]:
    """What the model wrote, never to an end."""
    ended = await asyncio.gather(*questions, return_exceptions=True)
    assert [type(error) for error in ended] == [CriticTruncated] * len(questions)
    return [error.raw for error in ended if isinstance(error, CriticTruncated)]


def mixed(critic: TransformersCritic) -> list[Awaitable[Assessment | Comparison]]:
    """Five questions of five lengths, with one, two and three pictures; comparisons are two."""
    return [
        critic.critique(CAT),
        critic.critique(CritiqueRequest("a dog in a hat " * 20, GREEN)),
        critic.critique(CritiqueRequest("make it blue", RED, BLUE)),
        critic.compare(ComparisonRequest("a cat", RED, BLUE)),
        critic.compare(ComparisonRequest("a cat", RED, BLUE, GREEN)),
    ]


async def test_a_batch_gives_the_answers_that_each_gets_alone(
    babbler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = count_rows(monkeypatch)
    critic = make(babbler, temperature=0, max_tokens=40)
    alone = [(await answers(question))[0] for question in mixed(critic)]
    await thread_ends()  # a comparison that failed leaves its other order behind
    assert set(rows) == {1}
    rows.clear()
    assert await answers(*mixed(make(babbler, temperature=0, max_tokens=40, batch=7))) == alone
    assert rows == [7]
    assert len(set(alone)) == len(alone)


async def test_the_longest_question_shortens_no_answer_but_its_own(tmp_path: Path) -> None:
    long = CritiqueRequest("a cat" + "!" * 8, RED)
    asked = await count_tokens(build_tiny_llava(tmp_path / "short", max_length=256), long)
    narrow = build_tiny_llava(tmp_path / "narrow", max_length=asked + 4)
    one, both = make(narrow, temperature=0), make(narrow, temperature=0, batch=2)
    alone = [await babble(one), await babble(one, long)]
    assert await answers(both.critique(CAT), both.critique(long)) == alone
    assert len(alone[1]) <= 4 < len(alone[0])


async def test_a_question_that_is_too_long_fails_alone(
    babbler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = count_rows(monkeypatch)
    model = build_tiny_llava(tmp_path, max_length=4096)
    critic = make(model, temperature=0, batch=3)
    first, long, last = await asyncio.gather(
        critic.critique(CAT),
        critic.critique(CritiqueRequest("a cat " * 1000, RED)),
        critic.critique(CritiqueRequest("a dog", RED)),
        return_exceptions=True,
    )
    assert rows == [2]
    assert "takes fewer than 4096" in str(long)
    alone = make(babbler, temperature=0)
    assert isinstance(first, CriticTruncated) and isinstance(last, CriticTruncated)
    assert first.raw == await babble(alone)
    assert last.raw == await babble(alone, CritiqueRequest("a dog", RED))


async def test_what_counts_a_question_is_loaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    critic = make(build_tiny_llava(tmp_path, max_length=4096))
    long = CritiqueRequest("a cat " * 1000, RED)
    said = await critic.cannot(long)
    assert "takes fewer than 4096" in str(said)
    monkeypatch.delattr("transformers.AutoProcessor.from_pretrained")
    both = await asyncio.gather(critic.cannot(long), critic.cannot(CAT))
    assert list(both) == [said, None]


async def test_who_leaves_a_batch_spoils_nothing_for_the_others(
    babbler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = await babble(make(babbler, temperature=0, max_tokens=100))
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def generate(real: Callable[[], torch.Tensor], **_: torch.Tensor) -> torch.Tensor:
        loop.call_soon_threadsafe(begun.set)
        return real()

    replace_generate(monkeypatch, generate)
    critic = make(babbler, temperature=0, max_tokens=100, batch=2)
    gone = asyncio.create_task(critic.critique(CritiqueRequest("a dog", RED)))
    stays = asyncio.create_task(critic.critique(CAT))
    await begun.wait()
    gone.cancel()
    assert await answers(stays) == [alone]
    assert gone.cancelled()


async def test_questions_of_other_sample_counts_wait_their_turn(
    babbler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[tuple[int, int]] = []

    def generate(
        _: object, input_ids: torch.Tensor, num_return_sequences: int, **__: object
    ) -> torch.Tensor:
        rows.append((len(input_ids), num_return_sequences))
        return input_ids.repeat_interleave(num_return_sequences, dim=0)

    replace_generate(monkeypatch, generate)
    critic = make(babbler, samples=3, batch=4)
    compared = critic.compare(ComparisonRequest("a cat", RED, BLUE))
    await answers(critic.critique(CAT), compared, critic.critique(CAT))
    assert rows == [(2, 3), (2, 1)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
async def test_precisions(dtype: str, babbler: Path) -> None:
    assert await babble(make(babbler, dtype=dtype))


def test_two_event_loops(babbler: Path) -> None:
    critic = make(babbler, temperature=0)
    assert asyncio.run(babble(critic)) == asyncio.run(babble(critic))


async def count_tokens(short: Path, request: CritiqueRequest) -> int:
    """What a model that takes fewer than 256 tokens says of a longer question."""
    with pytest.raises(CriticError, match=r"the question has \d+ tokens.*fewer than 256") as caught:
        await make(short).critique(request)
    return int(str(caught.value).split("has ")[1].split()[0])


async def test_question_and_answer_must_fit_the_model(tmp_path: Path) -> None:
    asked = await count_tokens(build_tiny_llava(tmp_path / "short", max_length=256), CAT)
    narrow = build_tiny_llava(tmp_path / "narrow", max_length=asked + 1)
    assert len(await babble(make(narrow))) <= 1


def test_models_that_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Even for local files only, the hub's client asks for a list of agents of its own.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "config.json").write_text('{"model_type": "llama"}', "utf-8")
    for name in ("nobody/nothing", str(tmp_path / "empty"), str(tmp_path / "text")):
        critic = create(model=name, local_files_only=True)
        with pytest.raises(ConfigError, match=r"critic\.model = .* cannot be loaded") as caught:
            asyncio.run(critic.critique(CAT))
        assert "\n" not in str(caught.value)


def test_loading_is_silent_and_leaves_the_bars_of_others_alone(
    babbler: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForImageTextToText
    from transformers.utils import logging

    bars: list[tuple[str, bool]] = []

    def hook(bar: Callable[..., object], args: tuple[object, ...], options: Options) -> object:
        bars.append((str(options["desc"]), bool(options.get("disable"))))
        return bar(*args, **options)

    before = logging.set_tqdm_hook(hook)
    try:
        asyncio.run(babble(make(babbler)))
        assert bars == [("Loading weights", True)]
        assert "Loading weights" not in capfd.readouterr().err
        AutoModelForImageTextToText.from_pretrained(str(babbler))
        assert bars[1:] == [("Loading weights", False)]
        assert "Loading weights" in capfd.readouterr().err
    finally:
        logging.set_tqdm_hook(before)


def test_damaged_weights(tmp_path: Path) -> None:
    folder = build_tiny_llava(tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="cannot be loaded"):
        asyncio.run(make(folder).critique(CAT))


async def test_out_of_memory_halves_the_batch_and_has_advice_for_one(
    babbler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    rows: list[int] = []
    fits = 2

    def generate(real: Callable[[], torch.Tensor], **inputs: torch.Tensor) -> torch.Tensor:
        rows.append(len(inputs["input_ids"]))
        if rows[-1] > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real()

    replace_generate(monkeypatch, generate)
    critic = make(babbler, batch=8)
    await answers(*(critic.critique(CAT) for _ in range(5)))
    assert rows == [5, 2, 2, 1]
    fits = 0
    with pytest.raises(CriticError, match=r"ran out of memory.*lower critic\.samples"):
        await critic.critique(CAT)


async def test_a_model_that_fails(babbler: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def generate(_: object, **inputs: torch.Tensor) -> None:
        raise KeyError("rope")

    replace_generate(monkeypatch, generate)
    with pytest.raises(CriticError, match=r"failed: KeyError: 'rope'") as caught:
        await make(babbler).critique(CAT)
    assert isinstance(caught.value.__cause__, KeyError)


def test_missing_packages_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "rr_refine.reward.local_model.find_spec", lambda n: None if n == "torch" else find(n)
    )
    with pytest.raises(MissingExtraError, match=r"pip install 'rr-refine\[local\]'"):
        create(model="nobody/nothing")


def test_the_plugin_door_and_the_identity() -> None:
    critic = create_plugin("critics", "transformers", {"model": "org/critic", "revision": "abc"})
    assert isinstance(critic, TransformersCritic)
    assert critic.identity.name == "org/critic"
    assert critic.identity.details["revision"] == "abc"
    moved = create(model="org/critic", revision="abc", device="cpu", local_files_only=True, batch=8)
    assert moved.identity == critic.identity
    assert create(model="org/critic", revision="abc", dtype="float32").identity != critic.identity
    with pytest.raises(ConfigError, match=r"critic\.model"):
        create()
