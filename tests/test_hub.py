"""A model hub that takes connections and says nothing."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from huggingface_hub import constants, errors
from PIL import Image

from rr_refine import hub
from rr_refine.errors import ConfigError
from rr_refine.generators.diffusers import create as diffusers
from rr_refine.generators.generator import RenderRequest
from rr_refine.hub import is_hub_id, require_hub
from rr_refine.retries import without_retries
from rr_refine.reward.clip import clipscore
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.transformers import create as transformers

JUDGED = CritiqueRequest("a cat", Image.new("RGB", (32, 32)))
TEMPLATE = "/{repo_id}/resolve/{revision}/{filename}"


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The only hub there is; gives its socket, where connections wait to be counted."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + TEMPLATE)
        yield server


def connections(server: socket.socket) -> int:
    """How many were made and not counted yet."""
    count = 0
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


@pytest.mark.parametrize("retries", [True, False])
def test_it_is_asked_once(
    silent: socket.socket, monkeypatch: pytest.MonkeyPatch, retries: bool
) -> None:
    monkeypatch.setattr(hub, "_PATIENCE" if retries else "_PATIENCE_ONCE", 0.2)
    with (
        nullcontext() if retries else without_retries(),
        pytest.raises(errors.LocalEntryNotFoundError, match="gave no answer"),
    ):
        require_hub("foo/bar", "config.json", None)
    assert connections(silent) == 1


async def draw() -> object:
    return await diffusers(model="foo/bar").generate(RenderRequest("a cat", 1))


async def judge() -> object:
    return await transformers(model="foo/bar").critique(JUDGED)


async def score() -> object:
    return await clipscore(model="foo/bar").score(JUDGED)


@pytest.mark.parametrize("use", [draw, judge, score])
async def test_no_part_waits_for_it_longer(
    silent: socket.socket, monkeypatch: pytest.MonkeyPatch, use: Callable[[], Awaitable[object]]
) -> None:
    monkeypatch.setattr(hub, "_PATIENCE", 0.2)
    with pytest.raises(ConfigError, match=r"out of reach|gave no answer"):
        await use()
    assert connections(silent) == 1


def test_what_is_in_the_cache_or_a_folder_asks_nobody(
    silent: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "hub" / "models--foo--bar"
    (cached / "snapshots" / "abc").mkdir(parents=True)
    (cached / "snapshots" / "abc" / "config.json").touch()
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    require_hub("foo/bar", "config.json", None)
    require_hub(str(tmp_path), "config.json", None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    require_hub("foo/other", "config.json", None)
    assert connections(silent) == 0


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gpt2", True),
        ("foo/bar.v1", True),
        ("nothere.safetensors", False),
        ("foo/nothere.ckpt", False),
        ("Q4.GGUF", False),
    ],
)
def test_a_file_that_is_not_there_is_no_repository(name: str, meant: bool) -> None:
    assert is_hub_id(name) == meant
