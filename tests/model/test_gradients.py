"""Gradients against the NumPy twin and central differences."""

import itertools

import numpy as np
import pytest
from reference import (
    ACTIVATIONS,
    DTYPES,
    LOSSES,
    NAMES,
    REDUCTIONS,
    Twin,
    assert_close,
    network,
    samples,
)

import vgcore as vg

TOLERANCE = {"float32": 1e-5, "float64": 1e-11}
SIZES = [1, 3, 17, 31, 33, 257]
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def assert_gradients(model, x, y):
    """Loss and gradients are the twin's."""
    tolerance = TOLERANCE[model.dtype.name]
    loss, gradients = model.gradients(x, y)
    expected = Twin(model).run(x, y)
    assert loss == pytest.approx(expected.loss, rel=tolerance)
    assert {g.dtype for g in gradients.values()} == {model.dtype}
    assert_close(gradients, {name: expected.gradients[name] for name in gradients}, tolerance)


def assert_central_differences(model, x, y, step=1e-5):
    """Along one random direction of each parameter, the loss changes as its gradient says."""
    rng = np.random.default_rng(0)
    loss, gradients = model.gradients(x, y)
    state = model.state_dict()
    for name, gradient in gradients.items():
        direction = rng.choice([-1, 1], gradient.shape)
        change = 0
        for sign in (1, -1):
            model.load_state_dict({**state, name: state[name] + sign * step * direction})
            change += sign * model.gradients(x, y)[0]
        slope = (gradient * direction).sum()
        assert change / (2 * step) == pytest.approx(slope, rel=1e-6, abs=1e-9 * loss), name
    model.load_state_dict(state)


def test_the_twin_knows_every_activation():
    assert list(ACTIVATIONS) == NAMES


@over_dtypes
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("loss", "output"), LOSSES)
@pytest.mark.parametrize("hidden", NAMES)
def test_every_activation_loss_and_reduction(hidden, loss, output, reduction, dtype):
    model = network(
        (13, 7, 33, 5), (hidden, hidden, output), loss, dtype=dtype, reduction=reduction
    )
    x, y = samples(model, 11)
    assert_gradients(model, x, y)
    if dtype == "float64":
        assert_central_differences(model, x, y)


@over_dtypes
@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("inputs", SIZES)
def test_odd_sizes(inputs, width, dtype):
    model = network((inputs, width, inputs, 3), ("silu", "softsign", "softmax"),
                    "sparse_categorical_crossentropy", dtype=dtype)  # fmt: skip
    for batch in (1, 3, 33, width):
        assert_gradients(model, *samples(model, batch))


@over_dtypes
@pytest.mark.parametrize(
    ("loss", "output", "units"),
    [
        (*pair, n)
        for pair, n in itertools.product(LOSSES, SIZES)
        if n > 1 or (pair[1] != "softmax" and "categorical" not in pair[0])  # which are refused
    ],
)
def test_odd_outputs_and_batches(loss, output, units, dtype):
    model = network((5, 4, units), ("sigmoid", output), loss, dtype=dtype)
    for batch in SIZES:
        assert_gradients(model, *samples(model, batch))


@over_dtypes
@pytest.mark.parametrize(
    "activation",
    [vg.leaky_relu(0), vg.leaky_relu(0.3), vg.leaky_relu(2), vg.elu(0.3), vg.elu(2)],
    ids=repr,
)
def test_parameters_of_activations(activation, dtype):
    model = network((5, 17, 4, 3), (activation,) * 3, dtype=dtype)
    x, y = samples(model, 9)
    assert_gradients(model, x, y)
    np.testing.assert_allclose(model.predict(x), Twin(model).predict(x), rtol=1e-5, atol=1e-6)


@over_dtypes
@pytest.mark.parametrize("biased", range(4))
def test_layers_without_bias(biased, dtype):
    """None of three layers has one, or only the one of that number."""
    layers = [
        vg.Dense(units, "tanh", use_bias=i == biased, bias_initializer="ones")
        for i, units in enumerate((7, 5, 3), start=1)
    ]
    model = vg.Sequential(layers, input_shape=4, dtype=dtype, seed=0)
    model.compile("mse")
    assert f"dense{biased}.bias" in model.state_dict() or biased == 0
    assert len(model.state_dict()) == 3 + (biased > 0)
    assert_gradients(model, *samples(model, 5))


@over_dtypes
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("loss", "output"), LOSSES)
def test_extreme_logits(loss, output, reduction, dtype):
    """Logits of ±1000: probabilities are 0 and 1, losses and gradients finite and right."""
    layer = vg.Dense(4, output, weight_initializer="identity")
    model = vg.Sequential([layer], input_shape=4, dtype=dtype, seed=0)
    model.compile(loss, reduction=reduction)
    x = 1e3 * np.array([[1, -1, 0, 0.5], [-1, -1, 1, 1], [0, 0, 0, 0], [-1, -1, -1, -1]])
    y = np.array([1, 2, 0, 3])
    for goals in [y] if model.loss.sparse else [np.eye(4)[y], 1 - np.eye(4)[y]]:
        loss, gradients = model.gradients(x, goals)
        assert np.isfinite(loss)
        assert all(np.isfinite(g).all() for g in gradients.values())
        assert_gradients(model, x, goals)
        expected = Twin(model).predict(x)
        np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-30)


@over_dtypes
@pytest.mark.parametrize("hidden", NAMES)
def test_extreme_hidden_pre_activations(hidden, dtype):
    layers = [
        vg.Dense(4, hidden, weight_initializer="identity", bias_initializer="zeros"),
        vg.Dense(3, "sigmoid"),
    ]
    model = vg.Sequential(layers, input_shape=4, dtype=dtype, seed=0)
    model.compile("binary_crossentropy")
    x = 1e3 * np.array([[1, -1, 0, 0.5], [-1, -1, 1, 1], [0, 0, 0, 0], [-1, -1, -1, -1]])
    y = np.full((4, 3), 0.25)
    _, gradients = model.gradients(x, y)
    assert all(np.isfinite(g).all() for g in gradients.values())
    assert_gradients(model, x, y)


def test_gradients_change_nothing():
    model = network((5, 4, 3), ("relu", "softmax"), "categorical_crossentropy", vg.Adam())
    x, y = samples(model, 6)
    before, again = model.state_dict(), model.gradients(x, y)
    assert model.step == 0
    assert all((model.state_dict()[name] == before[name]).all() for name in before)
    again[1]["dense1.weight"][...] = 7  # a copy of the caller's own
    assert not (model.gradients(x, y)[1]["dense1.weight"] == 7).any()
