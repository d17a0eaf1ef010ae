"""Cells: one time step of a recurrence each, one small file per family.

To add one: a file here with a class under ``@register("cell", "name")``, and a YAML file of
its options in ``configs/model/cell/``.
"""

from seqmodels.cells.base import Cell, GatedCell, HiddenState, VendorForm
from seqmodels.cells.elman import ElmanCell
from seqmodels.cells.feedforward import FeedforwardCell, NoState
from seqmodels.cells.gru import GRUCell
from seqmodels.cells.lstm import LSTMCell, LSTMState

__all__ = [
    "Cell",
    "ElmanCell",
    "FeedforwardCell",
    "GRUCell",
    "GatedCell",
    "HiddenState",
    "LSTMCell",
    "LSTMState",
    "NoState",
    "VendorForm",
]
