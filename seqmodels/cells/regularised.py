"""Regularisers inside the recurrence of a cell, applied by a layer for one call.

    recurrent dropout   the recurrent product reads m h_(t-1) / (1 - p), one mask m for all steps
    zoneout             s_t = (1 - k_t) s_(t-1) + k_t s'_t, for a field s of the state with the
                        cell's update s'; k_t is 0 with probability p. In evaluation k_t = 1 - p
    gradient clipping   the gradient of each field after each step is clamped to [-v, v]

Sources: Gal & Ghahramani 2016, section 4 (one mask for all steps); Krueger et al. 2017, sections 3.1-3.3 (zoneout);
after Graves 2013, section 2.1 (clipping).

B rows, T steps, H units, U width of the projected input.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from seqmodels.cells.base import Cell
from seqmodels.cells.clip import clip_gradient
from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.linear.base import LinearCell
from seqmodels.state import State


def keep_mask(shape: Sequence[int], drop: float, like: Tensor) -> Tensor:
    """Draw a mask of ones, and zeros with probability `drop` (to the nearest 1/65536).

    Uses torch's generator, four numbers per 64 random bits: several times faster than `Tensor.bernoulli_`, whose time
    would be noticeable beside that of a step.

    >>> int(keep_mask((2, 3), 0.5, torch.zeros(1)).max()) in (0, 1)
    True
    """
    count = torch.Size(shape).numel()
    bits = torch.randint(-(2**63), 2**63 - 1, (-(-count // 4),), device=like.device)
    level = min(max(round(drop * 65536), 1), 65535) - 32768
    return (bits.view(torch.int16)[:count].view(shape) >= level).to(like.dtype)


def regularise(cell: Cell, mask: Tensor | None, zoneout: Mapping[str, float], noisy: bool, limit: float | None) -> Cell:
    """Return the same cell with regularisers; parameters and everything else are shared.

    Args:
        mask: ``(B, W)``, W the width of h, multiplied with the recurrent input; for gated cells.
        zoneout: probability of keeping the old value, by field of the state.
        noisy: whether zoneout is drawn at random, as in training, or takes the expected value.
        limit: clipping limit of the gradient of each field, if any.
    """
    base: Any = type(cell)
    kind: Any = _kind(cell, limit)
    made: Cell = object.__new__(_regularised(base, kind))
    own = {"recurrent_mask": mask, "zoneout": dict(zoneout), "noisy": noisy, "limit": limit}
    made.__dict__.update(cell.__dict__, **own)
    made.__dict__["watched_step"] = made.__dict__.pop("step", None)
    return made


def _kind(cell: Cell, limit: float | None) -> type[Regularised]:
    if "step" in vars(cell):  # a step patched on the instance must be called
        return RegularisedStep
    if isinstance(cell, LinearCell) and type(cell).step is LinearCell.step:
        return RegularisedLinear if limit is None else ClippedLinear
    if isinstance(cell, GatedCell) and cell.usual_step:
        return RegularisedGated
    return RegularisedStep


@functools.cache
def _regularised(cls: type[Any], kind: type[Any]) -> type[Any]:
    """Return the class of a cell with regularisers, a subclass so that swapping parameters swaps all of them."""
    own = {"usual_project": getattr(cls, "project", None) is GatedCell.project}
    return type(f"Regularised{cls.__name__}", (kind, cls), own)


class Regularised(Cell):
    """Base class of regularised cells; the noise is part of the projected input, unseen by the engines."""

    recurrent_mask: Tensor | None
    zoneout: dict[str, float]
    noisy: bool
    limit: float | None
    watched_step: Callable[[Tensor, State], tuple[Tensor, State]] | None

    def project(self, x: Tensor) -> Tensor:
        noise = self.noise(x)
        u = super().project(x)
        return u if noise is None else torch.cat((u, noise.to(u.dtype)), dim=-1)

    def noise(self, x: Tensor) -> Tensor | None:
        """Draw k of each field with zoneout in training."""
        if not (self.noisy and self.zoneout):
            return None
        parts = [self._draw(x, field) for field in self.zoneout]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def _draw(self, x: Tensor, field: str) -> Tensor:
        return keep_mask((*x.shape[:-1], self.state_sizes()[field]), self.zoneout[field], x)

    def _split(self, u: Tensor) -> tuple[Tensor, dict[str, Any]]:
        """Split `u` into the projected input of the cell itself and k of each field with zoneout."""
        if not (self.noisy and self.zoneout):
            return u, {field: 1 - p for field, p in self.zoneout.items()}
        sizes = [self.state_sizes()[field] for field in self.zoneout]
        u, *noise = u.split((u.shape[-1] - sum(sizes), *sizes), dim=-1)
        return u, {field: k.detach() for field, k in zip(self.zoneout, noise, strict=True)}

    def _finish(self, old: State, new: State, kept: Mapping[str, Any]) -> State:
        """Apply zoneout and gradient clipping to the state after a step."""
        fields = new._asdict()
        for field, k in kept.items():
            fields[field] = k * fields[field] + (1 - k) * getattr(old, field)  # exact if k is 0 or 1
        if self.limit is not None:
            fields = {field: clip_gradient(value, self.limit) for field, value in fields.items()}
        return type(new)(**fields)

    def vendor(self) -> None:
        """Return None: torch has no fused layer with regularisers."""


class RegularisedGated(Regularised, GatedCell):
    """Regularised gated cell with the usual step."""

    def recurrent_input(self, state: State) -> Tensor:
        h = super().recurrent_input(state)
        return h if self.recurrent_mask is None else h * self.recurrent_mask

    def update(self, u: Tensor, r: Tensor, state: State) -> State:
        u, kept = self._split(u)
        return self._finish(state, super().update(u, r, state), kept)


class RegularisedLinear(Regularised, LinearCell):
    """Regularised linear cell; zoneout keeps it linear: ``a' = (1 - k) + k a``, ``b' = k b``."""

    def _draw(self, x: Tensor, field: str) -> Tensor:
        if not self.complex:
            return super()._draw(x, field)
        k = keep_mask((*x.shape[:-1], self.state_sizes()[field] // 2), self.zoneout[field], x)
        return torch.cat((k, k), dim=-1)  # a complex unit is kept as a whole

    def coefficients(self, u: Tensor) -> tuple[Tensor, Tensor]:
        u, kept = self._split(u)
        a, b = super().coefficients(u)
        if not kept:
            return a, b
        k, rest = kept["h"], 1 - kept["h"]
        if not self.complex:
            return k * a + rest, k * b
        real, imaginary = (k * a).chunk(2, dim=-1)
        rest = rest.chunk(2, dim=-1)[0] if isinstance(rest, Tensor) else rest
        return torch.cat((real + rest, imaginary), dim=-1), k * b

    def readout(self, h: Tensor, u: Tensor) -> Tensor:
        return super().readout(h, self._split(u)[0])


class ClippedLinear(RegularisedLinear):
    """Regularised linear cell with gradient clipping, so that its backward is not linear."""

    def advance(self, a: Tensor, b: Tensor, h: Tensor) -> Tensor:
        return clip_gradient(super().advance(a, b, h), cast(float, self.limit))


class RegularisedStep(Regularised):
    """Regularised cell with a step of its own."""

    def recurrent_input(self, state: State) -> Tensor:
        h: Tensor = super().recurrent_input(state)  # type: ignore[misc]
        if self.recurrent_mask is None:
            return h
        self.__dict__["masked"] = True
        return h * self.recurrent_mask

    def step(self, u: Tensor, state: State) -> tuple[Tensor, State]:
        u, kept = self._split(u)
        y, new = (self.watched_step or super().step)(u, state)
        if self.recurrent_mask is not None and "masked" not in vars(self):
            raise ValueError(
                f"recurrent_dropout cannot act on {type(self).__name__.removeprefix('Regularised')}: "
                "its step does not read the state through recurrent_input; leave recurrent_dropout out"
            )
        after = self._finish(state, new, kept)
        # If the output is h itself, it is the h after zoneout.
        return (after.h if y is getattr(new, "h", None) else y), after
