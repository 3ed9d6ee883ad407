"""Words to avoid that the request itself says."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from rr_refine.agent.avoiding import require_effect
from rr_refine.agent.follow_up import go_on, vary
from rr_refine.agent.refine import arefine, make_job
from rr_refine.agent.run import load_run
from rr_refine.errors import ConfigError
from tests.agent.whole import UnreliableCritic, generator, run
from tests.commands import Commands

SAID = [
    ("a star", "star"),
    ("a star", "Star"),
    ("a STAR", "star"),
    ("a star", "stars"),
    ("three stars", "star"),
    ("the star’s light", "star"),
    ("a star.", " star "),
    ("a (star:1.2) and a moon", "star"),
    ('a sign that says "STAR"', "star"),
    ("a red star left of a box", "red star"),
    ("two red  stars", "Red Star"),
    ("a red-star", "red star"),
    ("two boxes", "box"),
    ("a rose", "roses"),
    ("the skies", "sky"),
    ("cookies", "cookie"),
    ("two glasses", "glass"),
    ("a bus", "buses"),
    ("three wolves", "wolf"),
    ("two children", "child"),
    ("eine Straße", "STRASSE"),
    ("星と月", "星"),
    ("a sky without stars", "star"),
]
NOT_SAID = [
    ("a star", "moon"),
    ("start", "star"),
    ("a starry sky", "star"),
    ("a red box and a blue star", "red star"),
    ("a glass", "gla"),
    ("a sky", "ski"),
    ("a star", "as"),
    ("a bee", "be"),
    ("a red star", "star red"),
    ("a car", "care"),
    ("a cap", "capes"),
    ("stars", "stare"),
    ("a star", "!"),
]


@pytest.mark.parametrize(("prompt", "phrase"), SAID)
def test_what_the_request_says_cannot_be_avoided(prompt: str, phrase: str) -> None:
    with pytest.raises(ConfigError, match="can have no effect: the request says it"):
        require_effect(prompt, [], ["moonlight", phrase])
    with pytest.raises(ConfigError, match="can have no effect"):
        make_job(prompt, generator="fake", critic="fake", avoid=phrase)


@pytest.mark.parametrize(("prompt", "phrase"), NOT_SAID)
def test_other_words_can(prompt: str, phrase: str) -> None:
    require_effect(prompt, [], [phrase])


@pytest.mark.parametrize(("kept", "phrase"), SAID)
def test_what_is_kept_cannot_be_avoided(kept: str, phrase: str) -> None:
    with pytest.raises(ConfigError, match=r"is in what every prompt must hold \(keep\)"):
        make_job("?", generator="fake", critic="fake", keep=["x", kept], avoid=phrase)


@pytest.mark.parametrize(("kept", "phrase"), [*NOT_SAID, ("light", "light blue")])
def test_other_words_than_the_kept_can(kept: str, phrase: str) -> None:
    require_effect("", [kept], [phrase])


def test_what_is_kept_apart_is_not_one_phrase() -> None:
    require_effect("", ["red", "hat"], ["red hat"])


def test_it_takes_little_time() -> None:
    start = time.process_time()
    require_effect("a " * 100_000 + "b", ["a"] * 10_000, ["a " * 50_000 + "c", *("a a a c",) * 20])
    assert time.process_time() - start < 5


@pytest.mark.parametrize("arguments", [("--avoid=stars",), ("--config=mine.toml",), ()])
@pytest.mark.parametrize("dry", [("--dry-run",), ()])
def test_from_the_command_line(
    commands: Commands, arguments: tuple[str, ...], dry: tuple[str, ...]
) -> None:
    text = 'avoid = ["Star"]\n'
    if not arguments:
        (commands.folder / "rr-refine.toml").write_text(text)
    (commands.folder / "mine.toml").write_text(text)
    ended = commands.run("a star", "--generator=fake", "--critic=fake", *arguments, *dry)
    assert ended.code == 2
    assert "can have no effect" in ended.stderr
    assert not (commands.folder / "runs").exists()


async def test_an_older_run_goes_on(tmp_path: Path) -> None:
    before = await run(tmp_path, avoid=["hat"], repeats=True)  # as an older version took it
    assert load_run(before.path).request.avoid == ("hat",)
    given: dict[str, Any] = {"generator": generator(), "critic": UnreliableCritic()}
    after = await arefine(go_on(before, rounds=1), on_failure="return", **given)
    assert len(after.candidates) == 3
    varied = await arefine(vary(before, 2), on_failure="return", **given)
    assert varied.request.avoid == ("hat",)
