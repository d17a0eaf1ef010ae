"""Engine "fused": traces the step of a cell, derives it, writes it as C and runs it over whole sequences."""

from seqmodels.scan.fused.engine import FUSED

__all__ = ["FUSED"]
