"""A key that a server repeats: nobody reads it in a message, and no record keeps it.

It is found as it is, and as texts are written in other texts: escaped for JSON or HTML, quoted for
a URL, in base64 or hexadecimal digits, and with characters in between that are not seen. A server
that wants to hide it can do so in a hundred other ways; this is for those that echo what they got.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from typing import Final

from rr_refine.redaction import MASK, keep_hidden

__all__ = ["KeyMask", "TooMuchTextError"]

_WORD: Final = 8
"""Characters from which on a key is one wherever it stands; a shorter one may be a word."""
_TEXT: Final = 2**22
"""Most bytes of an answer that are looked through; pictures are not."""
_READ: Final = 2**16
"""Bytes of a picture or of another long text that are looked through: of a text in an answer of so
many bytes nobody reads or keeps more."""
_QUOTES: Final = 400_000
"""Most quotation marks in an answer that holds a picture."""

_SEEN: Final = bytes(range(0x21, 0x7F))
_UNSEEN: Final = bytes(sorted({*range(256)} - {*_SEEN}))
_SPACE: Final = rb"(?<!\\)\\++(?:[nrtbf]|u(?!00[2-7])[0-9a-fA-F]{4})"
_SPELT: Final = (
    rb"(?i)(?<!\\)\\++(?:u00|x)([2-7][0-9a-f])|%(?:25)*([0-9a-f]{2})"
    rb"|&#(?:x0*([0-9a-f]{1,6})|0*([0-9]{1,7}));|&(amp|lt|gt|quot|apos|shy|nbsp|zwn?j);"
)
_NAMED: Final = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
_COLOUR: Final = rb"(?:\x1b|(?<!\\)\\{1,8}(?i:u001b|x1b))\[[0-9;]{0,12}[A-Za-z]"
_GAP: Final = (
    rb"(?:" + _COLOUR + rb"|[^!-~]|\\{1,8}[nrtbf]|\\{1,8}(?i:u(?!00[2-7])[0-9a-f]{4})"
    rb"|%(?:25)?(?i:[0189a-f][0-9a-f]|20|7f)|&(?:shy|nbsp|zwn?j);"
    rb"|&#(?:0*(?!(?:3[3-9]|[4-9]\d|1[01]\d|12[0-6]);)\d{1,7}"
    rb"|(?i:x0*(?!(?:2[1-9a-f]|[3-7][0-9a-f]);)[0-9a-f]{1,6}));)*+"
)
"""What may stand between two characters without being seen."""


class TooMuchTextError(Exception):
    """There is more text than any answer has."""


class KeyMask:
    """Takes one key out of texts.

    Args:
        key: what is sent as the key; None masks nothing.
    """

    def __init__(self, key: str | None) -> None:
        self._key = (key or "").encode()
        self._is_word = len(self._key) < _WORD
        """It may stand in an answer by chance."""
        if key and not self._is_word:
            keep_hidden(key)
        coded = [] if self._is_word else [self._key]
        coded += [text for text in _base64_of(self._key) if len(text) >= _WORD]
        self._forms = tuple(dict.fromkeys(coded))
        self._hex = self._key.hex().encode() if len(self._key) > 3 else b""

    def words(self, text: str) -> str:
        """Words of a server without the key, a short one too where it stands alone."""
        found = text.encode(errors="surrogatepass")
        found = self._masked(self._alone(found))
        return found.decode(errors="surrogatepass") if found != b"" or not text else MASK

    def answer(self, body: bytes) -> bytes:
        """The body of an answer without the key.

        Keys of few letters that might be a word, or of a few digits, stay in it.

        Raises:
            TooMuchTextError: there are more than 4 MiB beside pictures and long texts.
        """
        if not self._key:
            return body
        if len(body) <= _TEXT:
            return self._text(body)
        parts: list[bytes] = []
        text = 0
        for is_long, part in _parts(body):
            end = _READ if is_long else len(part)
            text += end
            if text > _TEXT:
                raise TooMuchTextError
            parts += (self._text(part[:end]), self._without(part[end:]))
        return b"".join(parts)

    def _text(self, text: bytes) -> bytes:
        mixed = len(self._key) > 3 and not (self._key.isalpha() or self._key.isdigit())
        return self._masked(self._alone(text) if mixed else text)

    def _without(self, rest: bytes) -> bytes:
        for form in (self._key, self._key.replace(b"/", rb"\/")):
            rest = rest if self._is_word else rest.replace(form, MASK.encode())
        return rest

    def _alone(self, text: bytes) -> bytes:
        """Without a short key that no letter or digit stands beside."""
        if not (self._key and self._is_word):
            return text
        gap = rb"(?:[\x80-\xff]|\\{1,8}(?i:u(?!00[2-7])[0-9a-f]{4}))*+"
        pattern = rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf]))%b(?![A-Za-z0-9])"
        return re.sub(pattern % _pattern(self._key, gap), MASK.encode(), text)

    def _masked(self, text: bytes) -> bytes:
        """Without the forms of the key that are in it; empty if one cannot be taken out."""
        for form in self._found(text):
            pattern = _pattern(form, _GAP)
            if form == self._hex:
                pattern = rb"(?i:%b)" % _pattern(form, rb"(?:[:,-]|" + _GAP[3:])
            text = re.sub(pattern, b"***", text)
        return b"" if any(self._found(text)) else text

    def _found(self, text: bytes) -> Iterator[bytes]:
        if not self._key:
            return
        plain = _plain(text)
        for form in self._forms:
            if form in text or form.translate(None, b"\\") in plain:
                yield form
        if self._hex and self._hex in plain.lower().translate(None, b":,-"):
            yield self._hex


def _plain(text: bytes) -> bytes:
    """What is seen of a text in the end: nothing is escaped, no blank or invisible character."""
    if b"1b[" in text.lower() or b"\x1b[" in text:
        text = re.sub(_COLOUR, b"", text)
    text = text.translate(None, _UNSEEN)
    if b"\\" in text:
        text = re.sub(_SPACE, b"", text)
    if any(sign in text for sign in (b"\\", b"%", b"&")):
        text = re.sub(_SPELT, _sign, text).translate(None, b"\\")
    return text


def _sign(found: re.Match[bytes]) -> bytes:
    """The character that is spelt; nothing for one that is not seen."""
    escaped, quoted, hexadecimal, decimal, name = found.groups()
    if name is not None:
        return _NAMED.get(name.lower(), b"")
    number = int(decimal) if decimal else int(escaped or quoted or hexadecimal, 16)
    return bytes([number]) if number < 256 and number in _SEEN else b""


def _pattern(form: bytes, gap: bytes) -> bytes:
    """Matches a form of the key, however each of its characters is spelt."""
    return gap.join(map(_spellings, form))


def _spellings(number: int) -> bytes:
    digits, sign = b"%02x" % number, bytes([number])
    ways = [
        rb"\\{0,8}" + re.escape(sign),
        rb"\\{1,8}(?i:(?:u00|x)%b)" % digits,
        rb"%%(?:25)*(?i:%b)" % digits,
        rb"&#(?:0*%d|(?i:x0*%b));" % (number, digits),
    ]
    if (named := html.escape(sign.decode()).encode()) != sign:
        ways.append(named)
    return b"(?:%b)" % b"|".join(ways)


def _base64_of(key: bytes) -> Iterator[bytes]:
    """What base64 makes of it in the middle of something, wherever its first byte falls."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + key)
        sure = text[-(-before * 8 // 6) : (before + len(key)) * 8 // 6]
        yield sure
        yield sure.translate(bytes.maketrans(b"+/", b"-_"))


def _parts(body: bytes) -> Iterator[tuple[bool, bytes]]:
    """A body in pieces, and whether each is one long string: a picture in base64, mostly."""
    if body.count(b'"') > _QUOTES:
        raise TooMuchTextError
    start = begin = 0
    while (end := body.find(b'"', begin)) >= 0:
        if end - begin > _READ:
            yield False, body[start:begin]
            yield True, body[begin:end]
            start = end
        begin = end + 1
    yield False, body[start:]
