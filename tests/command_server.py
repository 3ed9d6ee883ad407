"""A warm process that runs programs in forked children; `tests.commands` is its client.

Importing the command line takes a second, and what the bundled models need takes five; a fork of a
process that has done so takes nothing. The child is a real process, to be signalled and killed. One
JSON object per line: jobs on stdin; the child's pid, then its exit code on stdout.

    python command_server.py [models]

With `models`, it has also imported what the bundled models need. It loads no weights and computes
nothing, since threads that would come of it do not survive a fork.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import resource
import runpy
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

MODELS = {
    "diffusers": ("FluxPipeline", "FluxKontextPipeline"),
    "transformers": ("AutoProcessor", "LlavaForConditionalGeneration", "LlavaProcessor"),
}
NODES = (
    "plan",
    "generate",
    "critique",
    "accept",
    "decide",
    "rewrite",
    "review",
    "revise",
    "finish",
)


def warm_up() -> None:
    for module in ("main", "refine", "resume", "replay", "runner", "job", "doctor"):
        importlib.import_module(f"rr_refine.cli.{module}")
    for module in ("generators.fake", "reward.fake", "agent.rewriting.rules"):
        importlib.import_module(f"rr_refine.{module}")
    for module in ("langgraph.runtime", "openai", "PIL.ImageFont"):
        importlib.import_module(module)
    importlib.import_module("PIL.Image").init()


def warm_up_models() -> None:
    for library in ("diffusers", "transformers"):
        # They say what else could be installed; the generator and the critic keep them quiet too.
        importlib.import_module(library).utils.logging.set_verbosity_error()
    for module in ("sketch.generator", "sketch.critic", "sketch.plan"):
        importlib.import_module(f"rr_refine.{module}")
    for module in ("generators.diffusers.rendering", "reward.transformers_model"):
        importlib.import_module(f"rr_refine.{module}")
    for library, names in MODELS.items():
        for name in names:
            getattr(importlib.import_module(library), name)
    for library in ("diffusers", "transformers"):
        logging = importlib.import_module(library).utils.logging
        logging.set_verbosity(logging.WARNING)


def run(job: dict[str, Any]) -> None:
    """In the child: become the program. Does not return."""
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    stdin, stdout, stderr = job["files"]
    if job["session"]:
        os.setsid()  # the first terminal that is opened becomes the one that Ctrl-C comes from
    os.dup2(os.open(stdin, os.O_RDONLY), 0)
    os.dup2(os.open(stdout, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    same = stderr == stdout  # a pipe without a reader can be opened once only
    os.dup2(1 if same else os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    sys.stdin = os.fdopen(0, encoding="utf-8")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if job["kill"] is not None:
        arm(job["kill"])
    if job["file_size"] is not None:
        sys.dont_write_bytecode = True  # half a module would be read by all that come after
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_size"],) * 2)
    code: object = 0
    try:
        if job["script"]:
            run_script(job["program"], job["arguments"])
        else:
            module, _, name = job["program"].partition(":")
            getattr(importlib.import_module(module), name)(job["arguments"])
    except SystemExit as exit_:
        code = exit_.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = 120  # as the interpreter does
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def run_script(program: str, arguments: list[str]) -> None:
    """Be `python -W error program arguments`, but for the tidying up of all modules at the end."""
    warnings.resetwarnings()
    warnings.simplefilter("error")
    sys.argv = [program, *arguments]
    sys.path[0] = str(Path(program).parent)
    try:
        runpy.run_path(program, run_name="__main__")
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # joins, as the interpreter does
        atexit._run_exitfuncs()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """Arrange for a sudden death: `before:critique:2` is the second time that node begins,
    `after:put-render:1` when the first render's line is in the journal, `torn:put-render:1` half
    way through that line.
    """
    when, place, number = point.split(":")
    left = int(number)

    def here() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    if place in NODES:
        graph = importlib.import_module("rr_refine.agent.graph")
        node = getattr(graph, place)

        @functools.wraps(node)
        async def mortal(*args: object, **kwargs: object) -> object:
            fatal = here()
            if fatal and when == "before":
                die()
            result = await node(*args, **kwargs)
            if fatal:
                die()
            return result

        setattr(graph, place, mortal)
        return
    journal = importlib.import_module("rr_refine.agent.store.journal").Journal
    put: Callable[..., None] = journal.put

    def mortal_put(self: Any, kind: str, key: str, value: object) -> None:
        fatal = place == f"put-{kind}" and here()
        if fatal and when == "before":
            die()
        if fatal and when == "torn":
            line = json.dumps({"kind": kind, "key": key, "value": value})
            with self.path.open("ab") as file:
                file.write(line[: len(line) // 2].encode())
            die()
        put(self, kind, key, value)
        if fatal:
            die()

    journal.put = mortal_put


def serve(*also: str) -> None:
    warm_up()
    if "models" in also:
        warm_up_models()
    gc.freeze()  # a collection in a child need not touch, and so copy, what is here
    with os.fdopen(os.dup(1), "w") as answers:
        for line in sys.stdin:
            pid = os.fork()
            if pid == 0:
                run(json.loads(line))
            print(json.dumps({"pid": pid}), file=answers, flush=True)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            print(json.dumps({"code": code}), file=answers, flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
