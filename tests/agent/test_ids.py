"""A run has an id and may have a parent; folders of before that still load and go on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rr_refine.agent.events import RunStarted
from rr_refine.agent.manifest import config_of, identity_of
from rr_refine.agent.refine import make_job
from rr_refine.agent.run import load_run
from rr_refine.agent.run_context import folder_for
from rr_refine.agent.session import run_job
from rr_refine.agent.store.folder import RunFolder
from rr_refine.agent.store.png import read_metadata
from rr_refine.errors import ConfigError, CriticUnavailable, StoreError
from rr_refine.request import Request
from rr_refine.terms import Identity
from tests.agent.records import items, only_run
from tests.agent.whole import UnreliableCritic, UnreliableGenerator, generator, policy, run
from tests.commands import Commands

OLD = Path(__file__).with_name("old_run")
"""A run that was killed after its second round, by the version before ids and with checkpoints."""


def told(path: Path) -> RunStarted:
    (event,) = [e for e in load_run(path).events() if isinstance(e, RunStarted)]
    return event


async def test_an_id_and_a_parent_are_recorded_everywhere(tmp_path: Path) -> None:
    done = await run(tmp_path, run_id="order-17.b", parent="order_16")
    assert (done.id, done.parent) == ("order-17.b", "order_16")
    assert done.path == tmp_path / "order-17.b"
    for name in ("config.json", "manifest.json"):
        kept = json.loads((done.path / name).read_text())
        assert (kept["run_id"], kept["parent"]) == ("order-17.b", "order_16")
    event = told(done.path)
    assert (event.run_id, event.parent) == ("order-17.b", "order_16")
    assert done.result_path is not None
    story = read_metadata(done.result_path.read_bytes())
    assert story is not None
    assert story["run"] == "order-17.b"
    assert done.report_path is not None
    page = done.report_path.read_text()
    assert "<dt>run</dt><dd><bdi>order-17.b</bdi>" in page
    assert "<dt>parent</dt><dd><bdi>order_16</bdi>" in page


async def test_without_one_a_run_is_called_after_its_folder(tmp_path: Path) -> None:
    done = await run(tmp_path)
    assert (done.id, done.parent) == (done.path.name, None)
    assert told(done.path).run_id == done.id
    moved = done.path.rename(tmp_path / "elsewhere")
    assert load_run(moved).id == done.id, "the id stays"


async def test_the_id_finds_the_run(tmp_path: Path) -> None:
    dying = UnreliableCritic([CriticUnavailable("gone")])
    left = await run(tmp_path, critic=dying, run_id="mine")
    assert left.status == "failed"
    making = UnreliableGenerator()
    done = await run(tmp_path, generator=making, run_id="mine")
    assert (done.path, done.status) == (left.path, "done")
    assert len(making.requests) == 1, "the first image was there"
    kept = items(done.path)
    again = await run(tmp_path, generator=making, run_id="mine")
    assert again.path == done.path
    assert again.candidates == done.candidates
    assert len(making.requests) == 1, "what is done is not done again"
    assert items(done.path)[: len(kept)] == kept
    assert only_run(tmp_path) == done.path


async def test_an_id_belongs_to_one_job(tmp_path: Path) -> None:
    await run(tmp_path, run_id="mine", parent="a")
    with pytest.raises(ConfigError, match="made with another request"):
        await run(tmp_path, "four blue cats", run_id="mine", parent="a")
    with pytest.raises(ConfigError, match="made with another parent"):
        await run(tmp_path, run_id="mine", parent="b")


async def test_the_same_command_does_not_depend_on_the_id(tmp_path: Path) -> None:
    jobs = [
        make_job("a cat", generator="fake", critic="fake", run_id=run_id, parent=parent)
        for run_id, parent in ((None, None), ("x", None), (None, "p"), (None, "p"), (None, "q"))
    ]
    plain, named, of_p, again, of_q = [identity_of(config_of(job)) for job in jobs]
    assert plain == named
    assert of_p == again
    assert len({plain, of_p, of_q}) == 3, "a run of another parent is another run"


async def test_a_child_left_unfinished_is_found_again(tmp_path: Path) -> None:
    dying = UnreliableCritic([CriticUnavailable("gone")])
    left = await run(tmp_path, critic=dying, parent="mother")
    other = await run(tmp_path, parent="father")
    assert other.path != left.path
    done = await run(tmp_path, parent="mother")
    assert (done.path, done.parent) == (left.path, "mother")


@pytest.mark.parametrize(
    "wrong",
    [
        *("", ".", "..", "../x", "a/b", "a\\b", "/a", "-rf", ".git", "a."),
        "a b",
        "é",
        "a\n",
        "a:b",
        "x" * 101,
        7,
        b"x",
    ],
)
@pytest.mark.parametrize("name", ["run_id", "parent"])
def test_what_cannot_name_a_folder_is_refused(name: str, wrong: object) -> None:
    with pytest.raises(ConfigError, match=f"{name} = .* cannot name a run: use 1 to 100"):
        make_job("a cat", generator="fake", critic="fake", **{name: wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("good", ["a", "_", "7", "A.b-c_d", "x" * 100, "a-"])
def test_what_can(good: str, tmp_path: Path) -> None:
    job = make_job("a cat", generator="fake", critic="fake", run_id=good)
    with folder_for(job, tmp_path) as folder:
        assert folder.path == tmp_path / good


def test_no_run_is_its_own_parent() -> None:
    with pytest.raises(ConfigError, match="both 'x': no run is its own parent"):
        make_job("a cat", generator="fake", critic="fake", run_id="x", parent="x")


def test_a_folder_with_other_files_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"")
    job = make_job("a cat", generator="fake", critic="fake", run_id="photos")
    with pytest.raises(StoreError, match="photos' holds other files: give another run_id"):
        folder_for(job, tmp_path)


FOREIGN = [
    {"config.json": '{"learning_rate": 1}', "events.jsonl": '{"my": "only log"}'},
    {"config.json": '{"learning_rate": 1}', "samples.jsonl": '{"my": "only log"}'},
    {"samples.jsonl": '{"my": "only log"}'},
    {"samples.jsonl": '{"my": 1}\n'},
    {"samples.jsonl": "", "events.jsonl": "my only log"},
    {"result.png": ""},
]


@pytest.mark.parametrize("files", FOREIGN)
async def test_the_files_of_a_folder_that_is_not_ours_stay(
    tmp_path: Path, files: dict[str, str]
) -> None:
    place = tmp_path / "experiment"
    place.mkdir()
    for name, text in files.items():
        (place / name).write_text(text)
    with pytest.raises((ConfigError, StoreError)):
        await run(tmp_path, run_id="experiment")
    assert {path.name: path.read_text() for path in place.iterdir()} == files


async def test_a_run_that_was_killed_at_its_first_breath_is_begun_again(tmp_path: Path) -> None:
    place = tmp_path / "x"
    place.mkdir()
    for name in (".lock", "samples.jsonl", "events.jsonl", ".config.json.1a2b3c4d.part"):
        (place / name).write_text("" if "json" in name and "part" not in name else "1")
    assert (await run(tmp_path, run_id="x")).path == place


async def test_a_config_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "config.json").write_text("[]")
    with pytest.raises(StoreError, match="no configuration of a run"):
        await run(tmp_path, run_id="x")


class Lenient:
    """An intent check that has nothing against any prompt."""

    identity = Identity(kind="lenient", name="lenient")

    def problems(self, request: Request, prompt: str) -> tuple[str, ...]:
        return ()


async def test_a_run_of_before_goes_on_with_the_check_that_its_models_now_bring(
    tmp_path: Path,
) -> None:
    """What had no name then stood in the loop itself."""
    dying = UnreliableCritic([CriticUnavailable("gone")])
    left = await run(tmp_path, critic=dying, run_id="x")
    path = left.path / "config.json"
    before = json.loads(path.read_text())
    del before["intent_check"]
    path.write_text(json.dumps(before))
    assert (await run(tmp_path, run_id="x", intent_check=Lenient())).status == "done"
    path.write_text(json.dumps(before | {"intent_check": None}))
    with pytest.raises(ConfigError, match="made with another intent_check"):
        await run(tmp_path, run_id="x", intent_check=Lenient())


# -- folders of before -------------------------------------------------------------------------


@pytest.fixture
def old(commands: Commands) -> Path:
    name = "20261130-014338-three-red-hats-ab3796ad-37dd"  # as that version called it
    shutil.copytree(OLD, commands.folder / "runs" / name)
    return commands.folder / "runs" / name


def test_an_old_folder_loads(old: Path) -> None:
    left = load_run(old)
    assert (left.id, left.parent, left.status) == (old.name, None, "running")
    assert [c.id for c in left.candidates] == ["r0c0", "r1c0"]
    assert left.policy.stop_rules == ()
    assert told(old).run_id == ""


@pytest.mark.parametrize("same_command", [False, True])
def test_an_old_folder_goes_on(commands: Commands, old: Path, same_command: bool) -> None:
    before = items(old)
    arguments = (
        *("three red hats", "--generator=fake", "--critic=fake"),
        *("--set=generator.width=24", "--set=generator.height=16", "--set=generator.seconds=0.5"),
        *('--set=rewriter.use=["critic"]', "--rounds=4"),
        *("--set=loop.target=4.0", "--set=loop.patience=4"),
    )
    ended = commands.run(*(arguments if same_command else ("resume", str(old))))
    assert ended.code == 0, ended.stderr
    assert only_run(old.parent) == old
    done = load_run(old)
    assert (done.status, done.id) == ("done", old.name)
    assert items(old)[: len(before)] == before
    renders = [value["prompt"] for kind, _, value in items(old) if kind == "render"]
    assert len(renders) == len(set(renders)), "nothing was rendered twice"
    assert (old / "checkpoints.sqlite").read_bytes() == (OLD / "checkpoints.sqlite").read_bytes()


def test_an_old_folder_with_the_rewriters_of_its_time_goes_on(
    commands: Commands, old: Path
) -> None:
    """The chain by default is another one now, and `rules` is of another version."""
    path = old / "config.json"
    config = json.loads(path.read_text())
    config["policy"]["rewriters"] = ["critic", "rules"]
    config["rewriters"].append({"kind": "rules", "name": "rules", "details": {"version": 2}})
    config["settings"]["rewriter.use"] = None
    path.write_text(json.dumps(config))
    ended = commands.run("resume", str(old))
    assert ended.code == 0, ended.stderr
    assert load_run(old).status == "done"
    config["rewriters"][1]["details"]["version"] = 3
    config["rewriters"][1]["kind"] = "others"
    path.write_text(json.dumps(config))
    manifest = json.loads((old / "manifest.json").read_text())
    (old / "manifest.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    refused = commands.run("resume", str(old))
    assert "made with another rewriters" in refused.stderr


async def test_a_folder_opened_by_path_keeps_its_id(tmp_path: Path) -> None:
    """`rr-refine resume` makes the job anew, without an id and a parent."""
    dying = UnreliableCritic([CriticUnavailable("gone")])
    left = await run(tmp_path, critic=dying, run_id="mine", parent="other")
    job = make_job(
        "three red hats", generator=generator(), critic=UnreliableCritic(), policy=policy()
    )
    with RunFolder(left.path) as folder:
        async for _ in run_job(folder, job):
            pass
    done = load_run(left.path)
    assert (done.id, done.parent, done.status) == ("mine", "other", "done")
    manifest = json.loads((left.path / "manifest.json").read_text())
    assert (manifest["run_id"], manifest["parent"]) == ("mine", "other")
    assert done.result_path is not None
