"""`rr-refine more DIR`: what follows a picture: more rounds, more seeds, an edit, another seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from rr_refine.agent import follow_up
from rr_refine.agent.budget import Budget, limits_of
from rr_refine.agent.follow_up import FollowUp
from rr_refine.agent.job import Job
from rr_refine.agent.policy import Policy
from rr_refine.agent.policy import preset as preset_of
from rr_refine.agent.run import Run, open_run
from rr_refine.cli.intent import INTENT
from rr_refine.cli.job import job_again, job_from
from rr_refine.cli.layers import own_settings
from rr_refine.cli.options import DisplayOptions, Flag, SettingsOptions
from rr_refine.cli.refine import begin
from rr_refine.cli.runner import run as run_in_terminal
from rr_refine.cli.runner import why_not_ask
from rr_refine.cli.settings import Settings, read_settings
from rr_refine.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["more"]

_FLAGS: Final = {
    "preset": "--preset",
    "seed": "--seed",
    "loop.candidates": "--candidates",
    "budget.usd": "--budget-usd",
    "loop.review": "--review",
    "profile": "--profile",
    "generator.use": "--generator or --model",
    "critic.use": "--critic or --critic-url",
    "evidence.use": "--evidence",
}
"""How settings are given on the command line."""


def more(
    directory: Path,
    /,
    *,
    say: str | None = None,
    vary: int | None = None,
    edit: str | None = None,
    again: Flag = False,
    use_prompt: Flag = False,
    picture: str | None = None,
    preset: Annotated[str | None, Parameter(help="Of a new run; as for rr-refine.")] = None,
    seed: int | None = None,
    rounds: int | None = None,
    candidates: int | None = None,
    budget_usd: float | None = None,
    review: Flag = False,
    display: DisplayOptions = DisplayOptions(),
    options: SettingsOptions = SettingsOptions(),
) -> int:
    """Go on from a picture of a run. With nothing else, the same run gets more rounds.

    All but going on begins a new run beside the old one, with its settings but for those that are
    given here. Its report and its record name the picture that it comes from.

    Args:
        directory: The run folder.
        say: Go on, and say what should be otherwise: it becomes a part of the request.
        vary: A new run: so many more pictures of the same prompt, each with another seed.
        edit: A new run: change the picture, and say what should change in it.
        again: A new run: the same request with another seed.
        use_prompt: A new run: the prompt of the picture is the request.
        picture: Which picture: its number, counted through the run, or its id, such as r1c0; the
            best by default.
        seed: Seed of the first image of a new run; by chance for --vary and --again.
        rounds: Most rounds, or most further rounds of the same run.
        candidates: Images per round of a new run.
        budget_usd: US dollars for the services that a new run asks; by default, and for going on,
            as much as the run had.
        review: A new run pauses before each new prompt, and at its end.
    """
    if options.config is not None:
        raise ConfigError("--config has no effect: the settings are those of the run")
    if review and display.auto:
        raise ConfigError("--review asks and --auto does not: give one of them")
    chosen = {
        "--say": say is not None,
        "--vary": vary is not None,
        "--edit": edit is not None,
        "--again": again,
        "--use-prompt": use_prompt,
    }
    asked = [name for name, given in chosen.items() if given]
    if len(asked) > 1:
        raise ConfigError(f"{' and '.join(asked)} ask for different things: give one of them")
    run = open_run(directory)
    name = _picture(run, picture)
    if vary is not None:
        step = follow_up.vary(run, vary, picture=name, seed=seed)
    elif edit is not None:
        step = follow_up.edit(run, edit, picture=name)
    elif again:
        step = follow_up.again(run, picture=name, seed=seed)
    elif use_prompt:
        step = follow_up.use_prompt(run, picture=name)
    elif say is not None and not say.strip():
        raise ConfigError("--say is blank: say what should be otherwise, or leave it out")
    else:
        step = follow_up.go_on(run, say or "", rounds=rounds, picture=name)
    given = options.given(
        {
            "preset": preset,
            "seed": seed,
            "budget.rounds": None if step.decision else rounds,
            "loop.candidates": candidates,
            "budget.usd": budget_usd,
            "loop.review": review or None,
        }
    )
    if step.decision is not None:
        return _go_on(step, given, display, trusted=options.trust)
    if vary is not None and (fixed := given.keys() & {"preset", "loop.candidates"}):
        raise ConfigError(f"{_FLAGS[min(fixed)]} has no effect: --vary says how many are drawn")
    settings, job = _new(step, given, display, trusted=options.trust)
    return begin(settings, job, step.out, display)


def _go_on(
    step: FollowUp, given: Mapping[str, JsonValue], display: DisplayOptions, *, trusted: bool
) -> int:
    for key in given:
        raise ConfigError(
            f"{_FLAGS.get(key, f'--set {key}')} has no effect: the run goes on as it was made; "
            "--again begins a new one"
        )
    job = job_again(step.run, trusted=trusted)
    ask = job.policy.review and why_not_ask(display) is None
    return run_in_terminal(job, lambda: follow_up.reopen(job, step), display, ask=ask)


def _picture(run: Run, named: str | None) -> str | None:
    """The id of the picture that is meant by its number or its id."""
    there = [c.id for c in run.candidates if c.image is not None]
    if named is None or not named.isdecimal():
        return named
    if not 1 <= int(named) <= len(there):
        raise ConfigError(f"--picture {named}: the run has {len(there)} of them")
    return there[int(named) - 1]


def _new(
    step: FollowUp, given: Mapping[str, JsonValue], display: DisplayOptions, *, trusted: bool
) -> tuple[Settings, Job]:
    """The job of a new run, with the settings of the old one and what is given over them."""
    run, wanted = step.run, step.options
    if not run.config.get("settings"):
        raise ConfigError(
            f"run {str(run.path)!r} was made by a program, with components of its own; only that "
            "program can go on from it (rr_refine.vary and the like do)"
        )
    settings = read_settings(run.path / "config.json", given, resume=run.config, trusted=trusted)
    own = own_settings()
    if "private" not in given:  # who may see a new folder is not for the old run to say
        settings.apply({"private": own.get("private", True)}, "your own settings")
    for key in list(settings.values):
        made = key not in given and not settings.sources[key].startswith(INTENT)
        if made and key.startswith(("loop.", "budget.", "parameters.")):
            del settings.values[key], settings.sources[key]
            settings.files.pop(key, None)
    kept: dict[str, JsonValue] = (
        {f"budget.{name}": limit for name, limit in limits_of(step.policy.budget).items()}
        if "preset" in given
        else _settings_of(step.policy)
    )
    kept |= _own_limits(own, step.policy.budget)
    layer: dict[str, JsonValue] = {
        "seed": wanted.get("seed", 0),
        "keep": list(wanted.get("keep", ())),
        "avoid": list(wanted.get("avoid", ())),
        **kept,
    }
    settings.apply({k: v for k, v in layer.items() if k not in given}, "the run")
    if settings.values.get("loop.review") is True and (why := why_not_ask(display)):
        settings.apply({"loop.review": False}, why)
    job = job_from(
        settings,
        step.prompt,
        step.images,
        parameters={**wanted.get("parameters", {}), **settings.section("parameters")},
        first_prompt=wanted.get("first_prompt"),
        lineage=wanted.get("lineage"),
        repeats=wanted.get("repeats", False),
    )
    return settings, job


def _own_limits(own: Mapping[str, JsonValue], kept: Budget) -> dict[str, JsonValue]:
    """The user's own limits that are lower than those of the run, or no numbers."""
    found: dict[str, JsonValue] = {}
    for name in Budget.model_fields.keys() - {"rounds"}:
        had, limit = getattr(kept, name), own.get(f"budget.{name}")
        less = not isinstance(limit, int | float) or had is None or limit < had
        if limit is not None and less:
            found[f"budget.{name}"] = limit
    return found


def _settings_of(policy: Policy) -> dict[str, JsonValue]:
    """The settings that describe a policy: what it changes in its preset."""
    mine, start = (one.model_dump(mode="json") for one in (policy, preset_of(policy.preset)))
    tables = {"budget.": (mine.pop("budget"), start.pop("budget")), "loop.": (mine, start)}
    found = {
        f"{prefix}{name}": value
        for prefix, (now, before) in tables.items()
        for name, value in now.items()
        if value != before.get(name)
    }
    if "loop.rewriters" in found:
        found["rewriter.use"] = found.pop("loop.rewriters")
    # What it is unless set depends on rounds and candidates.
    return {**found, "preset": policy.preset, "loop.outside": policy.outside}
