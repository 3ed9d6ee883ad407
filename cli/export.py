"""`rr-refine export DIR… --out FOLDER`: recorded runs as training data."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rr_refine.agent.export import Export
from rr_refine.agent.export_rows import UNKNOWN
from rr_refine.agent.report.gallery import find_runs
from rr_refine.agent.run import open_run
from rr_refine.benchmarks.header import read_header
from rr_refine.boundary import boundary
from rr_refine.cli.exits import DONE, FAILED
from rr_refine.cli.options import Flag, Out
from rr_refine.cli.settings import read_settings
from rr_refine.cli.text import plain, say, say_json, tell
from rr_refine.errors import ConfigError, RefineError, StoreError
from rr_refine.files import make_folder
from rr_refine.named import require_ours

__all__ = ["export"]

_ABOVE: Final = 3
"""Folders from a run to that of its benchmark, at most: BENCHMARK/runs/<arm>/<item>."""


def export(
    *directories: Path,
    out: Out,
    licence: str = UNKNOWN,
    least_reward: float = 0.0,
    json: Flag = False,
) -> int:
    """Make training data of recorded runs: prompts for a rewriter, pairs for a critic, requests.

    Writes rewrites.jsonl (request, best prompt), rewrite-pairs.jsonl (request, better and worse
    prompt), pairs.jsonl (pictures, for rr-refine parrot ingest recorded), prompts.jsonl (requests,
    for rr-refine train nft), their pictures, README.md (a dataset card), and export.json: what was
    left out, and why. Nothing comes twice. Exit code 1 if a run could not be read.

    Args:
        directories: Run folders, or folders that hold runs at any depth.
        out: A new folder, or that of an earlier export, which is written anew.
        licence: That of words and pictures, as far as you know it; recorded with every row.
        least_reward: Least reward of a best prompt, 0 to 1.
        json: What became of everything, as one JSON object on stdout.
    """
    if not directories:
        raise ConfigError("give a run folder, or a folder that holds runs")
    for directory in directories:
        if not directory.is_dir():
            raise ConfigError(f"{str(directory)!r} is no folder")
    require_ours(out, ("export.json",))
    found = dict.fromkeys(run for each in directories for run in find_runs(each))
    if not found:
        raise ConfigError(f"there is no run in {', '.join(map(repr, map(str, directories)))}")
    made = Export(out, licence=licence, least=least_reward)
    private = read_settings(None, {}).flag("private")
    with boundary(StoreError, f"making {str(out)!r}"):
        make_folder(out, private=private)
    unreadable: list[str] = []
    for path in found:
        if isinstance(path, StoreError):
            unreadable.append(str(path))
            continue
        try:
            with boundary(StoreError, f"reading {str(path)!r}"):  # it may hold anything
                run = open_run(path)
        except RefineError as error:
            unreadable.append(str(error))
            continue
        try:
            made.add(run, *_benchmark_of(path))
        except ConfigError as error:
            unreadable.append(str(error))
    report = made.write(unreadable)
    for why in unreadable:
        tell(f"left out: {plain(why)}")
    for note in report.notes:
        tell(f"note: {plain(note)}")
    if json:
        say_json(report.model_dump_json())
    else:
        for name, kept in report.files.items():
            lost = ", ".join(f"{why} {count}" for why, count in kept.left_out.items())
            say(f"{name}.jsonl: {kept.rows} rows" + (f"; left out: {lost}" if lost else ""))
        say(out)
    return FAILED if unreadable else DONE


def _benchmark_of(run: Path) -> tuple[str, str] | tuple[()]:
    """What a run is called in the benchmark that it belongs to, and that; nothing without one."""
    path = run.absolute()
    for folder in path.parents[:_ABOVE]:
        if (folder / "bench.json").is_file():
            name = path.relative_to(folder).as_posix()
            try:
                return name, read_header(folder).benchmark
            except RefineError:
                return name, "unknown"
    return ()
