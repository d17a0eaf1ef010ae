"""Inference with trained models: load, predict, forecast, generate, transcribe, translate.

One file per use; `Model` has a method for each. Needs neither Hydra nor Lightning.
"""

from seqmodels.inference.model import Model, load
from seqmodels.inference.writing import write_predictions

__all__ = ["Model", "load", "write_predictions"]
