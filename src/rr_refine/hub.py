"""Models by name: a folder, whose files are looked at first, or a repository of the hub."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from rr_refine.adapters import require_names
from rr_refine.boundary import without_panics
from rr_refine.errors import ConfigError, RefineError, first_line
from rr_refine.files import MAX_BYTES, parse_json
from rr_refine.local_path import expand_home
from rr_refine.named import read_named
from rr_refine.retries import retries_allowed
from rr_refine.trust import all_settings

if TYPE_CHECKING:
    import httpx2

__all__ = [
    "hub_that_answers",
    "is_hub_id",
    "loaded",
    "local_name",
    "mean_hub",
    "require_files",
    "require_hub",
    "require_meant",
]

_HUB_ID: Final = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_CONFIGS: Final = re.compile(
    r"config.*\.json|(adapter|processor|audio_tokenizer)_config\.json"
    r"|.*\.safetensors\.index.*\.json",
    re.DOTALL,
)
"""Files that name others, or code. A config may have a twin for each version of transformers."""
_WEIGHTS: Final = re.compile(r"[^/\\]+\.safetensors", re.DOTALL)
"""A file of weights beside the one that names it. What ends otherwise is read as a pickle."""
_ELSEWHERE: Final = ("adapters", "prompt_tuning_init_state_dict_path", "tokenizer_name_or_path")
"""Where an adapter names further models, which PEFT loads from anywhere."""
_FILES: Final = (".safetensors", ".ckpt", ".gguf", ".pt", ".pth", ".bin", ".onnx")
"""What a file of weights ends with, and no repository."""
_PATIENCE: Final = 20.0
_PATIENCE_ONCE: Final = 5.0
"""Seconds for an answer, with and without retries."""
_NAMES: Final = ("ETag", "X-Linked-ETag", "X-Repo-Commit")
"""Headers after which the hub's library names files of its cache. It believes them: a path there
would be written to, anywhere."""
_LEAST: Final = 10_000
"""Bytes of a file that must come in that time: what is slower is no download."""


_everywhere: frozenset[str] = frozenset()


def mean_hub(names: Iterable[str]) -> None:
    """Set, in this process, which names hold in every folder, as those of the environment do: the
    folder that we are in may have one of that name, and nobody looked.
    """
    global _everywhere
    _everywhere = frozenset(filter(_HUB_ID.fullmatch, names))


def require_meant(model: str) -> None:
    """See that a name which holds in every folder is none of a folder or file here.

    Raises:
        ConfigError: it is.
    """
    if model in _everywhere and Path(model).exists():
        raise ConfigError(
            f"model {model!r} comes from the environment, your own settings file or a profile, "
            f"which hold in every folder, and {str(Path.cwd())!r} has something of that name: to "
            "take it, name it by a flag or by its whole path; for the hub's, go to another folder"
        )


def is_hub_id(model: str) -> bool:
    """Whether `model` names a hub repository rather than something on disk, there or not."""
    path = Path(model)
    is_file = path.suffix.lower() in _FILES or path.exists()
    return not is_file and _HUB_ID.fullmatch(model) is not None


def local_name(model: str) -> str:
    """A model's name as libraries are to have it: `~` is the home folder for people, and a folder
    that is called so for libraries.

    Raises:
        ConfigError: there is no such home.
    """
    return str(expand_home(model)) if model.startswith("~") else model


def require_files(model: str) -> None:
    """See that a model's folder, if it is one, holds files: libraries wait for a pipe, and read a
    device to no end. Nor may it name code to be fetched for its attention (`org/kernel`), or a
    further model for sounds, or weights that are no safetensors beside the file that names them, or
    hold an adapter that names further models, or searches for modules by patterns without an end,
    or whose weights are no safetensors: transformers applies it. The model that such an adapter is
    for is looked at in the same way.

    Args:
        model: as a library gets it, see `local_name`.

    Raises:
        ConfigError: it is not what its name means, see `require_meant`.
        OSError: it holds something else.
        ValueError: it names code, patterns, a model or other weights, or a config of it is no JSON.
    """
    require_meant(model)
    _look(Path(model), set())


def _look(folder: Path, seen: set[str]) -> None:
    if not folder.is_dir() or os.path.realpath(folder) in seen:
        return
    seen.add(os.path.realpath(folder))
    for path in (*folder.glob("*"), *folder.glob("*/*")):
        if not path.exists():
            continue
        if not (path.is_dir() or stat.S_ISREG(path.stat().st_mode)):
            raise OSError(f"{str(path)!r} is no file")
        if _CONFIGS.fullmatch(path.name) is None:
            continue
        config = parse_json(read_named(path, MAX_BYTES))
        if path.name == "adapter_config.json" and isinstance(config, dict):
            _look_at_adapter(path, config, seen)
        for key, _, value in all_settings({"": config}):
            if "_implementation" in key and isinstance(value, str) and "/" in value:
                raise ValueError(f"{str(path)!r} names code of the hub in {key[1:]}: {value!r:.80}")
            if key.endswith("audio_tokenizer_name_or_path"):
                raise ValueError(f"{str(path)!r} names a further model: {value!r:.80}")
            if key == ".attribute_map" and value:
                raise ValueError(f"{str(path)!r} calls settings by other names: {value!r:.80}")
            named = isinstance(value, str) and value
            if key.endswith(".transformers_weights"):
                named = named and named.removesuffix(".index.json")
            elif not key.startswith(".weight_map."):
                continue
            if value is not None and not (named and _WEIGHTS.fullmatch(named)):
                raise ValueError(
                    f"{str(path)!r} names weights that are no .safetensors file beside it: "
                    f"{value!r:.80}"
                )


def _look_at_adapter(path: Path, config: Mapping[str, JsonValue], seen: set[str]) -> None:
    try:
        require_names(config, simple=True)
    except ValueError as error:
        raise ValueError(f"{str(path)!r} {error}") from None
    for key in filter(config.get, _ELSEWHERE):
        raise ValueError(f"{str(path)!r} names further models in {key}: {config[key]!r:.80}")
    weights = path.with_name("adapter_model.safetensors")
    if not weights.exists() and weights.with_suffix(".bin").exists():
        raise ValueError(f"the adapter beside {str(path)!r} has no {weights.name!r}")
    base = config.get("base_model_name_or_path")
    if isinstance(base, str) and base:
        if Path(base).exists() and not Path(base).is_dir():
            raise ValueError(f"{str(path)!r} is for the model {base!r}, which is no folder")
        _look(Path(base), seen)


def require_hub(repository: str, name: str, revision: str | None) -> None:
    """Ask the hub once for a file that is not in the cache, where a hub is meant at all.

    The hub's client would ask a hub that takes connections and says nothing for minutes.

    Args:
        repository: the model as the user named it.
        name: of a file that every such repository has.
        revision: the commit, tag or branch; None for the newest.

    Raises:
        LocalEntryNotFoundError: no answer within 20 s. Without retries it is 5 s, and every error
            of the connection counts.
        HfHubHTTPError: only without retries, since the download asks again.
    """
    if not is_hub_id(repository):
        return
    import httpx2
    from huggingface_hub import (
        constants,
        errors,
        get_hf_file_metadata,
        hf_hub_url,
        try_to_load_from_cache,
    )

    cached = isinstance(try_to_load_from_cache(repository, name, revision=revision), str)
    if cached or constants.is_offline_mode():
        return
    again = retries_allowed()
    timeout = _PATIENCE if again else _PATIENCE_ONCE
    try:
        get_hf_file_metadata(hf_hub_url(repository, name, revision=revision), timeout=timeout)
    except httpx2.TransportError as error:
        if not again or isinstance(error, httpx2.TimeoutException):
            raise errors.LocalEntryNotFoundError(
                f"the model hub ({constants.ENDPOINT}) gave no answer: {error}"
            ) from error
    except errors.HfHubHTTPError:
        if not again:
            raise


def _is_name(header: str) -> bool:
    """Whether a header of the hub can name a file, and nothing but a file; empty is none."""
    name = header.removeprefix("W/").strip('"')
    return not (set(name) & set("/\\\0") or name.startswith(".") or len(name) > 200)


@contextmanager
def hub_that_answers() -> Iterator[None]:
    """Within it, whatever asks the hub is told that it is offline once the hub has been silent, or
    nearly so, for 20 s (5 s without retries). What is in the cache is found all the same.

    The hub's client by itself waits for minutes, for every file anew, and for ever where a byte
    comes now and then. Large files that it fetches by other means (Xet) are its own affair.

    Raises:
        LocalEntryNotFoundError: something failed within, and the hub was silent.
        RuntimeError: a library in Rust broke down, such as a tokenizer over its damaged file.
    """
    _watch_sessions()
    if not _hub.loads:
        _hub.since, _hub.silent = None, False
    _hub.patience = _PATIENCE if retries_allowed() else _PATIENCE_ONCE
    _hub.loads += 1
    try:
        with without_panics():
            yield
    except Exception as error:
        if not _hub.silent:
            raise
        from huggingface_hub import constants, errors

        raise errors.LocalEntryNotFoundError(
            f"the model hub ({constants.ENDPOINT}) gave no answer for {_hub.patience:g} s"
        ) from error
    finally:
        _hub.loads -= 1


@contextmanager
def loaded(
    key: str, model: str, revision: str | None = None, *, ask: bool = True, needed: str = ""
) -> Iterator[str]:
    """Within it a library loads a model, once its folder was looked at, or the hub gave an answer.
    Gives the name for the library: the very path that was looked at.

    Args:
        key: of the setting that names the model, for people.
        ask: ask the hub for the `config.json` first.
        needed: what the model must be, in a clause.

    Raises:
        ConfigError: it cannot be loaded; a library may raise anything (tokenizers, a bare
            `Exception`).
    """
    try:
        name = local_name(model)
        require_files(name)
        if ask:
            require_hub(name, "config.json", revision)
        with hub_that_answers():
            yield name
    except RefineError:
        raise
    except Exception as error:
        more = f"; it must be {needed}" if needed else ""
        raise ConfigError(
            f"{key} = {model!r} cannot be loaded: {first_line(error)}{more}"
        ) from error


@dataclass(slots=True)
class _Hub:
    """How the hub does, for all loads of this process that are under way."""

    loads: int = 0
    patience: float = _PATIENCE
    since: float | None = None
    """When it was asked what it has not answered yet, on the monotonic clock."""
    silent: bool = False

    def wait(self) -> float:
        """Something is asked, or waited for; gives the seconds that are left.

        Raises:
            OfflineModeIsEnabled: none are. The hub's client tries that no second time.
        """
        now = monotonic()
        if self.since is None:
            self.since = now
        left = self.since + self.patience - now
        if left <= 0:
            from huggingface_hub.errors import OfflineModeIsEnabled

            self.silent = True
            raise OfflineModeIsEnabled(f"the model hub gave no answer for {self.patience:g} s")
        return left


_hub: Final = _Hub()


@cache
def _watch_sessions() -> None:
    """Have all clients of the hub's library, which are made anew after some faults, be watched."""
    import httpx2
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    class Watched(httpx2.SyncByteStream):
        def __init__(self, stream: httpx2.SyncByteStream) -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            got = 0
            for chunk in self._stream:
                got += len(chunk)
                if got >= _LEAST:
                    got, _hub.since = 0, None
                if _hub.loads:
                    _hub.wait()
                yield chunk
            _hub.since = None

        def close(self) -> None:
            self._stream.close()

    def asked(request: httpx2.Request) -> None:
        if _hub.loads:
            left = _hub.wait()
            limits = request.extensions.get("timeout", {})
            request.extensions["timeout"] = {
                kind: left if seconds is None else min(seconds, left)
                for kind, seconds in limits.items()
            }

    def answered(response: httpx2.Response) -> None:
        for name in _NAMES:
            if not _is_name(response.headers.get(name, "")):
                del response.headers[name]  # then it is missing, which is told
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = Watched(response.stream)

    make = _http._GLOBAL_CLIENT_FACTORY

    def watched() -> httpx2.Client:
        client = make()
        hooks = client.event_hooks
        client.event_hooks = {
            "request": [*hooks["request"], asked],
            "response": [*hooks["response"], answered],
        }
        return client

    set_client_factory(watched)
