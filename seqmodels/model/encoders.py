"""Encoders: token embeddings and features.

B rows, T steps, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqmodels.batch import step_mask
from seqmodels.heads.base import check_dropout
from seqmodels.kinds import at_least_one
from seqmodels.layers import Masking
from seqmodels.scan import keep, prepare_lengths
from seqmodels.scan.engine import traced

# Multiplier of the n-gram hash; a prime, so that it shares no factor with the number of buckets.
_FACTOR = 1_000_003


class TokenEncoder(nn.Module):
    """Token embedding, with optional hashed n-gram embeddings.

    >>> import torch
    >>> TokenEncoder(10, 4)(torch.tensor([[1, 9, 0]])).shape
    torch.Size([1, 3, 4])

    With `ngrams` = n the embeddings of the 2-, 3-, ... n-grams that end at a step, initialized to
    zero, are added to the token's own. N-grams are hashed into buckets and may collide.

        x_t = E[w_t] + sum over k = 2 ... n of E_k[hash(w_(t-k+1) ... w_t)]

    The n - 1 tokens before a step are a state, carried from window to window like that of a layer.

    Source: Bojanowski et al. 2017, "Enriching word vectors with subword information", section 3.2.

    Args:
        vocabulary: vocabulary size.
        size: embedding dimension.
        dropout: dropout probability on the embeddings.
        ngrams: n, length of the longest n-gram with an embedding.
        buckets: number of hash buckets for each n-gram length.
    """

    def __init__(self, vocabulary: int, size: int, dropout: float = 0.0, ngrams: int = 1, buckets: int = 16384) -> None:
        super().__init__()
        self.vocabulary = at_least_one.check("vocabulary", vocabulary)
        self.output_size = at_least_one.check("size", size)
        self.embedding = nn.Embedding(vocabulary, size)
        self.ngrams, self.buckets = at_least_one.check("ngrams", ngrams), at_least_one.check("buckets", buckets)
        self.runs = nn.ModuleList(
            nn.Embedding(buckets, size, _weight=torch.zeros(buckets, size)) for _ in range(ngrams - 1)
        )
        self.dropout = nn.Dropout(check_dropout("dropout", dropout))

    @property
    def remembers(self) -> bool:
        """Whether the encoder is stateful."""
        return self.ngrams > 1

    def initial_state(self, batch_size: int, like: Tensor) -> Tensor:
        """Return int64 zeros ``(B, n - 1)``, no tokens yet; a token w is stored as w + 1, the newest last."""
        return torch.zeros(batch_size, self.ngrams - 1, dtype=torch.int64, device=like.device)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return embeddings ``(B, T, size)`` of tokens ``(B, T)``; padding may hold any number.

        Raises:
            ValueError: inputs that are not integers, not ``(B, T)``, or outside the vocabulary.
        """
        if self.remembers:
            return self.read(inputs, None, lengths)[0]
        vectors: Tensor = self.dropout(self.embedding(self._resolve(inputs, lengths)[0]))
        return vectors

    def read(
        self, inputs: Tensor, state: Tensor | None, lengths: Tensor | None = None, reset: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return embeddings ``(B, T, size)`` and the state for the next window.

        Args:
            inputs: tokens ``(B, T)``.
            state: tokens before the first step; None for none.
            lengths: int64 ``(B,)``.
            reset: bool ``(B,)`` or ``(B, T)``; a reset step sees no earlier tokens.

        Raises:
            ValueError: inputs as in `forward`, or a state of the wrong shape or dtype.
        """
        inputs, lengths = self._resolve(inputs, lengths)
        before = self.initial_state(len(inputs), inputs) if state is None else state
        if before.shape != (len(inputs), self.ngrams - 1) or before.dtype != torch.int64:
            raise ValueError(
                f"state must begin with int64 ({len(inputs)}, {self.ngrams - 1}), the tokens before the first step, "
                f"got {before.dtype} {tuple(before.shape)}"
            )
        tokens = torch.cat((before, inputs + 1), dim=1)
        first = _first_known(reset, lengths, inputs)
        vectors, code = self.embedding(inputs), inputs
        for back, table in enumerate(self.runs, start=1):
            earlier = tokens[:, self.ngrams - 1 - back : tokens.shape[1] - back]
            if first is not None:
                earlier = keep(torch.arange(inputs.shape[1], device=inputs.device) - back >= first, earlier)
            code = (code * _FACTOR + earlier) % self.buckets
            vectors = vectors + table(code)
        return self.dropout(vectors), self._newest(tokens, first, lengths)

    def _newest(self, tokens: Tensor, first: Tensor | None, lengths: Tensor | None) -> Tensor:
        """Return the last n - 1 tokens of each row of ``(B, n - 1 + T)``, the state included."""
        steps = tokens.shape[1] - (self.ngrams - 1)
        end = torch.full((len(tokens), 1), steps, device=tokens.device) if lengths is None else lengths.unsqueeze(1)
        place = end + torch.arange(self.ngrams - 1, device=tokens.device)
        newest = tokens.gather(1, place)
        return newest if first is None else keep(place - (self.ngrams - 1) >= first[:, -1:], newest)

    def _resolve(self, inputs: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if inputs.is_floating_point() or inputs.dtype == torch.bool:
            raise ValueError(f"inputs must be tokens (whole numbers), got {inputs.dtype}: call inputs.long()")
        if inputs.dim() != 2 or 0 in inputs.shape:
            raise ValueError(f"inputs must be tokens (batch, steps), at least one of each, got {tuple(inputs.shape)}")
        lengths = prepare_lengths(lengths, inputs)
        if lengths is not None:
            inputs = keep(step_mask(lengths, inputs.shape[1]), inputs)
        inputs = inputs.long()
        if not traced():
            self._check_range(inputs)
        return inputs, lengths

    def _check_range(self, inputs: Tensor) -> None:
        # Checked here because an index out of range on a GPU aborts the process.
        low, high = torch.stack(inputs.aminmax()).tolist()
        if low < 0 or high >= self.vocabulary:
            raise ValueError(
                f"inputs must be tokens from 0 to {self.vocabulary - 1}, got {low if low < 0 else high}: "
                "encode the data with the vocabulary that the model was built with"
            )


class FeatureEncoder(nn.Module):
    """Identity encoder for features, with dropout and masking.

    >>> import torch
    >>> FeatureEncoder(3)(torch.ones(1, 2, 3), lengths=torch.tensor([1])).sum().item()
    3.0

    Args:
        size: F.
        dropout: dropout probability on the features.
        masking: other masking and noise in training; None for none.
    """

    def __init__(self, size: int, dropout: float = 0.0, masking: Masking | None = None) -> None:
        super().__init__()
        self.output_size = at_least_one.check("size", size)
        self.dropout = nn.Dropout(check_dropout("dropout", dropout))
        self.masking = masking or Masking()

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return features ``(B, T, F)`` with zeros in the padding.

        Raises:
            ValueError: inputs that are not floating point or not ``(B, T, F)``.
        """
        if not inputs.is_floating_point():
            raise ValueError(f"inputs must be features (floating), got {inputs.dtype}: call inputs.float()")
        if inputs.dim() != 3 or inputs.shape[2] != self.output_size or 0 in inputs.shape:
            raise ValueError(
                f"inputs must be features (batch, steps, {self.output_size}), at least one of each, "
                f"got {tuple(inputs.shape)}"
            )
        lengths = prepare_lengths(lengths, inputs)
        if lengths is not None:
            inputs = keep(step_mask(lengths, inputs.shape[1]).unsqueeze(-1), inputs)
        return self.dropout(self.masking(inputs, lengths))


def _first_known(reset: Tensor | None, lengths: Tensor | None, inputs: Tensor) -> Tensor | None:
    """Return the earliest step visible from each step ``(B, T)``: the last reset, or one before all windows."""
    if reset is None:
        return None
    steps = torch.arange(inputs.shape[1], device=inputs.device)
    at = reset.to(inputs.device)
    if at.dim() == 1:
        at = at.unsqueeze(1) & (steps == 0)
    if lengths is not None:
        at = at & step_mask(lengths, inputs.shape[1])
    before_all = torch.iinfo(torch.int64).min // 2
    return torch.where(at, steps, before_all).cummax(dim=1).values
