"""Sequence model: encoder, layers and head.

B rows, T steps, F features, S target steps, V classes or values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqmodels.cells.product import Linear
from seqmodels.heads.base import Head
from seqmodels.kinds import at_least_one
from seqmodels.layers import Layer
from seqmodels.model.encoders import FeatureEncoder, TokenEncoder
from seqmodels.scan import keep
from seqmodels.state import State, describe

__all__ = ["FeatureEncoder", "ModelState", "SequenceModel", "Skip", "TokenEncoder", "evaluating"]


class Skip(nn.Module):
    """Linear skip connection from the last k input steps to the prediction.

    On a series this is an autoregression, which the layers then need not learn; initialized to zero.

    >>> import torch
    >>> skip = Skip(2, 3, output_size=5, features=(0,))
    >>> skip(torch.ones(4, 7, 2)).shape, skip.linear.in_features
    (torch.Size([4, 5]), 3)

    Source: Lai et al. 2018, "Modeling long- and short-term temporal patterns with deep neural
    networks" (LSTNet), section 3.4.

    Args:
        input_size: F.
        steps: k; shorter rows are padded with zeros on the left.
        output_size: V.
        features: indices of the features read; None for all.
    """

    def __init__(self, input_size: int, steps: int, output_size: int, features: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.steps = at_least_one.check("steps", steps)
        self.features = tuple(range(input_size)) if features is None else features
        self.linear = Linear(steps * len(self.features), output_size)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return ``(B, V)`` from features ``(B, T, F)``; padding is not read."""
        inputs = inputs[..., list(self.features)]
        if lengths is None:
            lengths = torch.full((len(inputs),), inputs.shape[1], device=inputs.device)
        step = lengths.unsqueeze(1) + torch.arange(-self.steps, 0, device=inputs.device)
        last = inputs[torch.arange(len(inputs), device=inputs.device).unsqueeze(1), step.clamp(min=0)]
        return self.linear(keep((step >= 0).unsqueeze(-1), last).flatten(1))

    def fix(self, weight: Tensor, bias: Tensor) -> None:
        """Set and freeze the weight ``(V, k F')`` and bias ``(V,)``."""
        with torch.no_grad():
            self.linear.weight.copy_(weight)
            self.linear.bias.copy_(bias)
        self.requires_grad_(False)


class ModelState(NamedTuple):
    """State of a model with a stateful encoder (see `TokenEncoder`).

    Attributes:
        tokens: int64 ``(B, n - 1)``, the tokens before the next step.
        layers: state of the layers.
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
        skip: term added to the prediction from the last inputs; only for one prediction per sequence.

    Raises:
        ValueError: sizes or shapes that do not match.
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
        """Whether the state can be carried from one window to the next."""
        return self.layers.carries

    def initial_state(self, batch_size: int, like: Tensor) -> State:
        """Return the layers' initial state, with the encoder's if it has one (`ModelState`)."""
        state = self.layers.initial_state(batch_size, like)
        encoder = self._remembering
        return state if encoder is None else ModelState(encoder.initial_state(batch_size, like), state)

    @property
    def _remembering(self) -> TokenEncoder | None:
        """The encoder if it is stateful, else None."""
        return self.encoder if isinstance(self.encoder, TokenEncoder) and self.encoder.remembers else None

    def features(
        self,
        inputs: Tensor,
        state: State = None,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Return the layers' outputs ``(B, T, F)`` and last state, without applying the head."""
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
        """Return the head's prediction and the last state.

        Args:
            inputs: tokens ``(B, T)`` or features ``(B, T, F)``.
            state: state before the first step; None for the initial state.
            lengths: int64 ``(B,)``, each 0 to T; padding is not read, NaN included.
            reset: bool ``(B,)`` or ``(B, T)``; true resets the row's state before that step.
            teacher: targets for teacher forcing, for heads that decode step by step.

        Raises:
            ValueError: wrong shape, dtype or range of inputs, lengths, state or teacher.
        """
        features, state = self.features(inputs, state, lengths, reset)
        return self.predict(features, inputs, lengths, teacher), state

    def predict(
        self, features: Tensor, inputs: Tensor, lengths: Tensor | None = None, teacher: Tensor | None = None
    ) -> Tensor:
        """Return the prediction from the layers' outputs, plus the skip connection from the inputs if there is one."""
        prediction: Tensor = self.head(features, lengths, teacher)
        return prediction if self.skip is None else prediction + self.skip(inputs, lengths)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Set evaluation mode inside the block, and restore each module's mode after it."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
