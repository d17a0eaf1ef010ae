"""A CSV file as columns of text, and text as numbers, with errors that name line and column.

Cells are kept as the text they are, so that a label 007 stays 007 and a name "NA" stays a name;
a column becomes numbers only when it is asked for as numbers.
"""

from __future__ import annotations

import csv
import io
import itertools

from seqmodels.data.files.find import read_text
from seqmodels.data.read.dialect import DELIMITERS, column_names, quoting_of, with_commas, with_points
from seqmodels.data.read.table import Table


def read_lines(path: str) -> Table:
    """Read a CSV or TSV file, gzipped or not; the separator is taken from its first line.

    Between semicolons, decimals may come after a comma. Where the first line is data, columns are called 1, 2, 3, ...

    Raises:
        ValueError: the file is missing, empty, binary or not UTF-8, repeats a
            column name, or a line has more or fewer cells than the header.
    """
    text = with_commas(read_text(path).rstrip("\r\n"))
    delimiter = max(DELIMITERS, key=text.split("\n", 1)[0].count)
    limit = csv.field_size_limit(2**31 - 1)  # a cell may hold a whole gene
    try:
        columns, lines = _read_columns(path, text, delimiter, quoting_of(text, delimiter))
    finally:
        csv.field_size_limit(limit)
    if not lines:
        raise ValueError(f"{path}: expected rows of data below the header line, got none")
    return Table(path, with_points(columns) if delimiter == ";" else columns, lines)


def _read_columns(path: str, text: str, delimiter: str, quoting: int) -> tuple[dict[str, list[str]], list[int]]:
    """The cells of each column, and the line on which each row ends."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    lines: list[int] = []
    try:
        first = next(reader)
        header, is_data = column_names(path, first)
        columns: dict[str, list[str]] = {name: [] for name in header}
        appends = [cells.append for cells in columns.values()]
        for cells in itertools.chain([first] if is_data else [], reader):
            # An empty line is a row only where there is one column: a blank cell.
            if not cells and len(header) > 1:
                continue
            if len(cells or [""]) != len(header):
                _refuse_open_quote(path, text, quoting, lines, reader.line_num)
                raise ValueError(
                    f"{path}, line {reader.line_num}: expected {len(header)} cells separated by {delimiter!r} as in "
                    f"the header, got {len(cells)}; mend the line, or quote cells that contain {delimiter!r}"
                )
            for append, cell in zip(appends, cells or [""], strict=True):
                append(cell)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: cannot be read as CSV: {error}") from None
    if lines:
        _refuse_open_quote(path, text, quoting, lines[:-1], lines[-1])
    return columns, lines


def _refuse_open_quote(path: str, text: str, quoting: int, before: list[int], line: int) -> None:
    """Refuse a last row, ending on `line`, that runs over several lines because a quotation mark is never closed."""
    first = (before[-1] if before else 1) + 1
    if quoting == csv.QUOTE_MINIMAL and line > first and text.count('"') % 2:
        raise ValueError(
            f"{path}, line {first}: a cell begins with a quotation mark that nothing closes; close it, or remove it"
        )
