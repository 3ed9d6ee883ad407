"""What is never shown or recorded: keys, tokens, passwords, by the names that they go by; and the
keys that are in use, wherever they stand.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import JsonValue  # which `rr-refine --help` does not load

__all__ = ["MASK", "clean", "hidden", "is_secret", "keep_hidden", "told"]

MASK: Final = "***"
"""What stands where a secret was."""

_IN_USE: Final[set[str]] = set()
"""Keys that `clean` hides wherever they stand."""

# Compiled when they are first used: `rr-refine --help` needs none of them.
_SECRET: Final = (
    r"(?:^|_)(?:api)?keys?$|apikey|token|secret|passw|passphrase|credential|cookie|bearer"
    r"|(?:^|_)(?:auth|authorization|pwd|sig|signature)(?:_|$)"
)
_NO_SECRET: Final = r"tokeniz|token_(?:count|limit)|^max_(?:\w+_)?tokens$"
_NUMBER: Final = r"[+-]?\d[\d.,_]*(?:e[+-]?\d+)?:?"
# Names begin where no letter stands before, or a long text without blanks would take minutes.
_USERINFO: Final = r"(?<=[\w+.-])(://)[^\s/?#'\"]*@"
_QUERY: Final = r"([?&;#]([\w.%-]+)=)([^&;#\s'\"]+)"
_SCHEME: Final = r"(?i)\b(bearer|basic)\s+[\w+/=.~:-]{6,}"
_ASSIGNED: Final = r"([\"']?(?<![\w.-])([\w.-]++)[\"']?\s*+=\s*+)('[^']*'|\"[^\"]*\"|[^\s'\",;)]+)"
_QUOTED: Final = r"(([\"'])([\w.-]++)\2\s*+:\s*+)('[^']*'|\"[^\"]*\")"
_HEADER: Final = (
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,64}(?:key|token|secret))"
    r"(\s*+:\s*+)\S[^\r\n]*"
)


def is_secret(key: str, value: JsonValue = None) -> bool:
    """Whether what goes by this name must never be shown or recorded.

    Args:
        key: a name such as `critic.api_key` or `Authorization`; its last part counts.
        value: what it is set to. Numbers of tokens, such as `max_tokens`, are none.
    """
    if key.endswith("budget.tokens"):  # whatever was given for it
        return False
    secret, counts = _judged(key.rpartition(".")[2])
    return secret and not (counts and not isinstance(value, str | list | dict))


@lru_cache(1024)
def _judged(name: str) -> tuple[bool, bool]:
    """Whether a name is a secret's, and whether it may also be a number of tokens."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")
    secret = re.search(_SECRET, name) is not None and not re.search(_NO_SECRET, name)
    return secret, name.endswith("tokens")


def hidden(value: JsonValue, key: str = "") -> JsonValue:
    """A setting as it may be shown and recorded: `MASK` stands for each secret in it.

    Args:
        value: the setting. What is nested in it is looked through by its own names.
        key: its name.
    """
    if value is not None and is_secret(key, value):
        return MASK
    if isinstance(value, dict):
        return {name: hidden(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [hidden(one, key) for one in value]
    return _addresses(value) if isinstance(value, str) else value


def keep_hidden(key: str) -> None:
    """Have `clean` hide a key that is in use here, by whatever name it goes: libraries repeat what
    servers say, and log what they send.

    Args:
        key: of 8 characters or more; a shorter one may be a word.
    """
    _IN_USE.add(key)


def clean(text: str) -> str:
    """A message without the secrets that stand in it by name, in URLs, headers and assignments, and
    without the keys in use.
    """
    for key in tuple(_IN_USE):
        text = text.replace(key, MASK)
    text = re.sub(_HEADER, rf"\1\2{MASK}", _addresses(text))
    # `key=value` by itself says how something is written.
    text = re.sub(_ASSIGNED, lambda m: m[0] if m[2] in ("key", "keys") else _masked(m, m[2]), text)
    return re.sub(_QUOTED, lambda m: _masked(m, m[3]), text)


def told(error: BaseException) -> str:
    """An error as a record, a page or another message has it: its type and what it says."""
    return f"{type(error).__name__}: {clean(str(error))}"


def _addresses(text: str) -> str:
    text = re.sub(_USERINFO, rf"\1{MASK}@", text)
    text = re.sub(_QUERY, lambda m: _masked(m, m[2]), text)
    return re.sub(_SCHEME, rf"\1 {MASK}", text)


def _masked(found: re.Match[str], name: str) -> str:
    value = 0 if re.fullmatch(_NUMBER, found[found.re.groups]) else ""
    return f"{found[1]}{MASK}" if is_secret(name, value) else found[0]
