"""Products with weights in which no row sees another, in half precision too.

On processors with tile registers (AMX), torch's product in bfloat16 reads past the end of a row whose
width is no multiple of 32, and multiplies what it finds there, the row that follows, by zero: a NaN or an
infinity in that row then reaches its neighbour.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

TILE = 32  # bfloat16 numbers in a row of a tile
#: Whether products of bfloat16 numbers are made in tiles here; taken to be so where torch does not say.
TILED: bool = getattr(torch.cpu, "_is_amx_tile_supported", lambda: True)()


def in_tiles(x: Tensor) -> bool:
    """Whether torch would make a product of `x` in tiles."""
    return TILED and x.is_cpu and (x.dtype is torch.bfloat16 or torch.is_autocast_enabled("cpu"))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """As `torch.nn.functional.linear`; widths are filled up with zeros where it would read past them.

    >>> linear(torch.ones(2, 3), torch.ones(4, 3)).tolist() == [[3.0] * 4] * 2
    True

    Both widths: backward makes a product over the other one.
    """
    if not in_tiles(x):
        return functional.linear(x, weight, bias)
    rows, columns = weight.shape
    more, wider = -rows % TILE, -columns % TILE
    if bias is not None:
        bias = functional.pad(bias, (0, more))
    padded = functional.linear(functional.pad(x, (0, wider)), functional.pad(weight, (0, wider, 0, more)), bias)
    return padded[..., :rows]


def block_product(blocks: Tensor, x: Tensor) -> Tensor:
    """The products ``(..., G, heads, size)`` of `blocks` ``(G, heads, size, size)`` and `x` ``(..., heads, size)``.

    >>> block_product(torch.ones(4, 2, 3, 3), torch.ones(5, 2, 3)).shape
    torch.Size([5, 4, 2, 3])
    """
    size = x.shape[-1]
    more = -size % TILE if in_tiles(x) else 0
    if more:
        blocks, x = functional.pad(blocks, (0, more, 0, more)), functional.pad(x, (0, more))
    return torch.einsum("gkij,...kj->...gki", blocks, x)[..., :size]


class Linear(nn.Linear):
    """As `torch.nn.Linear`, by `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)
