"""torch's own fused layers: cuDNN on CUDA, oneDNN for the LSTM on CPU.

They run a whole sequence in one call but know neither lengths nor any state but the last.
Ragged rows are therefore run to the end of the batch and read where each row ends. That
gives the last output of a row, and for the RNN and GRU so its last state. The memory c of an
LSTM is nowhere to be read; instead one more input feature, 1 in the padding, drives the input
gate to exactly 0 and the forget gate to exactly 1, which carries c unchanged to the end.
Packing would do the same at a fraction of the speed (torch leaves oneDNN for packed input).

B rows, T steps, F features, H units.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqmodels.batch import step_mask
from seqmodels.cells.base import Cell, VendorForm
from seqmodels.state import State, leaves

# sigmoid(+-1e4) is exactly 1 and 0 in every floating dtype, and so is its gradient 0.
_SATURATING = 1e4


def vendor(
    cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None
) -> tuple[Tensor, State]:
    """Outputs ``(B, T, output_size)`` and the state after each row's last step.

    Takes no resets inside the window: `seqmodels.scan.choose` sends those elsewhere.
    """
    form = cell.vendor()
    if form is None or reset is not None:
        raise ValueError(f"torch has no fused form of this {type(cell).__name__} with these arguments")
    if lengths is None:
        return _run(cell, form, inputs, state)
    valid = step_mask(lengths, inputs.shape[1])
    inputs = torch.where(valid.unsqueeze(-1), inputs, torch.zeros_like(inputs[:1, :1]))
    if form.kind == "lstm":
        inputs, form = _with_padding_feature(form, inputs, valid)
    outputs, last = _run(cell, form, inputs, state)
    outputs = torch.where(valid.unsqueeze(-1), outputs, torch.zeros_like(outputs[:1, :1]))
    h = outputs[torch.arange(len(lengths), device=lengths.device), (lengths - 1).clamp(min=0)]
    h = torch.where((lengths > 0).unsqueeze(1), h, state.h)
    return outputs, type(last)(h, *last[1:])


def _with_padding_feature(form: VendorForm, inputs: Tensor, valid: Tensor) -> tuple[Tensor, VendorForm]:
    weight = form.weights[0]
    size = weight.shape[0] // 4
    gate = torch.zeros(4 * size, 1, device=weight.device, dtype=weight.dtype)
    gate[:size], gate[size : 2 * size] = -_SATURATING, _SATURATING
    padding = (~valid).unsqueeze(-1).to(inputs.dtype)
    weights = [torch.cat((weight, gate), dim=1), *form.weights[1:]]
    return torch.cat((inputs, padding), dim=-1), VendorForm(form.kind, weights)


def _run(cell: Cell, form: VendorForm, inputs: Tensor, state: State) -> tuple[Tensor, State]:
    first = [leaf.to(inputs.dtype).unsqueeze(0).contiguous() for leaf in leaves(state)]
    before = first if form.kind == "lstm" else first[0]
    has_bias = len(form.weights) - (form.kind == "lstm" and state.h.shape[1] != state.c.shape[1]) > 2
    function = getattr(torch, form.kind)
    training = torch.is_grad_enabled()  # cuDNN keeps what backward needs only then
    outputs, *last = function(inputs, before, form.weights, has_bias, 1, 0.0, training, False, True)
    return outputs, type(state)(*(leaf.squeeze(0) for leaf in last))
