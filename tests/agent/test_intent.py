from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rr_refine.agent.intent import ProtectedSpan, find_spans, is_repeat, lost_spans, problems

# -- what is protected -------------------------------------------------------------------------

FOUND: list[tuple[str, list[str]]] = [
    # Quotes of every kind.
    ('a sign saying "OPEN"', ["quoted OPEN"]),
    ("a sign saying 'OPEN'", ["quoted OPEN"]),
    ("a sign saying “OPEN”", ["quoted OPEN"]),
    ("a sign saying ‘OPEN’", ["quoted OPEN"]),
    ("auf dem schild steht „OFFEN“", ["quoted OFFEN"]),
    ("auf dem schild steht „OFFEN” geschrieben", ["quoted OFFEN"]),
    ("auf dem schild steht »OFFEN« geschrieben", ["quoted OFFEN"]),
    ("une enseigne «OUVERT»", ["quoted OUVERT"]),
    ("une enseigne ‹OUVERT›", ["quoted OUVERT"]),
    ("写着“你好”的牌子", ["quoted 你好"]),
    ("「営業中」と書かれた看板", ["quoted 営業中"]),
    ("『猫』という本", ["quoted 猫"]),
    ("一本《红楼梦》", ["quoted 红楼梦"]),
    ('"A" and "B"', ["quoted A", "quoted B"]),
    ('the words "two\tlines" on it', ["quoted two\tlines"]),
    ('"' + "long " * 100 + '"', ["quoted " + "long " * 100]),
    ('"she said ‘hi’ to me"', ["quoted she said ‘hi’ to me"]),
    ('"OPEN", "OPEN" and "OPEN" again', ["quoted OPEN"]),
    # Marks that quote nothing.
    ('a "" sign and a " " sign', []),
    ('one quote " only', []),
    ('"over\nseveral lines"', []),
    ('a 12" pizza beside a 9" one', ["number 12", "number 9"]),
    ('a 12" pizza named "Mario"', ["quoted Mario", "number 12"]),
    # Apostrophes.
    ("don't show the cat's tail", []),
    ("the dogs' bowls and the cats' toys", []),
    ("rock 'n' roll", ["quoted n"]),
    ("'tis a sign saying 'OPEN'", ["quoted OPEN"]),
    ("a sign 'don't stop' in red", ["quoted don't stop"]),
    ("a sign ‘don’t stop’ in red", ["quoted don’t stop"]),
    ('a sign "don\'t stop" in red', ["quoted don't stop"]),
    # Numbers.
    ("3 cats", ["number 3"]),
    (
        "three cats and Two dogs at Forty Winks",
        ["number three", "number two", "number forty", "name Winks"],
    ),
    ("one cat, the one on the left", []),
    ("1 cat", ["number 1"]),
    ("twenty-one candles", ["number twenty-one"]),
    ("ninety candles, a dozen eggs", ["number ninety", "number dozen"]),
    ("a 3.5 litre jug", ["number 3.5"]),
    ("a 3,5 litre jug", ["number 3,5"]),
    ("1,000 birds. 2 cats", ["number 1,000", "number 2"]),
    ("in 1984", ["number 1984"]),
    ("ratio 16:9, at f/1.8", ["number 16:9", "number 1.8"]),
    ("red,3 cats.5 dogs", ["number 3", "number 5"]),
    ("3只猫", ["number 3"]),
    ("a 19th-Century house", ["name Century"]),
    ("a weightless often-tense pattern", []),
    ("a 4k render at 1.5x, 35mm, v2", []),
    # Names.
    ("a photo of Paris", ["name Paris"]),
    ("Paris at night", []),
    ("The Eiffel Tower at night", ["name Eiffel Tower"]),
    ("a cat in New York City, Ukiyo-e style", ["name New York City", "name Ukiyo-e"]),
    ("a cat. Sitting on a mat", []),
    ("a cat!  Sitting on a mat\nLooking out", []),
    ('a cat. "Sitting" on (A mat', ["quoted Sitting"]),
    ("a mug by (Bauhaus, 1923)", ["number 1923", "name Bauhaus"]),
    ("Picasso's dog and Picasso’s cat by O'Brien's", ["name Picasso", "name O'Brien"]),
    ("the sky when I'm there and I see", []),
    ("a BIG RED DOG by NASA", []),
    ("a film by Kodak ABC", ["name Kodak ABC"]),
    ("un portrait d'Émile Zola", ["name Zola"]),
    ("portrait of Émile Zola", ["name Émile Zola"]),
    ("портрет Анны Карениной", ["name Анны Карениной"]),
    ("style: Art Nouveau", ["name Art Nouveau"]),
    ('the "HELLO" Bar', ["quoted HELLO", "name Bar"]),
    # Weights and LoRAs.
    ("a (red hat:1.3) and (blue:2)", ["weight (red hat:1.3)", "weight (blue:2)"]),
    ("a (red hat) and (a: b)", []),
    ("<lora:pixel-art:0.8> a cat", ["lora <lora:pixel-art:0.8>"]),
    ("a <LoRA:Foo> <hypernet:bar:1>", ["lora <LoRA:Foo>", "lora <hypernet:bar:1>"]),
    ("a <b> c", []),
    (
        'a (sign "OPEN 3":1.2) by Monet',
        ['weight (sign "OPEN 3":1.2)', "name Monet"],
    ),
    # Quoted as it stands, though a weight is inside.
    ('"a (red:1.3) b"', ["weight (red:1.3)", "quoted a (red:1.3) b"]),
    ("(<lora:x:1> red:1.2)", ["lora <lora:x:1>", "weight (<lora:x:1> red:1.2)"]),
    ("", []),
]


