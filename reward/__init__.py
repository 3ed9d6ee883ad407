"""Critics: a request and a picture in, a reasoned judgement out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from rr_refine.reward.comparison import Comparison, PairwiseCritique
from rr_refine.reward.critic import (
    ComparisonRequest,
    Critic,
    CritiqueRequest,
    PairwiseCritic,
)
from rr_refine.reward.critique import Critique
from rr_refine.reward.template import Template, builtin_template, load_template

if TYPE_CHECKING:
    from rr_refine.reward.assessment import Assessment
    from rr_refine.reward.contract import CriticContract
    from rr_refine.reward.fake import FakeAnswer, FakeCritic, FakeCriticOptions
    from rr_refine.reward.openai import OpenAICritic, OpenAICriticOptions
    from rr_refine.reward.parser import parse_comparison, parse_critique
    from rr_refine.reward.template_import import import_template
    from rr_refine.reward.transformers import TransformersCritic, TransformersCriticOptions

__all__ = [
    "Assessment",
    "Comparison",
    "ComparisonRequest",
    "Critic",
    "CriticContract",
    "Critique",
    "CritiqueRequest",
    "FakeAnswer",
    "FakeCritic",
    "FakeCriticOptions",
    "OpenAICritic",
    "OpenAICriticOptions",
    "PairwiseCritic",
    "PairwiseCritique",
    "Template",
    "TransformersCritic",
    "TransformersCriticOptions",
    "builtin_template",
    "import_template",
    "load_template",
    "parse_comparison",
    "parse_critique",
]

_HOMES: Final = {
    "Assessment": "assessment",
    "CriticContract": "contract",
    "FakeAnswer": "fake",
    "FakeCritic": "fake",
    "FakeCriticOptions": "fake",
    "OpenAICritic": "openai",
    "OpenAICriticOptions": "openai",
    "TransformersCritic": "transformers",
    "TransformersCriticOptions": "transformers",
    "import_template": "template_import",
    "parse_comparison": "parser",
    "parse_critique": "parser",
}
"""Where each of the others lives; it is imported when it is first used (PEP 562)."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
