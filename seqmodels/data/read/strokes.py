"""Files of pen strokes: NumPy archives and tables.

A stroke is float64 ``(P, 2)``, the x and y of P points in order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqmodels.data.files.find import find_file
from seqmodels.data.files.numpy import Archive
from seqmodels.data.numbers import LARGEST, usable
from seqmodels.data.read.open import read_table
from seqmodels.data.read.table import Table
from seqmodels.quoting import listed, shown

NAMES = ("points", "lengths", "labels", "strokes", "char_index", "char_kind", "stroke_type", "stroke_type_names")
KINDS = ("hiragana", "katakana", "kanji", "other")
FORMS = (
    "'points' (P, 3) with x, y and a 1 where the pen is lifted, 'lengths' (N,) with the points of each drawing and, "
    "where wanted, 'labels' (N,)"
)


class Drawing(NamedTuple):
    """A drawing, what it is of, what each of its strokes is, and where it begins; where nothing is known, "" each."""

    strokes: list[np.ndarray]
    label: str
    stroke_labels: list[str]
    place: str = ""


def read_drawings(path: str) -> list[Drawing]:
    """Read the drawings in a file.

    A NumPy archive holds 'points', 'lengths' and perhaps 'labels'; or, as KanjiVG's strokes do,
    'strokes' (N, P, 2), 'char_index' (N,) and perhaps 'char_kind' and 'stroke_type'. A table has the
    columns drawing, stroke, x, y and perhaps label, a row being a point.

    Raises:
        ValueError: what is wrong with the file, and where.
    """
    if str(path).endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz")):
        drawings = _of_table(read_table(path))
    else:
        arrays = _load(path)
        drawings = _of_strokes(path, arrays) if "strokes" in arrays else _of_points(path, arrays)
    for number, drawing in enumerate(drawings):
        for stroke in drawing.strokes:
            if not usable(stroke).all():
                raise ValueError(
                    f"{path}, drawing {number + 1}: a point is not a number, infinite or above {LARGEST:g}; "
                    "mend or remove it"
                )
    return [drawing._replace(place=drawing.place or f"drawing {n}") for n, drawing in enumerate(drawings, 1)]


def _load(path: str) -> dict[str, np.ndarray]:
    """Return the arrays that are asked for here, and for others an empty one."""
    found = find_file(path)
    try:
        archive = Archive(found)
        return {name: np.atleast_1d(archive.read(name)) if name in NAMES else np.empty(0) for name in archive.members}
    except ValueError as error:
        raise ValueError(f"{path}: expected a NumPy archive (.npz) with {FORMS}: {error}; save it anew") from None


def _of_points(path: str, arrays: dict[str, np.ndarray]) -> list[Drawing]:
    missing = [name for name in ("points", "lengths") if name not in arrays]
    if missing:
        have = listed(arrays) or "nothing"
        raise ValueError(f"{path}: expected {FORMS}; it lacks {' and '.join(map(repr, missing))} and has {have}")
    points, lengths = arrays["points"], arrays["lengths"]
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "iuf":
        raise ValueError(f"{path}: 'points' must be numbers (P, 3), got {points.dtype} {points.shape}")
    bad = lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (len(lengths) > 0 and lengths.min() < 1)
    if bad or int(lengths.sum()) != len(points):
        total = int(lengths.sum()) if lengths.dtype.kind in "iu" else lengths.dtype
        raise ValueError(f"{path}: 'lengths' must be whole numbers above 0 that add up to {len(points)}, got {total}")
    if not len(lengths):
        raise ValueError(f"{path}: expected drawings, got none: 'points' and 'lengths' are empty")
    labels = arrays.get("labels", np.full(len(lengths), ""))
    if labels.shape != lengths.shape:
        raise ValueError(
            f"{path}: expected one of 'labels' for each of the {len(lengths)} drawings, got {len(labels)}, "
            f"shape {labels.shape}"
        )
    parts = np.split(points.astype(np.float64), np.cumsum(lengths)[:-1])
    return [_lifted(part, str(label)) for part, label in zip(parts, labels, strict=True)]


def _lifted(points: np.ndarray, label: str) -> Drawing:
    """Make a drawing whose strokes end where the pen is lifted, the last one at its end."""
    ends = np.flatnonzero(points[:-1, 2] > 0.5) + 1
    strokes = np.split(points[:, :2], ends)
    return Drawing(strokes, label, [""] * len(strokes))


def _of_strokes(path: str, arrays: dict[str, np.ndarray]) -> list[Drawing]:
    strokes, owner = arrays["strokes"], arrays.get("char_index")
    if strokes.ndim != 3 or strokes.shape[2] != 2 or owner is None or owner.shape != strokes.shape[:1]:
        raise ValueError(f"{path}: expected 'strokes' (N, P, 2) and 'char_index' (N,), got {strokes.shape}")
    names = arrays.get("stroke_type_names", np.array([], dtype=str))
    types = arrays.get("stroke_type", np.full(len(strokes), -1))
    kinds = arrays.get("char_kind")
    drawings = []
    order = np.argsort(owner, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(owner[order])) + 1):
        kind = "" if kinds is None else KINDS[int(kinds[owner[rows[0]]])]
        known = [(str(names[t]) or "?") if 0 <= t < len(names) else "" for t in types[rows].tolist()]
        drawings.append(Drawing(list(strokes[rows].astype(np.float64)), kind, known))
    return drawings


def _of_table(table: Table) -> list[Drawing]:
    owners, strokes = (table.cells(name, "path") for name in ("drawing", "stroke"))
    points = np.stack([table.numbers(name, "path") for name in ("x", "y")], axis=1)
    bad = np.flatnonzero(np.isnan(points).any(axis=1))
    if len(bad):
        row = int(bad[0])
        got = " and ".join(shown(table.columns[name][row]) for name in ("x", "y"))
        raise ValueError(f"{table.place(row)}: expected numbers in x and y, got {got}; remove the line, or mend it")
    labels = table.columns.get("label", [""] * len(table))
    found: dict[str, dict[str, list[int]]] = {}
    for row, (owner, stroke) in enumerate(zip(owners, strokes, strict=True)):
        found.setdefault(owner, {}).setdefault(stroke, []).append(row)
    drawings = []
    for owner, parts in found.items():
        rows = list(parts.values())
        first = rows[0][0]
        if not owner.strip():
            raise ValueError(f"{table.place(first, 'drawing')}: expected a drawing's name, got a blank; fill it in")
        other = next((r for own in rows for r in own if labels[r] != labels[first]), None)
        if other is not None:
            raise ValueError(
                f"{table.place(other, 'label')}: got {shown(labels[other])}, but {shown(labels[first])} on line "
                f"{table.lines[first]} of the same drawing; mend it"
            )
        place = f"line {table.lines[first]}"
        drawings.append(Drawing([points[r] for r in rows], labels[first], [""] * len(rows), place))
    return drawings
