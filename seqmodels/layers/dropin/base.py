"""Base class of the drop-in layers: torch's parameters, calls and packed sequences.

L layers, D directions (1 or 2), B rows, T steps, F features, H units, P width of the output (`proj_size` if given, else
H).
"""

from __future__ import annotations

import operator
import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seqmodels.cells import Cell
from seqmodels.layers.dropin.checks import check_hx, check_input
from seqmodels.layers.dropin.parameters import Parameters
from seqmodels.scan import scan
from seqmodels.state import State

# Bound cells by layer; not stored on the layer, so that they are neither saved nor copied with it.
_bound: weakref.WeakKeyDictionary[nn.Module, dict[int, Cell]] = weakref.WeakKeyDictionary()


class Dropin(Parameters):
    """Base class of `RNN`, `LSTM` and `GRU`.

    The parameters are attributes of the layer under torch's names. Each call binds them into the cells, so that code
    that swaps, casts, parametrises or shares them sees an ordinary module.
    """

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        """Run all layers, with the arguments and results of torch's own layers.

        Args:
            input: ``(T, B, F)``, ``(B, T, F)`` if ``batch_first``, ``(T, F)``, or a PackedSequence.
            hx: state before the first step, ``(L*D, B, P)``, or ``(L*D, P)`` for unbatched input; for the LSTM the pair
                of it and the memory ``(L*D, B, H)``. Zeros by default.

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
