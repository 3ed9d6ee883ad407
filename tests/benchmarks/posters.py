"""How well wrong words on posters are told from right ones, by script, size and setting.

python -m tests.benchmarks.posters [--count 200] [--seed 1] [--keep FOLDER]

Each poster asks for a text and shows it, or (half of them) a misspelling of it, beside other lines.
The fonts are those of Debian's fonts-dejavu, fonts-liberation and fonts-noto-cjk. Seed 0 was used
to choose settings; 1 is the test.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from time import process_time
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from rr_refine.pictures import load_picture
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.evidence.evidence import Finding
from rr_refine.reward.evidence.ocr import OcrEvidence, OcrOptions

__all__ = ["Poster", "main", "posters"]

SCRIPTS: Final = ("en", "zh", "mixed")
SIZES: Final = (256, 512, 1024, 1536)
SETTINGS: Final = ("straight", "curved", "noise", "turned")

_FONTS: Final = {
    "en": (
        "dejavu/DejaVuSerif-Bold.ttf",
        "dejavu/DejaVuSans.ttf",
        "dejavu/DejaVuSansMono.ttf",
        "liberation/LiberationSans-Bold.ttf",
        "liberation/LiberationSerif-Italic.ttf",
        "liberation/LiberationSansNarrow-Regular.ttf",
    ),
    "zh": (
        "noto/NotoSansCJK-Regular.ttc",
        "noto/NotoSansCJK-Bold.ttc",
        "noto/NotoSerifCJK-Bold.ttc",
    ),
}
_TEXTS: Final = {
    "en": (
        "GRAND OPENING",
        "Summer Jazz Festival",
        "Fresh Bread Daily",
        "STOP",
        "Keep the Door Closed",
        "Lost Dog",
        "HAPPY BIRTHDAY ANNA",
        "Night Market",
        "The Last Lighthouse",
        "Open until 22:30",
        "50% off all shoes",
        "Welcome Home",
        "Quiet Please",
        "Harvest Supper",
        "Repair Workshop",
        "Free Coffee",
        "No Parking",
        "Museum of Glass",
        "Yoga at Dawn",
        "Winter Concert",
    ),
    "zh": (
        "新年快乐",
        "欢迎光临",
        "今日特价",
        "请勿吸烟",
        "春季音乐会",
        "生日快乐",
        "夜市美食节",
        "安全第一",
        "图书馆开放时间",
        "手工面包店",
        "环保从我做起",
        "周末电影放映",
        "小心地滑",
        "城市艺术展览",
    ),
    "mixed": (
        "SALE 大减价",
        "COFFEE 咖啡馆",
        "2026 新年音乐会",
        "OPEN 营业中",
        "WIFI 免费上网",
        "YOGA 瑜伽课程",
        "Night 夜市",
        "BOOK 读书会",
    ),
}
_LINES: Final = {
    "en": ("Main Street 14", "Doors at seven", "Bring a friend", "Since 1987", "Tickets here"),
    "zh": ("地址人民路", "上午九点", "现场购票", "免费入场"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Poster:
    script: str
    size: int
    setting: str
    asked: str
    drawn: str
    picture: Image.Image

    @property
    def is_wrong(self) -> bool:
        return self.asked != self.drawn


def posters(count: int, seed: int) -> Iterator[Poster]:
    """Strata take turns; half of each are wrong."""
    strata = list(product(SCRIPTS, SIZES, SETTINGS))
    turn = Random(seed)
    turn.shuffle(strata)
    for number in range(count):
        script, size, setting = strata[number % len(strata)]
        random = Random(f"poster {seed} {number}")
        asked = random.choice(_TEXTS[script])
        wrong = (number // len(strata) + number) % 2 == 0
        drawn = misspelt(asked, random) if wrong else asked
        yield Poster(
            script, size, setting, asked, drawn, draw(drawn, script, size, setting, random)
        )


def misspelt(text: str, random: Random) -> str:
    """With one letter swapped, left out, doubled or another."""
    places = [i for i, c in enumerate(text) if c.isalpha()]
    common = sorted({c for one in _TEXTS["zh"] for c in one})
    for _ in range(50):
        at = random.choice(places)
        letter = text[at]
        if letter.isascii():
            other = random.choice("ABCDEFGHKLMNPRSTUVWXZ")
            other = other if letter.isupper() else other.lower()
        else:
            other = random.choice(common)
        ways = [text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :]]
        ways.append(text[:at] + letter + text[at:])
        if at + 1 < len(text) and text[at + 1].isalpha():
            ways.append(text[:at] + text[at + 1] + letter + text[at + 2 :])
        found = random.choice(ways)
        if found.casefold() != text.casefold():
            return found
    raise AssertionError(text)


def draw(text: str, script: str, size: int, setting: str, random: Random) -> Image.Image:
    width = size if random.random() < 0.5 else round(size * 0.75)
    dark = random.random() < 0.4
    ground = tuple(random.randint(0, 70) if dark else random.randint(180, 255) for _ in range(3))
    ink = tuple(random.randint(190, 255) if dark else random.randint(0, 90) for _ in range(3))
    picture = Image.new("RGB", (width, size), ground)
    if setting == "noise":
        picture = _noise(picture, random)
    fonts = "en" if script == "en" else "zh"
    path = Path("/usr/share/fonts") / _folder(random.choice(_FONTS[fonts]))
    units = sum(0.6 if c.isascii() else 1.0 for c in text)
    share = random.uniform(0.55, 0.85)
    height = max(10, min(round(width * share / units), round(size * 0.14)))
    font = ImageFont.truetype(str(path), height)
    if setting == "curved":
        _arc(picture, text, font, ink, random)
    else:
        left = (width - font.getlength(text)) / 2
        ImageDraw.Draw(picture).text((left, size * random.uniform(0.1, 0.4)), text, ink, font)
    small = ImageFont.truetype(str(path), max(10, round(height * random.uniform(0.45, 0.7))))
    for number, line in enumerate(random.sample(_LINES[fonts], random.randint(0, 2))):
        at = width * 0.1, size * (0.68 + 0.13 * number)
        ImageDraw.Draw(picture).text(at, line, ink, small)
    return _turned(picture) if setting == "turned" else picture


def _folder(font: str) -> str:
    return f"opentype/{font}" if font.startswith("noto/") else f"truetype/{font}"


def _noise(picture: Image.Image, random: Random) -> Image.Image:
    """Blotches of colour, as a photo's background has, about the ground's brightness."""
    small = Image.new("RGB", (12, 12))
    ground = picture.getpixel((0, 0))
    assert isinstance(ground, tuple)
    small.putdata(
        [
            tuple(max(0, min(255, round(v + random.gauss(0, 28)))) for v in ground)
            for _ in range(144)
        ]
    )
    blotches = small.resize(picture.size, Image.Resampling.BICUBIC)
    grain = Image.effect_noise(picture.size, 30).convert("RGB")
    return Image.blend(blotches, grain, 0.12)


def _arc(
    picture: Image.Image,
    text: str,
    font: ImageFont.FreeTypeFont,
    ink: tuple[int, ...],
    random: Random,
) -> None:
    """Along a circle, which spans 60 to 150 degrees."""
    length = font.getlength(text)
    span = math.radians(random.uniform(60, 150))
    radius = length / span
    centre = picture.width / 2, picture.height * 0.15 + radius
    angle = -span / 2
    for letter in text:
        wide = font.getlength(letter)
        angle += wide / 2 / radius
        side = round(font.size * 2)
        tile = Image.new("L", (side, side))
        ImageDraw.Draw(tile).text((side / 2, side / 2), letter, 255, font, anchor="mm")
        tile = tile.rotate(-math.degrees(angle), Image.Resampling.BICUBIC)
        x = centre[0] + radius * math.sin(angle) - side / 2
        y = centre[1] - radius * math.cos(angle) - side / 2
        picture.paste(Image.new("RGB", tile.size, ink), (round(x), round(y)), tile)
        angle += wide / 2 / radius


def _turned(picture: Image.Image) -> Image.Image:
    """As a phone stores it: lying on its side, and a note in EXIF which way is up."""
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    picture.rotate(90, expand=True).save(file, "JPEG", quality=90, exif=exif)
    return load_picture(Image.open(file))


def judge(poster: Poster, findings: tuple[Finding, ...]) -> str:
    asked = [one for one in findings if one.expected is not None]
    assert [one.expected for one in asked] == [poster.asked], asked
    if asked[0].kind == "abstained":
        return "abstained, wrong" if poster.is_wrong else "abstained, right"
    told = asked[0].is_miss
    if poster.is_wrong:
        return "hit" if told else "missed"
    return "false" if told else "ok"


def table(results: list[tuple[Poster, str]]) -> str:
    rows = [
        "| posters | n | wrong words told | right words called wrong | abstained | F1 |",
        "|---|---|---|---|---|---|",
    ]
    strata: dict[str, list[str]] = defaultdict(list)
    for poster, result in results:
        strata["all"].append(result)
        for name in (poster.setting, poster.script, f"{poster.size} px"):
            strata[name].append(result)
    for name in ("all", *SETTINGS, *SCRIPTS, *(f"{size} px" for size in SIZES)):
        c = Counter(strata[name])
        wrong = c["hit"] + c["missed"] + c["abstained, wrong"]
        right = c["ok"] + c["false"] + c["abstained, right"]
        f1 = 2 * c["hit"] / (c["hit"] + wrong + c["false"]) if wrong + c["false"] else math.nan
        away = c["abstained, wrong"] + c["abstained, right"]
        rows.append(
            f"| {name} | {wrong + right} | {c['hit']} of {wrong} "
            f"| {c['false']} of {right} | {away} | {f1:.3f} |"
        )
    return "\n".join(rows)


async def measure(count: int, seed: int, keep: Path | None) -> None:
    reader = OcrEvidence(OcrOptions())
    results: list[tuple[Poster, str]] = []
    seconds = 0.0
    for number, poster in enumerate(posters(count, seed)):
        prompt = f'a poster that says "{poster.asked}"'
        began = process_time()
        found = await reader.examine(CritiqueRequest(prompt=prompt, image=poster.picture))
        seconds += process_time() - began
        result = judge(poster, found.findings)
        results.append((poster, result))
        if result not in ("hit", "ok"):
            print(number, poster.script, poster.size, poster.setting, repr(poster.drawn), result,
                  [one.reason for one in found.findings])  # fmt: skip
        if keep is not None:
            poster.picture.save(keep / f"{number:03}-{result.replace(', ', '-')}.png")
    print(table(results))
    print(f"{seconds / count:.2f} s of processor time a poster")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    asyncio.run(measure(given.count, given.seed, given.keep))


if __name__ == "__main__":
    main()
