"""Drop-in replacement of `torch.nn.RNN`."""

from __future__ import annotations

from typing import Any

from seqmodels.layers.dropin.base import Dropin
from seqmodels.layers.dropin.checks import refuse_projection


class RNN(Dropin):
    """Simple recurrent network (Elman 1990), a drop-in replacement of `torch.nn.RNN`.

    >>> import torch
    >>> output, h = RNN(3, 5, nonlinearity="relu")(torch.zeros(7, 3))
    >>> output.shape, h.shape
    (torch.Size([7, 5]), torch.Size([1, 5]))

    Args:
        input_size, hidden_size, num_layers, nonlinearity, bias, batch_first, dropout, bidirectional, device, dtype: as
            for `torch.nn.RNN`.
        proj_size: rejected as in torch; only an LSTM has a projection.
        engine: "auto", or a name in `seqmodels.scan.ENGINES`.

    Raises:
        ValueError, TypeError: as `torch.nn.RNN`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        proj_size: int | None = None,
        engine: str = "auto",
    ) -> None:
        refuse_projection(proj_size)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        mode = f"RNN_{nonlinearity.upper()}"
        sizes = (input_size, hidden_size, num_layers)
        super().__init__(mode, *sizes, bias, batch_first, dropout, bidirectional, 0, device, dtype, engine)
        self.nonlinearity = nonlinearity
