"""What models and servers put around an answer: thoughts, special tokens, tags, turns of a chat."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = [
    "INVISIBLE",
    "TruncatedTextError",
    "cut_behind_end",
    "drop_thoughts",
    "outside_quotes",
    "strip_marks",
]

INVISIBLE: Final = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"
"""Without width; of the direction marks only those that reorder no digits."""

_TOKEN: Final = (
    r"<[|｜][^<>|｜\n]{1,40}[|｜]>"  # <|im_end|>, <|eot_id|>, <｜end▁of▁sentence｜>
    r"|</?s>|<(?:eos|bos|pad|unk|eod|eot)>|\[/?(?:INST|EOS|BOS|SYS|END)\]|<</?SYS>>"
    r"|<(?:start|end)_of_(?:turn|utterance|text|image)>"
)
_WRAP: Final = r"(?:answer|output|response|result|final|final_answer)"
_TURN: Final = re.compile(
    r"<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>|<\|start\|>|\[INST\]"
    r"|<[|｜](?:user|assistant|system|observation|turn_start)[|｜]>"
    # Where the tokens are left out, the name of the next speaker stays.
    r"|^(?:user|assistant|system|human|model)[ \t]*:?[ \t]*$"
    r"|(?<=[.!?。\"”“»」』`*>])(?:assistant|user)[ \t]*(?=\n|\Z)"
    r"|(?:(?<=\n\n)|^### ?)(?:User|Human|Assistant|Instruction):",
    re.MULTILINE,
)
_OPENER: Final = re.compile(
    rf"(?:\s|[{INVISIBLE}]|<\|im_start\|>(?:assistant)?|<start_of_turn>(?:model)?"
    rf"|<\|start_header_id\|>\w+<\|end_header_id\|>|(?:{_TOKEN})|<{_WRAP}>)*",
    re.IGNORECASE,
)
_CLOSER: Final = re.compile(
    r"<[|｜][^<>|｜\n]{0,30}(?:end|eo[dmst]|stop|return)[^<>|｜\n]{0,20}[|｜]>"
    r"|</s>|<(?:eos|eod|eot)>|\[(?:/INST|EOS|END)\]|<end_of_(?:turn|utterance|text)>"
    r"|</(?P<name>[a-z][\w:-]{0,30})>(?=\s*?(?:\n|\Z))",
    re.IGNORECASE,
)
_LAST_MARK: Final = re.compile(rf"(?:{_TOKEN}|<br\s?/?>|</{_WRAP}>)\Z", re.IGNORECASE)
_BLANK: Final = f"{INVISIBLE} \t\r\n\f\v\xa0\u3000"
_NEAR: Final = 2000
"""Characters before and behind a mark in which quotes are looked for."""

_THINKING: Final = r"(?:think|thinking|thoughts?|reason|reasoning|scratchpad|reflection|seed:think)"
_OPEN: Final = (
    rf"[ \t]*(?:<{_THINKING}>|\[THINK\]|◁think▷|<\|begin_of_thought\|>"
    r"|(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)<\|message\|>)"
)
_OPENS_HERE: Final = re.compile(_OPEN, re.IGNORECASE)
_OPENS: Final = re.compile(f"^{_OPEN}", re.IGNORECASE | re.MULTILINE)
_CLOSES: Final = re.compile(
    rf"</{_THINKING}>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>"
    r"|(?:<\|start\|>assistant)?<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
_QUOTES: Final = ('""', "“”", "„“", "„”", "«»", "「」", "『』", "``", "‘’")


class TruncatedTextError(ValueError):
    """The text certainly ends inside what was to be read."""


def drop_thoughts(text: str) -> str:
    """What a reasoning model says behind its thoughts, whose opening tag its template may hold.

    Raises:
        TruncatedTextError: thoughts begin and never end.
    """
    text = text.lstrip(_BLANK)
    at, said = 0, list[str]()  # where the rest begins; what is said before it, in whole lines
    line = _OPENS.search(text)
    while True:
        if line is not None and line.start() < at:
            line = _OPENS.search(text, at)
        opened, closed = _OPENS_HERE.match(text, at) or line, _CLOSES.search(text, at)
        if opened is None:
            return "".join([*said, text[at:]]) if closed is None else text[closed.end() :]
        if closed is None:
            raise TruncatedTextError("its thoughts are never closed")
        if closed.start() < opened.start():
            said.clear()  # what stands before the first closing tag is thought
            at = closed.end()
            continue
        if (closed := _CLOSES.search(text, opened.end())) is None:
            raise TruncatedTextError("its thoughts are never closed")
        said.append(text[at : opened.start()])
        at = closed.end()


def strip_marks(text: str) -> str:
    """A text without the tokens and tags around it, and without further turns of the chat."""
    start = _OPENER.match(text)
    text = text[start.end() if start else 0 :]
    if turn := next(outside_quotes(_TURN, text), None):
        text = text[: turn.start()]
    end = len(text.rstrip(_BLANK))
    while mark := _LAST_MARK.search(text, max(0, end - 60), end):
        end = mark.start()
        while end and text[end - 1] in _BLANK:
            end -= 1
    return text[:end]


def cut_behind_end(text: str) -> str:
    """What stands before the first end token, or closing tag that nothing in `text` opens."""
    opened: dict[str, int] = {}  # behind its first opening tag
    for match in outside_quotes(_CLOSER, text):
        if name := match["name"]:
            if name not in opened:
                at = text.find(f"<{name}")
                opened[name] = len(text) if at < 0 else at + len(name) + 1
            if opened[name] <= match.start():
                continue
        return text[: match.start()]
    return text


def outside_quotes(pattern: re.Pattern[str] | str, text: str) -> Iterator[re.Match[str]]:
    """Matches that stand in no quotes: what a sign in a picture says is no mark of a model's."""
    for match in re.finditer(pattern, text):
        start, end = match.span()
        before = text[max(0, start - _NEAR) : start].rpartition("\n")[2]
        after = text[end : end + _NEAR].partition("\n")[0]
        if not any(_is_open(before, *pair) and pair[1] in after for pair in _QUOTES):
            yield match


def _is_open(text: str, opening: str, closing: str) -> bool:
    if opening == closing:
        return text.count(opening) % 2 == 1
    return text.count(opening) > text.count(closing)
