"""Talks as tokens: encoded as the chat template writes them, sorted by length, put side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from PIL import Image

from rr_refine.sketch.training.critic.lessons import Lesson, question_of, random_lesson
from rr_refine.sketch.training.critic.student import IMAGE_TOKENS, to_pixels
from rr_refine.sketch.training.critic.tokenizer import END, IMAGE, PAD, token_id

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

__all__ = ["Batch", "EncodedTalk", "Turn", "encode", "endless_batches", "to_batch"]

_POOL: Final = 16
"""Batches that are drawn at a time, to find talks of like length among."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Where the answer to a question stands among the tokens of a talk, its end included."""

    question: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class EncodedTalk:
    """A talk as tokens."""

    ids: list[int]
    turns: list[Turn]
    images: list[Image.Image]


@dataclass(frozen=True, slots=True)
class Batch:
    """Talks of like length, padded on the right."""

    ids: torch.Tensor
    """(talks, tokens)"""
    answers: torch.Tensor
    """The same shape: is this token a part of an answer, its end included?"""
    pixels: torch.Tensor | None
    """(pictures, 3, H, W) in the order in which the talks have them; None if there are none."""
    turns: list[list[Turn]]


def encode(lesson: Lesson, tokenizer: PreTrainedTokenizerFast) -> EncodedTalk:
    """`lesson` as the chat template writes it."""
    ids: list[int] = []
    turns = []
    images = []
    image, end = token_id(tokenizer, IMAGE), token_id(tokenizer, END)
    asked = ""
    for message in lesson:
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
            turns.append(Turn(asked, start, len(ids)))
        else:
            asked = question_of(message)
    return EncodedTalk(ids, turns, images)


def to_batch(talks: Sequence[EncodedTalk], padding: int) -> Batch:
    """Put encoded talks side by side."""
    import torch

    longest = max(len(talk.ids) for talk in talks)
    ids = torch.full((len(talks), longest), padding)
    answers = torch.zeros((len(talks), longest), dtype=torch.bool)
    for row, talk in enumerate(talks):
        ids[row, : len(talk.ids)] = torch.tensor(talk.ids)
        for turn in talk.turns:
            answers[row, turn.start : turn.stop] = True
    images = [image for talk in talks for image in talk.images]
    pixels = to_pixels(images) if images else None
    return Batch(ids, answers, pixels, [talk.turns for talk in talks])


def endless_batches(
    random: Random, tokenizer: PreTrainedTokenizerFast, tokens: int
) -> Iterator[Batch]:
    """Batches of new talks without end, each of at most `tokens` tokens where a talk allows it."""
    padding = token_id(tokenizer, PAD)
    while True:
        pool: list[EncodedTalk] = []
        while sum(len(talk.ids) for talk in pool) < _POOL * tokens:
            pool.append(encode(random_lesson(random), tokenizer))
        pool.sort(key=lambda talk: len(talk.ids))
        batches: list[list[EncodedTalk]] = [[]]
        for talk in pool:
            if batches[-1] and (len(batches[-1]) + 1) * len(talk.ids) > tokens:
                batches.append([])
            batches[-1].append(talk)
        random.shuffle(batches)
        for batch in batches:
            yield to_batch(batch, padding)
