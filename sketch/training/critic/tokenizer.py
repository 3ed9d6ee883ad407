"""The student's tokenizer: every word of the sketch world is one token, and so is every set phrase.

A byte-level BPE without merges. Text is cut into known phrases, words, signs and white space; a cut
that is in the vocabulary is one token, and any other is spelled in bytes. So every text comes back
as it was, and an answer of the critic has few tokens.
"""

from __future__ import annotations

import re
from typing import Final

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from rr_refine.sketch.training.critic.dialogues import SET_PHRASES
from rr_refine.sketch.training.critic.wording import FIXED_PIECES
from rr_refine.sketch.world.request import DIRECTIONS
from rr_refine.sketch.world.scene import BACKGROUNDS, COLOURS, KINDS, PLACES, SIZES, WORDS

__all__ = [
    "ANSWERS",
    "ASKS",
    "CHAT_TEMPLATE",
    "END",
    "IMAGE",
    "PAD",
    "SYSTEM",
    "build_tokenizer",
    "token_id",
]

PAD: Final = "<pad>"
IMAGE: Final = "<image>"
SYSTEM: Final = "<|system|>"
ASKS: Final = "<|user|>"
ANSWERS: Final = "<|assistant|>"
END: Final = "<|end|>"

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

_MANY: Final = tuple(f"{kind}es" if kind == "cross" else f"{kind}s" for kind in KINDS)
_SCORES: Final = (*(f"{tenths / 10}" for tenths in range(10, 41)), "N/A")
_PHRASES: Final = (
    *FIXED_PIECES,
    *SET_PHRASES,
    *_SCORES,
    "Judge the picture.",
    "Judge the edit.",
    "Compare the pictures.",
    "Compare the edits.",
    *(f"at the {place}" for place in PLACES),
    *(f"{background} background" for background in BACKGROUNDS),
    *(f"{colour} {kind}" for colour in COLOURS for kind in KINDS),
    *(f"{colour} {kinds}" for colour in COLOURS for kinds in _MANY),
    "(yes)",
    "(no)",
    "(none: no)",
    "(the word",
    "(unclear background",
    "(unclear letters",
    *(f"({background} background" for background in BACKGROUNDS),
    *(f"(at the {place}" for place in PLACES),
    *DIRECTIONS,
    "the word",
    "in all",
    "something unclear",
    "unclear background",
    "unclear letters",
)
"""One token each, alone, after a space and, if it starts a line, after a line break.

Colour and kind together are one, so that a shape is found again by a single token: as two, they
were still taken from different shapes after hours of training.
"""
_JOINTS: Final = ("; a", "; an", ", a", ", an", " and a", " and an", ": yes)", ": no)")
"""What stands between two things of a list, or ends it."""
_MORE_WORDS: Final = (
    "a an the and or of to in on at by with for from into is are was were be it its this that "
    "there all same else everything nothing some one two three four five six seven eight nine "
    "none left right above below top bottom center between beside please draw paint i me my you "
    "would like see can make picture image hey just nice little show want need add remove move "
    "replace change keep drop use say ask source request refined requirements requirement "
    "background word text letters yes no not more less than asked made met missed checked rest "
    "stays full better clean rough broken slightly All One Two Three Four Five Six Seven Eight "
    "Nine None Add Drop Use Say Ask"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, with the chat template. It is made of constants, and always the same."""
    phrases = [*_spaced(_PHRASES), *_JOINTS]
    words = dict.fromkeys(re.findall(r"[A-Za-z]+", " ".join(phrases)))
    words |= dict.fromkeys((*KINDS, *COLOURS, *SIZES, *BACKGROUNDS, *WORDS))
    words |= dict.fromkeys(_MANY)
    words |= dict.fromkeys(_MORE_WORDS.split())
    special = [PAD, IMAGE, SYSTEM, ASKS, ANSWERS, END]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    known = [*phrases, *words, *(f" {word}" for word in words)]
    vocabulary = {
        token: i for i, token in enumerate(dict.fromkeys([*special, *letters, *map(_bytes, known)]))
    }
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_cuts(phrases)), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        extra_special_tokens=[IMAGE, SYSTEM, ASKS, ANSWERS],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def token_id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """The number of one special token."""
    number = tokenizer.convert_tokens_to_ids(token)
    assert isinstance(number, int)
    return number


def _spaced(pieces: tuple[str, ...]) -> list[str]:
    """Each piece alone, and after what comes before it."""
    starts_line = re.compile(r"# |## |\d\. ")
    return [
        text
        for piece in pieces
        for text in (piece, f"\n{piece}" if starts_line.match(piece) else f" {piece}")
    ]


def _cuts(phrases: list[str]) -> str:
    """The regular expression of the pieces that text is cut into: the longest phrase first."""
    longest = sorted(phrases, key=len, reverse=True)
    whole = "|".join(
        re.sub(r"([^A-Za-z0-9 \n])", r"\\\1", phrase)
        + (r"(?![A-Za-z])" if phrase[-1].isalpha() else "")
        for phrase in longest
    )
    return rf"{whole}| ?\p{{L}}+| ?\p{{N}}| ?[^\s\p{{L}}\p{{N}}]|\s"


def _bytes(text: str) -> str:
    """ASCII `text` as a byte-level vocabulary has it: with marks for spaces and line breaks."""
    return text.replace(" ", "Ġ").replace("\n", "Ċ")
