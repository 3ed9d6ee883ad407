"""What a library says of a broken answer, which may repeat the key, is in no trace."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from PIL import Image

from rr_refine.boundary import trace_of
from rr_refine.endpoint.client import EndpointClient
from rr_refine.endpoint.faults import EndpointErrors
from rr_refine.endpoint.options import EndpointOptions
from rr_refine.errors import CriticError, RefineError
from rr_refine.generators.comfyui.options import ComfyUIOptions
from rr_refine.generators.comfyui.server import ComfyUIServer
from rr_refine.generators.generator import RenderRequest
from rr_refine.generators.images_api import create as images_api
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.openai import create as openai_critic

KEY = "sk-0123456789abcdef"


ANSWERS = {
    "status": "{}",
    "header": "HTTP/1.1 200 OK\r\n{}",
    "encoding": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: {}",
    "padded": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: {:->50}",
    "length": "HTTP/1.1 200 OK\r\nContent-Length: {}",
    "transfer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: {}",
    "place": "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://{}:x/",
    "reason": "HTTP/1.1 500 {}\r\nContent-Length: 0",
}


@asynccontextmanager
async def parrot(head: str) -> AsyncIterator[str]:
    """The address of a server that answers with the key, where something else belongs."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"{head.format(KEY)}\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def ask_critic(url: str) -> None:
    part = openai_critic(base_url=url, api_key=KEY, model="m", max_retries=0)
    await part.critique(CritiqueRequest("a cat", Image.new("RGB", (8, 8))))


async def ask_for_picture(url: str) -> None:
    part = images_api(base_url=url, api_key=KEY, model="m", max_retries=0)
    await part.generate(RenderRequest("a cat", 0))


async def ask_comfyui(url: str) -> None:
    options = {"base_url": url, "api_key": KEY, "workflow": "x"}
    await ComfyUIServer(ComfyUIOptions.model_validate(options)).look("queue")


async def download(url: str) -> None:
    options = EndpointOptions.model_validate({"base_url": url, "api_key": KEY, "model": "m"})
    client = EndpointClient(options, section="critic", errors=EndpointErrors.all(CriticError))
    await client.download("picture.png", limit=1000)


@pytest.mark.parametrize("head", ANSWERS)
@pytest.mark.parametrize("ask", [ask_critic, ask_for_picture, ask_comfyui, download])
async def test_a_key_where_something_else_belongs(
    ask: Callable[[str], Awaitable[None]], head: str
) -> None:
    async with parrot(ANSWERS[head]) as url:
        with pytest.raises(RefineError) as caught:
            await ask(url)
    told = "".join(traceback.format_exception(caught.value)).lower()
    for text in (told, str(trace_of(caught.value)).lower()):
        assert KEY[:12] not in text
