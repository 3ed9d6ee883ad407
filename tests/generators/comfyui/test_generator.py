from __future__ import annotations

import asyncio
import io
import json
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image
from pydantic import JsonValue
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Ping

from rr_refine import component, plugins
from rr_refine.errors import (
    ConfigError,
    GeneratorError,
    GeneratorTimeout,
    GeneratorUnavailable,
    OutOfMemoryError,
    RefineError,
    UnsupportedRequestError,
)
from rr_refine.generators import GeneratorContract, RenderRequest
from rr_refine.generators.comfyui import ComfyUIGenerator, ComfyUIOptions, create
from rr_refine.generators.comfyui.progress import Steps
from rr_refine.generators.comfyui.server import ComfyUIServer
from rr_refine.generators.comfyui.stream import BoundedStream
from rr_refine.notices import notices_of
from tests.generators.comfyui.standin import WORKFLOWS, StandIn

KEY = "a-very-secret-token"


def make(comfyui: StandIn, workflow: str = "sdxl_t2i", **options: JsonValue) -> ComfyUIGenerator:
    given = {"base_url": comfyui.url, "workflow": str(WORKFLOWS / f"{workflow}.json"), **options}
    return ComfyUIGenerator(ComfyUIOptions.model_validate(given))


def draw(
    generator: ComfyUIGenerator,
    prompt: str = "a fox",
    seed: int = 1,
    steps: list[tuple[int, int]] | None = None,
    **more: Any,
) -> Image.Image:
    async def once() -> Image.Image:
        tell = None if steps is None else lambda *step: steps.append(step)
        try:
            return await generator.generate(RenderRequest(prompt, seed, **more), on_step=tell)
        finally:
            await generator.aclose()

    return asyncio.run(once())


def reach(generator: ComfyUIGenerator) -> None:
    async def once() -> None:
        try:
            await generator.connect()
        finally:
            await generator.aclose()

    asyncio.run(once())


class _Contract(GeneratorContract):
    @pytest.fixture(autouse=True)
    def _server(self, comfyui: StandIn) -> None:
        self.comfyui = comfyui


class TestContract(_Contract):
    parameters = {"width": 64, "height": 64}

    def make_generator(self) -> ComfyUIGenerator:
        return make(self.comfyui)


class TestContractOfEdits(_Contract):
    def make_generator(self) -> ComfyUIGenerator:
        return make(self.comfyui, "kontext_edit")


def test_the_entry_point_makes_one() -> None:
    path = str(WORKFLOWS / "sdxl_t2i.json")
    assert isinstance(plugins.create("generators", "comfyui", {"workflow": path}), ComfyUIGenerator)
    with pytest.raises(ConfigError, match=r"unknown option 'generator.workflwo' \(did you mean"):
        create(workflow=path, workflwo="x")
    with pytest.raises(ConfigError, match=r"generator.workflow"):
        create()


def test_the_request_goes_where_it_belongs(comfyui: StandIn) -> None:
    parameters: dict[str, JsonValue] = {"width": 640, "height": 512, "negative_prompt": "text"}
    image = draw(make(comfyui), 'a "red" fox', 7, parameters=parameters)
    assert notices_of(image) == ("the workflow gave 48x32 pixels where 640x512 was asked for",)
    (graph,) = comfyui.graphs
    assert graph["6"]["inputs"]["text"] == 'a "red" fox'
    assert graph["7"]["inputs"]["text"] == "text"
    assert graph["3"]["inputs"]["seed"] == 7
    assert (graph["5"]["inputs"]["width"], graph["5"]["inputs"]["height"]) == (640, 512)
    # Nothing is saved into the user's own pictures.
    assert graph["9"] == {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}


def test_what_is_not_given_stays(comfyui: StandIn) -> None:
    draw(make(comfyui))
    (graph,) = comfyui.graphs
    assert graph["7"]["inputs"]["text"] == "blurry"
    assert graph["5"]["inputs"] == {"width": 1024, "height": 1024, "batch_size": 1}


