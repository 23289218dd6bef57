"""The layers; one file per kind."""

from vgcore.layers.base import Layer
from vgcore.layers.bidirectional import Bidirectional
from vgcore.layers.dense import Dense
from vgcore.layers.embedding import Embedding
from vgcore.layers.gru import GRU
from vgcore.layers.highway import Highway
from vgcore.layers.lstm import LSTM
from vgcore.layers.residual import Residual
from vgcore.layers.rnn import RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "Dense",
    "Embedding",
    "Highway",
    "Layer",
    "Residual",
]
