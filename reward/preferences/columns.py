"""Files with columns, parquet and arrow, read row by row.

They are made by others, and pyarrow believes what they say: where in the file a text begins, for
one. What has been read is therefore checked as a whole before anything in it is looked at. A few
bytes may unpack to gigabytes, or stand for a billion values, so what comes out is limited by what
there is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rr_refine.errors import ConfigError, MissingExtraError, RefineError
from rr_refine.named import open_named
from rr_refine.notices import shortened
from rr_refine.plain_text import one_line

if TYPE_CHECKING:
    from pyarrow import Array, RecordBatch

__all__ = ["parquet_columns", "read_columns"]

Choose = Callable[[Sequence[str]], list[str]]
"""Given the columns that there are, those to read."""

_BATCH: Final = 16
"""Most rows read at once: an edit's three pictures may be 2 MB each."""
_AT_ONCE: Final = 256 * 2**20
"""Bytes that are unpacked at once, if no single row has more."""
_SMALL: Final = 256 * 2**20
_RATIO: Final = 200
"""A file unpacks to `_SMALL` bytes and so many times its own size at most. Pictures hardly get
smaller when they are packed, and texts to a tenth."""
_VALUE: Final = 32
"""Bytes that a value of Python takes at least, with its place in a list."""
_BUFFER: Final = 1 << 20
"""Bytes read at once of a parquet file's column."""
_WORDS: Final = 300
"""Characters of what pyarrow says that are told: it quotes the file."""


def read_columns(file: Path, choose: Choose) -> Iterator[dict[str, object]]:
    """The rows of a parquet file, or of an arrow file as `datasets` saves it (a stream) or others
    do (a file): the chosen columns.

    Raises:
        ConfigError: it cannot be read, or is not what it says that it is.
        MissingExtraError: pyarrow is not installed.
    """
    read = _parquet if file.suffix == ".parquet" else _arrow
    with _reading(file):
        most = left = _SMALL + _RATIO * file.stat().st_size
        for batch in read(file, choose):
            values = sum(map(_values, batch.columns))
            _require_room(max(batch.nbytes, _VALUE * values), left, most)
            # Else a text may lie anywhere in memory: others' secrets, or the end of the process.
            batch.validate(full=True)
            rows = _rows(batch.nbytes)
            for start in range(0, batch.num_rows, rows):
                for row in batch.slice(start, rows).to_pylist():
                    _require_room(size := _size(row), left, most)
                    left -= size
                    yield row


def _rows(size: int) -> int:
    """How many rows to unpack at once, where each may be all of so many bytes: a text that stands
    there once is copied for each row that has it.
    """
    return min(max(_AT_ONCE // max(size, 1), 1), _BATCH)


def _values(column: Array, *, listed: bool = False) -> int:
    """How many values Python makes of a column, in lists and fields too: billions of nulls take no
    byte in the file. Nothing of the column is looked at, only how long it and its parts are.

    Args:
        listed: it is in a list. Whatever may name the same text many times is refused there.
    """
    import pyarrow
    from pyarrow import types

    kind = column.type
    parts: list[Array] = []
    if isinstance(kind, pyarrow.BaseExtensionType):
        return _values(column.storage, listed=listed)
    if types.is_struct(kind):
        fields = [column.field(number) for number in range(kind.num_fields)]
        return len(column) + sum(_values(field, listed=listed) for field in fields)
    if types.is_map(kind):
        parts = [column.keys, column.items]
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        parts = [column.values]
    elif types.is_dictionary(kind) and not listed:
        parts = [column.dictionary]
    elif not (
        types.is_primitive(kind)
        or types.is_null(kind)
        or types.is_decimal(kind)
        or (types.is_binary(kind) or types.is_string(kind) or types.is_fixed_size_binary(kind))
        or (types.is_large_binary(kind) or types.is_large_string(kind))
        or (not listed and (types.is_string_view(kind) or types.is_binary_view(kind)))
    ):
        raise ValueError(f"columns of the type {shortened(str(kind), _WORDS)} are not read")
    return len(column) + sum(_values(part, listed=True) for part in parts)


def _size(value: object) -> int:
    """Bytes that a value takes."""
    size = sys.getsizeof(value)
    match value:
        case dict():
            return size + sum(map(_size, value.values()))
        case list() | tuple():
            return size + sum(map(_size, value))
    return size


def _require_room(size: int, left: int, most: int) -> None:
    if size > left:
        raise ValueError(
            f"it unpacks to more than {most >> 20:,} MiB, over {_RATIO} times its size"
        )


def parquet_columns(file: Path) -> list[str]:
    """The names of a parquet file's columns.

    Raises:
        ConfigError: it cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    with _reading(file):
        from pyarrow import parquet

        return list(parquet.read_schema(file).names)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Pyarrow raises errors of many types at a broken file, Python's own among them."""
    try:
        import pyarrow.ipc
        import pyarrow.parquet  # noqa: F401  both are loaded here
    except ImportError as error:
        raise MissingExtraError("reading parquet and arrow files", "data") from error
    try:
        open_named(file).close()  # it is no pipe
        yield
    except RefineError:
        raise
    except Exception as error:
        kind = "parquet" if file.suffix == ".parquet" else "Arrow"
        words = shortened(one_line(str(error)) or type(error).__name__, _WORDS)
        raise ConfigError(f"{str(file)!r} cannot be read as {kind}: {words}") from error


def _parquet(file: Path, choose: Choose) -> Iterator[RecordBatch]:
    from pyarrow import parquet

    # By default, all row groups are read ahead and none is let go before the end.
    with parquet.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER) as table:
        said = table.metadata
        groups = [said.row_group(number).total_byte_size for number in range(said.num_row_groups)]
        largest = max(groups, default=0)
        columns = choose(table.schema_arrow.names)
        yield from table.iter_batches(_rows(largest), columns=columns)


def _arrow(file: Path, choose: Choose) -> Iterator[RecordBatch]:
    import pyarrow

    with pyarrow.memory_map(str(file)) as source:
        try:
            batches = iter(pyarrow.ipc.open_stream(source))
        except pyarrow.ArrowInvalid:
            whole = pyarrow.ipc.open_file(source)
            batches = (whole.get_batch(i) for i in range(whole.num_record_batches))
        for batch in batches:
            yield batch.select(choose(batch.schema.names))
