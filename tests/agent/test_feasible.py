"""What is certainly in vain is told before anything is rendered, and leaves no folder."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from rr_refine import make_job, refine, run_context
from rr_refine.errors import ConfigError, CriticUnavailable, RefineError, UnsupportedRequestError
from rr_refine.generators.fake import FakeGenerator
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.plugins import create
from rr_refine.reward.critic import Critic, CritiqueRequest
from rr_refine.reward.fake import FakeCritic
from rr_refine.reward.openai import OpenAICritic, OpenAICriticOptions
from rr_refine.reward.scalar import Reward
from rr_refine.reward.template import Template, builtin_template, save_template
from rr_refine.terms import Task
from tests.commands import Commands

SOURCE = Image.new("RGB", (32, 32), "red")


class Watched(FakeGenerator):
    """Notes whether it was asked for anything."""

    renders = 0

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        self.renders += 1
        return await super().generate(request, on_step=on_step)


class Painter(Watched):
    tasks: frozenset[Task] = frozenset({"t2i"})


def refused(
    folder: Path,
    critic: Critic | Reward | str,
    words: str,
    *,
    prompt: str = "a cat",
    image: Image.Image | None = None,
    error: type[RefineError] = ConfigError,
    generator: Watched | None = None,
) -> None:
    generator = generator or Watched()
    with pytest.raises(error, match=words):
        refine(prompt, generator=generator, critic=critic, image=image, out=folder / "runs")
    assert generator.renders == 0
    assert not (folder / "runs").exists()


@pytest.mark.parametrize("name", ["clipscore", "pickscore"])
def test_a_scalar_reward_that_takes_no_edit(name: str, tmp_path: Path) -> None:
    refused(tmp_path, name, f"{name} compares a picture with its description", image=SOURCE)


def test_a_part_of_a_weighted_reward(tmp_path: Path) -> None:
    rewards = [{"use": "fake"}, {"use": "clipscore", "name": "near"}]
    mixed = create("critics", "weighted", {"rewards": json.loads(json.dumps(rewards))})
    refused(tmp_path, mixed, "near: clipscore compares", image=SOURCE)  # type: ignore[arg-type]


def test_a_generator_that_takes_no_picture(tmp_path: Path) -> None:
    refused(
        tmp_path,
        FakeCritic(),
        "cannot do the task 'edit', only t2i",
        image=SOURCE,
        error=UnsupportedRequestError,
        generator=Painter(),
    )


async def test_whoever_embeds_the_graph_is_told_as_well(tmp_path: Path) -> None:
    job = make_job("a cat", generator=Painter(), critic="fake", image=SOURCE)
    with pytest.raises(UnsupportedRequestError):
        async with run_context(job, tmp_path / "runs"):
            raise AssertionError
    assert not (tmp_path / "runs").exists()


def test_a_critic_of_your_own(tmp_path: Path) -> None:
    class Picky(FakeCritic):
        def __init__(self, answer: object) -> None:
            super().__init__()
            self.answer = answer

        async def cannot(self, request: CritiqueRequest) -> object:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    refused(tmp_path, Picky("no cats here"), "'fake' cannot judge this: no cats here")
    refused(tmp_path, Picky(7), r"Picky\.cannot\(request\) = 7 must be a str or None")
    refused(tmp_path, Picky(KeyError("x")), r"Picky\.cannot raised KeyError")
    gone = Picky(CriticUnavailable("it sleeps"))
    refused(tmp_path, gone, "it sleeps", error=CriticUnavailable)
    run = refine(
        "a cat", generator="fake", critic=Picky(None), policy="one-shot", out=tmp_path / "runs"
    )
    assert run.incumbent is not None


class Server:
    """Lists a model with its context, and counts a token for every word."""

    def __init__(self, context: object, *, counts: bool = True) -> None:
        self.context, self.counts = context, counts
        self.paths: list[str] = []

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.paths.append(request.url.path)
        if request.url.path == "/v1/models":
            model = {"id": "m", "max_model_len": self.context}
            return httpx2.Response(200, json={"data": [model]})
        if request.url.path == "/tokenize" and self.counts:
            words = len(json.loads(request.content)["prompt"].split())
            return httpx2.Response(200, json={"count": words, "max_model_len": self.context})
        status = 400 if request.url.path.endswith("/completions") else 404
        return httpx2.Response(status, json={"error": {"message": "no"}})

    def critic(self, **options: object) -> OpenAICritic:
        given = {"base_url": "http://critic.test/v1", "max_retries": 0} | options
        return OpenAICritic(
            OpenAICriticOptions.model_validate(given),
            http_client=lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(self.handle)),
        )


def test_a_prompt_that_an_endpoint_has_no_room_for(tmp_path: Path) -> None:
    server = Server(8192)
    words = r"takes 8192 tokens \(max_model_len\): the words of the question have \d+, and the"
    refused(tmp_path, server.critic(), words, prompt="red " * 7000)
    assert server.paths == ["/v1/models", "/tokenize"]


def test_an_answer_that_an_endpoint_has_no_room_for(tmp_path: Path) -> None:
    server = Server(2048)
    words = "the answer may have 2048 .critic.max_tokens.; start .* or lower critic.max_tokens"
    refused(tmp_path, server.critic(), words)
    assert server.paths == ["/v1/models"]


@pytest.mark.parametrize(
    ("server", "asked"),
    [
        (Server(40960), ["/v1/models"]),  # there is room in any case
        (Server(8192), ["/v1/models", "/tokenize"]),
        (Server(8192, counts=False), ["/v1/models", "/tokenize", "/v1/models"]),
        (Server("many"), ["/v1/models"]),
        (Server(True), ["/v1/models"]),
        (Server(None), ["/v1/models"]),
    ],
)
def test_what_may_have_room_is_tried(server: Server, asked: list[str], tmp_path: Path) -> None:
    generator = Watched()
    refine(
        "a red cat",
        generator=generator,
        critic=server.critic(),
        policy="one-shot",
        out=tmp_path / "runs",
        on_failure="return",
    )
    assert generator.renders == 1
    assert server.paths[: len(asked)] == asked
    assert set(server.paths[len(asked) :]) == {"/v1/chat/completions"}  # once is enough


def test_a_template_that_has_no_words_for_edits(tmp_path: Path) -> None:
    half = Template(name="half", rubrics={"t2i": builtin_template().rubric("t2i")})
    critic = Server(None).critic(template=str(save_template(half, tmp_path / "templates")))
    refused(tmp_path, critic, "template 'half' has no 'edit' rubric", image=SOURCE)


def test_the_bundled_critic_and_a_long_prompt(commands: Commands) -> None:
    parts = ("--generator", "fake", "--critic", "sketch")
    ended = commands.run("a quick brown fox; " * 1000, *parts, models=True)
    assert ended.code == 2
    assert "cannot judge this: the question has" in ended.stderr
    assert "takes fewer than 2048" in ended.stderr
    assert not (commands.folder / "runs").exists()


def test_a_command_says_it_once(commands: Commands) -> None:
    SOURCE.save(commands.folder / "a.png")
    parts = ("--generator", "fake", "--critic", "clipscore")
    ended = commands.run("add a hat", "--image", "a.png", "--plain", *parts, models=True)
    assert ended.code == 2
    assert ended.stderr.count("judges text-to-image only") == 1
    assert not (commands.folder / "runs").exists()
