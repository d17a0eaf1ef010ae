"""Recurrent sequence models: define one time step, train it fast, reuse it anywhere.

The names here need torch and nothing else; `seqmodels.training`, `seqmodels.data` and
`seqmodels.cli` bring in the rest when they are imported.
"""

from seqmodels.cells import Cell, ElmanCell, FeedforwardCell, GatedCell, GRUCell, LSTMCell, LSTMState
from seqmodels.layers import Bidirectional, Recurrent, Stack
from seqmodels.registry import register

__version__ = "0.1.0"

__all__ = [
    "Bidirectional",
    "Cell",
    "ElmanCell",
    "FeedforwardCell",
    "GRUCell",
    "GatedCell",
    "LSTMCell",
    "LSTMState",
    "Recurrent",
    "Stack",
    "register",
]
