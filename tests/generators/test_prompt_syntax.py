"""The prompt syntax of other tools: applied where it can be, named where it is mere words."""

from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.agent.events import Notice
from rr_refine.agent.intent import find_spans
from rr_refine.agent.refine import arefine
from rr_refine.errors import ConfigError
from rr_refine.generators.prompt_syntax import PromptSyntax, read_tags
from tests.agent.whole import UnreliableCritic, UnreliableGenerator, policy

LORAS = {"red-hat": "lora-0", "lora-0": "lora-0"}


@pytest.mark.parametrize(
    ("prompt", "text", "scales"),
    [
        ("a cat <lora:red-hat:0.8>", "a cat", {"lora-0": 0.8}),
        ("<lora:red-hat:0.8>, a cat, <lora:red-hat>", "a cat", {"lora-0": 1.0}),
        ("a <LoRA:red-hat:-.5:1> cat", "a cat", {"lora-0": -0.5}),
        ("a cat <lora:lora-0:0>.", "a cat.", {"lora-0": 0.0}),
        ("a cat <lora:other:0.8>", "a cat <lora:other:0.8>", {}),
        ("a  cat", "a  cat", {}),
    ],
)
def test_tags_of_known_loras_are_taken_out(
    prompt: str, text: str, scales: dict[str, float]
) -> None:
    found = read_tags(prompt, LORAS)
    assert found.prompt == text
    assert found.parameters == ({"loras": scales} if scales else {})
    assert len(found.notices) == 1 or not scales
    assert not [span for span in find_spans(found.prompt) if "red-hat" in span.text]


@pytest.mark.parametrize(
    "mark",
    [
        "<lora:other:0.8>",
        "<hypernet:x:1>",
        "(red hat:1.3)",
        "((red hat))",
        "{{red hat}}",
        "[red hat]",
        "[red:blue:0.5]",
        "BREAK",
        "embedding:easynegative",
        "(worst quality:-1)",
        "{red|blue}",
        "\\(",
        "--ar 16:9",
        "--v 6.1",
        "--tile",
    ],
)
def test_what_is_mere_words_is_named(mark: str) -> None:
    found = read_tags(f"a cat, {mark} and a dog", LORAS)
    assert found.prompt == f"a cat, {mark} and a dog"
    (notice,) = found.notices
    assert mark in notice and "as words" in notice


@pytest.mark.parametrize(
    "prompt",
    ["a cat (a black one)", 'a sign "[OPEN]"', "at 16:30", "a breakfast", "a {cat}", "a -- b"],
)
def test_plain_prompts_give_no_note(prompt: str) -> None:
    assert read_tags(prompt, LORAS) == PromptSyntax(prompt=prompt)


class Tagged(UnreliableGenerator):
    def read_syntax(self, prompt: str) -> PromptSyntax:
        found = read_tags(prompt, LORAS)
        return found.model_copy(update={"parameters": {"width": 32} if found.parameters else {}})


async def test_a_run_says_it_before_its_first_round(tmp_path: Path) -> None:
    generator, critic = Tagged(), UnreliableCritic()
    made = await arefine(
        "a (cat:1.3) <lora:red-hat:0.8>",
        out=tmp_path,
        generator=generator,
        critic=critic,
        policy=policy(rounds=2),
    )
    kinds = [event.type for event in made.events()]
    texts = [event.text for event in made.events() if isinstance(event, Notice)]
    assert kinds.index("notice") < kinds.index("round-started")
    assert any("red-hat" in t or "lora-0" in t for t in texts)
    assert any("(cat:1.3)" in text for text in texts)
    assert all("lora" not in request.prompt for request in generator.requests)
    assert all(request.parameters == {"width": 32} for request in generator.requests)
    assert {request.prompt for request in critic.requests} == {"a (cat:1.3)"}


async def test_a_prompt_of_tags_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no words"):
        await arefine(
            "<lora:red-hat:0.8>", out=tmp_path, generator=Tagged(), critic=UnreliableCritic()
        )


@pytest.mark.parametrize(
    "unit", ["(", "{", "[", "“", "<lora:", "((a", "{a|", "(:1", "\n", "__a", "--ar "]
)
def test_hostile_text_takes_time_in_proportion(unit: str) -> None:
    """A pattern that goes back over the text would take an hour here, not a moment."""
    text = f"a <lora:red-hat:1>{unit * (200_000 // len(unit))}"
    assert read_tags(text, LORAS).parameters == {"loras": {"lora-0": 1.0}}
