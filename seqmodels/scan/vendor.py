"""Engine "vendor": torch's own fused layers, cuDNN on CUDA and oneDNN for the LSTM on CPU.

They run a whole sequence in one call, without lengths, and return only the last state. Ragged rows therefore run to the
end of the batch and are read where each row ends, which gives the last output and, for RNN and GRU, the last state. For
the memory c of an LSTM an extra input feature, 1 in the padding, drives the input gate to exactly 0 and the forget gate
to exactly 1, so that c is carried unchanged to the end. (The same feature holds a relu at 0, which could otherwise grow
to infinity in the padding.) Packing is far slower: torch does not use oneDNN for packed input.

B rows, T steps, F features, H units.
"""

from __future__ import annotations

import warnings
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.batch import step_mask
from seqmodels.cells.base import Cell, VendorForm
from seqmodels.cells.product import TILE, in_tiles
from seqmodels.scan.derivative import FusedCall, differentiable_again
from seqmodels.scan.engine import Engine, transformed
from seqmodels.scan.reference import keep
from seqmodels.state import State, leaves

# torch advises flatten_parameters(), which does not apply to weights owned by a cell; the copy that
# it warns of takes microseconds.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
# On some processors torch says of a projected LSTM which of its own implementations it takes.
warnings.filterwarnings("ignore", message="LSTM with projections is not supported with oneDNN")

# sigmoid(+-1e4) is exactly 1 and 0 in every floating dtype, with gradient 0.
_SATURATING = 1e4


def vendor_is_faster(cell: Cell, inputs: Tensor | None) -> bool:
    """Return whether torch's own layer is faster than the fused engine for `cell`.

    Measured on two cores with AVX-512 (docs/performance.md): on a CPU only the LSTM, in half precision, or without
    gradients if the product dominates.
    """
    form = cell.vendor()
    if form is None or inputs is None:
        return False
    if inputs.device.type != "cpu":
        return True
    if form.kind != "lstm":
        return False
    half = inputs.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")
    weights = form.weights[1].numel()
    return half or (not torch.is_grad_enabled() and inputs.shape[0] >= 8 and weights >= 4 * 192**2)


def _obstacle(cell: Cell, inputs: Tensor | None, reset: Tensor | None) -> str | None:
    form = cell.vendor()
    if form is None:
        return f"torch has no fused form of this {type(cell).__name__}"
    if reset is not None and reset.dim() == 2:
        return "torch's fused layers cannot reset rows inside a window"
    if inputs is not None and in_tiles(inputs) and any(size % TILE for size in form.weights[1].shape):
        return f"in torch's fused layers in bfloat16 rows see each other where H is no multiple of {TILE}"
    if inputs is not None and transformed():
        return "torch's fused layers have no vmap, forward mode or functional gradient"
    return None


def _vendor(
    cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None
) -> tuple[Tensor, State]:
    form = cast(VendorForm, cell.vendor())  # cells without one have an obstacle
    if lengths is None:
        return _run(form, inputs, state)
    valid = step_mask(lengths, inputs.shape[1])
    inputs = keep(valid.unsqueeze(-1), inputs)
    if form.kind in ("lstm", "rnn_relu"):
        inputs, form = _with_padding_feature(form, inputs, valid)
    outputs, last = _run(form, inputs, state)
    outputs = keep(valid.unsqueeze(-1), outputs)
    h = outputs[torch.arange(len(lengths), device=lengths.device), (lengths - 1).clamp(min=0)]
    h = torch.where((lengths > 0).unsqueeze(1), h, state.h.to(h.dtype))
    return outputs, type(last)(h, *last[1:])


def _with_padding_feature(form: VendorForm, inputs: Tensor, valid: Tensor) -> tuple[Tensor, VendorForm]:
    weight = form.weights[0]
    column = torch.zeros(weight.shape[0], 1, device=weight.device, dtype=weight.dtype)
    if form.kind == "lstm":
        size = weight.shape[0] // 4
        column[:size], column[size : 2 * size] = -_SATURATING, _SATURATING
    else:
        column[:] = -torch.finfo(weight.dtype).max / 2
    padding = (~valid).unsqueeze(-1).to(inputs.dtype)
    weights = [torch.cat((weight, column), dim=1), *form.weights[1:]]
    return torch.cat((inputs, padding), dim=-1), VendorForm(form.kind, weights)


def _run(form: VendorForm, inputs: Tensor, state: State) -> tuple[Tensor, State]:
    wider = -inputs.shape[-1] % TILE if in_tiles(inputs) else 0
    if wider:
        first, *others = form.weights
        inputs = functional.pad(inputs, (0, wider))
        form = VendorForm(form.kind, [functional.pad(first, (0, wider)), *others])
    before = [leaf.to(inputs.dtype).unsqueeze(0).contiguous() for leaf in leaves(state)]
    call = FusedCall(form.kind, has_bias=any(weight.dim() == 1 for weight in form.weights))
    tensors = (inputs, *before, *form.weights)
    results = call(tensors)
    if inputs.is_cuda and not torch.compiler.is_compiling():
        results = differentiable_again(call, results, tensors)
    return results[0], type(state)(*(leaf.squeeze(0) for leaf in results[1:]))


VENDOR = Engine(_vendor, _obstacle, "the cell is exactly torch's own")
