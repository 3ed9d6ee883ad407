"""The text side of the sketch generator: a T5 and a CLIP encoder, tiny, in stock classes.

Stock `FluxPipeline` asks CLIP for one pooled vector and T5 for a sequence. Words of the sketch
world are one token each, and so are the phrases that always come together (`at the top left`,
`; a large`): a dense request of five shapes and a word has about 30 tokens, and every token costs
time in every step of training and drawing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from rr_refine.sketch.world.edit import KEEP_REST
from rr_refine.sketch.world.reading import VOCABULARY
from rr_refine.sketch.world.scene import PLACES, SIZES

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5Tokenizer

__all__ = ["MAX_TOKENS", "build_clip", "build_clip_tokenizer", "build_t5", "build_t5_tokenizer"]

MAX_TOKENS: Final = 40
"""Tokens that the T5 encoder sees, padding included: `max_sequence_length` of the pipeline."""
CLIP_TOKENS: Final = 77
"""Stock pipelines take CLIP's length from the tokenizer; CLIP's own is 77."""

_LOOK: Final = 6.0
"""What a head's distance is preferred by, before training: e^6 = 400 times. After 4,267 steps of a
flow model from the usual start, a probe read 60 % of the kinds at their places from the T5's
output; trained with it from this start, it read all of them after 150 steps."""

_PHRASES: Final = (
    *(f"at the {place}" for place in PLACES),
    *(f"to the {place}" for place in PLACES),
    *(f"; a {size}" for size in SIZES),
    f"; {KEEP_REST}",
    "in all",
)


def build_t5_tokenizer() -> T5Tokenizer:
    """Whole words, phrases as added tokens, and single letters for words of other worlds."""
    from tokenizers import AddedToken
    from transformers import T5Tokenizer

    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    words = [(f"▁{word}", -1.0) for word in _words()]
    marks = [(mark, -1.5) for mark in (*";,.?!\"'-", "▁;")]
    letters = [(letter, -10.0) for letter in _letters()]
    tokenizer = T5Tokenizer(
        vocab=[*special, *words, *marks, ("▁", -10.0), *letters],
        extra_ids=0,
        model_max_length=512,
    )
    tokenizer.add_tokens([AddedToken(p, single_word=p[0] != ";", lstrip=True) for p in _PHRASES])
    return tokenizer


def build_clip_tokenizer() -> CLIPTokenizer:
    """CLIP's byte pairs, merged until every word of the sketch world is one token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    special = ["<|startoftext|>", "<|endoftext|>"]
    suffix = "</w>"
    trained = Tokenizer(models.BPE(end_of_word_suffix=suffix))
    trained.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=100_000,
        min_frequency=1,
        special_tokens=[*special, *letters, *(letter + suffix for letter in letters)],
        initial_alphabet=letters,
        end_of_word_suffix=suffix,
        show_progress=False,
    )
    trained.train_from_iterator(sorted(VOCABULARY), trainer)
    learnt = json.loads(trained.to_str())["model"]
    pairs: Any = [tuple(merge) for merge in learnt["merges"]]  # its type says list[str]
    return CLIPTokenizer(
        vocab=learnt["vocab"],
        merges=pairs,
        model_max_length=CLIP_TOKENS,
    )


def build_t5(tokenizer: T5Tokenizer, width: int, layers: int) -> T5EncoderModel:
    """An untrained encoder of `width`, in heads of 32, each looking back by another distance.

    The transformer knows no order of words, so that what belongs to "the top left" must be bound to
    it here, some words further on. From the usual start, biases of about zero, training takes ages
    to find that out: colours and kinds trade places. See `_LOOK`.
    """
    import torch
    from transformers import T5Config, T5EncoderModel

    model = T5EncoderModel(
        T5Config(
            vocab_size=-(-len(tokenizer) // 8) * 8,
            d_model=width,
            d_kv=32,
            num_heads=width // 32,
            d_ff=width * 3,
            num_layers=layers,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    encoder: Any = model.encoder
    bias = encoder.block[0].layer[0].SelfAttention.relative_attention_bias
    with torch.no_grad():
        bias.weight.zero_()
        for head in range(bias.weight.shape[1]):
            bias.weight[head + 1, head] = _LOOK  # bucket n holds the words n places before
    return model


def build_clip(tokenizer: CLIPTokenizer, width: int = 64) -> CLIPTextModel:
    """An untrained encoder of one layer; its pooled vector only steers the modulation."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=-(-len(tokenizer) // 8) * 8,
            hidden_size=width,
            intermediate_size=width * 2,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=CLIP_TOKENS,
            projection_dim=width,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _words() -> list[str]:
    """Every word of the world; words to be written also in capitals."""
    from rr_refine.sketch.world.scene import WORDS

    return [*sorted(VOCABULARY), *WORDS]


def _letters() -> list[str]:
    return [chr(code) for code in range(33, 127) if chr(code) not in ";,.?!\"'-"]
