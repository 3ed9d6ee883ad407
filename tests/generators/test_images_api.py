from __future__ import annotations

import asyncio
import base64
import email.message
import email.parser
import email.policy
import io
import json
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx2
import pytest
from PIL import Image
from pydantic import JsonValue, TypeAdapter

from rr_refine import plugins
from rr_refine.component import most_sources, takes
from rr_refine.errors import (
    BlankImageError,
    ConfigError,
    GeneratorError,
    GeneratorRefused,
    GeneratorTimeout,
    GeneratorUnavailable,
    RefineError,
    UnsupportedRequestError,
)
from rr_refine.generators import GeneratorContract, ImagesApiGenerator, RenderRequest
from rr_refine.generators.fake import FakeGenerator, FakeOptions
from rr_refine.generators.images_api import ImagesApiOptions, create
from rr_refine.notices import MAX_WORDS, notices_of

KEY = "sk-very-secret"
URL = "http://server:8000/v1"
SMALL: dict[str, JsonValue] = {"width": 48, "height": 32}

_BODY = TypeAdapter(dict[str, JsonValue])


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def picture(colour: str = "red") -> bytes:
    return png(Image.new("RGB", (48, 32), colour))


NOISE = png(Image.effect_noise((48, 32), 80))


def answer(content: bytes) -> httpx2.Response:
    encoded = base64.b64encode(content).decode()
    return httpx2.Response(200, json={"created": 1, "data": [{"b64_json": encoded}]})


def parts_of(request: httpx2.Request) -> list[email.message.MIMEPart]:
    """The parts of a multipart body, in order."""
    if not request.headers["content-type"].startswith("multipart/"):
        return []
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.content)
    return list(message.iter_parts())


def sources_of(request: httpx2.Request) -> list[Image.Image]:
    """The pictures of a form, in order."""
    files = (part for part in parts_of(request) if part.get_filename() is not None)
    contents = (part.get_payload(decode=True) for part in files)
    return [
        Image.open(io.BytesIO(one)).convert("RGB") for one in contents if isinstance(one, bytes)
    ]


def fields_of(request: httpx2.Request) -> dict[str, JsonValue]:
    """The body's fields; a multipart body's image becomes its bytes in base64."""
    kind = request.headers["content-type"]
    if kind == "application/json":
        return _BODY.validate_json(request.content)
    fields: dict[str, JsonValue] = {}
    for part in parts_of(request):
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        name = str(part.get_param("name", header="content-disposition"))
        if part.get_filename() is None:
            fields[name] = content.decode()
        else:
            fields[name] = base64.b64encode(content).decode()
            fields["file"] = f"{part.get_filename()} {part.get_content_type()}"
    return fields


class Server:
    """An images API whose model is the fake generator. Counts and keeps what it was asked."""

    def __init__(self, *, models: tuple[str, ...] = ("tiny/model",)) -> None:
        self.models = models
        self.requests: list[httpx2.Request] = []
        self.bodies: list[dict[str, JsonValue]] = []
        self.faults: list[httpx2.Response | Exception] = []
        """What the next renders come to, instead of an image."""

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if request.url.path.endswith("/models"):
            entries: list[dict[str, JsonValue]] = [
                {"id": name, "object": "model", "created": 1, "owned_by": "me"}
                for name in self.models
            ]
            return httpx2.Response(200, json={"object": "list", "data": entries})
        body = fields_of(request)
        self.bodies.append(body)
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        first, *more = sources_of(request) or (None,)
        seed = int(str(body.get("seed", 0)))
        wanted = RenderRequest(str(body["prompt"]), seed, first, {}, tuple(filter(None, more)))
        model = FakeGenerator(FakeOptions(width=48, height=32))
        return answer(png(await model.generate(wanted)))