@pytest.mark.parametrize(("prompt", "expected"), FOUND)
def test_what_is_protected(prompt: str, expected: list[str]) -> None:
    assert [f"{s.kind} {s.text}" for s in find_spans(prompt)] == expected


def test_the_user_protects_more_by_hand() -> None:
    spans = find_spans('a cat, "hi"', keep=["soft light", "", "  ", "soft light"])
    assert [(s.kind, s.text) for s in spans] == [("kept", "soft light"), ("quoted", "hi")]


# -- what a rewrite may do ---------------------------------------------------------------------

ALLOWED: list[tuple[str, str]] = [
    ("3 cats and 2 dogs", "2 dogs beside 3 cats, in soft light"),
    ("3 cats", "three cats"),
    ("three cats", "exactly 3 cats."),
    ("Three cats", "THREE cats"),
    ("1 cat", "one cat"),
    ("12 eggs", "twelve eggs"),
    ("12 eggs", "a dozen eggs"),
    ("twelve eggs", "a dozen eggs"),
    ("twenty-one candles", "21 candles"),
    ("100 birds", "a hundred birds"),
    ("two cats", "a two-cat portrait"),
    ("the sign says 'OPEN'", 'a sign that reads "OPEN"'),
    ("the sign says «OPEN»", "the sign OPEN, large"),
    ("写着“你好”的牌子", "牌子上写着你好两个字"),
    ('a sign "two  words"', 'a sign "two words"'),
    ("a photo of Paris", "paris, a photo"),
    ("Picasso's dog is by Picasso", "a dog in the manner of PICASSO"),
    ("a cat in New York", "New\nYork, a cat"),
    ("a straße in Gießen", "a street in GIESSEN"),
    ("a (red hat:1.3)", "a tall (red  hat:1.3), sharp"),
    ("<lora:x:0.8> a cat", "a fine cat <lora:x:0.8>"),
    ("a cat", "something else entirely"),
    ("a cat\x07", "a cat, no bell"),
    ("a\x1b cat", "a\x1b cat, as in the request"),
    ("a cat", "a cat\n\tand a tab\r"),
]


@pytest.mark.parametrize(("original", "rewrite"), ALLOWED)
def test_a_rewrite_may(original: str, rewrite: str) -> None:
    assert problems(rewrite, find_spans(original), original=original) == []


