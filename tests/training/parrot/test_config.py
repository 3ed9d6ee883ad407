from __future__ import annotations

import re
from pathlib import Path

from rr_refine.plugins import parse_options
from rr_refine.training.parrot.config import ParrotConfig, create_teacher, read_config
from rr_refine.training.parrot.endpoint_teacher import EndpointTeacher, EndpointTeacherOptions

PAGE = Path(__file__).parents[3] / "docs" / "parrot.md"


def test_the_config_of_the_docs(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "parrot.toml").write_text(text)
    config = read_config(tmp_path / "parrot.toml")
    assert config.parrot.attempts == 2
    assert isinstance(create_teacher(config.teacher), EndpointTeacher)
    options = parse_options(EndpointTeacherOptions, config.teacher, "teacher")
    assert options.concurrency == 64


def test_everything_may_be_left_out() -> None:
    assert read_config(None) == ParrotConfig()
    assert isinstance(create_teacher({}), EndpointTeacher)
