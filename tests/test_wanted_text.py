"""What a request wants written."""

from __future__ import annotations

import pytest

from rr_refine.wanted_text import wanted_texts

SURE = [
    ('a poster that says "OPEN"', ["OPEN"]),
    ("a yellow star, an orange circle and the word STOP", ["STOP"]),
    ("a sign that says OPEN in neon", ["OPEN"]),
    ("two signs that say STOP", ["STOP"]),
    ('a poster that says "OPEN" and "SALE"', ["OPEN", "SALE"]),
    ('the words "OPEN" and "SALE" in red', ["OPEN", "SALE"]),
    ("a mug with 'Don't panic' written on it", ["Don't panic"]),
    ('neon sign "OPEN 24/7" and a smaller one "NO DOGS"', ["OPEN 24/7", "NO DOGS"]),
    ('"A" above "A" above "B", as letters', ["A", "B"]),
    ("a t-shirt with the letters ABC", ["ABC"]),
    ("一张海报，上面写着“你好世界”", ["你好世界"]),
    ("看板に「営業中」と書いてある", ["営業中"]),
    ('change the text "OLD" to "NEW"', ["NEW"]),
    ('replace "SALE" with "SOLD OUT"', ["SOLD OUT"]),
    ("把“旧”改成“新”", ["新"]),
    ('remove the word "OLD"', []),
    ('do not write "HELLO"', []),
    ("a cat on a sofa", []),
    ('a 6" cake and a 12" plate', []),
]


@pytest.mark.parametrize(("request_", "texts"), SURE)
def test_it_is_known(request_: str, texts: list[str]) -> None:
    found = wanted_texts(request_)
    assert [one.text for one in found] == texts
    assert all(one.sure for one in found)


@pytest.mark.parametrize(
    ("request_", "texts"),
    [
        ('a "cute" cat', ["cute"]),
        ("a sign saying hello world on a wall", ["hello world"]),
        ("a shop sign reading Happy Birthday with balloons", ["Happy Birthday"]),
        ("a man reading a book", ["a book"]),
    ],
)
def test_it_is_likely(request_: str, texts: list[str]) -> None:
    found = wanted_texts(request_)
    assert [(one.text, one.sure) for one in found] == [(text, False) for text in texts]
