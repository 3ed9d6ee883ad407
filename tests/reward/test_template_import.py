from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from pathlib import Path
from textwrap import dedent

import pytest

from rr_refine.errors import ConfigError
from rr_refine.reward.template import Rubric, Slot, Text, builtin_template, load_template
from rr_refine.reward.template_import import import_template

REQUEST, SOURCE, IMAGE = Slot(slot="request"), Slot(slot="source"), Slot(slot="image")


def card(*blocks: str, language: str = "python") -> str:
    parts = ["# A critic\n\nHow to ask it:\n"]
    parts += [f"```{language}\n{dedent(block).strip()}\n```\n" for block in blocks]
    return "\n".join(parts)


def write(folder: Path, text: str) -> Path:
    path = folder / "README.md"
    path.write_text(text, "utf-8")
    return path


# One made-up critic, asked in many ways of writing code. All build the same messages.
PLAIN = """
def t2i(prompt, image):
    return [
        {"role": "system", "content": "Be a judge."},
        {"role": "user", "content": [
            {"type": "text", "text": f"Wanted: {prompt}\\nSeen: "},
            {"type": "image_url", "image_url": {"url": image}},
            {"type": "text", "text": "\\nMarks?"},
        ]},
    ]
"""
SPLIT_AT_A_MARKER = '''
import base64

def score(answer):
    for line in answer.split("\\n"):
        if line.startswith("Score"):
            return float(line[6:])

def t2i(prompt, image_bytes):
    system_prompt = (
        "Be "
        "a judge."
    )
    encoded = base64.b64encode(image_bytes).decode()
    words = f"""Wanted: {prompt}
Seen: <image>
Marks?"""
    parts = words.split("<image>")
    content = [
        {"type": "text", "text": parts[0]},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}},
    ]
    if len(parts) > 1:
        content.append({"type": "text", "text": parts[1]})
    return [
        {"role": "system", "content": system_prompt},
        {"role": "user", "content": content},
    ]

print(score(ask(t2i("a cat", open("cat.png", "rb").read()))))
'''
MODULE_CONSTANTS = '''
import textwrap
from PIL import Image

SYSTEM: str = "Be a " + "judge."
ASK = textwrap.dedent("""
    Wanted: {request}
    Seen: """).strip("\\n")
ASK += ""
MARKS = "Marks?\\n".strip()

def t2i(image_path: str, request: str, *, strict: bool = True) -> list[dict]:
    """Build the messages."""
    from pathlib import Path
    if not Path(image_path).exists():
        raise FileNotFoundError(image_path)
    with open(image_path, "rb") as file:
        image = Image.open(file)
    messages: list[dict] = [{"role": "system", "content": [{"type": "text", "text": SYSTEM}]}]
    content = []
    content.extend([
        {"type": "text", "text": ASK.format(request=request)},
        {"type": "image", "image": image},
    ])
    content += [{"type": "text", "text": "\\n" + MARKS}]
    messages.append({"role": "user", "content": content})
    return messages
'''
POSITIONAL_FORMAT = """
def t2i(prompt, image):
    wanted = "Wanted: {p}\\nSeen: ".format(p=prompt)
    head, tail = "{}{}|{}".format(wanted, "", "\\nMarks?").split("|")
    first = {"type": "text", "text": head}
    system = {"role": "system", "content": "".join(["Be a ", "judge."])}
    user = {"role": "user", "content": [first, {"type": "image", "image": image}]}
    user["content"].append({"type": "text", "text": tail if tail else "none"})
    return {"model": "m", "messages": [system, user], "temperature": 0.1}
"""
REPLACED = """
class Client:
    async def t2i(self, prompt, image):
        before, _, after = "Wanted: {request}\\nSeen: [pic]\\nMarks?".partition("[pic]")
        return [
            {"role": "system", "content": "Be a judge."},
            {"role": "user", "content": [
                {"type": "text", "text": before.replace("{request}", prompt)},
                {"type": "image_url", "image_url": {"url": self.encode(image)}},
                {"type": "text", "text": after},
            ]},
        ]
"""
T2I = Rubric(
    system="Be a judge.",
    user=(
        Text(text="Wanted: "),
        REQUEST,
        Text(text="\nSeen: "),
        IMAGE,
        Text(text="\nMarks?"),
    ),
)


@pytest.mark.parametrize(
    "code", [PLAIN, SPLIT_AT_A_MARKER, MODULE_CONSTANTS, POSITIONAL_FORMAT, REPLACED]
)
def test_every_way_of_writing_it_gives_the_same_rubric(code: str, tmp_path: Path) -> None:
    template = import_template(write(tmp_path, card(code)), tmp_path / "store")
    assert template.rubrics["t2i"] == T2I
    assert "edit" not in template.rubrics


