"""Keras on its torch backend, in float64: imported where it is installed.

Keras makes float32 of float64 on the way, on every backend but TensorFlow, by one table of its promotion
rules; the tests of equality put the entry there that TensorFlow's has.
"""

import os
import warnings

import numpy as np
import pytest

os.environ["KERAS_BACKEND"] = "torch"
torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keras = pytest.importorskip("keras")

if keras.backend.backend() != "torch":
    pytest.skip("Keras runs on another backend", allow_module_level=True)


MARKS = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of tensors
]


@pytest.fixture
def double(monkeypatch):
    """Float64 is float64 throughout."""
    from keras.src.backend.common import dtypes

    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


def built(layers, shape, integers=False):
    """A Sequential whose variables are all drawn, biases and statistics too."""
    dtype = "int32" if integers else None
    model = keras.Sequential([keras.Input(shape, dtype=dtype), *layers])
    draw(model)
    return model


def draw(model, seed=0):
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "seed" in variable.name:
            continue
        values = rng.normal(0, 0.5, variable.shape)
        variable.assign(np.abs(values) + 0.5 if "variance" in variable.name else values)


def samples(shape, integers=False, rows=4, times=7):
    rng = np.random.default_rng(1)
    size = (rows, *(n or times for n in shape))
    return rng.integers(0, 5, size) if integers else rng.normal(size=size)


def first(x):
    """Images with channels first."""
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def last(x):
    """Images with channels last."""
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def outputs(model, x):
    return model(x, training=False).detach().cpu().numpy()
