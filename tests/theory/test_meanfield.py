"""Mean-field theory: published points, closed forms, an independent quadrature, wide networks."""

import itertools
import math

import numpy as np
import pytest
from reference import ACTIVATIONS, UNITWISE, normal_cdf
from scipy import integrate

import vgcore as vg
from vgcore.theory import meanfield

WITH_ALPHA = [vg.leaky_relu(0.3), vg.leaky_relu(2), vg.elu(0.2), vg.elu(3)]
WITH_ALPHA += [vg.activations.celu(2.5), vg.activations.hard_sigmoid(0.2)]
LEAST = {  # sigma_b
    "gelu": 0.4158, "gelu_tanh": 0.4157, "silu": 0.7451, "mish": 0.3074, "hard_swish": 0.7121,
    "snake": 0.1308, "softplus": math.inf,
}  # fmt: skip
LENGTHS = [1e-6, 0.03, 1.0, 7.0, 1e4]


def moments(activation, q):
    """E f², E f'² and d(E f²)/dq for x ~ N(0, q)."""
    return meanfield._moments(vg.activations.get(activation), q)


def by_quad(name, alpha, q, which):
    """E g(x)² for x ~ N(0, q), g the value (0) or slope (1), with SciPy and the tests' own activations."""

    def integrand(x):
        density = math.exp(-x * x / (2 * q)) / math.sqrt(2 * math.pi * q)
        return float(ACTIVATIONS[name][which](np.float64(x), alpha)) ** 2 * density

    far = 12 * math.sqrt(q)
    ends = np.unique(
        np.clip([-far, -40, -10, -3, -2.5, -1, 0, 1, 2.5, 3, 6, 10, 40, far], -far, far)
    )
    return sum(
        integrate.quad(integrand, a, b, epsabs=1e-14, epsrel=1e-12, limit=200)[0]
        for a, b in itertools.pairwise(ends)
    )


@pytest.mark.parametrize("q", [0.03, 1.0, 50.0])
@pytest.mark.parametrize(
    "activation",
    [*map(vg.activations.get, UNITWISE), *WITH_ALPHA],
    ids=lambda a: f"{a.name}{a.alpha}",
)
def test_expectations_against_another_quadrature(activation, q):
    found = moments(activation, q)
    for which, moment in enumerate((found.square, found.slope)):
        expected = by_quad(activation.name, activation.alpha, q, which)
        assert moment == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("q", LENGTHS)
def test_rectifiers_in_closed_form(q):
    for alpha in (0, 0.01, 0.3, 2):
        found = moments(vg.leaky_relu(alpha), q)
        assert found.square == pytest.approx(q * (1 + alpha**2) / 2, rel=1e-13)
        assert found.slope == pytest.approx((1 + alpha**2) / 2, rel=1e-13)
        assert found.growth == pytest.approx((1 + alpha**2) / 2, rel=1e-13)
    found = moments("relu", q)
    assert found == pytest.approx((q / 2, 0.5, 0.5), rel=1e-13)
    found = moments("identity", q)
    assert found == pytest.approx((q, 1, 1), rel=1e-13)


@pytest.mark.parametrize("q", LENGTHS)
def test_hard_sigmoid_by_normal_integrals(q):
    s = math.sqrt(q)
    inside = 2 * normal_cdf(3 / s) - 1 if s > 0.5 else 1 - 2 * normal_cdf(-3 / s)
    square = q * inside - 6 * s * math.exp(-4.5 / q) / math.sqrt(2 * math.pi)  # E x², |x| < 3
    found = moments("hard_sigmoid", q)
    assert found.slope == pytest.approx(inside / 36, rel=1e-12)
    assert found.square == pytest.approx(inside / 4 + square / 36 + normal_cdf(-3 / s), rel=1e-12)