def make(server: Callable[[httpx2.Request], object], **options: JsonValue) -> ImagesApiGenerator:
    """A generator whose requests end at `server`."""
    given: dict[str, JsonValue] = {"base_url": URL, "api_key": KEY, "max_retries": 0, **options}
    return ImagesApiGenerator(
        ImagesApiOptions.model_validate(given),
        http_client=lambda: httpx2.AsyncClient(
            transport=httpx2.MockTransport(server),  # type: ignore[arg-type]
            follow_redirects=True,
        ),
    )


class TestContract(GeneratorContract):
    def make_generator(self) -> ImagesApiGenerator:
        return make(Server())


class TestContractOfText(GeneratorContract):
    def make_generator(self) -> ImagesApiGenerator:
        return make(Server(), tasks=["t2i"])


class TestContractWithoutSeed(GeneratorContract):
    seeded = False

    def make_generator(self) -> ImagesApiGenerator:
        server = Server()
        calls = iter(range(10_000))

        async def respond(request: httpx2.Request) -> httpx2.Response:
            if request.url.path.endswith("/models"):
                return await server(request)
            return answer(picture(f"#{next(calls):02x}00ff"[-7:]))

        return make(respond, seed_field=None)


async def test_text_to_image_sends_what_was_asked() -> None:
    server = Server()
    generator = make(server, parameters={"guidance_scale": 4.0, "num_inference_steps": 20})
    image = await generator.generate(
        RenderRequest("a cat", 2**63 - 1, parameters={**SMALL, "guidance_scale": 2.5})
    )
    assert image.size == (48, 32)
    assert server.requests[-1].url == f"{URL}/images/generations"
    assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert server.bodies == [
        {
            "prompt": "a cat",
            "model": "tiny/model",
            "seed": 2**63 - 1,
            "size": "48x32",
            "guidance_scale": 2.5,
            "num_inference_steps": 20,
            "response_format": "b64_json",
        }
    ]


async def test_an_edit_uploads_the_source_as_png() -> None:
    server = Server()
    source = Image.effect_noise((20, 30), 80).convert("RGB")
    generator = make(server, size="auto", parameters={"true_cfg_scale": 4.0})
    await generator.generate(RenderRequest("make it blue", 7, source))
    assert server.requests[-1].url == f"{URL}/images/edits"
    (body,) = server.bodies
    uploaded = Image.open(io.BytesIO(base64.b64decode(str(body.pop("image")))))
    assert uploaded.tobytes() == source.tobytes()
    assert body == {
        "file": "source.png image/png",
        "prompt": "make it blue",
        "model": "tiny/model",
        "seed": "7",
        "size": "auto",
        "true_cfg_scale": "4.0",
        "response_format": "b64_json",
    }


async def test_several_sources_are_a_list_in_order() -> None:
    server = Server()
    noise = [Image.effect_noise((20, 30), 80).convert("RGB") for _ in range(3)]
    generator = make(server)
    assert most_sources(generator) is None
    await generator.generate(RenderRequest("make it blue", 7, noise[0], {}, tuple(noise[1:])))
    request = server.requests[-1]
    assert request.url == f"{URL}/images/edits"
    assert [one.tobytes() for one in sources_of(request)] == [one.tobytes() for one in noise]
    uploaded = [part for part in parts_of(request) if part.get_filename() is not None]
    names = [part.get_param("name", header="content-disposition") for part in uploaded]
    assert names == ["image[]"] * 3
    assert [p.get_filename() for p in uploaded] == ["source.png", "source-2.png", "source-3.png"]


async def test_a_server_that_takes_one_says_so() -> None:
    server = Server()
    refusal = {"error": {"message": "Only one image is supported", "type": "invalid_request_error"}}
    server.faults = [httpx2.Response(400, json=refusal)]
    source = Image.new("RGB", (8, 8), "white")
    with pytest.raises(UnsupportedRequestError, match="Only one image is supported"):
        await make(server).generate(RenderRequest("x", 7, source, {}, (source,)))


