"""Linear-chain conditional random field (CRF)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from seqmodels.heads.base import LinearHead
from seqmodels.kinds import Share, list_of, whole
from seqmodels.registry import register

# Factor between the transition parameters and their scores: Adam moves a parameter by about the learning rate
# per step, and the scores must grow to several units within some hundred steps.
SCALE = 10.0
# Score of a forbidden transition: its probability is 0 in every float type, and the loss stays finite.
FORBIDDEN = -1e4


@register("head", "crf")
class LinearChainCRF(LinearHead):
    """Linear-chain CRF: potentials of tags and of neighbouring tags.

        potential_t[i, j] = (W x_t + b)_j + 10 transition[i, j] + 10 end_j at the last step
        potential_1[i, j] = (W x_1 + b)_j + 10 start_j
        P(y | x) = exp(sum_t potential_t[y_(t-1), y_t]) / Z(x)

    The task derives the loss (negative log P), the most probable tags (Viterbi) and the marginal probabilities
    (forward-backward) from the potentials by `seqmodels.heads.chain`. P is defined for whole sequences only: no
    training on windows with a carried state. The factor 10 is `SCALE`.

    >>> LinearChainCRF(4, 3)(torch.zeros(2, 5, 4)).shape
    torch.Size([2, 5, 3, 3])

    Source: Lafferty, McCallum & Pereira 2001, "Conditional random fields", section 3.

    Args:
        dropout: dropout probability on the features.
        allowed: allowed transitions between tags, as pairs ``[before, after]`` of tag numbers; None for all. Given by
            data sets whose tags have a grammar.

    Raises:
        ValueError: an entry that is not a pair of tags.
    """

    target_shape = "step"
    whole = True

    def __init__(
        self,
        input_size: int,
        output_size: int,
        dropout: Share = 0.0,
        allowed: Annotated[Sequence[Sequence[int]], list_of(list_of(whole(0), "[0, 1]", length=2), "[[0, 1], [1, 0]]")]
        | None = None,
    ) -> None:
        super().__init__(input_size, output_size, dropout)
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
        """Return potentials ``(B, T, V, V)``; those in the padding are meaningless."""
        self.refuse_teacher(teacher)
        features, valid = self.prepare(features, lengths)
        emissions = self.output(self.dropout(features))
        is_last = torch.arange(valid.shape[1], device=valid.device) == valid.sum(1, keepdim=True) - 1
        emissions = torch.where(is_last.unsqueeze(-1), emissions + SCALE * self.end, emissions)
        start, inner = SCALE * self.start.expand_as(self.transition), SCALE * self.transition + self.forbidden
        between = torch.stack((start, *[inner] * (valid.shape[1] > 1)))
        which = (torch.arange(valid.shape[1], device=valid.device) > 0).long()
        return emissions.unsqueeze(2) + between[which]
