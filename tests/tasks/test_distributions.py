"""Outputs of forecasts: likelihoods are scipy's, scores are the integrals they stand for, extremes stay finite."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from seqmodels.tasks.forecasts.distributions import (
    CRPS_LEVELS,
    FLOOR,
    LEAST_FREEDOM,
    Gaussian,
    NegativeBinomial,
    Point,
    Quantiles,
    StudentT,
    pinball,
)

V = 3
COUNTS = NegativeBinomial(shift=(40.0,) * V, scale=(25.0,) * V)
OUTPUTS = {
    "point": Point(torch.nn.functional.l1_loss),
    "quantiles": Quantiles((0.1, 0.3, 0.5, 0.7, 0.9)),
    "gaussian": Gaussian(),
    "student_t": StudentT(),
    "negative_binomial": COUNTS,
}
every = pytest.mark.parametrize("name", OUTPUTS)


def softplus(x):
    return np.log1p(np.exp(x))


def draw(name: str, rows: int = 7, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers ``(rows, V, P)`` and scaled targets ``(rows, V)``; of counts, those that are."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(rows, V, OUTPUTS[name].size, generator=generator, dtype=torch.float64)
    targets = torch.randn(rows, V, generator=generator, dtype=torch.float64)
    if name == "negative_binomial":
        targets = ((targets * 25 + 40).round().clamp(min=0) - 40) / 25
    return numbers, targets


def frozen(name: str, numbers: np.ndarray):
    """scipy's distribution for the numbers ``(..., P)`` of one value, written from the docstrings."""
    if name == "gaussian":
        return stats.norm(numbers[..., 0], softplus(numbers[..., 1]) + FLOOR)
    if name == "student_t":
        return stats.t(softplus(numbers[..., 0]) + LEAST_FREEDOM, numbers[..., 1], softplus(numbers[..., 2]) + FLOOR)
    mean = 41 * (softplus(numbers[..., 0]) + 1e-6)
    dispersion = softplus(numbers[..., 1]) / math.sqrt(41) + FLOOR
    return stats.nbinom(1 / dispersion, 1 / (1 + mean * dispersion))


@pytest.mark.parametrize("name", ["gaussian", "student_t", "negative_binomial"])
def test_the_loss_is_minus_scipys_logarithm_of_the_likelihood(name):
    numbers, targets = draw(name)
    own = frozen(name, numbers.numpy())
    if name == "negative_binomial":
        expected = -own.logpmf(np.round(targets.numpy() * 25 + 40))
    else:
        expected = -own.logpdf(targets.numpy())
    assert OUTPUTS[name].loss(numbers, targets).numpy() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["gaussian", "student_t", "negative_binomial"])
def test_quantiles_are_scipys(name):
    numbers, _ = draw(name)
    levels = (0.02, 0.1, 0.5, 0.75, 0.99)
    expected = frozen(name, numbers.numpy()[..., None, :]).ppf(levels)
    if name == "negative_binomial":
        expected = (expected - 40) / 25
    assert OUTPUTS[name].quantiles(numbers, levels).numpy() == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", ["gaussian", "student_t"])
def test_crps_is_the_integral_over_the_squared_difference_of_the_distribution_functions(name):
    numbers, targets = draw(name, rows=2)
    found = OUTPUTS[name].crps(numbers, targets)
    for index in np.ndindex(*targets.shape):
        own, y = frozen(name, numbers[index].numpy()), targets[index].item()
        low = integrate.quad(lambda z, own=own: own.cdf(z) ** 2, -np.inf, y, limit=200)[0]
        high = integrate.quad(lambda z, own=own: own.sf(z) ** 2, y, np.inf, limit=200)[0]
        assert found[index].item() == pytest.approx(low + high, rel=1e-5)


def test_crps_of_counts_is_near_the_sum_over_all_counts():
    numbers, targets = draw("negative_binomial")
    found = COUNTS.crps(numbers, targets)
    for index in np.ndindex(*targets.shape):
        own, y = frozen("negative_binomial", numbers[index].numpy()), round(targets[index].item() * 25 + 40)
        k = np.arange(int(own.ppf(1 - 1e-10)) + y + 2)
        exact = ((own.cdf(k) - (y <= k)) ** 2).sum() / 25
        assert found[index].item() == pytest.approx(exact, rel=0.02, abs=1e-3)


