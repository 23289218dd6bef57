"""vgcore: train deep and recurrent networks at compiled speed and see what their gradients do."""

from typing import TYPE_CHECKING

from vgcore import (
    _answers,
    activations,
    data,
    experiments,
    initializers,
    live,
    losses,
    metrics,
    plot,
    schedules,
    sweeps,
    theory,
    zoo,
)
from vgcore._core.simd import level as cpu_level
from vgcore._version import __version__
from vgcore.activations import elu, leaky_relu
from vgcore.flow import GradientFlow, concat
from vgcore.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    AlphaDropout,
    AvgPool,
    BatchNorm,
    Bidirectional,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    Highway,
    InstanceNorm,
    LayerNorm,
    MaxPool,
    Parallel,
    PReLU,
    Reshape,
    Residual,
    RMSNorm,
    Subsample,
)
from vgcore.model import Sequential, callbacks
from vgcore.model.storage import load
from vgcore.model.threads import get_num_threads, set_num_threads
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
from vgcore.reporting import report
from vgcore.sweeps import fit_many, sweep
from vgcore.theory import meanfield
from vgcore.theory.meanfield import critical
from vgcore.treatment import Amplification, GradientNoise

if TYPE_CHECKING:
    from vgcore import exchange as exchange
    from vgcore.exchange import sklearn as sklearn

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "SGD",
    "Activation",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "AlphaDropout",
    "Amplification",
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
    "GradientFlow",
    "GradientNoise",
    "GroupNorm",
    "Highway",
    "InstanceNorm",
    "LayerNorm",
    "Lion",
    "MaxPool",
    "Momentum",
    "NAdam",
    "Nesterov",
    "PReLU",
    "Parallel",
    "RMSNorm",
    "RMSProp",
    "Reshape",
    "Residual",
    "Sequential",
    "Subsample",
    "__version__",
    "activations",
    "callbacks",
    "concat",
    "cpu_level",
    "critical",
    "data",
    "elu",
    "experiments",
    "fit_many",
    "get_num_threads",
    "initializers",
    "leaky_relu",
    "live",
    "load",
    "losses",
    "meanfield",
    "metrics",
    "plot",
    "report",
    "schedules",
    "set_num_threads",
    "sweep",
    "sweeps",
    "theory",
    "zoo",
]


def __dir__() -> list[str]:
    """What users look for."""
    return [*__all__, *_LATER, "layers", "optimizers"]


_LATER = {
    "exchange": "vgcore.exchange",
    "sklearn": "vgcore.exchange.sklearn",
}  # imported when asked for

if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__, _LATER)