@pytest.mark.parametrize(
    "prompt",
    [
        "<image> a cat",
        "a \x1b[31mred\x1b[0m cube\x00",
        "\r\n--boundary\r\n",
        "夜 🟥",
        "red " * 25_000,
    ],
)
@pytest.mark.parametrize("edit", [False, True])
async def test_prompts_arrive_verbatim(prompt: str, edit: bool) -> None:
    server = Server()
    source = Image.new("RGB", (8, 8), "white") if edit else None
    await make(server).generate(RenderRequest(prompt, 1, source))
    assert server.bodies[0]["prompt"] == prompt


async def test_a_lone_surrogate_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedRequestError, match=r"'\\udc80' is no Unicode character"):
        await make(Server()).generate(RenderRequest("a cat\udc80", 1))


async def test_without_seed_and_format() -> None:
    server = Server()
    generator = make(server, seed_field=None, response_format=None, model="gpt-image-2")
    await generator.generate(RenderRequest("a cat", 1))
    assert server.bodies == [{"prompt": "a cat", "model": "gpt-image-2"}]
    assert generator.seeded is False
    assert generator.identity.details["seeded"] is False


async def test_another_name_for_the_seed() -> None:
    server = Server()
    await make(server, seed_field="random_seed").generate(RenderRequest("a cat", 5))
    assert server.bodies[0]["random_seed"] == 5
    assert "seed" not in server.bodies[0]


async def test_identity_holds_what_changes_the_image_and_nothing_else() -> None:
    one = make(Server(), model="m", concurrency=2)
    other = make(Server(), model="m", base_url="https://elsewhere/v1", api_key=None, timeout=5)
    assert one.identity == other.identity
    assert KEY not in one.identity.model_dump_json()
    for other in (
        make(Server(), model="n"),
        make(Server(), model="m", size="64x64"),
        make(Server(), model="m", parameters={"quality": "low"}),
    ):
        assert other.identity != one.identity


async def test_the_model_is_discovered_once() -> None:
    server = Server(models=("org/name",))
    generator = make(server)
    with pytest.raises(ConfigError, match="not known before the first answer"):
        _ = generator.identity
    await generator.connect()
    assert generator.identity.name == "org/name"
    await asyncio.gather(*(generator.generate(RenderRequest("a", seed)) for seed in range(3)))
    asked = [request for request in server.requests if request.url.path == "/v1/models"]
    assert [request.headers["authorization"] for request in asked] == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("models", "error", "words"),
    [
        ((), GeneratorUnavailable, "lists no model"),
        (("b", "a"), ConfigError, r"serves 'a', 'b'; name one of them with generator\.model"),
    ],
)
async def test_discovery_needs_exactly_one_model(
    models: tuple[str, ...], error: type[RefineError], words: str
) -> None:
    with pytest.raises(error, match=words):
        await make(Server(models=models)).generate(RenderRequest("a cat", 1))


@pytest.mark.parametrize("body", ["<html>welcome</html>", "[]", "{}", '{"data": "x"}'])
async def test_discovery_of_something_else_than_a_list(body: str) -> None:
    def respond(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, text=body)

    with pytest.raises(
        GeneratorError, match=r"something else than .* is generator\.base_url right"
    ):
        await make(respond).connect()


