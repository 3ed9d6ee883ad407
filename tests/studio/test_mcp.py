"""`rr-refine mcp`, as the official SDK's own client finds it over real standard streams."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.types import CallToolResult, ImageContent, TextContent
from PIL import Image

from rr_refine import load_run
from tests.cli.test_signals import wait_for
from tests.commands import Commands

FAKES = ("--generator=fake", "--critic=fake")
COMMAND = str(Path(sys.executable).with_name("rr-refine"))


class Server:
    """A server in a folder, and where its standard error goes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "pictures"
        self.log = folder / "log"
        self.home = folder / "home"
        self.home.mkdir()

    @asynccontextmanager
    async def client(self, *arguments: str, mode: str = "auto") -> AsyncIterator[Client]:
        given = StdioServerParameters(
            command="/bin/sh",
            args=["-c", f'exec "$0" "$@" 2>>{self.log}', COMMAND, *self.arguments(*arguments)],
            env={"HOME": str(self.home)},
            cwd=self.folder,
        )
        async with Client(given, mode=mode) as client:
            yield client
        assert "Traceback" not in self.log.read_text()

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            COMMAND,
            *self.arguments(*arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.home)},
            limit=2**24,
        )

    def arguments(self, *more: str) -> tuple[str, ...]:
        return ("mcp", f"--out={self.out}", *(more or FAKES))


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def text(result: CallToolResult) -> str:
    return "".join(one.text for one in result.content if isinstance(one, TextContent))


