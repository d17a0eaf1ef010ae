"""Numbers as people write them: one reading for a whole column, never cell by cell.

A column is looked at as a whole: ``1.092`` beside ``999`` and a file with decimal commas is 1092, ``12 kg`` is 12
where every cell is in kg. What has more than one reading is left as the text it is, and refused by its cell.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from seqmodels.data.numbers import usable

# What stands for "no value" in a column of numbers, in any case.
MISSING = frozenset(
    {"", "na", "n/a", "n.a.", "nan", "null", "(null)", "<null>", "none", "nil", "nat", "<na>", "\\n"}
    | {"?", ".", "..", "-", "--", "---", "–", "—", ":"}
    | {"#n/a", "#na", "#n/a n/a", "#nv", "#null!", "#div/0!", "#ref!", "#value!", "#num!", "#name?"}
)
TRUE, FALSE = frozenset({"true", "yes", "t"}), frozenset({"false", "no", "f"})
# Blanks around a number, those of typesetters included.
BLANKS = " \t\r\n\f\v\u00a0\u202f"
# A number as programs write it; digits of other scripts and 1_000 are text.
NUMBER = (
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN])"
)
# Rows that are looked at to tell how a column is written.
SAMPLE = 1 << 16
_NUMBER = re.compile(NUMBER)
_CURRENCY = r"[$€£¥₹₩₽₺]|[A-Z]{1,3}[$]|EUR|USD|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN"
_UNITS = (
    r"%|‰|°[CFKcf]?|[kmµcdMG]?(?:g|m|s|l|L|V|A|W|Hz|Pa|bar|Wh|J|N|mol|Ω)|[mck]?m[²³23]|t|h|min|in|ft|lbs?|oz|mi|mph|"
    r"km/h|m/s|kn|rpm|bpm|ppm|ppb|psi|dB|hPa|mmHg|kcal|cal|px|[KMGT]i?B|" + _CURRENCY
)
_WRITTEN = re.compile(
    rf"(?P<sign>[+−-]?)(?P<before>(?:{_CURRENCY})?) ?"
    r"(?P<body>[+−-]?(?:[0-9][0-9.,'’ \u00a0\u202f]*[0-9]|[0-9]|[.,][0-9]+)[.,]?(?:[eE][+-]?[0-9]+)?)"
    rf"(?P<after>(?:{_UNITS})?|[ \u00a0\u202f](?:{_UNITS}|[^\W\d_]{{1,10}}(?:/[^\W\d_]{{1,6}})?))"
)
GROUPS = (",", ".", "'", "’", " ", "\u00a0", "\u202f")


@dataclass(frozen=True)
class Style:
    """Notation of a column of numbers.

    >>> style = Style(",", ".", after=" kg")
    >>> style.plain("1.234,5 kg"), style.plain("1.234,5 g"), style.plain("12 kg")
    ('1234.5', '1.234,5 g', '12')

    Fields:
        decimal: the mark before the decimals.
        group: the mark between thousands; "" for none.
        before, after: what stands around each number, such as a currency or a unit.
        minus: the sign before what is less than zero; that of programs is always read.
    """

    decimal: str = "."
    group: str = ""
    before: str = ""
    after: str = ""
    minus: str = field(default="-", repr=False)

    @property
    def pattern(self) -> str:
        """A regular expression, of Python and of RE2, whose groups are a sign and a number."""
        body = _body(self.decimal, self.group)
        before, after = (f"(?:{re.escape(part.strip())})" if part.strip() else "" for part in (self.before, self.after))
        blanks = "[ \t\u00a0\u202f]*"
        signs = f"[+{self.minus.strip('-')}-]?"
        return f"{blanks}({signs}){before}{blanks}({signs}{body}){blanks}{after}{blanks}"

    def plain(self, cell: str) -> str:
        """Write a cell as programs do, or return it as it is where it is written otherwise."""
        found = self._compiled.fullmatch(cell)
        if found is None:
            return cell
        return (found[1] + found[2]).replace(self.group, "").replace(self.decimal, ".").replace(self.minus, "-")

    def sql(self, cell: str) -> str:
        """Return `plain` as an SQL expression of DuckDB's."""
        pattern, group = (part.replace("'", "''") for part in (self.pattern, self.group))
        number = f"regexp_replace({cell}, '^{pattern}$', '\\1\\2')"
        for mark, plain in ((group, ""), (self.decimal, "."), (self.minus, "-")):
            number = f"replace({number}, '{mark}', '{plain}')" if mark else number
        return f"CASE WHEN regexp_full_match({cell}, '{pattern}') THEN {number} ELSE {cell} END"

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def note(self) -> str:
        """Say how numbers are written where that is not as usual."""
        parts = [f"with {self.group!r} between thousands"] if self.group else []
        parts += [f"in {unit}" for unit in (self.before.strip(), self.after.strip()) if unit]
        return ", ".join(parts)


