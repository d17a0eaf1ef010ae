"""What layers read: tokens as vectors, features as they are.

B rows, T steps, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqmodels.batch import step_mask
from seqmodels.heads.base import check_dropout, check_size
from seqmodels.layers import Masking
from seqmodels.scan import keep, settle_lengths
from seqmodels.scan.engine import traced

# Of the hash of a run of tokens; a prime, so that it has no factor in common with a number of buckets.
_FACTOR = 1_000_003


class TokenEncoder(nn.Module):
    """Tokens to vectors, by a table.

    >>> import torch
    >>> TokenEncoder(10, 4)(torch.tensor([[1, 9, 0]])).shape
    torch.Size([1, 3, 4])

    With `ngrams` = n a step also reads the n - 1 tokens before it: to the token's vector are added
    those of the runs of 2, 3 ... n tokens that end in it, which begin at zero. A run has no table
    entry of its own but that of its hash, so that two runs may share one.

        x_t = E[w_t] + sum over k = 2 ... n of E_k[hash(w_(t-k+1) ... w_t)]

    Source: Bojanowski et al. 2017, "Enriching word vectors with subword information", section 3.2.

    Args:
        vocabulary: number of tokens.
        size: width of the vectors.
        dropout: probability of dropping an entry of a vector in training.
        ngrams: n, the longest run of tokens that has a vector. Above 1 whole sequences are needed: a
            carried state does not know the tokens of the window before.
        buckets: entries in the table of each length of run.
    """

    def __init__(self, vocabulary: int, size: int, dropout: float = 0.0, ngrams: int = 1, buckets: int = 16384) -> None:
        super().__init__()
        self.vocabulary = check_size("vocabulary", vocabulary)
        self.output_size = check_size("size", size)
        self.embedding = nn.Embedding(vocabulary, size)
        self.ngrams, self.buckets = check_size("ngrams", ngrams), check_size("buckets", buckets)
        self.runs = nn.ModuleList(
            nn.Embedding(buckets, size, _weight=torch.zeros(buckets, size)) for _ in range(ngrams - 1)
        )
        self.dropout = nn.Dropout(check_dropout("dropout", dropout))

    @property
    def carries(self) -> bool:
        """Whether a sequence may be read in windows."""
        return self.ngrams == 1

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """``(B, T, size)`` from tokens ``(B, T)``; in the padding any number will do.

        Raises:
            ValueError: not whole numbers, not ``(B, T)``, or a token outside the vocabulary.
        """
        if inputs.is_floating_point() or inputs.dtype == torch.bool:
            raise ValueError(f"inputs must be tokens (whole numbers), got {inputs.dtype}: call inputs.long()")
        if inputs.dim() != 2 or 0 in inputs.shape:
            raise ValueError(f"inputs must be tokens (batch, steps), at least one of each, got {tuple(inputs.shape)}")
        lengths = settle_lengths(lengths, inputs)
        if lengths is not None:
            inputs = keep(step_mask(lengths, inputs.shape[1]), inputs)
        inputs = inputs.long()
        if not traced():
            self._check_range(inputs)
        vectors = self.embedding(inputs)
        code = inputs
        for before, table in enumerate(self.runs, start=1):
            code = (code * _FACTOR + self._earlier(inputs, before)) % self.buckets
            vectors = vectors + table(code)
        return self.dropout(vectors)

    def _earlier(self, inputs: Tensor, steps: int) -> Tensor:
        """The token so many steps before each, numbered from 1; 0 before the first."""
        return nn.functional.pad(inputs + 1, (steps, 0))[:, : inputs.shape[1]]

    def _check_range(self, inputs: Tensor) -> None:
        # Looked at here, because a GPU's own answer to a wrong index is to end the process.
        low, high = torch.stack(inputs.aminmax()).tolist()
        if low < 0 or high >= self.vocabulary:
            raise ValueError(
                f"inputs must be tokens from 0 to {self.vocabulary - 1}, got {low if low < 0 else high}: "
                "encode the data with the vocabulary that the model was built with"
            )


class FeatureEncoder(nn.Module):
    """Features as they are.

    >>> import torch
    >>> FeatureEncoder(3)(torch.ones(1, 2, 3), lengths=torch.tensor([1])).sum().item()
    3.0

    Args:
        size: F.
        dropout: probability of dropping a feature in training.
        masking: what else is hidden in training, and noise; None for nothing.
    """

    carries = True

    def __init__(self, size: int, dropout: float = 0.0, masking: Masking | None = None) -> None:
        super().__init__()
        self.output_size = check_size("size", size)
        self.dropout = nn.Dropout(check_dropout("dropout", dropout))
        self.masking = masking or Masking()

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """``(B, T, F)``, with zeros in the padding.

        Raises:
            ValueError: not floating, or not ``(B, T, F)``.
        """
        if not inputs.is_floating_point():
            raise ValueError(f"inputs must be features (floating), got {inputs.dtype}: call inputs.float()")
        if inputs.dim() != 3 or inputs.shape[2] != self.output_size or 0 in inputs.shape:
            raise ValueError(
                f"inputs must be features (batch, steps, {self.output_size}), at least one of each, "
                f"got {tuple(inputs.shape)}"
            )
        lengths = settle_lengths(lengths, inputs)
        if lengths is not None:
            inputs = keep(step_mask(lengths, inputs.shape[1]).unsqueeze(-1), inputs)
        return self.dropout(self.masking(inputs, lengths))
