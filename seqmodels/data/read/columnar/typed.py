"""A typed column as text and as numbers, in the SQL of DuckDB.

Numbers keep all their digits, true and false are 1 and 0, times are written as 2024-01-31T17:30:00, categories by
their names, and what is null is blank.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from seqmodels.data.read.database import quoted

_AS_THEY_ARE = r"VARCHAR|ENUM\(.*|UUID|JSON|DATE|TIME|U?(?:TINY|SMALL|BIG|HUGE)?INT|U?INTEGER|DECIMAL\(.*"
_FLOATS, _TIMES = r"FLOAT|DOUBLE", r"TIMESTAMP(?:_S|_MS|_NS)?"
_ZONED = r"TIMESTAMP WITH TIME ZONE|TIMESTAMPTZ(?:_NS)?"


@dataclass(frozen=True)
class Column:
    """A column of a relation: an SQL expression, its type in DuckDB, and names its whole numbers stand for."""

    name: str
    value: str
    kind: str
    classes: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether a cell is a list."""
        return self.kind.endswith("]")

    @property
    def element(self) -> Column:
        """The steps of its lists, as a column of a query that calls them ``step``."""
        return replace(self, value="step", kind=self.kind[: self.kind.rindex("[")])

    @property
    def text(self) -> str | None:
        """Its cells as text, in SQL; None where they have none."""
        if self.classes:
            names = ", ".join(map(quoted, self.classes))
            return f"CASE WHEN {self.value} >= 0 THEN [{names}][{self.value} + 1] ELSE '' END"
        text = _text(self.value, self.kind)
        return None if text is None else f"coalesce({text}, '')"

    @property
    def number(self) -> str | None:
        """Its cells as numbers, in SQL; None where they are not of such a type."""
        if self.classes or not re.fullmatch(rf"BOOLEAN|{_FLOATS}|U?(?:TINY|SMALL|BIG|HUGE)?INT|U?INTEGER", self.kind):
            return None
        return f"{self.value}{'::TINYINT' if self.kind == 'BOOLEAN' else ''}::DOUBLE"

    @property
    def word(self) -> str | None:
        """Whether a cell is a word and no number, in SQL; None where its text has to be looked at."""
        of_time = not self.classes and re.fullmatch(rf"DATE|TIME|UUID|{_TIMES}|{_ZONED}", self.kind)
        return f"{self.value} IS NOT NULL" if of_time else None


def _text(value: str, kind: str) -> str | None:
    if re.fullmatch(_AS_THEY_ARE, kind, re.DOTALL):
        return f"{value}::VARCHAR"
    if re.fullmatch(_FLOATS, kind):
        return f"{value}::DOUBLE::VARCHAR"  # which Python and DuckDB write alike
    if kind == "BOOLEAN":
        return f"{value}::TINYINT::VARCHAR"
    if kind == "INTERVAL":
        return f"epoch({value})::DOUBLE::VARCHAR"
    if kind == '"NULL"':
        return "NULL::VARCHAR"
    if re.fullmatch(_ZONED, kind):
        local = _text(f"({value}::TIMESTAMPTZ AT TIME ZONE 'UTC')", "TIMESTAMP")
        return f"{local} || '+00:00'"
    if re.fullmatch(_TIMES, kind):
        whole = f"replace(date_trunc('second', {value}::TIMESTAMP)::VARCHAR, ' ', 'T')"
        part = f"CASE WHEN epoch_us({value}) % 1000000 = 0 THEN '' ELSE strftime({value}::TIMESTAMP, '.%f') END"
        return f"{whole} || {part}"
    return None
