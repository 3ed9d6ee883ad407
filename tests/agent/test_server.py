"""The graph that LangGraph's own server is told of."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from rr_refine.agent.events import read_event
from rr_refine.errors import ConfigError

ROOT = Path(__file__).parent.parent.parent


def served() -> Any:
    path = json.loads((ROOT / "langgraph.json").read_text())["graphs"]["rr-refine"]
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)()


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


def is_used(folder: Path) -> bool:
    return any(folder.iterdir())


async def test_a_generator_of_ones_own_needs_a_critic_that_knows_its_pictures(
    tmp_path: Path,
) -> None:
    """The one in the box would judge anything as a sketch."""
    with pytest.raises(ConfigError, match="needs a critic"):
        await served().ainvoke({"prompt": "a cat", "generator": "fake", "out": str(tmp_path)})
    assert not is_used(tmp_path)
