"""Dates and times of day in cells, read by one format for a whole column."""

from __future__ import annotations

import re

DAY = 86_400_000_000_000
# Years all of whose times nanoseconds since 1970 count in 64 bits.
YEARS = (1678, 2261)
# Two-digit years lie in the latest hundred years that end no later than this.
LATEST = 2049
# Characters of the longest time stamp there is, many times over: longer cells are none, and are not searched for one.
LONGEST = 200

# Hours before or after UTC, of a zone that there is: what is left of 10:00-10:59 is none.
OFFSET = r"Z|UTC|GMT|[+-](?:0\d|1[0-4])(?::?(?:00|15|30|45))?"
TIME = re.compile(
    r"(\d{1,2})(?::(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(?:([ap])\.?m\.?|h|uhr)?"
    rf"\s*({OFFSET})?",
    re.IGNORECASE,
)
# A time of day, and what is before it; and both without a mark between hours and minutes.
WITH_TIME = re.compile(r"(.*?)[T,:\s]*(?<!\d)(\d{1,2}(?::\d{2}|\s?(?:[ap]\.?m|h|uhr)\b).*)", re.IGNORECASE | re.DOTALL)
TOGETHER = re.compile(rf"(\d{{8}})[T\s](\d{{2}})(\d{{2}})(\d{{2}})?({OFFSET})?")
TIME_FIRST = re.compile(r"(\d{1,2}:\d{2}(?::\d{2})?)[,\s]+(\d[^:-]*)")
TOKENS = re.compile(r"\d+|[^\W\d_]+")
# Words of a date that say nothing more.
IDLE = re.compile(
    r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*|mo|di|mi|do|fr|sa|so|st|nd|rd|th|of|de|t|m|at|um|[年月日]", re.IGNORECASE
)
# The marks of weeks, quarters and half-years.
MARKS = {
    **dict.fromkeys(("w", "kw", "cw", "wk", "week"), "w"),
    **dict.fromkeys(("q", "k", "qtr", "quarter", "quartal", "kvartal", "trimestre"), "q"),
    **dict.fromkeys(("h", "s"), "h"),
}
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


def split_time(cell: str) -> tuple[str, str]:
    """Split a cell into its date and its time of day, either of which may be empty.

    >>> split_time("31.01.2024 17:30"), split_time("2024-01-31T17:30Z"), split_time("Jan 1, 2024")
    (('31.01.2024', '17:30'), ('2024-01-31', '17:30Z'), ('Jan 1, 2024', ''))
    """
    if len(cell) > LONGEST:
        return cell, ""
    if found := TOGETHER.fullmatch(cell):
        return found[1], f"{found[2]}:{found[3]}:{found[4] or '00'}{found[5] or ''}"
    if found := TIME_FIRST.fullmatch(cell):
        return found[2], found[1]
    found = WITH_TIME.fullmatch(cell)
    return (cell, "") if found is None else (found[1], found[2])


def time_of_day(text: str) -> tuple[int, int | None] | None:
    """Return nanoseconds since midnight, and the offset from UTC where there is one; None for no time of day.

    >>> time_of_day("1:30 PM"), time_of_day("24:00"), time_of_day("00:00+01:00"), time_of_day("25:00")
    ((48600000000000, None), (86400000000000, None), (0, 3600000000000), None)
    """
    found = TIME.fullmatch(text.strip())
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2] or 0), int(found[3] or 0)
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
    """Split a date into numbers "n", a month's name "b", and the marks of weeks "w", quarters "q" and halves "h".

    >>> tokens_of("Mon, 1 January 2024"), tokens_of("2024-W05")
    ([('n', '1'), ('b', '1'), ('n', '2024')], [('n', '2024'), ('w', ''), ('n', '05')])
    """
    return [token for text in TOKENS.findall(date[:LONGEST]) if (token := token_of(text)) is not None]


def token_of(text: str) -> Token | None:
    """Return what a number or a word of a date is, "?" for another; None for a word that says nothing more."""
    word = text.casefold()
    month = next((MONTHS[word[:size]] for size in (4, 3) if word[:size] in MONTHS), None)
    if text.isdigit():
        return "n", text
    if month is not None:
        return "b", str(month)
    if word in MARKS:
        return MARKS[word], ""
    return None if IDLE.fullmatch(text) else ("?", text)
