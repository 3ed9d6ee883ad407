"""Pictures as escape sequences, taken apart again."""

from __future__ import annotations

import re
from base64 import standard_b64decode
from io import BytesIO

import pytest
from PIL import Image, ImageChops

from rr_refine.cli.display import find_graphics
from rr_refine.cli.live.thumbnail import encode
from rr_refine.cli.options import Graphics


def picture() -> Image.Image:
    """Two colours to the left and right, a third below."""
    image = Image.new("RGB", (40, 30), (255, 0, 0))
    image.paste((0, 0, 255), (20, 0, 40, 30))
    image.paste((0, 255, 0), (0, 21, 40, 30))
    return image


def noise() -> Image.Image:
    return Image.effect_noise((120, 90), 90).convert("RGB")


def test_kitty() -> None:
    image = noise()
    code = encode(image, 12, 5, "kitty")
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", code)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in parts) == code
    assert parts[0][0] == "a=T,f=100,q=2,C=1,c=12,r=5,m=1"
    assert [keys for keys, _ in parts[1:]] == ["m=1"] * (len(parts) - 2) + ["m=0"]
    assert len(parts) > 2
    assert max(len(data) for _, data in parts) <= 4096
    with Image.open(BytesIO(standard_b64decode("".join(data for _, data in parts)))) as shown:
        assert ImageChops.difference(shown, image).getbbox() is None


def test_iterm2() -> None:
    image = picture()
    match = re.fullmatch(
        r"\x1b\]1337;File=inline=1;width=12;height=5;preserveAspectRatio=0:([A-Za-z0-9+/=]+)\x07",
        encode(image, 12, 5, "iterm2"),
    )
    assert match is not None
    with Image.open(BytesIO(standard_b64decode(match[1]))) as shown:
        assert ImageChops.difference(shown, image).getbbox() is None


def test_sixel() -> None:
    code = encode(picture(), 4, 2, "sixel")
    shown = read_sixel(code)
    assert shown.width % 4 == 0
    expected = picture().resize(shown.size)
    middles = [(x * shown.width // 8, y * shown.height // 8) for x in (1, 3, 5, 7) for y in (1, 7)]
    assert [shown.getpixel(at) for at in middles] == [expected.getpixel(at) for at in middles]


def read_sixel(code: str) -> Image.Image:
    """What a terminal makes of it."""
    match = re.fullmatch(r'\x1bPq"1;1;(\d+);(\d+)(.*)\x1b\\', code, re.DOTALL)
    assert match is not None
    image = Image.new("RGB", (int(match[1]), int(match[2])), (1, 2, 3))
    palette: dict[str, tuple[int, int, int]] = {}
    x = y = 0
    colour = ""
    token = re.compile(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)(.)|([$-])|([?-~])")
    end = 0
    for m in token.finditer(match[3]):
        assert m.start() == end, "something between the tokens"
        end = m.end()
        if m[1]:
            red, green, blue = (round(int(v) * 2.55) for v in m.group(2, 3, 4))
            palette[m[1]] = (red, green, blue)
        elif m[5]:
            colour = m[5]
        elif m[8]:
            x, y = 0, y + 6 * (m[8] == "-")
        else:
            bits, run = ord(m[7] or m[9]) - 63, int(m[6] or 1)
            for dot in (
                (x + i, y + bit) for i in range(run) for bit in range(6) if bits >> bit & 1
            ):
                image.putpixel(dot, palette[colour])
            x += run
    assert end == len(match[3])
    return image


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "foot-extra"}, "sixel"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, "blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, "blocks"),
        ({}, "blocks"),
    ],
)
def test_what_the_terminal_says_of_itself(environment: dict[str, str], found: Graphics) -> None:
    assert find_graphics(environment) == found
