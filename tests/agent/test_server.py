"""The graph that LangGraph's own server is told of."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from PIL import Image

from rr_refine import checkpoint_serializer, load_run
from rr_refine.agent.events import read_event
from rr_refine.agent.graph import build_graph
from rr_refine.errors import ConfigError
from rr_refine.generators.fake import FakeGenerator
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.pictures import SOURCE_PIXELS

ROOT = Path(__file__).parent.parent.parent


def served() -> Any:
    path = json.loads((ROOT / "langgraph.json").read_text())["graphs"]["rr-refine"]
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)()


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RR_REFINE_SERVER_ROOT", str(tmp_path))
    monkeypatch.setenv("RR_REFINE_SERVER_PARTS", "fake, rr_refine.generators.fake:create")


async def test_a_run_through_the_server_graph(tmp_path: Path) -> None:
    given = {"prompt": "two red cats", "preset": "one-shot", "out": str(tmp_path)}
    events, final = [], {}
    async for mode, value in served().astream(given, stream_mode=["custom", "values"]):
        if mode == "custom":
            events.append(read_event(json.dumps(value)))
        else:
            final = value
    assert [events[0].type, events[-1].type] == ["run-started", "run-finished"]
    assert final["best_prompt"] == "two red cats"
    assert final["result"] == str(Path(final["run"]) / "result.png")
    assert Path(final["run"]).parent == tmp_path


@pytest.mark.parametrize("part", ["generator", "critic"])
async def test_a_client_cannot_name_any_module(part: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="os:getcwd"):
        await served().ainvoke({"prompt": "a cat", part: "os:getcwd", "out": str(tmp_path)})


@pytest.mark.parametrize("name", ["pickscore", "sketch", "", "fake, fake", ["fake"], {}, None, 7])
@pytest.mark.parametrize("part", ["generator", "critic"])
async def test_a_client_names_the_parts_that_the_owner_lists(
    part: str, name: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some would download a model, or cost the owner money."""
    with pytest.raises(ConfigError, match=f"{part} = .* lets clients name fake, rr_refine"):
        await served().ainvoke({"prompt": "a cat", part: name})
    monkeypatch.delenv("RR_REFINE_SERVER_PARTS")
    with pytest.raises(ConfigError, match=r"name none \(RR_REFINE_SERVER_PARTS\)"):
        await served().ainvoke({"prompt": "a cat", part: name})
    assert not is_used(tmp_path)


async def test_the_owner_may_list_a_part_of_their_own(tmp_path: Path) -> None:
    given = {"prompt": "a cat", "preset": "one-shot", "critic": "fake", "out": str(tmp_path)}
    final = await served().ainvoke({**given, "generator": "rr_refine.generators.fake:create"})
    assert Path(final["run"]).parent == tmp_path


def is_used(folder: Path) -> bool:
    return any(folder.iterdir())


async def test_a_generator_of_ones_own_needs_a_critic_that_knows_its_pictures(
    tmp_path: Path,
) -> None:
    """The one in the box would judge anything as a sketch."""
    with pytest.raises(ConfigError, match="needs a critic"):
        await served().ainvoke({"prompt": "a cat", "generator": "fake", "out": str(tmp_path)})
    assert not is_used(tmp_path)


PICTURE = Image.new("RGB", (48, 32), "red")


def test_a_client_names_few_pictures() -> None:
    with pytest.raises(ConfigError, match="17 pictures; 16 are the most"):
        asyncio.run(served().ainvoke({"prompt": "a cat", "image": ["in.png"] * 17}))


