"""Baselines for pen movements: Gaussians, mixtures and linear regression.

N movements of V = 2 + K values: dx, dy and the one-hot pen state after it.
"""

import numpy as np

from seqmodels.dataset import SequenceDataset, evenly_spaced

# Maximum number of movements for a mixture, and the regularization of covariances.
MOST, RIDGE = 20_000, 1e-6


def drawn(data: SequenceDataset) -> list[np.ndarray]:
    """Return the movements ``(S, V)`` of each drawing, float64."""
    return [np.asarray(data.read(i, 0, 1)[1], np.float64) for i in range(len(data.lengths))]


def one_gaussian(train: list[np.ndarray], evaluation: list[np.ndarray]) -> dict[str, float]:
    """Score a Gaussian for all movements, with the frequencies of the pen states."""
    known, truth = np.concatenate(train), np.concatenate(evaluation)
    log_density = _normal(truth[:, :2] - known[:, :2].mean(0), np.cov(known[:, :2].T))
    return _scores(log_density, *_pen(known, truth))


def memoryless_mixture(train: list[np.ndarray], evaluation: list[np.ndarray], components: int) -> dict[str, float]:
    """Score a mixture of Gaussians for all movements, with the frequencies of the pen states."""
    from sklearn.mixture import GaussianMixture

    known, truth = np.concatenate(train), np.concatenate(evaluation)
    some = known[evenly_spaced(len(known), MOST), :2]
    count = min(components, len(np.unique(some, axis=0)))
    mixture = GaussianMixture(count, reg_covar=RIDGE, random_state=0).fit(some)
    return _scores(mixture.score_samples(truth[:, :2]), *_pen(known, truth))


def linear_regression(train: list[np.ndarray], evaluation: list[np.ndarray]) -> dict[str, float]:
    """Score least squares on the previous movement with Gaussian errors, and pen states given the previous."""
    known, truth = np.concatenate(train), np.concatenate(evaluation)
    before, now = (np.concatenate([_before(one) for one in part]) for part in (train, evaluation))
    weights = np.linalg.lstsq(before, known[:, :2], rcond=None)[0]
    covariance = np.cov((known[:, :2] - before @ weights).T)
    log_density = _normal(truth[:, :2] - now @ weights, covariance)
    return _scores(log_density, *_pen(known, truth, before[:, 2:], now[:, 2:]))


def _before(movements: np.ndarray) -> np.ndarray:
    """Return the previous movement of each movement, with an indicator of the first."""
    first = np.zeros((len(movements), 1))
    first[0] = 1
    return np.concatenate([np.concatenate([np.zeros_like(movements[:1]), movements[:-1]]), first], axis=1)


def _normal(errors: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the log-density of errors ``(N, 2)`` with mean 0."""
    from scipy.stats import multivariate_normal

    return multivariate_normal.logpdf(errors, cov=covariance + RIDGE * np.eye(2))


def _pen(
    known: np.ndarray, truth: np.ndarray, before: np.ndarray | None = None, now: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities ``(N, K)`` of pen states, from counts plus one, and the true states ``(N,)``.

    Args:
        before, now: one-hot state before each movement of `known` and `truth`; None for one state.
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