@pytest.mark.parametrize("q", LENGTHS[:-1])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_elu_by_normal_integrals(q, alpha):
    def tail(k):
        """E e^(k x), x < 0."""
        return math.exp(k * k * q / 2) * normal_cdf(-k * math.sqrt(q))

    found = moments(vg.elu(alpha), q)
    assert found.slope == pytest.approx(0.5 + alpha**2 * tail(2), rel=1e-12)
    assert found.square == pytest.approx(
        q / 2 + alpha**2 * (tail(2) - 2 * tail(1) + 0.5), rel=1e-10, abs=1e-16
    )


@pytest.mark.parametrize("q", LENGTHS)
def test_gelu_by_the_arcsine_law(q):
    """From E Φ(x)² = 1/4 + arcsin(q / (1 + q)) / 2π and Stein's lemma."""
    both = 0.25 + math.asin(q / (1 + q)) / (2 * math.pi)
    density = 1 / (2 * math.pi * math.sqrt(1 + 2 * q))  # E φ(x)²
    found = moments("gelu", q)
    assert found.square == pytest.approx(q * both + 2 * q**2 / (1 + q) * density, rel=1e-10)
    assert found.slope == pytest.approx(
        both + 2 * q / (1 + q) * density + q / (1 + 2 * q) * density, rel=1e-10
    )


@pytest.mark.parametrize("activation", UNITWISE)
def test_growth_is_the_derivative_of_the_length_map(activation):
    f, step = vg.activations.get(activation), 1e-4
    for q in (0.1, 1.0, 20.0):
        above, below = (moments(f, q * (1 + sign * step)).square for sign in (1, -1))
        assert moments(f, q).growth == pytest.approx((above - below) / (2 * step * q), rel=1e-6)


@pytest.mark.parametrize(
    ("q", "sigma_w2", "sigma_b2", "digits"),
    [(0.026, 1.05, 2.0e-5, (3, 2, 6)), (0.82, 2.0, 0.104, (2, 1, 3))],
)
def test_published_points_of_tanh(q, sigma_w2, sigma_b2, digits):
    """Of (q*, σw², σb²): given the last, the others to their digits."""
    found = vg.critical("tanh", math.sqrt(sigma_b2))
    assert round(found.q, digits[0]) == pytest.approx(q)
    assert round(found.sigma_w**2, digits[1]) == pytest.approx(sigma_w2)
    assert meanfield.length_map("tanh", found.sigma_w, found.sigma_b) == pytest.approx(found.q)


@pytest.mark.parametrize(
    ("activation", "sigma_w2", "sigma_b2"),
    [("gelu", 1.98305826, 0.17292239), ("silu", 1.98800468, 0.55514317)],
)
def test_published_half_stable_points(activation, sigma_w2, sigma_b2):
    """Roberts, Yaida, Hanin 2022, Section 5.3.4: the smallest σb with a critical point."""
    found = vg.critical(activation, math.sqrt(sigma_b2) + 1e-8)
    assert found.sigma_w**2 == pytest.approx(sigma_w2, rel=1e-6)
    with pytest.raises(
        ValueError,
        match=f"{activation} expects at least {math.ceil(sigma_b2**0.5 * 1e4) / 1e4:.4f}, ",
    ):
        vg.critical(activation, math.sqrt(sigma_b2) - 1e-4)


def test_points_in_closed_form():
    assert vg.critical("relu") == pytest.approx((math.sqrt(2), 0, 1), rel=1e-14)
    assert vg.critical(None) == pytest.approx((1, 0, 1), rel=1e-14)
    for alpha in (0.01, 0.2, 1.0, 3.0):
        found = vg.critical(vg.leaky_relu(alpha))
        assert found.sigma_w == pytest.approx(math.sqrt(2 / (1 + alpha**2)), rel=1e-14)
    for activation in ("tanh", "softsign", "elu"):
        assert vg.critical(activation) == pytest.approx((1, 0, 0), abs=1e-11)
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    assert vg.critical("selu").sigma_w == pytest.approx(
        math.sqrt(2 / (scale**2 * (1 + alpha**2))), rel=1e-11
    )


