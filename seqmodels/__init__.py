"""Recurrent sequence models in PyTorch: define one time step, train with exact truncated BPTT.

Public names are imported on first use, so that `seqmodels --help` and config errors need no torch.
To add one, write a line in `_HOMES` and the same import under `TYPE_CHECKING`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqmodels.batch import SequenceBatch
    from seqmodels.cells import (
        Cell,
        DiagonalGRUCell,
        DiagonalLSTMCell,
        ElmanCell,
        FeedforwardCell,
        GatedCell,
        GRUCell,
        IndRNNCell,
        LayerNormGRUCell,
        LayerNormLSTMCell,
        LinearCell,
        LRUCell,
        LSTMCell,
        LSTMState,
        MGUCell,
        MinGRUCell,
        MinLSTMCell,
        RGLRUCell,
    )
    from seqmodels.heads import EncoderDecoder, Head, ManyToMany, ManyToOne, OneToMany, OneToOne
    from seqmodels.inference import Model, load
    from seqmodels.layers import GRU, LSTM, RNN, Bidirectional, Layer, Recurrent, Regularisers, Stack
    from seqmodels.model import FeatureEncoder, SequenceModel, TokenEncoder
    from seqmodels.registry import register
    from seqmodels.spec import Spec

__version__ = "0.1.0"

_HOMES = {
    "seqmodels.batch": ("SequenceBatch",),
    "seqmodels.inference": ("Model", "load"),
    "seqmodels.cells": (
        "Cell",
        "DiagonalGRUCell",
        "DiagonalLSTMCell",
        "ElmanCell",
        "FeedforwardCell",
        "GRUCell",
        "GatedCell",
        "IndRNNCell",
        "LSTMCell",
        "LSTMState",
        "LayerNormGRUCell",
        "LayerNormLSTMCell",
        "MGUCell",
        "LRUCell",
        "LinearCell",
        "MinGRUCell",
        "MinLSTMCell",
        "RGLRUCell",
    ),
    "seqmodels.heads": ("EncoderDecoder", "Head", "ManyToMany", "ManyToOne", "OneToMany", "OneToOne"),
    "seqmodels.layers": ("Bidirectional", "GRU", "LSTM", "Layer", "RNN", "Recurrent", "Regularisers", "Stack"),
    "seqmodels.model": ("FeatureEncoder", "SequenceModel", "TokenEncoder"),
    "seqmodels.registry": ("register",),
    "seqmodels.spec": ("Spec",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "Cell",
    "DiagonalGRUCell",
    "DiagonalLSTMCell",
    "ElmanCell",
    "EncoderDecoder",
    "FeatureEncoder",
    "FeedforwardCell",
    "GRUCell",
    "GatedCell",
    "Head",
    "IndRNNCell",
    "LRUCell",
    "LSTMCell",
    "LSTMState",
    "Layer",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LinearCell",
    "MGUCell",
    "ManyToMany",
    "ManyToOne",
    "MinGRUCell",
    "MinLSTMCell",
    "Model",
    "OneToMany",
    "OneToOne",
    "RGLRUCell",
    "Recurrent",
    "Regularisers",
    "SequenceBatch",
    "SequenceModel",
    "Spec",
    "Stack",
    "TokenEncoder",
    "load",
    "register",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'seqmodels' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
