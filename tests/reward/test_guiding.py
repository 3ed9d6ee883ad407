"""Guided decoding in this process: a model of random weights writes answers that are read."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.errors import ConfigError, CriticTruncated, MissingExtraError
from rr_refine.reward.answer_form import answer_form
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.transformers import TransformersCritic, create
from rr_refine.terms import dimensions_of
from tests.reward.tiny_llava import build_tiny_llava

pytest.importorskip("torch")

RED, GREEN = (Image.new("RGB", (40, 24), colour) for colour in ("red", "green"))
CAT = CritiqueRequest("a cat", RED)
HAT = CritiqueRequest("a hat", RED, GREEN)


@pytest.fixture(scope="module")
def babbler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that writes bytes at random."""
    return build_tiny_llava(tmp_path_factory.mktemp("babbler"), ends=None)


def make(model: Path, **options: JsonValue) -> TransformersCritic:
    given: dict[str, JsonValue] = {
        **{"device": "cpu", "local_files_only": True, "temperature": 0, "repair": False},
        **{"max_tokens": 700, "guided": True, "batch": 4},
    }
    return create(model=str(model), **given | options)


async def test_random_bytes_become_judgements_that_say_what_was_done(babbler: Path) -> None:
    critic = make(babbler)
    cat, hat, compared = await asyncio.gather(
        critic.critique(CAT),
        critic.critique(HAT),
        critic.compare(ComparisonRequest("a cat", RED, GREEN)),
    )
    for judged, asked in ((cat, CAT), (hat, HAT)):
        (critique,) = judged.critiques
        assert tuple(critique.scores) == dimensions_of(asked.task)
        assert critique.guided
        steered, cut = judged.usage.notices
        assert "left the form of answers" in steered
        assert "cut at its bound" in cut
    assert compared.forward.guided
    assert answer_form("t2i", pairwise=True).read(compared.forward.raw) is not None


async def test_each_sample_keeps_to_the_form(babbler: Path) -> None:
    judged = await make(babbler, samples=3, temperature=1.5).critique(CAT)
    assert len(judged.critiques) == 3
    assert not judged.failures
    assert len({critique.raw for critique in judged.critiques}) > 1


async def test_a_limit_that_holds_no_answer_cuts_it_off_all_the_same(babbler: Path) -> None:
    with pytest.raises(CriticTruncated):
        await make(babbler, max_tokens=40).critique(CAT)


async def test_a_model_that_cannot_end_cannot_be_guided(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"critic\.guided cannot be used .* no token"):
        await make(build_tiny_llava(tmp_path)).critique(CAT)


def test_it_is_off_by_default_and_in_the_identity(babbler: Path) -> None:
    assert make(babbler).identity.details["guided"] is True
    assert "guided" not in make(babbler, guided=False).identity.details
    assert "guided" not in create(model=str(babbler)).identity.details


def test_without_its_library_it_says_what_to_install(
    babbler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "rr_refine.reward.local_model.find_spec",
        lambda name: None if name == "llguidance" else find(name),
    )
    with pytest.raises(MissingExtraError, match="local"):
        make(babbler)
    make(babbler, guided=False)
