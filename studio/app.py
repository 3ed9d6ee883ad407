"""The web application: the page, its requests, and what they may do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rr_refine.agent.policy import MAX_CANDIDATES
from rr_refine.component import most_sources, prices_of, takes
from rr_refine.errors import ConfigError, RefineError, StoreError, StoreLockedError
from rr_refine.studio.export import chosen
from rr_refine.studio.form import read_answer, read_chosen, read_form, read_more, read_prompt
from rr_refine.studio.guard import Guard
from rr_refine.studio.history import (
    MAX_TILES,
    find_run,
    image_file,
    open_picture,
    result_file,
)
from rr_refine.studio.presets import choices
from rr_refine.studio.streams import MAX_STREAMS, EventStream, FileStream, ZipStream
from rr_refine.studio.studio import Studio, StudioFullError
from rr_refine.studio.uploads import MAX_PICTURE_BYTES, Uploads, drop, thumbnail

__all__ = ["create_app"]

_PAGE: Final = Path(__file__).with_name("page")
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_GOOD: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
_NEVER: Final = {"Cache-Control": "no-store"}
_MAX_SEARCH: Final = 300
"""Characters of a search."""


def create_app(studio: Studio, *, token: str, host: str = "127.0.0.1") -> Guard:
    """The studio as an ASGI application, behind its guard. Open the studio while it is served.

    Args:
        token: what every request must bring, see `Guard`.
        host: the address that it will listen on.

    Raises:
        ConfigError: the token can be guessed.
    """
    pages = _Pages(studio)

    run = "/api/runs/{name}"
    app = Starlette(
        routes=[
            Route("/", pages.index),
            Route("/page/{file}", pages.file),
            Route("/api/studio", pages.studio),
            Route("/api/notes", pages.notes, methods=["POST"]),
            Route("/api/runs", pages.tiles, methods=["GET"]),
            Route("/api/runs", pages.start, methods=["POST"]),
            Route("/api/trash", pages.throw_away, methods=["POST"]),
            Route("/api/restore", pages.put_back, methods=["POST"]),
            Route("/api/export", pages.export, methods=["POST"]),
            Route(f"{run}/events", pages.events),
            Route(f"{run}/decision", pages.decide, methods=["POST"]),
            Route(f"{run}/stop", pages.stop, methods=["POST"]),
            Route(f"{run}/resume", pages.resume, methods=["POST"]),
            Route(f"{run}/more", pages.more, methods=["POST"]),
            Route("/runs/{name}/result.png", pages.result),
            Route("/runs/{name}/{size:str}/{digest}.png", pages.image),
        ],
        exception_handlers={
            RefineError: _explain,
            LookupError: _explain,
            HTTPException: _explain,
            ClientDisconnect: _explain,
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, token=token, host=host)


class _Pages:
    """What is behind each address."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._uploads = Uploads()
        self._following: set[EventStream] = set()
        self._exports = asyncio.Semaphore(2)
        # What somebody waits for at the page does not wait for the runs, in asyncio's own threads.
        self._words, self._drawing = CapacityLimiter(1), CapacityLimiter(2)
        # Read once: only these names exist, whatever is asked for.
        self._files = {p.name: p.read_bytes() for p in _PAGE.iterdir() if p.is_file()}

    async def index(self, _: Request) -> Response:
        """The page."""
        return Response(self._files["index.html"], media_type="text/html", headers=_NEVER)

    async def file(self, request: Request) -> Response:
        """A style or a script of the page."""
        name = request.path_params["file"]
        kind = _TYPES.get(Path(name).suffix)
        if name not in self._files or kind is None:
            raise LookupError(f"there is no file {name[:80]!r}")
        return Response(self._files[name], media_type=kind, headers={"Cache-Control": "no-cache"})

    async def studio(self, _: Request) -> Response:
        """The models in use and what the form starts from."""
        maker = self._studio.maker
        parts = (maker.generator, maker.critic)
        return _json(
            {
                "models": self._studio.models.model_dump(mode="json"),
                "tasks": sorted(maker.generator.tasks),
                "several": most_sources(maker.generator) != 1,
                "presets": [one.model_dump(mode="json") for one in choices(maker.intents)],
                "costs": [price.words for part in parts for price in prices_of(part, own=False)],
                "takes": sorted(await run_sync(takes, maker.generator, limiter=self._words)),
                "most_candidates": MAX_CANDIDATES,
                "largest": MAX_PICTURE_BYTES,
                "listed": MAX_TILES,
                "defaults": maker.defaults.model_dump(mode="json"),
            }
        )

    async def notes(self, request: Request) -> Response:
        """What the models in use cannot do with a prompt, before its run starts."""
        async with self._uploads.taken(request, read_prompt) as form:
            notes, ways = await run_sync(self._studio.notes_before, form, limiter=self._words)
        return _json({"notes": notes, "ways": ways})

    async def tiles(self, request: Request) -> Response:
        """The newest runs, or those with some words."""
        tiles = await self._studio.tiles(request.query_params.get("search", "")[:_MAX_SEARCH])
        return _json([tile.model_dump(mode="json") for tile in tiles])

    async def throw_away(self, request: Request) -> Response:
        """Some runs to the trash."""
        async with self._uploads.taken(request, read_chosen) as names:
            return _json({"left": await self._studio.throw_away(names)})

    async def put_back(self, request: Request) -> Response:
        """Some runs back from the trash."""
        async with self._uploads.taken(request, read_chosen) as names:
            return _json({"left": await self._studio.put_back(names)})

    async def export(self, request: Request) -> Response:
        """The results of some runs as one file."""
        async with self._uploads.taken(request, read_chosen) as names:
            pictures = await run_sync(chosen, self._studio.out, names, limiter=self._drawing)
        save = {"Content-Disposition": 'attachment; filename="pictures.zip"'}
        return ZipStream(pictures, _NEVER | save, self._exports)

    async def start(self, request: Request) -> Response:
        """A new run."""
        coming = self._uploads.taken(request, read_form)
        return _json({"name": await self._studio.start(coming)}, 201)

    async def resume(self, request: Request) -> Response:
        """On with an unfinished run."""
        return _json({"name": await self._studio.resume(_name(request))})

    async def more(self, request: Request) -> Response:
        """What follows a picture: on with its run, or a new one."""
        async with self._uploads.taken(request, read_more) as form:
            return _json({"name": await self._studio.more(_name(request), form)}, 201)

    async def stop(self, request: Request) -> Response:
        """End a run with the best image so far."""
        await self._studio.live(_name(request)).stop()
        return _json({})

    async def decide(self, request: Request) -> Response:
        """The answer to the open question."""
        live = self._studio.live(_name(request))
        async with self._uploads.taken(request, read_answer) as answer:
            live.decide(*answer)
        return _json({})

    async def events(self, request: Request) -> Response:
        """The events of a run as server-sent events, past and to come."""
        last = request.headers.get("last-event-id") or request.query_params.get("after", "")
        start = int(last) if last.isdecimal() and len(last) < 10 else 0
        messages = await self._studio.follow(_name(request), start)
        if request.method == "HEAD":
            return Response(media_type=EventStream.media_type, headers=_NEVER)
        if len(self._following) >= MAX_STREAMS:
            words = f"{MAX_STREAMS} pages follow runs already: close one"
            raise HTTPException(503, words, {"Retry-After": "10"})
        return EventStream(messages, _NEVER, self._following)

    async def image(self, request: Request) -> Response:
        """A picture, whole or small."""
        size = request.path_params["size"]
        if size not in ("whole", "small"):
            raise LookupError(f"there is no size {size[:80]!r}")
        run = find_run(self._studio.out, _name(request))
        path = image_file(run, request.path_params["digest"])
        if size == "whole":
            return await self._png(path, run, _FOR_GOOD)
        small = await run_sync(thumbnail, path, limiter=self._drawing)
        return Response(small, media_type="image/png", headers=_FOR_GOOD)

    async def result(self, request: Request) -> Response:
        """The result so far, to be saved under the name of its run."""
        name = _name(request)
        run = find_run(self._studio.out, name)
        save = {"Content-Disposition": f'attachment; filename="{name}.png"'}
        return await self._png(result_file(run), run, _NEVER | save)

    async def _png(self, path: Path, run: Path, headers: Mapping[str, str]) -> Response:
        """A picture file, which a run may replace meanwhile: the one that was opened is sent."""
        file = await run_sync(open_picture, path, run, limiter=self._drawing)
        return FileStream(file, "image/png", headers)


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _json(
    value: object, status: int = 200, more: Mapping[str, str] = MappingProxyType({})
) -> Response:
    return JSONResponse(value, status, headers={**_NEVER, **more})


async def _explain(request: Request, error: Exception) -> Response:
    """An error in words, with the status that fits."""
    await drop(request)
    match error:
        case HTTPException():
            return _json({"error": error.detail}, error.status_code, error.headers or {})
        case ClientDisconnect():
            return _json({"error": "this request has no end"}, 400)
        case StudioFullError():
            return _json({"error": str(error)}, 429, {"Retry-After": "10"})
        case LookupError():
            return _json({"error": str(error.args[0]) if error.args else "not found"}, 404)
        case StoreLockedError():
            return _json({"error": str(error)}, 409)
        case ConfigError():
            return _json({"error": str(error)}, 400)
        case StoreError() if "name" in request.path_params:  # what is stored there is of no use
            return _json({"error": str(error)}, 422)
    return _json({"error": str(error)}, 500)
