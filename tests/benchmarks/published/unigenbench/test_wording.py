"""What the judge is asked: in our words, or in those of the user's official file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from rr_refine.benchmarks.published.unigenbench import UniGenBenchLoader
from rr_refine.benchmarks.published.unigenbench.benchmark import UniGenBench
from rr_refine.errors import ConfigError
from tests.benchmarks.published.unigenbench.files import EVAL_COMMON, ZH, prompts_with, small, write

PICTURE = Image.new("RGB", (8, 8), "red")
LABELS = [
    "Style",
    "World Knowledge",
    *(f"Attribute - {n}" for n in ["Quantity", "Expression", "Material", "Size", "Shape", "Color"]),
    "Action - Hand (Character/Anthropomorphic)",
    "Action - Full-body (Character/Anthropomorphic)",
    "Action - Animal",
    "Action - Non-contact Interaction",
    "Action - Contact Interaction",
    "Action - State",
    *(f"Relationship - {n}" for n in ["Composition", "Similarity", "Inclusion", "Comparison"]),
    "Logical Reasoning",
    *(f"Grammar - {n}" for n in ("Pronoun Reference", "Consistency", "Negation")),
    "Compound - Imagination",
    "Compound - Feature Matching",
    "Entity Layout - Two-Dimensional Space",
    "Entity Layout - Three-Dimensional Space",
    "Text Generation",
]
LABELS_ZH = [
    "风格",
    "世界知识",
    "属性-数量",
    "属性-表情",
    "属性-材质",
    "属性-大小",
    "属性-形状",
    "属性-颜色",
    "动作-人物/拟人手部动作",
    "动作-人物/拟人全身动作",
    "动作-动物动作",
    "动作-实体间无接触互动",
    "动作-实体间有接触互动",
    "动作-状态",
    "关系-构成关系",
    "关系-相似关系",
    "关系-包含关系",
    "关系-比较关系",
    "逻辑推理",
    "语法-代词指代",
    "语法-统一性",
    "语法-否定",
    "复合考点-想象力",
    "复合考点-不同实体特征匹配",
    "实体布局-二维空间",
    "实体布局-三维空间",
    "文本生成",
]


def asked(bench: UniGenBench) -> str:
    """The text about the first prompt."""
    (question,) = bench.questions(bench.items[0], PICTURE)
    text, image = question.content
    assert isinstance(text, str)
    assert image is PICTURE
    assert question.max_tokens == 4096
    return text


def test_our_words_hold_all_that_the_judge_must_know(tmp_path: Path) -> None:
    text = asked(small(tmp_path))
    for part in (
        "「Two red foxes, drawn in ink」",
        "['Style', 'Attribute - Quantity', 'Attribute - Color']",
        "\nAttribute - Quantity: how many there are",
        "\nAttribute - Quantity: two foxes\n",
        "<prompt>Two red foxes, drawn in ink</prompt>",
        "<checkpoint>['Style',",
        "<analysis>[",
        "<score>[",
        "</description>",
    ):
        assert part in text
    # In the order of the official script: meanings first.
    assert text.index("Style: how the picture") < text.index("Style: ink")


def test_every_published_testpoint_is_explained(tmp_path: Path) -> None:
    assert len(LABELS) == len(set(LABELS)) == len(LABELS_ZH) == len(set(LABELS_ZH)) == 27
    english = UniGenBenchLoader(
        data=write(tmp_path, prompts_with(LABELS, [f"<{label}>" for label in LABELS]))
    ).load()
    dims = json.dumps({"考点": LABELS_ZH, "考点对应描述": LABELS_ZH}).replace('"', '""')
    file = f'index,prompt_zh,sub_dims_zh\n0,猫,"{dims}"\n'
    chinese = UniGenBenchLoader(data=write(tmp_path, file, "zh"), suite="zh").load()
    for bench, labels in ((english, LABELS), (chinese, LABELS_ZH)):
        text = asked(bench)
        # Each is listed twice, with its meaning and with what it is about here.
        assert [text.count(f"\n{label}: ") for label in labels] == [2] * 27
        parts = bench.worst(bench.items[0]).parts
        assert set(bench.dimensions) <= set(parts)
        # 27 labels, of which 4 have no second part, and the 6 others' first parts.
        assert len(parts) == 33


def test_braces_in_a_prompt_are_left_alone(tmp_path: Path) -> None:
    text = prompts_with(["Style"], ["{0}"]).replace("A cat", "A {cat}")
    assert "「A {cat}」" in asked(UniGenBenchLoader(data=write(tmp_path, text)).load())
    assert "\nStyle: {0}\n" in asked(UniGenBenchLoader(data=tmp_path).load())


def test_official_words(tmp_path: Path) -> None:
    file = tmp_path / "eval_common.py"
    file.write_text(EVAL_COMMON)
    sha256 = hashlib.sha256(EVAL_COMMON.encode()).hexdigest()
    bench = UniGenBenchLoader(data=write(tmp_path), prompts=file).load()
    assert bench.wording == f"official {sha256[:12]}"
    assert bench.files["eval_common.py"] == sha256
    assert len(bench.files) == 2
    assert asked(bench) == (
        "Prompt 「Two red foxes, drawn in ink」, points "
        "['Style', 'Attribute - Quantity', 'Attribute - Color']; "
        "General:「\nStyle: the manner, say 'ink'\nAttribute - Quantity: the number\n"
        "Attribute - Color: the hue\n」; "
        "Special:「\nStyle: ink\nAttribute - Quantity: two foxes\nAttribute - Color: red\n」.\n"
        "    <score>[...]</score>"
    )


def test_official_words_in_chinese(tmp_path: Path) -> None:
    file = tmp_path / "eval_common.py"
    file.write_text(EVAL_COMMON)
    assert asked(
        UniGenBenchLoader(data=write(tmp_path, ZH, "zh"), suite="zh", prompts=file).load()
    ) == (
        "提示词「水墨画的红狐狸」['风格', '属性-颜色']总说:「\n风格: 画风\n属性-颜色: 色\n」"
        "分说:「\n风格: 水墨画\n属性-颜色: 红\n」"
    )


def test_the_template_may_be_an_f_string_in_a_function(tmp_path: Path) -> None:
    start = EVAL_COMMON.index("ASK_EN")
    inside = (
        "def ask(prompt, testpoint, explanation, test_explanation):\n"
        '    return f"{prompt} {testpoint} {explanation} {test_explanation} {{0 or 1}} \\d"\n'
    )
    end = EVAL_COMMON.index("ASK_ZH")
    file = tmp_path / "eval_common.py"
    file.write_text(EVAL_COMMON[:start] + inside + EVAL_COMMON[end:])
    text = asked(UniGenBenchLoader(data=write(tmp_path), prompts=file).load())
    assert text.startswith("Two red foxes, drawn in ink ['Style', ")
    assert text.endswith("red\n」 {0 or 1} \\d")


LACKING = [
    ("{explanation}", "", "has no template with {explanation}, {prompt}, {test_explanation}"),
    ("{explanation}", "{explanation} {more}", "has no template"),
    ("{prompt}", "{prompt.upper}", "has no template"),
    (
        "ASK_ZH",
        "ASK_EN_2 = ASK_EN + '{prompt}{testpoint}{explanation}{test_explanation}'\nASK_ZH",
        "has 2 template",
    ),
    ('"checkpoint_header"', '"header"', "has no pair of 'checkpoint_header'"),
    ("MEANINGS = {", "MEANINGS = {}\n{**", "is no Python file"),
    (
        '"Attribute - Quantity": "the number",',
        "",
        "testpoint 'Attribute - Quantity', of which the wording (official",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), LACKING)
def test_official_files_that_lack_something(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "eval_common.py"
    assert old in EVAL_COMMON
    file.write_text(EVAL_COMMON.replace(old, new, 1))
    with pytest.raises(ConfigError) as raised:
        UniGenBenchLoader(data=write(tmp_path), prompts=file).load()
    assert said in str(raised.value)
    assert "eval_common.py" in str(raised.value)


def test_files_that_are_something_else(tmp_path: Path) -> None:
    write(tmp_path)
    file = tmp_path / "eval_common.py"
    with pytest.raises(ConfigError, match="cannot read"):
        UniGenBenchLoader(data=tmp_path, prompts=file).load()
    for text, said in (("", "has no template"), ("\0", "is no Python file")):
        file.write_text(text)
        with pytest.raises(ConfigError, match=said):
            UniGenBenchLoader(data=tmp_path, prompts=file).load()
    file.write_text(EVAL_COMMON.replace(" - ", " / ").replace('"Style"', '"style"'))
    with pytest.raises(ConfigError, match="has no dictionary of explanations for 'en'"):
        UniGenBenchLoader(data=tmp_path, prompts=file).load()
