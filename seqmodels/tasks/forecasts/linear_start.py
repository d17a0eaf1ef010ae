"""Initialization of a forecast by ridge regression, with intervals from its errors.

n items, D inputs, V values, P parameters of each; values in scaled units.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from seqmodels.dataset import SequenceDataset
from seqmodels.tasks.baselines.reading import histories, item_count
from seqmodels.tasks.baselines.ridge import Ridge
from seqmodels.tasks.forecasts.distributions import FLOOR, Gaussian, NegativeBinomial, Output, Quantiles, StudentT

# Penalties to choose from, up to one that shrinks the weights to almost zero.
PENALTIES = 10.0 ** np.arange(-6, 3.5, 0.5)
# Maximum number of items fitted to; minimum number for error quantiles per step of the horizon.
MOST_ITEMS, FEW_ITEMS = 200_000, 30


def ridge_start(
    output: Output, train: SequenceDataset, held_out: SequenceDataset | None, steps: int, features: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return a linear map to a model's outputs that forecasts like ridge regression.

    Args:
        output: distribution parametrized by the outputs.
        train: data to fit to.
        held_out: data for the choice of the penalty and for the errors; None for the last fifth, and all, of `train`.
        steps: number of steps of history.
        features: indices of the input features read.

    Returns:
        Weight ``(V * P, steps * len(features))`` and bias ``(V * P,)``.
    """
    stride = -(-item_count(train) // MOST_ITEMS)

    def items(data: SequenceDataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for history, _, targets in histories(data, steps, stride):
            yield history[..., list(features)].reshape(len(history), -1), targets

    count = item_count(train, stride)
    ridge = Ridge.fit(items(train), count, None if held_out is None else items(held_out), PENALTIES)
    inputs, targets = (np.concatenate(part) for part in zip(*items(held_out or train), strict=True))
    errors = targets - ridge.predict(inputs)
    if len(errors) < FEW_ITEMS:  # pooled over the horizon
        errors = np.broadcast_to(errors.reshape(-1, 1), (errors.size, errors.shape[1]))
    numbers, grows = initial_outputs(output, errors, targets)
    weight = ridge.weight.T[:, None, :] * grows[:, None]
    bias = ridge.bias[:, None] * grows + numbers
    return weight.reshape(-1, weight.shape[-1]), bias.reshape(-1)


def initial_outputs(output: Output, errors: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the outputs for a forecast of 0 with such errors, and which of them shift with the forecast.

    >>> outputs, grows = initial_outputs(Quantiles((0.25, 0.5, 0.75)), np.array([[-1], [0], [1]]), np.zeros((3, 1)))
    >>> outputs.tolist(), grows.tolist()
    ([[-0.5, 0.0, 0.5]], [1.0, 1.0, 1.0])

    For counts, whose outputs are no linear function of the history, they match the targets' mean and variance.

    Args:
        output: distribution parametrized by the outputs.
        errors: ``(n, V)``.
        targets: ``(n, V)``.

    Returns:
        Outputs ``(V, P)``, and ``(P,)``: 1 for those that shift with the forecast, 0 for the others.
    """
    place, spread = np.zeros(errors.shape[1]), errors.std(0)
    if isinstance(output, Quantiles):
        return np.quantile(errors, output.levels, axis=0).T, np.ones(output.size)
    if isinstance(output, Gaussian):
        return np.stack([place, _unsoft(spread - FLOOR)], axis=1), np.array([1.0, 0.0])
    if isinstance(output, StudentT):  # with about five degrees of freedom
        return np.stack([place + 3.0, place, _unsoft(0.8 * spread - FLOOR)], axis=1), np.array([0.0, 1.0, 0.0])
    if isinstance(output, NegativeBinomial):
        shift, scale = np.asarray(output.shift), np.asarray(output.scale)
        mean, variance = targets.mean(0) * scale + shift, (targets.std(0) * scale) ** 2
        dispersion = (variance - mean) / np.maximum(mean, 1e-3) ** 2
        raw = _unsoft(mean / output.unit), _unsoft(dispersion * math.sqrt(output.unit))
        return np.stack(raw, axis=1), np.zeros(2)
    return place[:, None], np.ones(1)


def _unsoft(values: np.ndarray) -> np.ndarray:
    """Return the inverse of softplus; -5 for values near 0."""
    values = np.maximum(values, math.log1p(math.exp(-5)))
    return values + np.log(-np.expm1(-values))
