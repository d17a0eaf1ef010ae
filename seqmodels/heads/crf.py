"""A linear-chain conditional random field: one tag per step, and what follows what."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seqmodels.cells.product import Linear
from seqmodels.heads.base import Head, check_dropout
from seqmodels.registry import register

# Scores of what follows what are this many times their parameters: an optimizer such as Adam moves a parameter
# by about the learning rate in a step, and they must grow to several units within some hundred steps.
SCALE = 10.0
# What a forbidden step costs: its probability is 0 in every float, and a loss that meets one stays finite.
FORBIDDEN = -1e4


@register("head", "crf")
class LinearChainCRF(Head):
    """Potentials of tags and of neighbouring tags, from which the task sums over all sequences of tags.

        potential_t[i, j] = (W x_t + b)_j + 10 transition[i, j] + 10 end_j at the last step
        potential_1[i, j] = (W x_1 + b)_j + 10 start_j
        P(y | x) = exp(sum_t potential_t[y_(t-1), y_t]) / Z(x)

    The prediction is a plain tensor, so that loss (negative log P), most probable tags (Viterbi) and
    probabilities (forward-backward) are the task's: see `seqmodels.heads.chain`. Only whole sequences have
    such a probability: it cannot be trained on windows with a carried state. The factor 10 is `SCALE`.

    >>> import torch
    >>> LinearChainCRF(4, 3)(torch.zeros(2, 5, 4)).shape
    torch.Size([2, 5, 3, 3])

    Source: Lafferty, McCallum & Pereira 2001, "Conditional random fields", section 3.

    Args:
        input_size: F.
        output_size: V.
        dropout: probability of dropping a feature in training.
        allowed: of each tag, which tags may follow it, as pairs ``[before, after]`` of numbers; None for all.
            Data that know a grammar of their tags give it.

    Raises:
        ValueError: a pair that is not of two tags.
    """

    target_shape = "step"
    whole = True

    def __init__(
        self,
        input_size: int,
        output_size: int,
        dropout: float = 0.0,
        allowed: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__(input_size, output_size)
        self.dropout = nn.Dropout(check_dropout("dropout", dropout))
        self.output = Linear(input_size, output_size)
        self.transition = nn.Parameter(torch.zeros(output_size, output_size))
        self.start = nn.Parameter(torch.zeros(output_size))
        self.end = nn.Parameter(torch.zeros(output_size))
        forbidden = torch.zeros(output_size, output_size)
        if allowed is not None:
            forbidden.fill_(FORBIDDEN)
            for pair in allowed:
                if len(pair) != 2 or not all(0 <= tag < output_size for tag in pair):
                    raise ValueError(f"allowed must hold pairs of tags from 0 to {output_size - 1}, got {pair!r}")
                forbidden[pair[0], pair[1]] = 0
        self.register_buffer("forbidden", forbidden, persistent=False)
        self.forbidden: Tensor

    def forward(self, features: Tensor, lengths: Tensor | None = None, teacher: Tensor | None = None) -> Tensor:
        """Potentials ``(B, T, V, V)``; those in the padding mean nothing."""
        self.refuse_teacher(teacher)
        features, valid = self.prepare(features, lengths)
        emissions = self.output(self.dropout(features))
        is_last = torch.arange(valid.shape[1], device=valid.device) == valid.sum(1, keepdim=True) - 1
        emissions = torch.where(is_last.unsqueeze(-1), emissions + SCALE * self.end, emissions)
        start, inner = SCALE * self.start.expand_as(self.transition), SCALE * self.transition + self.forbidden
        between = torch.stack((start, *[inner] * (valid.shape[1] > 1)))
        which = (torch.arange(valid.shape[1], device=valid.device) > 0).long()
        return emissions.unsqueeze(2) + between[which]
