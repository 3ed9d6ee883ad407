"""What the judge of UniGenBench is asked: a text with the prompt, its testpoints, their meaning.

The official texts are not ours to ship (`official_prompts` takes them out of the user's copy);
these say the same in our own words, and ask for the same form of answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rr_refine.benchmarks.published.unigenbench.taxonomy import Language

__all__ = ["FIELDS", "OURS", "UniGenBenchWording"]

FIELDS: Final = frozenset({"prompt", "testpoint", "explanation", "test_explanation"})
"""The replacement fields of a template."""


@dataclass(frozen=True, slots=True)
class UniGenBenchWording:
    """The words of one language's questions."""

    template: str
    """For `str.format`, with `FIELDS`."""
    explanations: Mapping[str, str]
    """What a testpoint means in general, by its label."""
    headers: tuple[str, str]
    """Over what the testpoints mean in general, and over what they are about in this prompt."""
    source: str
    """`ours`, or `official <first 12 of sha256>`."""

    def question(self, prompt: str, testpoints: Sequence[str], descriptions: Sequence[str]) -> str:
        """The text for one prompt, laid out as the official script does.

        Raises:
            KeyError: a testpoint has no explanation.
        """
        general = [self.explanations[label] for label in testpoints]
        return self.template.format(
            prompt=prompt,
            testpoint=list(testpoints),
            explanation=_block(self.headers[0], testpoints, general),
            test_explanation=_block(self.headers[1], testpoints, descriptions),
        )


def _block(header: str, labels: Sequence[str], texts: Sequence[str]) -> str:
    lines = [f"\n{label}: {text}" for label, text in zip(labels, texts, strict=True)]
    return f"{header}:「{''.join(lines)}\n」"


_ENGLISH = """\
Please check whether a generated picture keeps to the prompt it was made from. The picture is \
attached. It is tested on a list of checkpoints, which are aspects of the prompt.

Prompt: 「{prompt}」
Checkpoints, in order: {testpoint}
{explanation}
{test_explanation}

Take the checkpoints one by one, in this order:
1. Find what the checkpoint is about in the picture and note what is to be seen there. Compare it \
with the meaning of the checkpoint and with what this prompt wants of it.
2. Decide. 1: the picture does what the checkpoint asks. 0: it does not.

Go by what the picture shows. Do not guess at a story, a mood or an idea behind it, whatever the \
prompt says, and do not mention anything that you cannot make out with certainty.

Answer in this form and write nothing else. Both lists are Python lists with as many entries as \
there are checkpoints, in the same order; write each text in double quotes, with none inside it.

<description>
<prompt>{prompt}</prompt>
<checkpoint>{testpoint}</checkpoint>
<analysis>[for each checkpoint, a text with what you noted in step 1]</analysis>
<score>[for each checkpoint, the 0 or 1 of step 2]</score>
</description>
"""

_CHINESE = """\
请检查一张生成的图片是否符合它的提示词。图片附后。检查按一组考点进行，每个考点是提示词的一个方面。

提示词：「{prompt}」
考点（依次）：{testpoint}
{explanation}
{test_explanation}

请按上面的次序一个一个地看：
一、在图片中找到与该考点有关的部分，写下看到了什么，并与考点的含义和这条提示词的具体要求相比较。
二、作出判断：图片做到了，记1；没有做到，记0。

一切以图片所示为准。不论提示词怎么说，都不要猜想画面背后的故事、情绪或寓意；看不真切的地方不要写。

只按下面的形式作答，不写别的。两个列表都是Python列表，项数与考点数一样，次序也一样；每段文字用英文双引号括起，文字里面不要再用双引号。

<description>
<prompt>{prompt}</prompt>
<checkpoint>{testpoint}</checkpoint>
<analysis>[每个考点一段文字，即第一步所写]</analysis>
<score>[每个考点一个0或1，即第二步的判断]</score>
</description>
"""

