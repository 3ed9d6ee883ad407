"""Whatever users and models write is text on the page, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from rr_refine.agent.report.gallery import entry_of, write_gallery
from rr_refine.agent.report.page import visible
from rr_refine.agent.report.reader import read_summary
from rr_refine.agent.report.report import report_page, write_report
from rr_refine.agent.run import Run
from rr_refine.agent.store.folder import RunFolder
from tests.agent.report import hostile
from tests.agent.report.dom import parse, require_sound

MARKUP = (
    "<script>alert(1)</script>",
    "\"'><img/src=x/onerror=alert(1)>",
    "</style></script></title></pre></bdi></details></div>",
    "<!--<![CDATA[--!>]]>",
    "{{7*7}}{%raw%}{#",
    "&lt;b&gt;&amp;&#60;&quot;&nbsp",
    "javascript:alert(1)",
)
HIDDEN = ("\u202egnp\u2066", "\x1b[31m\x9b2J\x07", "\u200d\ufeff\u2028\u2029")
PAYLOADS = {"markup": "".join(MARKUP), "hidden": "".join(HIDDEN)}
# Keys and values of the settings stand in JSON, where quotes are written as \".
IN_JSON = {"parameter", "parameter value", "setting", "setting value", "detail", "detail value"}


def page_of(run: Run) -> str:
    with RunFolder(run.path, lock=False) as folder:
        return report_page(read_summary(folder))


class Writer:
    """Writes `payload` into every field, and remembers the fields."""

    def __init__(self, payload: str) -> None:
        self.fields: dict[str, str] = {}
        self._payload = payload

    def __call__(self, field: str) -> str:
        self.fields[field] = f"{field} x{self._payload}x"
        return self.fields[field]


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
async def test_every_text_of_a_run(tmp_path: Path, payload: str) -> None:
    plain = page_of(await hostile.run(tmp_path / "plain", Writer("word")))
    write = Writer(payload)
    page = page_of(await hostile.run(tmp_path / "evil", write))
    root = require_sound(page)
    assert len(write.fields) > 40
    assert _whole(root.shape) == _whole(parse(plain).shape)
    seen = root.text
    hidden = {
        field: text
        for field, text in write.fields.items()
        if field not in IN_JSON and str(visible(text)) not in seen
    }
    assert hidden == {}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)


def _whole(shape: list[object]) -> object:
    """A shape without the pieces of a diff, of which there may be more, and without chips."""
    tag, attributes, *below = shape
    if tag == "ul" or (isinstance(attributes, list) and {"class", "dir"} <= {*attributes}):
        return tag
    return [tag, attributes, *(_whole(one) for one in below if isinstance(one, list))]


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
async def test_notebooks(tmp_path: Path, payload: str) -> None:
    plain = await hostile.run(tmp_path / "plain", Writer("word"))
    write = Writer(payload)
    evil = await hostile.run(tmp_path / "evil", write)
    cell = parse(evil._repr_html_())
    assert cell.shape == parse(plain._repr_html_()).shape
    assert str(visible(write.fields["request"])) in cell.text
    for image in cell.find("img"):
        assert re.fullmatch(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", image.attributes["src"])


async def test_names_of_folders(tmp_path: Path) -> None:
    run = await hostile.run(tmp_path / "runs", Writer("word"))
    names = ['"><img src=x onerror=alert(1)>&amp;', "50% #1? \x1b[31m", "javascript:alert(1)"]
    for name in names:
        run.path.rename(moved := tmp_path / "runs" / name)
        with RunFolder(moved, lock=False) as folder:
            entry = entry_of(write_report(folder))
        require_sound((moved / "report" / "index.html").read_text("utf-8"))
        gallery = tmp_path / "pages" / "all.html"
        write_gallery(gallery, [entry])
        root = require_sound(gallery.read_text("utf-8"))
        (link,) = [a for a in root.find("a") if "report" in a.attributes["href"]]
        assert (gallery.parent / unquote(link.attributes["href"])).is_file()
        for image in root.find("img"):
            assert (gallery.parent / unquote(image.attributes["src"])).is_file()
        moved.rename(run.path)


async def test_a_prompt_of_100_kb(tmp_path: Path) -> None:
    write = Writer("word " * 20_000)
    page = page_of(await hostile.run(tmp_path, write))
    root = require_sound(page)
    long = [one for one in root.find("div") if "long" in one.attributes.get("class", "")]
    assert write.fields["request"].strip() in [one.text for one in long]
    # Boxes of their own, that the keyboard can scroll.
    assert all(one.attributes["tabindex"] == "0" for one in long)
    assert all(len(image.attributes["alt"]) < 300 for image in root.find("img"))