EDIT_WITH_TWO_FORMATS = '''
def i2i(prompt, source_bytes, edited_bytes):
    task = """Wanted: {request}
1. Before <image>
2. After <image>"""
    rules = """Look twice.
Marks?"""
    words = "{}\\n\\n{}".format(task.format(request=prompt), rules)
    source_b64 = base64.b64encode(source_bytes).decode()
    edited_b64 = base64.b64encode(edited_bytes).decode()
    parts = words.split("<image>")
    content = [
        {"type": "text", "text": parts[0]},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{source_b64}"}},
        {"type": "text", "text": parts[1]},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{edited_b64}"}},
    ]
    if len(parts) > 2:
        content.append({"type": "text", "text": parts[2]})
    return [{"role": "user", "content": content}]
'''


def test_two_pictures_make_the_edit_rubric(tmp_path: Path) -> None:
    path = write(tmp_path, card(PLAIN, EDIT_WITH_TWO_FORMATS))
    template = import_template(path, tmp_path / "store")
    assert template.rubrics["t2i"] == T2I
    assert template.rubrics["edit"] == Rubric(
        user=(
            Text(text="Wanted: "),
            REQUEST,
            Text(text="\n1. Before "),
            SOURCE,
            Text(text="\n2. After "),
            IMAGE,
            Text(text="\n\nLook twice.\nMarks?"),
        )
    )
    ours = builtin_template().rubrics
    assert template.rubrics["pairwise-t2i"] == ours["pairwise-t2i"]
    assert template.rubrics["pairwise-edit"] == ours["pairwise-edit"]


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [
        ("original", "result", [SOURCE, IMAGE]),
        ("result", "original", [IMAGE, SOURCE]),
        ("one", "two", [SOURCE, IMAGE]),
    ],
)
def test_pictures_keep_the_order_of_the_code(
    first: str, second: str, order: list[Slot], tmp_path: Path
) -> None:
    code = f"""
    def ask(prompt, {first}, {second}):
        return [{{"role": "user", "content": [
            {{"type": "image", "image": {first}}},
            {{"type": "image", "image": {second}}},
            {{"type": "text", "text": prompt}},
        ]}}]
    """
    template = import_template(write(tmp_path, card(code)), tmp_path / "store")
    assert list(template.rubrics["edit"].user) == [*order, REQUEST]


@pytest.mark.parametrize("fence", ["```", "````", "~~~", "  ```"])
@pytest.mark.parametrize("language", ["python", "py", ""])
def test_fences(fence: str, language: str, tmp_path: Path) -> None:
    indent = fence.removesuffix(fence.strip())
    code = "\n".join(indent + line for line in PLAIN.strip().splitlines())
    text = f"{fence}bash\npip install critic\n{fence}\n\n{fence}{language}\n{code}\n{fence}\n"
    assert import_template(write(tmp_path, text), tmp_path / "store").rubrics["t2i"] == T2I


def test_a_python_file_and_a_missing_closing_fence(tmp_path: Path) -> None:
    script = tmp_path / "ask.py"
    script.write_text(PLAIN, "utf-8")
    assert import_template(script, tmp_path / "store").rubrics["t2i"] == T2I
    unclosed = write(tmp_path, f"```python\n{PLAIN}")
    assert import_template(unclosed, tmp_path / "store").rubrics["t2i"] == T2I


