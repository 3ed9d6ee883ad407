"""A chat completion, as far as it is read here.

The client library takes any JSON for a completion, so an answer is checked by models of our own.
"""

from __future__ import annotations

from pydantic import BaseModel

from rr_refine.terms import Usage

__all__ = ["Candidate", "Choice", "Completion", "Logprobs", "Place", "Said", "Tokens"]


class Said(BaseModel):
    """What the model said."""

    content: str | None = None
    refusal: str | None = None


class Candidate(BaseModel):
    """A token that could have stood at a place of the answer."""

    token: str
    logprob: float


class Place(Candidate):
    """A place of the answer: the token that stands there, and the most likely ones."""

    top_logprobs: list[Candidate] = []


class Logprobs(BaseModel):
    """How likely the tokens of an answer were; there if it was asked for."""

    content: list[Place] | None = None


class Choice(BaseModel):
    """One answer."""

    message: Said
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Tokens(BaseModel):
    """What the answers cost together; the question is counted once."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Completion(BaseModel):
    """The response to a question."""

    choices: list[Choice]
    usage: Tokens | None = None

    def cost(self, answers: int) -> Usage:
        """What it cost, of which `answers` are used."""
        tokens = self.usage or Tokens()
        return Usage(
            calls=answers,
            prompt_tokens=tokens.prompt_tokens,
            completion_tokens=tokens.completion_tokens,
        )