FORBIDDEN: list[tuple[str, str, str]] = [
    ("3 cats", "cats", "it lost the number '3'"),
    ("3 cats", "33 cats", "it lost the number '3'"),
    ("3 cats", "3.5 cats", "it lost the number '3'"),
    ("10 cats", "10,000 cats", "it lost the number '10'"),
    ("3 cats", "3d cats", "it lost the number '3'"),
    ("three cats", "thirteen cats", "it lost the number 'three'"),
    ("twenty-one candles", "twenty candles", "it lost the number 'twenty-one'"),
    ("twenty candles", "twenty-one candles", "it lost the number 'twenty'"),
    ("3.5 litres", "3 or 5 litres", "it lost the number '3.5'"),
    ("in 1984", "in the eighties", "it lost the number '1984'"),
    ('a sign "OPEN"', 'a sign "Open"', "it lost the quoted 'OPEN'"),
    ('a sign "OPEN"', 'a sign "OPENING"', "it lost the quoted 'OPEN'"),
    ('a sign "OPEN"', 'a sign "REOPEN"', "it lost the quoted 'OPEN'"),
    ('a sign "OPEN NOW"', 'a sign "OPEN"', "it lost the quoted 'OPEN NOW'"),
    ("写着“你好”", "写着“您好”", "it lost the quoted '你好'"),
    ("a photo of Paris", "a photo of a city", "it lost the name 'Paris'"),
    ("a photo of Paris", "a photo of Parisians", "it lost the name 'Paris'"),
    ("портрет Анны", "портрет Анныча", "it lost the name 'Анны'"),
    ("a (red hat:1.3)", "a (red hat:1.2)", "it lost the weight '(red hat:1.3)'"),
    ("a (red hat:1.3)", "a red hat", "it lost the weight '(red hat:1.3)'"),
    ("<lora:x:0.8> a cat", "a cat", "it lost the lora '<lora:x:0.8>'"),
    ("<lora:x:0.8> a cat", "<lora:X:0.8> a cat", "it lost the lora '<lora:x:0.8>'"),
    ("a cat", "", "it is empty"),
    ("a cat", " \n\t", "it is empty"),
    ("a cat", "a cat\x1b[2J", "it holds control characters"),
    ("a cat", "a cat\x00", "it holds control characters"),
    ("a cat", "a cat\x7f", "it holds control characters"),
    ("a cat", "a cat\x9b2J", "it holds control characters"),
    ("a cat", "a " * 2100, "it is 4200 characters long, more than 4020"),
]


@pytest.mark.parametrize(("original", "rewrite", "problem"), FORBIDDEN)
def test_a_rewrite_may_not(original: str, rewrite: str, problem: str) -> None:
    assert problems(rewrite, find_spans(original), original=original) == [problem]


def test_everything_that_is_wrong_is_named() -> None:
    spans = find_spans('2 cats by Monet, "hi"', keep=["soft light"])
    assert problems("A dog ", spans, avoid=["dog"], tried=["a  DOG."]) == [
        "it repeats an earlier prompt",
        "it lost the kept 'soft light'",
        "it lost the quoted 'hi'",
        "it lost the number '2'",
        "it lost the name 'Monet'",
        "it says 'dog', which is to be avoided",
    ]


@pytest.mark.parametrize(
    ("keep", "rewrite", "held"),
    [
        ("soft light", "a cat in Soft  Light", True),
        ("soft light", "a cat in soft lighting", False),
        ("C++", "a C++ logo", True),
        ("--ar 16:9", "a cat --ar 16:9", True),
        ("gato", "a gato_negro", True),
        ("кот", "который", False),
        ("猫", "黒猫です", True),
    ],
)
def test_kept_words(keep: str, rewrite: str, held: bool) -> None:
    assert (problems(rewrite, find_spans("", [keep])) == []) is held


@pytest.mark.parametrize(
    ("avoid", "original", "rewrite", "said"),
    [
        ("dog", "a cat", "a cat and a Dog", True),
        ("dog", "a cat", "a cat and a dogma", False),
        ("dog", "a cat, no dog", "a dog beside a cat", False),  # the user says it as well
        ("dog", "a dogma", "a dog", True),
        ("art", "a cat", "a start", False),
        ("big dog", "a cat", "a big\ndog", True),
        ("кот", "a cat", "кот", True),
        ("кот", "a cat", "который", False),
        ("猫", "犬", "黒猫です", True),
        ("", "cat", "a b c.", False),
        ("  ", "cat", "a b c.", False),
    ],
)
def test_words_to_avoid(avoid: str, original: str, rewrite: str, said: bool) -> None:
    found = problems(rewrite, (), avoid=[avoid], original=original)
    assert found == ([f"it says {avoid!r}, which is to be avoided"] if said else [])


@pytest.mark.parametrize(
    ("prompt", "earlier", "same"),
    [
        ("a cat", ["a cat"], True),
        ("a cat", ["a dog", " A  Cat. "], True),
        ("a cat...", ["a cat"], True),
        ("a cat", ["a cat!"], False),
        ("a cat", [], False),
        ("STRASSE", ["straße"], True),
    ],
)
def test_repeats(prompt: str, earlier: list[str], same: bool) -> None:
    assert is_repeat(prompt, earlier) is same


# -- properties --------------------------------------------------------------------------------

# Text that is dense in all that the patterns look for.
_PIECES = st.sampled_from(
    [
        *["'", '"', "“", "”", "„", "«", "»", "‘", "’", "「", "」", "(", ")", ":", "<", ">", "-"],
        *[" ", "  ", "\n", ".", ",", "_", "…", "\t", "\x07", "\u0345", "\u0301", "ß", "ſix", "İ"],
        *["1", "3.5", "12", "two", "Twenty", "-one", "dozen", "x", "Paris", "O'Brien's", "NASA"],
        *["I'm", "Σ", "ς", "猫", "кот", "Кот", "lora:", "<lora:a:1>", "(a:1.2)", '"b c"'],
    ]
)
_TEXT = st.text() | st.lists(_PIECES, max_size=12).map("".join)


