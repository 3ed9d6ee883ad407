"""Dialogues as tokens: encoded by the chat template, sorted by length, and put into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from rr_refine.sketch.training.critic.dialogues import Dialogue, question_of, random_dialogue
from rr_refine.sketch.training.critic.student import IMAGE_TOKENS
from rr_refine.sketch.training.critic.tokenizer import END, IMAGE, PAD, token_id
from rr_refine.sketch.training.generator.autoencoder import to_pixels

__all__ = [
    "AnswerSpan",
    "DialogueBatch",
    "EncodedDialogue",
    "encode",
    "endless_batches",
    "to_batch",
]

_POOL: Final = 16
"""Batches that are drawn at a time, so that dialogues of like length can be put together."""


@dataclass(frozen=True, slots=True)
class AnswerSpan:
    """Where the answer to a question stands among the tokens of a dialogue, with the end token."""

    question: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class EncodedDialogue:
    """A dialogue as tokens."""

    ids: list[int]
    turns: list[AnswerSpan]
    images: list[Image.Image]


@dataclass(frozen=True, slots=True)
class DialogueBatch:
    """Dialogues of like length, padded on the right."""

    ids: torch.Tensor
    """(dialogues, tokens)"""
    answers: torch.Tensor
    """The same shape: is this token a part of an answer, its end included?"""
    pixels: torch.Tensor | None
    """(pictures, 3, H, W) in the order of the dialogues; None if there are none."""
    turns: list[list[AnswerSpan]]


def encode(dialogue: Dialogue, tokenizer: PreTrainedTokenizerFast) -> EncodedDialogue:
    """`dialogue` as the chat template writes it."""
    ids: list[int] = []
    turns = []
    images = []
    image, end = token_id(tokenizer, IMAGE), token_id(tokenizer, END)
    asked = ""
    for message in dialogue:
        ids.append(token_id(tokenizer, f"<|{message.role}|>"))
        start = len(ids)
        for part in message.content:
            if isinstance(part, str):
                ids += tokenizer.encode(part)
            else:
                ids += [image] * IMAGE_TOKENS
                images.append(part)
        ids.append(end)
        if message.role == "assistant":
            turns.append(AnswerSpan(asked, start, len(ids)))
        else:
            asked = question_of(message)
    return EncodedDialogue(ids, turns, images)


def to_batch(dialogues: Sequence[EncodedDialogue], padding: int) -> DialogueBatch:
    """Pad encoded dialogues and put them into one batch."""
    longest = max(len(dialogue.ids) for dialogue in dialogues)
    ids = torch.full((len(dialogues), longest), padding)
    answers = torch.zeros((len(dialogues), longest), dtype=torch.bool)
    for row, dialogue in enumerate(dialogues):
        ids[row, : len(dialogue.ids)] = torch.tensor(dialogue.ids)
        for turn in dialogue.turns:
            answers[row, turn.start : turn.stop] = True
    images = [image for dialogue in dialogues for image in dialogue.images]
    pixels = to_pixels(images) if images else None
    return DialogueBatch(ids, answers, pixels, [dialogue.turns for dialogue in dialogues])


def endless_batches(
    random: Random, tokenizer: PreTrainedTokenizerFast, tokens: int
) -> Iterator[DialogueBatch]:
    """Endless batches of new dialogues, of at most `tokens` tokens unless one dialogue has more."""
    padding = token_id(tokenizer, PAD)
    while True:
        pool: list[EncodedDialogue] = []
        while sum(len(dialogue.ids) for dialogue in pool) < _POOL * tokens:
            pool.append(encode(random_dialogue(random), tokenizer))
        pool.sort(key=lambda dialogue: len(dialogue.ids))
        batches: list[list[EncodedDialogue]] = [[]]
        for dialogue in pool:
            if batches[-1] and (len(batches[-1]) + 1) * len(dialogue.ids) > tokens:
                batches.append([])
            batches[-1].append(dialogue)
        random.shuffle(batches)
        for batch in batches:
            yield to_batch(batch, padding)
