"""The studio as an MCP server: tools, progress, and pictures as resources.

What a client asks for wrongly is the tool's error, in words; its run goes on if only the waiting
ended, and stops if the call is cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import anyio
from anyio import CancelScope, CapacityLimiter
from anyio.to_thread import run_sync
from mcp import MCPError, types
from mcp.server import Server, ServerRequestContext
from pydantic import ValidationError

from rr_refine.agent.events import Event
from rr_refine.agent.picture_name import picture_name
from rr_refine.agent.run import Run, open_run
from rr_refine.errors import ConfigError, RefineError, StoreError
from rr_refine.invalid import told_invalid
from rr_refine.pictures import load_stored
from rr_refine.redaction import clean, told
from rr_refine.studio.form import RunForm
from rr_refine.studio.history import find_run, image_file, open_picture, result_file
from rr_refine.studio.page_events import event_of
from rr_refine.studio.studio import Studio
from rr_refine.studio.tools import (
    EditCall,
    Listing,
    RefineCall,
    ResultCall,
    StatusCall,
    StopCall,
    ToldRun,
    more_of,
    picture_uri,
)
from rr_refine.terms import Record

__all__ = ["RefineServer"]

logger = logging.getLogger(__name__)

_SIDE: Final = 768
"""Pixels of the longer side of a picture in an answer."""
_LOADING: Final = 5.0
"""Seconds that a call waits at least for the models."""
_WHOLE: Final = 20_000_000
"""Bytes of a picture's file as a resource."""
_URI: Final = re.compile(r"rr-refine://runs/([A-Za-z0-9._-]{1,200})/(result|r\d{1,9}c\d{1,9})\.png")
_TEMPLATES: Final = {
    picture_uri("{run}"): "The best picture of a run so far",
    picture_uri("{run}", "{picture}"): "Any picture of a run, such as r1c0",
}
_ABOUT: Final = (
    "Makes and edits pictures by prompts: each picture is judged in words and the prompt improved, "
    "until the picture is right or a limit is reached. A run takes seconds to many minutes."
)
_TOOLS: Final[dict[str, tuple[type[Record], type[Record]]]] = {
    "refine": (RefineCall, ToldRun),
    "edit": (EditCall, ToldRun),
    "status": (StatusCall, Listing),
    "result": (ResultCall, ToldRun),
    "stop": (StopCall, ToldRun),
}
"""What each tool takes, and what it gives."""

Context = ServerRequestContext[dict[str, Any]]


