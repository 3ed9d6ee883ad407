from __future__ import annotations

import json
import math
import re
from pathlib import Path

import httpx2
import pytest
from pydantic import JsonValue

from rr_refine.errors import ConfigError, CriticRefused, CriticUnavailable, CriticUnreadable
from rr_refine.plugins import create
from rr_refine.reward.preferences.pair import Label, Order, PictureStore
from rr_refine.reward.template import builtin_template
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.endpoint_teacher import EndpointTeacher, EndpointTeacherOptions
from rr_refine.training.parrot.export import export
from rr_refine.training.parrot.pipeline import produce
from rr_refine.training.parrot.teacher import QuestionKind, Teacher, TeacherQuestion
from tests.training.parrot.fakes import make_folder, pairwise, picture

Json = dict[str, "JsonValue"]


class Server:
    """An endpoint in this process: gives one answer, and remembers what was asked."""

    def __init__(self, status: int = 200, **choice: object) -> None:
        self.status = status
        self.choice = choice
        self.asked: list[Json] = []

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(json.loads(request.content))
        base = {"index": 0, "message": {"content": "text"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 900, "completion_tokens": 12}
        return httpx2.Response(self.status, json={"choices": [base | self.choice], "usage": usage})

    def teacher(self, **options: JsonValue) -> EndpointTeacher:
        given = {"base_url": "http://localhost:1/v1", "model": "m", "max_retries": 0} | options
        return EndpointTeacher(
            EndpointTeacherOptions.model_validate(given),
            http_client=lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(self.handle)),
        )

    @property
    def content(self) -> list[Json]:
        """The parts of the last user message."""
        messages = self.asked[-1]["messages"]
        assert isinstance(messages, list)
        user = messages[-1]
        assert isinstance(user, dict)
        content = user["content"]
        if isinstance(content, str):
            return [{"type": "text", "text": content}]
        assert isinstance(content, list)
        return [part for part in content if isinstance(part, dict)]

    @property
    def text(self) -> str:
        return "\n".join(str(part.get("text", "[image]")) for part in self.content)


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path)


def question(
    store: PictureStore,
    kind: QuestionKind,
    *,
    edit: bool = False,
    order: Order = "AB",
    choices: tuple[Label, ...] = (),
    pictures: bool = True,
) -> TeacherQuestion:
    a, b, source = (store.path(store.put(picture(n))) for n in (1, 2, 3))
    return TeacherQuestion(
        id="q",
        kind=kind,
        task="edit" if edit else "t2i",
        instruction="a {rationale} cat",
        source=source if edit else None,
        image_a=a if pictures else None,
        image_b=b if pictures and kind != "project" else None,
        order=order,
        label="B" if kind == "anchor" else None,
        rationale="{choices} stay" if kind in ("predict", "project") else None,
        side="B" if kind == "project" else None,
        scores={"text_faithfulness": 3.5, "physical_quality": 2.0, "text_rendering": None}
        if kind == "project"
        else None,
        choices=choices,
    )


def likely(*tokens: tuple[str, float]) -> dict[str, object]:
    """The log-probabilities of a choice whose first token is the first of `tokens`."""
    top = [{"token": token, "logprob": math.log(p)} for token, p in tokens]
    return {"content": [{**top[0], "top_logprobs": top[1:]}]}


async def test_an_anchored_question_is_the_students_and_a_note(store: PictureStore) -> None:
    server = Server(message={"content": "a rationale"})
    answer = await server.teacher().answer(question(store, "anchor", edit=True))
    assert (answer.text, answer.tokens, answer.finish_reason) == ("a rationale", 12, "stop")
    assert [part["type"] for part in server.content].count("image_url") == 3
    assert "preferred Image B" in server.text
    assert "a {rationale} cat" in server.text
    await server.teacher().answer(question(store, "judge", edit=True))
    plain = server.text
    assert "preferred Image" not in plain
    assert (server.asked[0]["temperature"], server.asked[0]["max_tokens"]) == (0.7, 2048)
    system = builtin_template().rubric("pairwise-edit").system
    messages = server.asked[-1]["messages"]
    assert isinstance(messages, list)
    assert messages[0] == {"role": "system", "content": system}


async def test_a_lone_picture_is_judged_pointwise(store: PictureStore) -> None:
    server = Server()
    asked = question(store, "project")
    await server.teacher().answer(asked)
    assert [part["type"] for part in server.content].count("image_url") == 1
    for words in (
        "called Image B",
        "- text faithfulness: 3.5\n- physical quality: 2\n- text rendering: N/A",
        "<comparison>\n{choices} stay\n</comparison>",
        "Refined Request",
    ):
        assert words in server.text


