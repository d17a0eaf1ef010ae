"""Cells with diagonal recurrent matrices: each unit reads only its own past.

The equations of `seqmodels.cells.gated.gru` and `seqmodels.cells.gated.lstm` with each ``W_h`` diagonal.

Sources: Li et al. 2018, "Independently Recurrent Neural Network (IndRNN)", section 3, its recurrence applied to a GRU;
Gonnet & Deselaers 2019, "IndyLSTMs: Independently Recurrent LSTMs", the section of that name.
"""

from __future__ import annotations

from typing import Annotated

from seqmodels.cells.gated.gru import GRUCell
from seqmodels.cells.gated.initialise import Init
from seqmodels.cells.gated.lstm import LSTMCell
from seqmodels.kinds import whole
from seqmodels.registry import register


@register("cell", "diagonal_gru")
class DiagonalGRUCell(GRUCell):
    """Gated recurrent unit with one head per unit: 3H recurrent weights instead of 3H^2.

    >>> DiagonalGRUCell(3, 5).weight_hh.shape
    torch.Size([15, 1])

    Args:
        input_size, hidden_size, bias, init, forget_bias, chrono_steps: as for `GRUCell`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        init: Init = "uniform",
        forget_bias: float | None = None,
        chrono_steps: Annotated[int, whole(3)] | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, "after", bias, init, forget_bias, chrono_steps, heads=hidden_size)


@register("cell", "diagonal_lstm")
class DiagonalLSTMCell(LSTMCell):
    """Long short-term memory with one head per unit: 4H recurrent weights instead of 4H^2.

    >>> DiagonalLSTMCell(3, 5, forget_bias=1.0).weight_hh.shape
    torch.Size([20, 1])

    Args:
        input_size, hidden_size, peephole, coupled, bias, init, forget_bias, chrono_steps: as for `LSTMCell`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        peephole: bool = False,
        coupled: bool = False,
        bias: bool = True,
        init: Init = "uniform",
        forget_bias: float | None = None,
        chrono_steps: Annotated[int, whole(3)] | None = None,
    ) -> None:
        options = (peephole, coupled, 0, bias, init, forget_bias, chrono_steps)
        super().__init__(input_size, hidden_size, *options, heads=hidden_size)
