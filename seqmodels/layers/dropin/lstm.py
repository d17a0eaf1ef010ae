"""Drop-in replacement of `torch.nn.LSTM`."""

from __future__ import annotations

from typing import Any

from seqmodels.layers.dropin.base import Dropin


class LSTM(Dropin):
    """Long short-term memory, a drop-in replacement of `torch.nn.LSTM`.

    >>> import torch
    >>> layer = LSTM(3, 5, num_layers=2, bidirectional=True)
    >>> output, (h, c) = layer(torch.zeros(7, 2, 3))
    >>> output.shape, h.shape
    (torch.Size([7, 2, 10]), torch.Size([4, 2, 5]))

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype: as for
            `torch.nn.LSTM`.
        engine: "auto", or a name in `seqmodels.scan.ENGINES`.

    Raises:
        ValueError, TypeError: as `torch.nn.LSTM`.
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
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        *,
        engine: str = "auto",
    ) -> None:
        sizes = (input_size, hidden_size, num_layers)
        super().__init__("LSTM", *sizes, bias, batch_first, dropout, bidirectional, proj_size, device, dtype, engine)
