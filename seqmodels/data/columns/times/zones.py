"""Local time: what the clocks of a zone show, and back to UTC.

N times, int64 nanoseconds since 1970.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqmodels.data.columns.times.dates import DAY
from seqmodels.data.files.arrays import blocks


def check_timezone(name: str) -> None:
    """Refuse a zone that does not exist."""
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"data.timezone: there is no time zone {name!r}; write its name as Europe/Berlin, America/New_York or UTC"
        ) from None


def local(times: np.ndarray, timezone: str | None) -> np.ndarray:
    """Convert times in UTC to local time.

    >>> (local(np.array([0]), "Europe/Berlin") // (DAY // 24)).tolist()
    [1]
    """
    if timezone is None:
        return times
    return _index(times).tz_localize("UTC").tz_convert(timezone).tz_localize(None).as_unit("ns").asi8


def local_one(time: float, timezone: str | None) -> int:
    """Convert one time in UTC, which without a zone may be any, to local time."""
    return int(time) if timezone is None else int(local(np.array([time], np.int64), timezone)[0])


def utc(wall: int, timezone: str | None) -> int:
    """Convert local time to UTC: the first of two, or where clocks skip it the next there is."""
    if timezone is None:
        return wall
    index = _index(np.array([wall])).tz_localize(timezone, ambiguous=np.array([True]), nonexistent="shift_forward")
    return int(index.tz_convert("UTC").as_unit("ns").asi8[0])


def localise(wall: np.ndarray, timezone: str, owner: np.ndarray | None = None) -> np.ndarray:
    """Convert local times to UTC.

    A time that they showed twice is told by its neighbours in the file: where an owner's rows of the
    hour go back, or repeat, the second showing begins.

    Args:
        wall: int64 ``(N,)``.
        timezone: of the clocks.
        owner: int ``(N,)``, whose row each is; None where all are one's.

    Raises:
        ValueError: no such zone, or a time shown twice or never of which the neighbours do not tell.
    """
    check_timezone(timezone)
    found, twice = np.empty_like(wall), []
    for rows in blocks(len(wall)):
        index = _index(wall[rows]).tz_localize(timezone, ambiguous="NaT", nonexistent="shift_forward")
        unclear = np.flatnonzero(index.isna())
        found[rows] = index.tz_convert("UTC").as_unit("ns").asi8
        back = local(np.where(np.isin(np.arange(rows.stop - rows.start), unclear), 0, found[rows]), timezone)
        never = np.flatnonzero(back != wall[rows])
        never = np.setdiff1d(never, unclear)
        if len(never):
            raise _refusal(timezone, wall[rows][never[0]], "never")
        twice.append(unclear + rows.start)
    places = np.concatenate(twice)
    if len(places):
        first = _first_showing(wall, places, owner, timezone)
        index = _index(wall[places]).tz_localize(timezone, ambiguous=first)
        found[places] = index.tz_convert("UTC").as_unit("ns").asi8
    return found


def _first_showing(wall: np.ndarray, places: np.ndarray, owner: np.ndarray | None, timezone: str) -> np.ndarray:
    """Mark which of the times shown twice are the first showing."""
    whose = np.zeros(len(places), np.int64) if owner is None else np.asarray(owner)[places]
    day = wall[places] // DAY
    forward = wall[-1] >= wall[0]
    order = np.lexsort((places if forward else -places, day, whose))
    first = np.empty(len(places), dtype=bool)
    edges = np.flatnonzero((np.diff(whose[order]) != 0) | (np.diff(day[order]) != 0)) + 1
    for group in np.split(order, edges):
        back = np.flatnonzero(np.diff(wall[places[group]]) <= 0) + 1
        if len(back) != 1:
            raise _refusal(timezone, wall[places[group[0]]], "twice")
        first[group] = np.arange(len(group)) < back[0]
    return first


def _refusal(timezone: str, wall: Any, how: str) -> ValueError:
    shown = str(np.datetime64(int(wall), "ns").astype("datetime64[s]")).replace("T", " ")
    return ValueError(
        f"data.timezone={timezone}: the clocks showed {shown} {how}: where they are put forward or back a time "
        "is shown twice or never; write the times with their offset (2024-10-27T02:30+01:00), or in UTC"
    )


def _index(times: np.ndarray) -> Any:
    import pandas as pd

    return pd.DatetimeIndex(np.ascontiguousarray(times).view("datetime64[ns]"))