class RefineServer:
    """A studio for one MCP client.

    Args:
        studio: its folder must be a whole path. Nobody can be asked, so its jobs have no review.
        words: the lines that tell of an event.
    """

    def __init__(
        self, studio: Studio, words: Callable[[Event], Iterable[str]], version: str
    ) -> None:
        self._studio, self._words = studio, words
        self._reading, self._forms = CapacityLimiter(2), asyncio.Semaphore(2)
        self._opening: asyncio.Task[None]
        self._open: asyncio.Future[None]
        self._told: dict[str, int] = {}
        self._notes: dict[str, tuple[str, ...]] = {}
        self.server: Server[dict[str, Any]] = Server(
            "rr-refine",
            version=version,
            instructions=_ABOUT,
            on_list_tools=self._tools,
            on_call_tool=self._call,
            on_list_resources=self._resources,
            on_list_resource_templates=self._templates,
            on_read_resource=self._resource,
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Connect the models, while the client may ask already; at the end, break off the runs."""
        self._begin()
        try:
            yield
        finally:
            self._opening.cancel()
            await asyncio.wait([self._opening])

    def _begin(self) -> None:
        self._open = asyncio.get_running_loop().create_future()
        self._open.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._opening = asyncio.create_task(self._stay_open(self._open))

    async def _stay_open(self, connected: asyncio.Future[None]) -> None:
        try:
            async with self._studio.open():
                connected.set_result(None)
                await asyncio.Event().wait()
        except Exception as error:
            if connected.done():
                raise
            connected.set_exception(error)

    async def _ready(self, seconds: float) -> None:
        """Wait until the models are connected; try again if that failed before.

        Raises:
            RefineError: they cannot be, or are not within so many seconds.
        """
        if self._open.done() and self._open.exception() is not None:
            self._begin()
        with anyio.move_on_after(seconds) as limit:
            await asyncio.shield(self._open)
        if limit.cancelled_caught:
            raise RefineError("the models are still being loaded: call again in a while")

    # -- tools ------------------------------------------------------------------------------------

    async def _tools(self, _: Context, __: object) -> types.ListToolsResult:
        looks = ("status", "result")
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=name,
                    description=inspect.getdoc(takes),
                    input_schema=takes.model_json_schema(),
                    output_schema=gives.model_json_schema(mode="serialization"),
                    annotations=types.ToolAnnotations(
                        read_only_hint=name in looks, destructive_hint=False
                    ),
                )
                for name, (takes, gives) in _TOOLS.items()
            ]
        )

    async def _call(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        try:
            if params.name not in _TOOLS:
                raise LookupError(f"there is no tool {params.name[:80]!r}: {', '.join(_TOOLS)}")
            try:
                asked = _TOOLS[params.name][0].model_validate(params.arguments or {})
            except ValidationError as error:
                raise ConfigError(told_invalid(error, "the call")) from error
            return await self._answer(asked, context)
        except LookupError as error:
            return _failed(str(error.args[0]))
        except RefineError as error:
            return _failed(clean(str(error)))
        except Exception as error:  # noqa: BLE001  told like any other, and logged with its trace
            logger.error("tool %s\n%s", params.name, clean(traceback.format_exc()))
            return _failed(f"an error of the program: {told(error)}")

    async def _answer(self, asked: Record, context: Context) -> types.CallToolResult:
        studio = self._studio
        match asked:
            case RefineCall() | EditCall():
                end = anyio.current_time() + max(asked.wait_seconds, _LOADING)
                await self._ready(end - anyio.current_time())
                with CancelScope(shield=True):  # a run is made whole, and stopped then
                    name = await self._start(asked)
                    state = await studio.state(name)
                    self._notes[name] = (*studio.models.notes, *state.notes)
                left = min(asked.wait_seconds, end - anyio.current_time())
                await self._wait(name, left, context, own=True)
            case StatusCall(run=None):
                tiles = await studio.tiles(asked.search)
                return _given(Listing(runs=tuple(map(ToldRun.listed, tiles))))
            case StatusCall(run=str(name)):
                find_run(studio.out, name)
                await self._wait(name, asked.wait_seconds, context, own=False)
                return _given(Listing(runs=(await self._told_run(name),)))
            case ResultCall():
                return await self._result(asked)
            case StopCall():
                name = asked.run
                find_run(studio.out, name)
                await studio.live(name).stop()
            case _:
                raise AssertionError(asked)
        run = await self._told_run(name)
        if run.problem or run.status == "failed":
            why = run.problem or run.stopped or "it failed"
            return _failed(f"run {name} broke off: {why} (folder: {run.path})")
        return _given(run)

    async def _start(self, asked: RefineCall | EditCall) -> str:
        if isinstance(asked, EditCall) and asked.run is not None:
            more = more_of(asked, await self._read(asked.run))
            return await self._studio.more(asked.run, more)
        return await self._studio.start(self._form(asked))

    @asynccontextmanager
    async def _form(self, asked: RefineCall | EditCall) -> AsyncIterator[RunForm]:
        """The form of a new run, once there is room for its pictures."""
        async with self._forms:
            files: list[bytes] = []
            if isinstance(asked, EditCall):
                files = await run_sync(asked.pictures, self._studio.out, limiter=self._reading)
            yield asked.form(self._studio.maker.defaults, asked.prompt, files)

    async def _wait(self, name: str, seconds: float, context: Context, *, own: bool) -> None:
        """Tell how a run goes, until it ends or the time is over.

        Args:
            own: whether the run stops if the call is cancelled.
        """
        try:
            with anyio.move_on_after(seconds):
                await self._tell(name, context)
        except anyio.get_cancelled_exc_class():
            if own:
                with CancelScope(shield=True), suppress(LookupError):
                    await self._studio.live(name).cancel()
            raise

    async def _tell(self, name: str, context: Context) -> None:
        try:
            live = self._studio.live(name)
        except LookupError:  # it is over
            self._told.pop(name, None)
            return
        sent = 0
        async for kind, text, number in live.follow(self._told.get(name, 0)):
            said: Iterable[str] = ()
            if kind == "event":
                self._told[name], said = number or 0, self._words(event_of(text))
            elif kind == "step":
                said = _step(text)
            for words in said:
                sent += 1
                await context.session.report_progress(sent, None, words)
        self._told.pop(name, None)

    async def _result(self, asked: ResultCall) -> types.CallToolResult:
        run = await self._read(asked.run)
        path = _file_of(run, asked.picture)
        small = await run_sync(_small, path, run.path, limiter=self._reading)
        name = run.path.name
        link = types.ResourceLink(
            name=f"{name}.png",
            uri=picture_uri(name, asked.picture),
            mime_type="image/png",
            description=f"the whole picture; its file is {path}",
        )
        image = types.ImageContent(data=b64encode(small).decode(), mime_type="image/jpeg")
        given = _given(await self._told_run(name))
        return given.model_copy(update={"content": [image, *given.content, link]})

    async def _read(self, name: str) -> Run:
        return await run_sync(open_run, find_run(self._studio.out, name), limiter=self._reading)

    async def _told_run(self, name: str) -> ToldRun:
        run, state = await self._read(name), await self._studio.state(name)
        notes = self._notes.get(name, ())
        return await run_sync(ToldRun.of, run, state, notes, limiter=self._reading)

    # -- resources --------------------------------------------------------------------------------

    async def _resources(self, _: Context, __: object) -> types.ListResourcesResult:
        tiles = await self._studio.tiles()
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    name=f"{tile.name}.png",
                    title=tile.prompt[:80],
                    uri=picture_uri(tile.name),
                    mime_type="image/png",
                )
                for tile in tiles
                if tile.image is not None
            ]
        )

    async def _templates(self, _: Context, __: object) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(name=about, uri_template=template, mime_type="image/png")
                for template, about in _TEMPLATES.items()
            ]
        )

    async def _resource(
        self, _: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        try:
            data = await self._whole(params.uri)
        except (LookupError, RefineError) as error:
            why = clean(str(error.args[0] if error.args else error))
            raise MCPError(types.INVALID_PARAMS, why) from error
        blob = b64encode(data).decode()
        content = types.BlobResourceContents(uri=params.uri, mime_type="image/png", blob=blob)
        return types.ReadResourceResult(contents=[content])

    async def _whole(self, uri: str) -> bytes:
        found = _URI.fullmatch(uri)
        if found is None:
            raise LookupError(f"there is no resource {uri[:200]!r}: see {' and '.join(_TEMPLATES)}")
        name, picture = found.groups()
        run = await self._read(name)
        path = _file_of(run, "" if picture == "result" else picture)
        return await run_sync(_bytes, path, run.path, limiter=self._reading)


def _file_of(run: Run, picture: str) -> Path:
    """The file of a picture of a run; of the best one without an id.

    Raises:
        LookupError: there is none.
    """
    if not picture:
        return result_file(run.path)
    for candidate in run.candidates:
        if candidate.id == picture and candidate.image is not None:
            return image_file(run.path, candidate.image)
    raise LookupError(f"run {run.path.name!r} has no picture {picture!r}")


def _bytes(path: Path, run: Path) -> bytes:
    with open_picture(path, run) as file:
        data = file.read(_WHOLE + 1)
    if len(data) > _WHOLE:
        raise StoreError(f"the picture has more than {_WHOLE:,} bytes: its file is {path}")
    return data


def _small(path: Path, run: Path) -> bytes:
    """A picture for an answer, as JPEG."""
    open_picture(path, run).close()  # says what is wrong
    try:
        image = load_stored(path, within=run)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path.name} cannot be read: {error}") from error
    image.thumbnail((_SIDE, _SIDE))
    image.convert("RGB").save(data := BytesIO(), "JPEG", quality=85)
    return data.getvalue()


def _step(text: str) -> Iterable[str]:
    match json.loads(text):
        case {"candidate": str(candidate), "step": step, "steps": steps} if steps:
            yield f"{picture_name(candidate)}: step {step} of {steps}"


def _given(record: Record) -> types.CallToolResult:
    value: Mapping[str, Any] = record.model_dump(mode="json")
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=value)


def _failed(why: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=why)], is_error=True)