@pytest.mark.parametrize("sigma_b", [0.0, 1e-3, 0.3, 0.9, 5.0])
@pytest.mark.parametrize("activation", [*UNITWISE, *WITH_ALPHA], ids=str)
def test_critical_points_solve_both_equations_or_are_refused(activation, sigma_b):
    f = vg.activations.get(activation)
    least = LEAST.get(f.name, 0)
    if sigma_b < least or (f.name in ("relu", "leaky_relu", "identity") and sigma_b > 0):
        with pytest.raises(ValueError, match=r"^(sigma_b|activation): expected|expects"):
            vg.critical(f, sigma_b)
        return
    sigma_w, same, q = vg.critical(f, sigma_b)
    assert same == sigma_b
    at = moments(f, q)
    assert sigma_w**2 * at.slope == pytest.approx(1, rel=1e-12)
    assert sigma_w**2 * at.square + sigma_b**2 == pytest.approx(q, rel=1e-9, abs=1e-12)
    assert at.growth < at.slope * (1 + 1e-12)  # the length map stays where it is
    if q > 0:
        assert meanfield.length_map(f, sigma_w, sigma_b) == pytest.approx(q, rel=1e-6)
        assert meanfield.chi(f, sigma_w, sigma_b) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("activation", [a for a in UNITWISE if a != "softplus"])
def test_sigma_b_grows_with_the_length_so_that_points_are_unique(activation):
    f = vg.activations.get(activation)
    bias = np.array([meanfield._bias(f, q) for q in np.geomspace(1e-3, 1e6, 100)])
    bias = bias[np.argmax(bias > 1e-9) :] if (bias > 1e-9).any() else np.zeros(1)
    assert (np.diff(bias) > 0).all()


def test_both_sides_of_the_edge():
    point = vg.critical("tanh", 0.3)
    factors = [meanfield.chi("tanh", point.sigma_w * k, 0.3) for k in (0.5, 0.9, 1.0, 1.1, 2.0)]
    assert (np.diff(factors) > 0).all()
    assert factors[2] == pytest.approx(1, abs=1e-12)
    assert meanfield.depth_scale("tanh", point.sigma_w * 0.9, 0.3) == -1 / math.log(factors[1]) > 0
    assert meanfield.depth_scale("tanh", point.sigma_w * 1.1, 0.3) < 0
    assert meanfield.depth_scale("tanh", *point[:2]) == math.inf
    assert meanfield.depth_scale("relu", math.sqrt(2)) == math.inf
    assert meanfield.depth_scale("tanh", 0.0) == 0


def test_lengths_that_die_out_or_grow_without_end():
    assert meanfield.length_map("tanh", 0.9) == 0
    assert meanfield.chi("tanh", 0.9) == pytest.approx(0.81, rel=1e-10)
    assert meanfield.length_map("relu", 1.0) == 0
    assert meanfield.length_map("relu", 2.0) == math.inf
    assert meanfield.chi("relu", 2.0) == pytest.approx(2, rel=1e-12)
    assert meanfield.chi("gelu", 2.0) == pytest.approx(2, rel=1e-10)
    assert meanfield.length_map("relu", 1.0, 0.5) == pytest.approx(0.5, rel=1e-12)
    assert meanfield.length_map("identity", 1.0) == 1
    assert meanfield.length_map("sigmoid", 0.0, 0.0) == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: vg.critical("softmax"), ValueError, "activation: expected an activation of"),
        (lambda: vg.critical("tahn"), ValueError, "activation: expected one of identity"),
        (lambda: vg.critical(3), TypeError, "activation: expected a name (str), got int"),
        (lambda: vg.critical("tanh", -1), ValueError, "sigma_b: expected a finite number of at"),
        (lambda: vg.critical("tanh", "1"), TypeError, "sigma_b: expected a number, got '1' (str)"),
        (lambda: vg.critical("relu", 0.1), ValueError, "sigma_b: expected 0, for where relu keeps"),
        (lambda: vg.critical("softplus", 1), ValueError, "activation: expected one with a critica"),
        (lambda: meanfield.chi("softmax", 1), ValueError, "activation: expected an activation"),
        (lambda: meanfield.length_map("tanh", -1), ValueError, "sigma_w: expected a finite number"),
        (lambda: meanfield.depth_scale("tanh", 1, None), TypeError, "sigma_b: expected a number"),
        (lambda: vg.initializers.Critical("gelu"), ValueError, "sigma_b: gelu expects at least"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)


