"""What vLLM's log means when the server ends before it answers: one cause, one remedy."""

from __future__ import annotations

import math
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rr_refine.errors import ConfigError, CriticUnavailable, RefineError

__all__ = ["explain_exit", "log_lines", "work_lines"]


@dataclass(frozen=True, slots=True)
class _Cause:
    pattern: str
    what: str
    remedy: str
    """May name groups of the pattern: `{to}`."""
    error: type[RefineError] = ConfigError


_SILENT_HUB: Final = (
    r"thrown while requesting|Retrying in [\d.]+s? \[Retry|ConnectTimeout|NameResolutionError|"
    r"Max retries exceeded|Temporary failure in name resolution"
)
"""What the libraries write while the model hub does not answer; they try again for minutes."""

# The wordings are those of vLLM 0.32, transformers 5.19 and torch 2.13.
_CAUSES: Final = (
    _Cause(
        r"operator torchvision::\w+ does not exist|undefined symbol|_torchaudio|"
        r"Could not load this library",
        "packages of vLLM's environment do not fit together",
        "install vLLM into an empty environment of its own, and torch, torchvision and torchaudio "
        "from one source (all CUDA or all CPU builds)",
    ),
    _Cause(
        r"larger than the available KV.*estimated maximum model length is (?P<to>\d+)",
        "there is too little memory for requests of that length",
        "lower max_model_len to {to}, or raise gpu_memory_utilization (on a CPU build: the share "
        "of main memory)",
        CriticUnavailable,
    ),
    _Cause(
        r"\((?P<free>[\d.]+)/(?P<all>[\d.]+) GiB\).*less than (desired CPU memory|requested memory "
        r"for kv)",
        "there is too little main memory for this CPU build",
        "lower gpu_memory_utilization, which is the share of main memory there, to {share}, or "
        "free memory",
        CriticUnavailable,
    ),
    _Cause(
        r"DefaultCPUAllocator|can't allocate memory|std::bad_alloc|^MemoryError",
        "there is too little main memory for this CPU build",
        "lower max_model_len and gpu_memory_utilization, which is the share of main memory there, "
        "or free memory",
        CriticUnavailable,
    ),
    _Cause(
        r"OutOfMemoryError:|CUDA out of memory|CUDA error: out of memory|Cannot allocate memory|"
        r"No available memory for the cache|larger than the available KV|"
        r"less than (desired GPU|requested) memory",
        "there is too little memory for the model",
        "free the device, lower max_model_len, spread the model with tensor_parallel_size, or "
        "change gpu_memory_utilization",
        CriticUnavailable,
    ),
    _Cause(
        r"max_model_len \(\d+\) is greater than the derived max_model_len "
        r"\((?:\w+=)?(?P<to>\d+)",
        "the model does not take so many tokens",
        "lower max_model_len to {to}",
    ),
    _Cause(
        r"max_model_len \(\d+\) is greater than the derived",
        "the model does not take so many tokens",
        "lower max_model_len",
    ),
    _Cause(
        r"Address already in use",
        "the port was taken while the server started",
        "choose another port",
    ),
    _Cause(
        r"error: (unrecognized arguments|argument|ambiguous option|the following arguments)",
        "this vLLM does not take an argument",
        "check extra_arguments, and that vLLM is 0.32 or newer",
    ),
    _Cause(
        r"Failed to infer device type|No CUDA GPUs are available|Found no NVIDIA driver|"
        r"libcuda\.so\.1: cannot open",
        "vLLM found no device that it was built for",
        "check the driver with nvidia-smi; without a GPU, install a CPU build of vLLM",
    ),
    _Cause(
        r"are not supported for now|does not recognize this architecture",
        "this vLLM does not know the model's architecture",
        "install a newer vLLM (Qwen3-VL needs 0.11 or newer)",
    ),
    _Cause(
        r"GatedRepoError:|Access to model .* is restricted|401 Client Error",
        "the model's page asks for consent or a login",
        "accept its terms and log in with `hf auth login`",
    ),
    _Cause(
        r"Invalid repository ID or local directory|RepositoryNotFoundError:|"
        r"is not a valid model identifier|does not appear to have a file named",
        "there is no such model",
        "check the id or the folder",
    ),
    _Cause(
        _SILENT_HUB
        + r"|LocalEntryNotFoundError:|couldn't connect to|outgoing traffic has been disabled",
        "the model is not on this machine and its hub cannot be reached",
        "download it first, or give a local folder",
        CriticUnavailable,
    ),
)

_STAMP = re.compile(r"^\(\w+ pid=\d+\) |^\w+ \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\] ?")
"""What vLLM puts before a line: the process, then level, date and source."""

_END = 256 * 1024
"""Bytes read from a log's end: all of a start that failed."""


def explain_exit(model: str, code: int, log: Path) -> RefineError:
    """The error for a server of `model` that ended by itself with exit `code`.

    Returns:
        ConfigError where the user's settings or environment are the cause, CriticUnavailable
        otherwise. A cause that is known is told in one line; else the log's last lines follow.
    """
    lines = log_lines(log)
    for cause in _CAUSES:
        for line in lines:
            if found := re.search(cause.pattern, line):
                numbers = found.groupdict()
                if "free" in numbers:  # a tenth of what is free is left to others
                    share = 0.9 * float(numbers["free"]) / float(numbers["all"])
                    numbers["share"] = f"{math.floor(100 * share) / 100:g}"
                remedy = cause.remedy.format(**numbers)
                return cause.error(
                    f"vLLM could not serve {model!r}: {cause.what} ({line[:300]!r}); "
                    f"{remedy}. Its log: {log}"
                )
    tail = "\n".join(f"    {line[:300]}" for line in lines[-12:])
    ended = f"ended with exit code {code}"
    if code < 0:
        ended = f"was ended by {signal.Signals(-code).name}"
    if code == -signal.SIGKILL:
        ended += " (so does a system that runs out of memory)"
    return CriticUnavailable(
        f"vLLM could not serve {model!r}: it {ended} before it answered. "
        f"The end of its log, {log}:\n{tail or '    (empty)'}"
    )


def log_lines(log: Path) -> list[str]:
    """The lines at the end of a log, without the blank ones and without vLLM's stamps."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _END))
        text = file.read().decode(errors="replace")
    lines = (_STAMP.sub("", _STAMP.sub("", line)).strip() for line in text.splitlines())
    return [line for line in lines if line]


def work_lines(log: Path) -> list[str]:
    """The lines of a log that are no complaint about a hub that does not answer."""
    return [line for line in log_lines(log) if not re.search(_SILENT_HUB, line)]
