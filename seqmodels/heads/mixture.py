"""Density of pen movements: a mixture of bivariate Gaussians and a categorical pen state.

M components, K pen states. The last axis of a prediction has 6 M + K entries, that of a movement 2 + K: dx, dy and the
one-hot pen state after it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.heads.decoding.search import LEAST

# Lower bound of sigma in scaled units, where points differ by rounding only: without it the likelihood of
# points exactly on a line is unbounded.
FLOOR = 0.01
# Upper bound of the correlations, for the same reason.
MOST_CORRELATED = 0.99


class Mixture(NamedTuple):
    """Mixture of bivariate Gaussians, and a distribution over pen states.

    Fields:
        log_weight: ``(..., M)``, log-probabilities of the components.
        mean: ``(..., M, 2)``.
        sigma: ``(..., M, 2)``, standard deviations.
        rho: ``(..., M)``, correlations.
        pen: ``(..., K)``, log-probabilities of the pen states.
    """

    log_weight: Tensor
    mean: Tensor
    sigma: Tensor
    rho: Tensor
    pen: Tensor


def mixture_size(components: int, states: int) -> int:
    """Return the size of a prediction, 6 M + K.

    >>> mixture_size(20, 3)
    123
    """
    return 6 * components + states


def unpack(prediction: Tensor, states: int, temperature: float = 1.0) -> Mixture:
    """Return the distribution parametrized by a prediction ``(..., 6 M + K)``.

        pi = softmax(pi_hat / t)    mu = mu_hat    sigma = sqrt(t) (exp(sigma_hat) + floor)
        rho = 0.99 tanh(rho_hat)    pen = softmax(pen_hat / t)

    >>> found = unpack(torch.zeros(9), states=3)
    >>> found.sigma.tolist(), round(found.pen.exp().sum().item(), 6)
    ([[1.0099999904632568, 1.0099999904632568]], 1.0)

    Source: Graves 2013 (arXiv:1308.0850), equations 18 to 22. The temperature t is that of Ha & Eck 2017
    (arXiv:1704.03477), equation 8 (compare Graves' bias, section 5.4): 1 is the model's own distribution, lower gives
    neater drawings.
    """
    parts = prediction[..., : prediction.shape[-1] - states].unflatten(-1, (6, -1))
    weight, x, y, sigma_x, sigma_y, rho = parts.unbind(-2)
    sigma = (torch.stack((sigma_x, sigma_y), -1).clamp(max=10).exp() + FLOOR) * math.sqrt(temperature)
    pen = (prediction[..., prediction.shape[-1] - states :] / temperature).log_softmax(-1)
    mean, rho = torch.stack((x, y), -1), MOST_CORRELATED * rho.tanh()
    return Mixture((weight / temperature).log_softmax(-1), mean, sigma, rho, pen)


def log_density(mixture: Mixture, points: Tensor) -> Tensor:
    """Return the log-density ``(...)`` of movements ``(..., 2)``.

        p(x) = sum_j pi_j N(x | mu_j, sigma_j, rho_j)
        N = exp(-Z / (2 (1 - rho^2))) / (2 pi sigma_1 sigma_2 sqrt(1 - rho^2))
        Z = z_1^2 + z_2^2 - 2 rho z_1 z_2,  z = (x - mu) / sigma

    Source: Graves 2013, equations 23 to 25; Bishop 1994, "Mixture density networks".
    """
    z = (points.unsqueeze(-2) - mixture.mean) / mixture.sigma
    rest = 1 - mixture.rho.square()
    distance = z.square().sum(-1) - 2 * mixture.rho * z[..., 0] * z[..., 1]
    log_normal = -distance / (2 * rest) - mixture.sigma.log().sum(-1) - 0.5 * rest.log() - math.log(2 * math.pi)
    return (mixture.log_weight + log_normal).logsumexp(-1)


def log_likelihood(prediction: Tensor, targets: Tensor) -> Tensor:
    """Return the log-likelihood ``(...)`` of movements and pen states ``(..., 2 + K)`` (Graves 2013, equation 26)."""
    mixture = unpack(prediction, targets.shape[-1] - 2)
    return log_density(mixture, targets[..., :2]) + (mixture.pen * targets[..., 2:]).sum(-1)


def sample(
    prediction: Tensor, states: int, temperature: float | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """Sample a movement and pen state ``(..., 2 + K)`` from each prediction ``(..., 6 M + K)``.

    Args:
        temperature: as for `unpack`; None for the mean of the most likely component and the most likely state.
    """
    mixture = unpack(prediction.reshape(-1, prediction.shape[-1]), states, max(temperature or 1.0, LEAST))
    shape = (*prediction.shape[:-1], 2 + states)
    if temperature is None:
        chosen, state = mixture.log_weight.argmax(-1, keepdim=True), mixture.pen.argmax(-1)
    else:
        chosen = torch.multinomial(mixture.log_weight.exp(), 1, generator=generator)
        state = torch.multinomial(mixture.pen.exp(), 1, generator=generator)[:, 0]
    pen = functional.one_hot(state, states).to(prediction.dtype)
    each = chosen.unsqueeze(-1).expand(-1, -1, 2)
    mean, sigma = mixture.mean.gather(1, each)[:, 0], mixture.sigma.gather(1, each)[:, 0]
    if temperature is None:
        return torch.cat((mean, pen), -1).view(shape)
    rho = mixture.rho.gather(1, chosen)[:, 0]
    noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
    across = rho * noise[:, 0] + (1 - rho.square()).sqrt() * noise[:, 1]
    return torch.cat((mean + sigma * torch.stack((noise[:, 0], across), -1), pen), -1).view(shape)
