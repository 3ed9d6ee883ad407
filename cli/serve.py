"""`rr-refine serve MODEL`: a critic behind vLLM, started, watched and ended cleanly."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rr_refine.cli.exits import DONE, FAILED, INTERRUPTED
from rr_refine.cli.options import Flag
from rr_refine.cli.text import say, short, tell
from rr_refine.plugins import parse_options
from rr_refine.reward.serve import ServeOptions
from rr_refine.reward.serve import serve as serve_model
from rr_refine.reward.vllm_command import VllmCommand

__all__ = ["serve"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServeFlags:
    """`ServeOptions` as options of the command.

    Attributes:
        executable: A vllm command, its environment or that environment's Python; else the
            current environment and the PATH are searched, but not this folder.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        served_model_name: Name that clients see; the model's own by default.
        max_model_len: Tokens of a request and its answer together.
        gpu_memory_utilization: Part of each GPU's memory that vLLM takes.
        data_parallel_size: Copies of the model.
        tensor_parallel_size: GPUs per copy.
        dtype: Type of the weights.
        enforce_eager: Start sooner, but answer more slowly.
        sleep_mode: Let clients free the GPU for a while.
        start_timeout: Seconds until the first answer; a first start downloads the weights.
        log: File for the server's output; a temporary one by default.
        extra_arguments: A further argument of `vllm serve`. May be given more than once.
    """

    executable: Annotated[str | None, Parameter("--vllm")] = None
    host: str = "127.0.0.1"
    port: int = 6868
    served_model_name: str | None = None
    max_model_len: int = 40960
    gpu_memory_utilization: float = 0.8
    data_parallel_size: int = 1
    tensor_parallel_size: int = 1
    dtype: str = "auto"
    enforce_eager: Flag = False
    sleep_mode: Flag = False
    start_timeout: float = 3600.0
    log: Path | None = None
    extra_arguments: Annotated[
        list[str],
        Parameter("--extra", negative=(), allow_leading_hyphen=True, show_default=False),
    ] = field(default_factory=list)


def serve(model: str, /, *, flags: ServeFlags = ServeFlags()) -> int:
    """Serve a critic with vLLM until Ctrl-C; its URL is printed once it answers.

    vLLM pins torch, so it lives in an environment of its own: docs/serving.md has the commands.

    Args:
        model: Hub id or folder, such as TIGER-Lab/RationalRewards-8B-T2I.
    """
    return asyncio.run(_serve(model, parse_options(ServeOptions, asdict(flags), "serve")))


async def _serve(model: str, options: ServeOptions) -> int:
    task = asyncio.current_task()
    assert task is not None
    for sign in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal must not leave vLLM behind
        asyncio.get_running_loop().add_signal_handler(sign, task.cancel)
    try:
        async with serve_model(model, options, on_found=_found, on_wait=_Waiting()) as server:
            tell(f"{server.model} is up; log: {server.log}; Ctrl-C ends it")
            say(server.url)
            code = await server.wait()
            tell(f"error: the server ended with code {code}; see {server.log}")
            return FAILED if code else DONE
    except asyncio.CancelledError:
        tell("stopped")
        return INTERRUPTED


def _found(command: VllmCommand) -> None:
    tell(f"vLLM {command.version or 'of unknown version'}: {' '.join(command.prefix)}")


class _Waiting:
    """Prints every few seconds that the server is still starting, with its log's last line."""

    def __init__(self) -> None:
        self._said = -1.0

    def __call__(self, seconds: float, line: str) -> None:
        if self._said < 0 or seconds - self._said >= 5:
            self._said = seconds
            tell(f"starting, {seconds:.0f} s  {short(line, 100)}")
