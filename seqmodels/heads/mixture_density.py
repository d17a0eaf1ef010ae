"""Mixture density head: pen movements from one or more input steps.

B rows, S movements of V = 2 + K values, M components.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor

from seqmodels.cells.product import Linear
from seqmodels.heads.decoding.bridge import Size, Sizes
from seqmodels.heads.decoding.decoder import DEFAULT_CELL, DecoderHead, Memory
from seqmodels.heads.decoding.feed import ValueFeed
from seqmodels.heads.decoding.search import unroll
from seqmodels.heads.mixture import mixture_size, sample
from seqmodels.kinds import Share, whole
from seqmodels.registry import register
from seqmodels.state import State


class MovementFeed(ValueFeed):
    """`ValueFeed` with the position that a movement leads to; feeds back the most likely movement."""

    def __init__(self, values: int, size: int) -> None:
        super().__init__(values, size)
        self.linear = Linear(values + 2, size)

    def own(self, prediction: Tensor) -> Tensor:
        """Return the mean of the most likely component and the most likely state ``(B, V)`` of ``(B, 6 M + K)``."""
        return sample(prediction, len(self.first) - 2)


@register("head", "mixture_density")
class MixtureDensity(DecoderHead):
    """Decoder from the last step that predicts a density for each pen movement.

    A movement is (dx, dy) and the one-hot of K pen states after it; a prediction holds the 6 M + K numbers of
    `seqmodels.heads.mixture.unpack`. The position (sum of all movements) is fed with each movement, which a cell would
    otherwise have to add up. The density of a movement is conditioned on the true ones before it: the likelihood of a
    drawing is their product.

    >>> head = MixtureDensity(4, 5, components=3, hidden_sizes=[8])
    >>> head(torch.zeros(2, 1, 4), teacher=torch.zeros(2, 7, 5)).shape
    torch.Size([2, 7, 21])
    >>> head.generate(torch.zeros(2, 1, 4), max_steps=6, temperature=1.0).shape[2]
    5

    Source: Graves 2013 (arXiv:1308.0850), section 4; Ha & Eck 2017 (arXiv:1704.03477), section 3.2.

    Args:
        output_size: V, 3 or more.
        components: M.
        cell, hidden_sizes, embedding_size, feed, dropout, max_steps: as for `DecoderHead`.
    """

    drawing = True

    def __init__(
        self,
        input_size: int,
        output_size: int,
        components: Annotated[int, whole(1, 10_000)] = 20,
        cell: Mapping[str, Any] = DEFAULT_CELL,
        hidden_sizes: Sizes = (128,),
        embedding_size: Size = 64,
        feed: bool = True,
        dropout: Share = 0.0,
        max_steps: Annotated[int, whole(1, 1_000_000)] = 400,
    ) -> None:
        decoder = (cell, hidden_sizes, embedding_size, feed, None, dropout, max_steps)
        super().__init__(input_size, output_size, "values", None, *decoder)
        if output_size < 3:
            raise ValueError(f"output_size must be 2 and the states of the pen, so 3 at least, got {output_size}")
        self.components = components
        self.items = MovementFeed(output_size, embedding_size)
        self.output = Linear(self.output.in_features, mixture_size(components, output_size - 2))

    @property
    def truth_in_evaluation(self) -> bool:
        """True: the prediction is a likelihood, not a value."""
        return True

    def _begin(self, features: Tensor, lengths: Tensor | None) -> tuple[Memory, State]:
        memory, state = super()._begin(features, lengths)
        # The start item is no movement: the pen is at 0 after it.
        return memory, (state, -self.items.start(len(features))[:, :2].to(features.dtype))

    def _decode(self, memory: Memory, items: Tensor, state: Any) -> tuple[Tensor, State, Tensor | None]:
        state, place = state
        places = place.unsqueeze(1) + items[..., :2].cumsum(1)
        prediction, state, weights = super()._decode(memory, torch.cat((items, places), dim=-1), state)
        return prediction, (state, places[:, -1]), weights

    @torch.no_grad()
    def generate(  # type: ignore[override]
        self,
        features: Tensor,
        lengths: Tensor | None = None,
        max_steps: int | None = None,
        temperature: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample movements ``(B, S, V)`` until each row's pen has reached its last state.

        Args:
            features, lengths: as for `forward`.
            max_steps: maximum number of movements; None for the head's own.
            temperature: 1 samples the model's distribution, lower is neater; None takes the most likely.

        Returns:
            The movements; those after a row's last state are meaningless.
        """
        memory, state = self._begin(features, lengths)
        steps = self._steps(max_steps)
        first, states = self.items.start(len(features)), self.output_size - 2
        pick = partial(sample, states=states, temperature=temperature, generator=generator)
        made, done = [], torch.zeros(len(features), dtype=torch.bool, device=features.device)
        for _, movement, _ in unroll(partial(self._step, memory), first, state, steps, lambda p, t: pick(p)):
            made.append(movement)
            done |= movement[:, -1] > 0.5
            if states > 1 and bool(done.all()):
                break
        return torch.stack(made, dim=1)