def test_initializer_draws_weights_and_biases():
    init = vg.initializers.Critical("tanh", sigma_b=0.3)
    sigma_w = vg.critical("tanh", 0.3).sigma_w
    rng = np.random.default_rng(0)
    for shape, std in (
        ((500, 300), sigma_w / math.sqrt(300)),
        ((60, 20, 5, 3), sigma_w / math.sqrt(300)),
        ((100_000,), 0.3),
    ):
        x = init(shape, rng, np.float64)
        assert abs(x.mean()) < 5 * std / math.sqrt(x.size)
        assert abs(x.std() - std) < 5 * std / math.sqrt(2 * x.size)
    assert repr(init) == "Critical(activation='tanh', sigma_b=0.3)"


def test_initializer_by_name_is_that_of_the_activation():
    layer = vg.Dense(
        1000, vg.leaky_relu(0.5), weight_initializer="critical", bias_initializer="critical"
    )
    vg.Sequential([layer], input_shape=100, dtype="float64", seed=0)
    assert layer.weight.std() == pytest.approx(math.sqrt(2 / 1.25 / 100), rel=0.02)
    assert (layer.bias == 0).all()


@pytest.mark.parametrize(
    ("activation", "sigma_w", "sigma_b"),
    [
        ("tanh", *vg.critical("tanh", 0.3)[:2]),
        ("tanh", 1.0, 0.3),
        ("tanh", 2.0, 0.3),
        ("sigmoid", *vg.critical("sigmoid", 0.5)[:2]),
        ("elu", *vg.critical("elu", 0.5)[:2]),
        ("hard_sigmoid", 5.0, 1.0),
        ("relu", math.sqrt(2), 0.0),
        ("gelu", *vg.critical("gelu", 0.6)[:2]),
    ],
)
def test_a_wide_deep_network_does_what_the_theory_says(activation, sigma_w, sigma_b):
    width, depth, samples = 500, 30, 32
    q = meanfield.length_map(activation, sigma_w, sigma_b)
    weights = vg.initializers.Normal(0, sigma_w / math.sqrt(width))
    biases = vg.initializers.Normal(0, sigma_b)
    model = vg.Sequential(
        [
            vg.Dense(width, activation, weight_initializer=weights, bias_initializer=biases)
            for _ in range(depth)
        ],
        input_shape=width,
        dtype="float64",
        seed=1,
    )
    model.compile("mse")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, width)) * math.sqrt((q - sigma_b**2) / sigma_w**2)  # to q*
    far = 1e3 * rng.standard_normal((samples, width))  # so the error does not depend on the signal
    flow = model.gradient_flow(x, far)
    if activation not in ("relu", "gelu"):  # whose length wanders: nothing pulls it back
        mean_square = flow.activation_mean[0] ** 2 + flow.activation_std[0] ** 2
        assert mean_square.mean() == pytest.approx((q - sigma_b**2) / sigma_w**2, rel=0.1)
    delta = np.log(flow.delta[0, :25])
    measured = math.exp(-np.polyfit(np.arange(len(delta)), delta, 1)[0])
    factor = math.sqrt(meanfield.chi(activation, sigma_w, sigma_b))
    assert measured == pytest.approx(factor, rel=0.03)


def test_what_is_flat_has_no_critical_point():
    with pytest.raises(
        ValueError, match=r"activation: expected one with a critical point, got .* flat"
    ):
        vg.critical(vg.activations.formula("0 * z"))
