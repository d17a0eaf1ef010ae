"""One-to-many head: one input step, a sequence of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from torch import Tensor

from seqmodels.heads.decoding.bridge import Size, Sizes
from seqmodels.heads.decoding.decoder import DEFAULT_CELL, DecoderHead
from seqmodels.heads.decoding.schedule import Schedule
from seqmodels.kinds import Share, share, whole
from seqmodels.registry import register


@register("head", "one_to_many")
class OneToMany(DecoderHead):
    """Decoder that starts from a single input step.

    >>> import torch
    >>> head = OneToMany(4, 10, stop=9, hidden_sizes=[8])
    >>> head(torch.zeros(2, 1, 4), teacher=torch.tensor([[1, 2, 9], [3, 9, 9]])).shape
    torch.Size([2, 3, 10])
    >>> tokens, lengths = head.generate(torch.zeros(2, 1, 4), max_steps=6, temperature=1.0)
    >>> len(tokens), bool((lengths <= 6).all())
    (2, True)

    Arguments as for `DecoderHead`, without attention.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        targets: str = "tokens",
        stop: int | None = None,
        cell: Mapping[str, Any] = DEFAULT_CELL,
        hidden_sizes: Sizes = (128,),
        embedding_size: Size = 64,
        feed: bool = True,
        dropout: Share = 0.0,
        max_steps: Annotated[int, whole(1, 1_000_000)] = 100,
        teacher_schedule: Schedule = "constant",
        teacher_start: Annotated[float, share] = 1.0,
        teacher_end: Annotated[float, share] | None = None,
    ) -> None:
        decoder = (cell, hidden_sizes, embedding_size, feed, None, dropout, max_steps)
        schedule = (teacher_schedule, teacher_start, teacher_end)
        super().__init__(input_size, output_size, targets, stop, *decoder, *schedule)

    def prepare(self, features: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Prepare features as in `Head.prepare`; raise ValueError unless there is one step."""
        features, valid = super().prepare(features, lengths)
        if features.shape[1] != 1:
            raise ValueError(f"one_to_many reads one step, got {features.shape[1]} steps: use encoder_decoder")
        return features, valid
