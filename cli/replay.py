"""`rr-refine replay DIR --policy NAME`: a recorded run under another policy, no GPU."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rr_refine.agent.picture_name import picture_name
from rr_refine.agent.replay import Replay
from rr_refine.agent.replay import replay as replay_run
from rr_refine.agent.run import Run, open_run
from rr_refine.cli.intent import apply_intent
from rr_refine.cli.layers import COMMAND_LINE
from rr_refine.cli.options import Flag
from rr_refine.cli.settings import Settings, split_assignment
from rr_refine.cli.text import say, say_json, short, tell
from rr_refine.cli.words import verdict_word
from rr_refine.errors import ConfigError

__all__ = ["replay"]


def replay(
    directory: Path,
    /,
    *,
    policy: str = "refine",
    set_: Annotated[list[str] | None, Parameter("--set", negative=())] = None,
    json: Flag = False,
) -> None:
    """Apply another policy of acceptance and stopping to a recorded run; nothing is rendered.

    Prompts are those that were tried: another policy might have led to others.

    Args:
        directory: The run folder.
        policy: A preset by name, as for --preset.
        set_: A loop.* setting, budget.rounds or budget.images, as key=value. May be given more than
            once.
        json: One JSON object on stdout.
    """
    from rr_refine.cli.job import import_rules, policy_from

    run = open_run(directory)
    changes = dict(split_assignment(text) for text in set_ or ())
    for key in changes:
        if not key.startswith(("loop.", "budget.")):
            raise ConfigError(f"--set {key} has no effect on a replay: only loop.* and budget.* do")
        if key.startswith("budget.") and key not in ("budget.rounds", "budget.images"):
            raise ConfigError(
                f"--set {key} has no effect on a replay: of the budget, rounds and images count; "
                "what the rest came to belongs to the machine and the prices of the record"
            )
    settings = Settings()
    settings.apply({"preset": policy, **changes}, COMMAND_LINE)
    apply_intent(settings)
    chosen = policy_from(settings)
    import_rules(settings, chosen)
    replayed = replay_run(run, chosen)
    if json:
        say_json(_json(replayed))
    else:
        say(*_lines(run, replayed))
    if replayed.stop is None:
        tell("note: the policy would have gone on where the record ends")


def _lines(run: Run, replayed: Replay) -> Iterator[str]:
    for candidate in replayed.candidates:
        verdict = candidate.verdict
        assert verdict is not None
        name = picture_name(candidate.id)
        yield f"{name:<8} {verdict_word(verdict):<9} {short(verdict.reason, 240)}"
    stop = replayed.stop
    yield f"stop     {stop.rule}: {short(stop.reason, 240)}" if stop else "stop     none"
    for name, best in (("now", replayed.incumbent), ("record", run.incumbent)):
        mean = "" if best is None or best.mean is None else f", mean {best.mean:.2f}"
        yield f"{name:<8} {'no image' if best is None else picture_name(best.id)}{mean}"


def _json(replayed: Replay) -> str:
    return json_module.dumps(
        {
            "stop": None if replayed.stop is None else replayed.stop.model_dump(),
            "incumbent": None if replayed.incumbent is None else replayed.incumbent.id,
            "candidates": [c.model_dump(mode="json") for c in replayed.candidates],
            "unsettled": list(replayed.unsettled),
        }
    )
