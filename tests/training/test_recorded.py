"""What `rr-refine export` writes, as TRL's own trainers take it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from huggingface_hub import constants
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from rr_refine.agent.export import Export
from tests.agent.records import lines
from tests.agent.whole import run

CHAT = (
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '<eos>' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
QUIET: dict[str, Any] = {
    **{"max_steps": 1, "report_to": [], "save_strategy": "no", "use_cpu": True, "bf16": False},
    "activation_checkpointing": False,
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries look for things about their models that are not there."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """Of bytes."""
    letters = ["<pad>", "<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    plain = Tokenizer(models.BPE(vocab={c: n for n, c in enumerate(letters)}, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>"
    )
    made.chat_template = CHAT
    return made


def model() -> LlamaForCausalLM:
    sizes: dict[str, Any] = {"vocab_size": 258, "hidden_size": 16, "intermediate_size": 16}
    layers: dict[str, Any] = {"num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(**sizes, **layers, pad_token_id=0, eos_token_id=1))


@pytest.fixture
async def out(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    out.mkdir()
    made = Export(out)
    for number in range(4):
        made.add(await run(tmp_path / "runs", f"make {number} hats"))
    made.write()
    return out


def rows(file: Path) -> Dataset:
    return Dataset.from_list(lines(file))


def test_a_rewriter_learns_from_it(out: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    prompts = rows(out / "rewrites.jsonl")
    assert {"prompt", "completion", "licence", "run"} <= {*prompts.column_names}
    trainer = SFTTrainer(
        model(),
        args=SFTConfig(output_dir=str(out / "sft"), **QUIET),
        train_dataset=prompts,
        processing_class=tokenizer,
    )
    first = json.loads((out / "rewrites.jsonl").read_text().splitlines()[0])
    row = trainer.train_dataset[0]
    learnt = [token for token in row["labels"] if token != -100]
    # Nothing but the best prompt is learnt, and all of it.
    assert tokenizer.decode(learnt) == first["completion"][0]["content"] + "<eos>"
    assert trainer.train().training_loss > 0


# of transformers, called by TRL
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")
def test_or_from_pairs_of_prompts(out: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    trainer = DPOTrainer(
        model(),
        ref_model=model(),
        args=DPOConfig(output_dir=str(out / "dpo"), **QUIET),
        train_dataset=rows(out / "rewrite-pairs.jsonl"),
        processing_class=tokenizer,
    )
    assert trainer.train().training_loss > 0
