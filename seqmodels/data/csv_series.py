"""A table read as time series: rows in order of time, one series after the other."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from seqmodels.data.csv_layout import Layout
from seqmodels.data.csv_read import Table
from seqmodels.data.series import SeriesRows

TRANSFORMS = ("difference", "log_return")


@dataclass(frozen=True)
class Order:
    """The rows of a table by owner (a series or a sequence) and, within each, by time.

    Fields:
        rows: int ``(N,)``, the table's rows in that order.
        owner: int ``(N,)``, the owner of each, in order of appearance in the file.
        times: ``(N,)``, of each; None where no column holds times.
        names: of the owners.
        sorted: whether rows of one owner had to change places.
    """

    rows: np.ndarray
    owner: np.ndarray
    times: np.ndarray | None
    names: tuple[str, ...]
    sorted: bool


def order_rows(table: Table, owner_column: str | None, option: str, time_column: str | None) -> Order:
    """Bring the rows of each owner together, in order of time if there is a column of times.

    Raises:
        ValueError: an owner is blank, a time cannot be read, or an owner has a time twice.
    """
    cells = [""] * len(table) if owner_column is None else table.cells(owner_column, option)
    code = {key: i for i, key in enumerate(dict.fromkeys(cells))}
    if owner_column is not None and "" in code:
        raise ValueError(f"{table.place(cells.index(''), owner_column)}: expected a name (data.{option}), got a blank")
    owner = np.array([code[cell] for cell in cells], dtype=np.int64)
    times = None if time_column is None else parse_times(table, time_column)
    rows = np.argsort(owner, kind="stable") if times is None else np.lexsort((times, owner))
    owner = owner[rows]
    moved = bool((np.diff(rows)[np.diff(owner) == 0] < 0).any())
    order = Order(rows, owner, None if times is None else times[rows], tuple(code), moved)
    _refuse_repeats(table, order, option, time_column)
    return order


def parse_times(table: Table, name: str) -> np.ndarray:
    """Times that can be sorted: numbers as they are, dates as nanoseconds.

    Raises:
        ValueError: a cell is neither like the others a number, nor a date.
    """
    cells = table.cells(name, "time")
    if table.is_numeric(name):
        values = table.numbers(name, "time")
        bad = np.flatnonzero(np.isnan(values))
    else:
        # Month first, as pandas reads 01/02/2024; day first where only that gives dates.
        values, bad = _parse_dates(cells, dayfirst=False)
        if len(bad):
            other, worse = _parse_dates(cells, dayfirst=True)
            values, bad = (other, worse) if len(worse) < len(bad) else (values, bad)
    if len(bad):
        row = int(bad[0])
        raise ValueError(
            f"{table.place(row, name)}: expected a time like the others, got {cells[row]!r}; "
            "write dates as 2024-01-31 or 2024-01-31 17:30"
        )
    return values


def _parse_dates(cells: list[str], dayfirst: bool) -> tuple[np.ndarray, np.ndarray]:
    """Dates as int64, and the rows that hold none."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pandas tells of the order that it guessed
        dates = pd.to_datetime(pd.Series(cells, dtype=object), errors="coerce", utc=True, dayfirst=dayfirst)
    days = dates.dt.tz_localize(None).to_numpy(dtype="datetime64[ns]")
    return days.astype(np.int64), np.flatnonzero(np.isnat(days))


def _refuse_repeats(table: Table, order: Order, option: str, time_column: str | None) -> None:
    if order.times is None or time_column is None:
        return
    again = np.flatnonzero((np.diff(order.owner) == 0) & (np.diff(order.times) == 0))
    if len(again) == 0:
        return
    first, second = sorted(order.rows[again[0] : again[0] + 2].tolist())
    name = order.names[order.owner[again[0]]]
    cure = "remove one of the two lines"
    if not name:
        cure += ", or, if the file holds many series, name the column that tells them apart with data.series=COLUMN"
    raise ValueError(
        f"{table.place(second, time_column)}: the time {table.columns[time_column][second]!r}"
        f"{f' of {option} {name!r}' if name else ''} is also on line {table.lines[first]} "
        f"({len(again)} repeated in all); {cure}"
    )


def read_series(table: Table, layout: Layout, transform: str | None, missing: str) -> SeriesRows:
    """The rows of a table in the series layout.

    Args:
        transform: what becomes of the target: None, "difference" (each value less the one before) or
            "log_return" (logarithm of each value over the one before).
        missing: "error", "drop" (leave the row out) or "interpolate" (keep it, as NaN).

    Raises:
        ValueError: as `order_rows`; a missing value where missing="error"; a value of 0 or less where
            logarithms are taken.
    """
    order = order_rows(table, layout.series, "series", layout.time)
    rows, series, times = order.rows, order.owner, order.times
    values = np.stack([table.numbers(name) for name in layout.features], axis=1)[rows]
    absent = ~np.isfinite(values)
    keep = ~absent.any(axis=1) if missing == "drop" else np.ones(len(rows), dtype=bool)
    if missing == "error":
        refuse_missing(table, layout.features, rows, absent)
    if transform is not None:
        values[keep, 0] = _change(table, layout, transform, values[keep, 0], rows[keep])
        # The first row of a series has nothing to be compared with.
        kept = np.flatnonzero(keep)
        keep[kept[np.diff(series[kept], prepend=-1) != 0]] = False
    notes = ["rows sorted by time"] if order.sorted else []
    if absent.any():
        notes.append(f"{int(absent.any(axis=1).sum())} rows with missing numbers: {missing}")
    return SeriesRows(values[keep], series[keep], None if times is None else times[keep], order.names, tuple(notes))


def refuse_missing(table: Table, names: tuple[str, ...], rows: np.ndarray, absent: np.ndarray) -> None:
    """Name the first missing cell, if any.

    Args:
        names: the columns of `absent`.
        rows: the table's rows that `absent` is about.
        absent: bool ``(len(rows), len(names))``.

    Raises:
        ValueError: there is one.
    """
    if not absent.any():
        return
    where, column = np.nonzero(absent)
    first = int(np.argmin(rows[where]))
    row, name = int(rows[where[first]]), names[column[first]]
    raise ValueError(
        f"{table.place(row, name)}: expected a number, got {table.columns[name][row]!r} "
        f"({int(absent.sum())} such cells in all); data.missing=drop leaves such rows out, "
        "data.missing=interpolate draws a line between the neighbours"
    )


def _change(table: Table, layout: Layout, transform: str, target: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The change of each value from the one before it; meaningless in the first row of a series."""
    if transform == "log_return":
        bad = np.flatnonzero(target <= 0)
        if len(bad):
            raise ValueError(
                f"{table.place(int(rows[bad[0]]), layout.target)}: data.transform=log_return needs values above 0, "
                f"got {target[bad[0]]:g}; use data.transform=difference"
            )
        target = np.log(target)
    return np.diff(target, prepend=np.nan)