def test_the_words_decide_the_digest_and_the_file_name_does_not(tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = import_template(write(tmp_path, card(PLAIN)), store)
    (tmp_path / "elsewhere").mkdir()
    again = import_template(write(tmp_path / "elsewhere", card(MODULE_CONSTANTS)), store)
    other = import_template(write(tmp_path, card(PLAIN.replace("Marks?", "Marks!"))), store)
    assert first.digest == again.digest != other.digest
    assert sorted(p.stem for p in store.iterdir()) == sorted([first.digest, other.digest])
    assert load_template(first.digest[:12], store) == again


HOSTILE = """
    import os
    os.system("touch {ran}")
    LEAK = __import__("os").system("touch {ran}")
    PROMPT = f"{{open('{ran}', 'w')}}"

    @os.system("touch {ran}")
    def t2i(prompt=os.system("touch {ran}"), image=None):
        [].__class__.__base__.__subclasses__()
        exec("open('{ran}', 'w')")
        with open("{ran}", "w") as file:
            file.write("here")
        return [{{"role": "user", "content": [
            {{"type": "image", "image": __import__("os").system("touch {ran}")}},
            {{"type": "text", "text": {text}}},
        ]}}]
"""


@pytest.mark.parametrize(
    ("text", "imported"),
    [
        ("prompt", True),
        ("PROMPT + prompt", False),
        ("__import__('os').popen('touch {ran}').read() + prompt", False),
        ("'{{0.__class__.__init__.__globals__}}'.format(prompt)", False),
        ("'{{:>999999999}}'.format(prompt)", False),
        ("'x' * 10**12 + prompt", False),
    ],
)
def test_nothing_is_ever_run(text: str, imported: bool, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    path = write(tmp_path, card(HOSTILE.format(ran=ran, text=text.format(ran=ran))))
    if imported:
        import_template(path, tmp_path / "store")
    else:
        with pytest.raises(ConfigError, match=r"line \d+\), which would have to be run"):
            import_template(path, tmp_path / "store")
    assert not ran.exists()


BODY = """
    def ask(prompt, image):
        content = [{{"type": "text", "text": prompt}}, {{"type": "image", "image": image}}]
        {statement}
        return [{{"role": "user", "content": content}}]
"""


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("for _ in range(2): content.append(1)", "line 8: 'for _ in range"),
        ("while True: pass", "line 8: 'while True: pass'"),
        ("content.reverse()", r"line 8: 'content.reverse\(\)'"),
        ("shuffle(content)", r"line 8: 'shuffle\(content\)'"),
        ("[content.append(1) for _ in prompt]", r"line 8: '\[content.append\(1\)"),
        ("image and content.append(1)", "line 8: 'image and content"),
        ("content.append(1) if image else None", "line 8: 'content.append"),
        ("if image: content.append(1)", r"line 8: 'content.append\(1\)' hangs on a condition"),
        ("if image: return []", r"line 8: 'return \[\]' hangs on a condition"),
        ("content[0] = None", r"line 8: 'content\[0\]' is assigned to"),
        ("del content[0]", r"line 8: 'del content\[0\]'"),
        ("raise NotImplementedError", r"'raise NotImplementedError' \(line 8\)"),
        ("content = content[:1]", r"'content\[:1\]' \(line 8\)"),
        ("content.append({'type': 'text', 'text': image.name})", r"'image.name' \(line 8\)"),
        ("content.append({'type': 'text', 'text': f'{prompt!r}'})", r"'{prompt!r}' \(line 8\)"),
        ("content.append({'type': 'text', 'text': '\\udc80'})", r"\(line 8\)"),
        ("content.append({'type': 'text', 'text': 3})", "neither text nor picture"),
        ("content.append({'type': 'text', 'text': image})", "puts 2 there"),
        ("content.append({'type': 'image', 'image': 1}); content.append(content[2])", "shows 3"),
        ("content = content[1:2] if False else [content[1]]", "puts 0 there"),
        ("content = [content[0]]", "shows 0 pictures"),
        ("return [{'role': 'system', 'content': 'x'}]", "builds no user message"),
        ("return [{'role': 'assistant', 'content': 'x'}]", "one user message, and a system"),
        ("return 'text'", "does not build a list of messages"),
        ("return", "does not build a list of messages"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_says_where(
    statement: str, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path, card(BODY.format(statement=statement)))
    with pytest.raises(ConfigError, match=message) as caught:
        import_template(path, tmp_path / "store")
    assert "\n" not in str(caught.value)
    assert "README.md" in str(caught.value)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# A critic without code", "no Python code block"),
        (card("pip install critic", language="bash"), "no Python code block"),
        (card("def ask(prompt): return prompt"), "no function that|no Python code block"),
        (card("def ask(prompt:\n    return 1"), "line 6: is no Python code"),
        (card(PLAIN, PLAIN.replace("Marks?", "Marks!")), "'t2i' messages, 't2i' and 't2i', and th"),
        (card("x = " + "(" * 500), "is no Python code"),
        (card("def compare_pair(p, a, b): return [{'role': 'user'}]"), "no Python code block"),
    ],
)
def test_files_without_a_template(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        import_template(write(tmp_path, text), tmp_path / "store")
    assert "\n" not in str(caught.value)


def test_many_fences_take_time_in_proportion(tmp_path: Path) -> None:
    start = time.process_time()
    for text in ("```sh\n```\n" * 100_000, "```sh\n~~~\n" * 100_000):
        found = write(tmp_path, text + "```\n" + card(PLAIN))
        with suppress(ConfigError):
            import_template(found, tmp_path / "store")
    assert time.process_time() - start < 10  # by the square, minutes


def test_code_that_grows_without_end_is_cut_off(tmp_path: Path) -> None:
    doubling = "\n        ".join(["text = text + text"] * 60)
    code = BODY.format(statement=f"text = 'x'\n        {doubling}")
    code = code.replace('"content": content', '"content": [*content, text]')
    with pytest.raises(ConfigError, match="have to be run"):
        import_template(write(tmp_path, card(code)), tmp_path / "store")
    nested = "def ask(p, i):\n    t = p" + " + p" * 4000 + "\n    return [{'role': t}]"
    with pytest.raises(ConfigError, match=r"nested too deeply|no Python code"):
        import_template(write(tmp_path, card(nested)), tmp_path / "store")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        import_template(tmp_path / "missing.md", tmp_path)
    binary = tmp_path / "card.md"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        import_template(binary, tmp_path)


@pytest.mark.parametrize(
    "line", ["x = f'{N}'", "open(N).y = 3", "x = (N)()", "x = 'a'.split('b', N)", "x = {**N}"]
)
def test_a_number_too_long_to_write_is_no_fault_of_ours(line: str, tmp_path: Path) -> None:
    long = line.replace("N", "0x" + "f" * 5_000)
    code = PLAIN.replace("    return [", f"    {long}\n    return [", 1)
    with pytest.raises(ConfigError) if ".y" in line else nullcontext():
        import_template(write(tmp_path, card(code)), tmp_path)
