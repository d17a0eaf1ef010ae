"""The density of pen movements against SciPy's, against its own integral, and against its samples."""

import numpy as np
import pytest
import torch
from scipy import stats

from seqmodels.heads.mixture import FLOOR, log_density, log_likelihood, mixture_size, sample, unpack

STATES = 3


def draw(rows: int, components: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, mixture_size(components, STATES), generator=generator, dtype=torch.float64)


def covariances(mixture) -> np.ndarray:
    """``(..., M, 2, 2)``."""
    sigma, rho = mixture.sigma.numpy(), mixture.rho.numpy()
    across = rho * sigma[..., 0] * sigma[..., 1]
    return np.stack([np.stack([sigma[..., 0] ** 2, across], -1), np.stack([across, sigma[..., 1] ** 2], -1)], -2)


@pytest.mark.parametrize("components", [1, 4])
def test_log_density_is_scipys(components):
    mixture = unpack(draw(6, components), STATES)
    points = torch.randn(6, 2, dtype=torch.float64)
    weight, mean, covariance = mixture.log_weight.exp().numpy(), mixture.mean.numpy(), covariances(mixture)
    for row in range(6):
        parts = [
            weight[row, j] * stats.multivariate_normal(mean[row, j], covariance[row, j]).pdf(points[row])
            for j in range(components)
        ]
        assert log_density(mixture, points)[row].item() == pytest.approx(np.log(sum(parts)), rel=1e-9)


def test_likelihood_is_that_of_movement_and_state():
    prediction, points = draw(5, 3), torch.randn(5, 2, dtype=torch.float64)
    mixture = unpack(prediction, STATES)
    total = 0.0
    for state in range(STATES):
        flags = torch.nn.functional.one_hot(torch.full((5,), state), STATES).double()
        total = (
            total + (log_likelihood(prediction, torch.cat((points, flags), -1)) - log_density(mixture, points)).exp()
        )
    assert torch.allclose(total, torch.ones(5, dtype=torch.float64)), "the states' probabilities add up to 1"


@pytest.mark.parametrize("seed", range(3))
def test_density_integrates_to_one(seed):
    mixture = unpack(draw(1, 3, seed), STATES)
    axis = torch.linspace(-25, 25, 1001, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).view(-1, 1, 2)
    density = log_density(type(mixture)(*(part.expand(len(grid), *part.shape[1:]) for part in mixture)), grid[:, 0])
    assert (density.exp().sum() * (axis[1] - axis[0]) ** 2).item() == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_moments_of_samples_are_the_mixtures(temperature):
    prediction = draw(1, 3)
    many = sample(prediction.expand(200_000, -1), STATES, temperature, torch.Generator().manual_seed(1)).numpy()
    mixture = unpack(prediction, STATES, temperature)
    weight, mean, covariance = mixture.log_weight.exp().numpy()[0], mixture.mean.numpy()[0], covariances(mixture)[0]
    expected = weight @ mean
    spread = np.einsum("j,jab->ab", weight, covariance)
    spread += np.einsum("j,ja,jb->ab", weight, mean - expected, mean - expected)
    assert many[:, :2].mean(0) == pytest.approx(expected, abs=0.02)
    assert np.cov(many[:, :2].T) == pytest.approx(spread, abs=0.06)
    assert many[:, 2:].mean(0) == pytest.approx(mixture.pen.exp().numpy()[0], abs=0.005)
    assert set(many[:, 2:].sum(1)) == {1.0}


def test_a_low_temperature_is_the_likeliest_and_the_same_seed_the_same():
    prediction = draw(7, 4)
    neat = sample(prediction, STATES, 1e-9, torch.Generator().manual_seed(0))
    assert torch.allclose(neat, sample(prediction, STATES), atol=1e-3)
    first, second = (sample(prediction, STATES, 1.0, torch.Generator().manual_seed(s)) for s in (3, 3))
    assert torch.equal(first, second)


def test_extreme_predictions_stay_finite():
    for size in (-1e4, 1e4):
        prediction = torch.full((2, mixture_size(3, STATES)), size, requires_grad=True)
        value = log_likelihood(prediction, torch.tensor([[0.0, 0.0, 1, 0, 0], [50.0, -50.0, 0, 0, 1]]))
        value.sum().backward()
        assert value.isfinite().all()
        assert prediction.grad.isfinite().all()
    assert unpack(torch.full((1, 9), -1e4), STATES).sigma.min().item() == pytest.approx(FLOOR)
