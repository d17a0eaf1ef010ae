"""Linear recurrent unit: a complex, time-invariant diagonal recurrence.

    a = exp(-exp(nu) + i exp(theta))
    h_t = a h_(t-1) + exp(gamma) B x_t        complex
    y_t = Re(C h_t) + D x_t

nu, theta and gamma are the parameters `nu_log`, `theta_log`, `gamma_log`. Initially a is uniform on the ring r_min <=
|a| <= r_max with phases from 0 to max_phase, and gamma = log sqrt(1 - |a|^2), which makes the scale of h independent of
|a|.

Source: Orvieto et al. 2023, arXiv 2303.06349, sections 3.2-3.4 and appendix A.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from seqmodels.cells.linear.base import LinearCell, check_radii
from seqmodels.cells.product import linear
from seqmodels.kinds import Share, up_to_a_turn, up_to_one
from seqmodels.registry import register


@register("cell", "lru")
class LRUCell(LinearCell):
    """Linear recurrent unit (Orvieto et al. 2023) with complex state ``[real | imaginary]``, ``(B, 2H)``.

    >>> y, state = LRUCell(3, 5, r_min=0.9)(torch.ones(2, 3))
    >>> y.shape, state.h.shape
    (torch.Size([2, 5]), torch.Size([2, 10]))

    Parameters: `weight_ih` ``(3H, F)`` with the blocks Re B, Im B and D; `weight_ho` ``(H, 2H)`` with the blocks Re C
    and -Im C; `nu_log`, `theta_log` and `gamma_log` ``(H,)``.

    Args:
        hidden_size: H, number of complex units and width of the output.
        r_min, r_max: initial range of ``|a|``; near 1 for long memory.
        max_phase: largest initial phase of a, in radians; small for long memory.

    Raises:
        ValueError: a size below 1, or an invalid ring.
    """

    complex = True
    weight_ih: nn.Parameter
    weight_ho: nn.Parameter
    nu_log: nn.Parameter
    theta_log: nn.Parameter
    gamma_log: nn.Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        r_min: Share = 0.0,
        r_max: Annotated[float, up_to_one] = 1.0,
        max_phase: Annotated[float, up_to_a_turn] = 6.283185307179586,
    ) -> None:
        super().__init__(input_size, hidden_size)
        check_radii(r_min, r_max)
        self.ring = (r_min, r_max, max_phase)
        for name, shape in self.weight_shapes().items():
            setattr(self, name, nn.Parameter(torch.empty(shape)))
        self.reset_parameters()

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        H = self.hidden_size
        vectors: dict[str, tuple[int, ...]] = dict.fromkeys(("nu_log", "theta_log", "gamma_log"), (H,))
        return {"weight_ih": (3 * H, self.input_size), "weight_ho": (H, 2 * H), **vectors}

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw a uniformly on the ring, and B, C and D from normal distributions."""
        r_min, r_max, max_phase = self.ring
        uniform = torch.rand(2, self.hidden_size, dtype=torch.float64).clamp(
            1e-6, 1 - 1e-6
        )  # 0 and 1 have no logarithm
        square = uniform[0] * (r_max**2 - r_min**2) + r_min**2  # |a|^2, uniform in area
        self.nu_log.copy_(torch.log(-0.5 * torch.log(square)))
        self.theta_log.copy_(torch.log(max_phase * uniform[1]))
        self.gamma_log.copy_(0.5 * torch.log1p(-square))
        nn.init.normal_(self.weight_ih[: 2 * self.hidden_size], std=(2 * self.input_size) ** -0.5)
        nn.init.normal_(self.weight_ih[2 * self.hidden_size :], std=self.input_size**-0.5)
        nn.init.normal_(self.weight_ho, std=self.hidden_size**-0.5)

    def state_sizes(self) -> dict[str, int]:
        return {"h": 2 * self.hidden_size}

    def project(self, x: Tensor) -> Tensor:
        return linear(x, self.weight_ih)

    def coefficients(self, u: Tensor) -> tuple[Tensor, Tensor]:
        radius, phase, gamma = torch.exp(-torch.exp(self.nu_log)), torch.exp(self.theta_log), torch.exp(self.gamma_log)
        a = torch.cat((radius * torch.cos(phase), radius * torch.sin(phase)), dim=-1)
        b, _ = u.split((2 * self.hidden_size, self.hidden_size), dim=-1)
        return a, torch.cat((gamma, gamma)) * b

    def readout(self, h: Tensor, u: Tensor) -> Tensor:
        return linear(h, self.weight_ho) + u[..., 2 * self.hidden_size :]
