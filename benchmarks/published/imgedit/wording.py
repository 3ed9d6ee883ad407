"""What the judge of ImgEdit-Bench is asked, in our own words, and what its scores are called.

The official prompts are not ours to ship; these ask for the same scores in the same form. Those of
the suite Basic are read from the user's `prompts.json` if there is one. The official prompt of UGE
asks for no line with a score, which the official parser needs, so that ours is the only one.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LABELS", "OURS", "PLACE", "UGE"]

PLACE: Final = "<edit_prompt>"
"""Stands for the instruction in a prompt, in official ones too."""

UGE: Final = "uge"
"""In place of an edit type, which that suite has none of."""

LABELS: Final[dict[str, tuple[str, ...]]] = {
    "add": ("Prompt Compliance", "Visual Naturalness", "Physical & Detail Coherence"),
    "adjust": ("Prompt Compliance", "Visual Seamlessness", "Physical & Detail Fidelity"),
    "extract": ("Object Identity", "Mask Precision", "Visual Quality"),
    "replace": ("Prompt Compliance", "Visual Naturalness", "Physical & Detail Integrity"),
    "remove": ("Prompt Compliance", "Visual Naturalness", "Physical & Detail Integrity"),
    "background": ("Instruction Compliance", "Visual Seamlessness", "Physical Consistency"),
    "style": ("Style Fidelity", "Content Preservation", "Rendering Quality"),
    "compose": (
        "Instruction Compliance",
        "Visual Naturalness",
        "Physical Consistency & Fine Detail",
    ),
    "action": ("Action Fidelity", "Identity Preservation", "Visual & Anatomical Coherence"),
    UGE: ("Score",),
}
"""By edit type, in the order of published tables, which call `compose` Hybrid: what an answer's
scores are called."""

_MEANINGS: Final[dict[str, tuple[str, str, str]]] = {
    "add": (
        "what was to be added is there, as described: kind, number, colour, place; nothing else "
        "came along",
        "the addition looks as if it had been there when the picture was taken; no seams, no "
        "change of sharpness or grain around it",
        "size, perspective, light, shadow and contact fit the scene, and nothing that was there "
        "before has been lost",
    ),
    "adjust": (
        "the named property of the named thing, and only that, is now as asked for",
        "one cannot see where the change ends: no spilled colour, no halo, no smear",
        "form and texture of the thing, light and shadow, and all the rest of the picture are as "
        "they were",
    ),
    "extract": (
        "what was cut out is the thing that was named: all of it, and no other",
        "its outline is exact: nothing of it missing, nothing of its surroundings left, the "
        "ground plain",
        "the thing itself looks as it did in the original: colour, detail, sharpness",
    ),
    "replace": (
        "the old thing is gone and the new one is there, as described, in the same place",
        "the new thing sits in the scene without seams or leftovers of the old one",
        "size, perspective, light and shadow of the new thing are right, and its surroundings "
        "are as they were",
    ),
    "remove": (
        "what was to go is gone wholly, its shadow and reflection too, and nothing else with it",
        "the place where it was looks like a natural part of the scene: no blur, no repeated "
        "patches",
        "what was filled in continues lines, textures and light, and the rest is as it was",
    ),
    "background": (
        "the background is what was asked for, and the subject in front was kept",
        "the edge of the subject is clean, hair and gaps included, without a rim of the old "
        "background",
        "light, shadow, perspective and scale of subject and new background go together",
    ),
    "style": (
        "the whole picture has the style that was asked for, in its lines, colours and textures",
        "what the original shows can still be found: things, their places, how they relate",
        "the result is well made: no broken shapes, no noise, no patches in another style",
    ),
    "compose": (
        "each part of the instruction was carried out, on the right thing, and nothing besides",
        "all changes together look like one natural picture, without seams",
        "light, perspective and scale agree everywhere, and small details are sound and kept "
        "where nothing was asked for",
    ),
    "action": (
        "the subject now does, or poses, what was asked for, and one sees it at once",
        "it is the same subject: face, clothes, build, and the scene around it",
        "body and limbs are possible and whole, they touch things as they should, and there are "
        "no seams",
    ),
}
"""What each of the three scores is for; 5 if it holds in full."""


def _basic(labels: tuple[str, ...], meanings: tuple[str, str, str]) -> str:
    numbered = enumerate(zip(labels, meanings, strict=True), 1)
    points = "\n".join(f"{n}. {label}: {meaning}." for n, (label, meaning) in numbered)
    form = "\n".join(f"{label}: <a number from 1 to 5>" for label in labels)
    return f"""\
Two pictures follow: a photograph, and what an editing program made of it. The program was told:

{PLACE}

Compare the two and grade the result on three points. Each gets a whole number from 1 to 5: 5 if \
it holds in full, 4 with a slip that one has to look for, 3 with faults that are seen at once, 2 \
if it mostly does not hold, 1 if it does not hold at all or the picture was not edited.

{points}

A well-made picture of the wrong thing is worth little: do not give points 2 and 3 more than you \
give point 1.

Answer with these four lines and nothing else, as plain text. A line with a score ends with the \
number.
Brief reasoning: <at most 20 words>
{form}
"""


_UGE = f"""\
Two pictures follow: a photograph, and what an editing program made of it. The instruction takes \
some thought: one has to understand the photograph to know which thing is meant, and how many. It \
was:

{PLACE}

Compare the two. Was exactly this done, to the right things, as many of them as meant? Does the \
result look natural, without seams or broken shapes? Is the change kept to what it is about, and \
all the rest as it was? If anything changed that should not, grade it 3 at most.

Grade the edit as a whole: 5 if nothing is wrong, 4 with a small flaw, 3 with visible flaws or \
something left undone, 2 if much of it is wrong, 1 if it is not what was asked for or spoils the \
picture.

Answer with two lines and nothing else, as plain text: first your reasons, in at most 20 words, \
then the grade.
Brief reasoning: <your reasons>
Score: <a number from 1 to 5>
"""

OURS: Final[dict[str, str]] = {
    **{name: _basic(LABELS[name], meanings) for name, meanings in _MEANINGS.items()},
    UGE: _UGE,
}
"""Our wording, by edit type; each with `PLACE` in it."""
