"""Spectral radii of recurrent weight matrices.

H units, G gates.
"""

import torch
from torch import Tensor, nn

from seqmodels.cells.base import Cell
from seqmodels.training.diagnostics.trace import named_cells


def recurrent_blocks(cell: Cell) -> dict[str, Tensor]:
    """Return the square recurrent matrix of each gate ``(H, H)``; none for a cell without such weights.

    For a projected h (``h = W_hr (o tanh c)``) it is the product of both matrices, which acts from
    step to step.
    """
    weight = getattr(cell, "weight_hh", None)
    gates = getattr(cell, "gates", ("h",))
    if not isinstance(weight, Tensor):
        return {}
    blocks = weight.detach().chunk(len(gates))
    projection = getattr(cell, "weight_hr", None)
    if isinstance(projection, Tensor):
        blocks = tuple(block @ projection.detach() for block in blocks)
    return {gate: block for gate, block in zip(gates, blocks, strict=True) if block.shape[0] == block.shape[1]}


@torch.no_grad()
def spectral_radius(matrices: Tensor, squarings: int = 14) -> Tensor:
    """Compute the largest absolute eigenvalue of each matrix by Gelfand's formula.

        rho(W) = lim ||W^n||^(1/n),  n = 2^squarings

    Unlike power iteration it needs no start vector and no real leading eigenvalue, and unlike an
    eigenvalue decomposition only a few matrix products.

    >>> import torch
    >>> round(spectral_radius(torch.tensor([[0.0, 2.0], [-2.0, 0.0]])).item(), 3)  # +-2i
    2.0

    Args:
        matrices: ``(..., H, H)``.
        squarings: the error is about a factor ``H^(1 / 2^(squarings + 1))``.
    """
    power = matrices.to(torch.promote_types(matrices.dtype, torch.float32))
    log_radius = torch.zeros(matrices.shape[:-2], dtype=power.dtype, device=power.device)
    for n in range(squarings + 1):
        # After n squarings power = W^(2^n) / exp(2^n log_radius), with norm near 1.
        norm = torch.linalg.matrix_norm(power)
        log_radius = log_radius + norm.log() / 2**n
        power = power / norm.clamp(min=torch.finfo(power.dtype).tiny)[..., None, None]
        if n < squarings:
            power = power @ power
    return log_radius.exp()


def spectral_radii(model: nn.Module) -> dict[str, dict[str, float]]:
    """Compute the spectral radius of each layer's recurrent matrices, by layer and gate."""
    found = {}
    for name, cell in named_cells(model).items():
        blocks = recurrent_blocks(cell)
        if blocks:
            radii = spectral_radius(torch.stack(list(blocks.values())))
            found[name] = dict(zip(blocks, radii.tolist(), strict=True))
    return found
