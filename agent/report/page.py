"""Pages: a template filled so that nothing but the template is markup.

Whatever a template puts out is made visible (`rr_refine.agent.report.text`) and escaped. The style
and the script are in the page; its Content-Security-Policy names both by their hashes and allows
nothing else to run or to be loaded, but pictures.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from pydantic import JsonValue

from rr_refine.agent.report.text import visible

__all__ = ["render", "render_part"]


def render(name: str, **values: object) -> str:
    """A page from the templates `<name>.html` and `<name>.js`, and `style.css`."""
    style, script = _text("style.css"), _text(f"{name}.js")
    policy = (
        # file: for browsers that do not count a file beside this one as 'self'.
        "default-src 'none'; img-src 'self' file:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    # The hashes are of what stands in the page, so it must be these very characters.
    assets = {"style": Markup(style), "script": Markup(script)}
    return render_part(f"{name}.html", policy=policy, **assets, **values)


def render_part(template: str, **values: object) -> str:
    """What a template makes of the values."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        optimized=False,  # one page a process is usual: compiling it costs more than filling it
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "change": lambda value: f"{value:+.2f}".replace("-", "−"),
        "json": _json,
        "label": lambda name: str(name).replace("_", " ").replace("-", " "),
        "score": lambda value: f"{value:.2f}",
        "time": lambda seconds: time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds)),
    }
    return environment


@cache
def _text(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text("utf-8")


@cache
def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(value: JsonValue) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
