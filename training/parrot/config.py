"""How data is produced: a TOML file with the tables `teacher`, `parrot` and `student`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, cast

from pydantic import Field, JsonValue

from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError
from rr_refine.named import read_named
from rr_refine.plugins import create, parse_options, require_protocol
from rr_refine.reward.template import BUILTIN, load_template
from rr_refine.terms import Given
from rr_refine.toml_text import MAX_SETTINGS, parse_toml
from rr_refine.training.parrot.teacher import Teacher

__all__ = [
    "ParrotConfig",
    "ParrotOptions",
    "StudentOptions",
    "Variant",
    "create_teacher",
    "read_config",
]

Variant = Literal["predictive", "paper"]
"""How rationales are filtered.

- `predictive`: the text's own checks, and the label has to follow from the pictures and the
  rationale without scores, winners and summary, averaged over both orders.
- `paper`: as the paper describes its prompt (appendix C.2): from the whole rationale, scores
  included, without pictures, once, with a tie allowed. Nothing else is checked.
"""


class ParrotOptions(Given):
    """The config section `[parrot]`."""

    variant: Variant = "predictive"
    """Which filter decides."""
    compare: bool = False
    """Ask for the other variant too, so that the report can compare the two."""
    attempts: int = Field(default=1, ge=1, le=16)
    """Rationales that are tried for a pair until one is kept (paper: not given)."""
    both_orders: bool = False
    """Also write a rationale that calls the pair's Image B Image A: twice the pairwise rows."""
    tau: float = Field(default=0.6, gt=0, lt=1)
    """Least probability of the label, averaged over both orders."""
    baseline: bool = True
    """Also ask for the label without the rationale: two predictions for a pair. The report says
    how much the rationales add."""
    gain: float | None = Field(default=None, ge=0, lt=1)
    """Least rise of the label's probability over that of the pictures alone; by default a rationale
    that adds nothing is reported and kept. Needs `baseline`."""
    gap: float = Field(default=0.25, ge=0)
    """Least lead of the better picture, summed over the dimensions scored for both."""
    min_words: int = Field(default=10, ge=0)
    """Fewest words of evidence; less is vague."""
    max_words: int = Field(default=1500, ge=1)
    """Most words of evidence; more is repetition."""
    project: bool = True
    """Make pointwise samples of kept pairs."""
    tolerance: float = Field(default=0.5, ge=0)
    """How far a pointwise score may be from the comparison's."""
    direct: bool = False
    """Also ask without the label, for the ablation: direct distillation, unfiltered."""


class StudentOptions(Given):
    """The config section `[student]`: how the critic to be trained is asked."""

    template: str = BUILTIN
    """`builtin`, one by entry point, the beginning of an imported template's digest, or a path."""
    template_store: Path | None = None
    """The folder of imported templates, for a template named by its digest."""


class ParrotConfig(Given):
    """The whole file; every table may be left out."""

    teacher: dict[str, JsonValue] = Field(default={"use": "openai"})
    """Who teaches: `use` names a teacher by entry point or dotted path, and the rest are its own
    options (for `openai`: `EndpointTeacherOptions`)."""
    parrot: ParrotOptions = ParrotOptions()
    student: StudentOptions = StudentOptions()


def read_config(
    path: Path | None, check: Callable[[bytes, Mapping[str, JsonValue]], object] | None = None
) -> ParrotConfig:
    """Read a config file; all defaults without one.

    Args:
        check: called with the contents and the table in them, before anything that it names is
            looked up; what it raises is raised.

    Raises:
        ConfigError: it cannot be read, has an unknown key or a value out of range, or names a
            template that is not there.
    """
    if path is None:
        return ParrotConfig()
    with raised_as(ConfigError, f"config file {str(path)!r} cannot be read", OSError, ValueError):
        data = read_named(path, MAX_SETTINGS)
        table = parse_toml(data)
    if check is not None:
        check(data, table)
    for name, model in (("parrot", ParrotOptions), ("student", StudentOptions)):
        if isinstance(given := table.get(name), dict):
            parse_options(model, given, name)  # whose messages name the option
    config = parse_options(ParrotConfig, table, "config")
    # The student's prompt is needed at the end only: a long run should not find out then.
    load_template(config.student.template, config.student.template_store)
    return config


def create_teacher(options: dict[str, JsonValue]) -> Teacher:
    """Make the teacher of a `[teacher]` table.

    Raises:
        ConfigError: there is no such teacher, it does not take these options, or it is none.
    """
    given = dict(options)
    name = given.pop("use", "openai")
    if not isinstance(name, str):
        raise ConfigError(f"teacher.use = {name!r} must be text")
    teacher = create("teachers", name, given)
    require_protocol("teachers", name, teacher)
    return cast("Teacher", teacher)
