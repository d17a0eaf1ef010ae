"""Regularisers of recurrent layers: dropout, zoneout, weight drop and gradient clipping.

B rows, T steps, F features, H units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from seqmodels.cells.base import Cell
from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.regularised import keep_mask, regularise


@dataclasses.dataclass(frozen=True)
class Regularisers:
    """Dropout, zoneout and clipping of a recurrent layer, as probabilities (0 for none) unless noted.

    >>> from seqmodels.cells import LSTMCell
    >>> from seqmodels.layers import Recurrent
    >>> layer = Recurrent(LSTMCell(3, 5), regularisers=Regularisers(recurrent_dropout=0.25, zoneout_c=0.1))
    >>> y, state = layer(torch.zeros(2, 7, 3))
    >>> y.shape
    torch.Size([2, 7, 5])

    Masks are drawn at each call, in training only, and kept values are scaled by 1 / (1 - p). Masks are "locked": one
    for all steps of a row.

        input_dropout       x_t -> m x_t                       one mask m per row, (B, F)
        recurrent_dropout   h_(t-1) -> m h_(t-1) in the recurrent product, (B, H)
        weight_drop         weight_hh -> m weight_hh           one mask for the whole call
        output_dropout      y_t -> m y_t                       not in the carried state
        zoneout_h           h_t -> k_t h_t + (1 - k_t) h_(t-1) k_t drawn at each step and unit,
        zoneout_c           the same for c                     in evaluation 1 - p

    Sources: Gal & Ghahramani 2016, section 4 (locked masks); Merity et al. 2018, sections 2 and 4.2 (weight drop);
    Krueger et al. 2017, section 3 (zoneout); after Graves 2013, section 2.1 (clipping).

    Args:
        input_dropout: on the layer's inputs.
        recurrent_dropout: on the state as read by `weight_hh`.
        zoneout_h, zoneout_c: on the fields h and c of the state.
        weight_drop: on the elements of `weight_hh`.
        output_dropout: on the layer's outputs.
        clip_gradient: largest absolute value of each element in the gradient of the state after a step, from the output
            and from later steps; None for no limit. Also in evaluation.
    """

    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    zoneout_h: float = 0.0
    zoneout_c: float = 0.0
    weight_drop: float = 0.0
    output_dropout: float = 0.0
    clip_gradient: float | None = None

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if name == "clip_gradient":
                if value is not None and not (number and 0 < value < float("inf")):
                    raise ValueError(f"clip_gradient must be a number above 0, or None for no limit, got {value!r}")
            elif not (number and 0 <= value < 1):
                raise ValueError(f"{name} must be a probability of at least 0 and below 1, got {value!r}")

    def check(self, cell: Cell) -> None:
        """Reject options that cannot act on `cell`."""
        for name in self.active():
            lacking = _lacking(name, cell)
            if lacking:
                raise ValueError(f"{name} needs {lacking}; {type(cell).__name__} has none: set {name} to {_OFF[name]}")

    def active(self) -> dict[str, Any]:
        """Return the options that are on."""
        return {name: value for name in _OFF if (value := getattr(self, name))}

    def on_cell(self, cell: Cell, inputs: Tensor, training: bool, draw: bool = True) -> Cell:
        """Return `cell` with the regularisers inside it, or `cell` itself if there are none.

        Args:
            cell: the layer's cell.
            inputs: inputs of the call, ``(B, T, F)``.
            training: whether to drop anything.
            draw: whether to draw masks from torch's generator; else they are ones.
        """
        if training and self.weight_drop:
            weight = cast(Tensor, cell.weight_hh)
            cell = _bind(cell, weight * _mask(weight.shape, self.weight_drop, weight, draw))
        zoneout = {field: p for field, p in (("h", self.zoneout_h), ("c", self.zoneout_c)) if p}
        limit = self.clip_gradient if torch.is_grad_enabled() else None
        mask = None
        if training and self.recurrent_dropout:
            shape = (inputs.shape[0], cell.state_sizes()["h"])
            mask = _mask(shape, self.recurrent_dropout, inputs, draw)
        return regularise(cell, mask, zoneout, training, limit) if mask is not None or zoneout or limit else cell

    def on_inputs(self, inputs: Tensor, training: bool) -> Tensor:
        """Apply input dropout to `inputs` ``(B, T, F)``."""
        return _locked(inputs, self.input_dropout, training)

    def on_outputs(self, outputs: Tensor, training: bool) -> Tensor:
        """Apply output dropout to `outputs` ``(B, T, H)``."""
        return _locked(outputs, self.output_dropout, training)


_OFF: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(Regularisers)}


def _lacking(name: str, cell: Cell) -> str | None:
    """Return what an option requires and `cell` lacks, in words, or None."""
    fields = cell.state_type._fields
    if name in ("recurrent_dropout", "weight_drop") and not isinstance(cell, GatedCell):
        return "a recurrent matrix (weight_hh, of a gated cell)"
    if name.startswith("zoneout_") and name.removeprefix("zoneout_") not in fields:
        return f"a state with a field {name.removeprefix('zoneout_')}"
    if name == "clip_gradient" and not fields:
        return "a state"
    return None


def _mask(shape: Sequence[int], p: float, like: Tensor, draw: bool = True) -> Tensor:
    return keep_mask(shape, p, like) / (1 - p) if draw else torch.ones(shape, dtype=like.dtype, device=like.device)


def _locked(values: Tensor, p: float, training: bool) -> Tensor:
    return values * _mask((values.shape[0], 1, values.shape[2]), p, values) if training and p else values


def _bind(cell: Cell, weight: Tensor) -> Cell:
    bound = cell.bind({"weight_hh": weight})
    if bound.weight_hh is not weight:
        raise ValueError(
            f"weight_drop cannot act on {type(cell).__name__}: its weight_hh is made of other parameters; "
            "leave weight_drop out, or the parametrization"
        )
    return bound
