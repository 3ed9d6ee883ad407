"""Pages: a template filled so that nothing but the template is markup.

Whatever a template puts out is made visible and escaped. The style
and the script are in the page; its Content-Security-Policy names both by their hashes and allows
nothing else to run or to be loaded, but pictures.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from pydantic import JsonValue

from rr_refine.agent.picture_name import picture_name
from rr_refine.plain_text import error_words
from rr_refine.reward.rationale import excerpt

__all__ = ["PAGES", "Pages", "cut", "script_json", "visible"]

# Control characters but tab and line feed, direction overrides and isolates, half characters.
# Joiners and direction marks stay: emoji and right-to-left writing need them.
_HIDDEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Pages:
    """The pages whose templates are in a folder of a package.

    What a template includes, and `style.css`, may also be among those of the report.

    Args:
        package: `rr_refine.benchmarks`.
        folder: its folder of templates.
    """

    def __init__(self, package: str, folder: str) -> None:
        self._homes = [files(package) / folder, files(__package__) / "templates"]
        self._environment = Environment(
            loader=FunctionLoader(self._find),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=visible,
            optimized=False,  # one page a process is usual: compiling it costs more than filling it
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "change": lambda value: f"{value:+.2f}".replace("-", "−"),
            "json": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
            "error": error_words,
            "excerpt": excerpt,
            "label": lambda name: str(name).replace("_", " ").replace("-", " "),
            "picture": picture_name,
            "score": lambda value: f"{value:.2f}",
            "time": lambda seconds: time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds)),
        }

    def stream(self, name: str, **values: object) -> Iterator[str]:
        """A page, piece by piece, from `<name>.html` and `<name>.js`.

        Its style is `style.css` and, where there are such, `common.css` and `<name>.css`; a
        `common.js` goes before the script.
        """
        style = self._text("style.css") + self._any("common.css") + self._any(f"{name}.css")
        script = self._any("common.js") + self._text(f"{name}.js")
        policy = (
            # file: for browsers that do not count a file beside this one as 'self'.
            "default-src 'none'; img-src 'self' file:; "
            f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
            "base-uri 'none'; form-action 'none'"
        )
        # The hashes are of what stands in the page, so it must be these very characters.
        assets = {"style": Markup(style), "script": Markup(script)}
        template = self._environment.get_template(f"{name}.html")
        return template.generate(policy=policy, **assets, **values)

    def page(self, name: str, **values: object) -> str:
        """The same in one piece."""
        return "".join(self.stream(name, **values))

    def part(self, template: str, **values: object) -> str:
        """What a template makes of the values."""
        return self._environment.get_template(template).render(**values)

    def _text(self, name: str) -> str:
        text = self._find(name)
        if text is None:
            raise FileNotFoundError(name)
        return text

    def _any(self, name: str) -> str:
        return self._find(name) or ""

    def _find(self, name: str) -> str | None:
        found = (home / name for home in self._homes)
        return next((file.read_text("utf-8") for file in found if file.is_file()), None)


def script_json(value: JsonValue) -> Markup:
    """Short JSON for the inside of a script element, where markup could end it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def visible(value: object) -> object:
    """`value` for a template: hidden characters of a text become symbols, all else stays."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _HIDDEN.sub(lambda m: _name(ord(m.group())), value.replace("\r\n", "\n"))


def cut(text: str, length: int) -> str:
    """At most `length` characters of `text`."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _name(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)  # Unicode has pictures of them: ␛
    return "␡" if code == 0x7F else f"[U+{code:04X}]"


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


PAGES = Pages("rr_refine.agent.report", "templates")
"""The report's own."""
