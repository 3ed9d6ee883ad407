"""`rr-refine "prompt"`: the main command, and the way to the others."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, CycloptsError, Group, Parameter

from rr_refine.cli.exits import DONE, USAGE, guarded
from rr_refine.cli.flag import Flag
from rr_refine.cli.live.graphics import Graphics
from rr_refine.cli.text import plain as plain_text
from rr_refine.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["app", "main"]

_COMMANDS = (
    *("resume", "replay", "report", "studio", "serve", "doctor"),
    *("bench", "critic", "parrot", "train", "config", "completion"),
)
_SETTINGS = Group("Settings", sort_key=1)


def _version() -> str:
    from importlib.metadata import version

    return version("rr-refine")


app = App(
    name="rr-refine",
    help="Better images by better prompts: generate, critique, refine, and know when to stop.",
    usage='Usage: rr-refine "PROMPT" [OPTIONS]\n       rr-refine COMMAND',
    version=_version,
    help_format="plaintext",  # markdown would cost 40 ms to import
)
app.command("rr_refine.cli.resume:resume", name="resume", help="Go on with an unfinished run.")
app.command("rr_refine.cli.replay:replay", name="replay", help="Judge a recorded run anew.")
app.command("rr_refine.cli.report:report", name="report", help="Write pages that explain runs.")
app.command("rr_refine.cli.studio:studio", name="studio", help="The same loop in the browser.")
app.command("rr_refine.cli.serve:serve", name="serve", help="Serve a critic with vLLM.")
app.command("rr_refine.cli.doctor:doctor", name="doctor", help="What is installed and reachable.")
app.command("rr_refine.cli.bench:bench", name="bench", help="Measure how much refining helps.")
critic = App(name="critic", help="Critic tools.")
critic.command(
    "rr_refine.cli.critic:import_template",
    name="import-template",
    help="Take the exact official messages out of a README or model card.",
)
app.command(critic)
parrot = App(name="parrot", help="Training data for a critic, from preferences.")
parrot.command("rr_refine.cli.parrot:ingest", name="ingest", help="Add a data set's pairs.")
parrot.command("rr_refine.cli.parrot:run", name="run", help="Ask a teacher, filter, export.")
parrot.command("rr_refine.cli.parrot:export", name="export", help="Write training rows anew.")
parrot.command("rr_refine.cli.parrot:sft", name="sft", help="Fine-tune a student.")
app.command(parrot)
app.command("rr_refine.cli.train:train", name="train", help="Train the models in the box.")
config = App(name="config", help="Settings.")
config.command("rr_refine.cli.config:show", name="show", help="Each setting and its source.")
app.command(config)
app.command(
    "rr_refine.cli.completion:completion", name="completion", help="Completion for your shell."
)


@app.default
def refine(
    prompt: str | None = None,
    /,
    *,
    image: Annotated[Path | None, Parameter(name=["--image", "-i"])] = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    preset: str | None = None,
    seed: int | None = None,
    keep: Annotated[list[str] | None, Parameter(negative=())] = None,
    avoid: Annotated[list[str] | None, Parameter(negative=())] = None,
    rounds: int | None = None,
    candidates: int | None = None,
    profile: Annotated[str | None, Parameter(group=_SETTINGS)] = None,
    model: Annotated[str | None, Parameter(group=_SETTINGS)] = None,
    generator: Annotated[str | None, Parameter(group=_SETTINGS)] = None,
    critic: Annotated[str | None, Parameter(group=_SETTINGS)] = None,
    critic_url: Annotated[str | None, Parameter(group=_SETTINGS)] = None,
    config: Annotated[Path | None, Parameter(group=_SETTINGS)] = None,
    set_: Annotated[list[str] | None, Parameter("--set", negative=(), group=_SETTINGS)] = None,
    dry_run: Annotated[Flag, Parameter(group=_SETTINGS)] = False,
    review: Flag = False,
    auto: Flag = False,
    json: Flag = False,
    plain: Flag = False,
    pictures: Graphics | None = None,
) -> int:
    """Generate, critique and refine until a rule says stop.

    Args:
        prompt: What should be seen or, with --image, be changed; standard input if left out.
        image: A picture to edit.
        out: Folder that holds the run folders.
        preset: quick, careful, text-heavy, edit-preserving, refine, paper, one-shot,
            best-of-n, blind-rewrite or blind-rewrite-best-of-n.
        seed: Seed of the first image.
        keep: Words that every rewritten prompt must hold. May be given more than once.
        avoid: Words that no rewritten prompt may hold. May be given more than once.
        rounds: Rounds of rendering at most.
        candidates: Images per round.
        profile: Settings for a machine: sketch, laptop, gpu-24, gpu-80 or gpu-2.
        model: A diffusers pipeline: hub id or folder.
        generator: Generator by name or dotted path.
        critic: Critic by name or dotted path.
        critic_url: Endpoint of an OpenAI-compatible critic, such as http://localhost:6868/v1.
        config: A TOML file, or the config.json of a run.
        set_: Any other setting, as key=value. May be given more than once.
        dry_run: Show every setting and where it comes from, check them, and do nothing.
        review: Pause before each new prompt is used: accept, edit, reject, and more.
        auto: Never pause, whatever the settings say.
        json: Events as NDJSON on stdout.
        plain: Plain lines in place of the live view.
        pictures: How the live view shows pictures; found out by default.
    """
    from rr_refine.cli.refine import refine_command
    from rr_refine.cli.settings import split_assignment
    from rr_refine.plugins import did_you_mean

    flags: dict[str, JsonValue] = {}
    if model is not None:
        flags |= {"generator.use": "diffusers", "generator.model": model}
    if critic_url is not None:
        flags |= {"critic.use": "openai", "critic.base_url": critic_url}
    given: dict[str, JsonValue] = {
        "generator.use": generator,
        "critic.use": critic,
        "profile": profile,
        "out": None if out is None else str(out),
        "preset": preset,
        "seed": seed,
        "keep": None if keep is None else list(keep),
        "avoid": None if avoid is None else list(avoid),
        "budget.rounds": rounds,
        "loop.candidates": candidates,
        "loop.review": review or None,
    }
    flags |= {key: value for key, value in given.items() if value is not None}

    def command() -> int:
        if review and auto:
            raise ConfigError("--review asks and --auto does not: give one of them")
        if prompt is not None and (hint := did_you_mean(prompt, list(_COMMANDS))):
            print(f"note: {plain_text(prompt)!r} is taken as a prompt{hint}", file=sys.stderr)
        assigned = dict(split_assignment(text) for text in set_ or ())
        return refine_command(
            prompt,
            image,
            config,
            {**flags, **assigned},
            dry_run=dry_run,
            as_json=json,
            auto=auto,
            plain=plain,
            pictures=pictures,
        )

    return guarded(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `rr-refine` script."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        print(f"error: {plain_text(str(error))}", file=sys.stderr)
        sys.exit(USAGE)
    sys.exit(code if isinstance(code, int) else DONE)