PLAIN = Style()


def _body(decimal: str, group: str) -> str:
    whole = f"[1-9][0-9]{{0,2}}(?:{re.escape(group)}[0-9]{{3}})+|[0-9]+" if group else "[0-9]+"
    mark = re.escape(decimal)
    return f"(?:(?:{whole})(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?"


def to_numbers(cells: Sequence[str]) -> tuple[np.ndarray, list[int]]:
    """Return cells as float64, NaN where missing, infinite, above 1e30 or text; and the rows that hold text.

    >>> to_numbers(["1", "NA", "2e3", "two", "1_3"])
    (array([1.e+00,    nan, 2.e+03,    nan,    nan]), [3, 4])
    """
    text: list[int] = []
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
        quick = _is_plain("".join(cells))
    except ValueError:
        quick = False
    if not quick:  # cell by cell
        values = np.full(len(cells), np.nan)
        for row, cell in enumerate(cells):
            stripped = cell.strip(BLANKS)
            if _NUMBER.fullmatch(stripped):
                values[row] = float(stripped)
            elif stripped.lower() not in MISSING:
                text.append(row)
    values[~usable(values)] = np.nan
    return values, text


def _is_plain(text: str) -> bool:
    """Say whether all that Python reads as numbers here is written as programs write them."""
    return text.isascii() and "_" not in text


def to_truth(names: Iterable[str]) -> list[float] | None:
    """Return 1 for words of truth, 0 for those of its opposite and NaN for none; None where there are others.

    >>> to_truth(["yes", "No", ""]), to_truth(["yes", "perhaps"])
    ([1.0, 0.0, nan], None)
    """
    words = [name.strip(BLANKS).lower() for name in names]
    if not all(word in TRUE or word in FALSE or word in MISSING for word in words):
        return None
    return [1.0 if word in TRUE else 0.0 if word in FALSE else float("nan") for word in words]


def styles_of(columns: Mapping[str, Sequence[str]], delimiter: str) -> dict[str, Style]:
    """Decide how each column of numbers is written, from its first cells; those written as usual are left out.

    >>> styles_of({"a": ["999", "1.002"], "b": ["20,8", "3"]}, ";")
    {'a': Style(decimal=',', group='.', before='', after=''), 'b': Style(decimal=',', group='', before='', after='')}

    Args:
        columns: name -> cells, of which the first `SAMPLE` are looked at.
        delimiter: between the cells of the file; a decimal comma hardly stands between commas.
    """
    found = {name: own for name, cells in columns.items() if (own := _readings(cells, delimiter)) is not None}
    sure = {own[0].decimal for own in found.values() if len(own) == 1 and own[0] != Style(",", ".")}
    sure |= {"."} if any(_has_decimals(cells) for cells in columns.values()) else set()
    chosen = {name: _choose(own, sure, columns[name], delimiter) for name, own in found.items()}
    return {name: style for name, style in chosen.items() if style != PLAIN}


def _readings(cells: Sequence[str], delimiter: str) -> list[Style] | None:
    """Return the styles in which all cells are numbers; None where they are not, or need no look."""
    known = _known(cells)
    if not known or _is_usual(known):
        return None
    written = [_WRITTEN.fullmatch(cell) for cell in known]
    found = [one for one in written if one is not None]
    around = {_around(one) for one in found}
    if len(found) < len(written) or len(around) > 1:
        return None
    before, after = around.pop()
    bodies = [one["body"].lstrip("+-−") for one in found]
    marks = [mark for mark in GROUPS if any(mark in body for body in bodies)]
    minus = "−" if any("−" in cell for cell in known) else "-"
    styles = [Style(d, g, before, after, minus) for d in (".", ",") for g in ("", *marks) if d != g]
    if delimiter == "," and 2 * sum("," in body for body in bodies) <= len(bodies):  # a slip of the pen
        styles.remove(Style(",", "", before, after, minus))
    return [
        style for style in styles if all(re.fullmatch(_body(style.decimal, style.group), b) for b in bodies)
    ] or None


def _known(cells: Sequence[str]) -> list[str]:
    """Return the different ones of the first cells that are not missing."""
    some = dict.fromkeys(cell.strip(BLANKS) for cell in itertools.islice(cells, SAMPLE))
    return [cell for cell in some if cell.lower() not in MISSING]