def failure(status: int, **error: JsonValue) -> httpx2.Response:
    return httpx2.Response(status, json={"error": {"message": "so it is", **error}})


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (failure(401), ConfigError, "401: so it is; check generator.api_key"),
        (failure(403), ConfigError, "403: so it is; check generator.api_key"),
        (failure(404), ConfigError, "404: so it is; check generator.model, and generator.base_url"),
        (failure(400), UnsupportedRequestError, "400: so it is"),
        (failure(413), UnsupportedRequestError, "413: so it is"),
        (
            httpx2.Response(422, json={"detail": [{"loc": ["body", "size"]}]}),
            UnsupportedRequestError,
            r"422: \[\{'loc': \['body', 'size'\]\}\]",
        ),
        (failure(400, code="moderation_blocked"), GeneratorRefused, "400: so it is"),
        (failure(400, code="content_policy_violation"), GeneratorRefused, "400: so it is"),
        (failure(400, code="contentFilter"), GeneratorRefused, "400: so it is"),
        (failure(403, type="safety_error"), GeneratorRefused, "403: so it is"),
        (failure(408), GeneratorTimeout, "408: so it is"),
        (failure(429), GeneratorUnavailable, "429: so it is"),
        (httpx2.Response(500, text="oh\x1b[31m no"), GeneratorUnavailable, r"500: oh \[31m no$"),
        (httpx2.Response(503), GeneratorUnavailable, "answered 503"),
        (httpx2.ConnectError("refused"), GeneratorUnavailable, r"reached \(refused\)"),
        (httpx2.ConnectTimeout("slow"), GeneratorUnavailable, r"reached \(slow\)"),
        (httpx2.ReadTimeout("slow"), GeneratorTimeout, "no sign of life for 300 s"),
        (httpx2.Response(200, json={"data": []}), GeneratorRefused, "without an image, as filters"),
        (httpx2.Response(200, json={"data": None}), GeneratorRefused, "without an image"),
        (httpx2.Response(200, json={"data": [{}]}), GeneratorRefused, "without an image"),
        (httpx2.Response(200, json={"data": [{"b64_json": None}]}), GeneratorRefused, "filters do"),
        (
            httpx2.Response(200, json={"data": [{"id": "m"}]}),
            GeneratorError,
            r'\(no images in it\); is .*base_url right\? It sent: \{"data":\[\{"id":"m"\}\]',
        ),
        (
            httpx2.Response(200, json={"data": [{"blocked": "content_policy_violation"}]}),
            GeneratorRefused,
            "that a filter took the image",
        ),
        (httpx2.Response(200, json={"created": 1}), GeneratorError, "without an image"),
        (httpx2.Response(200, json=["data"]), GeneratorError, "something else.*data"),
        (httpx2.Response(200, text="hello"), GeneratorError, "something else.*: hello$"),
        (
            httpx2.Response(200, text="{", headers={"content-type": "application/json"}),
            GeneratorError,
            "something else.*Invalid JSON",
        ),
        (answer(b"no picture"), GeneratorError, "what was sent, 10 bytes, is no picture"),
        (answer(NOISE[: len(NOISE) // 2]), GeneratorError, "no picture: it is a broken PNG"),
        (
            httpx2.Response(200, json={"data": [{"b64_json": "a"}]}),
            GeneratorError,
            "answered with",
        ),
        (answer(picture("black")), BlankImageError, "all black"),
    ],
)
@pytest.mark.parametrize("edit", [False, True])
async def test_faults(
    fault: httpx2.Response | Exception, error: type[RefineError], words: str, edit: bool
) -> None:
    server = Server()
    server.faults = [fault]
    generator = make(server)
    source = Image.new("RGB", (8, 8), "white") if edit else None
    with pytest.raises(RefineError, match=words) as caught:
        await generator.generate(RenderRequest("a cat", 1, source))
    assert type(caught.value) is error
    assert (await generator.generate(RenderRequest("a cat", 1, source))).mode == "RGB"


async def test_an_answer_that_echoes_the_key_is_not_repeated() -> None:
    server = Server()
    server.faults = [httpx2.Response(401, json={"error": {"message": f"unknown key {KEY}"}})]
    with pytest.raises(ConfigError) as caught:
        await make(server).generate(RenderRequest("a cat", 1))
    assert KEY not in str(caught.value)
    assert "unknown key ***" in str(caught.value)


async def test_a_long_answer_is_cut() -> None:
    server = Server()
    server.faults = [httpx2.Response(500, text="x" * 10_000)]
    with pytest.raises(GeneratorUnavailable) as caught:
        await make(server).generate(RenderRequest("a cat", 1))
    assert len(str(caught.value)) < 500


async def test_the_sdk_retries_as_often_as_it_is_told() -> None:
    server = Server()
    now = {"retry-after-ms": "1"}
    server.faults = [httpx2.Response(503, headers=now), httpx2.Response(429, headers=now)]
    await make(server, max_retries=2).generate(RenderRequest("a cat", 1))
    assert len(server.bodies) == 3


async def test_concurrency_is_bounded() -> None:
    server = Server()
    under_way = most = 0

    async def respond(request: httpx2.Request) -> httpx2.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return await server(request)

    generator = make(respond, concurrency=2)
    await asyncio.gather(*(generator.generate(RenderRequest("a", seed)) for seed in range(6)))
    assert most == 2


def test_several_event_loops_at_once() -> None:
    generator = make(Server(), concurrency=1)
    images: dict[int, bytes] = {}
    errors: list[RefineError] = []

    async def work(seed: int) -> None:
        both = await asyncio.gather(
            *(generator.generate(RenderRequest("a", seed)) for _ in range(2))
        )
        images[seed] = both[0].tobytes()
        await generator.aclose()

    def loop(seed: int) -> None:
        try:
            asyncio.run(work(seed))
        except RefineError as error:
            errors.append(error)

    threads = [threading.Thread(target=loop, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(set(images.values())) == 4


async def test_closing_closes_and_a_later_call_opens_again() -> None:
    server = Server()
    clients: list[httpx2.AsyncClient] = []

    def open_client() -> httpx2.AsyncClient:
        clients.append(httpx2.AsyncClient(transport=httpx2.MockTransport(server)))
        return clients[-1]

    options = ImagesApiOptions(base_url=URL)
    generator = ImagesApiGenerator(options, http_client=open_client)
    await generator.aclose()
    assert clients == []
    await generator.generate(RenderRequest("a cat", 1))
    await generator.aclose()
    await generator.generate(RenderRequest("a cat", 1))
    assert [client.is_closed for client in clients] == [True, False]
    await generator.aclose()


@pytest.mark.parametrize(
    ("options", "parameters"),
    [({"size": "1024x768"}, {}), ({}, {"width": 1024, "height": 768})],
)
async def test_another_size_than_was_asked_for(
    options: dict[str, JsonValue], parameters: dict[str, JsonValue]
) -> None:
    small = png(Image.effect_noise((96, 64), 80).convert("RGB"))
    request = RenderRequest("a cat", 1, parameters=parameters)
    image = await make(lambda _: answer(small), model="m", **options).generate(request)
    assert image.size == (96, 64)
    words = "the endpoint answered with 96x64 pixels where 1024x768 was asked for"
    assert notices_of(image) == (words,)
    strict = make(lambda _: answer(small), model="m", strict_size=True, **options)
    with pytest.raises(GeneratorError, match=f"{words}; set generator.strict_size = false"):
        await strict.generate(request)


@pytest.mark.parametrize("size", [None, "auto", "96x64"])
async def test_the_size_that_was_asked_for(size: str | None) -> None:
    small = png(Image.effect_noise((96, 64), 80).convert("RGB"))
    generator = make(lambda _: answer(small), model="m", size=size, strict_size=True)
    assert notices_of(await generator.generate(RenderRequest("a cat", 1))) == ()


@pytest.mark.parametrize(
    ("revised", "told"),
    [
        ("A cat, in oil\n", ("the endpoint wrote the prompt anew and drew: A cat, in oil",)),
        (" a  cat ", ()),
        ("", ()),
        (None, ()),
        (["odd"], ()),
    ],
)
async def test_a_prompt_that_the_service_wrote_anew(
    revised: JsonValue, told: tuple[str, ...]
) -> None:
    entry: dict[str, JsonValue] = {
        "b64_json": base64.b64encode(picture()).decode(),
        "revised_prompt": revised,
    }
    generator = make(lambda _: httpx2.Response(200, json={"data": [entry]}), model="m")
    assert notices_of(await generator.generate(RenderRequest("a cat", 1))) == told


def _answer(body: bytes, _: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, content=body)


async def test_base64_in_the_letters_of_addresses() -> None:
    content = NOISE
    encoded = base64.urlsafe_b64encode(content).decode().rstrip("=")
    assert set("-_") & set(encoded)
    for given in (encoded, f"data:image/png;base64,{encoded}"):
        body = json.dumps({"data": [{"b64_json": given}]}).encode()
        generator = make(partial(_answer, body), model="m")
        drawn = await generator.generate(RenderRequest("a cat", 1))
        assert drawn.tobytes() == Image.open(io.BytesIO(content)).convert("RGB").tobytes()


async def test_a_prompt_that_the_service_wrote_anew_at_length() -> None:
    entry = {"b64_json": base64.b64encode(picture()).decode(), "revised_prompt": "a " * 10_000_000}
    generator = make(lambda _: httpx2.Response(200, json={"data": [entry]}), model="m")
    (told,) = notices_of(await generator.generate(RenderRequest("a cat", 1)))
    assert len(told) <= MAX_WORDS
    assert told.startswith("the endpoint wrote the prompt anew and drew: a a a")


async def test_a_model_with_an_endless_name() -> None:
    generator = make(lambda _: httpx2.Response(200, json={"data": [{"id": "m" * 1_000_000}]}))
    with pytest.raises(GeneratorError, match="at most 1000 characters") as caught:
        await generator.connect()
    assert len(str(caught.value)) < 2000


class TestImagesByUrl:
    """An answer may point at the image instead of holding it."""

    @staticmethod
    def respond(
        url: str, *, file: httpx2.Response
    ) -> tuple[Callable[[httpx2.Request], httpx2.Response], list[httpx2.Request]]:
        fetched: list[httpx2.Request] = []

        def respond(request: httpx2.Request) -> httpx2.Response:
            if request.method == "POST":
                return httpx2.Response(200, json={"data": [{"url": url}]})
            fetched.append(request)
            return file

        return respond, fetched

    @pytest.mark.parametrize(
        ("url", "target", "with_key"),
        [
            ("/v1/images/1/content", "http://server:8000/v1/images/1/content", True),
            ("http://server:8000/i.png?a=b", "http://server:8000/i.png?a=b", True),
            ("https://93.184.216.34:9000/i.png", "https://93.184.216.34:9000/i.png", False),
        ],
    )
    async def test_the_key_goes_to_the_endpoint_only(
        self, url: str, target: str, with_key: bool
    ) -> None:
        respond, fetched = self.respond(url, file=httpx2.Response(200, content=picture()))
        generator = make(respond, model="m", response_format="url")
        image = await generator.generate(RenderRequest("a cat", 1))
        assert image.getpixel((0, 0)) == (255, 0, 0)
        assert [str(request.url) for request in fetched] == [target]
        assert ("authorization" in fetched[0].headers) is with_key

    async def test_a_redirect_elsewhere_loses_the_key(self) -> None:
        fetched: list[httpx2.Request] = []

        def respond(request: httpx2.Request) -> httpx2.Response:
            if request.method == "POST":
                return httpx2.Response(200, json={"data": [{"url": "/i.png"}]})
            fetched.append(request)
            if request.url.host == "server":
                return httpx2.Response(302, headers={"location": "https://93.184.216.34/i.png"})
            return httpx2.Response(200, content=picture())

        await make(respond, model="m").generate(RenderRequest("a cat", 1))
        assert ["authorization" in request.headers for request in fetched] == [True, False]

    @pytest.mark.parametrize(
        ("url", "file", "error", "words"),
        [
            ("/i.png", httpx2.Response(404), GeneratorUnavailable, "404"),
            ("/i.png", httpx2.Response(200, text="hi"), GeneratorError, "no picture"),
            (
                "file:///etc/passwd",
                httpx2.Response(200),
                GeneratorError,
                "'file:.*passwd', which is no http",
            ),
            ("http://a b\x1b", httpx2.Response(200), GeneratorUnavailable, "cannot be fetched"),
        ],
    )
    async def test_faults(
        self, url: str, file: httpx2.Response, error: type[GeneratorError], words: str
    ) -> None:
        respond, _ = self.respond(url, file=file)
        with pytest.raises(GeneratorError, match=words) as caught:
            await make(respond, model="m").generate(RenderRequest("a cat", 1))
        assert type(caught.value) is error

    async def test_a_file_without_end_is_given_up(self) -> None:
        sent = 0

        async def endless() -> object:
            nonlocal sent
            while True:
                sent += 2**20
                yield bytes(2**20)

        respond, _ = self.respond("/i.png", file=httpx2.Response(200, content=endless()))  # type: ignore[arg-type]
        with pytest.raises(GeneratorError, match="more than 67108864 bytes"):
            await make(respond, model="m").generate(RenderRequest("a cat", 1))
        assert sent <= 70 * 2**20


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"guidence_scale": 3}, "did you mean 'guidance_scale'"),
        ({"seed": 3}, "unknown parameter 'seed'"),
        ({"width": 64}, "needs the other side"),
        ({"width": 0, "height": 64}, "width = 0"),
        ({"width": "64", "height": 64}, "width = '64'"),
    ],
)
async def test_parameters_are_checked_before_anything_is_sent(
    parameters: dict[str, JsonValue], words: str
) -> None:
    server = Server()
    with pytest.raises(UnsupportedRequestError, match=words):
        await make(server).generate(RenderRequest("a cat", 1, parameters=parameters))
    assert server.requests == []


