"""Inference in linear chains by parallel scan: log2 T rounds instead of T steps.

B rows, T steps, V tags. Entry (i, j) of the potentials ``(B, T, V, V)`` at step t scores the transition from tag i at t
- 1 to tag j at t; the first step uses row i = 0 only. Matrix products in the semiring (log-sum-exp, +) or (max, +) are
potentials of several steps; being associative, they are formed in pairs, pairs of pairs, and so on.

Sources: Lafferty, McCallum & Pereira 2001, "Conditional random fields", section 3; Viterbi 1967; Särkkä &
García-Fernández 2021, "Temporal parallelization of Bayesian smoothers", section IV, for the parallel form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqmodels.batch import step_mask

# Score of the impossible: finite, so that no difference of two is NaN.
NEVER = -1e30


def log_sum(scores: Tensor, dim: int) -> Tensor:
    """Return the log-sum-exp along a dimension; `NEVER` or less where nothing is possible."""
    return torch.logsumexp(scores, dim)


def highest(scores: Tensor, dim: int) -> Tensor:
    """Return the maximum along a dimension."""
    return scores.amax(dim)


Reduce = Callable[[Tensor, int], Tensor]


def forward_scores(potentials: Tensor, reduce: Reduce = log_sum) -> Tensor:
    """Return the forward scores ``(B, T, V)``: all paths from the first step to each step and tag.

    >>> forward_scores(torch.zeros(1, 3, 2, 2)).exp().round().tolist()
    [[[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]]]

    Args:
        reduce: `log_sum` or `highest`.
    """
    first = potentials[:, 0, 0]
    later = _scan(first, potentials[:, 1:], reduce)
    return torch.cat((first.unsqueeze(1), later), dim=1)


def _scan(first: Tensor, potentials: Tensor, reduce: Reduce) -> Tensor:
    """Return scores ``(B, T, V)`` after each of the potentials ``(B, T, V, V)``, from scores ``(B, V)``."""
    steps = potentials.shape[1]
    if steps == 0:
        return potentials[:, :, 0]
    even = _scan(first, _join(potentials[:, 0 : steps - 1 : 2], potentials[:, 1::2], reduce), reduce)
    before = torch.cat((first.unsqueeze(1), even), dim=1)[:, : (steps + 1) // 2]
    odd = reduce(before.unsqueeze(-1) + potentials[:, 0::2], -2)
    scores = odd.new_empty(len(odd), steps, odd.shape[-1])
    scores[:, 0::2], scores[:, 1::2] = odd, even
    return scores


def _join(left: Tensor, right: Tensor, reduce: Reduce) -> Tensor:
    """Return products ``(B, N, V, V)`` of potentials; one row of the left factor at a time to save memory."""
    rows = [reduce(left[:, :, i, :, None] + right, -2) for i in range(left.shape[2])]
    return torch.stack(rows, dim=2)


def backward_scores(potentials: Tensor, reduce: Reduce = log_sum) -> Tensor:
    """Return the backward scores ``(B, T, V)``: all paths from each step and tag to the last step."""
    end = potentials.new_zeros(len(potentials), potentials.shape[-1])
    turned = potentials[:, 1:].flip(1).transpose(-1, -2)
    return torch.cat((_scan(end, turned, reduce).flip(1), end.unsqueeze(1)), dim=1)


def masked(potentials: Tensor, lengths: Tensor) -> Tensor:
    """Replace the potentials in the padding by the identity of the semiring."""
    size = potentials.shape[-1]
    stay = torch.full((size, size), NEVER, dtype=potentials.dtype, device=potentials.device).fill_diagonal_(0)
    return torch.where(step_mask(lengths, potentials.shape[1])[:, :, None, None], potentials, stay)


class _LogPartition(torch.autograd.Function):
    """Log-partition function; its gradient is the probability of each pair of neighbouring tags."""

    @staticmethod
    def forward(ctx: Any, potentials: Tensor) -> Tensor:
        forward = forward_scores(potentials)
        total = log_sum(forward[:, -1], -1)
        ctx.save_for_backward(potentials, forward, total)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].view(-1, 1, 1, 1) * _pairs(*ctx.saved_tensors)


def _pairs(potentials: Tensor, forward: Tensor, total: Tensor) -> Tensor:
    before = torch.full_like(forward[:, :1], NEVER)
    before[:, :, 0] = 0
    before = torch.cat((before, forward[:, :-1]), dim=1)
    scores = before.unsqueeze(-1) + potentials + backward_scores(potentials).unsqueeze(-2)
    return (scores - total.view(-1, 1, 1, 1)).exp()


def log_partition(potentials: Tensor, lengths: Tensor) -> Tensor:
    """Return the log-partition function ``(B,)``: the log-sum-exp of the scores of all tag sequences.

    >>> log_partition(torch.zeros(1, 3, 2, 2), torch.tensor([3])).exp().round().item()
    8.0

    Args:
        potentials: ``(B, T, V, V)``; padding is not read, NaN included.
        lengths: int64 ``(B,)``, each 1 to T; the result for a row of length 0 is meaningless.
    """
    total: Tensor = _LogPartition.apply(masked(potentials, lengths))
    return total


def score(potentials: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
    """Return the score ``(B,)`` of the tags ``(B, T)``; 0 for empty rows."""
    real = step_mask(lengths, tags.shape[1])
    tags = torch.where(real, tags, 0)
    before = torch.cat((torch.zeros_like(tags[:, :1]), tags[:, :-1]), dim=1)
    size = potentials.shape[-1]
    chosen = potentials.flatten(2).gather(2, (before * size + tags).unsqueeze(-1)).squeeze(-1)
    return torch.where(real, chosen, chosen.new_zeros(())).sum(1)


def tag_probabilities(potentials: Tensor, lengths: Tensor) -> Tensor:
    """Return the marginal probability of each tag ``(B, T, V)`` by the forward-backward algorithm."""
    potentials = masked(potentials, lengths)
    forward = forward_scores(potentials)
    return (forward + backward_scores(potentials)).softmax(-1)


def best_tags(potentials: Tensor, lengths: Tensor) -> Tensor:
    """Return the most probable tags ``(B, T)`` by the Viterbi algorithm; zeros in the padding.

    >>> steps = torch.tensor([[[[0., 1.], [0., 0.]], [[0., 0.], [3., 0.]]]])
    >>> best_tags(steps, torch.tensor([2])).tolist()
    [[1, 0]]
    """
    potentials = masked(potentials, lengths)
    forward = forward_scores(potentials, highest)
    last = forward[:, -1].argmax(-1)
    # Maps from the tag at a step to the best previous tag; their composition is associative too.
    maps = (forward[:, :-1].unsqueeze(-1) + potentials[:, 1:]).argmax(-2)
    steps, width = maps.shape[1], 1
    while width < steps:
        maps = torch.cat((maps[:, :-width].gather(2, maps[:, width:]), maps[:, -width:]), dim=1)
        width *= 2
    before = maps.gather(2, last.view(-1, 1, 1).expand(-1, steps, 1)).squeeze(-1)
    tags = torch.cat((before, last.unsqueeze(1)), dim=1)
    return torch.where(step_mask(lengths, tags.shape[1]), tags, 0)
