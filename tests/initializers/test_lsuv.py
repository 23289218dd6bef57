"""LSUV: unit variances layer by layer, and what it refuses."""

import re

import numpy as np
import pytest

import vgcore as vg
from vgcore.initializers import lsuv

X = np.random.default_rng(0).normal(1.0, 3.0, (200, 40))


def network(activation="tanh", depth=20, **options):
    layers = [vg.Dense(30, activation, **options) for _ in range(depth)]
    return vg.Sequential([*layers, vg.Dense(10, "softmax")], input_shape=40, seed=3)


def pre_activations(model, x):
    """Pre-activations of each dense layer, their products in NumPy."""
    found = []
    for layer in model.layers:
        found.append(x @ layer.weight.T.astype(np.float64) + layer.bias)
        linear = vg.Sequential([vg.Dense(layer.units, layer.activation)], input_shape=x.shape[1])
        linear.layers[0].weight = layer.weight
        linear.layers[0].bias = layer.bias
        x = linear.predict(x).astype(np.float64)
    return found


@pytest.mark.parametrize("activation", ["identity", "tanh", "relu", "sigmoid", "elu", "softplus"])
def test_variances_are_within_the_tolerance(activation):
    model = network(activation)
    done = lsuv(model, X)
    assert list(done) == [layer.name for layer in model.layers]
    for scaled, z in zip(done.values(), pre_activations(model, X), strict=True):
        assert scaled.after == pytest.approx(z.var(), rel=1e-4)
        assert abs(z.var() - 1) < 0.1
        assert scaled.iterations <= 1  # without biases one is all it takes


def test_weights_are_scaled_orthonormal_matrices():
    model = network()
    done = lsuv(model, X, tolerance=1e-6)
    first = model.layers[0].weight.astype(np.float64)
    gram = first @ first.T
    np.testing.assert_allclose(gram, gram[0, 0] * np.eye(30), atol=1e-6)
    scale = done["dense1"].after / done["dense1"].before
    assert gram[0, 0] == pytest.approx(scale, rel=1e-5)
    assert done["dense1"].before != done["dense2"].before


def test_biases_stay_and_take_several_scalings():
    model = network(bias_initializer=vg.initializers.Normal(0, 0.5))
    biases = [layer.bias.copy() for layer in model.layers]
    done = lsuv(model, X, tolerance=0.01)
    assert max(scaled.iterations for scaled in done.values()) > 1
    assert all(abs(scaled.after - 1) < 0.01 for scaled in done.values())
    for layer, bias in zip(model.layers, biases, strict=True):
        np.testing.assert_array_equal(layer.bias, bias)


def test_no_more_scalings_than_asked_for():
    model = network(bias_initializer=vg.initializers.Constant(3.0), depth=2)
    model.layers[0].bias = np.linspace(-9, 9, 30)  # of variance 29: no weight makes it 1
    done = lsuv(model, X, max_iterations=2)
    assert done["dense1"].iterations == 2
    assert done["dense1"].after > 2


def test_target():
    done = lsuv(network(), X, target=4.0, tolerance=0.01)
    assert all(abs(scaled.after / 4 - 1) < 0.01 for scaled in done.values())


