"""Matrix products that keep rows independent, in half precision too.

On processors with tile registers (AMX), torch's bfloat16 product reads past the end of a row whose width is not a
multiple of 32, and multiplies the row that follows by zero: a NaN or an infinity in that row then reaches its
neighbour.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

TILE = 32  # bfloat16 numbers in a row of a tile
#: Whether bfloat16 products use tiles on this machine; assumed if torch cannot tell.
TILED: bool = getattr(torch.cpu, "_is_amx_tile_supported", lambda: True)()


def in_tiles(x: Tensor) -> bool:
    """Return whether torch would compute a product of `x` in tiles."""
    return TILED and x.is_cpu and (x.dtype is torch.bfloat16 or torch.is_autocast_enabled("cpu"))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute `torch.nn.functional.linear`, with zero padding where torch would read past a row.

    >>> linear(torch.ones(2, 3), torch.ones(4, 3)).tolist() == [[3.0] * 4] * 2
    True

    Both widths are padded, because backward computes a product over the other one.
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
    """Multiply `blocks` ``(G, heads, size, size)`` by `x` ``(..., heads, size)``, to ``(..., G, heads, size)``.

    >>> block_product(torch.ones(4, 2, 3, 3), torch.ones(5, 2, 3)).shape
    torch.Size([5, 4, 2, 3])
    """
    size = x.shape[-1]
    more = -size % TILE if in_tiles(x) else 0
    if more:
        blocks, x = functional.pad(blocks, (0, more, 0, more)), functional.pad(x, (0, more))
    return torch.einsum("gkij,...kj->...gki", blocks, x)[..., :size]


class Linear(nn.Linear):
    """`torch.nn.Linear` computed by `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)