@settings(max_examples=2000, deadline=None)
@given(_TEXT)
@example('"a (red:1.3) b"')
@example("(<lora:x:1> red:1.2)")
@example("of Paris\u0345")
@example("ſix")
@example("0Àa")
@example("1.5x 3")
@example('say "\x07"')
def test_a_request_holds_its_own_spans(prompt: str) -> None:
    spans = find_spans(prompt)
    assert problems(prompt, spans, original=prompt) == ([] if prompt.strip() else ["it is empty"])
    repeat = problems(prompt, spans, original=prompt, tried=[prompt])
    assert not prompt.strip() or repeat == ["it repeats an earlier prompt"]


@settings(max_examples=500, deadline=None)
@given(_TEXT, _TEXT)
def test_and_so_it_does_with_a_sentence_behind_it(prompt: str, more: str) -> None:
    spans = find_spans(prompt)
    longer = f"{prompt}. {more}"
    lost = [p for p in problems(longer, spans, original=longer) if p.startswith("it lost")]
    assert lost == []


@settings(max_examples=500, deadline=None)
@given(_TEXT)
def test_spans_are_pieces_of_the_request(prompt: str) -> None:
    for span in find_spans(prompt):
        folded = span.kind == "number"
        assert span.text in (prompt.lower() if folded else prompt)
        assert span.text.strip()


# -- long and hostile --------------------------------------------------------------------------

HOSTILE = {
    "open quotes": '"',
    "open curly quotes": "“",
    "open low quotes": "„",
    "open guillemets": "«",
    "open single quotes": " '",
    "apostrophes": "a'",
    "open parentheses": "(",
    "weights that do not close": "(a:1",
    "colons": "(a:1:",
    "LoRAs that do not close": "<lora:",
    "capitals and dashes": "A-",
    "capitals and apostrophes": "A'",
    "digits": "1",
    "digits and dots": "1.",
    "digits and colons": "1:",
    "dashes": "-",
    "newlines": "\n",
    "names": "Aa ",
    "names apart": "Aa, ",
    "tens": "twenty-",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_time_in_proportion(name: str) -> None:
    """A pattern that goes back over the text would take hours here, not a moment."""
    unit = HOSTILE[name]
    prompt = "x" + unit * (200_000 // len(unit)) + "x"
    spans = find_spans(prompt)
    assert problems(prompt, spans, original=prompt) == []


def test_many_spans_take_time_in_proportion() -> None:
    prompt = ", ".join(f'Name{i} {i} "word{i}"' for i in range(3000))
    spans = find_spans(prompt)
    assert len(spans) == 3 * 3000 - 1  # the first word is no name
    assert problems(prompt, spans, original=prompt) == []


def test_a_rewrite_beyond_all_measure_is_not_searched_through() -> None:
    spans = (ProtectedSpan(kind="kept", text="b"),)
    assert problems("a" * 10**7, spans) == ["it is 10000000 characters long, more than 4000"]


# -- many of them -----------------------------------------------------------------------------

MANY = {
    "names": lambda number: f"Na{number:x} and",
    "names with the same first word": lambda number: f"Aa B{number:x} and",
    "quotes": lambda number: f'"n{number}" and',
    "quotes without spaces": lambda number: f'"猫{number}"',
    "weights": lambda number: f"(n{number}:1.2)",
    "LoRAs": lambda number: f"<lora:n{number}>",
}


@pytest.mark.parametrize("kind", MANY)
def test_many_spans_of_a_kind_take_time_in_proportion(kind: str) -> None:
    def seconds(count: int) -> float:
        prompt = " ".join(map(MANY[kind], range(count)))
        spans = find_spans(prompt)
        assert len(spans) >= count - 1
        began = time.process_time()
        assert lost_spans(prompt, spans) == ()
        return time.process_time() - began

    assert seconds(16_000) < 8 * max(seconds(4_000), 0.05)


@pytest.mark.parametrize("tail", ["", "Xy"])
def test_long_words_that_nearly_match(tail: str) -> None:
    names = ["Xyz " * number + tail for number in range(20, 80)]
    spans = [ProtectedSpan(kind="name", text=name) for name in names]
    assert lost_spans("xyz " * 500, spans) == (tuple(spans) if tail else ())
