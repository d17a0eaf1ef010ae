"""Recurrent cells, each one time step of a recurrence.

To add one, write a file here with a class under ``@register("cell", "name")``; its options are its constructor's (see
"Adding something" in ``docs/design.md``).
"""

from seqmodels.cells.base import Cell, HiddenState, VendorForm
from seqmodels.cells.feedforward import FeedforwardCell, NoState
from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.gated.diagonal import DiagonalGRUCell, DiagonalLSTMCell
from seqmodels.cells.gated.elman import ElmanCell
from seqmodels.cells.gated.gru import GRUCell
from seqmodels.cells.gated.indrnn import IndRNNCell
from seqmodels.cells.gated.layer_norm import LayerNormGRUCell, LayerNormLSTMCell
from seqmodels.cells.gated.lstm import LSTMCell, LSTMState
from seqmodels.cells.gated.mgu import MGUCell
from seqmodels.cells.linear.base import LinearCell
from seqmodels.cells.linear.lru import LRUCell
from seqmodels.cells.linear.minimal import MinGRUCell, MinLSTMCell
from seqmodels.cells.linear.rglru import RGLRUCell

__all__ = [
    "Cell",
    "DiagonalGRUCell",
    "DiagonalLSTMCell",
    "ElmanCell",
    "FeedforwardCell",
    "GRUCell",
    "GatedCell",
    "HiddenState",
    "IndRNNCell",
    "LRUCell",
    "LSTMCell",
    "LSTMState",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LinearCell",
    "MGUCell",
    "MinGRUCell",
    "MinLSTMCell",
    "NoState",
    "RGLRUCell",
    "VendorForm",
]
