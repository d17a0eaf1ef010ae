"""Layers that run cells over sequences: in one or both directions, and stacked.

All layers share one call, ``layer(inputs, state, lengths, reset) -> (outputs, state)``.
"""

from seqmodels.layers.base import Layer
from seqmodels.layers.bidirectional import Bidirectional
from seqmodels.layers.dropin import GRU, LSTM, RNN
from seqmodels.layers.masking import Masking
from seqmodels.layers.recurrent import Recurrent
from seqmodels.layers.regularise import Regularisers
from seqmodels.layers.stack import Stack

__all__ = ["GRU", "LSTM", "RNN", "Bidirectional", "Layer", "Masking", "Recurrent", "Regularisers", "Stack"]
