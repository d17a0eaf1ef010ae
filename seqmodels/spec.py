"""Specification of a data set, from which models and tasks are built. It needs no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

InputKind = Literal["tokens", "features"]
TargetKind = Literal["tokens", "labels", "sets", "values"]
TargetShape = Literal["step", "sequence", "own"]


@dataclass(frozen=True)
class Spec:
    """Specification of the batches of a data set, from which models and tasks are built.

    Plain values only, so that it can be stored in a checkpoint.

    Fields:
        inputs: "tokens" (int64, embedded) or "features" (float).
        input_size: number of tokens in the vocabulary, or F.
        targets: "tokens" (of a vocabulary), "labels" (one class), "sets" (any number of classes, as
            0 or 1 per class) or "values" (float).
        target_size: number of tokens or classes, or values per target (V).
        target_shape: "step" (one target per input step), "sequence" (one per sequence) or
            "own" (a sequence with its own length).
        input_names: names of the tokens or features.
        target_names: names of the tokens, classes or values.
        stop: target token that ends a sequence, if any.
        horizon: for forecasts, number of steps ahead (targets are then ``(B, horizon)``:
            target_size equals horizon).
        period: for forecasts, number of steps in one season (12 for months), if known.
        shift, scale: targets in the batches are ``(value - shift) / scale``; one number per
            target value. Empty if targets are not scaled.
        input_shift, input_scale: the same for the features.
        target_feature: for forecasts, index of the input feature that is forecast.
        options: further settings of the data's decoder (tokeniser kind and so on).
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
        """Convert to a dict of plain values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Spec:
        """Build from the result of `to_plain`."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
        return cls(**fields)
