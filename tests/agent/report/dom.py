"""A page as its elements: read by a parser that refuses what is not closed as it was opened."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["Element", "parse", "require_sound"]

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
RAW = {"script", "style"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def find(self, tag: str = "", **attributes: str) -> list[Element]:
        """Those below with this tag and these attributes (`class_` for class), in order."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            one
            for one in self.all()
            if (not tag or one.tag == tag) and wanted.items() <= one.attributes.items()
        ]

    def all(self) -> list[Element]:
        below = [child for child in self.children if isinstance(child, Element)]
        return [one for child in below for one in (child, *child.all())]

    @property
    def text(self) -> str:
        """What can be read in it; style and script cannot."""
        parts = [c if isinstance(c, str) else c.text for c in self.children]
        return "" if self.tag in RAW else "".join(parts)

    @property
    def shape(self) -> list[object]:
        """Tags and names of attributes, nested; adjacent texts are one."""
        below = [c.shape for c in self.children if isinstance(c, Element)]
        return [self.tag, sorted(self.attributes), *below]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> has an attribute twice"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")


def parse(page: str) -> Element:
    parser = _Parser()
    parser.feed(page)
    parser.close()
    assert parser.open == [parser.root], "elements are left open"
    return parser.root


def require_sound(page: str) -> Element:
    """What holds for every page of ours."""
    root = parse(page)
    (policy,) = root.find("meta", http_equiv="Content-Security-Policy")
    (style,), (script,) = root.find("style"), root.find("script")
    assert policy.attributes["content"] == (
        "default-src 'none'; img-src 'self' file:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    ids = [one.attributes["id"] for one in root.all() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for one in root.all():
        assert not any(name.startswith("on") or name == "style" for name in one.attributes)
        for name in ("href", "src"):
            target = one.attributes.get(name, "")
            if target.startswith("#"):
                assert target[1:] in ids, target
            else:
                assert ":" not in target and not target.startswith("/"), target
    for image in root.find("img"):
        assert image.attributes["alt"]
        assert int(image.attributes["width"]) > 0 < int(image.attributes["height"])
    for name in ("aria-labelledby", "for"):
        for one in root.all():
            assert one.attributes.get(name, ids[0]) in ids
    return root


def _hash(element: Element) -> str:
    (text,) = element.children
    assert isinstance(text, str)
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
