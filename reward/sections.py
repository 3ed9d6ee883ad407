"""Sections of a critic's answer in text: from lines to entries, each with its position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rr_refine.reward.headings import Field, Heading, Part, read_heading
from rr_refine.reward.values import is_score
from rr_refine.terms import Dimension

__all__ = ["Entry", "read_sections"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that the answer says."""

    label: Field | Part
    dimension: Dimension | None
    """The dimension whose section it stands in; None for the parts beside the dimensions."""
    text: str
    firm: bool = True
    """False for what may be prose. A loose value that can be read must agree with the firm one; a
    loose justification stands in for a missing one."""


def read_sections(
    lines: Sequence[str], fields: Sequence[Field]
) -> tuple[list[Entry], Dimension | None]:
    """The entries of an answer, and the dimension whose section runs to its end, if one does.

    `fields` are those that a dimension has in this kind of answer; the others are prose.

    A line that looks like a heading is prose when a stronger marked one claims the same label:
    `Summary: fine so far` in a justification gives way to `# Summary`. The name of a dimension is
    prose when no field follows it. Values never give way: each that can be read becomes an entry,
    so that two that differ are seen.
    """
    begins = _section_headings(lines, fields)
    blocks = {h.dimension for h in begins if h and h.dimension and not is_score(h.rest)}
    entries: list[Entry] = []
    sections: list[tuple[Heading, list[str]]] = []
    for line, heading in zip(lines, begins, strict=True):
        if heading and heading.dimension in blocks and is_score(heading.rest):
            # A recap, `Text Faithfulness: 3.5`, of a dimension that has a section of its own.
            entries.append(Entry("score", heading.dimension, heading.rest, firm=False))
            heading = None
        if heading:
            sections.append((heading, [heading.rest]))
        elif sections:
            sections[-1][1].append(line)
    for heading, section in sections:
        if heading.dimension is not None:
            entries.extend(_fields(heading.dimension, section, fields))
        elif heading.label is not None:
            entries.append(Entry(heading.label, None, "".join(section)))
    return entries, sections[-1][0].dimension if sections else None


def _section_headings(lines: Sequence[str], fields: Sequence[Field]) -> list[Heading | None]:
    """For every line the heading of the section that it begins, or None."""
    headings = [read_heading(line) for line in lines]
    best = _best_ranks(headings)
    # From the end: does a field come next, or else before the next section? The end may hide one.
    field_next = field_ahead = True
    for i in range(len(lines) - 1, -1, -1):
        heading = headings[i]
        if heading is None:
            field_next = field_next and not lines[i].strip()
            continue
        if heading.is_field:
            headings[i], field_next = None, heading.label in fields
            field_ahead = field_ahead or field_next
            continue
        if heading.dimension is not None:
            follows = field_ahead if heading.rank == 2 else field_next
            begins = bool(heading.rest.strip()) or follows
        else:
            begins = heading.label == "request" or heading.rank == best[heading.label]
        if not begins:
            headings[i] = None
        field_next, field_ahead = False, field_ahead and not begins
    return headings


def _fields(dimension: Dimension, lines: Sequence[str], fields: Sequence[Field]) -> Iterator[Entry]:
    """The entries in one section of a dimension; the first line is what follows its name."""
    if is_score(lines[0]):
        yield Entry("score", dimension, lines[0])
        lines = lines[1:]
    headings = [h if (h := read_heading(line)) and h.label in fields else None for line in lines]
    best = _best_ranks(headings)
    blocks: list[tuple[Field | Part, list[str], bool]] = [("justification", [], False)]
    for line, heading in zip(lines, headings, strict=True):
        if heading and heading.label and heading.rank == best[heading.label]:
            blocks.append((heading.label, [heading.rest], True))
            continue
        blocks[-1][1].append(line)
        if heading and heading.label:
            yield Entry(heading.label, dimension, heading.rest, firm=False)
    for label, block, firm in blocks:
        if label == "justification":
            yield Entry(label, dimension, "".join(block), firm)
            continue
        at = next((i for i, line in enumerate(block) if line.strip()), 0)
        yield Entry(label, dimension, block[at])
        yield Entry("justification", dimension, "".join(block[at + 1 :]), firm=False)
        for line in block[at + 1 :]:
            yield Entry(label, dimension, line, firm=False)


def _best_ranks(headings: Sequence[Heading | None]) -> dict[Field | Part | None, int]:
    best: dict[Field | Part | None, int] = {}
    for heading in headings:
        if heading:
            best[heading.label] = max(heading.rank, best.get(heading.label, 0))
    return best
