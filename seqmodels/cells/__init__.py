"""Recurrent cells, each one time step of a recurrence.

To add one, write a file here with a class under ``@register("cell", "name")``; its options
are its constructor's (see "Adding something" in ``docs/design.md``).
"""

from seqmodels.cells.base import Cell, HiddenState, VendorForm
from seqmodels.cells.diagonal_gru import DiagonalGRUCell
from seqmodels.cells.diagonal_lstm import DiagonalLSTMCell
from seqmodels.cells.elman import ElmanCell
from seqmodels.cells.feedforward import FeedforwardCell, NoState
from seqmodels.cells.gated import GatedCell
from seqmodels.cells.gru import GRUCell
from seqmodels.cells.indrnn import IndRNNCell
from seqmodels.cells.layer_norm_gru import LayerNormGRUCell
from seqmodels.cells.layer_norm_lstm import LayerNormLSTMCell
from seqmodels.cells.linear import LinearCell
from seqmodels.cells.lru import LRUCell
from seqmodels.cells.lstm import LSTMCell, LSTMState
from seqmodels.cells.mgu import MGUCell
from seqmodels.cells.mingru import MinGRUCell
from seqmodels.cells.minlstm import MinLSTMCell
from seqmodels.cells.rglru import RGLRUCell

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