def given(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, text(result)
    value = result.structured_content
    assert isinstance(value, dict)
    assert json.loads(text(result)) == value
    return value


def picture(path: Path, mode: str = "RGB") -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.new(mode, (64, 48)).save(path)
    return path


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_picture_is_made_edited_and_shown(server: Server, mode: str) -> None:
    told: list[tuple[float, str]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        told.append((progress, message or ""))

    async with server.client(*FAKES, "--set=generator.width=1600", mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools.keys() == {"refine", "edit", "status", "result", "stop"}
        assert tools["refine"].input_schema["required"] == ["prompt"]
        made = given(await client.call_tool("refine", {"prompt": "a cat"}, progress_callback=note))
        assert made["status"] == "done"
        assert made["best"]["mean"] is not None
        assert (made["generator"], made["critic"]) == ("fake", "fake")
        assert any("stand-in" in note for note in made["notes"])
        assert [done for done, _ in told] == [*map(float, range(1, len(told) + 1))]
        assert told[0][1] == "request a cat"
        assert any("round 1: step 4 of 4" in words for _, words in told)
        assert any(words.startswith("stopped") for _, words in told)

        run = load_run(made["path"])
        assert run.path.parent == server.out
        shown = await client.call_tool("result", {"run": made["run"]})
        (image,) = [one for one in shown.content if isinstance(one, ImageContent)]
        small = Image.open(BytesIO(b64decode(image.data)))
        assert (small.format, max(small.size)) == ("JPEG", 768)
        assert given(shown)["run"] == made["run"]

        listed = (await client.list_resources()).resources
        assert [one.uri for one in listed] == [made["result"]]
        (whole,) = (await client.read_resource(made["result"])).contents
        assert run.result_path is not None
        assert b64decode(getattr(whole, "blob", "")) == run.result_path.read_bytes()
        first = made["result"].replace("result.png", "r0c0.png")
        assert (await client.read_resource(first)).contents

        edit = {"prompt": "make it blue", "run": made["run"], "picture_of_run": "r0c0"}
        edited = given(await client.call_tool("edit", edit))
        lineage = load_run(edited["path"]).lineage
        assert lineage is not None
        assert (lineage.kind, lineage.run, lineage.candidate) == ("edit", made["run"], "r0c0")
        picture(server.out / "mine" / "fox.jpg", mode="CMYK")
        mine = given(await client.call_tool("edit", {"prompt": "red", "picture": "mine/fox.jpg"}))
        assert load_run(mine["path"]).request.source
        assert any("CMYK" in note for note in mine["notes"])
        runs = given(await client.call_tool("status", {}))["runs"]
        assert {one["run"] for one in runs} == {made["run"], edited["run"], mine["run"]}
        (one,) = given(await client.call_tool("status", {"run": made["run"]}))["runs"]
        assert one == made


async def test_what_is_wrong_is_told_in_words(server: Server) -> None:
    outside = picture(server.folder / "outside.png")
    server.out.mkdir()
    (server.out / "link.png").symlink_to(outside)
    (server.out / "folder").symlink_to(server.folder)
    os.mkfifo(server.out / "pipe.png")
    (server.out / "words.png").write_text("no picture")
    picture(server.out / "in.png")
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("refine", {}, "prompt is missing"),
        ("refine", {"prompt": ""}, "prompt is empty"),
        ("refine", {"prompt": "  "}, "prompt"),
        ("refine", {"prompt": 7}, "prompt = 7 is no text"),
        ("refine", {"prompt": "x" * 200_001}, "200,000 are the most"),
        ("refine", {"prompt": "a", "sede": 1}, "there is no field sede"),
        ("refine", {"prompt": "a", "seed": -1}, "must be 0 or more"),
        ("refine", {"prompt": "a", "candidates": 10**6}, "is the most"),
        ("refine", {"prompt": "a", "width": 0}, "must be 1 or more"),
        ("refine", {"prompt": "a", "wait_seconds": 1e9}, "is the most"),
        ("refine", {"prompt": "a", "wait_seconds": "nan"}, "wait_seconds"),
        ("refine", {"prompt": "a", "preset": "none"}, "unknown preset 'none'"),
        ("refine", {"prompt": "a", "preset": "../../etc/passwd"}, "unknown preset"),
        ("refine", {"prompt": "a", "preset": "os:system"}, "unknown preset"),
        ("refine", {"prompt": "a", "generator": "os:system"}, "there is no field generator"),
        ("refine", {"prompt": "a", "picture": "in.png"}, "there is no field picture"),
        ("edit", {"prompt": "a"}, "give either picture"),
        ("edit", {"prompt": "a", "picture": "in.png", "run": "x"}, "give either picture"),
        ("edit", {"prompt": "a", "picture": "../outside.png"}, "no path below"),
        ("edit", {"prompt": "a", "picture": str(outside)}, "no path below"),
        ("edit", {"prompt": "a", "picture": "/etc/passwd"}, "no path below"),
        ("edit", {"prompt": "a", "picture": "~/x.png"}, "cannot be read"),
        ("edit", {"prompt": "a", "picture": "s3://bucket/x.png"}, "address of a store"),
        ("edit", {"prompt": "a", "picture": "link.png"}, "a link"),
        ("edit", {"prompt": "a", "picture": "folder/outside.png"}, "a link"),
        ("edit", {"prompt": "a", "picture": "pipe.png"}, "a pipe"),
        ("edit", {"prompt": "a", "picture": "."}, "cannot be read"),
        ("edit", {"prompt": "a", "picture": "a\0b"}, "no path below"),
        ("edit", {"prompt": "a", "picture": "none.png"}, "No such file"),
        ("edit", {"prompt": "a", "picture": "words.png"}, "cannot be used"),
        ("edit", {"prompt": "a", "picture": "in.png", "picture_of_run": "r0c0"}, "no effect"),
        ("edit", {"prompt": "a", "run": "none"}, "no run 'none'"),
        ("edit", {"prompt": "a", "run": "none", "seed": 1}, "seed has no effect"),
        ("status", {"run": "../pictures"}, "no run"),
        ("status", {"run": "folder"}, "no run"),
        ("result", {"run": ""}, "no run"),
        ("result", {"run": "none", "picture": "../x"}, "picture"),
        ("stop", {"run": "none"}, "no run"),
        ("delete", {}, "there is no tool 'delete'"),
    ]
    missed = []
    async with server.client() as client:
        for tool, arguments, words in wrong:
            answer = await client.call_tool(tool, arguments)
            if not (answer.is_error and words in text(answer) and "\n" not in text(answer)):
                missed.append((tool, arguments, text(answer)))
        assert missed == []
        for uri in (
            "rr-refine://runs/none/result.png",
            "rr-refine://runs/../outside.png",
            "rr-refine://runs/folder/result.png",
            "file:///etc/passwd",
            str(outside),
        ):
            with pytest.raises(MCPError, match="there is no"):
                await client.read_resource(uri)
        assert not list(server.out.glob("2*"))
        (broken,) = given(await client.call_tool("status", {}))["runs"]
        assert (broken["run"], broken["status"]) == ("folder", "failed")
        assert "it is a link" in broken["problem"]


SLOW = (*FAKES, "--set=generator.seconds=60", "--preset=one-shot")


async def test_a_call_that_is_cancelled_stops_its_run(server: Server) -> None:
    begun = asyncio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        begun.set()

    async with server.client(*SLOW, "--set=studio.max_runs=2") as client:
        asked = {"prompt": "a cat", "wait_seconds": 3600}
        call = asyncio.create_task(client.call_tool("refine", asked, progress_callback=note))
        await asyncio.wait_for(begun.wait(), 60)
        other = given(await client.call_tool("refine", {"prompt": "a dog", "wait_seconds": 0}))
        assert other["status"] == "working"
        full = await client.call_tool("refine", {"prompt": "a bird"})
        assert "2 runs are at work" in text(full)
        looking = asyncio.create_task(
            client.call_tool("status", {"run": other["run"], "wait_seconds": 3600})
        )
        await asyncio.sleep(0.2)
        for task in (call, looking):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        async def states() -> dict[str, str]:
            runs = given(await client.call_tool("status", {}))["runs"]
            return {one["prompt"]: one["status"] for one in runs}

        for _ in range(100):  # the other one was only looked at
            if await states() == {"a cat": "unfinished", "a dog": "working"}:
                break
            await asyncio.sleep(0.1)
        assert await states() == {"a cat": "unfinished", "a dog": "working"}
        stopped = given(await client.call_tool("stop", {"run": other["run"]}))
        assert stopped["status"] == "unfinished"
    assert {load_run(path).status for path in server.out.iterdir()} == {"interrupted"}


async def test_a_call_may_end_before_its_run(server: Server) -> None:
    async with server.client(*FAKES, "--set=generator.seconds=1", "--preset=one-shot") as client:
        begun = given(await client.call_tool("refine", {"prompt": "a cat", "wait_seconds": 0}))
        assert begun["status"] == "working"
        early = await client.call_tool("result", {"run": begun["run"]})
        assert early.is_error
        assert "no such picture" in text(early)
        look = {"run": begun["run"], "wait_seconds": 60}
        (run,) = given(await client.call_tool("status", look))["runs"]
        assert run["status"] == "done"


PREVIEWS = """
import asyncio
from rr_refine.generators.fake import FakeGenerator
from rr_refine.generators.generator import preview_of

class Shows(FakeGenerator):
    async def generate(self, request, *, on_step=None):
        preview_of(on_step)(b"\\xff\\xd8 before its first step")
        await asyncio.sleep(0.5)
        return await super().generate(request, on_step=on_step)
"""


async def test_a_preview_is_no_step(server: Server) -> None:
    (server.folder / "previews.py").write_text(PREVIEWS)
    told: list[str] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    parts = ("--generator=previews:Shows", "--critic=fake", "--preset=one-shot")
    async with server.client(*parts) as client:
        given(await client.call_tool("refine", {"prompt": "a cat"}, progress_callback=note))
    assert [words for words in told if "step 0" in words] == []
    assert any("step 4 of 4" in words for words in told)


async def test_nobody_is_asked(server: Server) -> None:
    """Neither by the settings, nor by those of the run that one goes on from."""
    more = (*FAKES, "--set=loop.review=true")
    async with server.client(*more) as client:
        run = given(await client.call_tool("refine", {"prompt": "a cat"}))
        assert run["status"] == "done"
    config = server.out / run["run"] / "config.json"
    told = json.loads(config.read_text())
    told["policy"]["review"] = True
    config.write_text(json.dumps(told))
    async with server.client(*more) as client:
        edited = given(await client.call_tool("edit", {"prompt": "blue", "run": run["run"]}))
        assert edited["status"] == "done"


def messages(**arguments: object) -> list[bytes]:
    """A client's beginning, as it is on the wire, and a call of `refine`."""
    start: dict[str, object] = {"protocolVersion": "2025-06-18", "capabilities": {}}
    start["clientInfo"] = {"name": "x", "version": "1"}
    call = {"name": "refine", "arguments": {"prompt": "a cat", **arguments}}
    asked: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": start},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": call},
    ]
    return [json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n" for message in asked]


NOISE = """
import os, subprocess
from rr_refine.generators.fake import FakeGenerator

print("imported")

class Loud(FakeGenerator):
    async def generate(self, *given, **how):
        print("drawing")
        os.write(1, b"to the descriptor\\n")
        subprocess.run(["sh", "-c", "echo from a child; cat"], check=True)
        return await super().generate(*given, **how)
"""


async def test_nothing_else_is_on_standard_output(server: Server) -> None:
    (server.folder / "loud.py").write_text(NOISE)
    process = await server.start("--generator=loud:Loud", "--critic=fake")
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.writelines(messages())
    line: dict[str, Any] = {}
    while line.get("id") != 2:
        line = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    assert line["result"]["structuredContent"]["status"] == "done"
    half = {"name": "status", "arguments": {"search": "\ud800", "run": ""}}
    asked = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": half}
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    while line.get("id") != 3:
        line = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    assert line["result"]["structuredContent"] == {"runs": []}
    process.stdin.write(b"no JSON\n")
    process.stdin.close()
    rest, noise = await process.stdout.read(), await process.stderr.read()
    assert all(json.loads(line) for line in rest.splitlines())
    for words in (b"imported", b"drawing", b"to the descriptor", b"from a child"):
        assert words in noise
    assert await process.wait() == 0


async def test_a_line_that_is_no_message_is_answered(server: Server) -> None:
    """And the next one is served."""
    ping, most = '{"jsonrpc": "2.0", "id": %s, "method": "ping"}', 2**22
    many = ping % 9 + f'{{"params": [{"[]," * 10**6}[]]}}'
    wrong: list[tuple[str, object, int, str]] = [
        ("no JSON", None, -32700, "no JSON"),
        (ping[:-1] % 3, None, -32700, "no JSON"),
        ("[" * 10_000, None, -32700, "no JSON"),
        ("null", None, -32600, "an object"),
        ("[]", None, -32600, "an object"),
        ("{}", None, -32600, "a method"),
        ('{"method": "ping", "id": 7}', 7, -32600, "JSON-RPC 2.0"),
        (ping.replace("}", ', "params": [1]}') % '"a"', "a", -32600, "params (an object)"),
        ('{"jsonrpc": "2.0", "id": 1, "result": 7}', None, -32600, "an object"),
        *((ping % one, None, -32600, "an id (text or") for one in ("1.5", "true", "[]")),
        ("x" * (most + 7), None, -32600, "more than 4,194,304 bytes"),
        ("x" * 3 * most, None, -32600, "more than 4,194,304 bytes"),
        (many, None, -32600, "too many parts"),
    ]
    process = await server.start()
    assert process.stdin is not None
    assert process.stdout is not None
    missed = []
    for line, number, code, words in wrong:
        process.stdin.write(f"{line}\n".encode())
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        error = told["error"]
        if (told["id"], error["code"]) != (number, code) or words not in error["message"]:
            missed.append((line[:80], told))
    assert missed == []
    process.stdin.write(f"{ping % 'null'}\n{(ping % 5).ljust(most - 1)}\n".encode())
    told = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    assert (told["id"], told["result"]) == (5, {})
    process.stdin.close()
    rest, noise = await process.communicate()
    assert (rest, process.returncode) == (b"", 0)
    assert noise.count(b"more than 4,194,304 bytes") == 3
    assert b"Traceback" not in noise


async def test_a_file_of_the_folder_says_nothing(server: Server) -> None:
    (server.folder / "mark.py").write_text("open('mark', 'w')\n")
    (server.folder / "rr-refine.toml").write_text(
        'out = "elsewhere"\nseed = 7\n[generator]\nuse = "mark:X"\n'
    )
    async with server.client("--preset=one-shot", *FAKES) as client:
        run = given(await client.call_tool("refine", {"prompt": "a cat"}))
        assert run["first"]["seed"] == 0
    assert "rr-refine.toml of this folder is left out" in server.log.read_text()
    assert not (server.folder / "mark").exists()
    assert not (server.folder / "elsewhere").exists()


async def test_own_settings_count(server: Server) -> None:
    own = server.home / ".rr-refine" / "settings.toml"
    own.parent.mkdir(mode=0o700)
    own.write_text('seed = 7\n[generator]\nuse = "fake"\n[critic]\nuse = "fake"\n')
    own.chmod(0o600)
    async with server.client("--preset=one-shot") as client:
        run = given(await client.call_tool("refine", {"prompt": "a cat"}))
        assert run["first"]["seed"] == 7


LATE = """
from pathlib import Path
from rr_refine.errors import GeneratorError
from rr_refine.generators.fake import FakeGenerator

class Late(FakeGenerator):
    async def connect(self):
        if not Path("there").exists():
            raise GeneratorError("no server at http://h/?api_key=hunter2secret")
"""


@pytest.mark.parametrize("kind", ["GeneratorError", "ValueError"])
async def test_models_that_are_not_there_yet(server: Server, kind: str) -> None:
    (server.folder / "late.py").write_text(LATE.replace("raise GeneratorError", f"raise {kind}"))
    async with server.client("--generator=late:Late", "--critic=fake") as client:
        answer = await client.call_tool("refine", {"prompt": "a cat"})
        assert answer.is_error
        assert "no server" in text(answer)
        assert "hunter2secret" not in text(answer)
        assert given(await client.call_tool("status", {}))["runs"] == []
        (server.folder / "there").touch()
        assert given(await client.call_tool("refine", {"prompt": "a cat"}))["status"] == "done"


async def test_models_that_take_long(server: Server) -> None:
    slow = LATE.replace("if not", "import asyncio; await asyncio.sleep(9)\n        if not")
    (server.folder / "late.py").write_text(slow)
    (server.folder / "there").touch()
    async with server.client("--generator=late:Late", "--critic=fake") as client:
        answer = await client.call_tool("refine", {"prompt": "a cat", "wait_seconds": 0})
        assert "still being loaded" in text(answer)
        assert given(await client.call_tool("refine", {"prompt": "a cat"}))["status"] == "done"


@pytest.mark.parametrize("how", ["terminated", "hung up"])
async def test_it_ends_and_runs_can_go_on(server: Server, how: str) -> None:
    process = await server.start(*SLOW)
    assert process.stdin is not None
    process.stdin.writelines(messages(wait_seconds=3600))
    await asyncio.to_thread(
        wait_for, lambda: any("round-started" in p.read_text() for p in server.out.glob("*/e*"))
    )
    if how == "terminated":
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 130
        process.stdin.close()
    else:
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 60) == 0
    (run,) = server.out.iterdir()
    assert load_run(run).status == "interrupted"


def test_a_wrong_setting_is_told_before_it_serves(commands: Commands) -> None:
    ended = commands.run("mcp", "--generator=fake", "--set=generator.widht=3")
    assert ended.code == 2
    assert ended.stdout == ""
    assert "widht" in ended.stderr
