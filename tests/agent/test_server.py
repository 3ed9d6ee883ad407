"""The graph that LangGraph's own server is told of."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rr_refine.agent.events import read_event
from rr_refine.errors import ConfigError

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
    "name", ["../x.png", "/etc/x.png", "a/../../x.png", "", "x\0", "\ud800", "x" * 6000, 7, {}]
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
