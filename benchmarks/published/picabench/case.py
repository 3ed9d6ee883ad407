"""Cases of PICABench: the published parquet, or an official `meta_info.json`, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, JsonValue

from rr_refine.benchmarks.published.files import keep_picture
from rr_refine.benchmarks.published.picabench.region import Area
from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError
from rr_refine.files import parse_json
from rr_refine.named import picture_of_data, read_named
from rr_refine.reward.preferences.rows import Embedded, checked, read_rows

__all__ = ["UNKNOWN", "Case", "Difficulty", "Pair", "find_files", "read_cases", "read_list"]

Difficulty = Literal["superficial", "intermediate", "explicit"]

UNKNOWN: Final = "unknown"
"""What official files have where something is not known."""

_PARQUET: Final = "picabench-*.parquet"
_META: Final = "meta_info.json"


def _whole_box(found: object) -> object:
    # In a parquet file a box that is missing may be one whose numbers are.
    if isinstance(found, dict) and any(found.get(n) is None for n in Area.model_fields):
        return None
    return found


_Text = Annotated[str, BeforeValidator(lambda found: "" if found is None else found)]


class Pair(BaseModel):
    """A question with its expected answer, and the box that it is about."""

    question: _Text = ""
    answer: _Text = ""
    box: Annotated[Area | None, BeforeValidator(_whole_box)] = None


@dataclass(frozen=True, slots=True)
class Case:
    """What the benchmark knows of one item."""

    index: int
    """Row of the parquet, or what `meta_info.json` says; pictures are named after it."""
    prompt: str
    difficulty: str
    """The suite's, or `unknown` where a `meta_info.json` does not say."""
    category: str
    law: str
    operation: str
    source: Path
    entries: tuple[dict[str, JsonValue], ...]
    """The question-answer pairs as the file has them."""
    edit_area: list[dict[str, JsonValue]] | Literal["unknown"] | None
    """As the file has it: rectangles, `unknown`, or nothing."""
    areas: tuple[Area, ...]
    """The rectangles of `edit_area`."""
    pairs: tuple[tuple[int, Pair], ...]
    """Those that have a question and an answer, with their places in `entries`; the official
    script leaves out the others."""

    @property
    def id(self) -> str:
        """As in the names of pictures: `00042`."""
        return f"{self.index:05d}"


def _decoded(found: object) -> object:
    # A column of a parquet file has one type: lists beside "unknown" can only be texts of JSON.
    if isinstance(found, str) and found.lstrip().startswith(("[", "{")):
        return parse_json(found, nan=True)
    return found


_Entries = Annotated[list[dict[str, JsonValue]], BeforeValidator(_decoded)]
_EditArea = Annotated[_Entries | Literal["unknown"] | None, BeforeValidator(_decoded)]


class _Row(BaseModel):
    """A row of the parquet."""

    physics_category: str
    physics_law: str
    edit_operation: str
    superficial_prompt: str | None
    intermediate_prompt: str | None
    explicit_prompt: str | None
    annotated_qa_pairs: _Entries
    edit_area: _EditArea = UNKNOWN
    input_image: Embedded


class _Meta(BaseModel):
    """An item of `meta_info.json`."""

    index: int | None = Field(None, ge=0)
    input_path: str
    edit_instruction: str = ""
    physics_category: str = UNKNOWN
    physics_law: str = UNKNOWN
    edit_operation: str = UNKNOWN
    difficulty: str = UNKNOWN
    annotated_qa_pairs: _Entries
    edit_area: _EditArea = UNKNOWN


def find_files(data: Path) -> list[Path]:
    """The benchmark's files: `data` itself, or what the folder holds up to two levels deep, the
    parquet before `meta_info.json`.

    Raises:
        ConfigError: there are none, or in several folders.
    """
    if data.is_file():
        return [data]
    for name in (_PARQUET, _META):
        for depth in ("", "*/", "*/*/"):
            if found := sorted(data.glob(depth + name)):
                if len({file.parent for file in found}) > 1:
                    raise ConfigError(
                        f"several folders below {str(data)!r} hold {name}: name one of "
                        + ", ".join(sorted({repr(str(file.parent)) for file in found}))
                    )
                return found
    raise ConfigError(
        f"{str(data)!r} holds neither {_PARQUET} nor {_META}: give the folder that the data set "
        "Andrew613/PICABench was downloaded to"
    )


