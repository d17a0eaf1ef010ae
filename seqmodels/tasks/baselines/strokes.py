"""Pen movements without a memory: what a drawing model must beat.

N movements of V = 2 + K values: dx, dy and a 1 for the state of the pen after it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seqmodels.tasks.baselines.reading import spread

# Movements that a mixture is fitted to, at most, and what keeps a covariance from being none at all.
MOST, RIDGE = 20_000, 1e-6


def drawn(data: Any) -> list[np.ndarray]:
    """The movements ``(S, V)`` of each drawing, float64."""
    return [np.asarray(data.read(i, 0, 1)[1], np.float64) for i in range(len(data.lengths))]


def one_gaussian(train: list[np.ndarray], evaluation: list[np.ndarray]) -> dict[str, float]:
    """One mean and one covariance for all movements, and how often the pen does what."""
    known, truth = np.concatenate(train), np.concatenate(evaluation)
    log_density = _normal(truth[:, :2] - known[:, :2].mean(0), np.cov(known[:, :2].T))
    return _scores(log_density, *_pen(known, truth))


def memoryless_mixture(train: list[np.ndarray], evaluation: list[np.ndarray], components: int) -> dict[str, float]:
    """A mixture of Gaussians for all movements, by scikit-learn, and how often the pen does what."""
    from sklearn.mixture import GaussianMixture

    known, truth = np.concatenate(train), np.concatenate(evaluation)
    some = known[spread(len(known), MOST), :2]
    count = min(components, len(np.unique(some, axis=0)))
    mixture = GaussianMixture(count, reg_covar=RIDGE, random_state=0).fit(some)
    return _scores(mixture.score_samples(truth[:, :2]), *_pen(known, truth))


def regression_on_the_last(train: list[np.ndarray], evaluation: list[np.ndarray]) -> dict[str, float]:
    """Least squares on the movement before, with Gaussian errors; the pen by what it did before."""
    known, truth = np.concatenate(train), np.concatenate(evaluation)
    before, now = (np.concatenate([_before(one) for one in part]) for part in (train, evaluation))
    weights = np.linalg.lstsq(before, known[:, :2], rcond=None)[0]
    covariance = np.cov((known[:, :2] - before @ weights).T)
    log_density = _normal(truth[:, :2] - now @ weights, covariance)
    return _scores(log_density, *_pen(known, truth, before[:, 2:], now[:, 2:]))


def _before(movements: np.ndarray) -> np.ndarray:
    """What is known before each movement: the one before, and a 1 where there is none."""
    first = np.zeros((len(movements), 1))
    first[0] = 1
    return np.concatenate([np.concatenate([np.zeros_like(movements[:1]), movements[:-1]]), first], axis=1)


def _normal(errors: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Log-density of errors ``(N, 2)`` about 0."""
    covariance = covariance + RIDGE * np.eye(2)
    distance = np.einsum("na,ab,nb->n", errors, np.linalg.inv(covariance), errors)
    result: np.ndarray = -0.5 * (distance + math.log(np.linalg.det(covariance))) - math.log(2 * math.pi)
    return result


def _pen(
    known: np.ndarray, truth: np.ndarray, before: np.ndarray | None = None, now: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities ``(N, K)`` of what the pen does, by counting (one is added to each), and what it did ``(N,)``.

    Args:
        before, now: 1 for the state each movement of `known` and `truth` began in; None for one state.
    """
    before = np.ones((len(known), 1)) if before is None else before
    now = np.ones((len(truth), 1)) if now is None else now
    counts = before.T @ known[:, 2:] + 1
    probabilities = now @ (counts / counts.sum(1, keepdims=True))
    return probabilities, truth[:, 2:].argmax(1)


def _scores(log_density: np.ndarray, probabilities: np.ndarray, states: np.ndarray) -> dict[str, float]:
    chosen = probabilities[np.arange(len(states)), states]
    loss = -float((log_density + np.log(chosen)).mean())
    return {"loss": loss, "pen_accuracy": float((probabilities.argmax(1) == states).mean())}
