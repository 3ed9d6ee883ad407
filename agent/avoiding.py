"""Words to avoid, and whether avoiding them can have an effect."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from rr_refine.agent.intent import says
from rr_refine.errors import ConfigError

__all__ = ["require_effect"]

_WORD: Final = re.compile(r"\w+")
_IRREGULAR: Final = {
    **{"men": "man", "women": "woman", "children": "child", "people": "person", "feet": "foot"},
    **{"teeth": "tooth", "geese": "goose", "mice": "mouse", "oxen": "ox"},
    **{"wolves": "wolf", "leaves": "leaf", "knives": "knife", "shelves": "shelf", "elves": "elf"},
    **{"scarves": "scarf", "thieves": "thief", "hooves": "hoof", "wives": "wife"},
    **{"calves": "calf", "loaves": "loaf", "halves": "half"},
}


def require_effect(prompt: str, keep: Iterable[str], avoid: Iterable[str]) -> None:
    """Refuse words to avoid that the request itself says, in singular or plural: prompts may say
    what the request says, so that they would not be avoided. And those in words to keep.

    Raises:
        ConfigError: one of them is there.
    """
    classes = _Classes()
    kept = "\n_\n".join(keep)  # apart by a word that no phrase goes across
    request, kept_words = classes.of(prompt), classes.of(kept)
    for phrase in avoid:
        words = classes.of(phrase)
        if says(prompt, phrase) or (words.strip() and words in request):
            raise ConfigError(
                f"avoid = {phrase!r} can have no effect: the request says it, and every prompt "
                "may say what the request says. Leave it out, or say it otherwise in the request"
            )
        if says(kept, phrase) or (words.strip() and words in kept_words):
            raise ConfigError(
                f"avoid = {phrase!r} is in what every prompt must hold (keep): leave one of them "
                "out"
            )


class _Classes:
    """Words that are singular and plural of each other, by one name."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def of(self, text: str) -> str:
        """The words of a text by these names, each between spaces."""
        folded = text.casefold().replace("\u2019", "'").replace("'s ", " ")
        return f" {' '.join(map(self._name, _WORD.findall(folded)))} "

    def _name(self, word: str) -> str:
        singulars = _singulars(word)
        name = next((self._names[one] for one in singulars if one in self._names), singulars[-1])
        for one in singulars:
            self._names.setdefault(one, name)
        return name


def _singulars(word: str) -> tuple[str, ...]:
    """What an English word may be the plural of; itself first."""
    if word in _IRREGULAR:
        return word, _IRREGULAR[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith("ss"):
        return (word,)
    if word.endswith("ies"):
        return word, f"{word[:-3]}y", word[:-1]
    if word.endswith(("ses", "xes", "zes", "ches", "shes")):
        return word, word[:-2], word[:-1]
    return word, word[:-1]
