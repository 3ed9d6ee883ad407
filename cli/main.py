"""`rr-refine "prompt"`: the main command, and the table of the others."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, get_args

from cyclopts import App, ArgumentCollection, CycloptsError, Parameter, ValidationError

from rr_refine.cli.exits import DONE, guarded
from rr_refine.cli.options import SETTINGS, DisplayOptions, Flag, SettingsOptions, SomeOut
from rr_refine.cli.text import clean_stderr, open_streams, plain, tell
from rr_refine.errors import ConfigError

__all__ = ["app", "main"]

_COMMANDS = {
    "resume": "Continue an unfinished run.",
    "more": "Go on from a picture: another round, more seeds, an edit.",
    "replay": "Apply another policy to a recorded run.",
    "report": "Write pages that explain runs.",
    "export": "Make training data of recorded runs.",
    "studio": "Run the loop in the browser.",
    "mcp": "Serve an MCP client: the loop as its tools.",
    "serve": "Serve a critic with vLLM.",
    "bench": "Measure how much refining helps.",
    "train": "Train models: the bundled ones, and those of installed packages.",
    "doctor": "Check what is installed and reachable.",
    "completion": "Print a completion script for your shell.",
}
"""Each has a module of its name, with a function or an app of its name; imported when needed."""
_PRESETS = (
    "quick, careful, text-heavy or edit-preserving; or a method: refine, rewrite-first, paper, "
    "one-shot, best-of-n, blind-rewrite or blind-rewrite-best-of-n."
)


def _version() -> str:
    from importlib.metadata import version

    return version("rr-refine")


def _require_whole(_: App, __: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Refuse fractions where a whole number is asked for: cyclopts would round them."""
    for argument in arguments:
        if int in (argument.hint, *get_args(argument.hint)):
            for token in argument.tokens:
                if token.value.partition(".")[2].strip("0"):
                    raise ConfigError(f"{argument.name} {token.value!r:.80} is no whole number")


app = App(
    name="rr-refine",
    help="Better images by better prompts: generate, critique, refine, and know when to stop.",
    usage='Usage: rr-refine "PROMPT" [OPTIONS]\n       rr-refine COMMAND',
    version=_version,
    config=_require_whole,
    help_format="plaintext",  # markdown would cost 40 ms to import
    suppress_keyboard_interrupt=False,  # `guarded` handles it
)
for _name, _help in _COMMANDS.items():
    app.command(f"rr_refine.cli.{_name}:{_name}", name=_name, help=_help)
critic = App(name="critic", help="Tools for critics.")
critic.command(
    "rr_refine.cli.critic:import_template",
    name="import-template",
    help="Import the official messages from a README or model card.",
)
app.command(critic)
parrot = App(name="parrot", help="Make training data for a critic from preferences.")
parrot.command("rr_refine.cli.parrot:ingest", name="ingest", help="Add a data set's pairs.")
parrot.command("rr_refine.cli.parrot:run", name="run", help="Ask a teacher, filter, export.")
parrot.command("rr_refine.cli.parrot:export", name="export", help="Write the training rows.")
parrot.command("rr_refine.cli.parrot:sft", name="sft", help="Fine-tune a student.")
parrot.command("rr_refine.cli.parrot:evaluate", name="evaluate", help="Measure a student.")
app.command(parrot)
config = App(name="config", help="Show the settings.")
config.command("rr_refine.cli.config:show", name="show", help="Show each setting and its source.")
app.command(config)


@app.default
def refine(
    prompt: str | None = None,
    /,
    *,
    image: Annotated[list[Path] | None, Parameter(name=["--image", "-i"], negative=())] = None,
    out: SomeOut = None,
    preset: Annotated[str | None, Parameter(help=_PRESETS)] = None,
    seed: int | None = None,
    keep: Annotated[list[str] | None, Parameter(negative=())] = None,
    avoid: Annotated[list[str] | None, Parameter(negative=())] = None,
    rounds: int | None = None,
    candidates: int | None = None,
    budget_usd: float | None = None,
    width: int | None = None,
    height: int | None = None,
    negative: str | None = None,
    review: Flag = False,
    display: DisplayOptions = DisplayOptions(),
    options: SettingsOptions = SettingsOptions(),
    dry_run: Annotated[Flag, Parameter(group=SETTINGS)] = False,
) -> int:
    """Generate, critique and refine until a rule says stop.

    Args:
        prompt: What to draw or, with --image, what to change; standard input if left out.
        image: An image to edit. May be given more than once where the generator takes several.
        out: Folder that holds the run folders.
        seed: Seed of the first image.
        keep: Words that every rewritten prompt must contain. May be given more than once.
        avoid: Words that no rewritten prompt may contain. May be given more than once.
        rounds: Most rounds of rendering.
        candidates: Images per round. With --review, they are shown side by side to choose from.
        budget_usd: US dollars for the services that are asked, by the prices in their settings. No
            request is sent that could pass it.
        width: Pixels, where the generator takes a size; as for --height.
        height: Pixels.
        negative: What should not be in the image, where the generator takes a negative prompt.
        review: Pause before each new prompt, to accept, edit or reject it, and at the end where
            the critic is content.
        dry_run: Check every setting and show where it comes from; run nothing.
    """
    from rr_refine.cli.refine import refine_command
    from rr_refine.plugins import did_you_mean

    if review and display.auto:
        raise ConfigError("--review asks and --auto does not: give one of them")
    if prompt is not None and (hint := did_you_mean(prompt, list(app))):
        tell(f"note: {plain(prompt)!r} is taken as a prompt{hint}")
    settings = options.read(
        {
            "out": None if out is None else str(out),
            "preset": preset,
            "seed": seed,
            "keep": None if keep is None else list(keep),
            "avoid": None if avoid is None else list(avoid),
            "budget.rounds": rounds,
            "loop.candidates": candidates,
            "budget.usd": budget_usd,
            "parameters.width": width,
            "parameters.height": height,
            "parameters.negative_prompt": negative,
            "loop.review": review or None,
        }
    )
    return refine_command(settings, prompt, image or [], display, dry_run=dry_run)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `rr-refine` script."""
    open_streams()
    with clean_stderr():
        code = guarded(lambda: _run(arguments))
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except ValidationError as error:
        if error.argument is None:
            raise ConfigError(str(error)) from error
        given = f"{error.argument.name} {error.argument.tokens[0].value:.80}"
        raise ConfigError(f"{given} {error.exception_message}") from error
    except CycloptsError as error:
        raise ConfigError(str(error)) from error
    return code if isinstance(code, int) else DONE