async def test_a_parameter_named_in_the_options_may_be_overridden() -> None:
    server = Server()
    generator = make(server, parameters={"flow_shift": 3.0})
    await generator.generate(RenderRequest("a cat", 1, parameters={"flow_shift": 1.0}))
    assert server.bodies[0]["flow_shift"] == 1.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, r"generator\.base_url: Field required"),
        ({"base_url": "server:8000"}, "no http"),
        ({"base_url": "http://"}, "no http"),
        ({"base_url": "http://host:port/v1"}, "no URL"),
        ({"base_url": "http://me:secret@host/v1"}, "user name or password"),
        ({"base_url": URL, "api_key": "sk\n"}, "cannot be sent"),
        ({"base_url": URL, "api_key": "schlüssel"}, "cannot be sent"),
        ({"base_url": URL, "size": "big"}, "size"),
        ({"base_url": URL, "tasks": []}, "tasks"),
        ({"base_url": URL, "timeout": 0}, "timeout"),
        ({"base_url": URL, "parameters": {"n": 4}}, "cannot set 'n'"),
        ({"base_url": URL, "parameters": {"seed": 4}}, "cannot set 'seed'"),
        ({"base_url": URL, "seed_field": "prompt"}, "`seed_field` cannot be 'prompt'"),
        ({"base_url": URL, "url": "x"}, "unknown option 'generator.url'"),
    ],
)
def test_bad_options(options: dict[str, JsonValue], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        create(**options)
    assert "secret" not in str(caught.value)
    assert "schlüssel" not in str(caught.value)


def test_comes_through_the_front_door() -> None:
    options: dict[str, JsonValue] = {"base_url": URL, "model": "m", "api_key": KEY}
    generator = plugins.create("generators", "images-api", options)
    assert isinstance(generator, ImagesApiGenerator)
    assert KEY not in repr(vars(generator)["_options"])


async def test_nothing_of_the_environment_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "ORG_ID", "PROJECT_ID", "ADMIN_KEY"):
        monkeypatch.setenv(f"OPENAI_{name}", "from-the-environment")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer from-the-environment")
    server = Server()
    await make(server, api_key=None).generate(RenderRequest("a cat", 1))
    for request in server.requests:
        assert "from-the-environment" not in json.dumps(list(request.headers.items()))