def test_crps_of_a_point_is_the_absolute_error_and_of_quantiles_tends_to_the_exact_one():
    numbers, targets = draw("point")
    assert torch.equal(OUTPUTS["point"].crps(numbers, targets), (numbers[..., 0] - targets).abs())
    numbers, targets = draw("gaussian")
    many = Gaussian().quantiles(numbers, CRPS_LEVELS)
    approximate = Quantiles(CRPS_LEVELS).crps(many, targets)
    assert approximate.numpy() == pytest.approx(Gaussian().crps(numbers, targets).numpy(), rel=0.02, abs=2e-3)


def test_pinball_is_its_definition_and_least_at_the_quantile():
    generator = torch.Generator().manual_seed(0)
    quantiles, targets = torch.randn(5, 2, 3, generator=generator), torch.randn(5, 2, generator=generator)
    levels = (0.1, 0.5, 0.9)
    found = pinball(quantiles, targets, levels)
    for i, j, k in np.ndindex(5, 2, 3):
        y, q, level = targets[i, j].item(), quantiles[i, j, k].item(), levels[k]
        assert found[i, j, k].item() == pytest.approx(level * (y - q) if y >= q else (1 - level) * (q - y), rel=1e-5)
    sample = torch.randn(20_000, generator=generator)
    tried = torch.linspace(-3, 3, 601)
    losses = pinball(tried.unsqueeze(0), sample[:, None].expand(-1, 601)[:, 0], (0.9,) * 601).mean(0)
    assert tried[losses.argmin()].item() == pytest.approx(stats.norm.ppf(0.9), abs=0.05)


@every
def test_quantiles_rise_with_their_levels_and_the_median_is_the_middle_one(name):
    numbers, _ = draw(name)
    levels = (0.1, 0.2, 0.5, 0.65, 0.9)
    found = OUTPUTS[name].quantiles(numbers, levels)
    assert (found.diff(dim=-1) >= 0).all()
    assert torch.equal(OUTPUTS[name].median(numbers), found[..., 2])
    assert torch.equal(OUTPUTS[name].quantiles(numbers.flip(0), levels), found.flip(0))


def test_between_learned_levels_lies_a_straight_line():
    output = Quantiles((0.1, 0.5, 0.9))
    found = output.quantiles(torch.tensor([[10.0, 2.0, 6.0]]), (0.1, 0.3, 0.5, 0.6, 0.9))
    assert found.squeeze().tolist() == pytest.approx([2, 4, 6, 7, 10])


@every
@pytest.mark.parametrize("size", [0.0, 30.0, 1e4, -30.0, -1e4])
@pytest.mark.parametrize("target", [-1.6, 0.0, 1e3])
def test_extremes_are_finite(name, size, target):
    output = OUTPUTS[name]
    numbers = torch.full((1, V, output.size), size, requires_grad=True)
    targets = torch.full((1, V), target)
    loss = output.loss(numbers, targets)
    gradient = torch.autograd.grad(loss.sum(), numbers)[0]
    plain = numbers.detach()
    for found in (loss, gradient, output.quantiles(plain, (0.1, 0.9)), output.crps(plain, targets)):
        assert torch.isfinite(found).all()


@every
def test_the_loss_does_not_depend_on_the_precision_much(name):
    numbers, targets = draw(name)
    exact = OUTPUTS[name].loss(numbers, targets)
    single = OUTPUTS[name].loss(numbers.float(), targets.float())
    assert single.dtype == torch.float32
    assert single.numpy() == pytest.approx(exact.numpy(), rel=1e-3, abs=1e-4)


def test_counts_survive_scaling():
    counts = torch.arange(0, 100_000, 37, dtype=torch.float64)
    output = NegativeBinomial(shift=(1234.5,), scale=(321.0,))
    scaled = ((counts - 1234.5) / 321.0).float().unsqueeze(-1)
    assert torch.equal(output.counts(scaled)[:, 0], counts)
