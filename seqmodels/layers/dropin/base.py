"""Base class of the drop-in layers: torch's parameters, calls and packed sequences.

L layers, D directions (1 or 2), B rows, T steps, F features, H units, P width of the output
(`proj_size` if given, else H).
"""

from __future__ import annotations

import math
import operator
import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seqmodels.cells import Cell, ElmanCell, GRUCell, LSTMCell
from seqmodels.layers.dropin.checks import check_hx, check_input, check_options
from seqmodels.scan import check_engine, scan
from seqmodels.state import State

# Bound cells by layer; not stored on the layer, so that they are neither saved nor copied with it.
_bound: weakref.WeakKeyDictionary[nn.Module, dict[int, Cell]] = weakref.WeakKeyDictionary()


class Dropin(nn.Module):
    """Base class of `RNN`, `LSTM` and `GRU`.

    The parameters are attributes of the layer under torch's names. Each call binds them into the
    cells, so that code that swaps, casts, parametrises or shares them sees an ordinary module.
    """

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
        check_options(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
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

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        """Run all layers, with the arguments and results of torch's own layers.

        Args:
            input: ``(T, B, F)``, ``(B, T, F)`` if ``batch_first``, ``(T, F)``, or a PackedSequence.
            hx: state before the first step, ``(L*D, B, P)``, or ``(L*D, P)`` for unbatched input;
                for the LSTM the pair of it and the memory ``(L*D, B, H)``. Zeros by default.

        Returns:
            Output ``(T, B, D*P)`` in the form of the input, and the last state in the form of `hx`.

        Raises:
            ValueError, RuntimeError: as torch raises them.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        check_input(self, input)
        batched = input.dim() == 3
        batch_axis = 0 if self.batch_first else 1
        inputs = input if batched else input.unsqueeze(batch_axis)
        fields = check_hx(self, hx, inputs.shape[batch_axis], inputs.dtype, batched)
        outputs, last = self._run(inputs if self.batch_first else inputs.transpose(0, 1), fields, None)
        if not self.batch_first:
            outputs = outputs.transpose(0, 1)
        if not batched:
            outputs, last = outputs.squeeze(batch_axis), [leaf.squeeze(1) for leaf in last]
        return outputs, self._pack_state(last)

    def _forward_packed(self, packed: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        """Run the rows in the order of the PackedSequence, sorted by length."""
        data, batch_sizes, order, inverse = packed
        check_input(self, data, packed=True)
        fields = check_hx(self, hx, int(batch_sizes[0]), data.dtype)
        inputs, lengths = pad_packed_sequence(PackedSequence(data, batch_sizes), batch_first=True)
        if fields is not None and order is not None:
            fields = [field.index_select(1, order) for field in fields]
        outputs, last = self._run(inputs, fields, lengths)
        if inverse is not None:
            last = [field.index_select(1, inverse) for field in last]
        data = pack_padded_sequence(outputs, lengths, batch_first=True).data
        return PackedSequence(data, batch_sizes, order, inverse), self._pack_state(last)

    def _run(self, inputs: Tensor, fields: list[Tensor] | None, lengths: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """Run all layers over ``(B, T, F)``; the fields of the state are ``(L*D, B, ...)``."""
        after: list[State] = []
        for layer in range(self.num_layers):
            if layer:
                inputs = functional.dropout(inputs, self.dropout, self.training)
            outputs = []
            for direction in range(self._directions):
                cell = self._bind(len(after))
                state = None if fields is None else cell.state_type(*(field[len(after)] for field in fields))
                y, last = scan(cell, inputs, state, lengths, engine=self.engine, reverse=direction == 1)
                outputs.append(y)
                after.append(last)
            inputs = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
        return inputs, [torch.stack(leaves) for leaves in zip(*after, strict=True)]

    def _bind(self, index: int) -> Cell:
        """Return the cell of one layer and direction bound to its weights, cached as long as these are the same."""
        weights = [getattr(self, flat) for flat in self._names[index]]
        if torch.compiler.is_compiling():
            return self._cells[index].bind(dict(zip(self._cell_names, weights, strict=True)))
        bound = _bound.setdefault(self, {}).get(index)
        if bound is None or any(map(operator.is_not, bound._parameters.values(), weights)):
            bound = self._cells[index].bind(dict(zip(self._cell_names, weights, strict=True)))
            if all(type(weight) is nn.Parameter for weight in weights):  # others may hold a graph
                _bound[self][index] = bound
        return bound

    def _pack_state(self, fields: list[Tensor]) -> Any:
        return fields[0] if len(fields) == 1 else tuple(fields)

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
