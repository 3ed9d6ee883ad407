"""A key that a server repeats is in no answer, however it is written."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from rr_refine.endpoint.key_mask import KeyMask, TooMuchTextError

KEYS = ("sk-Ab/c+12=456&789Z", "0123456789abcdef0123456789abcdef", "sk-proj-" + "aZ9_" * 400)
WAYS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "url": quote,
    "url whole": lambda key: quote(key, safe=""),
    "url twice": lambda key: quote(quote(key, safe=""), safe=""),
    "url of every letter": lambda key: "".join(f"%{ord(c):02x}" for c in key),
    "html": html.escape,
    "html numbers": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "html hexadecimal": lambda key: "".join(f"&#x{ord(c):X};" for c in key),
    "json in json": lambda key: json.dumps(json.dumps(key.replace("/", r"\/"))),
    "numbers in json": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "numbers twice": lambda key: "".join(f"\\\\u{ord(c):04x}" for c in key),
    "python": lambda key: "".join(f"\\x{ord(c):02x}" for c in key),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of a header": lambda key: base64.b64encode(f"Bearer {key} ".encode()).decode(),
    "base64 of a pair": lambda key: base64.b64encode(f"me:{key}".encode()).decode(),
    "base64 for urls": lambda key: base64.urlsafe_b64encode(f"?{key}".encode()).decode(),
    "base64 in lines": lambda key: base64.encodebytes(key.encode()).decode().replace("\n", "\\n"),
    "base64 of php": lambda key: base64.b64encode(key.encode()).decode().replace("/", "\\/"),
    "hexadecimal": lambda key: key.encode().hex(),
    "HEXADECIMAL": lambda key: key.encode().hex().upper(),
    "hexadecimal in pairs": lambda key: key.encode().hex(" "),
    "hexadecimal with colons": lambda key: key.encode().hex(":"),
    "colours": "\x1b[31m".join,
    "colours in json": "\\u001b[0;31m".join,
    "zero width": "\u200b".join,
    "zero width once": lambda key: key[:5] + "\u200b" + key[5:],
    "joiners": "\u2060\ufeff".join,
    "soft hyphens": "\u00ad".join,
    "direction": "\u202e".join,
    "variation": "\ufe0f".join,
    "zero width in json": "\\u200b".join,
    "zero width in a url": "%E2%80%8B".join,
    "zero width in html": "&#8203;".join,
    "blanks": " ".join,
    "lines": "\\n".join,
}


def letters(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isalnum())


@pytest.mark.parametrize("key", KEYS, ids=["signs", "digits", "long"])
@pytest.mark.parametrize("way", WAYS)
def test_a_key_is_masked_however_it_is_written(key: str, way: str) -> None:
    mask, spelt = KeyMask(key), WAYS[way](key)
    assert (
        mask.words(f"bad key <{spelt}>, try again")
        in (
            "bad key <***>, try again",
            'bad key <"\\"***\\"">, try again',  # of JSON in JSON the quotes stay
            "bad key <" + spelt[:3] + "***" + spelt[-3:] + ">, try again",
        )
        or not set(_windows(letters(spelt)))
        & set(_windows(letters(mask.words(f"bad key <{spelt}>, try again"))))
    )
    body = f'{{"error": "bad key {spelt}", "data": [{{"id": "m-{spelt}."}}]}}'.encode()
    found = mask.answer(body)
    assert found.count(b"***") == 2
    assert not set(_windows(letters(spelt))) & set(_windows(letters(found.decode())))


def _windows(text: str) -> list[str]:
    """Every nine letters in a row: less is no key, and what stands around one may have them."""
    return [text[i : i + 9] for i in range(4, len(text) - 12)]


@pytest.mark.parametrize("key", ["none", "EMPTY", "dummy", "1234", "a", "sk-1", "pw12!"])
def test_a_short_key_is_masked_where_it_stands_alone(key: str) -> None:
    assert KeyMask(key).words(f"the key '{key}' is wrong") == "the key '***' is wrong"
    assert KeyMask(key).words(f"the key 'b{key}b' is wrong") == f"the key 'b{key}b' is wrong"


@pytest.mark.parametrize("key", ["none", "EMPTY", "score", "1024", "a", "4", ""])
def test_an_answer_keeps_what_may_be_a_word(key: str) -> None:
    body = f'{{"content": "a none EMPTY score of 4 at 1024 {key}"}}'.encode()
    assert KeyMask(key).answer(body) == body


@pytest.mark.parametrize("key", ["sk-12", "pw12!", "x7y"])
def test_and_not_what_is_none(key: str) -> None:
    body = f'{{"content": "it says {key}"}}'.encode()
    kept = len(key) < 4
    assert KeyMask(key).answer(body) == (body if kept else b'{"content": "it says ***"}')


def test_other_words_stay() -> None:
    body = json.dumps(
        {"content": "100% of it & more: C:\\new\\table, caf\u00e9 %41 &amp; \u200b \\u0041 "}
    ).encode()
    assert KeyMask(KEYS[0]).answer(body) == body
    assert KeyMask(None).answer(body) == body


SIZE = 80_000_000
LARGE = {
    "picture": b'{"data":[{"b64_json":"' + b"iVBORw0KGg/+" * (SIZE // 12) + b'"}]}',
    "picture of php": b'{"data":[{"b64_json":"' + b"iVBORw0KGg\\/+" * (SIZE // 13) + b'"}]}',
    "escapes": b'{"a":"' + rb"\u0073" * (SIZE // 6) + b'"}',
    "letters": b'{"a":"' + b"s " * (SIZE // 2) + b'"}',
    "beginnings": b'{"a":"' + b"sk-Ab!" * (SIZE // 6) + b'"}',
}
TOO_MUCH = {
    "backslashes": b"\\" * SIZE,
    "quotes": b'"' * SIZE,
    "many strings": b'{"a":"' + b'","'.join([b"s" * 200] * 390_000),
    "long strings": b'{"a":"' + b'","'.join([b"s" * 70_000] * 1_000),
}


@pytest.mark.parametrize("what", LARGE)
def test_one_long_text_is_soon_looked_through(what: str) -> None:
    started = time.process_time()
    assert KeyMask(KEYS[0]).answer(LARGE[what]) == LARGE[what]
    assert time.process_time() - started < 1.5


@pytest.mark.parametrize("what", TOO_MUCH)
def test_more_text_than_any_answer_has_is_soon_refused(what: str) -> None:
    started = time.process_time()
    with pytest.raises(TooMuchTextError):
        KeyMask(KEYS[0]).answer(TOO_MUCH[what])
    assert time.process_time() - started < 1.5


@pytest.mark.parametrize("what", [*LARGE, *TOO_MUCH])
def test_and_as_much_as_there_may_be_is_soon_read(what: str) -> None:
    started = time.process_time()
    KeyMask(KEYS[0]).answer((LARGE | TOO_MUCH)[what][: 2**21])
    KeyMask("pw12!").answer((LARGE | TOO_MUCH)[what][: 2**21])
    assert time.process_time() - started < 3


def test_a_key_in_and_behind_a_picture() -> None:
    key, picture = "AbCd1234EfGh", "iVBORw0KGgo" * 500_000
    body = f'{{"b64_json": "{key}{picture}{key}", "revised_prompt": "a{quote(key)}b"}}'
    found = KeyMask(key).answer(body.encode())
    assert found == body.replace(key, "***").encode()
