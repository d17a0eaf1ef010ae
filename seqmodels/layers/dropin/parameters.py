"""Parameters and options of the drop-in layers, named, shaped and refused as torch's."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from seqmodels.cells import Cell, ElmanCell, GRUCell, LSTMCell
from seqmodels.scan import check_engine


class Parameters(nn.Module):
    """Weights of L layers and D directions as attributes, under torch's names."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        device: Any,
        dtype: Any,
        engine: str,
    ) -> None:
        super().__init__()
        _check_options(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        check_engine(engine)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.engine = engine
        self._directions = 2 if bidirectional else 1
        suffixes = [f"_l{layer}{end}" for layer in range(num_layers) for end in ("", "_reverse")[: self._directions]]
        # Cells without weights of their own; a tuple, so that they are not submodules.
        with torch.device("meta"):
            self._cells = tuple(self._make_cell(index // self._directions) for index in range(len(suffixes)))
        self._cell_names = [name for name, _ in self._cells[0].named_parameters()]
        self._names = [[name + suffix for name in self._cell_names] for suffix in suffixes]
        for cell, names in zip(self._cells, self._names, strict=True):
            for name, parameter in zip(names, cell.parameters(), strict=True):
                weight = nn.Parameter(torch.empty(parameter.shape, device=device, dtype=dtype))
                self.register_parameter(name, weight)
        self.reset_parameters()

    def _make_cell(self, layer: int) -> Cell:
        size = (self.proj_size or self.hidden_size) * self._directions if layer else self.input_size
        if self.mode == "LSTM":
            return LSTMCell(size, self.hidden_size, proj_size=self.proj_size, bias=self.bias)
        if self.mode == "GRU":
            return GRUCell(size, self.hidden_size, bias=self.bias)
        return ElmanCell(size, self.hidden_size, "relu" if self.mode == "RNN_RELU" else "tanh", bias=self.bias)

    def reset_parameters(self) -> None:
        """Initialise the weights as torch does: uniform from -1/sqrt(H) to 1/sqrt(H)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """Weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    def flatten_parameters(self) -> None:
        """Do nothing: accepted for code written for torch's layers."""

    def extra_repr(self) -> str:
        options = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
            "engine": "auto",
        }
        said = [f"{key}={getattr(self, key)}" for key, default in options.items() if getattr(self, key) != default]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *said])


def _check_options(
    input_size: int,
    hidden_size: int,
    num_layers: int,
    bias: bool,
    batch_first: bool,
    dropout: float,
    proj_size: int,
) -> None:
    """Reject options that `torch.nn.LSTM` rejects.

    Raises:
        TypeError: a wrong type.
    """
    if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            f"being zeroed, got {dropout!r}"
        )
    for name, flag in (("bias", bias), ("batch_first", batch_first)):
        if not isinstance(flag, bool):
            raise TypeError(f"{name} should be of type bool, got: {type(flag).__name__}")
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
        if not isinstance(size, int):
            raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
        if size <= 0:
            raise ValueError(f"{name} must be greater than zero, got {size}")
    if proj_size < 0:
        raise ValueError(f"proj_size should be a positive integer or zero to disable projections, got {proj_size}")
    if proj_size >= hidden_size:
        raise ValueError(f"proj_size has to be smaller than hidden_size ({hidden_size}), got {proj_size}")
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
            f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )
