"""Run `rr-refine`, or a script, as a process of its own, quickly: see `tests.command_server`."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Timer
from typing import IO, Self

from tests import command_server
from tests.terminal import Terminal

__all__ = ["Commands", "Ended", "Going"]


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind."""

    code: int
    """Exit code, or minus the signal that killed it."""
    stdout: str
    stderr: str


class Going:
    """A command at work. Leave it as a context manager: it is killed if it has not ended."""

    def __init__(self, server: Server, pid: int, files: tuple[Path, Path]) -> None:
        self._server, self.pid, self._files = server, pid, files
        self._ended: Ended | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ended is None:
            with suppress(ProcessLookupError):  # it has ended already
                self.send(signal.SIGKILL)
            self.wait()

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> Ended:
        if self._ended is None:
            guard = Timer(120, self.send, [signal.SIGKILL])  # a hang shall not hang the tests
            guard.start()
            code = self._server.answer()["code"]
            guard.cancel()
            texts = [
                "" if str(f).startswith("/dev/") or f.is_fifo() else f.read_bytes().decode()
                for f in self._files
            ]
            self._ended = Ended(code, *texts)
        return self._ended


class Server:
    """A warm process.

    Args:
        also: what it has imported beside the command line: `models`.
    """

    def __init__(self, *also: str) -> None:
        program = Path(command_server.__file__)
        paths = [str(program.parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, *(["-W", "error"] if also else []), str(program), *also],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_environment({"PYTHONPATH": os.pathsep.join(paths)}),
        )
        atexit.register(self._end)

    def start(self, job: dict[str, object]) -> int:
        assert self._process.stdin is not None
        print(json.dumps(job), file=self._process.stdin, flush=True)
        return self.answer()["pid"]

    def answer(self) -> dict[str, int]:
        stdout: IO[str] | None = self._process.stdout
        assert stdout is not None
        answer: dict[str, int] = json.loads(stdout.readline())
        return answer

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


_server = cache(Server)


class Commands:
    """Runs commands in one folder.

    Args:
        folder: their working directory.
        environment: variables beside the few that every process needs.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        home = folder.parent / "home"  # without settings, and nothing is trusted
        home.mkdir(exist_ok=True)
        self.environment = {"HOME": str(home), **(environment or {})}

    def run(self, *arguments: str, **how: object) -> Ended:
        """Run a command to its end; see `start`."""
        with self.start(*arguments, **how) as going:  # type: ignore[arg-type]
            return going.wait()

    def start(
        self,
        *arguments: str,
        stdin: bytes = b"",
        stdout: Path | None = None,
        stderr: Path | None = None,
        kill: str | None = None,
        file_size: int | None = None,
        terminal: Terminal | None = None,
        program: str = "rr_refine.cli.main:main",
        script: Path | None = None,
        models: bool = False,
    ) -> Going:
        """Start a command.

        Args:
            stdout: where it writes; the text is in what `wait` gives.
            kill: where it dies, see `tests.command_server.arm`.
            file_size: bytes beyond which no file can grow.
            terminal: where it reads and writes, but for what `stdout` or `stderr` name.
            program: the function to call with the arguments.
            script: a Python script to run in its place, with warnings as errors.
            models: start from a process that has imported what the bundled models need. Only the
                time that it takes differs.
        """
        scratch = Path(tempfile.mkdtemp(dir=self.folder.parent))
        given = scratch / "stdin"
        given.write_bytes(stdin)
        if terminal is not None:
            given, stdout, stderr = terminal.path, stdout or terminal.path, stderr or terminal.path
        files = (stdout or scratch / "stdout", stderr or scratch / "stderr")
        job: dict[str, object] = {
            "arguments": list(arguments),
            "cwd": str(self.folder),
            "env": _environment(self.environment),
            "files": [str(given), *map(str, files)],
            "kill": kill,
            "file_size": file_size,
            "session": terminal is not None,
            "program": program if script is None else str(script),
            "script": script is not None,
        }
        server = _server("models") if models else _server()
        return Going(server, server.start(job), files)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "OMP_NUM_THREADS", "VIRTUAL_ENV")
    return {k: v for k, v in os.environ.items() if k in kept} | dict(more)
