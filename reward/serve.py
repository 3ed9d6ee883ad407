"""Start a vLLM server for a critic, watch it, and leave no process behind.

async with serve("TIGER-Lab/RationalRewards-8B-T2I", ServeOptions()) as server:
    critic = OpenAICritic(OpenAICriticOptions(base_url=server.url))
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import tempfile
from asyncio.subprocess import DEVNULL, STDOUT, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field

from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError, CriticUnavailable
from rr_refine.hub import local_name, require_files
from rr_refine.reward.model_hub import is_cached, why_silent
from rr_refine.reward.vllm_command import VllmCommand, find_vllm
from rr_refine.reward.vllm_faults import explain_exit, log_lines, work_lines
from rr_refine.terms import Given

__all__ = ["ServeOptions", "VllmServer", "serve", "serve_arguments"]

_POLL_S: Final = 0.5
_PICKLES: Final = (".bin", ".pt", ".pth")
_SWEEPS: Final = 200
_HUB_AFTER_S: Final = 10.0
_HUB_TIMEOUT_S: Final = 10.0
"""A server that is not up after so many seconds may be waiting for its hub, which is asked then."""


class ServeOptions(Given):
    """How a critic is served. The defaults are what the released critics' authors publish."""

    executable: str | None = None
    """A `vllm` command, the folder of a virtual environment, or its Python; None looks around, see
    `find_vllm`."""
    host: str = "127.0.0.1"
    """The address to listen on. The default is this machine only, as the server asks nobody for a
    key; `0.0.0.0` is every network this machine is in."""
    port: int = Field(default=6868, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    served_model_name: str | None = None
    """The name that clients see; None is the model as it was given."""
    max_model_len: int = Field(default=40960, gt=0)
    """Tokens of a request and its answer together. More takes more memory."""
    images_per_prompt: int = Field(default=16, ge=1)
    """Images that one request may hold. Videos are always refused, which saves memory."""
    gpu_memory_utilization: float = Field(default=0.8, gt=0, le=1)
    """The part of each GPU's memory that vLLM takes, for weights and cache together."""
    data_parallel_size: int = Field(default=1, ge=1)
    """Copies of the model, each on GPUs of its own (published: 8)."""
    tensor_parallel_size: int = Field(default=1, ge=1)
    """GPUs that share one copy of the model."""
    dtype: str = "auto"
    """The weights' type; `auto` is the checkpoint's own (bfloat16 for the released critics)."""
    enforce_eager: bool = False
    """Start sooner and answer more slowly: nothing is compiled, no CUDA graphs are recorded."""
    sleep_mode: bool = False
    """Let clients put the server to sleep (`/sleep`) to free the GPU for training. Switches the
    cache of processed images off: after a sleep it may answer for another image."""
    extra_arguments: tuple[str, ...] = ()
    """Further arguments of `vllm serve`, as they are."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Environment variables for the server, on top of this process's own."""
    log: Path | None = None
    """The file that the server's output goes to, overwritten; None makes one among the temporary
    files, which stays."""
    start_timeout: float = Field(default=3600.0, gt=0)
    """Seconds until the first answer; the first start downloads 17 GB."""
    stop_timeout: float = Field(default=30.0, gt=0)
    """Seconds to wait for its end after each signal, SIGINT then SIGTERM; then it is killed."""


@dataclass(frozen=True, slots=True)
class VllmServer:
    """A server that is up."""

    url: str
    """The root of its API, as `OpenAICriticOptions.base_url` wants it."""
    model: str
    """The name that the model is served by."""
    pid: int
    """Its process id, and the id of the process group that its workers are in."""
    log: Path
    """Where its output goes."""
    _process: Process

    async def wait(self) -> int:
        """Return its exit code once it has ended: negative for a signal."""
        return await self._process.wait()


def serve_arguments(model: str, options: ServeOptions) -> list[str]:
    """What follows the model's name on the command line.

    Raises:
        ConfigError: `extra_arguments` sets what an option sets.
    """
    arguments = {
        "--host": options.host,
        "--port": str(options.port),
        "--served-model-name": options.served_model_name or model,
        "--max-model-len": str(options.max_model_len),
        "--limit-mm-per-prompt": json.dumps({"image": options.images_per_prompt, "video": 0}),
        "--gpu-memory-utilization": str(options.gpu_memory_utilization),
        "--data-parallel-size": str(options.data_parallel_size),
        "--tensor-parallel-size": str(options.tensor_parallel_size),
        "--dtype": options.dtype,
    }
    switches = ["--enforce-eager"] if options.enforce_eager else []
    if options.sleep_mode:
        switches.append("--enable-sleep-mode")
        arguments["--mm-processor-cache-gb"] = "0"
    taken = {*arguments, "--enforce-eager", "--enable-sleep-mode"}
    for extra in options.extra_arguments:
        name = extra.partition("=")[0].replace("_", "-")
        if name in taken:
            raise ConfigError(f"extra argument {extra!r}: use the option for {name!r} instead")
    pairs = [word for pair in arguments.items() for word in pair]
    return [*pairs, *switches, *options.extra_arguments]


@asynccontextmanager
async def serve(
    model: str,
    options: ServeOptions,
    *,
    on_found: Callable[[VllmCommand], None] | None = None,
    on_wait: Callable[[float, str], None] | None = None,
) -> AsyncIterator[VllmServer]:
    """Start a server, give it once it answers, and end it and its workers on the way out.

    Args:
        model: a hub id or a folder.
        options: where vLLM is, and how it serves.
        on_found: called with the command that was found, before it is started.
        on_wait: called about twice a second until the server answers, with the seconds gone by
            and the latest line of its log.

    Raises:
        ConfigError: vLLM is not there, the port is taken, the model does not exist, or another of
            the user's settings keeps the server from starting.
        CriticUnavailable: the server ended, or did not answer in time, for another reason.
    """
    path = _local_path(model)
    command = await asyncio.to_thread(find_vllm, options.executable)
    if on_found is not None:
        on_found(command)
    options = options.model_copy(update={"port": _free_port(options.host, options.port)})
    line = command.serve(path, serve_arguments(model, options))
    log = _new_log(options.log)
    # A folder `vllm` in the current one must not be imported in vLLM's place.
    environment = {**os.environ, "PYTHONSAFEPATH": "1", **options.environment}
    if options.sleep_mode:
        environment["VLLM_SERVER_DEV_MODE"] = "1"  # without it there is no /sleep
    # A job in the background of a script ignores SIGINT, and what it starts inherits that.
    deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signals = (signal.SIGTERM,) if deaf else (signal.SIGINT, signal.SIGTERM)
    # A session of its own: a Ctrl-C at the terminal reaches us alone, and one signal reaches the
    # server together with its workers.
    why = f"vLLM's command {line[0]!r} cannot be started"
    with raised_as(ConfigError, why), log.open("wb") as output:
        process = await create_subprocess_exec(
            *line,
            stdin=DEVNULL,
            stdout=output,
            stderr=STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        host = _reachable(options.host)
        await _until_healthy(process, model, host, log, options, on_wait)
        address = f"[{host}]" if ":" in host else host
        yield VllmServer(
            url=f"http://{address}:{options.port}/v1",
            model=options.served_model_name or model,
            pid=process.pid,
            log=log,
            _process=process,
        )
    finally:
        await _stop(process, signals, options.stop_timeout)


def _local_path(model: str) -> str:
    """The model as vLLM wants it: a hub id as it is, a folder without `~`, which is looked at."""
    name = local_name(model)
    if not Path(name).exists() and model.startswith(("/", "./", "../", "~")):
        raise ConfigError(f"the model folder {model!r} does not exist")
    with raised_as(
        ConfigError, f"the model folder {model!r} cannot be served", OSError, ValueError
    ):
        require_files(name)
    others = [path.name for kind in _PICKLES for path in Path(name).glob(f"*{kind}")]
    if others and not any(Path(name).glob("*.safetensors")):  # which vLLM prefers
        raise ConfigError(
            f"the model folder {model!r} has weights as {others[0]!r} only, which can run code: "
            "save them as safetensors"
        )
    return name


def _free_port(host: str, port: int) -> int:
    """`port` if it can be listened on; for 0, one that can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as claimed:
            number: int = claimed.getsockname()[1]
            return number
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host!r} port {port}: {error.strerror or error}; "
            "end what uses the port, or choose another one"
        ) from error


def _reachable(host: str) -> str:
    """The address under which a listener on `host` can be asked from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _new_log(path: Path | None) -> Path:
    try:
        if path is None:
            handle, name = tempfile.mkstemp(prefix="rr-refine-vllm-", suffix=".log")
            os.close(handle)
            return Path(name)
        path.touch()
    except OSError as error:
        raise ConfigError(f"the log {str(path)!r} cannot be written: {error.strerror}") from error
    return path


async def _until_healthy(
    process: Process,
    model: str,
    host: str,
    log: Path,
    options: ServeOptions,
    on_wait: Callable[[float, str], None] | None,
) -> None:
    loop = asyncio.get_running_loop()
    environment = {**os.environ, **options.environment}
    asked = is_cached(model, environment)
    started = loop.time()
    while not await _is_healthy(host, options.port):
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL_S):
                raise explain_exit(model, await process.wait(), log)
        waited = loop.time() - started
        latest = "".join(log_lines(log)[-1:])
        if not asked and waited > _HUB_AFTER_S:
            asked = True
            before = work_lines(log)
            why = await asyncio.to_thread(why_silent, model, environment, _HUB_TIMEOUT_S)
            if why is not None:
                # A container may have a hub or a cache of its own.
                await asyncio.sleep(_HUB_AFTER_S)
                if work_lines(log) == before and process.returncode is None:
                    raise CriticUnavailable(
                        f"vLLM could not serve {model!r}: the model is not on this machine and its "
                        f"hub does not answer ({why}); download it first, or give a local folder. "
                        f"Its log: {log}"
                    )
        if waited > options.start_timeout:
            raise CriticUnavailable(
                f"vLLM did not answer within {options.start_timeout:g} s of its start; if it is "
                f"only slow, raise start_timeout. The end of its log, {log}, is {latest[:300]!r}"
            )
        if on_wait is not None:
            on_wait(waited, latest)


async def _is_healthy(host: str, port: int) -> bool:
    """Ask `/health`, which vLLM answers with 200 once the model is loaded."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                request = f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.split()[1:2] == [b"200"]


async def _stop(process: Process, signals: Sequence[int], patience: float) -> None:
    """End the process group: these signals, one after another, and SIGKILL for what is left.

    A cancellation while waiting, such as a second Ctrl-C, goes straight to SIGKILL.
    """
    try:
        for number in signals:
            if process.returncode is None:
                _signal_group(process, number)
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await process.wait()
    finally:
        # The server may have gone before its workers, which hold the GPU: wait for them as well.
        _signal_group(process, signal.SIGKILL)
        await process.wait()
        for _ in range(_SWEEPS):
            if not _signal_group(process, 0):
                break
            await asyncio.sleep(0.05)


def _signal_group(process: Process, number: int) -> bool:
    """Send a signal to the server and its workers; False if none of them is left."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
