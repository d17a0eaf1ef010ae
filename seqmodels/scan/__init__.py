"""Engines that run cells over time; cells and engines do not depend on each other.

To add an engine, write a file here with an `Engine`, and a line in `ENGINES` (in ``dispatch.py``).
"""

from seqmodels.scan.arguments import check_inputs, prepare_lengths
from seqmodels.scan.dispatch import ENGINES, check_engine, choose, engines_for, flip, scan, scan_states
from seqmodels.scan.engine import Engine
from seqmodels.scan.reference import keep, reference_steps

__all__ = [
    "ENGINES",
    "Engine",
    "check_engine",
    "check_inputs",
    "choose",
    "engines_for",
    "flip",
    "keep",
    "prepare_lengths",
    "reference_steps",
    "scan",
    "scan_states",
]
