"""Every error that rr-refine raises on purpose, by the boundary that was crossed.

RefineError
├── ConfigError            a user's mistake: one line, exit code 2
│   └── MissingExtraError  an optional dependency is not installed; names the pip command
├── GeneratorError         prompt -> image failed
│   ├── OutOfMemoryError, GeneratorTimeout, GeneratorUnavailable
│   ├── GeneratorRefused   a safety filter or the endpoint refused the request
│   ├── BlankImageError    the image came back all black
│   └── UnsupportedRequestError   this generator cannot do what was asked
├── CriticError            image -> critique failed; never a score
│   ├── CriticUnavailable, CriticTimeout
│   └── CriticAnswerError  there is an answer, kept in `.raw`
│       ├── CriticUnreadable, CriticTruncated, CriticRefused
├── RewriteError           critique -> prompt failed
│   └── NoPromptError      there is an answer, and no prompt in it
├── EvidenceError          something could not be measured; the run goes on without it
├── RuleError              a stopping rule or acceptance policy failed
├── OverBudgetError        a request was not sent: it could cost more than the budget leaves
└── StoreError             the run folder cannot be read or written
    ├── NoFolderError      it is not there: a mistake of the caller
    ├── NotRecordedError   it is needed and was not kept, and nothing is to be made anew
    ├── StoreFullError     with more in it, nobody would read it
    └── StoreLockedError   another process has it
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rr_refine.notices import shortened
from rr_refine.redaction import clean

if TYPE_CHECKING:
    from rr_refine.terms import Usage  # pydantic, which `rr-refine --help` does not load

__all__ = [
    "BlankImageError",
    "ConfigError",
    "CriticAnswerError",
    "CriticError",
    "CriticRefused",
    "CriticTimeout",
    "CriticTruncated",
    "CriticUnavailable",
    "CriticUnreadable",
    "EvidenceError",
    "GeneratorError",
    "GeneratorRefused",
    "GeneratorTimeout",
    "GeneratorUnavailable",
    "MissingExtraError",
    "NoFolderError",
    "NoPromptError",
    "NotRecordedError",
    "OutOfMemoryError",
    "OverBudgetError",
    "RefineError",
    "RewriteError",
    "RuleError",
    "StoreError",
    "StoreFullError",
    "StoreLockedError",
    "UnsupportedRequestError",
    "charged",
    "first_line",
]

_LONG: Final = 4000
"""Characters of a message. Of a longer one, with a prompt of megabytes, say, both ends are kept."""


class RefineError(Exception):
    """Base of all errors that rr-refine raises on purpose.

    The message says what failed, the value, and what to do. It is shown and recorded, so secrets in
    it are hidden.

    Attributes:
        usage: what was used up before it failed, as far as it was told; see `charged`.
    """

    usage: Usage | None = None
    final: bool = False
    """Whether the same request brings it about again, so that resuming cannot help."""

    def __init__(self, *args: object) -> None:
        super().__init__(*map(_told, args))

    def __str__(self) -> str:
        return clean(super().__str__())


def _told(part: object) -> object:
    if not isinstance(part, str) or len(part) <= _LONG:
        return part
    return shortened(clean(part), _LONG, end=900)


def first_line(error: BaseException) -> str:
    """An error of a library in one line: its type, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


class ConfigError(RefineError):
    """A setting, option or input of the user's is wrong. One line; exit code 2."""


class MissingExtraError(ConfigError):
    """A feature needs packages of an extra that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the {extra!r} extra: pip install 'rr-refine[{extra}]'")
        self.feature = feature
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), (self.feature, self.extra)


class GeneratorError(RefineError):
    """A render failed."""


class OutOfMemoryError(GeneratorError):
    """The device ran out of memory, even with a batch of one."""


class GeneratorTimeout(GeneratorError):
    """A render took longer than it was allowed."""


class GeneratorUnavailable(GeneratorError):
    """The generator cannot be reached or loaded."""


class GeneratorRefused(GeneratorError):
    """The generator declined the request, for instance by a safety filter."""

    final = True


class BlankImageError(GeneratorError):
    """The image is one flat black: half-precision overflow, or a safety filter's answer."""

    final = True


class UnsupportedRequestError(GeneratorError):
    """The generator cannot do what was asked: an edit, a parameter it does not take."""

    final = True


class EvidenceError(RefineError):
    """Something could not be measured; the run goes on without it."""


class CriticError(RefineError):
    """A critique failed. It is an error with a type, never a score."""


class CriticUnavailable(CriticError):
    """The critic cannot be reached, or answers with a server error, after all retries."""


class CriticTimeout(CriticError):
    """The critic took longer than it was allowed."""


class CriticAnswerError(CriticError):
    """The critic answered, but the answer is no critique.

    Attributes:
        raw: the answer as it came, whole.
    """

    def __init__(self, message: str, raw: str) -> None:
        super().__init__(message)
        self.raw = raw

    def __reduce__(self) -> tuple[type[CriticAnswerError], tuple[str, str]]:
        return type(self), (str(self), self.raw)


class CriticUnreadable(CriticAnswerError):
    """The answer cannot be read for certain: a score is missing, doubtful or out of range."""


class CriticTruncated(CriticAnswerError):
    """The answer was cut off by the token limit."""


class CriticRefused(CriticAnswerError):
    """The critic declined to judge the image."""


class RewriteError(RefineError):
    """No usable prompt came out of a rewriter."""


class NoPromptError(RewriteError):
    """A rewriter answered, and its answer holds no prompt."""


class OverBudgetError(RefineError):
    """A request was not sent, since it could cost more than the budget leaves."""


class RuleError(RefineError):
    """A stopping rule or acceptance policy raised, or did not answer as its protocol says."""


class StoreError(RefineError):
    """The run folder cannot be read or written."""


class NoFolderError(StoreError, ConfigError):
    """There is no run folder of the name that was given."""


class StoreFullError(StoreError):
    """A file of the run folder would be larger than what is read of it. It is as it was before."""

    final = True


class NotRecordedError(StoreError):
    """What is needed was not kept, and nothing is to be made anew."""


class StoreLockedError(StoreError):
    """Another process works on the same run folder."""


@contextmanager
def charged(usage: Usage) -> Iterator[None]:
    """What fails inside has cost `usage` before, beside what it says that it cost itself."""
    try:
        yield
    except RefineError as error:
        error.usage = usage if error.usage is None else usage + error.usage
        raise
