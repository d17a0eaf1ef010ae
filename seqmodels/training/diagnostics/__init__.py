"""Diagnostics of a training: gates, gradients, effective memory, and a plot of the unrolled model."""

from seqmodels.training.diagnostics.callback import Diagnostics
from seqmodels.training.diagnostics.gates import gate_activations, saturated_share
from seqmodels.training.diagnostics.lag import gradient_by_lag, gradient_lag_figure
from seqmodels.training.diagnostics.memory import effective_memory, memory_figure
from seqmodels.training.diagnostics.spectrum import spectral_radii, spectral_radius
from seqmodels.training.diagnostics.unrolled import unrolled_figure

__all__ = [
    "Diagnostics",
    "effective_memory",
    "gate_activations",
    "gradient_by_lag",
    "gradient_lag_figure",
    "memory_figure",
    "saturated_share",
    "spectral_radii",
    "spectral_radius",
    "unrolled_figure",
]
