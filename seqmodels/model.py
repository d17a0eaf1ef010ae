"""A sequence model: encoder, layers, head.

B rows, T steps, F features, S target steps, V classes or values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqmodels.cells.product import Linear
from seqmodels.encoders import FeatureEncoder, TokenEncoder
from seqmodels.heads.base import Head, check_size
from seqmodels.layers import Layer
from seqmodels.scan import keep
from seqmodels.state import State, describe

__all__ = ["FeatureEncoder", "ModelState", "SequenceModel", "Skip", "TokenEncoder"]


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
        self.linear = Linear(steps * len(self.features), output_size)
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

    def fix(self, weight: Tensor, bias: Tensor) -> None:
        """Take a map found by other means, ``(V, k F')`` and ``(V,)``, which the training then leaves as it is."""
        with torch.no_grad():
            self.linear.weight.copy_(weight)
            self.linear.bias.copy_(bias)
        self.requires_grad_(False)


class ModelState(NamedTuple):
    """The state of a model whose encoder has one: see `TokenEncoder`.

    Attributes:
        tokens: int64 ``(B, n - 1)``, those before the next step.
        layers: the layers' state.
    """

    tokens: Any
    layers: State


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
        """The state before the first step: the layers', with the encoder's where it has one (`ModelState`)."""
        state = self.layers.initial_state(batch_size, like)
        encoder = self._remembering
        return state if encoder is None else ModelState(encoder.initial_state(batch_size, like), state)

    @property
    def _remembering(self) -> TokenEncoder | None:
        """The encoder, where it has a state."""
        return self.encoder if isinstance(self.encoder, TokenEncoder) and self.encoder.remembers else None

    def features(
        self,
        inputs: Tensor,
        state: State = None,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """The layers' outputs ``(B, T, F)`` and last state: all but the head."""
        encoder = self._remembering
        if encoder is None:
            return self.layers(self.encoder(inputs, lengths), state, lengths, reset)
        if state is None:
            state = ModelState(None, None)
        elif not isinstance(state, ModelState):
            raise ValueError(
                f"state must be a ModelState, got {describe(state)}: an encoder of n-grams has one too, "
                "see initial_state(batch_size, like)"
            )
        vectors, tokens = encoder.read(inputs, state.tokens, lengths, reset)
        outputs, last = self.layers(vectors, state.layers, lengths, reset)
        return outputs, ModelState(tokens, last)

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
