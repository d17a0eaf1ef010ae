"""A CSV file as columns of text, with errors that name the line."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Generator, Iterable, Iterator, Mapping

from seqmodels.data.files.cache import stamp
from seqmodels.data.files.find import read_text
from seqmodels.data.number_text import Style, styles_of
from seqmodels.data.read.delimited.dialect import START, Dialect, find_dialect
from seqmodels.data.read.table import Table


class Lines:
    """The lines of a text, each with its end, of which quotation marks and comments are counted as they go by."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self.quotes = self.comments = 0
        self._lines = _lines(pieces)

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.quotes += line.count('"')
            yield line

    def all_quotes(self) -> int:
        """Count the quotation marks of all lines, those that nobody has read included."""
        for _ in self:
            pass
        return self.quotes


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Yield lines as they come; blank ones at the end of the text are none."""
    rest, blank = "", 0
    for piece in pieces:
        text = io.StringIO(rest + piece, newline="")
        rest = text.readline()
        for line in text:  # one behind: a last line may go on in the next piece, and \r be followed by \n
            if rest.strip("\r\n"):
                yield from itertools.repeat("\n", blank)
                yield rest
                blank = 0
            else:
                blank += 1
            rest = line
    if rest.strip("\r\n"):
        yield from itertools.repeat("\n", blank)
        yield rest


def read_lines(path: str) -> Table:
    """Read a CSV or TSV file, gzipped or not; the separator is taken from its first line.

    Between semicolons, decimals may come after a comma. Where the first line is data, columns are called 1, 2, 3, ...

    Raises:
        ValueError: the file is missing, empty, binary or not UTF-8, repeats a
            column name, or a line has more or fewer cells than the header.
    """
    text = read_text(path)
    dialect = find_dialect(path, text[:START])
    columns: dict[str, list[str]] = {name: [] for name in dialect.names}
    appends = [cells.append for cells in columns.values()]
    lines: list[int] = []
    every = Lines([text])
    for cells, line in rows_of(path, dialect, every):
        for append, cell in zip(appends, cells, strict=True):
            append(cell)
        lines.append(line)
    if not lines:
        raise no_rows(path)
    styles = styles_of(columns, dialect.delimiter)
    for name, style in styles.items():
        columns[name] = list(map(style.plain, columns[name]))
    return Table(path, columns, lines, notes=(*dialect.notes, *notes_of(styles, every)), stamp=stamp(path))


def notes_of(styles: Mapping[str, Style], lines: Lines) -> list[str]:
    """Say which columns of numbers are written in a way of their own, and how many comments were among the lines."""
    notes = [f"left out among the rows: {lines.comments} with a comment"] if lines.comments else []
    return notes + [f"{name!r} {note}" for name, style in styles.items() if (note := style.note())]


def no_rows(path: str) -> ValueError:
    """Return the error of a file without data."""
    return ValueError(f"{path}: expected rows of data below the header line, got none")


def rows_of(path: str, dialect: Dialect, lines: Lines) -> Generator[tuple[list[str], int], None, None]:
    """Yield the cells of each row, and the line of the file on which it ends.

    Raises:
        ValueError: a line has more or fewer cells than there are columns, or a quotation mark is never closed.
    """
    limit = csv.field_size_limit(2**31 - 1)  # a cell may hold a whole gene
    try:
        yield from _rows_of(path, dialect, lines)
    finally:
        csv.field_size_limit(limit)


def _rows_of(path: str, dialect: Dialect, lines: Lines) -> Iterator[tuple[list[str], int]]:
    width, skip = len(dialect.names), dialect.skip
    text: Iterator[str] = itertools.islice(lines, skip, None)
    if dialect.blanks:
        text = (",".join(line.split()) for line in text)
    reader = csv.reader(text, delimiter=dialect.delimiter, quoting=dialect.quoting)  # type: ignore[arg-type]
    first = last = skip + 1  # lines of the row before
    try:
        if not dialect.is_data:
            next(reader)
        for cells in reader:
            line = reader.line_num + skip
            # An empty line is a row only where there is one column: a blank cell.
            if not cells and width > 1:
                continue
            cells = cells or [""]
            if len(cells) == 1 < width and not cells[0].strip():
                continue
            if len(cells) != width and cells[0].lstrip().startswith("#"):
                lines.comments += 1
                continue
            if len(cells) != width and (len(cells) < width or any(cells[width:])):
                _refuse_open_quote(path, dialect, lines, last + 1, line)
                title = (
                    f", or remove line {skip + 1} if it is a title" if last == skip + 1 and len(cells) > width else ""
                )
                raise ValueError(
                    f"{path}, line {line}: expected {width} cells separated by {dialect.delimiter!r} as in "
                    f"the header, got {len(cells)}; mend the line, or quote cells that contain {dialect.delimiter!r}"
                    f"{title}"
                )
            first, last = last + 1, line
            yield cells[:width], line
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num + skip}: cannot be read as CSV: {error}") from None
    _refuse_open_quote(path, dialect, lines, first, last)


def _refuse_open_quote(path: str, dialect: Dialect, lines: Lines, first: int, line: int) -> None:
    """Refuse a last row, from line `first` to `line`, with a quotation mark that is never closed."""
    if dialect.quoting == csv.QUOTE_MINIMAL and line > first and lines.all_quotes() % 2:
        raise ValueError(
            f"{path}, line {first}: a cell begins with a quotation mark that nothing closes; close it, or remove it"
        )
