"""What a batch is, and what a data set says about its batches.

Shapes: B rows, T steps, F features, S target steps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor


class SequenceBatch(NamedTuple):
    """One window of every row.

    Fields:
        inputs: tokens ``(B, T)`` int64 or features ``(B, T, F)`` float.
        targets: one per step ``(B, T)`` / ``(B, T, V)``, one per sequence ``(B,)`` /
            ``(B, V)``, or a sequence of its own length ``(B, S)`` / ``(B, S, V)``.
        lengths: int64 ``(B,)``; steps of each row that are real, from 0 (a row that only
            pads) to T.
        reset: bool ``(B,)``; true where the row starts a new sequence, so that the carried
            state must not reach it.
        target_lengths: int64 ``(B,)`` where the targets have a length of their own, else None.
        weights: float ``(B,)``, how much each row counts in the loss; None where all count the same.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor
    reset: Tensor
    target_lengths: Tensor | None = None
    weights: Tensor | None = None


def step_mask(lengths: Tensor, steps: int) -> Tensor:
    """Bool ``(B, T)``: true at the real steps of each row.

    >>> import torch
    >>> step_mask(torch.tensor([1, 3]), 3).int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


InputKind = Literal["tokens", "features"]
TargetKind = Literal["tokens", "labels", "sets", "values"]
TargetShape = Literal["step", "sequence", "own"]


@dataclass(frozen=True)
class BatchSpec:
    """What the batches of a data set hold: all that a model and a task are built from.

    Plain values only, so that it can lie in a checkpoint.

    Fields:
        inputs: "tokens" (int64, embedded) or "features" (float).
        input_size: number of tokens in the vocabulary, or F.
        targets: "tokens" (of a vocabulary), "labels" (one class), "sets" (any number of classes, a
            1 for each that holds and a 0 for each other) or "values" (float).
        target_size: number of tokens or classes, or values per target (V).
        target_shape: "step" (one target per input step), "sequence" (one per sequence) or
            "own" (a sequence with its own length).
        input_names: the vocabulary's tokens, or the features' names.
        target_names: the vocabulary's tokens, the classes' names, or the values' names.
        stop: target token that ends a sequence, where there is one.
        horizon: for forecasts, how many steps ahead one target reaches (targets are then
            ``(B, horizon)``: target_size equals horizon).
        period: for forecasts, steps in one season (12 for months), where known.
        shift, scale: targets in the batches are ``(value - shift) / scale``; one number per
            target value. Empty where targets are not scaled.
        input_shift, input_scale: the same for the features.
        target_feature: for forecasts, which input feature is being forecast.
        options: what else the data's own decoder needs (tokeniser kind and so on).
    """

    inputs: InputKind
    input_size: int
    targets: TargetKind
    target_size: int
    target_shape: TargetShape
    input_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    stop: int | None = None
    horizon: int | None = None
    period: int | None = None
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    input_shift: tuple[float, ...] = ()
    input_scale: tuple[float, ...] = ()
    target_feature: int | None = None
    options: dict[str, Any] | None = None

    def to_plain(self) -> dict[str, Any]:
        """As a dict of plain values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> BatchSpec:
        """The inverse of `to_plain`."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
        return cls(**fields)
