"""The bundled critic: a small vision-language model that PARROT taught to judge sketches."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final

from pydantic import Field, JsonValue

from rr_refine.digest import file_digest
from rr_refine.errors import ConfigError
from rr_refine.plugins import parse_options
from rr_refine.request import Request
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.transformers import TransformersCritic, TransformersCriticOptions
from rr_refine.sketch.framing import is_sketch
from rr_refine.sketch.limits import ShapesOnly
from rr_refine.sketch.world.phrasing import read_request
from rr_refine.sketch.world.request import relation_phrase
from rr_refine.terms import Given, Identity

__all__ = ["WEIGHTS", "SketchCritic", "SketchCriticOptions", "create"]

WEIGHTS: Final = Path(__file__).parent / "weights" / "critic"
"""The folder in the package; the Auto classes of transformers, and vLLM, load it."""


class SketchCriticOptions(Given):
    """What can be said about the bundled critic."""

    model: Path | None = None
    """A folder that `rr-refine train sketch` made, in place of the bundled one."""
    samples: int = Field(default=1, ge=1, le=64)
    """Judgements per picture; two or more need a temperature above 0."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """Sampling temperature; 0 always writes the same."""
    device: str = "auto"
    """`auto`, `cuda`, `mps` or `cpu`."""
    guided: bool = True
    """Hold it to the form of an answer while it writes. On by default: its answers have that form
    by training, so those that could be read stay as they are, and the others can be read, too."""
    batch: int = Field(default=1, ge=1, le=64)
    """Most questions in one call; larger is faster for many."""


def create(**options: JsonValue) -> SketchCritic:
    """Make the critic from its config section; loads no weights.

    Raises:
        ConfigError: an option is unknown or out of range, or there are no weights in the folder.
        MissingExtraError: torch or transformers is not installed.
    """
    return SketchCritic(parse_options(SketchCriticOptions, options, "critic"))


class SketchCritic(ShapesOnly, TransformersCritic):
    """A `TransformersCritic` set up for the sketch critic: its own short template, greedy.

    Raises:
        ConfigError: no weights in the folder.
        MissingExtraError: torch or transformers is not installed.
    """

    def __init__(self, options: SketchCriticOptions | None = None) -> None:
        options = options or SketchCriticOptions()
        folder = options.model or WEIGHTS
        if not (folder / "config.json").is_file():
            raise ConfigError(
                f"critic.model: no sketch critic in {str(folder)!r}; "
                "make one with rr-refine train sketch"
            )
        self._bundled, self._folder = options.model is None, folder
        super().__init__(
            TransformersCriticOptions(
                model=str(folder),
                local_files_only=True,
                device=options.device,
                dtype="float32",
                samples=options.samples,
                temperature=options.temperature,
                max_tokens=512,
                repair=False,
                template="sketch",
                guided=options.guided,
                batch=options.batch,
            )
        )

    def unknown(self, request: Request) -> tuple[str, ...]:
        """Beside what means nothing in the small world, all relations but the first: it learnt from
        requests that have one, and of several it reads one and makes up others.
        """
        asked = None if request.task == "edit" else read_request(request.prompt)
        more = [relation_phrase(asked, one) for one in asked.relations[1:]] if asked else []
        return (*super().unknown(request), *more)

    async def critique(self, request: CritiqueRequest) -> Assessment:
        """See `Critic.critique`. It was never told facts when it was trained, and loses the thread
        over them: it judges by eye alone. An edit of a picture of another world stays unjudged.
        """
        assessment = await super().critique(replace(request, facts=()))
        if request.source is None or is_sketch(request.source):
            return assessment
        return assessment.model_copy(update={"unjudged": ("the picture to edit",)})

    @property
    def identity(self) -> Identity:
        """Told by what is in the weights; the bundled ones are named `sketch`, not by a path."""
        identity = super().identity
        details = identity.details | {"weights": self._weights}
        # Written down where it is not the default: what older versions judged stays comparable,
        # as guidance changes no answer that could be read without it.
        if not details.pop("guided", False):
            details["guided"] = False
        name = "sketch" if self._bundled else identity.name
        return identity.model_copy(update={"name": name, "details": details})

    @cached_property
    def _weights(self) -> str:
        return file_digest(self._folder / "model.safetensors")
