"""`RNN`, `LSTM` and `GRU`: torch's own layers, run by this package's cells and engines.

Same constructor, call, outputs, parameter names and state dict as `torch.nn.RNN`, `torch.nn.LSTM`
and `torch.nn.GRU`; each is beyond that able to run by any engine, with all that the engine can
do (double backward, forward mode, vmap).
"""

from seqmodels.layers.dropin.gru import GRU
from seqmodels.layers.dropin.lstm import LSTM
from seqmodels.layers.dropin.rnn import RNN

__all__ = ["GRU", "LSTM", "RNN"]
