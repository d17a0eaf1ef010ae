"""Many-to-many head: one prediction per step, aligned with the inputs."""

from __future__ import annotations

from seqmodels.heads.base import LinearHead
from seqmodels.registry import register


@register("head", "many_to_many")
class ManyToMany(LinearHead):
    """Linear layer shared by all steps.

    >>> import torch
    >>> ManyToMany(4, 3)(torch.zeros(2, 5, 4)).shape
    torch.Size([2, 5, 3])

    Arguments as for `LinearHead`.
    """

    target_shape = "step"
