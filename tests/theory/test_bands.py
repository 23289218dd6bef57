"""How many of forty drawn networks lie in the bands that nine of ten should lie in, layer by layer."""

import math

import numpy as np
import pytest
from test_predict import HE, IMAGES, SEQUENCES, X, deep, drawn, model

import vgcore as vg

DRAWS = 40
# Theory is of the first order in 1/width, so its bands may be some 15 of 100 too narrow: then each of
# 40 draws lies within by 85 chances of 100, and fewer than 27 do once in 600 times.
FEWEST = 27

NETWORKS = {
    "tanh": (lambda: [*deep(6, lambda: vg.Dense(80, "tanh")), vg.Dense(10)], X),
    "relu": (lambda: [*deep(6, lambda: vg.Dense(80, "relu", **HE)), vg.Dense(10)], X),
    "sigmoid": (lambda: [*deep(5, lambda: vg.Dense(80, "sigmoid")), vg.Dense(10)], X),
    "softmax": (lambda: [*deep(3, lambda: vg.Dense(50, "tanh")), vg.Dense(10, "softmax")], X),
    "residual": (lambda: [
        vg.Dense(80), *deep(4, lambda: vg.Residual([vg.Activation("relu"), vg.Dense(80, **HE)])),
        vg.Dense(10)], X),
    "batchnorm": (lambda: [*deep(5, lambda: vg.Dense(80), lambda: vg.BatchNorm("relu")), vg.Dense(10)], X),
    "layernorm": (lambda: [*deep(5, lambda: vg.Dense(80), lambda: vg.LayerNorm("relu")), vg.Dense(10)], X),
    "rmsnorm": (lambda: [*deep(4, lambda: vg.Dense(80, "gelu"), vg.RMSNorm), vg.Dense(10)], X),
    "conv": (lambda: [
        vg.Conv2d(30, 3, "relu", padding=1, **HE), vg.Conv2d(32, 3, "tanh"), vg.Flatten(), vg.Dense(10)],
        IMAGES),
    "dropout": (lambda: [*deep(4, lambda: vg.Dense(80, "relu", **HE), lambda: vg.Dropout(0.3)),
                         vg.Dense(10)], X),
    "every timestep": (lambda: [vg.Dense(60, "tanh"), vg.Dense(60, "tanh"), vg.Dense(5)], SEQUENCES),
    "rnn": (lambda: [vg.RNN(60), vg.Dense(10)], SEQUENCES),
    "lstm": (lambda: [vg.LSTM(60), vg.Dense(10)], SEQUENCES),
    "gru": (lambda: [vg.GRU(60), vg.Dense(10)], SEQUENCES),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_drawn_networks_lie_in_the_bands_layer_by_layer(name):
    make, x = NETWORKS[name]
    made, found = drawn(make, x, DRAWS)
    theory = vg.theory.predict(made, x)
    for field in ("delta", "activation_mean", "activation_std"):
        _, low, high = theory.of(field)
        known = np.isfinite(low) & np.isfinite(high)
        assert known[[0, -1]].all()
        values = found[field][:, known]
        slack = 1e-5 * (np.abs(values) + 1e-2)  # float64 numbers that have no spread
        inside = (values >= low[known] - slack) & (values <= high[known] + slack)
        assert inside.sum(axis=0).min() >= FEWEST, (field, inside.sum(axis=0))


def test_what_is_not_known_is_nan_and_has_a_mean():
    made = model(NETWORKS["batchnorm"][0]())
    theory = vg.theory.predict(made, X)
    for field in ("activation_mean", "activation_std"):
        mean, low, high = theory.of(field)
        assert np.isfinite(mean).all()
        assert np.isnan(low).tolist() == np.isnan(high).tolist() == [
            False, False, False, *[True, False] * 4]  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [
        lambda: vg.RNN(40, num_layers=2),
        lambda: vg.Bidirectional(vg.RNN(40)),
        lambda: vg.LSTM(40, num_layers=2),
        lambda: vg.RNN(24, recurrent_initializer=vg.initializers.Normal(0, 1 / math.sqrt(24))),
        lambda: vg.GRU(40),
    ],
)
def test_gradients_over_time_lie_in_the_bands(make):
    """Of walks as long as they are wide as well, where matrices of all timesteps are one matrix."""
    x = np.random.default_rng(5).standard_normal((12, 24, 6))
    found = {}
    for seed in range(DRAWS):
        made = model([make(), vg.Dense(10)], x, seed)
        made.compile("mse")
        targets = 1e4 * np.random.default_rng(seed).choice([-1.0, 1.0], (12, 10))
        flow = made.gradient_flow(x, targets)
        theory = None if seed else vg.theory.predict(made, x)
        first = theory or first  # noqa: F821
        for name, norms in flow.time.items():
            end = 0 if name in first.backwards else -1
            found.setdefault(name, []).append(norms[0] / norms[0, end])
    assert found.keys() == first.time.keys()
    for name, values in found.items():
        low, high = first.time_spread[name]
        values = np.array(values)
        inside = (values >= 0.9999 * low) & (values <= 1.0001 * high)
        assert inside.mean() > 0.75, name


def test_norms_of_weights_vary_as_they_are_drawn():
    init = vg.initializers
    for start in (
        init.Normal(0, 0.1), init.Uniform(-0.3, 0.3), init.TruncatedNormal(0, 0.2), "he_uniform",
        init.Sparse(0.5, 0.1), lambda shape, rng, dtype: rng.choice([-1.0, 0, 1], shape),
    ):  # fmt: skip
        norms = [
            np.linalg.norm(model([vg.Dense(12, None, weight_initializer=start)], X, seed).layers[0].weight)
            for seed in range(300)
        ]  # fmt: skip
        mean, low, high = vg.theory.predict(
            model([vg.Dense(12, None, weight_initializer=start)]), X
        ).of("weight_norm")
        assert np.mean(norms) == pytest.approx(mean[0], rel=0.01)
        assert np.std(norms) * 3.29 == pytest.approx(high[0] - low[0], rel=0.15)
    orthogonal = model([vg.Dense(12, None, weight_initializer="orthogonal")])
    mean, low, high = vg.theory.predict(orthogonal, X).of("weight_norm")
    assert low[0] == mean[0] == high[0]


def test_pixels_that_are_zero_leave_no_nan():
    images = np.zeros((20, 1, 8, 8))
    images[:, :, 3:, 3:] = np.random.default_rng(1).standard_normal((20, 1, 5, 5))
    made = model([vg.Conv2d(8, 3, "relu"), vg.AvgPool(2), vg.Flatten(), vg.Dense(5)], images)
    theory = vg.theory.predict(made, images)
    for field in ("delta", "activation_mean", "activation_std"):
        assert np.isfinite(theory.of(field)).all()
