"""Files with columns that lie about what is in them."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable
from pathlib import Path

import pyarrow
import pyarrow.ipc
import pytest
from pyarrow import parquet
from pydantic import BaseModel

from rr_refine.errors import ConfigError
from rr_refine.plain_text import is_hidden
from rr_refine.reward.preferences import columns as preference_columns
from rr_refine.reward.preferences.columns import parquet_columns, read_columns
from rr_refine.reward.preferences.rows import read_rows as read_rows_of
from rr_refine.training.nft.data import read_rows


class Row(BaseModel):
    """What is looked for."""

    prompt: str


LONG = 54_321
"""A length that stands nowhere else in the files."""
PICTURE = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])


def columns() -> dict[str, pyarrow.Array]:
    """One row each, whose offset or index is to be patched."""
    text = "p" * LONG
    codes = pyarrow.array([0, 0, 1], pyarrow.int32())
    return {
        "text": pyarrow.array([text]),
        "binary": pyarrow.array([text.encode()]),
        "nested": pyarrow.array([{"bytes": text.encode(), "path": None}], PICTURE),
        "list": pyarrow.array([list(range(LONG))], pyarrow.list_(pyarrow.int32())),
        "map": pyarrow.array([[(text, 1)]], pyarrow.map_(pyarrow.string(), pyarrow.int32())),
        "large": pyarrow.array([text], pyarrow.large_string()),
        "codes": pyarrow.DictionaryArray.from_arrays(codes, ["a", text]),
        "view": pyarrow.array([text], pyarrow.string_view()),
    }


def stored(column: pyarrow.Array, *, stream: bool = True, compression: str | None = None) -> bytes:
    batch = pyarrow.record_batch([column], names=["prompt"])
    out = io.BytesIO()
    make = pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file
    options = pyarrow.ipc.IpcWriteOptions(compression=compression)
    with make(out, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return out.getvalue()


def save(file: Path, table: pyarrow.Table) -> None:
    if file.suffix == ".parquet":
        parquet.write_table(table, file, compression="none", store_schema=False)
        return
    with pyarrow.ipc.new_file(str(file), table.schema) as writer:
        writer.write_table(table)


def patched(data: bytes, form: str, old: Iterable[int], new: Iterable[int]) -> bytes:
    """With the last of the places changed; there may be an equal one in the head."""
    before, found, after = data.rpartition(struct.pack(form, *old))
    assert found
    return before + struct.pack(form, *new) + after


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("name", "form", "old", "new"),
    [
        *(
            (name, "<ii", (0, LONG), new)
            for name in ("text", "binary", "nested", "list", "map")
            for new in [
                *((start, 0) for start in (-48, -200_000, -2_000_000_000, -(2**31))),
                *((start, start + 20) for start in (-60_000, 0x70000000)),
                *((0, end) for end in (LONG + 64, 400_000, 2**31 - 1, -1)),
            ]
        ),
        *(
            ("large", "<qq", (0, LONG), new)
            for new in [(-48, 0), (-(2**40), 0), (0, 2**40), (2**62, 2**62 + 20)]
        ),
        *(("codes", "<iii", (0, 0, 1), (0, 0, new)) for new in (2, -1, 2**31 - 1, -(2**31))),
        *(("view", "<i4sii", (LONG, b"pppp", 0, 0), new) for new in [(2**30, b"pppp", 0, 0)]),
        *(("view", "<i4sii", (LONG, b"pppp", 0, 0), (40, b"pppp", b, o)) for b, o in [(9, 0)]),
        *(("view", "<i4sii", (LONG, b"pppp", 0, 0), (40, b"pppp", 0, o)) for o in [-48, 2**30]),
    ],
)
def test_what_lies_outside_of_the_file_is_not_read(
    tmp_path: Path, name: str, form: str, old: tuple[int, ...], new: tuple[int, ...], stream: bool
) -> None:
    whole = stored(columns()[name], stream=stream)
    file = tmp_path / "x.arrow"
    file.write_bytes(whole)
    assert list(read_columns(file, list))
    file.write_bytes(patched(whole, form, old, new))
    with pytest.raises(ConfigError, match=r"x\.arrow' cannot be read as Arrow: "):
        list(read_columns(file, list))


@pytest.mark.parametrize("claimed", [2**62, 2**40, 6 * 10**10, LONG + 1, LONG - 1, 0, -5])
@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_lengths_that_compressed_data_claims(
    tmp_path: Path, compression: str, claimed: int
) -> None:
    file = tmp_path / "x.arrow"
    whole = stored(columns()["text"], compression=compression)
    file.write_bytes(patched(whole, "<q", [LONG], [claimed]))
    with pytest.raises(ConfigError, match=r"x\.arrow' cannot be read as Arrow: "):
        list(read_columns(file, list))


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("p" * (256 << 10), 16),  # a text that stands there once, for all rows
        (b"p" * (256 << 10), 16),
        ({"bytes": b"p" * (256 << 10), "path": "x.png"}, 16),
        ("p" * (2 << 20), 1),
        (7, 200_000),
    ],
    ids=["text", "bytes", "picture", "one", "many"],
)
def test_a_small_file_does_not_become_a_large_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, value: object, count: int
) -> None:
    monkeypatch.setattr(preference_columns, "_SMALL", 1 << 20)
    file = tmp_path / f"x.{kind}"
    one = pyarrow.array([value])
    if not isinstance(value, dict):
        one = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * count, pyarrow.int32()), one)
    column = one if len(one) == count else pyarrow.concat_arrays([one] * count)
    if kind == "arrow":
        file.write_bytes(stored(column, compression="zstd"))
    else:
        parquet.write_table(pyarrow.table({"prompt": column}), file, compression="zstd")
    assert file.stat().st_size < 3_000
    with pytest.raises(ConfigError, match=r"unpacks to more than \d+ MiB, over 200 times its size"):
        for _ in read_columns(file, list):
            pass


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
@pytest.mark.parametrize("old", [b"pp", b"prompt"], ids=["in a cell", "in a name"])
def test_text_that_is_no_utf_8(tmp_path: Path, kind: str, old: bytes) -> None:
    """A name of a column raises an error of Unicode's; so does a cell that nobody has checked."""
    file = tmp_path / f"x.{kind}"
    save(file, pyarrow.table({"prompt": ["p" * 40], "other": ["q" * 40]}))
    file.write_bytes(file.read_bytes().replace(old, b"\xff" * len(old)))
    with pytest.raises(ConfigError, match=r"' cannot be read as (Arrow|parquet): .*"):
        list(read_columns(file, list))


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_times_that_python_does_not_know(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"x.{kind}"
    table = pyarrow.table({"prompt": pyarrow.array([2**62], pyarrow.timestamp("us"))})
    save(file, table)
    with pytest.raises(ConfigError, match="' cannot be read as "):
        list(read_columns(file, list))


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_files_that_end_early(tmp_path: Path, kind: str) -> None:
    """Wherever they do: in no place a traceback, or rows that are not there."""
    file = tmp_path / f"x.{kind}"
    table = pyarrow.table({"prompt": ["a", "b"], "list": [[1, 2], [3]]})
    save(file, table)
    whole = file.read_bytes()
    for end in range(0, len(whole), 7):
        file.write_bytes(whole[:end])
        try:
            rows = list(read_columns(file, list))
        except ConfigError:
            continue
        assert rows in ([], table.to_pylist()), end


def test_an_error_quotes_little_of_a_file_and_no_controls(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    name = "a\x1b]0;x\x07" + "b" * 5_000
    save(file, pyarrow.table({name: [1]}))
    with pytest.raises(ConfigError) as caught:
        list(read_rows_of([file], Row))
    assert not any(map(is_hidden, str(caught.value)))
    assert len(str(caught.value)) < 600 + len(str(file))
    file.write_bytes(b"PAR1" + name.encode())
    with pytest.raises(ConfigError) as caught:
        list(read_columns(file, list))
    assert not any(map(is_hidden, str(caught.value)))
    assert len(str(caught.value)) < 600 + len(str(file))


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / f"x.{kind}")
    with pytest.raises(ConfigError, match="is a pipe"):
        list(read_columns(tmp_path / f"x.{kind}", list))


def test_prompts_to_train_on_are_read_in_the_same_way(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    save(file, pyarrow.table({"prompt": ["p" * 40]}))
    file.write_bytes(file.read_bytes().replace(b"p" * 40, b"\xff" * 40))
    with pytest.raises(ConfigError, match=r"x\.parquet' cannot be read as parquet: "):
        read_rows(str(file))
    os.mkfifo(tmp_path / "pipe.parquet")
    for read in (parquet_columns, lambda path: read_rows(str(path))):
        with pytest.raises(ConfigError, match="is a pipe"):
            read(tmp_path / "pipe.parquet")
    (tmp_path / "x.jsonl").write_text("[" * 200_000 + "\n")
    with pytest.raises(ConfigError, match=r"line 1 of .*x\.jsonl' is no JSON"):
        read_rows(str(tmp_path / "x.jsonl"))


def test_a_last_line_counts_without_its_end(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"prompt": "a"}\n\n{"prompt": "b"}')
    assert [row.prompt for row in read_rows(str(tmp_path / "x.jsonl"))] == ["a", "b"]


def listed(values: pyarrow.Array) -> pyarrow.Array:
    """One list of all values."""
    return pyarrow.ListArray.from_arrays(pyarrow.array([0, len(values)], pyarrow.int32()), values)


ODD = {
    "nulls": (pyarrow.nulls(10**9), "unpacks to more than"),
    "list of nulls": (
        pyarrow.FixedSizeListArray.from_arrays(pyarrow.nulls(10**9), 10**9),
        "unpacks to more than",
    ),
    "list in a field": (
        pyarrow.StructArray.from_arrays(
            [pyarrow.FixedSizeListArray.from_arrays(pyarrow.nulls(10**9), 10**9)], names=["x"]
        ),
        "unpacks to more than",
    ),
    "runs": (
        pyarrow.RunEndEncodedArray.from_arrays(pyarrow.array([2**31 - 1], pyarrow.int32()), ["a"]),
        "columns of the type run_end_encoded<.*> are not read",
    ),
    "views": (
        pyarrow.ListViewArray.from_arrays(
            pyarrow.array([0, 0], pyarrow.int32()), pyarrow.array([1, 1], pyarrow.int32()), ["a"]
        ),
        "columns of the type list_view<.*> are not read",
    ),
    "codes in a list": (
        listed(pyarrow.array(["p" * 999] * 999).dictionary_encode()),
        "columns of the type dictionary<.*> are not read",
    ),
    "texts in a list": (
        listed(pyarrow.array(["p" * 999] * 999, pyarrow.string_view())),
        "columns of the type string_view are not read",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_stands_for_more_than_there_is(tmp_path: Path, name: str) -> None:
    column, told = ODD[name]
    file = tmp_path / "x.arrow"
    file.write_bytes(stored(column, compression="zstd"))
    assert file.stat().st_size < 10_000
    with pytest.raises(ConfigError, match=told):
        list(read_columns(file, list))


def test_many_small_rows_are_counted_as_they_are_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preference_columns, "_SMALL", 1 << 20)
    file = tmp_path / "x.parquet"
    parquet.write_table(pyarrow.table({"prompt": ["a"] * 20_000}), file, compression="zstd")
    with pytest.raises(ConfigError, match="unpacks to more than 1 MiB"):
        list(read_columns(file, list))  # 20,000 characters, and 5 MB
