"""A sequence model: encoder, layers, head.

B rows, T steps, F features, S target steps, V classes or values.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqmodels.batch import step_mask
from seqmodels.heads.base import Head, check_dropout, check_size
from seqmodels.layers import Layer
from seqmodels.scan import keep, settle_lengths
from seqmodels.scan.engine import traced
from seqmodels.state import State


class TokenEncoder(nn.Module):
    """Tokens to vectors, by a table.

    >>> import torch
    >>> TokenEncoder(10, 4)(torch.tensor([[1, 9, 0]])).shape
    torch.Size([1, 3, 4])

    Args:
        vocabulary: number of tokens.
        size: width of the vectors.
        dropout: probability of dropping an entry of a vector in training.
    """

    def __init__(self, vocabulary: int, size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.vocabulary = check_size("vocabulary", vocabulary)
        self.output_size = check_size("size", size)
        self.embedding = nn.Embedding(vocabulary, size)
        self.dropout = nn.Dropout(check_dropout("dropout", dropout))

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
        return self.dropout(self.embedding(inputs))

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
    """

    def __init__(self, size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.output_size = check_size("size", size)
        self.dropout = nn.Dropout(check_dropout("dropout", dropout))

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
        return self.dropout(inputs)


class SequenceModel(nn.Module):
    """Encoder, layers and head as one module.

    >>> import torch
    >>> from seqmodels.cells import LSTMCell
    >>> from seqmodels.heads import ManyToMany
    >>> from seqmodels.layers import Recurrent
    >>> model = SequenceModel(TokenEncoder(10, 4), Recurrent(LSTMCell(4, 8)), ManyToMany(8, 10))
    >>> logits, state = model(torch.tensor([[1, 9, 0]]))
    >>> logits.shape, state.h.shape
    (torch.Size([1, 3, 10]), torch.Size([1, 8]))

    Args:
        encoder: inputs to ``(B, T, encoder.output_size)``.
        layers: any `seqmodels.layers.Layer`.
        head: features to a prediction.

    Raises:
        ValueError: parts whose sizes do not fit.
    """

    def __init__(self, encoder: TokenEncoder | FeatureEncoder, layers: Layer, head: Head) -> None:
        super().__init__()
        for above, below, size, width in (
            ("layers", "encoder", layers.input_size, encoder.output_size),
            ("head", "layers", head.input_size, layers.output_size),
        ):
            if size != width:
                raise ValueError(f"{above}.input_size must be {below}.output_size = {width}, got {size}")
        self.encoder = encoder
        self.layers = layers
        self.head = head

    @property
    def carries(self) -> bool:
        """Whether a window may start from the state of the window before it."""
        return self.layers.carries

    def initial_state(self, batch_size: int, like: Tensor) -> State:
        """The layers' state before the first step."""
        return self.layers.initial_state(batch_size, like)

    def features(
        self,
        inputs: Tensor,
        state: State = None,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """The layers' outputs ``(B, T, F)`` and last state: all but the head."""
        return self.layers(self.encoder(inputs, lengths), state, lengths, reset)

    def forward(
        self,
        inputs: Tensor,
        state: State = None,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        teacher: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """The head's prediction and the layers' last state.

        Args:
            inputs: tokens ``(B, T)`` or features ``(B, T, F)``.
            state: the state before the first step; None for the initial state.
            lengths: int64 ``(B,)``, each 0 to T; what lies after is not read, NaN included.
            reset: bool ``(B,)`` or ``(B, T)``; where true the row starts afresh.
            teacher: the targets, for heads that feed on their own output.

        Raises:
            ValueError: inputs, lengths, state or teacher of a wrong shape, dtype or range.
        """
        features, state = self.features(inputs, state, lengths, reset)
        return self.head(features, lengths, teacher), state
