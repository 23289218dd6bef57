"""Copies of layers: alike, of nobody, and with other arguments."""

import inspect

import numpy as np
import pytest

import vgcore as vg
from vgcore import layers
from vgcore.layers.base import Layer, describe

LAYERS = {
    "dense": lambda: vg.Dense(3, "relu", weight_initializer="he_normal", name="mine"),
    "conv": lambda: vg.Conv1d(
        3, 2, "tanh", padding=1, weight_initializer=vg.initializers.Normal(0, 2)
    ),
    "stack": lambda: vg.LSTM(
        3, num_layers=2, dropout=0.1, unit_forget_bias=False, recurrent_initializer="identity"
    ),
    "bidirectional": lambda: vg.Bidirectional(vg.GRU(3, weight_initializer="he_normal")),
    "residual": lambda: vg.Residual([vg.Dense(3, "relu"), vg.Dense(4)], gate=0.0),
    "parallel": lambda: vg.Parallel(
        [vg.Dense(4), [vg.Dense(2, bias_initializer="ones"), vg.Dense(4)]]
    ),
    "norm": lambda: vg.BatchNorm("relu", momentum=0.2),
    "dropout": lambda: vg.Dropout(0.3, across_time=True),
    "formula": lambda: vg.Activation(vg.activations.formula("z * sigmoid(a * z)", a=1.5)),
}


def starts(layer):
    """Every initializer of a layer and of those in it."""
    own = [getattr(layer, name) for name in dir(layer) if name.endswith("_initializer")]
    return own + [each for member in layer.members() for each in starts(member)]


def in_model(layer):
    vg.Sequential([layer, vg.Activation("tanh")], input_shape=(5, 4), seed=3)
    return layer


@pytest.mark.parametrize("name", LAYERS)
def test_a_copy_is_alike_and_belongs_to_nobody(name):
    layer = in_model(LAYERS[name]())
    twin = layer.copy()
    assert twin is not layer
    assert twin.owned is None
    assert not twin.views
    assert describe(twin) == describe(layer)
    assert starts(twin) == starts(layer)
    in_model(twin)
    values = layer.views.values(), twin.views.values()
    assert all(np.array_equal(*pair) for pair in zip(*values, strict=True))


@pytest.mark.parametrize("name", LAYERS)
def test_a_copy_with_another_name_keeps_all_else(name):
    layer = in_model(LAYERS[name]())
    twin = layer.copy(name="other")
    assert twin.owned is None
    assert {**describe(twin), "name": None} == {**describe(layer), "name": None}
    assert starts(twin) == starts(layer)
    in_model(twin)


REQUIRED = {
    "units": 3, "filters": 3, "kernel_size": 2, "activation": "relu", "rate": 0.2, "shape": (2, 3),
    "groups": 1, "num_embeddings": 5, "embedding_dim": 2, "stddev": 0.1, "pool_size": 2,
}  # fmt: skip
KINDS = [
    kind
    for kind in (getattr(layers, name) for name in layers.__all__)
    if inspect.isclass(kind) and issubclass(kind, Layer) and not kind.__abstractmethods__
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_layer_can_be_remade(kind):
    made_of = {
        "layer": vg.RNN(3),
        "layers": [vg.Dense(3)],
        "branches": [vg.Dense(3), vg.Dense(3)],
    }
    layer = kind(
        **{
            parameter.name: {**REQUIRED, **made_of}[parameter.name]
            for parameter in inspect.signature(kind).parameters.values()
            if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        }
    )
    assert describe(layer.copy(name="other")) == {**describe(layer), "name": "other"}


def test_changes_are_arguments_of_the_constructor():
    layer = vg.Dense(3, "relu", weight_initializer="he_normal", use_bias=False)
    twin = layer.copy(units=7, activation="tanh")
    assert (twin.units, twin.activation.name, twin.use_bias) == (7, "tanh", False)
    assert twin.weight_initializer == layer.weight_initializer
    with pytest.raises(TypeError, match="width"):
        layer.copy(width=7)
    with pytest.raises(ValueError, match="units"):
        layer.copy(units=0)


def test_a_rate_of_a_copy_is_its_own():
    layer = in_model(vg.Dropout(0.3))
    twin = layer.copy()
    twin.rate = 0.1
    assert layer.rate == 0.3