@pytest.mark.parametrize("order", ["AB", "BA"])
async def test_the_order_of_a_prediction(store: PictureStore, order: Order) -> None:
    server = Server(logprobs=likely(("A", 0.6), ("B", 0.2)))
    asked = question(store, "predict", edit=True, order=order, choices=("A", "B"))
    answer = await server.teacher().answer(asked)
    assert answer.chances == pytest.approx({"A": 0.75, "B": 0.25})
    text = server.text
    assert (text.index("Image A:") < text.index("Image B:")) == (order == "AB")
    assert text.index("The source picture:") < text.index("Image A:")
    assert text.endswith("nothing else: A, B" if order == "AB" else "nothing else: B, A")
    assert "<notes>\n{choices} stay\n</notes>" in text
    assert "<user_request>\na {rationale} cat\n</user_request>" in text
    (sent,) = server.asked
    assert (sent["max_tokens"], sent["temperature"], sent["logprobs"]) == (1, 0.0, True)
    assert sent["structured_outputs"] == {"choice": ["A", "B"]}


async def test_the_papers_prediction_shows_no_picture(store: PictureStore) -> None:
    server = Server(logprobs=likely(("t", 0.5), (" A", 0.3), ("B", 0.1), ("", 0.05), ("xA", 0.05)))
    asked = question(store, "predict", choices=("A", "B", "tie"), pictures=False)
    answer = await server.teacher(structured=False).answer(asked)
    assert answer.chances == pytest.approx({"A": 0.3 / 0.9, "B": 0.1 / 0.9, "tie": 0.5 / 0.9})
    assert "[image]" not in server.text
    assert "structured_outputs" not in server.asked[0]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({}, "no log-probabilities"),
        ({"logprobs": likely(("<think>", 0.999))}, "without thinking"),
    ],
)
async def test_a_prediction_that_means_nothing(
    store: PictureStore, choice: dict[str, object], words: str
) -> None:
    with pytest.raises(CriticUnreadable, match=words):
        await Server(200, **choice).teacher().answer(question(store, "predict", choices=("A", "B")))


async def test_faults_of_the_endpoint(store: PictureStore) -> None:
    asked = question(store, "judge")
    with pytest.raises(CriticUnavailable):
        await Server(500).teacher().answer(asked)
    with pytest.raises(CriticRefused, match="I will not"):
        await Server(message={"refusal": "I will not"}).teacher().answer(asked)
    cut = await Server(finish_reason="length").teacher().answer(asked)
    assert cut.finish_reason == "length"


def test_who_it_is_depends_on_what_changes_its_answers() -> None:
    kinds: tuple[QuestionKind, ...] = ("anchor", "judge", "predict", "project")
    base, hot = Server().teacher(), Server().teacher(temperature=1.0)
    assert len({base.identify(kind).model_dump_json() for kind in kinds}) == 4
    assert base.identify("anchor") != hot.identify("anchor")
    assert base.identify("predict") == hot.identify("predict")
    assert Server().teacher(base_url="http://localhost:2/v1").identify("judge") == base.identify(
        "judge"
    )


def test_it_comes_in_by_the_common_door() -> None:
    teacher = create("teachers", "openai", {"model": "m"})
    assert isinstance(teacher, EndpointTeacher)
    assert isinstance(teacher, Teacher)
    with pytest.raises(ConfigError, match=r"teacher\.temprature.*temperature"):
        create("teachers", "openai", {"temprature": 1.0})


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((400, {"error": {"message": "content_policy_violation"}}), "refused"),
        (
            (200, {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}),
            "refused",
        ),
        ((200, {"choices": [{"message": {"refusal": "No."}, "finish_reason": "stop"}]}), "refused"),
        (
            (200, {"choices": [{"message": {"content": "I'm sorry, I can't help with that."}}]}),
            "refused",
        ),
        ((413, {"error": {"message": "Request Entity Too Large"}}), "unusable"),
        ((400, {"error": {"message": "context length exceeded"}}), "unusable"),
        ((422, {"error": {"message": "image has a bad aspect ratio"}}), "unusable"),
    ],
)
async def test_a_server_that_declines_some_pairs_serves_the_others(
    tmp_path: Path, reply: tuple[int, Json], reason: str
) -> None:
    folder = make_folder(tmp_path, 60)

    def handle(request: httpx2.Request) -> httpx2.Response:
        sent = request.content.decode()
        asked = re.search(r"a red cat on mat (\d+)", sent)
        if asked and int(asked[1]) < 30:
            return httpx2.Response(reply[0], json=reply[1])
        told = re.search(r"Image ([AB]) shows the red cat", sent)
        text = pairwise("t2i", "A" if "preferred Image A" in sent else "B")
        logprobs = likely((told[1], 0.9)) if told else likely(("A", 0.5), ("B", 0.5))
        choice = {"message": {"content": text}, "logprobs": logprobs}
        return httpx2.Response(200, json={"choices": [choice]})

    teacher = EndpointTeacher(
        EndpointTeacherOptions(base_url="http://localhost:1/v1", model="m", max_retries=0),
        http_client=lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(handle)),
    )
    progress = await produce(folder, teacher, ParrotOptions(project=False), concurrency=4)
    assert (progress.refused, progress.failures) == (30, 0)
    report = export(folder)
    assert (report.refused, report.rows) == ({reason: 30}, {"parrot pairwise": 30})
