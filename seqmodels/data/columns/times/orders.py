"""The order of day, month and year in dates: one for a whole column, that which makes its steps even."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from seqmodels.data.columns.times.dates import LATEST, TOKENS, YEARS, Token, token_of

Order = tuple[str, ...]

# What dates of some tokens may be: year "y", month "m", day "d", quarter "q", half "h", week "w"; "-" is a mark.
_KNOWN = {
    "nnn": ("ymd", "dmy", "mdy"),
    "nbn": ("dmy", "ymd"),
    "bnn": ("mdy",),
    "nnb": ("ydm",),
    "nn": ("ym", "my", "yq", "qy", "yw", "wy"),
    "bn": ("my",),
    "nb": ("ym",),
    "qn": ("-y",),
    "nwnn": ("y-wd",),
    **{f"{mark}nn": (f"-{mark}y",) for mark in "qhw"},
    **{f"n{mark}n": (f"y-{mark}", f"{mark}-y") for mark in "qhw"},
}
# The same of one number by its digits; "Y" is a year of two.
_TOGETHER: dict[int, list[Order]] = {
    8: [("ymd",), ("dmy",), ("mdy",)],
    7: [("yj",)],
    6: [("ym",), ("Ymd",), ("dmY",), ("mdY",), ("my",), ("yw",)],
    4: [("y",)],
}
_SIZES = {"y": 4, "Y": 2, "m": 2, "d": 2, "w": 2, "j": 3}
_MONTHS_IN = {"q": 3, "h": 6}
# How a format calls them, as `datetime.strptime` does where it knows them.
_NAMES = {"w": "V", "Y": "y"}


def orders_of(dates: Sequence[list[Token]]) -> list[Order]:
    """Return every order of year, month, day, quarter, half and week that the dates of a column may have.

    >>> from seqmodels.data.columns.times.dates import tokens_of
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
    return [tuple(order) for order in _KNOWN.get(kind, ())] if kind != "n" else _TOGETHER.get(wide[0], [])


def _years_fit(order: Order, long: list[bool], wide: list[int]) -> bool:
    """Say whether years have four digits, or two in all cells, and nothing else has more than two."""
    if len(order) == 1:
        return True
    for place, role in enumerate(order):
        if role == "y" and not long[place] and wide[place] > 2:
            return False
        if role != "y" and wide[place] > (1 if role == "q" and "-" not in order else 2):
            return False
    return True


def read_dates(dates: Sequence[list[Token]], order: Order) -> list[int | None]:
    """Return days since 1970 of each date read in an order; None for those that do not exist.

    >>> from seqmodels.data.columns.times.dates import tokens_of
    >>> read_dates([tokens_of("31.01.24"), tokens_of("30.02.24")], ("d", "m", "y"))
    [19753, None]
    """
    fields = [_fields(date, order) for date in dates]
    short = {year for one in fields if one and len(year := one.get("y", "")) == 2}
    century = _century({int(year) for year in short}) if short else {}
    return [None if one is None else _day(one, century) for one in fields]


def _fields(date: list[Token], order: Order) -> dict[str, str] | None:
    if len(order) == 1:
        text, places = date[0][1], list(itertools.accumulate((_SIZES[role] for role in order[0]), initial=0))
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
        elif "j" in fields:
            date = datetime.date(year, 1, 1) + datetime.timedelta(int(fields["j"]) - 1)
        else:
            role = next((role for role in "qh" if role in fields), "m")
            size = _MONTHS_IN.get(role, 1)
            date = datetime.date(year, size * int(fields.get(role, 1)) - size + 1, int(fields.get("d", 1)))
    except ValueError:
        return None
    there_is = YEARS[0] <= date.year <= YEARS[1] and (date.year == year or "w" in fields)
    return date.toordinal() - 719_163 if there_is else None


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
    return max(map(commonest_share, measures))


def commonest_share(steps: np.ndarray) -> float:
    """Return the share of steps that are the commonest one."""
    return float(np.unique(steps, return_counts=True)[1].max(initial=0)) / max(1, len(steps))


def choose(
    readings: dict[Order, list[int | None]], parts: Sequence[int], unclear: Callable[[list[Order]], ValueError]
) -> Order:
    """Choose the order that reads all of a column, with the most even steps, in order in the file, as is usual.

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
        score[order] = (round(evenness(file), 6), sorted_, is_usual(order))
    best = max(score.values())
    found = [order for order, one in score.items() if one == best]
    if len({tuple(left[order]) for order in found}) > 1:
        raise unclear(found)
    return found[0]


def is_usual(order: Order) -> bool:
    """Say whether dates of these tokens are written so more often than in another order."""
    return order[0] in ("ymd", "ym", "my") if len(order) == 1 else "-" in order or not {"q", "w"} & set(order)


def format_of(date: str, order: Order) -> str:
    """Write the format, as for `datetime.strptime`, of a date that is read in an order.

    >>> format_of("01/02/2024", ("d", "m", "y")), format_of("1 jan 24", ("d", "m", "y")), format_of("230102", ("Ymd",))
    ('%d/%m/%Y', '%d %b %y', '%y%m%d')
    """
    roles = iter(order)

    def field(found: re.Match[str]) -> str:
        token = token_of(found[0])
        if token is None or (role := next(roles)) == "-":
            return found[0]
        if token[0] == "b":
            return "%b"
        wide = len(role) > 1 or len(found[0]) == 4
        return "".join(f"%{'Y' if one == 'y' and wide else _NAMES.get(one, one)}" for one in role)

    return TOKENS.sub(field, date)


def order_of(time_format: str) -> Order:
    """Return the order of a format's fields."""
    names = {"b": "m", "B": "m", "V": "w", "G": "y", "Y": "y"}
    return tuple(names.get(name, name) for name in re.findall(r"%(.)", time_format))


def has_order(order: Order, fields: Order) -> bool:
    """Say whether an order is that of some fields, marks and digits written together aside."""
    return tuple(role.lower() for part in order for role in part if role != "-") == fields