def test_its_pictures_are_scaled_down_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen of the largest would fill the memory before the run sees one."""
    given: list[Image.Image] = []

    def stream(*_: object, image: list[Image.Image], **__: object) -> None:
        given.extend(image)
        raise ConfigError("seen")

    monkeypatch.setattr("rr_refine.agent.server.run_stream", stream)
    Image.new("1", (8192, 4096)).save(tmp_path / "in.png")
    with pytest.raises(ConfigError, match="seen"):
        asyncio.run(served().ainvoke({"prompt": "a cat", "image": ["in.png"] * 2}))
    assert [one.width * one.height <= SOURCE_PIXELS for one in given] == [True, True]


def test_new_folders_are_private(tmp_path: Path) -> None:
    """The names of run folders hold words of the prompt."""
    tmp_path.chmod(0o755)
    given = {"prompt": "a cat", "preset": "one-shot", "generator": "fake", "critic": "fake"}
    asyncio.run(served().ainvoke({**given, "out": "new/inner"}))
    for folder in ("new", "new/inner"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("field", ["image", "out"])
async def test_without_a_root_no_files_can_be_named(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RR_REFINE_SERVER_ROOT")
    with pytest.raises(ConfigError, match=f"{field} cannot be given"):
        await served().ainvoke({"prompt": "a cat", field: str(tmp_path / "x.png")})


@pytest.mark.parametrize(
    "name",
    [
        *("../x.png", "/etc/x.png", "a/../../x.png", "", "x\0", "\ud800", "x" * 6000, 7, {}),
        *("a/" * 2000, "a\x1b[31m", "a\nb"),
    ],
)
@pytest.mark.parametrize("field", ["image", "out"])
async def test_nothing_outside_of_the_root(
    field: str, name: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root").mkdir()
    PICTURE.save(tmp_path / "x.png")
    monkeypatch.setenv("RR_REFINE_SERVER_ROOT", str(tmp_path / "root"))
    with pytest.raises(ConfigError, match=f"{field} = "):
        await served().ainvoke({"prompt": "a cat", "preset": "one-shot", field: name})
    assert not is_used(tmp_path / "root")


@pytest.mark.parametrize("name", ["link", "link/x.png", "x-link.png"])
@pytest.mark.parametrize("field", ["image", "out"])
async def test_no_link_leads_out(
    field: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, there = tmp_path / "root", tmp_path / "there"
    root.mkdir()
    there.mkdir()
    PICTURE.save(there / "x.png")
    (root / "link").symlink_to(there)
    (root / "x-link.png").symlink_to(there / "x.png")
    monkeypatch.setenv("RR_REFINE_SERVER_ROOT", str(root))
    with pytest.raises(ConfigError, match=f"{field} = .* is a link"):
        await served().ainvoke({"prompt": "a cat", "preset": "one-shot", field: name})
    assert [p.name for p in there.iterdir()] == ["x.png"]


@pytest.mark.parametrize("preset", ["os:system", {}, 3, "quick"])
async def test_presets_are_those_that_are_there(preset: object) -> None:
    with pytest.raises((ConfigError, TypeError), match="preset = "):
        await served().ainvoke({"prompt": "a cat", "preset": preset})


@pytest.mark.parametrize("field", ["preset", "seed", "generator", "image", "out", "prompt"])
async def test_an_error_does_not_repeat_megabytes(field: str) -> None:
    value = ["x" * 1_000_000] if field in ("prompt", "seed") else "x" * 1_000_000
    with pytest.raises(ConfigError) as caught:
        await served().ainvoke({"prompt": "a cat", field: value})
    assert len(repr(caught.value)) < 4_200


async def test_a_picture_below_the_root(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "x.png")
    given = {"prompt": "make it blue", "preset": "one-shot", "image": "x.png"}
    final = await served().ainvoke(given)
    assert Path(final["run"]).parent == tmp_path / "runs"


FAKES = {"generator": "fake", "critic": "fake"}


@pytest.mark.parametrize("make", [served, build_graph])
def test_its_schemas_are_json_schemas(make: Any) -> None:
    graph = make()
    schemas = [graph.get_input_jsonschema(), graph.get_output_jsonschema()]
    if (context := graph.get_context_jsonschema()) is not None:
        schemas.append(context)
    for schema in schemas:
        assert json.loads(json.dumps(schema))["type"] == "object"
    given = schemas[0]["properties"]
    if make is served:
        assert {"prompt", "image", "policy", "preset", "seed", "run_id"} < set(given)
        assert schemas[0]["required"] == ["prompt"]
        assert set(schemas[1]["properties"]) == {"run", "result", "best_prompt", "stop"}
    else:
        assert set(given) == {"request", "policy"}
        assert len(schemas) == 3


@pytest.mark.parametrize(
    "policy",
    [
        "one-shot",
        {"preset": "one-shot", "target": 3.5},
        {"candidates": 4, "budget": {"rounds": 2, "images": 4}},
        {"rewriters": ["rules"], "acceptance": "highest", "budget": {"rounds": 1}},
    ],
)
async def test_a_policy_is_plain_json(policy: Any, tmp_path: Path) -> None:
    given = {"prompt": "a cat", "policy": policy, **FAKES, "run_id": "mine"}
    final = await served().ainvoke(json.loads(json.dumps(given)))
    assert json.loads(json.dumps(final)) == final
    run = load_run(final["run"])
    assert run.path == tmp_path / "runs" / "mine"
    asked = policy if isinstance(policy, dict) else {"preset": policy}
    made = run.policy.model_dump(mode="json")
    for key, value in asked.items():
        assert made[key] == value if key != "budget" else value.items() <= made[key].items()


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"budget": {"rounds": 400}}, r"budget\.rounds = 400; \d+ is the most"),
        ({"candidates": 16}, r"budget\.rounds \* candidates = \d+; 16 is the most"),
        ({"render_timeout": 1e9}, r"render_timeout = 1000000000\.0; "),
        ({"preset": "one-shot", "budget": {"rounds": 2}}, "has no place in the preset"),
        ({"stop_rules": ["os:getcwd"]}, r"policy\.stop_rules = 'os:getcwd' cannot be given"),
        ({"acceptance": "os:getcwd"}, r"policy\.acceptance = 'os:getcwd' cannot be given"),
        ({"rewriters": ["rules", "llm"]}, r"policy\.rewriters = 'llm' cannot be given"),
        ({"rewriters": "os:getcwd"}, r"policy\.rewriters = 'os:getcwd' cannot be given"),
        ({"tarjet": 3}, "did you mean"),
        ({"rewriters": ["rules"] * 33}, "rewriters.* 32"),
        ({"stop_rules": ["x"] * 10_000}, "stop_rules.* 32"),
        ({"guard": ["physical_quality"] * 33}, "guard.* 32"),
        ({"rewriters": ["x" * 201]}, "rewriters.* 200"),
        ({"acceptance": "x" * 201}, "acceptance.* 200"),
        ({"preset": "os:getcwd"}, "preset = 'os:getcwd' is none of"),
        ({"preset": ["refine"]}, "is none of"),
        ({"budget": 7}, "is no table of limits"),
        (7, "preset = 7 is none of"),
        (None, "preset = None is none of"),
        ([], r"preset = \[\] is none of"),
    ],
)
async def test_a_policy_stays_within_what_clients_may(
    policy: object, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        await served().ainvoke({"prompt": "a cat", "policy": policy, **FAKES})
    assert not is_used(tmp_path)


async def test_a_policy_beside_a_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match="give one of them"):
        await served().ainvoke({"prompt": "a cat", "policy": {}, "preset": "refine"})


async def test_review_through_the_server_graph(tmp_path: Path) -> None:
    graph = served()
    graph.checkpointer = InMemorySaver(serde=checkpoint_serializer())  # as the server sets its own
    policy = {"review": True, "target": None, "budget": {"rounds": 2}}
    thread = {"configurable": {"thread_id": "one"}}
    await graph.ainvoke({"prompt": "a cat", "policy": policy, **FAKES}, thread)
    (asked,) = (await graph.aget_state(thread)).interrupts
    assert asked.value["proposal"]["prompt"] != "a cat"
    final = await graph.ainvoke(Command(resume={"action": "edit", "prompt": "a dog"}), thread)
    assert [c.prompt for c in load_run(final["run"]).candidates] == ["a cat", "a dog"]
    with pytest.raises(ConfigError, match="needs a reviewer"):
        await served().ainvoke({"prompt": "a cat", "policy": policy, **FAKES})


async def test_who_goes_on_stays_within_the_servers_limit(tmp_path: Path) -> None:
    graph = served()
    graph.checkpointer = InMemorySaver(serde=checkpoint_serializer())
    policy = {"review": True, "target": 1.0, "patience": None, "budget": {"rounds": 2}}
    thread = {"configurable": {"thread_id": "one"}}
    given: Any = {"prompt": "two red cats", "policy": policy, **FAKES, "run_id": "mine"}
    full = "are left of the 16"
    answers: list[dict[str, Any]] = []
    ends = 0
    for _ in range(80):
        await graph.ainvoke(given, thread)
        asked = (await graph.aget_state(thread)).interrupts
        if not asked:
            break
        question = asked[0].value
        answer: dict[str, Any] = {"action": "accept"}
        if question.get("stop") is not None:
            if not question["problem"]:
                answer = {"action": "go-on", "rounds": 1000}
            elif answers[-1] == {"action": "go-on", "rounds": 1000}:
                assert full in question["problem"]
                ends += 1
                answer = (
                    {"action": "go-on"} if ends % 2 else {"action": "edit", "prompt": f"{ends}"}
                )
            else:
                assert full in question["problem"]  # there is no room for two more rounds
        answers.append(answer)
        given = Command(resume=answer)
    run = load_run(tmp_path / "runs" / "mine")
    assert run.status == "done"
    assert 2 < sum(candidate.image is not None for candidate in run.candidates) <= 16


class Slow:
    """In place of the fake generator's own: many short steps."""

    def __init__(self) -> None:
        self.steps, self.begun = 0, asyncio.Event()

    async def __call__(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        for step in range(1000):
            await asyncio.sleep(0.01)
            self.steps += 1
            self.begun.set()
            if on_step is not None:
                on_step(step + 1, 1000)
        return PICTURE


async def test_cancelling_stops_the_work_within_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow()
    monkeypatch.setattr(FakeGenerator, "generate", slow)
    given = {"prompt": "a cat", **FAKES, "run_id": "mine"}
    task = asyncio.ensure_future(served().ainvoke(given))
    await slow.begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    steps = slow.steps
    await asyncio.sleep(0.2)
    assert slow.steps <= steps + 1
    assert load_run(tmp_path / "runs" / "mine").status == "interrupted"


async def test_the_same_request_three_times_at_once(tmp_path: Path) -> None:
    graph = served()
    names = ("a", "b", "c")
    given = [{"prompt": "a cat", "preset": "one-shot", **FAKES, "run_id": name} for name in names]
    ended = await asyncio.gather(*map(graph.ainvoke, given))
    assert [Path(final["run"]).name for final in ended] == list(names)