class ChatServer(Server):
    """A gateway that gives pictures in a chat. Its model is the fake generator too."""

    def __init__(self) -> None:
        super().__init__()
        self.form = "images"
        """Where the picture is in the answer."""

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/models"):
            return await super().__call__(request)
        self.requests.append(request)
        body: Any = json.loads(request.content)
        self.bodies.append(body)
        if self.faults:
            fault = self.faults.pop(0)
            assert isinstance(fault, httpx2.Response)
            return fault
        (message,) = body["messages"]
        parts = message["content"]
        parts = [{"type": "text", "text": parts}] if isinstance(parts, str) else parts
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        sources = [
            Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")
            for url in urls
        ]
        first, *more = sources or (None,)
        wanted = RenderRequest(parts[0]["text"], body.get("seed", 0), first, {}, tuple(more))
        model = FakeGenerator(FakeOptions(width=48, height=32))
        encoded = base64.b64encode(png(await model.generate(wanted))).decode()
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}}
        said: Any = {"role": "assistant", "content": "Here it is."}
        if self.form == "images":
            said["images"] = [picture]
        else:
            said["content"] = [{"type": "text", "text": "Here it is."}, picture]
        choice = {"index": 0, "finish_reason": "stop", "message": said}
        return httpx2.Response(200, json={"id": "1", "choices": [choice], "usage": {}})


