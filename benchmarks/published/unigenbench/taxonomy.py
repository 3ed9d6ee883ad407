"""What UniGenBench tests: ten primary dimensions, named by the first part of a testpoint's label.

English labels are written `Attribute - Color`, Chinese ones `属性-颜色`; some, such as `Style`,
have no second part.
"""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["DIMENSIONS", "Language", "dimension", "official_dimension"]

Language = Literal["en", "zh"]

DIMENSIONS: Final[dict[Language, tuple[str, ...]]] = {
    "en": (
        "Style",
        "World Knowledge",
        "Attribute",
        "Action",
        "Relationship",
        "Logical Reasoning",
        "Grammar",
        "Compound",
        "Entity Layout",
        "Text Generation",
    ),
    "zh": (
        "风格",
        "世界知识",
        "属性",
        "动作",
        "关系",
        "逻辑推理",
        "语法",
        "复合考点",
        "实体布局",
        "文本生成",
    ),
}
"""In the order of the leaderboard."""


def official_dimension(label: str) -> str:
    """The primary dimension as the official script spells it: `Attribute `, with the space."""
    return label.split("-", 1)[0]


def dimension(label: str) -> str:
    """The primary dimension of a testpoint: `Attribute`."""
    return official_dimension(label).strip()
