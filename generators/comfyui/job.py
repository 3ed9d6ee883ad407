"""One job of a ComfyUI server: sent, followed to its end, or taken back.

The history decides what became of it; the socket only tells steps. A server that holds still for a
minute, as it does while it loads some models, is waited for.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from pydantic import JsonValue

from rr_refine.errors import (
    GeneratorError,
    GeneratorTimeout,
    RefineError,
    UnsupportedRequestError,
)
from rr_refine.generators.comfyui.faults import failed, refused, table
from rr_refine.generators.comfyui.progress import Steps
from rr_refine.generators.comfyui.server import ComfyUIServer
from rr_refine.generators.comfyui.tracing import find_samplers
from rr_refine.generators.comfyui.workflow import Node
from rr_refine.generators.generator import OnStep, preview_of

__all__ = ["run_job"]

_ID_MAX: Final = 200
"""Characters of a job's id, which becomes part of an address."""
_POLL: Final = 0.5
"""Seconds between two looks into the history."""
_LOOKS: Final = 10
"""Looks into the history for one into the queue."""
_SOCKET: Final = 5.0
"""Seconds that a job waits for the socket that tells its steps."""
_BACK: Final = 10.0
"""Seconds that taking a job back may take."""


async def run_job(
    server: ComfyUIServer,
    graph: Mapping[str, JsonValue],
    nodes: Mapping[str, Node],
    *,
    output: str,
    limit: float,
    on_step: OnStep | None,
) -> list[Mapping[str, JsonValue]]:
    """Have a graph drawn.

    Args:
        nodes: those of the graph, for messages.
        output: the node whose pictures are wanted.
        limit: seconds, the time in the queue included.

    Returns:
        The pictures of that node, as `ComfyUIServer.picture` takes them; at least one.

    Raises:
        GeneratorError: of the kind that fits. The job is taken back where nobody waits for it.
    """
    client, own = str(uuid.uuid4()), str(uuid.uuid4())
    steps = listener = sending = None
    try:
        async with asyncio.timeout(limit):
            if on_step is not None:
                steps = Steps(own, {node.id for node in find_samplers(nodes)}, on_step)
                listener = asyncio.create_task(steps.listen(server, client))
                await _wait(steps.listening, _SOCKET)
            shows = preview_of(on_step) is not None
            sending = asyncio.create_task(
                _send(server, graph, nodes, client, own, output, previews=shows)
            )
            job = await asyncio.shield(sending)
            if steps is not None:
                steps.job = job
            entry = await _ended(server, job, steps)
    except TimeoutError:
        await _take_back(server, own, sending)
        raise GeneratorTimeout(
            f"{server.url} did not finish a picture within {limit:g} s, its time in the queue "
            "included: see ComfyUI's queue, or raise generator.job_timeout"
        ) from None
    except UnsupportedRequestError:  # the server did not take it
        raise
    except (asyncio.CancelledError, RefineError):
        await asyncio.shield(_take_back(server, own, sending))
        raise
    finally:
        if listener is not None:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
    images = table(table(entry.get("outputs")).get(output)).get("images")
    pictures = [table(one) for one in images if table(one)] if isinstance(images, list) else []
    if table(entry.get("status")).get("status_str") == "error" or not pictures:
        raise failed(entry, server, nodes)
    return pictures


async def _send(
    server: ComfyUIServer,
    graph: Mapping[str, JsonValue],
    nodes: Mapping[str, Node],
    client: str,
    own: str,
    output: str,
    *,
    previews: bool,
) -> str:
    """Put a graph into the server's queue; the job's id."""
    body: dict[str, JsonValue] = {
        "prompt": dict(graph),
        "client_id": client,
        "prompt_id": own,
    }
    if previews:  # the server makes none unless it was started with them
        body["extra_data"] = {"preview_method": "auto"}
    answer = await server.tell("prompt", body)
    said = table(answer.body)
    job = said.get("prompt_id")
    if answer.status != 200 or not isinstance(job, str):
        raise refused(answer, server, nodes)
    if len(job) > _ID_MAX:
        raise GeneratorError(f"{server.url} gave the job an id of {len(job):,} characters")
    for error in table(said.get("node_errors")).values():
        # A part of the graph is refused, and the rest is drawn.
        wanted = table(error).get("dependent_outputs")
        if isinstance(wanted, list) and output in wanted:
            await _delete(server, job)
            raise refused(answer, server, nodes)
    return job


async def _ended(server: ComfyUIServer, job: str, steps: Steps | None) -> Mapping[str, JsonValue]:
    """The history's entry of a job, once it is there."""
    heard, looks, lost = time.monotonic(), 0, 0
    while True:
        try:
            entry = table(table(await server.look("history", job)).get(job))
            if entry:
                return entry
            looks += 1
            if looks % _LOOKS == 0:
                # Between the two questions it may have moved from one to the other.
                lost = lost + 1 if await _is_gone(server, job) else 0
            if lost > 1:
                raise GeneratorError(
                    f"{server.url} no longer knows the job: it was deleted from the queue, or "
                    "ComfyUI was started anew"
                )
            heard = time.monotonic()
        except GeneratorTimeout:
            if time.monotonic() - heard > server.patience:
                raise
        if steps is None or steps.ended.is_set():
            await asyncio.sleep(_POLL if steps is None else _POLL / 5)
        else:
            await _wait(steps.ended, _POLL)


async def _queued(server: ComfyUIServer) -> dict[str, bool]:
    """Jobs in the queue, and whether they run."""
    queue = table(await server.look("queue"))
    found = {}
    for name in ("queue_pending", "queue_running"):
        jobs = queue.get(name)
        for one in jobs if isinstance(jobs, list) else ():
            if isinstance(one, list) and len(one) > 1:
                found[str(one[1])] = name == "queue_running"
    return found


async def _is_gone(server: ComfyUIServer, job: str) -> bool:
    """Whether a job is not in the queue; a queue that cannot be read tells nothing."""
    try:
        return job not in await _queued(server)
    except GeneratorError:
        return False


async def _take_back(server: ComfyUIServer, own: str, sending: asyncio.Task[str] | None) -> None:
    """Stop a job that nobody waits for, and no other: whether it still waits or is being drawn.

    Args:
        own: the id that it was sent with, which old servers do not take.
    """
    if sending is None:
        return
    try:
        async with asyncio.timeout(_BACK):
            await asyncio.wait([sending])
            job = own if sending.cancelled() or sending.exception() else sending.result()
            await _delete(server, job)
            # Servers before 2025 stop whatever runs: it must be this one.
            if (await _queued(server)).get(job):
                await server.tell("interrupt", {"prompt_id": job})
    except (TimeoutError, RefineError):  # what is to be raised matters more
        sending.cancel()


async def _delete(server: ComfyUIServer, job: str) -> None:
    await server.tell("queue", {"delete": [job]})


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
