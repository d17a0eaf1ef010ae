"""Contents of arrays, found out by looking through them one sequence at a time.

N sequences, T steps, F features, V values of one target.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from seqmodels.data.files.arrays import MEMORY_LIMIT
from seqmodels.data.files.cache import cached_folder, stamp
from seqmodels.data.numbers import interpolate, scale_of, usable
from seqmodels.data.read.arrays import Arrays

KINDS = ("labels", "values", "sets")
# Classes that whole numbers among decimals may be, at most.
MOST_CLASSES = 20
# Numbers that are looked at together.
BLOCK = 1 << 14


def steps_of(arrays: Arrays, items: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield some sequences one after the other, in blocks: their numbers, and all their steps ``(T, F)``."""
    ends = np.cumsum(arrays.lengths[items])
    block = max(1, BLOCK // arrays.feature_count)
    edges = np.unique(np.searchsorted(ends, np.arange(0, int(arrays.lengths[items].sum()), block), side="left"))
    for own in np.split(items, edges[1:]):
        yield own, np.concatenate([arrays.steps(index) for index in own.tolist()])


def _kept(arrays: Arrays, what: str, asked: Sequence[object], compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Return what is found by looking through all of a large file, from the cache if it was looked through before."""
    file = getattr(arrays.x, "filename", None)
    if file is None or arrays.x.nbytes <= MEMORY_LIMIT:
        return compute()
    where = hashlib.blake2b(arrays.lengths.tobytes() + (b"" if arrays.starts is None else arrays.starts.tobytes()))
    key = ["arrays", what, stamp(str(file)), where.hexdigest(), arrays.read_by, *asked]

    def write(folder: Path) -> dict[str, object]:
        np.save(folder / "found.npy", compute())
        return {}

    found: np.ndarray = np.load(cached_folder(None, arrays.path, key, write, what) / "found.npy")
    return found


def digests(arrays: Arrays) -> list[bytes]:
    """Return a digest of each sequence; copies have the same."""

    def compute() -> np.ndarray:
        each = (np.ascontiguousarray(arrays.steps(index)).tobytes() for index in range(len(arrays)))
        return np.array([np.frombuffer(hashlib.blake2b(one, digest_size=16).digest(), np.uint8) for one in each])

    return [one.tobytes() for one in _kept(arrays, "digests", (), compute)]


def find_missing(arrays: Arrays) -> np.ndarray:
    """Return for each sequence the first step with a missing, infinite or huge number; -1 for none."""
    return _kept(arrays, "missing numbers", (), lambda: _find_missing(arrays))


def _find_missing(arrays: Arrays) -> np.ndarray:
    found = np.full(len(arrays), -1)
    if arrays.x.dtype.kind != "f":
        return found
    for items, steps in steps_of(arrays, np.arange(len(arrays))):
        for index in () if usable(steps).all() else items.tolist():
            finite = usable(arrays.steps(index)).all(axis=1)
            if not finite.all():
                found[index] = int(np.argmin(finite))
    return found


def resolve_missing(arrays: Arrays, missing: str) -> tuple[np.ndarray, list[str]]:
    """Return the sequences to keep ``(n,)``, and notes on those that are not as they were.

    Raises:
        ValueError: a number is missing and missing="error", or no sequence is left.
    """
    places = find_missing(arrays)
    lacking = np.flatnonzero(places >= 0)
    if len(lacking) == 0:
        return np.arange(len(arrays)), []
    if missing == "error":
        index, step = int(lacking[0]), int(places[lacking[0]])
        values = arrays.steps(index, step, step + 1)[0]
        feature = int(np.argmin(usable(values)))
        raise ValueError(
            f"{arrays.place(index)}, step {step}, feature {feature}: expected a number, got {values[feature]} "
            f"({len(lacking)} of {len(arrays)} sequences have such); mend it, or say data.missing=drop or interpolate"
        )
    count = f"{len(lacking)} of {len(arrays)} sequences"
    if missing == "interpolate":
        return np.arange(len(arrays)), [f"{count} have missing numbers, interpolated (data.missing=interpolate)"]
    if len(lacking) == len(arrays):
        raise ValueError(f"{arrays.path}: every sequence has a missing number, so data.missing=drop leaves none")
    return np.flatnonzero(places < 0), [f"{count} left out: a number is missing (data.missing=drop)"]


def fill(steps: np.ndarray) -> np.ndarray:
    """Return steps ``(T, F)`` with missing values interpolated between neighbours."""
    if steps.dtype.kind != "f" or usable(steps).all():
        return steps
    return interpolate(np.where(usable(steps), steps, np.nan), np.zeros(len(steps), int))


def fit_steps(arrays: Arrays, items: np.ndarray, by: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of each feature over some sequences, or of all features together.

    Args:
        by: "features", "all", or "none" for no scale at all.
    """
    if by == "none":
        return (), ()

    def parts() -> Iterator[np.ndarray]:
        for own, steps in steps_of(arrays, items):
            if steps.dtype.kind == "f" and not usable(steps).all():
                steps = np.concatenate([fill(arrays.steps(index)) for index in own.tolist()])
            yield steps.reshape(-1, 1 if by == "all" else arrays.feature_count).astype(np.float64)

    asked = [by, hashlib.blake2b(np.asarray(items, np.int64).tobytes()).hexdigest()]
    shift, scale = map(tuple, _kept(arrays, "scales", asked, lambda: np.array(scale_of(parts))).tolist())
    return (shift * arrays.feature_count, scale * arrays.feature_count) if by == "all" else (shift, scale)


def plain_targets(arrays: Arrays, kind: str | None, per: str | None = None) -> tuple[Arrays, list[str]]:
    """Flatten ``(N, 1)`` targets to ``(N,)`` and turn one-hot rows into classes, with a note."""
    y = arrays.y
    if y is None or per == "step" or y.ndim != 2 or len(y) != len(arrays) or y.dtype.kind not in "iufbUS":
        return arrays, []
    if per is None and arrays.starts is None and y.shape == arrays.x.shape[:2] and arrays.read_by == "rows":
        return arrays, []
    if y.shape[1] == 1:
        return replace(arrays, y=y[:, 0]), []
    if kind not in (None, "labels") or y.dtype.kind in "US" or not np.isin(y, (0, 1)).all():
        return arrays, []
    if (y.sum(axis=1) != 1).any():
        return arrays, []
    count = y.shape[1]
    said = f"one of {count} numbers of y is 1 in each sequence: taken for classes (else data.target_kind=sets)"
    return replace(arrays, y=y.argmax(axis=1)), [said]


def resolve_target(arrays: Arrays, kind: str | None, per: str | None) -> tuple[str, bool]:
    """Decide whether targets are "labels", "values" or "sets", and whether there is one per step.

    Raises:
        ValueError: it cannot be told, or y does not fit what was said.
    """
    y = arrays.y
    if y is None:
        raise ValueError(f"{arrays.path}: has no targets, which are needed to train or to measure a model")
    per_step = _resolve_per(arrays, y, kind or _kind_of(y), per)
    inner = y.shape[1 if arrays.starts is not None or not per_step else 2 :]
    kind = kind or (_kind_of_rows(y) if inner and y.dtype.kind in "iufb" else _kind_of(y))
    shown = f"got dtype {y.dtype}, shape {y.shape}"
    if kind not in KINDS:
        raise ValueError(f"data.target_kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind == "labels" and inner:
        raise ValueError(
            f"{arrays.path}: labels are one class each, {shown}: several at once are data.target_kind=sets"
        )
    if kind == "sets" and (len(inner) != 1 or not np.isin(np.unique(y), (0, 1)).all()):
        raise ValueError(f"{arrays.path}: sets are one 0 or 1 for each class, (sequences, classes), {shown}")
    if kind != "labels" and (y.dtype.kind not in "iufb" or len(inner) > 1):
        raise ValueError(f"{arrays.path}: {kind} must be numbers, one or a row of them per target, {shown}")
    if y.dtype.kind == "f" and not usable(y).all():
        place = np.argwhere(~usable(y))[0].tolist()
        raise ValueError(f"{arrays.path}: the target at {place} is {y[tuple(place)]}; mend it or leave it out")
    if kind == "values" and len(y) > 1 and not np.ptp(y, axis=0).any():
        raise ValueError(
            f"{arrays.path}: expected different values to be learned, got {np.ravel(y)[0]:g} for every target"
        )
    return kind, per_step


def _kind_of(y: np.ndarray) -> str:
    if y.dtype.kind in "iubUS":
        return "labels"
    whole = np.unique(y[: 1 << 20])
    return "labels" if len(whole) <= MOST_CLASSES and (whole == np.round(whole)).all() else "values"


def _kind_of_rows(y: np.ndarray) -> str:
    return "sets" if y.shape[-1] > 1 and np.isin(y[: 1 << 20], (0, 1)).all() else "values"


def _resolve_per(arrays: Arrays, y: np.ndarray, kind: str, per: str | None) -> bool:
    count, flat = len(arrays), arrays.starts is not None
    steps = len(y) == len(arrays.x) if flat else y.ndim >= 2 and y.shape[:2] == arrays.x.shape[:2]
    steps = steps and arrays.read_by == "rows"
    whole = len(y) == count
    if per is None and flat:
        return not whole
    if per is None and steps:
        if kind != "labels" and y.ndim == 2:
            raise ValueError(
                f"{arrays.path}: y of shape {y.shape} may be a value for each step, or {y.shape[1]} for each "
                "sequence: say data.target_per=step or data.target_per=sequence"
            )
        return True
    if not (steps if per == "step" else whole):
        raise ValueError(
            f"{arrays.path}: data.target_per={per} does not fit y of shape {y.shape} with x of shape {arrays.x.shape} "
            f"and {count} sequences"
        )
    return per == "step"
