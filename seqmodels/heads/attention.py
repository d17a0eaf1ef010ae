"""Attention: weighted means over the valid steps of each row.

B rows, T steps, F features, S target steps, H units of the decoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqmodels.cells.product import Linear

KINDS = ("additive", "dot")


def masked_softmax(scores: Tensor, valid: Tensor) -> Tensor:
    """Return the softmax over the valid entries of the last axis; zeros for rows without any.

    >>> masked_softmax(torch.zeros(2, 3), torch.tensor([[True, True, False], [False] * 3])).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    """
    # Lowest finite number instead of -inf: the softmax of a row of -inf is NaN.
    weights = scores.masked_fill(~valid, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return weights.masked_fill(~valid, 0)


class PoolingAttention(nn.Module):
    """Additive attention pooling: one weighted mean per row.

        score_t = v . tanh(W x_t + b)
        weights = softmax over the valid steps of score
        pooled  = sum_t weights_t x_t

    Source: Yang et al. 2016, "Hierarchical attention networks", equations 5-7.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.hidden = Linear(size, size)
        self.score = Linear(size, 1, bias=False)

    def forward(self, features: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Return pooled ``(B, F)`` and weights ``(B, T)`` from features ``(B, T, F)``."""
        weights = masked_softmax(self.score(torch.tanh(self.hidden(features))).squeeze(-1), valid)
        return (weights.unsqueeze(1) @ features).squeeze(1), weights


class DecoderAttention(nn.Module):
    """Attention of a decoder over the encoder's steps, combined with its output.

        score_st = v . tanh(W_q h_s + W_k m_t)       "additive" (Bahdanau et al. 2015, appendix A.1.2)
        score_st = h_s . W_k m_t / sqrt(H)           "dot" (Luong et al. 2015, "general", scaled)
        context_s = sum_t softmax_t(score_s)_t m_t   over the valid steps t
        output_s = tanh(W_c [context_s; h_s])        (Luong et al. 2015, equation 5)

    The query is the decoder's output, not its state, so that teacher forcing runs all steps at once.

    Args:
        query_size: H, width of the decoder's output.
        memory_size: F, width of the encoder's features.
    """

    def __init__(self, kind: str, query_size: int, memory_size: int) -> None:
        if kind not in KINDS:
            raise ValueError(f"attention must be null, {' or '.join(map(repr, KINDS))}, got {kind!r}")
        super().__init__()
        self.key = Linear(memory_size, query_size, bias=False)
        self.query = Linear(query_size, query_size) if kind == "additive" else None
        self.score = Linear(query_size, 1, bias=False) if kind == "additive" else None
        self.combine = Linear(memory_size + query_size, query_size, bias=False)

    def forward(self, outputs: Tensor, keys: Tensor, memory: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Return new outputs ``(B, S, H)`` and weights ``(B, S, T)``.

        Args:
            outputs: outputs of the decoder's cells, ``(B, S, H)``.
            keys: ``key(memory)``, ``(B, T, H)``, computed once per sequence.
            memory: the encoder's features ``(B, T, F)``, zeros in the padding.
            valid: bool ``(B, T)``.
        """
        if self.query is None or self.score is None:
            scores = outputs @ keys.transpose(1, 2) * keys.shape[2] ** -0.5
        else:
            scores = self.score(torch.tanh(self.query(outputs).unsqueeze(2) + keys.unsqueeze(1))).squeeze(-1)
        weights = masked_softmax(scores, valid.unsqueeze(1))
        return torch.tanh(self.combine(torch.cat((weights @ memory, outputs), dim=-1))), weights
