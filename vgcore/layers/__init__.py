"""The layers; one file per kind."""

from typing import TYPE_CHECKING

from vgcore import _answers
from vgcore.layers.activation import Activation
from vgcore.layers.base import Layer
from vgcore.layers.batchnorm import BatchNorm
from vgcore.layers.bidirectional import Bidirectional
from vgcore.layers.conv import Conv1d, Conv2d
from vgcore.layers.dense import Dense
from vgcore.layers.dropout import AlphaDropout, Dropout
from vgcore.layers.embedding import Embedding
from vgcore.layers.groupnorm import GroupNorm, InstanceNorm
from vgcore.layers.gru import GRU
from vgcore.layers.highway import Highway
from vgcore.layers.lstm import LSTM
from vgcore.layers.noise import GaussianNoise
from vgcore.layers.parallel import Parallel
from vgcore.layers.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Subsample
from vgcore.layers.prelu import PReLU
from vgcore.layers.reshape import Flatten, Reshape
from vgcore.layers.residual import Residual
from vgcore.layers.rnn import RNN
from vgcore.layers.rownorm import LayerNorm, RMSNorm

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "AlphaDropout",
    "AvgPool",
    "BatchNorm",
    "Bidirectional",
    "Conv1d",
    "Conv2d",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupNorm",
    "Highway",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "MaxPool",
    "PReLU",
    "Parallel",
    "RMSNorm",
    "Reshape",
    "Residual",
    "Subsample",
]


def __dir__() -> list[str]:
    """What users look for."""
    return __all__


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__)
