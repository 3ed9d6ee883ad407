"""The reviewer at the terminal: asks a person about a proposal, and takes the decision."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
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
from rr_refine.agent.store.folder import image_path
from rr_refine.cli.display import Display
from rr_refine.cli.terminal import ask, attended, edit_in_editor
from rr_refine.cli.text import plain, short, tell
from rr_refine.cli.words import picture_name
from rr_refine.errors import ConfigError

__all__ = ["TerminalReviewer", "accept_all"]

_CHOICES: Final = {
    "accept": "draw the proposal, as Enter alone does",
    "edit": "change the proposal on its line",
    "open": "change it in $VISUAL or $EDITOR",
    "reject": "say what you want, and get another prompt",
    "keep": "name words that all prompts must hold from now on",
    "pick": "see the pictures, and go on from another one",
    "new": "draw the proposal with another seed",
    "stop": "end here; the best so far is the result",
    "help": "show this list",
}
_MENU: Final = """\
  Enter accepts, e edits, o opens an editor, r rejects,
  k keeps words, p picks a picture, n takes a new seed,
  s stops, h helps"""
_SEEDS: Final = 2**31
_MOST: Final = 2**63 - 1


async def accept_all(question: ReviewRequest) -> Decision:
    """The decision where nobody can be asked."""
    del question
    return Accept()


class TerminalReviewer:
    """Asks on standard error. The display has shown the proposal.

    Args:
        display: kept off the terminal meanwhile.
        opened: the run folder, once it is open.
    """

    def __init__(self, display: Display, opened: Sequence[Path]) -> None:
        self._display = display
        self._opened = opened

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
        """The decision; None if there is none yet."""
        chosen = "help" if word == "?" else word or "accept"
        chosen = next((choice for choice in _CHOICES if choice.startswith(chosen)), chosen)
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
                return self._ask_candidate(question, rest)
            case "new":
                return _ask_seed(rest)
            case "stop":
                return Quit()
            case "help":
                for choice, what in _CHOICES.items():
                    _print(f"  {choice:<7} {what}")
                return None
        raise ConfigError(f"{word!r} is none of {', '.join(_CHOICES)}")

    def _ask_candidate(self, question: ReviewRequest, answer: str) -> Decision | None:
        """The picture that is picked, by its number in the list, its name or its id."""
        there = [c for c in question.candidates if c.image is not None]
        if not answer:
            for number, candidate in enumerate(there, 1):
                mean = "not judged" if candidate.mean is None else f"mean {candidate.mean:.2f}"
                best = ", the best so far" if candidate == question.incumbent else ""
                about = f"{picture_name(candidate.id)}, {mean}{best}: {short(candidate.prompt)}"
                path = image_path(self._opened[0], candidate.image or "")
                self._display.show_choice(f"  {number}  {about}", path, len(there))
            answer = ask("number of the picture:")
        while answer:
            for number, candidate in enumerate(there, 1):
                if answer.lower() in (str(number), picture_name(candidate.id), candidate.id):
                    return Pick(candidate=candidate.id)
            _print(f"  there is no picture {answer!r}: type a number from 1 to {len(there)}")
            answer = ask("number of the picture:")
        return None


def _ask_seed(answer: str) -> Decision:
    """Another seed; Enter alone takes one by chance."""
    chance = secrets.randbelow(_SEEDS)
    while True:
        answer = answer or ask(f"seed (Enter takes {chance}):") or str(chance)
        if answer.isascii() and answer.isdigit() and len(answer) < 20 and int(answer) <= _MOST:
            return Reseed(seed=int(answer))
        _print(f"  {short(answer, 40)!r} is no seed: type a whole number, such as {chance}")
        answer = ""


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
