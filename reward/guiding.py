"""Guided decoding: a model that may only write what keeps to the form of an answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer

from rr_refine.reward.answer_form import AnswerForm

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = ["Guide", "GuidedRow", "GuidedRows"]


class Guide:
    """Knows the vocabulary of one model, and how an answer of it keeps to a form.

    Args:
        tokenizer: a fast one.
        ends: the tokens that end an answer.

    Raises:
        ValueError: it is no fast tokenizer, or has none of these tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, ends: Collection[int]) -> None:
        size = len(tokenizer)
        self._ends = sorted(end for end in ends if end < size)
        if not self._ends:
            raise ValueError("no token of its vocabulary ends an answer")
        self._tokenizer = from_tokenizer(tokenizer, n_vocab=size, eos_token=self._ends)
        closing = [
            token
            for token in range(size)
            if token in self._ends or self._tokenizer.decode_bytes([token]).startswith(b"\n")
        ]
        self._closing = torch.zeros(size, dtype=torch.bool)
        self._closing[closing] = True

    def rows(self, forms: Sequence[AnswerForm], limits: Sequence[int], start: int) -> GuidedRows:
        """A logits processor for a batch.

        Args:
            forms: of each row.
            limits: most tokens of each row's answer.
            start: where the answers begin.
        """
        rows = []
        for form, limit in zip(forms, limits, strict=True):
            # What an answer needs besides its texts, and for each line a character of four bytes.
            least = len(self._tokenizer.tokenize_str(form.plain)) + 4 * form.plain.count("\n")
            grammar = LLMatcher.grammar_from_regex(form.regex)
            rows.append(GuidedRow(LLMatcher(self._tokenizer, grammar), closes=limit - least))
        return GuidedRows(rows, start, self._ends, self._closing)


@dataclass(slots=True)
class GuidedRow:
    """One answer on its way."""

    matcher: LLMatcher
    closes: int
    """From this many tokens on, a text ends at the next place where it may."""
    ended: bool = False
    steered: bool = False
    """The likeliest token did not fit the form at some place."""
    shortened: bool = False
    """A text was ended, since the token limit is near."""


class GuidedRows:
    """A logits processor: tokens that leave the form of their answer become impossible."""

    def __init__(
        self, rows: list[GuidedRow], start: int, ends: Sequence[int], closing: torch.Tensor
    ) -> None:
        self.rows = rows
        self._start = start
        self._ends = ends
        self._closing = closing

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Mask `scores`, (rows, vocabulary), behind `input_ids`, (rows, tokens)."""
        written = input_ids.shape[1] - self._start
        legal = torch.ones(scores.shape, dtype=torch.bool)
        likeliest = scores.argmax(dim=1).tolist()
        for i, (row, last) in enumerate(zip(self.rows, input_ids[:, -1].tolist(), strict=True)):
            if written and not row.ended:
                row.ended = last in self._ends
                if not row.ended:
                    row.matcher.consume_token(last)
            if not row.ended:
                legal[i] = self._legal(row, written, likeliest[i], scores.shape[1])
        return scores.masked_fill(~legal.to(scores.device), -torch.inf)  # type: ignore[return-value]

    def _legal(self, row: GuidedRow, written: int, likeliest: int, size: int) -> torch.Tensor:
        """Which tokens may come next; notes what that changes."""
        bias = bytearray(row.matcher.compute_logit_bias())
        if row.matcher.is_error():
            raise RuntimeError(f"its answer cannot be guided: {row.matcher.get_error()}")
        legal = torch.zeros(size, dtype=torch.bool)
        known = torch.frombuffer(bias, dtype=torch.uint8)[:size].bool()
        fits = likeliest < len(known) and bool(known[likeliest])
        row.steered = row.steered or not fits
        closing = known & self._closing
        if written >= row.closes and closing.any():
            row.shortened = row.shortened or (fits and not closing[likeliest])
            known = closing
        legal[: len(known)] = known
        return legal
