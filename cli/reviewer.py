"""The reviewer at the terminal: asks a person about a proposal, and takes the decision."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from rr_refine.agent.history import Candidate
from rr_refine.agent.picture_name import picture_name
from rr_refine.agent.review import (
    Accept,
    Decision,
    EditPrompt,
    GoOn,
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
from rr_refine.errors import ConfigError
from rr_refine.invalid import told_invalid

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
_AT_END: Final = {
    "take": "take the picture, as Enter alone does",
    "go": "do not end: say what should be otherwise, or nothing for another try",
    "pick": "see the pictures, and choose another one",
    "edit": "change the prompt of the picture on its line, and draw that",
    "open": "change it in $VISUAL or $EDITOR",
    "keep": "name words that all prompts must hold from now on",
    "new": "draw its prompt with another seed",
    "stop": "end here, with the picture",
    "help": "show this list",
}
_MENU_AT_END: Final = """\
  Enter takes the picture, g goes on (with words of yours or without),
  p picks another one, e edits its prompt, n takes a new seed, h helps"""
_OF_ANOTHER: Final = ("take", "go", "pick", "stop", "help")
"""What can be said at the end about another picture than the best one."""
_MENU_OF_ANOTHER: Final = "  Enter takes it, g goes on from it, p picks another one, h helps"
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
        self._shown: set[int] = set()
        """Rounds of several pictures that were shown side by side."""

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
        self._show_round(question)
        picked: Pick | None = None
        while True:
            choices = _choices_of(question, picked)
            menu = _MENU if question.stop is None else _MENU_AT_END
            _print(menu if picked is None else _MENU_OF_ANOTHER)
            try:
                word, _, rest = ask("review>").partition(" ")
            except EOFError:
                _print("")
                raise KeyboardInterrupt from None
            try:
                decision = self._read(question, choices, word.lower(), rest.strip())
                if decision is not None:
                    require_possible(question, decision)
                if isinstance(decision, Pick) and question.stop is not None:
                    picked = decision
                    _print(f"  picked: {picture_name(picked.candidate)}")
                elif decision is not None:
                    return decision if picked is None else _about(picked, decision)
            except ValidationError as error:
                _print(f"  {plain(told_invalid(error))}")
            except (ConfigError, ValueError) as error:
                _print(f"  {plain(str(error))}")
            except EOFError:
                _print("")  # back to the menu

    def _read(
        self, question: ReviewRequest, choices: Mapping[str, str], word: str, rest: str
    ) -> Decision | None:
        """The decision; None if there is none yet."""
        chosen = "help" if word == "?" else word or next(iter(choices))
        chosen = next((choice for choice in choices if choice.startswith(chosen)), chosen)
        if chosen not in choices:
            raise ConfigError(f"{word!r} is none of {', '.join(choices)}")
        match chosen:
            case "accept" | "take":
                return Accept()
            case "edit":
                return _edited(question, rest or ask("prompt>", question.proposal.prompt))
            case "open":
                return _edited(question, edit_in_editor(question.proposal.prompt))
            case "go":
                return GoOn(remark=rest or ask("what should be otherwise? (Enter: just try again)"))
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
        for choice, what in choices.items():
            _print(f"  {choice:<7} {what}")
        return None

    def _show_round(self, question: ReviewRequest) -> None:
        """The pictures of a round of several, side by side, once."""
        last = question.candidates[-1].round
        several = [c for c in question.candidates if c.round == last and c.image is not None]
        if len(several) > 1 and last not in self._shown:
            self._shown.add(last)
            self._show(question, several)

    def _show(self, question: ReviewRequest, several: Sequence[Candidate]) -> None:
        there, differ = _there(question), len({one.prompt for one in several}) > 1
        pictures: list[tuple[str, Path]] = []
        for one in several:
            line = f"{there.index(one) + 1}  {picture_name(one.id)}, {_score(one)}"
            line += ", the best so far" if one == question.incumbent else ""
            line += f": {short(one.prompt)}" if differ else ""
            pictures.append((line, image_path(self._opened[0], one.image or "")))
        self._display.show_choices(pictures)

    def _ask_candidate(self, question: ReviewRequest, answer: str) -> Decision | None:
        """The picture that is picked, by its number in the list, its name or its id."""
        there = _there(question)
        if not answer:
            self._show(question, there)
            answer = ask("number of the picture:")
        while answer:
            for number, candidate in enumerate(there, 1):
                if answer.lower() in (str(number), picture_name(candidate.id), candidate.id):
                    return Pick(candidate=candidate.id)
            _print(f"  there is no picture {answer!r}: type a number from 1 to {len(there)}")
            answer = ask("number of the picture:")
        return None


def _there(question: ReviewRequest) -> list[Candidate]:
    return [c for c in question.candidates if c.image is not None]


def _score(candidate: Candidate) -> str:
    return "not judged" if candidate.mean is None else f"mean {candidate.mean:.2f}"


def _choices_of(question: ReviewRequest, picked: Pick | None) -> dict[str, str]:
    """What can be answered, with what it does; Enter alone is the first."""
    if question.stop is None:
        return _CHOICES
    return _AT_END if picked is None else {name: _AT_END[name] for name in _OF_ANOTHER}


def _about(picked: Pick, decision: Decision) -> Decision:
    """A decision at the end, where another picture than the best one was picked."""
    if isinstance(decision, GoOn):
        return decision.model_copy(update={"candidate": picked.candidate})
    return picked


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
    if prompt not in (proposal.strip(), plain(proposal)):
        return EditPrompt(prompt=prompt)
    return Accept() if question.stop is None else None


def _print(line: str) -> None:
    tell(*line.split("\n"))
