"""The file that says how data is produced: TOML with the tables `teacher`, `parrot`, `student`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeGuard

from pydantic import Field, JsonValue

from rr_refine.component import has_methods
from rr_refine.errors import ConfigError
from rr_refine.plugins import create, parse_options
from rr_refine.reward.template import BUILTIN, load_template
from rr_refine.terms import Record
from rr_refine.training.parrot.options import ParrotOptions
from rr_refine.training.parrot.teacher import Teacher

__all__ = ["ParrotConfig", "StudentOptions", "create_teacher", "read_config"]


class StudentOptions(Record):
    """The config section `[student]`: how the critic to be trained is asked."""

    template: str = BUILTIN
    """`builtin`, `sketch`, the beginning of an imported template's digest, or a path."""
    template_store: Path | None = None
    """The folder of imported templates, for a template named by its digest."""


class ParrotConfig(Record):
    """The whole file; every table may be left out."""

    teacher: dict[str, JsonValue] = Field(default={"use": "openai"})
    """Who teaches: `use` names a teacher by entry point or dotted path, and the rest are its own
    options (for `openai`: `EndpointTeacherOptions`)."""
    parrot: ParrotOptions = ParrotOptions()
    student: StudentOptions = StudentOptions()


def read_config(path: Path | None) -> ParrotConfig:
    """Read a config file; all defaults without one.

    Raises:
        ConfigError: it cannot be read, has an unknown key or a value out of range, or names a
            template that is not there.
    """
    if path is None:
        return ParrotConfig()
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"config file {str(path)!r} cannot be read: {error}") from error
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
    if not _is_teacher(teacher):
        raise ConfigError(f"{name!r} is no teacher: it needs identify() and answer()")
    return teacher


def _is_teacher(component: object) -> TypeGuard[Teacher]:
    return has_methods(component, "identify", "answer")
