"""Using a trained model: load it, predict on new files, forecast, generate, transcribe, translate.

One file for each use; `Model` in `model.py` has a method for each. Needs neither Hydra nor Lightning.
"""

from seqmodels.inference.loading import load
from seqmodels.inference.model import Model
from seqmodels.inference.writing import write_predictions

__all__ = ["Model", "load", "write_predictions"]
