"""What `refine` may be given: names, one or several, policies in three forms; notebooks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from queue import Empty
from typing import Any, cast

import pytest
from jupyter_client.manager import KernelManager

from rr_refine import (
    Event,
    Policy,
    Run,
    again,
    arefine,
    go_on,
    load_run,
    preset,
    refine,
    run_stream,
    use_prompt,
    vary,
)
from rr_refine.agent.budget import Budget
from rr_refine.agent.refine import make_job
from rr_refine.errors import ConfigError

FAKES: dict[str, Any] = {"generator": "fake", "critic": "fake"}


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("sede", "'seed'"),
        ("rouds", "'rounds'"),
        ("candidate", "'candidates'"),
        ("prameters", "'parameters'"),
        ("target", "policy=preset('refine', target="),
        ("images", "budget={'images': ...}"),
        ("qqqq", "takes no 'qqqq'"),
    ],
)
@pytest.mark.parametrize("call", [refine, make_job])
def test_a_name_that_nothing_looks_at(call: Any, given: str, near: str, tmp_path: Path) -> None:
    out = {"out": tmp_path / "runs"} if call is refine else {}
    with pytest.raises(ConfigError, match="takes no") as caught:
        call("a cat", **FAKES, **out, **{given: 3})
    assert near in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_what_only_refine_takes_is_refused_by_make_job() -> None:
    with pytest.raises(ConfigError, match="make_job\\(\\) takes no 'out'"):
        make_job("a cat", **FAKES, out="runs")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "rounds", "candidates", "images"),
    [
        ({"rounds": 1}, 1, 1, None),
        ({"candidates": 3, "policy": "best-of-n"}, 1, 3, None),
        ({"budget": {"images": 5}, "rounds": 2}, 2, 1, 5),
        ({"budget": Budget(rounds=3, images=9)}, 3, 1, 9),
        ({"policy": {"budget": {"rounds": 2}, "candidates": 2}}, 2, 2, None),
        ({"policy": {"preset": "best-of-n"}, "candidates": 2}, 1, 2, None),
        ({"policy": preset("refine", candidates=2)}, 4, 2, None),
    ],
)
def test_policies(
    options: dict[str, Any], rounds: int, candidates: int, images: int | None
) -> None:
    policy = make_job("a cat", **FAKES, **options).policy
    assert (policy.budget.rounds, policy.candidates, policy.budget.images) == (
        rounds,
        candidates,
        images,
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rounds": 0}, "rounds"),
        ({"rounds": "many"}, "rounds"),
        ({"rounds": 2, "budget": {"rounds": 3}}, "give one of them"),
        ({"budget": 5}, "no table of limits"),
        ({"budget": 5, "rounds": 2}, "no table of limits"),
        ({"budget": {"picture": 5}}, "unknown setting 'budget.picture'"),
        ({"policy": {"target": 9}}, "target"),
        ({"policy": {"targte": 3}}, "did you mean 'target'"),
        ({"policy": {"candidates": 2}, "candidates": 3}, "given twice"),
        ({"policy": 5}, "policy = 5"),
        ({"policy": None}, "policy = None"),
        ({"policy": Policy(), "rounds": 2}, "rounds beside a whole Policy"),
        ({"policy": "one-shot", "rounds": 3}, "one-shot"),
        ({"keep": [1]}, "keep = \\[1\\]"),
        ({"avoid": 4}, "avoid = 4"),
        ({"parameters": ["width"]}, "parameters = "),
        ({"seed": "x"}, "seed = 'x'"),
    ],
)
def test_a_wrong_value_names_itself(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_job("a cat", **FAKES, **options)


@pytest.mark.parametrize("prompt", [None, 5, b"a cat", ["a cat"]])
def test_a_prompt_is_a_text(prompt: object) -> None:
    with pytest.raises(ConfigError, match="is no text"):
        make_job(cast("str", prompt), **FAKES)


def test_one_is_a_list() -> None:
    job = make_job("a red cat", **FAKES, keep="red", avoid="dog", rewriters="rules")
    assert job.request.keep == ("red",)
    assert job.request.avoid == ("dog",)
    assert [rewriter.identity.kind for rewriter in job.rewriters] == ["rules"]
    alone = make_job("a red cat", **FAKES, rewriters=job.rewriters[0])
    assert alone.rewriters == job.rewriters


async def test_refine_where_a_loop_is_running(tmp_path: Path) -> None:
    run = refine("a cat", **FAKES, rounds=1, out=tmp_path)
    assert run.best is not None
    assert asyncio.get_running_loop().is_running()


async def test_a_stream_ends_with_the_run(tmp_path: Path) -> None:
    heard: list[str] = []

    async def hear(event: Event) -> None:
        await asyncio.sleep(0)
        heard.append(event.type)

    items = [
        item async for item in run_stream("a cat", **FAKES, rounds=1, out=tmp_path, on_event=hear)
    ]
    *events, run = items
    assert isinstance(run, Run)
    assert [event.type for event in events if not isinstance(event, Run)] == heard
    assert heard[0] == "run-started"
    assert heard[-1] == "run-finished"


async def test_a_stream_that_is_closed_early_goes_on_later(tmp_path: Path) -> None:
    async with aclosing(run_stream("a cat", **FAKES, out=tmp_path)) as stream:
        async for item in stream:
            if not isinstance(item, Run) and item.type == "rendered":
                break
    (folder,) = await asyncio.to_thread(lambda: [*tmp_path.iterdir()])
    assert load_run(folder).status == "interrupted"
    run = await arefine("a cat", **FAKES, out=tmp_path)
    assert run.path == folder


_CELL = """
from rr_refine import refine
run = refine("a cat", generator="fake", critic="fake", rounds=1, out={out!r})
print(run.status)
"""


def test_refine_in_a_notebook(tmp_path: Path) -> None:
    """A cell of a real kernel, whose loop is running while it calls."""
    manager = KernelManager()
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    said: list[str] = []
    try:
        client.wait_for_ready(timeout=120)
        asked = client.execute(_CELL.format(out=str(tmp_path / "runs")))
        while True:
            message = client.get_iopub_msg(timeout=120)
            content = message["content"]
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["msg_type"] == "error":
                pytest.fail("\n".join(content["traceback"]))
            if message["msg_type"] == "stream":
                said.append(content["text"])
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                break
    except Empty:
        pytest.fail(f"the kernel fell silent; it said {said}")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "".join(said).split() == ["done"]


@pytest.mark.parametrize("side", ["width", "height"])
@pytest.mark.parametrize("given", [0, -8, 0.5])
def test_sizes_that_are_none_are_told_before_a_folder_is_made(side: str, given: float) -> None:
    with pytest.raises(ConfigError, match=rf"parameters\.{side} = {given!r}: pictures are 1 pixel"):
        make_job("a hat", generator="fake", critic="fake", parameters={side: given})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"out": None}, "None is no path"),
        ({"out": 3}, "3 is no path"),
        ({"on_event": 3}, "on_event = 3 is no function"),
        ({"reviewer": "me"}, "reviewer = 'me' is no function"),
        ({"budget": []}, r"budget = \[\] is no table of limits"),
    ],
)
def test_values_of_another_kind_are_told_before_a_folder_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=words):
        refine("a hat", generator="fake", critic="fake", **options)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("step", [again, go_on, vary, use_prompt, load_run])
@pytest.mark.parametrize("run", [None, 3, object()])
def test_what_is_no_run_is_told(step: Any, run: object) -> None:
    with pytest.raises(ConfigError, match="is no path"):
        step(run)
