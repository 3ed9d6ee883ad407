"""A model hub that answers at first, and then says nothing, or next to nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants, errors, hf_api, hf_hub_download
from PIL import Image

from rr_refine import hub
from rr_refine.errors import ConfigError
from rr_refine.hub import hub_that_answers
from rr_refine.reward.clip import clipscore
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.training.parrot.student import merge_adapter
from tests.reward.tiny_clip import build_tiny_clip
from tests.test_hub import TEMPLATE

COMMIT = "0" * 40


class Hub(ThreadingHTTPServer):
    """What it does with a file, by its name: all other names are answered."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.over = threading.Event()
        self.silent = {"silent.json"}
        self.mute = False
        self.tag: str | None = None
        self.asked: list[str] = []


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        name = self.path.rpartition("/")[2]
        self.server.asked.append(name)
        if self.server.mute or name in self.server.silent:
            self.server.over.wait(60)
            return
        self.send_response(200)
        self.send_header("ETag", self.server.tag or f'"{name}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "600")
        self.end_headers()

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.do_HEAD()
        if name in self.server.silent:
            return
        for _ in range(600):
            if name == "drip.bin" and self.server.over.wait(0.1):
                return
            try:
                self.wfile.write(b" ")
            except OSError:
                return

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(hub, "_PATIENCE", 0.6)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    with Hub() as server:
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        # Both were made with the address of before.
        monkeypatch.setattr(hf_api.api, "endpoint", address)
        monkeypatch.setattr("transformers.utils.hub._hf_api", None)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + TEMPLATE)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def fetch(name: str, cache: Path) -> Path:
    return Path(hf_hub_download("foo/bar", name, cache_dir=cache))


@pytest.mark.parametrize("name", ["silent.json", "drip.bin"])
def test_it_is_given_up_after_the_first_file(server: Hub, tmp_path: Path, name: str) -> None:
    start = time.monotonic()
    with hub_that_answers():
        assert fetch("config.json", tmp_path).read_bytes() == b" " * 600
    told = pytest.raises(errors.LocalEntryNotFoundError, match=r"gave no answer for 0\.6 s")
    with told, hub_that_answers():
        fetch(name, tmp_path)
    assert time.monotonic() - start < 20
    assert server.asked.count(name) <= 3


@pytest.mark.parametrize(
    "tag", ['"{}/written"', '"../../../written"', 'W/"../written"', '".."', '"..\\\\written"']
)
def test_a_hub_does_not_say_where_to_write(server: Hub, tmp_path: Path, tag: str) -> None:
    """The library takes the tag of a file for its name in the cache."""
    server.tag = tag.format(tmp_path)
    with pytest.raises(errors.LocalEntryNotFoundError), hub_that_answers():
        fetch("config.json", tmp_path / "hub")
    assert not [path for path in tmp_path.rglob("*") if "written" in path.name]
    server.tag = None
    with hub_that_answers():
        assert fetch("config.json", tmp_path / "hub").is_file()


def test_what_is_in_the_cache_is_found(server: Hub, tmp_path: Path) -> None:
    first = fetch("config.json", tmp_path)
    server.silent.add("config.json")
    with hub_that_answers():
        assert fetch("config.json", tmp_path) == first


def test_one_that_answers_is_waited_for(server: Hub, tmp_path: Path) -> None:
    with hub_that_answers():
        fetch("config.json", tmp_path)
        time.sleep(0.8)  # a model is being put together meanwhile
        fetch("model.json", tmp_path)
    server.silent.add("other.json")
    with pytest.raises(errors.LocalEntryNotFoundError), hub_that_answers():
        fetch("other.json", tmp_path)
    server.silent.clear()
    with hub_that_answers():  # the next load begins anew
        fetch("other.json", tmp_path)


async def test_the_processor_of_a_clip_model(server: Hub, tmp_path: Path) -> None:
    server.mute = True
    folder = build_tiny_clip(tmp_path / "clip")
    start = time.monotonic()
    with pytest.raises(ConfigError, match=r"gave no answer for 0\.6 s"):
        await clipscore(model=str(folder), processor="foo/bar").score(
            CritiqueRequest("a cat", Image.new("RGB", (32, 32)))
        )
    assert time.monotonic() - start < 60


def test_the_model_below_an_adapter(server: Hub, tmp_path: Path) -> None:
    server.mute = True
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    told = {"peft_type": "LORA", "base_model_name_or_path": "foo/bar"}
    (adapter / "adapter_config.json").write_text(json.dumps(told))
    (adapter / "adapter_model.safetensors").touch()
    start = time.monotonic()
    with pytest.raises(ConfigError, match=r"gave no answer for 0\.6 s"):
        merge_adapter(adapter, tmp_path / "merged")
    assert time.monotonic() - start < 20
