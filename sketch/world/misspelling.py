"""Words that are none: what a generator writes that cannot spell."""

from __future__ import annotations

from random import Random
from string import ascii_uppercase
from typing import Final

from rr_refine.sketch.world.scene import WORDS

__all__ = ["misspelt"]

_ONE_LETTER: Final = 0.75
"""How often one letter is wrong and not two: `IOE` for `ICE` is what the small generator writes
most, and what its critic overlooked."""
_ALIKE: Final = {
    "A": "HR", "B": "EDP", "C": "OG", "D": "OB", "E": "FB", "F": "PE", "G": "CO", "H": "NA",
    "I": "LT", "K": "XR", "L": "IE", "M": "NW", "N": "HM", "O": "CDQ", "P": "FRD", "R": "PK",
    "S": "BZ", "T": "IY", "U": "OV", "V": "UY", "W": "MV", "Y": "VTF",
}  # fmt: skip
"""Letters that a few strokes make of others."""
_LIKELY: Final = 0.7
"""How often a wrong letter is one of these."""


def misspelt(word: str, random: Random) -> str:
    """`word` with one or two wrong letters, and none that the world knows."""
    letters = list(word)
    while "".join(letters) in WORDS:
        wrong = 1 if random.random() < _ONE_LETTER else 2
        for index in random.sample(range(len(word)), wrong):
            alike = _ALIKE.get(word[index], ascii_uppercase)
            letters[index] = random.choice(alike if random.random() < _LIKELY else ascii_uppercase)
    return "".join(letters)
