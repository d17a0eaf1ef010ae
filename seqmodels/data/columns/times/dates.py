"""Dates and times of day in cells, read by one format for a whole column."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

DAY = 86_400_000_000_000
# Years all of whose times nanoseconds since 1970 count in 64 bits.
YEARS = (1678, 2261)
# Two-digit years lie in the latest hundred years that end no later than this.
LATEST = 2049
# Characters of the longest time stamp there is, many times over: longer cells are none, and are not searched for one.
LONGEST = 200

OFFSET = r"Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2}"
TIME = re.compile(
    rf"(\d{{1,2}}):(\d{{2}})(?::(\d{{2}})(?:[.,](\d{{1,9}}))?)?\s*([ap])?(?:\.?m\.?)?\s*({OFFSET})?", re.IGNORECASE
)
# A time of day, and what is before it.
WITH_TIME = re.compile(r"(.*?)[T,\s]*(\d{1,2}:\d{2}.*)", re.IGNORECASE | re.DOTALL)
TOKENS = re.compile(r"\d+|[^\W\d_]+")
# Words of a date that say nothing more.
IDLE = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*|st|nd|rd|th|of|de|t", re.IGNORECASE)
WEEKS, QUARTERS = {"w", "kw", "wk", "week"}, {"q", "quarter"}
# How the names of months begin, in English, German, French, Spanish, Italian, Portuguese and Dutch.
MONTHS = {
    start: month
    for month, starts in enumerate(
        (
            ("jan", "ene", "gen"),
            ("feb", "fev", "fév"),
            ("mar", "mär", "mrz", "maa", "mrt"),
            ("apr", "avr", "abr"),
            ("may", "mai", "mag", "mei"),
            ("jun", "juin", "giu"),
            ("jul", "juil", "lug"),
            ("aug", "aoû", "aou", "ago"),
            ("sep", "set"),
            ("oct", "okt", "out", "ott"),
            ("nov",),
            ("dec", "dez", "déc", "dic"),
        ),
        1,
    )
    for start in starts
}
#: A date as its tokens, numbers or names of months, each with what it is.
Token = tuple[str, str]
Order = tuple[str, ...]


def split_time(cell: str) -> tuple[str, str]:
    """Split a cell into its date and its time of day, either of which may be empty.

    >>> split_time("31.01.2024 17:30"), split_time("2024-01-31T17:30Z"), split_time("Jan 1, 2024")
    (('31.01.2024', '17:30'), ('2024-01-31', '17:30Z'), ('Jan 1, 2024', ''))
    """
    found = WITH_TIME.fullmatch(cell) if len(cell) <= LONGEST else None
    return (cell, "") if found is None else (found[1], found[2])


def time_of_day(text: str) -> tuple[int, int | None] | None:
    """Return nanoseconds since midnight, and the offset from UTC where there is one; None for no time of day.

    >>> time_of_day("1:30 PM"), time_of_day("24:00"), time_of_day("00:00+01:00"), time_of_day("25:00")
    ((48600000000000, None), (86400000000000, None), (0, 3600000000000), None)
    """
    found = TIME.fullmatch(text.strip())
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[5]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (found[5].lower() == "p")
    if minute > 59 or second > 60 or hour > 24 or (hour == 24 and (minute or second)):
        return None
    part = int((found[4] or "0").ljust(9, "0"))
    return (hour * 3600 + minute * 60 + second) * 10**9 + part, _offset(found[6])


def _offset(text: str | None) -> int | None:
    if text is None:
        return None
    digits = re.sub(r"\D", "", text)
    if not digits:
        return 0
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return (-minutes if text[0] == "-" else minutes) * 60 * 10**9


def tokens_of(date: str) -> list[Token]:
    """Split a date into numbers "n", a month's name "b", and the marks of weeks "w" and quarters "q".

    >>> tokens_of("Mon, 1 January 2024"), tokens_of("2024-W05")
    ([('n', '1'), ('b', '1'), ('n', '2024')], [('n', '2024'), ('w', ''), ('n', '05')])
    """
    found: list[Token] = []
    for token in TOKENS.findall(date[:LONGEST]):
        word = token.casefold()
        month = next((MONTHS[word[:size]] for size in (4, 3) if word[:size] in MONTHS), None)
        if token.isdigit():
            found.append(("n", token))
        elif month is not None:
            found.append(("b", str(month)))
        elif word in WEEKS or word in QUARTERS:
            found.append(("w" if word in WEEKS else "q", ""))
        elif not IDLE.fullmatch(token):
            found.append(("?", token))
    return found


def orders_of(dates: Sequence[list[Token]]) -> list[Order]:
    """Return every order of year, month, day, quarter and week that the dates of a column may have.

    >>> orders_of([tokens_of("01/02/2024")]), orders_of([tokens_of("Jan-01")]), orders_of([tokens_of("Q1 1970")])
    ([('d', 'm', 'y'), ('m', 'd', 'y')], [('m', 'y')], [('-', 'q', 'y')])
    """
    kinds = {tuple(kind for kind, _ in date) for date in dates}
    if len(kinds) != 1 or not dates:
        return []
    kind = "".join(next(iter(kinds)))
    long = [all(len(date[i][1]) == 4 for date in dates) for i in range(len(kind))]
    wide = [max(len(date[i][1]) for date in dates) for i in range(len(kind))]
    found = [order for order in _arrangements(kind, wide) if _years_fit(order, long, wide)]
    return list(dict.fromkeys(found))


def _arrangements(kind: str, wide: list[int]) -> list[Order]:
    known: dict[str, list[str]] = {
        "nnn": ["ymd", "dmy", "mdy"],
        "nbn": ["dmy", "ymd"],
        "bnn": ["mdy"],
        "nnb": ["ydm"],
        "nn": ["ym", "my"],
        "bn": ["my"],
        "nb": ["ym"],
        "qnn": ["-qy"],
        "qn": ["-y"],
        "nqn": ["y-q", "q-y"],
        "nwn": ["y-w", "w-y"],
        "wnn": ["-wy"],
        "nwnn": ["y-wd"],
    }
    if kind == "n":
        alone: dict[int, list[Order]] = {8: [("ymd",)], 6: [("ym",), ("Ymd",)], 4: [("y",)]}
        return alone.get(wide[0], [])
    return [tuple(order) for order in known.get(kind, [])]


def _years_fit(order: Order, long: list[bool], wide: list[int]) -> bool:
    """Say whether years have four digits, or two in all cells, and nothing else has more than two."""
    if len(order) == 1:
        return True
    for place, role in enumerate(order):
        if role == "y" and not long[place] and wide[place] > 2:
            return False
        if role != "y" and wide[place] > 2:
            return False
    return True


def read_dates(dates: Sequence[list[Token]], order: Order) -> list[int | None]:
    """Return days since 1970 of each date read in an order; None for those that do not exist.

    >>> read_dates([tokens_of("31.01.24"), tokens_of("30.02.24")], ("d", "m", "y"))
    [19753, None]
    """
    fields = [_fields(date, order) for date in dates]
    short = {year for one in fields if one and len(year := one.get("y", "")) == 2}
    century = _century({int(year) for year in short}) if short else {}
    return [None if one is None else _day(one, century) for one in fields]


def _fields(date: list[Token], order: Order) -> dict[str, str] | None:
    if order in (("ymd",), ("ym",), ("Ymd",), ("y",)):
        text, sizes = date[0][1], {"y": 4, "Y": 2, "m": 2, "d": 2}
        places = list(itertools.accumulate((sizes[role] for role in order[0]), initial=0))
        if len(text) != places[-1]:
            return None
        parts = zip(order[0].lower(), itertools.pairwise(places), strict=True)
        return {role: text[low:high] for role, (low, high) in parts}
    if len(date) != len(order):
        return None
    return {role: text for role, (_, text) in zip(order, date, strict=True) if role != "-"}


def _century(years: set[int]) -> dict[str, int]:
    """Return two-digit years as whole ones: next to each other across a century, and as late as may be.

    >>> _century({98, 99, 0, 1}), _century({49, 60})
    ({'00': 2000, '01': 2001, '98': 1998, '99': 1999}, {'49': 1949, '60': 1960})
    """
    found = sorted(years)
    gaps = [(later - earlier) % 100 or 100 for earlier, later in zip(found, [*found[1:], found[0]], strict=True)]
    last = found[int(np.argmax(gaps))]  # the widest gap comes after it
    end = last + 100 * ((LATEST - last) // 100)
    return {f"{year:02d}": end - (last - year) % 100 for year in found}


def _day(fields: dict[str, str], century: dict[str, int]) -> int | None:
    try:
        year = century.get(fields["y"]) or int(fields["y"])
        if "w" in fields:
            date = datetime.date.fromisocalendar(year, int(fields["w"]), int(fields.get("d", 1)))
        else:
            month = 3 * int(fields["q"]) - 2 if "q" in fields else int(fields.get("m", 1))
            if "q" in fields and not 1 <= int(fields["q"]) <= 4:
                return None
            date = datetime.date(year, month, int(fields.get("d", 1)))
    except ValueError:
        return None
    return date.toordinal() - 719_163 if YEARS[0] <= date.year <= YEARS[1] else None


def evenness(days: Iterable[int]) -> float:
    """Return the share of steps between sorted days that are the commonest one, in days or in months.

    >>> evenness([0, 31, 59, 90]), evenness([0, 1, 2, 365])
    (1.0, 0.6666666666666666)
    """
    found = np.unique(np.fromiter(days, np.int64))
    if len(found) < 2:
        return 0.0
    dates = found.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    measures = [np.diff(found)]
    if len(np.unique((dates - months).astype(np.int64))) == 1:
        measures.append(np.diff(months.astype(np.int64)))
    return max(float(np.unique(steps, return_counts=True)[1].max()) / len(steps) for steps in measures)


def choose(
    readings: dict[Order, list[int | None]], parts: Sequence[int], unclear: Callable[[list[Order]], ValueError]
) -> Order:
    """Choose the order that reads all dates, with the most even steps, in order in the file.

    Raises:
        ValueError: two orders do as well and differ.
    """
    least = min(days.count(None) for days in readings.values())
    left = {order: days for order, days in readings.items() if days.count(None) == least}
    if least or len(left) == 1:
        return next(iter(left))
    score = {}
    for order, days in left.items():
        file = np.array([day for part in parts if (day := days[part]) is not None], np.int64)
        moves = np.sign(np.diff(file))
        sorted_ = bool((moves >= 0).all() or (moves <= 0).all())
        score[order] = (round(evenness(file), 6), sorted_)
    best = max(score.values())
    found = [order for order, one in score.items() if one == best]
    if len({tuple(left[order]) for order in found}) > 1:
        raise unclear(found)
    return found[0]
