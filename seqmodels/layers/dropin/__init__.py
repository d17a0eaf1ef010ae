"""Drop-in replacements of torch's `RNN`, `LSTM` and `GRU`, run by this package's cells and engines.

Constructor, call, outputs, parameter names and state dict are those of `torch.nn.RNN`, `torch.nn.LSTM` and
`torch.nn.GRU`. In addition they run by any engine, with its features (double backward, forward mode, vmap).
"""

from seqmodels.layers.dropin.gru import GRU
from seqmodels.layers.dropin.lstm import LSTM
from seqmodels.layers.dropin.rnn import RNN

__all__ = ["GRU", "LSTM", "RNN"]
