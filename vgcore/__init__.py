"""vgcore: train deep and recurrent networks at compiled speed and see what their gradients do."""

from vgcore import activations, data, initializers, meanfield, schedules
from vgcore._core.simd import level as cpu_level
from vgcore._version import __version__
from vgcore.activations import elu, leaky_relu
from vgcore.flow import GradientFlow
from vgcore.layers import (
    GRU,
    LSTM,
    RNN,
    AvgPool,
    Bidirectional,
    Conv1d,
    Conv2d,
    Dense,
    Embedding,
    Flatten,
    GlobalAvgPool,
    Highway,
    MaxPool,
    Reshape,
    Residual,
    Subsample,
)
from vgcore.meanfield import critical
from vgcore.model import Sequential
from vgcore.optimizers import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    RMSProp,
)
from vgcore.storage import load
from vgcore.threads import get_num_threads, set_num_threads

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "AvgPool",
    "Bidirectional",
    "Conv1d",
    "Conv2d",
    "Dense",
    "Embedding",
    "Flatten",
    "GlobalAvgPool",
    "GradientFlow",
    "Highway",
    "Lion",
    "MaxPool",
    "Momentum",
    "NAdam",
    "Nesterov",
    "RMSProp",
    "Reshape",
    "Residual",
    "Sequential",
    "Subsample",
    "__version__",
    "activations",
    "cpu_level",
    "critical",
    "data",
    "elu",
    "get_num_threads",
    "initializers",
    "leaky_relu",
    "load",
    "meanfield",
    "schedules",
    "set_num_threads",
]