def said(text: str, end: str = "stop", **more: JsonValue) -> httpx2.Response:
    message = {"role": "assistant", "content": text, **more}
    return httpx2.Response(200, json={"choices": [{"finish_reason": end, "message": message}]})


class TestContractOfChat(GeneratorContract):
    def make_generator(self) -> ImagesApiGenerator:
        return make(ChatServer(), wire="chat")


@pytest.mark.parametrize("form", ["images", "content"])
async def test_a_picture_in_a_chat(form: str) -> None:
    server = ChatServer()
    server.form = form
    config: dict[str, JsonValue] = {"image_config": {"aspect_ratio": "3:2"}}
    generator = make(server, wire="chat", modalities=["image"], parameters=config)
    image = await generator.generate(RenderRequest("a cat", 5))
    assert image.size == (48, 32)
    assert server.requests[-1].url == f"{URL}/chat/completions"
    assert server.bodies == [
        {
            "model": "tiny/model",
            "messages": [{"role": "user", "content": "a cat"}],
            "modalities": ["image"],
            "seed": 5,
            **config,
        }
    ]


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (said("I cannot draw that person."), GeneratorRefused, "I cannot draw that person"),
        (said("", "content_filter"), GeneratorRefused, "content_filter"),
        (said("", "stop", images=[]), GeneratorRefused, "without an image"),
        (said("x", images=[{"image_url": {"url": "data:image/png;base64,AAAA"}}]), None, "picture"),
        (httpx2.Response(200, json={"choices": []}), GeneratorRefused, "without an image"),
        (httpx2.Response(200, json={"data": []}), GeneratorError, "something else"),
        (
            httpx2.Response(404, json={"error": {"message": "no output modalities: image, text"}}),
            *(ConfigError, "output modalities"),
        ),
    ],
)
async def test_a_chat_without_a_picture(
    fault: httpx2.Response, error: type[RefineError] | None, words: str
) -> None:
    server = ChatServer()
    server.faults = [fault]
    with pytest.raises(error or GeneratorError, match=words):
        await make(server, wire="chat").generate(RenderRequest("a cat", 1))


async def test_a_chat_takes_no_size() -> None:
    with pytest.raises(UnsupportedRequestError, match="aspect_ratio"):
        await make(ChatServer(), wire="chat").generate(RenderRequest("a", 1, parameters=SMALL))
    for options, words in (
        ({"wire": "chat", "size": "64x64"}, "no effect"),
        ({"modalities": ["image"]}, "wire = 'chat' only"),
        ({"wire": "chat", "parameters": {"messages": []}}, "cannot set 'messages'"),
    ):
        with pytest.raises(ConfigError, match=words):
            create(base_url=URL, **options)
    assert make(Server(), model="m").identity != make(Server(), model="m", wire="chat").identity


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, {"width", "height"}),
        ({"parameters": {"negative_prompt": ""}}, {"width", "height", "negative_prompt"}),
        ({"parameters": {"quality": "low"}}, {"width", "height"}),
        ({"wire": "chat"}, set()),
    ],
    ids=["plain", "negative", "quality", "chat"],
)
def test_what_a_form_may_offer(options: dict[str, Any], names: set[str]) -> None:
    assert takes(make(lambda _: None, **options)) == names
