"""Drop-in replacement of `torch.nn.GRU`."""

from __future__ import annotations

from typing import Any

from seqmodels.layers.dropin.base import Dropin
from seqmodels.layers.dropin.checks import refuse_projection


class GRU(Dropin):
    """Gated recurrent unit, a drop-in replacement of `torch.nn.GRU`.

    >>> import torch
    >>> output, h = GRU(3, 5, batch_first=True)(torch.zeros(2, 7, 3))
    >>> output.shape, h.shape
    (torch.Size([2, 7, 5]), torch.Size([1, 2, 5]))

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as for
            `torch.nn.GRU`.
        proj_size: rejected as in torch; only an LSTM has a projection.
        engine: "auto", or a name in `seqmodels.scan.ENGINES`.

    Raises:
        ValueError, TypeError: as `torch.nn.GRU`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
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
        sizes = (input_size, hidden_size, num_layers)
        super().__init__("GRU", *sizes, bias, batch_first, dropout, bidirectional, 0, device, dtype, engine)
