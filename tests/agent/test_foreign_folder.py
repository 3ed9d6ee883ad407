"""Run folders that somebody else made: what is in them is not followed, and does no harm."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rr_refine.agent.events import Notice, Rendered, RunFinished
from rr_refine.agent.follow_up import go_on as follow_on
from rr_refine.agent.policy import Policy
from rr_refine.agent.refine import arefine
from rr_refine.agent.replay import replay
from rr_refine.agent.report.gallery import find_runs
from rr_refine.agent.report.report import try_report, write_report
from rr_refine.agent.run import REPORT, load_run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.agent.store.journal import MAX_JOURNAL
from rr_refine.errors import RefineError, StoreError
from rr_refine.lines import MAX_LINE
from tests.agent import whole
from tests.agent.records import only_run

PICTURE = Image.effect_noise((32, 24), 80).convert("RGB")
EVENT = Notice(text="one more")
SECRET = b"the neighbour's key\n"


@pytest.fixture
async def run(tmp_path: Path) -> Path:
    """A finished run, 1 folder deep."""
    await whole.run(tmp_path / "runs")
    return only_run(tmp_path / "runs")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "neighbour" / "key"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


def use(path: Path) -> None:
    """Everything that is done with a run folder, one after the other."""
    for action in (read, go_on):
        try:
            action(path)
        except RefineError:
            continue


def read(path: Path) -> None:
    run = load_run(path)
    run.events()
    with RunFolder(path, lock=False) as folder:
        write_report(folder)
        for candidate in run.candidates:
            if candidate.image:
                run.image(candidate)


def go_on(path: Path) -> None:
    with RunFolder(path) as folder:
        try_report(folder)
        name = folder.put_image(PICTURE)
        folder.write_metadata(name, {"prompt": "x"})
        folder.publish(name)
        folder.write_json("manifest.json", {"status": "done"})
        folder.journal.put("render", "a", "b")


FILES = ("config.json", "manifest.json", "samples.jsonl", "events.jsonl", "result.png", ".lock")


@pytest.mark.parametrize("name", [*FILES, REPORT, "report", "images"])
@pytest.mark.parametrize("how", ["to", "missing"])
def test_a_link_is_never_followed(run: Path, secret: Path, name: str, how: str) -> None:
    path = run / name
    target = secret.parent if path.is_dir() else secret
    if how == "missing":
        target = secret.parent / "new"
    if path.is_dir() and not path.is_symlink():
        path.rename(run.parent / "aside")
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(target)
    use(run)
    assert secret.read_bytes() == SECRET
    assert [p.name for p in secret.parent.iterdir()] == ["key"]


@pytest.mark.parametrize("name", [*FILES, REPORT, "report", "images", "images/*", "images/*/*"])
def test_a_run_with_a_link_is_refused_in_words(run: Path, tmp_path: Path, name: str) -> None:
    """By everything that begins with reading it: load_run, replay, resume, report, the studio."""
    loaded = load_run(run)
    path = sorted(run.glob(name))[0]
    path.rename(tmp_path / "aside")
    path.symlink_to(tmp_path / "aside")
    with pytest.raises(StoreError, match=r"is a link.*; links in here are not followed"):
        load_run(run)
    if name.startswith("images"):
        with pytest.raises(StoreError, match="is a link"):
            list(map(loaded.image, loaded.candidates))


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listener(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("make", [pipe, listener, Path.mkdir])
@pytest.mark.parametrize("name", [*FILES[:5]])
def test_what_is_no_file_is_refused_at_once(
    run: Path, name: str, make: Callable[[Path], None]
) -> None:
    (run / name).unlink()
    make(run / name)
    kind = {"pipe": "pipe", "listener": "socket"}.get(make.__name__, "folder")
    with pytest.raises(StoreError, match=f"is a {kind}, not a file"):
        read(run)


@pytest.mark.parametrize("name", [".lock", "events.jsonl", "samples.jsonl"])
def test_what_is_no_file_is_not_written_to(run: Path, name: str) -> None:
    (run / name).unlink()
    os.mkfifo(run / name)
    with pytest.raises(StoreError, match="is a pipe"):
        RunFolder(run)


DEEP = b"[" * 1_000 + b"]" * 1_000


@pytest.mark.parametrize(
    "deep", [DEEP, b'{"a":' * 1_000 + b"1" + b"}" * 1_000, b"[" * 101 + b"]" * 101]
)
@pytest.mark.parametrize("name", ["config.json", "manifest.json", "samples.jsonl"])
def test_deep_nesting_is_an_error_in_words(run: Path, name: str, deep: bytes) -> None:
    (run / name).write_bytes(deep + b"\n")
    with pytest.raises(StoreError, match="nested deeper than 100 levels"):
        load_run(run)


def test_deep_events(run: Path) -> None:
    (run / "events.jsonl").write_bytes(DEEP + b"\n")
    with pytest.raises(StoreError, match=r"events\.jsonl cannot be read"):
        load_run(run).events()


@pytest.mark.parametrize("name", ["config.json", "manifest.json", "samples.jsonl", "events.jsonl"])
def test_files_that_are_too_large_are_not_read(run: Path, name: str) -> None:
    os.truncate(run / name, 2**40)  # a terabyte without a line end; it takes no room
    with pytest.raises(StoreError, match=r"longer than|larger than"):
        read(run)


def test_a_long_line_with_an_end(run: Path) -> None:
    with (run / "samples.jsonl").open("ab") as file:
        file.write(b'"' + b"x" * MAX_LINE + b'"\n')
    with pytest.raises(StoreError, match="longer than"):
        load_run(run)


@pytest.mark.parametrize("name", ["events.jsonl", "samples.jsonl"])
def test_a_torn_line_without_end_is_not_looked_through(run: Path, name: str) -> None:
    whole = (run / name).read_bytes()
    os.truncate(run / name, len(whole) + 2 * MAX_LINE)
    with pytest.raises(StoreError, match=rf"{name}.* is longer than"):
        RunFolder(run)
    os.truncate(run / name, len(whole) + MAX_LINE)
    with RunFolder(run) as folder:
        assert (run / name).stat().st_size == len(whole) + MAX_LINE  # until something is added
        folder.record_event(Notice(text="x"))
        folder.journal.put("fit", "x", None)
    assert (run / name).read_bytes().startswith(whole)
    assert (run / name).stat().st_size < len(whole) + 400


def test_no_line_is_written_that_cannot_be_read(run: Path) -> None:
    before = (run / "samples.jsonl").read_bytes()
    with (
        RunFolder(run) as folder,
        pytest.raises(StoreError, match=r"a line of 16,777,\d+ bytes is longer than 16,777,216"),
    ):
        folder.journal.put("render", "a", "x" * MAX_LINE)
    assert (run / "samples.jsonl").read_bytes() == before


@pytest.mark.parametrize("name", ["events.jsonl", "samples.jsonl"])
def test_the_first_bad_line_is_the_last_that_is_read(run: Path, name: str) -> None:
    (run / name).write_bytes(b"{}\n" * 2_000_000)
    start = time.process_time()
    with pytest.raises(StoreError, match=name):
        load_run(run).events()
    assert time.process_time() - start < 0.5


def test_short_lines_are_counted_too(run: Path) -> None:
    line = b'{"kind": "a", "key": "b", "value": 1}\n'
    (run / "samples.jsonl").write_bytes(line * (MAX_JOURNAL // 128 + 1))
    with pytest.raises(StoreError, match="bytes of lines"):
        load_run(run)


@pytest.mark.parametrize("name", ["events.jsonl", "samples.jsonl"])
def test_lines_of_many_values_are_counted_by_their_memory(run: Path, name: str) -> None:
    """A hundred megabytes of empty lists took three gigabytes."""
    many = b"{}," * 5_000_000 + b"{}]"
    line = b'{"type":"run-started","kind":"notice","key":"a","value":[' + many + b"}\n"
    (run / name).write_bytes(line * 7)
    with pytest.raises(StoreError, match="bytes of lines"):
        load_run(run).events()
    before = (run / name).stat().st_size
    with suppress(StoreError), RunFolder(run) as folder:
        folder.record_event(EVENT)
    assert (run / name).stat().st_size == before


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change every line of a file of JSON lines."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        change(line)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def of_round(**values: object) -> Callable[[dict[str, Any]], None]:
    """A change of the candidates of the first round."""

    def change(line: dict[str, Any]) -> None:
        if (line["kind"], line["key"]) == ("round", "r0"):
            line["value"]["candidates"] = [c | values for c in line["value"]["candidates"]]

    return change


def no_candidates(line: dict[str, Any]) -> None:
    if line["kind"] == "round":
        line["value"]["candidates"] = []


def two_of_one_name(line: dict[str, Any]) -> None:
    if line["kind"] == "round":
        line["value"]["candidates"] *= 2


def unknown_best(line: dict[str, Any]) -> None:
    if line["kind"] == "round":
        line["value"]["incumbent"] = "r99999999999c0"


@pytest.mark.parametrize(
    "change",
    [
        of_round(round=99_999_999_999),
        of_round(round=1),
        of_round(round=-1),
        of_round(index=-1),
        of_round(round="x"),
        no_candidates,
        two_of_one_name,
        unknown_best,
    ],
)
def test_rounds_have_candidates_of_their_own(
    run: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    changed(run / "samples.jsonl", change)
    with pytest.raises(StoreError, match=r"round [01] of |cannot be read"):
        replay(load_run(run), Policy())


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("round-started", "round", 99_999_999_999),
        ("round-started", "candidates", 99_999_999_999),
        ("rewritten", "round", 99_999_999_999),
        ("rendered", "candidate", "r99999999999c0"),
        ("rendered", "candidate", "r9999c0"),
        ("rendered", "candidate", "r1e9c0"),
        ("judged", "candidate", "r9999c0"),
        ("decided", "candidate", "r9999c0"),
    ],
)
def test_events_are_of_rounds_that_there_can_be(
    run: Path, kind: str, key: str, value: object
) -> None:
    def change(event: dict[str, Any]) -> None:
        if event["type"] == kind:
            event[key] = value

    changed(run / "events.jsonl", change)
    loaded = load_run(run)
    with pytest.raises(StoreError, match=r"event \d+ is of|names no candidate|cannot be read"):
        loaded.events()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have(run: Path, number: str) -> None:
    (run / "manifest.json").write_text(f'{{"status": "done", "x": {number}}}')
    with pytest.raises(StoreError, match="is no JSON number"):
        load_run(run)


@pytest.mark.parametrize("key", ["path", "result"])
@pytest.mark.parametrize("path", ["/etc/passwd", "../../key.png", "result.png/x"])
def test_events_name_no_other_files(run: Path, key: str, path: str) -> None:
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    for line in lines:
        if key in line:
            line[key] = path
    (run / "events.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(StoreError, match=r"names .*, no file of its run"):
        load_run(run).events()


def test_events_of_a_folder_that_was_moved(run: Path, tmp_path: Path) -> None:
    loaded = load_run(run.rename(tmp_path / "moved"))
    last = loaded.here(loaded.events()[-1])
    assert isinstance(last, RunFinished)
    assert last.result == str(tmp_path / "moved" / "result.png")
    (first, *_) = [e for e in map(loaded.here, loaded.events()) if isinstance(e, Rendered)]
    assert Path(first.path).is_file()


@pytest.mark.parametrize("image", ["../../../etc/passwd", "/etc/passwd", "a" * 63, ""])
def test_images_are_named_by_digests_only(run: Path, image: str) -> None:
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    for line in lines:
        if line["type"] == "rendered":
            line["image"] = image
    (run / "events.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(StoreError, match="is no image digest"):
        load_run(run).events()


def test_the_folder_itself_may_be_a_link(run: Path, tmp_path: Path) -> None:
    """The user chose it."""
    (tmp_path / "mine").symlink_to(run)
    read(tmp_path / "mine")
    go_on(tmp_path / "mine")
    assert (run / REPORT).is_file()


# -- who may read ------------------------------------------------------------------------------


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(p.stat().st_mode) for p in [folder, *folder.rglob("*")]}


async def test_a_run_folder_is_private(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        await whole.run(tmp_path / "new" / "runs")
        await whole.run(tmp_path / "shared", private=False)
    finally:
        os.umask(before)
    assert modes(tmp_path / "new") == {0o700, 0o600}
    assert modes(only_run(tmp_path / "shared")) == {0o755, 0o644}


async def test_a_shared_folder_respects_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        await whole.run(tmp_path / "shared", private=False)
    finally:
        os.umask(before)
    assert modes(only_run(tmp_path / "shared")) == {0o750, 0o640}


def test_a_folder_of_before_keeps_its_permissions(run: Path) -> None:
    before = os.umask(0o022)
    try:
        run.chmod(0o755)
        (run / "manifest.json").unlink()
        go_on(run)
    finally:
        os.umask(before)
    assert stat.S_IMODE((run / "manifest.json").stat().st_mode) == 0o644
    assert stat.S_IMODE(run.stat().st_mode) == 0o755


# -- lists of runs -----------------------------------------------------------------------------


def test_a_search_goes_so_deep_and_says_so(tmp_path: Path) -> None:
    tmp_path.joinpath(*["d"] * 300).mkdir(parents=True)
    (found,) = find_runs(tmp_path)
    assert isinstance(found, StoreError)
    assert "too deep" in str(found)


def test_a_folder_that_cannot_be_read_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.parent / "00-closed").mkdir()
    real = os.scandir

    def scandir(path: Path) -> object:  # root may read everything
        if path.name == "00-closed":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    error, found = find_runs(run.parent)
    assert "00-closed" in str(error)
    assert found == run


def odd_forms(value: Any) -> list[Any]:
    """A value with one of its parts, or itself, replaced by something odd, in every way."""
    if isinstance(value, dict):
        return [[[]], *({**value, key: odd} for key in value for odd in odd_forms(value[key]))]
    if isinstance(value, list) and value:
        return [[[]], *([*value[:-1], odd] for odd in odd_forms(value[-1]))]
    return [[[]]]


async def test_a_run_with_an_odd_journal_goes_on_or_is_refused(run: Path, tmp_path: Path) -> None:
    """Whatever stands in an item: no error of a library, and nothing is asked anew in silence."""
    journal = [json.loads(text) for text in (run / "samples.jsonl").read_text().splitlines()]
    told: list[str] = []
    for number, item in enumerate(journal):
        for odd in odd_forms(item["value"]):
            lines = [*journal[:number], {**item, "value": odd}, *journal[number + 1 :]]
            copy = tmp_path / "copies" / str(len(told)) / run.name
            shutil.copytree(run, copy)
            (copy / "samples.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
            try:
                parts: Any = {"generator": whole.generator(), "critic": whole.UnreliableCritic()}
                await arefine(follow_on(copy, "bluer", rounds=1), **parts)
                told.append("")
            except RefineError as error:
                told.append(str(error))
    assert len(told) > 50
    assert sum("samples.jsonl" in text for text in told) > 20
