"""Fixup: its three rules, and that a step changes a network's outputs alike for any depth."""

import math

import numpy as np
import pytest

import vgcore as vg
from vgcore.initializers import fixup

X = np.random.default_rng(0).standard_normal((64, 20))
Y = np.arange(64) % 5


def network(blocks, m=2, **options):
    layers = [vg.Dense(20, "relu")]
    for _ in range(blocks):
        body = [*(vg.Dense(20, "relu") for _ in range(m - 1)), vg.Dense(20)]
        layers.append(vg.Residual(body, activation="relu", **options))
    return vg.Sequential([*layers, vg.Dense(5, "softmax")], input_shape=20, dtype="float64", seed=0)


def test_factors_by_the_rules():
    model = vg.Sequential(
        [
            vg.Dense(300, "relu"),
            vg.Residual([vg.Dense(200, "relu"), vg.Dense(300)]),
            vg.Residual(
                [vg.Dense(250, "tanh"), vg.Dense(250, "relu"), vg.Dense(200)],
                shortcut=[vg.Dense(200)],
                gate=0.0,
            ),
            vg.Residual([vg.Dense(200)]),
            vg.Dense(100, "relu"),
            vg.Dense(5, "softmax"),
        ],
        input_shape=300,
        seed=0,
    )
    for layer in model.layers:
        if isinstance(layer, vg.Dense):
            layer.bias = np.ones(layer.units)
    factors = fixup(model)
    assert factors == {
        "dense1": 1.0,
        "residual1.dense1": 3**-0.5,
        "residual1.dense2": 0.0,
        "residual2.dense1": 3**-0.25,
        "residual2.dense2": 3**-0.25,
        "residual2.dense3": 0.0,
        "residual2.dense4": 1.0,
        "residual3.dense1": 0.0,
        "dense2": 1.0,
        "dense3": 0.0,
    }
    state = model.state_dict()
    gains = {"residual2.dense1": 5 / 3, "residual2.dense4": 1.0}
    for name, factor in factors.items():
        weight = state[f"{name}.weight"]
        std = factor * gains.get(name, math.sqrt(2)) / math.sqrt(weight.shape[1])
        assert abs(weight.std() - std) < 5 * std / math.sqrt(2 * weight.size) or std == 0
        assert (state[f"{name}.bias"] == 0).all()
        assert std > 0 or not weight.any()
    assert state["residual2.gate"] == [1.0]


def test_nested_blocks_are_branches_of_their_own_and_a_model_may_end_in_a_block():
    inner = vg.Residual([vg.Dense(8, "relu"), vg.Dense(8)])
    outer = vg.Residual([vg.Dense(8, "relu"), inner, vg.Dense(8)])
    model = vg.Sequential([vg.Dense(8), outer], input_shape=8, seed=0)
    assert fixup(model) == {
        "dense1": 1.0,
        "residual1.dense1": 2**-0.5,
        "residual1.residual1.dense1": 2**-0.5,
        "residual1.residual1.dense2": 0.0,
        "residual1.dense2": 0.0,
    }


def test_it_starts_as_the_identity_between_stem_and_classifier():
    model = network(5)
    fixup(model)
    np.testing.assert_allclose(model.predict(X), 0.2, rtol=1e-12)
    stem = vg.Sequential([vg.Dense(20, "relu")], input_shape=20, dtype="float64")
    stem.layers[0].weight = model.layers[0].weight
    np.testing.assert_allclose(
        model.session.stack.part(0, 6).outputs(X), stem.predict(X), rtol=1e-12
    )


def unscaled(model):
    """Fixup without the scale inside branches."""
    for name, factor in fixup(model).items():
        if 0 < factor < 1:
            block, layer = name.split(".")
            block = next(each for each in model.layers if each.name == block)
            weight = next(each for each in block.layers if each.name == layer).weight
            weight /= factor


@pytest.mark.parametrize("m", [2, 3])
def test_a_step_changes_the_outputs_alike_for_any_depth(m):
    def change(blocks, start):
        model = network(blocks, m)
        start(model)
        model.compile("sparse_categorical_crossentropy", vg.SGD(0.1))
        for _ in range(10):  # the first steps open the classifier and the last layers
            model.train_on_batch(X, Y)
        before = model.predict(X)
        model.train_on_batch(X, Y)
        return np.abs(model.predict(X) - before).mean()

    assert 0.5 < change(64, fixup) / change(4, fixup) < 2
    assert change(64, unscaled) / change(4, unscaled) > 8


def test_a_deep_network_trains():
    model = network(50)
    fixup(model)
    model.compile("sparse_categorical_crossentropy", vg.SGD(0.05))
    losses = [model.train_on_batch(X, Y) for _ in range(150)]
    assert losses[0] == pytest.approx(math.log(5))
    assert losses[-1] < 0.5 * losses[0]


def test_bad_models_are_refused():
    with pytest.raises(TypeError, match=r"^model: expected a Sequential, got list$"):
        fixup([])
    model = vg.Sequential([vg.Dense(3)], input_shape=3)
    with pytest.raises(ValueError, match=r"^model: expected one with Residual blocks, got none$"):
        fixup(model)
