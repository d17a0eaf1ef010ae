"""A sequence model: encoder, layers, head.

B rows, T steps, F features, S target steps, V classes or values.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqmodels.batch import step_mask
from seqmodels.heads.base import Head, check_dropout, check_size
from seqmodels.layers import Layer, Masking
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
        masking: what else is hidden in training, and noise; None for nothing.
    """

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


class Skip(nn.Module):
    """A linear map from the last k steps straight to the prediction, past the layers.

    With a series as input this is an autoregression, which the layers then need not learn; it
    begins at zero.

    >>> import torch
    >>> skip = Skip(2, 3, output_size=5, features=(0,))
    >>> skip(torch.ones(4, 7, 2)).shape, skip.linear.in_features
    (torch.Size([4, 5]), 3)

    Source: Lai et al. 2018, "Modeling long- and short-term temporal patterns with deep neural
    networks" (LSTNet), section 3.4.

    Args:
        input_size: F.
        steps: k; where a row has fewer, zeros stand before them.
        output_size: V.
        features: which of the F are read; None for all.
    """

    def __init__(self, input_size: int, steps: int, output_size: int, features: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.steps = check_size("steps", steps)
        self.features = tuple(range(input_size)) if features is None else features
        self.linear = nn.Linear(steps * len(self.features), output_size)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """``(B, V)`` from features ``(B, T, F)``; what lies after a row's length is not read."""
        inputs = inputs[..., list(self.features)]
        if lengths is None:
            lengths = torch.full((len(inputs),), inputs.shape[1], device=inputs.device)
        step = lengths.unsqueeze(1) + torch.arange(-self.steps, 0, device=inputs.device)
        last = inputs[torch.arange(len(inputs), device=inputs.device).unsqueeze(1), step.clamp(min=0)]
        return self.linear(keep((step >= 0).unsqueeze(-1), last).flatten(1))


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
        skip: what is added to the prediction, from the last inputs; only for one prediction per sequence.

    Raises:
        ValueError: parts whose sizes or shapes do not fit.
    """

    def __init__(
        self, encoder: TokenEncoder | FeatureEncoder, layers: Layer, head: Head, skip: Skip | None = None
    ) -> None:
        super().__init__()
        for above, below, size, width in (
            ("layers", "encoder", layers.input_size, encoder.output_size),
            ("head", "layers", head.input_size, layers.output_size),
        ):
            if size != width:
                raise ValueError(f"{above}.input_size must be {below}.output_size = {width}, got {size}")
        if skip is not None and head.target_shape != "sequence":
            raise ValueError(
                "a skip connection adds to one prediction per sequence; this head predicts more: set model.skip_steps=0"
            )
        self.encoder = encoder
        self.layers = layers
        self.head = head
        self.skip = skip

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
        return self.predict(features, inputs, lengths, teacher), state

    def predict(
        self, features: Tensor, inputs: Tensor, lengths: Tensor | None = None, teacher: Tensor | None = None
    ) -> Tensor:
        """The prediction from the layers' outputs, and from the inputs where there is a skip connection."""
        prediction: Tensor = self.head(features, lengths, teacher)
        return prediction if self.skip is None else prediction + self.skip(inputs, lengths)
