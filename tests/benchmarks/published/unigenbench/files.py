"""Hand-made files of the same form as those of UniGenBench."""

from __future__ import annotations

import json
from pathlib import Path

from rr_refine.benchmarks.published.unigenbench import UniGenBenchLoader
from rr_refine.benchmarks.published.unigenbench.benchmark import UniGenBench

EN = (
    "index,prompt_en,sub_dims_en\n"
    '0,"Two red foxes, drawn in ink","{""Primary Categories"": ""Art"", ""Testpoints"": '
    '[""Style"", ""Attribute - Quantity"", ""Attribute - Color""], ""Testpoint Description"": '
    '[""ink"", ""two foxes"", ""red""]}"\n'
    '1,A cat waves; no dog,"{""Primary Categories"": ""Design"", ""Testpoints"": '
    '[""Action - Animal"", ""Grammar - Negation""], ""Testpoint Description"": '
    '[""waves"", ""says \\""no dog\\""""]}"\n'
)
"""Three testpoints, then two."""

ZH = (
    "index,prompt_zh,sub_dims_zh\n"
    '7,水墨画的红狐狸,"{""一级垂类"": ""艺术"", ""主体"": ""动物"", ""考点"": '
    '[""风格"", ""属性-颜色""], ""考点对应描述"": [""水墨画"", ""红""]}"\n'
)

BROKEN = (
    "index,prompt_en,sub_dims_en\n"
    '508,A blue wall,"{""Testpoints"": [""Attribute - Color""], '
    '""Testpoint Description"": [""blue""]}"\n'
    '509,He paints; no drop falls,"{""Testpoints"": [""Action - State"", ""Grammar - Negation"" '
    '""Attribute - Color""], ""Testpoint Description"": [""paints"", ""no drop"", ""blue""]}"\n'
)
"""As in `en_long`: a comma is missing after the negation."""

EVAL_COMMON = '''\
"""Shared parts."""
import os
raise SystemExit("this file must not be run")

MEANINGS = {
    "Style": "the manner, say 'ink'",
    "Attribute - Quantity": "the number",
    "Attribute - Color": "the hue",
    "Action - Animal": "its doings",
    "Grammar - Negation": "what is not",
}
BEDEUTUNGEN = {"风格": "画风", "属性-颜色": "色"}

ASK_EN = \'\'\'Prompt 「{prompt}」, points {testpoint}; {explanation}; {test_explanation}.
    <score>[...]</score>\'\'\'
ASK_ZH = \'\'\'提示词「{prompt}」{testpoint}{explanation}{test_explanation}\'\'\'

LANGUAGES = {
    "en": {
        "explanation_dict": MEANINGS,
        "prompt_column": "prompt_en",
        "checkpoint_header": "General",
        "checkpoint_desc_header": "Special",
    },
    "zh": {
        "explanation_dict": BEDEUTUNGEN,
        "prompt_column": "prompt_zh",
        "checkpoint_header": "总说",
        "checkpoint_desc_header": "分说",
    },
}


def build(prompt, points, lang):
    return f"{LANGUAGES[lang]}: {prompt!r} {{{points}}} {len(points):02d}"
'''
"""Has all that is looked for, under other names than the official file."""


def write(folder: Path, text: str = EN, suite: str = "en") -> Path:
    """Write a prompt file; gives the folder."""
    (folder / f"test_prompts_{suite}.csv").write_bytes(text.encode())
    return folder


def small(folder: Path, *, samples: int = 1) -> UniGenBench:
    """The two English prompts; with one sample, the items `0_0` and `1_0`."""
    return UniGenBenchLoader(data=write(folder), samples=samples).load()


def prompts_with(testpoints: object, descriptions: object) -> str:
    """A file with one prompt."""
    dims = json.dumps({"Testpoints": testpoints, "Testpoint Description": descriptions})
    return f'index,prompt_en,sub_dims_en\n0,A cat,"{dims.replace(chr(34), chr(34) * 2)}"\n'


def answer(*scores: object) -> tuple[str]:
    """A judge's answer with these scores."""
    analysis = [f"text {number}" for number in range(len(scores))]
    return (f"<analysis>{analysis}</analysis>\n<score>{list(scores)}</score>",)
