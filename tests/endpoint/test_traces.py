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


@asynccontextmanager
async def parrot() -> AsyncIterator[str]:
    """The address of a server that answers with the key, where a status line belongs."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"{KEY}\r\n\r\n".encode())
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


@pytest.mark.parametrize("ask", [ask_critic, ask_for_picture, ask_comfyui, download])
async def test_a_key_for_a_status_line(ask: Callable[[str], Awaitable[None]]) -> None:
    async with parrot() as url:
        with pytest.raises(RefineError, match=r"line: .*\*\*\*") as caught:
            await ask(url)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert KEY not in str(trace_of(caught.value))