def test_one_seed_one_result():
    models = [network(), network()]
    for model in models:
        lsuv(model, X)
    for one, other in zip(*(model.state_dict().values() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_keeps_the_gradient_of_a_deep_network():
    model = network("relu", 50, weight_initializer="lecun_uniform")
    model.compile("sparse_categorical_crossentropy")
    labels = np.arange(200) % 10

    def ratio():
        flow = model.gradient_flow(X, labels)
        return flow.delta[0, 0] / flow.delta[0, -2]

    assert ratio() < 1e-6
    lsuv(model, X)
    assert 0.05 < ratio() < 20


def test_sequences_recurrent_layers_and_embeddings():
    model = vg.Sequential(
        [
            vg.Embedding(20, 8),
            vg.Dense(6, "relu"),
            vg.LSTM(5, return_sequences=True),
            vg.Bidirectional(vg.GRU(4)),
            vg.Dense(3),
        ],
        input_shape=(None,),
        seed=0,
    )
    recurrent = model.state_dict()["lstm1.weight_ih"]
    done = lsuv(model, np.random.default_rng(0).integers(0, 20, (32, 7)))
    assert list(done) == ["dense1", "dense2"]
    assert all(abs(scaled.after - 1) < 0.1 for scaled in done.values())
    np.testing.assert_array_equal(model.state_dict()["lstm1.weight_ih"], recurrent)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((None, X), {}, TypeError, "model: expected a Sequential, got NoneType"),
        ((network(), X[:, :3]), {}, ValueError, "x: expected shape (n, 40), got (200, 3)"),
        ((network(), X * np.nan), {}, ValueError, "x: expected finite float32 numbers"),
        ((network(), X[:0]), {}, ValueError, "x: expected at least one sample"),
        ((network(), X), {"tolerance": 0}, ValueError, "tolerance: expected a finite number above"),
        ((network(), X), {"max_iterations": 0}, ValueError, "max_iterations: expected an integer"),
        ((network(), X), {"target": -1}, ValueError, "target: expected a finite number above 0"),
        ((network(), X * 0), {}, ValueError, "dense1: expected pre-activations that vary over x"),
    ],
)
def test_bad_arguments_are_named(arguments, options, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        lsuv(*arguments, **options)


def test_a_dead_layer_is_named_and_the_model_left_alone():
    model = network("relu", 4)
    model.layers[1].bias = np.full(30, -1e6)
    before = model.state_dict()
    with pytest.raises(
        ValueError, match=r"^dense3: expected pre-activations that vary over x, got"
    ):
        lsuv(model, X)
    for name, values in model.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


def test_through_blocks():
    def block():
        inner = vg.Residual([vg.Dense(16, "tanh"), vg.Dense(16)], gate=0.0, name="inner")
        return vg.Residual(
            [vg.Dense(16, "relu"), inner, vg.Dense(16)], shortcut=[vg.Dense(16)], activation="relu"
        )

    model = vg.Sequential([block(), block(), vg.Dense(3)], input_shape=40, seed=0)
    done = lsuv(model, X, tolerance=0.01)
    names = ["dense1", "inner.dense1", "inner.dense2", "dense2", "dense3"]
    assert list(done) == [f"residual{i}.{name}" for i in (1, 2) for name in names] + ["dense1"]
    assert all(abs(scaled.after - 1) < 0.01 for scaled in done.values())
    first = model.layers[0]
    z = X @ first.layers[0].weight.T
    assert abs(z.var() - 1) < 0.01
    linear = vg.Sequential([vg.Dense(16, "relu"), vg.Dense(16)], input_shape=40)
    linear.layers[0].weight, linear.layers[1].weight = (
        first.layers[0].weight,
        first.layers[2].weight,
    )
    assert (
        abs(linear.predict(X).var() - 1) < 0.01
    )  # the gate is 0: nothing comes from the inner body
    assert abs(model.predict(X).var() - 1) < 0.01


def test_convolutions():
    model = vg.Sequential(
        [
            vg.Conv2d(8, 3, "relu", padding="same"),
            vg.Residual(
                [vg.Conv2d(12, 3, "relu", stride=2, padding=1), vg.Conv2d(12, 3, padding="same")],
                shortcut=[vg.Conv2d(12, 1, stride=2)],
            ),
            vg.Flatten(),
            vg.Dense(5),
        ],
        input_shape=(3, 6, 6),
        seed=0,
    )
    images = np.random.default_rng(0).normal(0.5, 2.0, (50, 3, 6, 6))
    done = lsuv(model, images, tolerance=0.01)
    assert list(done) == [
        "conv2d1",
        *(f"residual1.conv2d{i}" for i in (1, 2, 3)),
        "dense1",
    ]
    assert all(abs(scaled.after - 1) < 0.01 for scaled in done.values())
    assert abs(model.predict(images).var() - 1) < 0.01