def test_a_picture_to_edit_is_uploaded(comfyui: StandIn) -> None:
    source = Image.new("RGB", (40, 24), "red")
    draw(make(comfyui, "kontext_edit"), "make it blue", source=source)
    ((name, png),) = comfyui.uploads.items()
    assert Image.open(io.BytesIO(png)).convert("RGB").tobytes() == source.tobytes()
    assert comfyui.graphs[0]["4"]["inputs"]["image"] == f"rr-refine/{name}"


def test_several_pictures_where_the_workflow_has_several(comfyui: StandIn, tmp_path: Path) -> None:
    graph = json.loads((WORKFLOWS / "qwen_edit_plus.json").read_text())
    graph["40"] = {"class_type": "LoadImage", "inputs": {"image": "hat.png"}}
    graph["6"]["inputs"]["image2"] = ["40", 0]
    path = tmp_path / "two.json"
    path.write_text(json.dumps(graph))
    with pytest.raises(ConfigError, match=r"4.image of 'Source'.*40.image.*source_input"):
        make(comfyui, str(path.with_suffix("")))
    generator = make(comfyui, str(path.with_suffix("")), source_input=["4.image", "40.image"])
    assert generator.most_sources == 2
    one, two = Image.new("RGB", (9, 9), "red"), Image.new("RGB", (9, 9), "blue")
    draw(generator, source=one, more_sources=(two,))
    sent = comfyui.graphs[0]
    assert sent["4"]["inputs"]["image"] != sent["40"]["inputs"]["image"]
    with pytest.raises(UnsupportedRequestError, match="edits 2 pictures together, and 1 came"):
        draw(generator, source=one)


def test_who_draws(comfyui: StandIn) -> None:
    generator = make(comfyui)
    with pytest.raises(ConfigError, match="not known before"):
        generator.identity  # noqa: B018
    reach(generator)
    identity = generator.identity
    assert (identity.kind, identity.name) == ("comfyui", "some_sdxl.safetensors")
    assert identity.details["models"] == ["some_sdxl.safetensors"]
    assert identity.details["version"] == "0.33.0"
    assert comfyui.url not in identity.model_dump_json()


def test_the_identity_is_that_of_the_workflow_without_the_request(
    comfyui: StandIn, tmp_path: Path
) -> None:
    def digest_of(**changes: tuple[str, JsonValue]) -> JsonValue:
        graph = json.loads((WORKFLOWS / "sdxl_t2i.json").read_text())
        for node, (name, value) in changes.items():
            graph[node[1:]]["inputs"][name] = value
        path = tmp_path / "other.json"
        path.write_text(json.dumps(graph))
        generator = ComfyUIGenerator(ComfyUIOptions(base_url=comfyui.url, workflow=str(path)))
        reach(generator)
        return generator.identity.details["workflow"]

    same = digest_of()
    assert digest_of(n6=("text", "another prompt")) == same
    assert digest_of(n3=("seed", 99)) == same
    assert digest_of(n9=("filename_prefix", "elsewhere")) == same
    assert digest_of(n3=("steps", 21)) != same
    assert digest_of(n7=("text", "another negative prompt")) != same
    assert digest_of(n5=("width", 512)) != same


def test_steps_are_told(comfyui: StandIn) -> None:
    comfyui.seconds = 0.3
    steps = list[tuple[int, int]]()
    draw(make(comfyui), steps=steps)
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_socket_that_does_not_open_is_no_fault(comfyui: StandIn) -> None:
    comfyui.socket_works = False
    steps = list[tuple[int, int]]()
    draw(make(comfyui), steps=steps)
    assert steps == []


