"""A stand-in for a ComfyUI server on loopback, which answers with recorded messages.

What it draws depends on the graph that it is sent, and on nothing else.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import io
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from rr_refine.digest import digest
from rr_refine.generators.fake import FakeGenerator, FakeOptions
from rr_refine.generators.generator import RenderRequest

HERE = Path(__file__).parent
WORKFLOWS = HERE / "workflows"
NODES = {
    node["class_type"]
    for path in WORKFLOWS.glob("*.json")
    for node in json.loads(path.read_text()).values()
} | {"PreviewImage", "ControlNetApplyAdvanced", "ControlNetLoader", "PrimitiveInt"}
MODELS = [
    *("some_sdxl.safetensors", "some_refiner.safetensors", "some_flux.safetensors"),
    *("some_kontext.safetensors", "some_qwen_edit.safetensors"),
]


def recorded(name: str) -> Any:
    return json.loads((HERE / "recorded" / f"{name}.json").read_text())


def _found(one: str | dict[str, Any]) -> Any:
    return recorded(one) if isinstance(one, str) else one


class StandIn:
    """The server. What is public may be set by a test, and looked at."""

    def __init__(self) -> None:
        self.key = ""
        """What must come as the bearer token; empty for none."""
        self.graphs: list[dict[str, Any]] = []
        self.extras: list[Any] = []
        """The `extra_data` beside them."""
        self.preview = bytes(100_000)
        """What is sent as a JPEG while it draws."""
        self.uploads: dict[str, bytes] = {}
        self.refusals: list[str | dict[str, Any]] = []
        """Recordings, or their names, that the next graphs are answered with."""
        self.ends: list[str | dict[str, Any]] = []
        """Recorded histories, or their names, that the next jobs end with."""
        self.seconds = 0.0
        """How long a job takes."""
        self.lose = False
        """The job is forgotten."""
        self.deaf = 0.0
        """When, on the monotonic clock, looks into the history are no longer refused."""
        self.deaf_with = 504
        self.forget_files = 0
        """How many pictures are gone when they are asked for."""
        self.batch = 1
        self.asked: list[str] = []
        """Paths, in order."""
        self.interrupted: list[Any] = []
        self.deleted: list[str] = []
        self.models = list(MODELS)
        self.missing: set[str] = set()
        """Kinds of nodes that are not installed."""
        self.paid = ""
        """A kind that is drawn by a paid service."""
        self.waits = False
        """Jobs wait, behind somebody else's."""
        self.picture_name = self.job_name = ""
        """How it calls a picture and a job, if not by their own names."""
        self.seed_max = 2**64 - 1
        self.socket_works = True
        self.redirect = ""
        self.url = ""
        self._history: dict[str, Any] = {}
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._files: dict[str, bytes] = {}
        self._sockets: dict[str, WebSocket] = {}

    def app(self) -> Any:
        routes = [
            Route("/system_stats", self._stats),
            Route("/object_info/{kind}", self._about),
            Route("/prompt", self._prompt, methods=["POST"]),
            Route("/history/{job}", self._look),
            Route("/queue", self._queue, methods=["GET", "POST"]),
            Route("/interrupt", self._interrupt, methods=["POST"]),
            Route("/upload/image", self._upload, methods=["POST"]),
            Route("/view", self._view),
            WebSocketRoute("/ws", self._listen),
        ]
        inner = Starlette(routes=routes)

        async def guarded(scope: Any, receive: Any, send: Any) -> None:
            headers = {k.decode(): v.decode() for k, v in scope["headers"]}
            self.asked.append(scope["path"])
            if self.redirect and scope["type"] == "http":
                answer = Response(status_code=307, headers={"location": self.redirect})
                await answer(scope, receive, send)
            elif self.key and headers.get("authorization") != f"Bearer {self.key}":
                refusal = PlainTextResponse(f"no entry with {headers.get('authorization')}", 401)
                await refusal(scope, receive, send)
            else:
                await inner(scope, receive, send)

        return guarded

    async def _stats(self, request: Request) -> Response:
        return JSONResponse(recorded("51_system_stats"))

    async def _about(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in NODES or kind in self.missing:
            return JSONResponse({})
        about = recorded("50_object_info_excerpt").get(kind, {"input": {"required": {}}})
        inputs = about["input"]["required"]
        for name in ("ckpt_name", "unet_name"):
            if name in inputs:
                inputs[name] = ["COMBO", {"options": self.models}]
        for name in ("seed", "noise_seed"):
            if name in inputs:
                inputs[name][1]["max"] = self.seed_max
        return JSONResponse({kind: about | {"api_node": kind == self.paid}})

    async def _prompt(self, request: Request) -> Response:
        body = await request.json()
        self.graphs.append(body["prompt"])
        self.extras.append(body.get("extra_data"))
        if self.refusals:
            told = _found(self.refusals.pop(0))
            if "text" in told:
                return PlainTextResponse(told["text"], told["status"])
            told["body"].setdefault("prompt_id", body["prompt_id"])
            return JSONResponse(told["body"], told["status"])
        job = body["prompt_id"]
        if not self.lose:
            work = self._draw(job, body["prompt"], body["client_id"])
            self._jobs[job] = asyncio.create_task(work)
        return JSONResponse({"prompt_id": self.job_name or job, "number": 1, "node_errors": {}})

    async def _draw(self, job: str, graph: dict[str, Any], client: str) -> None:
        (output,) = (name for name, node in graph.items() if node["class_type"] == "PreviewImage")
        samplers = [n for n, node in graph.items() if "Sampler" in node["class_type"]] or ["1"]
        messages = recorded("04_progress_ws")
        for message in messages:
            await asyncio.sleep(self.seconds / len(messages))
            if (to := self._sockets.get(client)) is None:
                continue
            if "binary" in message:
                await to.send_bytes(struct.pack(">II", 1, 1) + self.preview)
                continue
            text = json.dumps({"type": message["type"], "data": message["data"]})
            text = text.replace("PROMPT-1", job).replace('"node": "1"', f'"node": "{samplers[-1]}"')
            if '"node": null' not in text:
                await to.send_text(text)
        request = RenderRequest(digest(graph), 1)
        image = await FakeGenerator(FakeOptions(width=48, height=32)).generate(request)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        if self.ends:
            entry = _found(self.ends.pop(0))
        else:
            entry = recorded("04_progress_history")
            names = [self.picture_name or f"{job}-{number}.png" for number in range(self.batch)]
            self._files |= dict.fromkeys(names, buffer.getvalue())
            pictures = [{"filename": name, "subfolder": "", "type": "temp"} for name in names]
            entry["outputs"] = {output: {"images": pictures}, "other": {"text": ["x"]}}
        self._history[job] = entry
        if (to := self._sockets.get(client)) is not None:
            last = {"type": "executing", "data": {"node": None, "prompt_id": job}}
            await to.send_text(json.dumps(last))

    async def _look(self, request: Request) -> Response:
        if self.deaf > time.monotonic():
            return PlainTextResponse("it is deaf", self.deaf_with)
        job = request.path_params["job"]
        return JSONResponse({job: self._history[job]} if job in self._history else {})

    async def _queue(self, request: Request) -> Response:
        if request.method == "POST":
            self.deleted += (await request.json())["delete"]
            return Response()
        jobs = [[1, job, {}, {}, []] for job, task in self._jobs.items() if not task.done()]
        names = ("queue_running", "queue_pending")
        return JSONResponse({names[self.waits]: jobs, names[not self.waits]: []})

    async def _interrupt(self, request: Request) -> Response:
        job = (await request.json())["prompt_id"]
        self.interrupted.append(job)
        self._jobs[job].cancel()
        return Response()

    async def _upload(self, request: Request) -> Response:
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        form = email.message_from_bytes(head + await request.body(), policy=email.policy.HTTP)
        parts = {p.get_param("name", header="content-disposition"): p for p in form.iter_parts()}
        name = str(parts["image"].get_filename())
        content = parts["image"].get_payload(decode=True)
        assert isinstance(content, bytes)
        self.uploads[name] = content
        folder = parts["subfolder"].get_content().strip()
        return JSONResponse({**recorded("40_upload"), "name": name, "subfolder": folder})

    async def _view(self, request: Request) -> Response:
        name = request.query_params["filename"]
        if self.forget_files:
            self.forget_files -= 1
            return Response(status_code=404)
        return Response(self._files[name], media_type="image/png")

    async def _listen(self, socket: WebSocket) -> None:
        if not self.socket_works:
            await socket.close()
            return
        await socket.accept()
        client = socket.query_params["clientId"]
        self._sockets[client] = socket
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            self._sockets.pop(client, None)


@contextmanager
def running() -> Iterator[StandIn]:
    """A server on loopback, in a thread."""
    standin = StandIn()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        standin.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(standin.app(), ws="wsproto", lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield standin
        finally:
            server.should_exit = True
            thread.join()
