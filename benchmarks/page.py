"""The page of a benchmark: tables, plots, and every item with its pictures, to look through.

One file that loads nothing but the pictures of the run folders beside it. What was written by users
or models reaches it as JSON or escaped, never as markup, and its Content-Security-Policy lets only
its own style and script work.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from markupsafe import Markup
from pydantic import JsonValue, ValidationError

from rr_refine.agent.report.page import Pages, cut, script_json, visible
from rr_refine.agent.store.folder import RunFolder
from rr_refine.benchmarks.arms import BASELINES
from rr_refine.benchmarks.headline import headline
from rr_refine.benchmarks.results import Results
from rr_refine.benchmarks.table import tables, write_method, write_subject
from rr_refine.benchmarks.trial import Point, Trial
from rr_refine.errors import StoreError
from rr_refine.invalid import told_invalid
from rr_refine.plain_text import error_words
from rr_refine.request import Request

__all__ = ["State", "page_parts", "state_of"]

State = Literal["improved", "worsened", "unchanged", "failed", "not graded"]
"""Of a result against the arm's first picture."""

_TEXT: Final = 2000
"""Most characters of a text about one trial: there may be tens of thousands of trials."""
_SAME: Final = 1e-9
_PAGES: Final = Pages("rr_refine.benchmarks", "page")


def page_parts(
    results: Results,
    plots: Mapping[str, str],
    trials: Iterable[Trial],
    out: Path,
    *,
    answers: bool = False,
) -> Iterator[str]:
    """The page, piece by piece, so that it is never whole in memory.

    Args:
        plots: SVG by name.
        trials: those that the results are of.
        out: the folder that the page is for; run folders are relative to it.
        answers: the judge's answers are in `judgements.html` beside it.
    """
    source = results.provenance
    return _PAGES.stream(
        "bench",
        results=results,
        source=source,
        answers=answers,
        record=json.dumps(source.model_dump(mode="json"), indent=1, ensure_ascii=False),
        subject=write_subject(results),
        gains=list(_gains(results)),
        tables=list(tables(results)),
        method=[line.replace("**", "") for line in write_method(results)],
        plots={name: Markup(svg) for name, svg in plots.items()},
        arms=script_json([arm.arm for arm in results.arms]),
        lines=_lines(results, trials, out),
    )


def state_of(trial: Trial) -> State:
    """What became of the arm's first picture: exactness counts before the score."""
    first, result = trial.first.mark or trial.worst, trial.result.mark
    if trial.error is not None or result is None:
        return "failed"
    gain = result.exact - first.exact or result.score - first.score
    return "improved" if gain > _SAME else "worsened" if gain < -_SAME else "unchanged"


def _gains(results: Results) -> Iterator[str]:
    """Of each arm over one-shot."""
    measure = headline(results)
    for difference in results.differences if measure else ():
        if measure and difference.baseline == BASELINES[0]:
            yield f"{difference.arm} {measure.scale.show_gap(measure.of(difference))}"


def _lines(results: Results, trials: Iterable[Trial], out: Path) -> Iterator[Markup]:
    """Every trial as a line of JSON, short, because there may be tens of thousands of them."""
    graded = headline(results) is not None
    numbers = {arm.arm: number for number, arm in enumerate(results.arms)}
    seen: set[str] = set()
    for trial in trials:
        if trial.arm not in numbers:
            continue
        request, source, prompt, unread = _words(out / trial.run, trial.result)
        sample, mark = trial.result.sample, trial.result.mark
        same = sample is not None and trial.first.sample == sample
        line: dict[str, JsonValue] = {
            "arm": numbers[trial.arm],
            "item": _shown(trial.item),
            "run": quote(trial.run),
            "state": state_of(trial) if graded or trial.error else "not graded",
            "first": None if same else _picture(trial.first),
            "result": _picture(trial.result),
            "renders": trial.result.spent,
            "missed": _shown("; ".join(mark.missed)) if mark else "",
            "fault": _shown(error_words(trial.error or (sample and sample.fault) or unread)),
            "prompt": "" if prompt == request else _shown(prompt),
        }
        if trial.item not in seen:
            seen.add(trial.item)
            labels: dict[str, JsonValue] = {
                _shown(label): _shown(value) for label, value in trial.labels.items()
            }
            line |= {"request": _shown(request), "source": source, "labels": labels}
        yield script_json(line) + "\n"


def _words(run: Path, result: Point) -> tuple[str, str | None, str, str]:
    """The request, the digest of the picture to edit, the prompt of the result, and a fault.

    Empty where the run folder is gone: the page shows what is left. One that cannot be read is a
    fault of this trial alone.
    """
    if not run.is_dir():
        return "", None, "", ""
    wanted = result.sample and result.sample.image
    try:
        with RunFolder(run, lock=False) as folder:
            config = folder.read_json("config.json")
            renders = [value for _, value in folder.journal.items("render")]
        request = Request.model_validate(config["request"] if isinstance(config, dict) else None)
        made = (value for value in renders if isinstance(value, dict) and value["image"] == wanted)
        prompt = str(next(made, {"prompt": request.prompt})["prompt"])
    except KeyError as error:
        return "", None, "", f"its run has no {error}"
    except (StoreError, ValidationError) as error:
        why = told_invalid(error) if isinstance(error, ValidationError) else error_words(str(error))
        return "", None, "", f"its run cannot be read: {why}"
    return request.prompt, request.source, prompt, ""


def _picture(point: Point) -> list[JsonValue] | None:
    """Digest, score, exactness."""
    if point.sample is None:
        return None
    mark = point.mark
    return [
        point.sample.image,
        *([None, None] if mark is None else [round(mark.score, 4), mark.exact]),
    ]


def _shown(text: str) -> str:
    return str(visible(cut(text, _TEXT)))