def _around(written: re.Match[str]) -> tuple[str, str]:
    return written["before"], written["after"].strip(BLANKS)


def first_in_another_unit(cells: Sequence[str]) -> str | None:
    """Find the first cell in another currency or unit than the first, where all are numbers with one or none.

    >>> first_in_another_unit(["5 kg", "300 g"]), first_in_another_unit(["5 kg", "soon"])
    ('300 g', None)
    """
    known = _known(cells)
    written = {cell: _WRITTEN.fullmatch(cell) for cell in known}
    around = {cell: _around(found) for cell, found in written.items() if found is not None}
    if len(around) < len(known):
        return None
    return next((cell for cell in known if around[cell] != around[known[0]]), None)


def _is_usual(cells: list[str]) -> bool:
    """Say whether cells are numbers as programs write them, and points in them before decimals."""
    try:
        for cell in cells:
            float(cell)
    except ValueError:
        return False
    pointed = [cell for cell in cells if "." in cell]
    return not pointed or not all(re.fullmatch(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}", cell) for cell in pointed)


def _has_decimals(cells: Sequence[str]) -> bool:
    """Say whether a column has numbers with a decimal point that is no mark between thousands."""
    some = [cell.strip(BLANKS) for cell in itertools.islice(cells, 100)]
    return any(re.fullmatch(r"[+-]?[0-9]*\.(?:[0-9]{1,2}|[0-9]{4,})", cell) for cell in some) and _is_usual(
        [cell for cell in some if cell.lower() not in MISSING]
    )


def _choose(readings: list[Style], sure: set[str], cells: Sequence[str], delimiter: str) -> Style:
    """Choose the style among several in which a column can be read."""
    decimals = {style.decimal for style in readings}
    if len(readings) == 1 or len(decimals) == 1:
        return readings[0]  # without a mark between thousands where there is none
    mark = "," if any("," in cell for cell in itertools.islice(cells, SAMPLE)) else "."
    grouped = next((style for style in readings if style.group == mark), readings[0])
    other = next(style for style in readings if not style.group or style.group != mark)
    as_decimal = next((style for style in readings if style.decimal == mark and style.group != mark), other)
    if len(sure) == 1:
        return as_decimal if mark in sure else grouped
    if _fills_up(cells, mark):
        return grouped
    return as_decimal if mark == "." or delimiter == ";" else grouped


def _fills_up(cells: Sequence[str], mark: str) -> bool:
    """Say whether whole numbers end at 999 where those with a mark begin, as with marks between thousands."""
    some = [cell.strip(BLANKS) for cell in itertools.islice(cells, SAMPLE)]
    whole = [re.sub(r"[^0-9]", "", cell) for cell in some if mark not in cell and any(c.isdigit() for c in cell)]
    return any(len(cell) == 3 for cell in whole) and all(len(cell) <= 3 for cell in whole)


def sql_value(cell: str) -> str:
    """Return a cell as a number as DuckDB reads it, which is more than a number as `NUMBER` has it."""
    others = " OR ".join(f"contains({cell}, '{blank}')" for blank in BLANKS if not blank.isascii())
    # Trimming takes ten times as long as reading a number, which does without the blanks of ASCII.
    return f"CASE WHEN {others} THEN TRY_CAST({_trimmed(cell)} AS DOUBLE) ELSE TRY_CAST({cell} AS DOUBLE) END"


def sql_is_odd(cell: str) -> str:
    """Return whether DuckDB may read a number where there is none, in its SQL."""
    return " OR ".join(f"contains({cell}, '{odd}')" for odd in ("_", "+-", "-+", "(")).join("()")


def sql_is_text(cell: str, value: str) -> str:
    """Return whether a cell, as a number `value`, is neither a number nor missing, in DuckDB's SQL."""
    words = ", ".join(f"'{word}'" for word in sorted(MISSING))
    starts = ", ".join(
        f"'{letter}'"
        for letter in sorted({word[:1] for word in MISSING} | {word[:1].upper() for word in MISSING} | set(BLANKS))
    )
    missing = f"CASE WHEN {cell}[1] IN ({starts}) THEN lower({_trimmed(cell)}) IN ({words}) ELSE false END"
    return f"CASE WHEN {value} IS NULL OR {sql_is_odd(cell)} THEN NOT ({missing}) ELSE false END"


def _trimmed(cell: str) -> str:
    return f"trim({cell}, '{BLANKS}')"
