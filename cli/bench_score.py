"""`rr-refine bench score`, `preflight` and `report`: commands on existing results."""

from __future__ import annotations

import json as json_module
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from rr_refine.benchmarks.protocol import AnswerFile, Layout, RemarksOnFile, ScoresFiles
from rr_refine.benchmarks.scoring import told_refusals
from rr_refine.benchmarks.source import load_benchmark
from rr_refine.benchmarks.view import View, view_of
from rr_refine.cli.bench_options import say_results
from rr_refine.cli.exits import DONE, FAILED
from rr_refine.cli.options import AtOnce, Count, Flag, Out
from rr_refine.cli.text import plain, say, say_json, tell
from rr_refine.errors import ConfigError

__all__ = ["preflight", "report", "score"]


def score(
    benchmark: str,
    /,
    *,
    data: Path,
    judgements: Path,
    suite: str | None = None,
    samples: AtOnce | None = None,
    limit: Count | None = None,
    json: Flag = False,
) -> int:
    """Score a judgement file of the official scripts.

    Shows what the official scoring script would have written for this very file, and beside it
    what that hides: coverage, failures counted as zero, both averages.

    Args:
        benchmark: A benchmark with official judgement files, or mmrb2 for predictions.
        data: The benchmark's own files.
        judgements: The file, from the official scripts or from a run's judgements folder.
        suite: Part of the benchmark; the first one by default.
        samples: Pictures of each prompt; as many as the official protocol has by default.
        limit: Prompts, in the order of the file, if not all were run.
        json: One JSON object on stdout.
    """
    if benchmark == "mmrb2":
        return _predictions(data, judgements, suite or "image")
    with TemporaryDirectory() as cache:
        given = {"data": data, "suite": suite, "samples": samples}
        found = load_benchmark(benchmark, given, limit=limit, cache=Path(cache), sources=False)
        if not isinstance(found, ScoresFiles):
            raise ConfigError(f"{benchmark} has no judgement files to score")
        official, marks = found.score_file(judgements)
        view = view_of(found, marks)
        remarks = found.remarks(judgements) if isinstance(found, RemarksOnFile) else []
        judged = found.judgements(judgements) if isinstance(found, AnswerFile) else {}
        further = found.views(judged) if isinstance(found, AnswerFile) else {}
        remarks += [f"{told}."] if (told := told_refusals(judged)) else []
    if json:
        from rr_refine.agent.manifest import versions

        whole = {
            "benchmark": found.name,
            "files": dict(found.files),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            "notes": [*found.notes, *remarks],
            "official": official,
            "further": further,
            "ours": view.model_dump(mode="json"),
        }
        say_json(json_module.dumps(whole, ensure_ascii=False))
    else:
        say_json(json_module.dumps(official, indent=1, ensure_ascii=False))
        say(*_lines(view))
    for remark in remarks:
        tell(f"note: {plain(remark)}")
    return DONE


def preflight(
    benchmark: str,
    /,
    *,
    data: Path,
    pictures: Path,
    suite: str | None = None,
    samples: AtOnce | None = None,
    limit: Count | None = None,
) -> int:
    """Check a folder of pictures before an official script is paid to judge it.

    One line for each thing that the script would stumble over; exit code 1 if there are any.

    Args:
        benchmark: A benchmark with an official layout of pictures.
        data: The benchmark's own files.
        pictures: The folder that the official script is given: pictures/ARM of a run.
        suite: Part of the benchmark; the first one by default.
        samples: Pictures of each prompt; as many as the official protocol has by default.
        limit: Prompts, in the order of the file, if not all were run.
    """
    with TemporaryDirectory() as cache:
        given = {"data": data, "suite": suite, "samples": samples}
        found = load_benchmark(benchmark, given, limit=limit, cache=Path(cache))
        if not isinstance(found, Layout):
            raise ConfigError(f"{benchmark} has no official layout of pictures")
        problems = found.preflight(pictures)
    for problem in problems:
        say(problem)
    say(f"{len(found.items)} pictures expected, {len(problems)} problems")
    return FAILED if problems else DONE


def report(
    *folders: Path,
    out: Out,
    data: Path | None = None,
    json: Flag = False,
) -> int:
    """Put benchmarks of other items together, such as the parts of --shard.

    The numbers, the official ones included, are those of all items together, in whichever order
    the folders are given. A part that is missing is named, and the exit code is 1.

    Args:
        folders: Of finished benchmarks: same models, arms, judge and number of renders.
        out: Folder of the new report; runs stay where they are.
        data: The benchmark's own files: official numbers need them.
        json: The results as one JSON object on stdout.
    """
    from rr_refine.benchmarks.join import join
    from rr_refine.benchmarks.table import write_tables

    results = join(folders, out, data=data)
    say_results(results, write_tables(results), out, as_json=json)
    source = results.provenance.source
    return FAILED if source and source.parts > 1 else DONE


def _predictions(data: Path, file: Path, task: str) -> int:
    """MMRB2's predictions hold verdicts on pairs: there is nothing else to see in them."""
    from rr_refine.benchmarks.preference.mmrb2 import read_truth, score_predictions

    official = score_predictions(file, read_truth(data), task)
    say_json(json_module.dumps({"benchmark": f"mmrb2 {task}", "official": official}))
    return DONE


def _lines(view: View) -> list[str]:
    lines = [
        f"{view.judged} of {view.items} judged, {view.failed} unreadable, {view.absent} absent"
    ]
    for name, averages in (
        ("judged only", view.counted),
        ("failures as zero", view.failures_as_zero),
    ):
        lines.append(f"{name}: macro {_shown(averages.macro)}, micro {_shown(averages.micro)}")
    return lines


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
