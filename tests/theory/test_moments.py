"""Activations whose expectations are infinite, or none, and sizes beyond all numbers."""

import math

import numpy as np
import pytest

import vgcore as vg
from vgcore import meanfield

X = np.random.default_rng(0).standard_normal((20, 16))
NONE = {
    "sqrt(z)": "is not a number, or has no slope, at z = -1",
    "log(z)": "is not a number, or has no slope, at z = -10",
    "1/z": r"has no finite mean of f\(z\)² over",
    "z**-2": r"has no finite mean of f\(z\)² over",
    "exp(z*z)": r"has no finite mean of f\(z\)² over",
    "log(abs(z))": r"has no finite mean of f'\(z\)² over",
    "abs(z)**0.5": r"has no finite mean of f'\(z\)² over",
}
CALLS = {
    "critical": lambda f: meanfield.critical(f),
    "length_map": lambda f: meanfield.length_map(f, 1.0, 0.1),
    "chi": lambda f: meanfield.chi(f, 1.0, 0.1),
    "depth_scale": lambda f: meanfield.depth_scale(f, 1.0, 0.1),
    "correlation": lambda f: meanfield.correlation(f, 1.0, 0.1),
    "correlation_map": lambda f: meanfield.correlation_map(f, 1.0, 0.1, 0.5),
    "phase_diagram": lambda f: meanfield.phase_diagram(f, [1.0], [0.1]),
}


@pytest.mark.parametrize("text", NONE)
def test_activations_without_moments_are_named(text):
    activation = vg.activations.formula(text)
    for call in CALLS.values():
        with pytest.raises(
            ValueError, match=f"^activation: expected .* got .*, which {NONE[text]}"
        ):
            call(activation)
    for layers, name in (
        ([vg.Dense(8, activation), vg.Dense(3)], "dense1"),
        ([vg.Dense(8), vg.Activation(activation), vg.Dense(3)], "activation1"),
    ):
        model = vg.Sequential(layers, input_shape=16, seed=0)
        with pytest.raises(ValueError, match=f"^{name}: expected .* got .*, which {NONE[text]}"):
            vg.theory.predict(model, X)


def test_moments_that_end_at_a_variance_are_infinite_beyond_it():
    """E exp(Z² q / 5) = 1 / √(1 - 2 q / 5) up to q = 2.5."""
    activation = vg.activations.formula("exp(z*z/10)")
    found = meanfield._moments(activation, 1.0).square
    assert found == pytest.approx(1 / math.sqrt(0.6), rel=1e-6)
    assert meanfield._moments(activation, 3.0).square == math.inf
    assert meanfield.length_map(activation, 3.0) == meanfield.chi(activation, 3.0) == math.inf
    with pytest.raises(ValueError, match="finite moments where its lengths end"):
        meanfield.correlation(activation, 3.0)
    model = vg.Sequential([vg.Dense(8, activation), vg.Dense(3)], input_shape=16, seed=0)
    with pytest.raises(
        ValueError, match=r"^dense1: expected .* no finite moments of z of variance"
    ):
        vg.theory.predict(model, 3 * X)


def test_exponentials_have_the_moments_they_should():
    activation = vg.activations.formula("exp(z)")
    assert meanfield._moments(activation, 1.0).square == pytest.approx(math.exp(2), rel=1e-7)
    with pytest.raises(ValueError, match="leaves every fixed point"):
        meanfield.critical(activation)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("sigma", [1e101, 1e155, 1e308])
def test_sizes_whose_squares_are_no_numbers_are_named(activation, sigma):
    for call in (meanfield.length_map, meanfield.chi, meanfield.correlation, meanfield.depth_scale):
        with pytest.raises(ValueError, match=r"sigma_w: expected .* of at most 1e"):
            call(activation, sigma)
        with pytest.raises(ValueError, match=r"sigma_b: expected .* of at most 1e"):
            call(activation, 1.0, sigma)
    for axes, name in (([sigma], [0.0]), "sigma_w"), (([1.0], [sigma]), "sigma_b"):
        with pytest.raises(ValueError, match=f"{name}: expected numbers of at most"):
            meanfield.phase_diagram(activation, *axes)
    with pytest.raises(ValueError, match="sigma_b: expected"):
        meanfield.critical(activation, sigma)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("pair", [(1e10, 1e10), (1e-160, 0.0), (5e-324, 5e-324), (1.0, 1e-320)])
def test_sizes_at_either_end_are_numbers(activation, pair):
    for call in (meanfield.length_map, meanfield.chi, meanfield.correlation, meanfield.depth_scale):
        assert not math.isnan(call(activation, *pair))
    assert not math.isnan(meanfield.correlation_map(activation, *pair, 0.5))
    found = meanfield.phase_diagram(activation, [pair[0]], [pair[1]])
    assert not np.isnan(found.chi).any()
    assert not np.isnan(found.q).any()


@pytest.mark.parametrize("sigma", [1e3, 1e7, 1e10])
def test_large_weights_meet_closed_forms(sigma):
    steep = math.sqrt(2 / math.pi) * 2 / 3  # the integral of tanh'^2 is 4/3
    assert meanfield.length_map("tanh", sigma) == pytest.approx(sigma**2, rel=2e-3)
    assert meanfield.chi("tanh", sigma) == pytest.approx(sigma * steep, rel=2e-3)
    assert meanfield.length_map("relu", 1.0, sigma) == pytest.approx(2 * sigma**2)


def test_a_slope_that_vanishes_or_explodes_with_lengths_does_so_at_their_ends():
    cube = vg.activations.formula("z**3")
    assert meanfield.length_map(cube, 1.0) == meanfield.chi(cube, 1.0) == math.inf
    assert meanfield.length_map(cube, 0.1) == meanfield.chi(cube, 0.1) == 0
    assert meanfield.chi("relu", 2.0) == 2
    assert meanfield.chi("relu", 1.0) == 0.5


@pytest.mark.parametrize("activation", ["gelu", "silu", "tanh", "sigmoid"])
def test_signals_that_vanish_over_a_hundred_layers_have_a_theory(activation):
    layers = [vg.Dense(30, activation) for _ in range(150)]
    model = vg.Sequential([*layers, vg.Dense(5)], input_shape=16, seed=0, dtype="float64")
    model.compile("mse")
    theory = vg.theory.predict(model, X)
    assert np.isfinite(theory.h).all()
    assert np.isfinite(theory.delta).all()
    assert all(np.isfinite(band).all() for band in theory.spread.values())
