"""The reviewer at the terminal: asks a person about a proposal, and takes the decision."""

from __future__ import annotations

import secrets
from typing import Final

from pydantic import ValidationError

from rr_refine.agent.review import (
    Accept,
    Decision,
    EditPrompt,
    Keep,
    Pick,
    Quit,
    Reject,
    Reseed,
    ReviewRequest,
    require_possible,
)
from rr_refine.cli.display import Display
from rr_refine.cli.terminal import ask, attended, edit_in_editor
from rr_refine.cli.text import plain, short, tell
from rr_refine.errors import ConfigError

__all__ = ["TerminalReviewer", "accept_all"]

_MENU: Final = """\
  Enter accepts, e edits, o opens an editor, r rejects and says why,
  k keeps words, p picks another image, n takes a new seed, s stops"""
_WORDS: Final = ("accept", "edit", "open", "reject", "keep", "pick", "new", "stop")
_SEEDS: Final = 2**31


async def accept_all(question: ReviewRequest) -> Decision:
    """The decision where nobody can be asked."""
    del question
    return Accept()


class TerminalReviewer:
    """Asks on standard error. The display has shown the proposal.

    Args:
        display: kept off the terminal meanwhile.
    """

    def __init__(self, display: Display) -> None:
        self._display = display

    async def __call__(self, question: ReviewRequest) -> Decision:
        """A decision that can be carried out.

        Nothing else happens while a run waits, so the event loop waits too: a thread that reads
        the keyboard could not be stopped.

        Raises:
            KeyboardInterrupt: Ctrl-C, Ctrl-D or SIGTERM; the question stays open.
        """
        with self._display.paused(), attended():
            return self._decide(question)

    def _decide(self, question: ReviewRequest) -> Decision:
        while True:
            _print(_MENU)
            try:
                word, _, rest = ask("review>").partition(" ")
            except EOFError:
                _print("")
                raise KeyboardInterrupt from None
            try:
                decision = self._read(question, word.lower(), rest.strip())
                if decision is not None:
                    require_possible(question, decision)
                    return decision
            except (ConfigError, ValidationError, ValueError) as error:
                _print(f"  {_first_line(error)}")
            except EOFError:
                _print("")  # back to the menu

    def _read(self, question: ReviewRequest, word: str, rest: str) -> Decision | None:
        """The decision; None if the answer was empty."""
        chosen = next((w for w in _WORDS if word and w.startswith(word)), word or "accept")
        match chosen:
            case "accept":
                return Accept()
            case "edit":
                return _edited(question, rest or ask("prompt>", question.proposal.prompt))
            case "open":
                return _edited(question, edit_in_editor(question.proposal.prompt))
            case "reject":
                reason = rest or ask("what should the next one do instead?")
                return Reject(reason=reason) if reason else None
            case "keep":
                words = rest or ask("words that every prompt must hold:")
                return Keep(text=words) if words else None
            case "pick":
                name = rest or self._ask_candidate(question)
                return Pick(candidate=name) if name else None
            case "new":
                seed = rest or ask("seed:", str(secrets.randbelow(_SEEDS)))
                return Reseed(seed=int(seed)) if seed else None
            case "stop":
                return Quit()
        raise ConfigError(f"{word!r} is none of {', '.join(_WORDS)}")

    def _ask_candidate(self, question: ReviewRequest) -> str:
        for candidate in question.candidates:
            if candidate.image is not None:
                mean = "not judged" if candidate.mean is None else f"mean {candidate.mean:.2f}"
                best = ", the best so far" if candidate == question.incumbent else ""
                _print(f"  {candidate.id:<6} {mean}{best}: {short(candidate.prompt)}")
        return ask("which is the best?")


def _edited(question: ReviewRequest, prompt: str) -> Decision | None:
    """The edit, if it is one; the line editor shows a proposal on one line."""
    if not prompt:
        return None
    proposal = question.proposal.prompt
    return Accept() if prompt in (proposal.strip(), plain(proposal)) else EditPrompt(prompt=prompt)


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return plain(error.errors()[0]["msg"])
    return plain(str(error))


def _print(line: str) -> None:
    tell(*line.split("\n"))
