"""Reads CSV files with a header or without, with commas, semicolons or tabs, row by row."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data.datasets.box_filter import EVERY_ENTRY
from ppdet.utils.json_file import read_text

_HEAD = 2000  # characters
_DELIMITERS = (",", ";", "\t")


class Row:
    """One row, with the place for messages."""

    __slots__ = ("cells", "columns", "number", "path")

    def __init__(self, path: Path, number: int, cells: list[str], columns: Mapping[str, int]) -> None:
        self.path, self.number, self.cells, self.columns = path, number, cells, columns

    @property
    def place(self) -> str:
        return f"{self.path}: line {self.number}"

    def text(self, column: str) -> str:
        """The cell of a column without the space around it; "" if the table does not have the column."""
        at = self.columns.get(column)
        return "" if at is None else self.cells[at].strip()

    def float(self, column: str) -> float:
        """The number in a cell; NaN for "nan". Raises UserError for anything else that is no number."""
        text = self.text(column)
        try:
            number = float(text)
        except ValueError:
            raise UserError(f"{self.place}: {column}: found {text!r}; expected a number; correct it") from None
        return number if abs(number) < 3.4e38 else math.nan  # of float32, which boxes become


def read_rows(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    bare: Sequence[str] = (),
    entry: AbstractContextManager[object] = EVERY_ENTRY,
) -> Iterator[Row]:
    """The rows of a table that are not blank.

    Args:
        path: the file.
        columns: the names of the columns, each with other names for it, in small letters.
        bare: the columns of a file that begins with a row of values; empty if there has to be a header.
        entry: see BoxFilter.

    Raises:
        UserError: the text is no such table.
    """
    text = read_text(path)
    lines = _lines(path, text)
    number, first = next(lines, (0, []))
    if not first:
        return
    found = header(first, columns)
    if lacking := [name for name in columns if name not in found] if len(found) > 1 or not bare else []:
        raise UserError(f"{path}: has no column {lacking[0]!r}; expected the columns {', '.join(columns)}")
    if len(found) <= 1:  # no header
        found, lines = {name: at for at, name in enumerate(bare)}, chain([(number, first)], lines)
        width = len(bare)
    else:
        width = len(first)
    for number, cells in lines:
        if len(cells) == width:
            yield Row(path, number, cells, found)
            continue
        with entry:
            raise UserError(f"{path}: line {number}: found {len(cells)} columns; expected {width}; correct it")


def header(cells: Sequence[str], columns: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The positions of the columns that a header names."""
    there = {cell.strip().lower(): at for at, cell in enumerate(cells)}
    ways = {name: (name.lower(), *others) for name, others in columns.items()}
    return {name: there[way] for name, all_ways in ways.items() for way in all_ways if way in there}


def first_row(path: Path) -> list[str]:
    """The cells of the first line of a file; empty if it is no text."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "ignore")
    except (OSError, ValueError):
        return []
    lines = [line for line in text.splitlines() if line.strip()][:1]
    return next(csv.reader(lines, delimiter=delimiter_of(text)), []) if lines else []


def delimiter_of(text: str) -> str:
    """The delimiter that the first line has most of."""
    line = text[:_HEAD].lstrip("\r\n").partition("\n")[0]
    return max(_DELIMITERS, key=line.count)


def _lines(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of the lines that are not blank."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
    try:
        for cells in lines:
            if any(cell.strip() for cell in cells):
                yield lines.line_num, cells
    except csv.Error as error:
        raise UserError(f"{path}: not a CSV table ({error}); correct it") from None