def read_cases(
    files: list[Path],
    suite: Difficulty,
    limit: int | None,
    cache: Path | None,
    *,
    sources: bool = True,
) -> list[Case]:
    """The first `limit` cases of a suite, in the order of the files.

    Args:
        cache: embedded pictures are written to `sources` in it as they are read, so that memory
            does not hold them; not needed for a `meta_info.json`.
        sources: whether the pictures are needed; see `picture_of_data`.

    Raises:
        ConfigError: a file is not of the published form, or `cache` is needed.
        StoreError: a picture cannot be written.
        MissingExtraError: pyarrow is not installed.
    """
    meta = files[0].suffix == ".json"
    from_meta = _from_meta(files[0], suite, picture_of_data if sources else Path)
    found = from_meta if meta else _from_parquet(files, suite, cache)
    cases: dict[int, Case] = {}
    for case in islice(found, limit):
        if case.index in cases:
            raise ConfigError(f"{str(files[0])!r} has index {case.index} twice")
        cases[case.index] = case
    if not cases:
        raise ConfigError(f"{str(files[0])!r} has no items of suite {suite!r}")
    if not any(case.prompt for case in cases.values()):  # a single one fails alone
        raise ConfigError(
            f"{str(files[0])!r} has no prompts of suite {suite!r}; prepare_meta_info.py writes "
            "none: give the published parquet"
        )
    return list(cases.values())


def read_list(file: Path) -> list[JsonValue]:
    """The items of a JSON file that holds a list of them.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    with raised_as(ConfigError, f"{str(file)!r} cannot be read as JSON", OSError, ValueError):
        found: JsonValue = parse_json(read_named(file), nan=True)
    if not isinstance(found, list):
        raise ConfigError(f"{str(file)!r} holds no list of items, but a {type(found).__name__}")
    return found


def _from_parquet(files: list[Path], suite: Difficulty, cache: Path | None) -> Iterator[Case]:
    for index, found in enumerate(read_rows(files, _Row)):
        row, file = found.value, found.file
        yield _case(
            row,
            file,
            index,
            prompt={
                "superficial": row.superficial_prompt,
                "intermediate": row.intermediate_prompt,
                "explicit": row.explicit_prompt,
            }[suite],
            difficulty=suite,
            source=_source(row.input_image, index, file, cache),
        )


def _from_meta(file: Path, suite: Difficulty, place: Callable[[Path, str], Path]) -> Iterator[Case]:
    """Items of the suite, and those that do not say of which they are."""
    for number, found in enumerate(read_list(file)):
        meta = checked(_Meta, found, file, number)
        if meta.difficulty in (suite, UNKNOWN):
            yield _case(
                meta,
                file,
                number if meta.index is None else meta.index,
                prompt=meta.edit_instruction,
                difficulty=meta.difficulty,
                source=place(file.parent, meta.input_path),
            )


def _case(
    row: _Row | _Meta, file: Path, index: int, *, prompt: str | None, difficulty: str, source: Path
) -> Case:
    areas = row.edit_area if isinstance(row.edit_area, list) else []
    pairs = [checked(Pair, entry, file, index) for entry in row.annotated_qa_pairs]
    return Case(
        index=index,
        prompt=prompt or "",
        difficulty=difficulty,
        category=row.physics_category,
        law=row.physics_law,
        operation=row.edit_operation,
        source=source,
        entries=tuple(row.annotated_qa_pairs),
        edit_area=row.edit_area,
        areas=tuple(checked(Area, area, file, index) for area in areas),
        pairs=tuple((place, p) for place, p in enumerate(pairs) if p.question and p.answer),
    )


def _source(found: Embedded, index: int, file: Path, cache: Path | None) -> Path:
    """Where the picture lies: beside the parquet, or in the cache, put there if it is not yet."""
    data = found.data
    if not data:
        # Its item fails alone.
        return picture_of_data(file.parent, found.path or f"no picture of row {index}")
    if cache is None:
        raise ConfigError(
            f"the pictures are inside {str(file)!r}: give a cache folder to put them in"
        )
    return keep_picture(data, cache / "sources", f"{index:05d}")
