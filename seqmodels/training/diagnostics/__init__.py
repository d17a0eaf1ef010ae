"""Diagnostics of a training: gates, gradients, effective memory, and a plot of the unrolled model.

What draws is in modules of its own, for Matplotlib is needed after the first step only.
"""

from seqmodels.training.diagnostics.callback import Diagnostics

__all__ = ["Diagnostics"]
