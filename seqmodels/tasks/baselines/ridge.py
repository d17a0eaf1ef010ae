"""Ridge regression from sums over the data.

n items, D inputs, V outputs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# Candidate penalties, in units of the number of items.
PENALTIES = 10.0 ** np.arange(-6, 1.5, 0.5)
# Share of the items, the last ones, held out to choose the penalty.
HELD_OUT = 0.2


@dataclass
class Moments:
    """Sufficient statistics of least squares, as sums over items."""

    count: float
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: float

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> Moments:
        """Return the sums over items ``(n, D)`` and ``(n, V)``."""
        x, y = x.astype(np.float64), y.astype(np.float64)
        return cls(len(x), x.sum(0), y.sum(0), x.T @ x, x.T @ y, float((y * y).sum()))

    def __add__(self, other: Moments) -> Moments:
        return Moments(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


class Ridge:
    """Ridge regression on standardized inputs, with the penalty chosen on the last items.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(500, 3))
    >>> model = Ridge.fit([(x, x @ np.array([[1.0], [0.0], [-2.0]]) + 5.0)], count=500)
    >>> (model.predict(np.eye(3)).round(3) + 0.0).tolist()
    [[6.0], [5.0], [3.0]]
    """

    def __init__(self, weight: np.ndarray, bias: np.ndarray, penalty: float) -> None:
        self.weight, self.bias, self.penalty = weight, bias, penalty

    @classmethod
    def fit(
        cls,
        items: Iterable[tuple[np.ndarray, ...]],
        count: int,
        held_out: Iterable[tuple[np.ndarray, ...]] | None = None,
        penalties: np.ndarray = PENALTIES,
    ) -> Ridge:
        """Fit to items in a single pass.

        Args:
            items: arrays ``(n, D)`` and ``(n, V)``, in temporal order if there is one.
            held_out: items to choose the penalty, instead of the last ones; not fitted to.
            penalties: candidate penalties, in units of the number of items.
        """
        if held_out is not None:
            (fitted, _), (other, _) = _moments(items, count), _moments(held_out, sys.maxsize)
            fits = _solve(fitted, penalties)
            return cls(*min(fits, key=lambda one: squared_error(other, one[0], one[1])))
        head, tail = _moments(items, count - int(HELD_OUT * count))
        if tail is None:
            return cls(*_solve(head, penalties)[len(penalties) // 2])
        tried = _solve(head, penalties)
        best = min(range(len(tried)), key=lambda i: squared_error(tail, tried[i][0], tried[i][1]))
        return cls(*_solve(head + tail, penalties[best : best + 1])[0])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return outputs ``(n, V)``."""
        return x @ self.weight + self.bias


def _moments(items: Iterable[tuple[np.ndarray, ...]], first: int) -> tuple[Moments, Moments | None]:
    """Return the sums over the first items, and over the rest."""
    parts: list[Moments | None] = [None, None]
    seen = 0
    for x, y in items:
        cut = min(max(first - seen, 0), len(x))
        seen += len(x)
        for i, part in enumerate((slice(0, cut), slice(cut, None))):
            if len(x[part]):
                new, old = Moments.of(x[part], y[part]), parts[i]
                parts[i] = new if old is None else old + new
    head, tail = parts
    if head is None:
        raise ValueError("ridge regression needs an item at least, got none")
    return head, tail


def _solve(moments: Moments, penalties: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Return weights ``(D, V)``, bias ``(V,)`` and penalty for each penalty, by one eigendecomposition."""
    n = moments.count
    mean_x, mean_y = moments.x / n, moments.y / n
    covariance = moments.xx - n * np.outer(mean_x, mean_x)
    spread = np.sqrt(np.maximum(np.diag(covariance) / n, 0))
    spread = np.where(spread > 1e-7 * np.maximum(1, np.abs(mean_x)), spread, 1.0)  # a constant explains nothing
    values, vectors = np.linalg.eigh(covariance / np.outer(spread, spread))
    projected = vectors.T @ ((moments.xy - n * np.outer(mean_x, mean_y)) / spread[:, None])
    fits = []
    for penalty in penalties.tolist():
        scaled = vectors @ (projected / (np.maximum(values, 0) + penalty * n)[:, None])
        weight = scaled / spread[:, None]
        fits.append((weight, mean_y - mean_x @ weight, penalty))
    return fits


def squared_error(moments: Moments, weight: np.ndarray, bias: np.ndarray) -> float:
    """Return the sum of (x W + b - y)^2 over the items."""
    fitted = (weight * (moments.xx @ weight)).sum() + 2 * (moments.x @ weight) @ bias + moments.count * bias @ bias
    return float(fitted - 2 * ((weight * moments.xy).sum() + bias @ moments.y) + moments.yy)