async def test_a_server_that_pings_and_reads_nothing_is_left() -> None:
    stuck, left = asyncio.Event(), asyncio.Event()

    async def ping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = WSConnection(ConnectionType.SERVER)
        server.receive_data(await reader.readuntil(b"\r\n\r\n"))
        writer.write(server.send(AcceptConnection()))
        with suppress(TimeoutError):
            while True:
                writer.write(server.send(Ping(bytes(125))) * 100)
                async with asyncio.timeout(1):
                    await writer.drain()
        stuck.set()  # in its answers
        await left.wait()
        writer.transport.abort()

    small = socket.create_server(("127.0.0.1", 0))
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    async with await asyncio.start_server(ping, sock=small, limit=4096):
        url = f"http://127.0.0.1:{small.getsockname()[1]}"
        server = ComfyUIServer(ComfyUIOptions(base_url=url, workflow="x"))
        listener = asyncio.create_task(Steps("job", [], print).listen(server, "client"))
        await stuck.wait()
        listener.cancel()
        done, _ = await asyncio.wait([listener], timeout=5)
        left.set()
        await server.aclose()
    assert done


@pytest.mark.parametrize("flood", [b"\x00\x00", b"\x8a\x00"], ids=["empty parts", "pongs"])
async def test_a_message_without_an_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch, flood: bytes
) -> None:
    monkeypatch.setattr("rr_refine.generators.comfyui.server._MESSAGE_MAX", 2**16)

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = WSConnection(ConnectionType.SERVER)
        server.receive_data(await reader.readuntil(b"\r\n\r\n"))
        writer.write(server.send(AcceptConnection()) + b"\x01\x01{")
        with suppress(ConnectionError):
            while True:
                writer.write(flood * 1000)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(send, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        server = ComfyUIServer(ComfyUIOptions(base_url=url, workflow="x"))
        listener = asyncio.create_task(Steps("job", [], print).listen(server, "client"))
        done, _ = await asyncio.wait([listener], timeout=60)
        listener.cancel()
        await server.aclose()
    assert done


async def test_the_socket_is_read_in_small_parts_up_to_its_limit() -> None:
    class Endless:
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return bytes(max_bytes)

    stream = BoundedStream(cast("Any", Endless()), limit=10_000)
    first = [len(await stream.read(2**20)) for _ in range(4)]
    stream.heard()
    assert first == [4096, 4096, 4096, 0]
    assert len(await stream.read(2**20)) == 4096


def test_an_id_or_a_name_that_is_too_long_is_told(comfyui: StandIn) -> None:
    comfyui.picture_name = "x" * 100_000
    with pytest.raises(GeneratorError, match=r"cannot be asked for.*URL too long"):
        draw(make(comfyui))
    assert comfyui.deleted == []
    comfyui.job_name = "x" * 100_000
    with pytest.raises(GeneratorError, match="an id of 100,000 characters"):
        draw(make(comfyui))
    assert len(comfyui.deleted) == 1


def test_a_server_that_holds_still_is_waited_for(comfyui: StandIn) -> None:
    comfyui.deaf = time.monotonic() + 1.2
    assert draw(make(comfyui)).size == (48, 32)


@pytest.mark.parametrize(
    ("status", "error"),
    [(504, GeneratorTimeout), (500, GeneratorUnavailable), (401, ConfigError)],
)
def test_one_that_never_answers_again_is_given_up(
    comfyui: StandIn, status: int, error: type[RefineError]
) -> None:
    comfyui.deaf = time.monotonic() + 60
    comfyui.deaf_with = status
    comfyui.seconds = 60
    with pytest.raises(error, match=str(status)):
        draw(make(comfyui, timeout=1.0))
    assert len(comfyui.deleted) == len(comfyui.interrupted) == 1


@pytest.mark.parametrize("wait", [0.0, 0.05, 0.6])
def test_cancelling_stops_our_own_job(comfyui: StandIn, wait: float) -> None:
    comfyui.seconds = 30

    async def once() -> None:
        generator = make(comfyui)
        await generator.connect()
        call = asyncio.ensure_future(generator.generate(RenderRequest("a fox", 1)))
        await asyncio.sleep(wait)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await generator.aclose()

    asyncio.run(once())
    assert len(comfyui.deleted) == len(comfyui.interrupted) == len(comfyui.graphs)
    assert comfyui.deleted == comfyui.interrupted


def test_a_job_that_takes_too_long_is_taken_back(comfyui: StandIn) -> None:
    comfyui.seconds = 30
    with pytest.raises(GeneratorTimeout, match=r"within 0.5 s.*generator.job_timeout"):
        draw(make(comfyui, job_timeout=0.5))
    assert len(comfyui.interrupted) == 1


def test_a_job_that_waits_is_taken_back_and_nothing_interrupted(comfyui: StandIn) -> None:
    comfyui.seconds, comfyui.waits = 30, True
    with pytest.raises(GeneratorTimeout):
        draw(make(comfyui, job_timeout=0.5))
    assert len(comfyui.deleted) == 1
    assert comfyui.interrupted == []


def test_a_job_that_somebody_deleted_is_told(
    comfyui: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rr_refine.generators.comfyui.job._POLL", 0.01)
    comfyui.lose = True
    with pytest.raises(GeneratorError, match="no longer knows the job: it was deleted"):
        draw(make(comfyui))


def test_a_file_that_the_server_remembers_and_has_not_is_drawn_again(comfyui: StandIn) -> None:
    comfyui.forget_files = 1
    assert draw(make(comfyui)).size == (48, 32)
    one, other = comfyui.graphs
    assert one != other
    assert {k: v for k, v in one.items() if k != "9"} == {
        k: v for k, v in other.items() if k != "9"
    }
    comfyui.forget_files = 2
    with pytest.raises(GeneratorError, match="no longer has the picture"):
        draw(make(comfyui))


@pytest.mark.parametrize(
    ("recording", "error", "words"),
    [
        ("20_missing_model", UnsupportedRequestError, "node 4 'Load Checkpoint' .*no such file"),
        ("21_missing_node_type", UnsupportedRequestError, "'My scaler' not found.*custom nodes"),
        ("old_0.3.64_missing_node_type", UnsupportedRequestError, "ImageScalePlusPro does not"),
        ("23_out_of_range", UnsupportedRequestError, r"node 2 \(ImageScale\).*Value -5 smaller"),
        ("24_no_outputs", UnsupportedRequestError, "no outputs"),
        ("25_dangling_link", UnsupportedRequestError, r"node 2 \(ImageScale\)"),
        ("old_0.3.64_ui_format", UnsupportedRequestError, "missing the class_type"),
        ("26_ui_format", GeneratorUnavailable, "answered 500"),
        ("30_seed_minus_one", UnsupportedRequestError, "Value -1 smaller than min"),
        ("41_load_image_absent", UnsupportedRequestError, "Invalid image file: nope.png"),
    ],
)
def test_a_graph_that_is_refused(
    comfyui: StandIn, recording: str, error: type[RefineError], words: str
) -> None:
    comfyui.refusals = [recording]
    with pytest.raises(error, match=words):
        draw(make(comfyui))


def test_a_graph_of_which_our_part_is_refused(comfyui: StandIn, tmp_path: Path) -> None:
    graph = json.loads((WORKFLOWS / "sdxl_t2i.json").read_text())
    text = json.dumps(graph).replace('"3":', '"33":').replace('["3", 0]', '["33", 0]')
    graph = json.loads(text.replace('"9":', '"3":'))  # the recording is of an output node 3
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(graph))
    comfyui.refusals = ["22_partly_invalid_200"]
    with pytest.raises(UnsupportedRequestError, match=r"node 2 \(ImageScale\): Required input"):
        draw(ComfyUIGenerator(ComfyUIOptions(base_url=comfyui.url, workflow=str(path))))
    assert len(comfyui.deleted) == 1


@pytest.mark.parametrize(
    ("recording", "error", "words"),
    [
        ("07_oom_history", OutOfMemoryError, "out of memory.*give a smaller size"),
        ("07_error_history", GeneratorError, r"node 1 \(RRSlowSampler\) failed: "),
        ("08_interrupted_history", GeneratorError, "somebody stopped"),
        ("04_progress_history", GeneratorError, "without a picture"),
    ],
)
def test_a_job_that_fails(
    comfyui: StandIn, recording: str, error: type[RefineError], words: str
) -> None:
    comfyui.ends = [recording]
    with pytest.raises(error, match=words) as caught:
        draw(make(comfyui))
    assert "\n" not in str(caught.value)


NAUGHTY = f"\x1b]52;c;cHduZWQ=\x07\x1b[31m\u202e {KEY} \n{'A' * 100_000}"
ABOUT = {"class_type": NAUGHTY, "node_type": NAUGHTY, "received_value": f"{NAUGHTY}.ckpt"}
SAID = {"message": NAUGHTY, "details": NAUGHTY, "extra_info": ABOUT}


@pytest.mark.parametrize(
    "body",
    [
        {"error": {**SAID, "type": NAUGHTY}},
        {"error": SAID, "node_errors": {NAUGHTY: {"errors": [SAID], "class_type": NAUGHTY}}},
        {"node_errors": {"9": {"errors": [{**SAID, "type": "value_not_in_list"}] * 4, **ABOUT}}},
        {"error": NAUGHTY},
        {"error": {"message": {NAUGHTY: NAUGHTY}, "details": [NAUGHTY]}},
    ],
)
def test_words_of_a_refusal_do_nothing_to_a_terminal(
    comfyui: StandIn, body: dict[str, Any]
) -> None:
    comfyui.key, comfyui.refusals = KEY, [{"body": body, "status": 400}]
    with pytest.raises(UnsupportedRequestError) as caught:
        draw(make(comfyui, api_key=KEY))
    assert str(caught.value).isprintable()
    assert KEY not in str(caught.value) and len(str(caught.value)) < 2_200


@pytest.mark.parametrize("node", [NAUGHTY, {NAUGHTY: 1}, "9"])
def test_words_of_a_failure_do_nothing_to_a_terminal(comfyui: StandIn, node: object) -> None:
    told = {"exception_message": NAUGHTY, "exception_type": [NAUGHTY], "node_id": node, **ABOUT}
    messages = [["execution_error", told]]
    comfyui.key = KEY
    comfyui.ends = [{"status": {"status_str": "error", "messages": messages}}]
    with pytest.raises(GeneratorError) as caught:
        draw(make(comfyui, api_key=KEY))
    assert str(caught.value).isprintable()
    assert KEY not in str(caught.value) and len(str(caught.value)) < 2_200


def test_nothing_listens() -> None:
    path = str(WORKFLOWS / "sdxl_t2i.json")
    generator = ComfyUIGenerator(ComfyUIOptions(base_url="http://127.0.0.1:9", workflow=path))
    with pytest.raises(GeneratorUnavailable, match="is ComfyUI running"):
        draw(generator)


def test_what_is_not_installed_is_told_before_the_first_render(comfyui: StandIn) -> None:
    comfyui.paid = "KSampler"
    with pytest.raises(ConfigError, match=r"node 3 \(KSampler\).*paid service"):
        reach(make(comfyui))
    comfyui.paid, comfyui.models = "", ["some_sdxl_2.safetensors", "other.safetensors"]
    words = r"ckpt_name = 'some_sdxl.safetensors'.*did you mean 'some_sdxl_2.safetensors'"
    with pytest.raises(ConfigError, match=words):
        reach(make(comfyui))
    comfyui.missing = {"CLIPTextEncode"}
    with pytest.raises(ConfigError, match=r"not installed.*node 6 .*\(CLIPTextEncode\), node 7 "):
        reach(make(comfyui))
    assert comfyui.graphs == []


def test_a_seed_that_the_node_cannot_take_is_folded_and_told(comfyui: StandIn) -> None:
    comfyui.seed_max = 2**32 - 1
    image = draw(make(comfyui), seed=2**32 + 5)
    assert comfyui.graphs[0]["3"]["inputs"]["seed"] == 5
    assert notices_of(image) == (f"seed 5 stands for {2**32 + 5}, which the node cannot take",)
    assert notices_of(draw(make(comfyui), seed=2**32 - 1)) == ()


@pytest.mark.parametrize("most", [-1, -7, 0])
def test_a_largest_seed_that_is_none_counts_for_nothing(comfyui: StandIn, most: int) -> None:
    comfyui.seed_max = most
    assert notices_of(draw(make(comfyui), seed=9)) == ()
    assert comfyui.graphs[0]["3"]["inputs"]["seed"] == 9


def test_more_pictures_than_one_are_told(comfyui: StandIn) -> None:
    comfyui.batch = 3
    assert notices_of(draw(make(comfyui))) == (
        "the workflow drew 3 pictures, and the first is taken",
    )


def test_the_key_goes_along_everywhere_and_into_no_message(comfyui: StandIn) -> None:
    comfyui.key = KEY
    generator, steps = make(comfyui, "kontext_edit", api_key=KEY), list[tuple[int, int]]()
    draw(generator, steps=steps, source=Image.new("RGB", (8, 8), "red"))
    assert steps  # over the socket too
    assert KEY not in repr(generator.identity) + repr(generator.run_record) + repr(
        generator.notices
    )
    comfyui.key = KEY + "-other"
    with pytest.raises(ConfigError, match=r"401.*generator.api_key") as caught:
        reach(make(comfyui, api_key=KEY))
    assert KEY not in str(caught.value)


def test_redirects_are_refused(comfyui: StandIn) -> None:
    comfyui.redirect = "http://localhost.example/elsewhere"
    with pytest.raises(ConfigError, match=r"307.*localhost.example.*nothing was sent there"):
        reach(make(comfyui))


@pytest.mark.parametrize("path", ["", "/"])
def test_loopback_goes_through_no_proxy(
    comfyui: StandIn, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    comfyui.seconds = 0.1
    steps = list[tuple[int, int]]()
    draw(make(comfyui, base_url=comfyui.url + path), steps=steps)
    assert steps


def test_parameters_that_have_no_place(comfyui: StandIn) -> None:
    with pytest.raises(UnsupportedRequestError, match=r"widht.*did you mean 'width'"):
        draw(make(comfyui), parameters={"widht": 5})
    with pytest.raises(UnsupportedRequestError, match="both"):
        draw(make(comfyui), parameters={"width": 512})
    edit: dict[str, Any] = {
        "source": Image.new("RGB", (8, 8), "red"),
        "parameters": {"width": 9, "height": 9},
    }
    with pytest.raises(UnsupportedRequestError, match="no place for a size"):
        draw(make(comfyui, "kontext_edit"), **edit)
    with pytest.raises(UnsupportedRequestError, match="no negative prompt"):
        draw(make(comfyui, "flux_advanced_t2i"), parameters={"negative_prompt": "x"})
    assert comfyui.graphs == []


def test_a_tag_that_comfyui_does_not_know_is_told(comfyui: StandIn) -> None:
    read = make(comfyui).read_syntax("a (red:1.2) fox <lora:ink:0.8>")
    assert read.prompt == "a (red:1.2) fox <lora:ink:0.8>"
    assert read.notices == (
        "ComfyUI reads <lora:ink:0.8> as words: LoRAs are nodes of the workflow",
    )
    assert make(comfyui).read_syntax("a (red:1.2) fox").notices == ()


def test_what_was_found_is_told(comfyui: StandIn) -> None:
    generator = make(comfyui)
    (before,) = generator.notices
    assert "the prompt goes to 6.text of 'CLIP Text Encode (Prompt)'" in before
    assert "the seed to 3.seed of 'KSampler'" in before
    reach(generator)
    assert generator.notices == (
        before,
        "ComfyUI 0.33.0 on cpu draws with some_sdxl.safetensors",
    )


@pytest.mark.parametrize(
    ("workflow", "takes"),
    [
        ("sdxl_t2i", {"width", "height", "negative_prompt"}),
        ("flux_advanced_t2i", {"width", "height"}),
        ("kontext_edit", set()),
    ],
)
def test_what_a_form_may_offer(comfyui: StandIn, workflow: str, takes: set[str]) -> None:
    assert component.takes(make(comfyui, workflow)) == takes