_MEANINGS_EN = {
    "Style": "how the picture is made: a movement in art, a technique of painting or photography, "
    "a school of design, or the manner of an artist who is named",
    "World Knowledge": "what one has to know to draw it: famous people and buildings, the basics "
    "of a subject, sayings of the internet",
    "Attribute - Quantity": "how many there are; three and more are the hard cases",
    "Attribute - Expression": "a face that shows a definite feeling; a face that merely moves "
    "does not count",
    "Attribute - Material": "what a thing is made of, and whether its surface looks like it",
    "Attribute - Size": "how big the subject is: tall or short, long, thick, wide",
    "Attribute - Shape": "the form that a thing has",
    "Attribute - Color": "the colour that a thing has",
    "Action - Hand (Character/Anthropomorphic)": "what the hands of a person, or of a figure drawn "
    "like one, are doing; the hands must be sound, with no finger lacking, snapped or bent wrongly",
    "Action - Full-body (Character/Anthropomorphic)": "what a person, or a figure drawn like one, "
    "does with the whole body: sprint, leap, waltz, stand on the head",
    "Action - Animal": "what an animal is doing",
    "Action - Non-contact Interaction": "what entities do to each other without touching, such as "
    "exchanging glances",
    "Action - Contact Interaction": "what entities do to each other by touching",
    "Action - State": "what an entity keeps doing or being, mostly named by a verb: lying, burning",
    "Relationship - Composition": "one thing, or several, make up another",
    "Relationship - Similarity": "things that differ are alike in some way",
    "Relationship - Inclusion": "one thing is inside another; the outer one may be flat, such as a "
    "page with a figure drawn on it",
    "Relationship - Comparison": "two things are set against each other in some property",
    "Logical Reasoning": "the prompt does not say outright what is to be seen: it must be worked "
    "out from what is meant",
    "Grammar - Pronoun Reference": "a pronoun that is easily misread must stand for the right one",
    "Grammar - Consistency": "what several things are said to share, each of them must have",
    "Grammar - Negation": "what the prompt denies or rules out must not be seen",
    "Compound - Imagination": "what could never be in reality",
    "Compound - Feature Matching": "several things with properties of unlike kinds: each has its "
    "own",
    "Entity Layout - Two-Dimensional Space": "where things are on the surface of the picture: "
    "left, right, top, bottom",
    "Entity Layout - Three-Dimensional Space": "where things are in depth: before, behind, within, "
    "around",
    "Text Generation": "the writing in the picture: every word that is asked for, and no other",
}

_MEANINGS_ZH = {
    "风格": "画面的样式：艺术流派、绘画或摄影的手法、设计流派，或所提到的艺术家的画风",
    "世界知识": "要知道才画得出的东西：知名的人和建筑、某一学科的常识、网上的流行说法",
    "属性-数量": "一共有几个；三个以上是难点",
    "属性-表情": "脸上流露出明确的情绪；只是五官在动不算",
    "属性-材质": "东西是什么材料做的，质感像不像",
    "属性-大小": "主体有多大：高还是矮、长还是短、粗还是细、宽还是窄",
    "属性-形状": "东西的外形",
    "属性-颜色": "东西的色彩",
    "动作-人物/拟人手部动作": "人或拟人角色的手在做什么；手要完好，手指不缺、不断、不歪扭",
    "动作-人物/拟人全身动作": "人或拟人角色用整个身体做的事：冲刺、跃起、起舞、倒立",
    "动作-动物动作": "动物在做什么",
    "动作-实体间无接触互动": "彼此没有碰到的互动，例如相互注视",
    "动作-实体间有接触互动": "彼此碰到的互动",
    "动作-状态": "一直保持着的样子，多以动词来说：躺着、燃烧着",
    "关系-构成关系": "一样或几样东西组成了另一样东西",
    "关系-相似关系": "不同的东西有相像之处",
    "关系-包含关系": "一样东西在另一样之中；外面的也可以是一个平面，例如纸上画着的小人",
    "关系-比较关系": "两样东西在某一方面相对照",
    "逻辑推理": "提示词没有直说要看到什么，须从它的意思中推想出来",
    "语法-代词指代": "容易看错的代词，要指向对的那一个",
    "语法-统一性": "说是几样东西共有的特征，每一样都要有",
    "语法-否定": "提示词否定或排除的东西，不可出现",
    "复合考点-想象力": "现实中绝不会有的情景",
    "复合考点-不同实体特征匹配": "几样东西各有不同种类的特征，要各归其主",
    "实体布局-二维空间": "东西在画面上的位置：左、右、上、下",
    "实体布局-三维空间": "东西在纵深中的位置：前、后、里面、周围",
    "文本生成": "画面中的文字，不论语种、字体和长短：要求的一字不少，此外一字不多",
}

OURS: Final[dict[Language, UniGenBenchWording]] = {
    "en": UniGenBenchWording(
        template=_ENGLISH,
        explanations=_MEANINGS_EN,
        headers=("Meaning of the checkpoints", "What this prompt wants of them"),
        source="ours",
    ),
    "zh": UniGenBenchWording(
        template=_CHINESE,
        explanations=_MEANINGS_ZH,
        headers=("考点的含义", "这条提示词的具体要求"),
        source="ours",
    ),
}
"""By the language of the suite."""
