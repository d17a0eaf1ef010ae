"""Weight initialisation schemes of gated cells.

| name | input weights | recurrent weights | biases |
| --- | --- | --- | --- |
| uniform | U(-1/sqrt H, 1/sqrt H), as torch | the same | the same |
| orthogonal | Glorot uniform, per gate | orthogonal, per gate | zero |
| chrono | as orthogonal | as orthogonal | keep gate log U(1, steps - 1), write gate the negative |
| identity | normal, std 0.001 | identity | zero |

For a block-diagonal recurrence, "per gate" means per block: orthogonal blocks make an orthogonal matrix, identity
blocks the identity. Parameters whose names begin with `gain` are 1 in every scheme.

Sources: Saxe et al. 2014 (orthogonal); Jozefowicz et al. 2015, section 2.2 (forget bias); Tallec & Ollivier 2018,
section 2 (chrono); Le, Jaitly & Hinton 2015, section 2 (identity: the "IRNN", meant for the relu Elman cell).
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from seqmodels.cells.base import Cell

Init = Literal["uniform", "orthogonal", "chrono", "identity"]
SCHEMES: tuple[str, ...] = get_args(Init)


class Gates(Cell):
    """What the schemes need to know of a gated cell.

    Attributes:
        gates: blocks of H rows in the weights.
        keep_gate: gate that keeps the old state when near 1, for forget_bias and chrono.
        write_gate: gate that writes new values, set to the opposite by chrono and, without a `keep_gate`, by
            forget_bias.
    """

    gates: tuple[str, ...] = ("h",)
    keep_gate: ClassVar[str | None] = None
    write_gate: ClassVar[str | None] = None
    heads: int
    bias_ih: nn.Parameter | None
    bias_hh: nn.Parameter | None


@torch.no_grad()
def initialise(
    cell: Gates, scheme: str = "uniform", forget_bias: float | None = None, chrono_steps: int | None = None
) -> None:
    """Initialise all weights of `cell` by the named scheme.

    Args:
        forget_bias: total bias of the keep gate, if given, on top of any scheme; for a cell with only a write gate,
            minus the total bias of that.
        chrono_steps: for "chrono", the longest expected dependency, at least 3 steps.

    Raises:
        ValueError: an unknown scheme, or one that does not apply to this cell.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"init must be one of {', '.join(SCHEMES)}, got {scheme!r}")
    if scheme == "uniform":
        bound = 1 / math.sqrt(cell.hidden_size)  # the same expression as torch, bit for bit
        for parameter in cell.parameters(recurse=False):
            nn.init.uniform_(parameter, -bound, bound)
    else:
        _scaled(cell, scheme)
    for name, parameter in cell.named_parameters(recurse=False):
        if name.startswith("gain"):
            nn.init.ones_(parameter)
    if scheme == "chrono":
        _chrono(cell, chrono_steps)
    elif chrono_steps is not None:
        raise ValueError(f"chrono_steps is only read by init='chrono', got init={scheme!r}")
    if forget_bias is not None:
        _need(cell, "forget_bias")
        sign, gate = (1, cell.keep_gate) if cell.keep_gate else (-1, cell.write_gate)
        _set_bias(cell, gate, torch.full((cell.hidden_size,), sign * float(forget_bias)))


def _scaled(cell: Gates, scheme: str) -> None:
    for name, parameter in cell.named_parameters(recurse=False):
        if parameter.dim() == 1:
            nn.init.zeros_(parameter)
            continue
        blocks = parameter.chunk(len(cell.gates)) if name in ("weight_ih", "weight_hh") else (parameter,)
        for block in blocks:
            if name != "weight_hh":
                nn.init.normal_(block, std=0.001) if scheme == "identity" else nn.init.xavier_uniform_(block)
                continue
            for head in block.chunk(cell.heads):
                nn.init.eye_(head) if scheme == "identity" else nn.init.orthogonal_(head)


def _chrono(cell: Gates, steps: int | None) -> None:
    if steps is None or steps < 3:
        raise ValueError(f"init='chrono' needs chrono_steps, the longest dependency, of at least 3, got {steps!r}")
    _need(cell, "init='chrono'")
    bias = torch.log(torch.empty(cell.hidden_size).uniform_(1, steps - 1))
    _set_bias(cell, cell.keep_gate, bias)
    _set_bias(cell, cell.write_gate, -bias)


def _need(cell: Gates, option: str) -> None:
    if cell.keep_gate is None and cell.write_gate is None:
        raise ValueError(f"{option} needs a cell with a gate that keeps its state; {type(cell).__name__} has none")
    if cell.bias_ih is None:
        raise ValueError(f"{option} needs biases: build the cell with bias=True")


def _set_bias(cell: Gates, gate: str | None, values: Tensor) -> None:
    """Set the total bias of a gate: all in `bias_ih`, zero in `bias_hh`."""
    if gate is None or cell.bias_ih is None:
        return
    block = slice(cell.gates.index(gate) * cell.hidden_size, (cell.gates.index(gate) + 1) * cell.hidden_size)
    cell.bias_ih[block] = values.to(cell.bias_ih)
    if cell.bias_hh is not None:
        cell.bias_hh[block] = 0
