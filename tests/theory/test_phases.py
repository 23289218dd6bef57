"""Correlations, depth scales and the phase diagram: closed forms, published points, sampled networks."""

import math

import numpy as np
import pytest
from reference import UNITWISE
from scipy import integrate, optimize

import vgcore as vg
from vgcore.theory import gaussian, meanfield

CORRELATIONS = np.array([-1, -0.9, -0.3, 0, 0.2, 0.7, 0.9, 0.99, 1])


def arc_cosine(c):
    """E relu(u) relu(v) and E relu'(u) relu'(v) for unit variances (Cho and Saul 2009, eq. 6)."""
    angle = np.arccos(c)
    value = (np.sin(angle) + (math.pi - angle) * np.cos(angle)) / (2 * math.pi)
    return value, (math.pi - angle) / (2 * math.pi)


def sampled(function, q, c):
    """E f(u) f(v) by a plain sum over a fine grid of normal quantiles."""
    z = np.linspace(-9, 9, 1801)
    weight = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    u, v = (
        math.sqrt(q) * z[:, np.newaxis],
        math.sqrt(q) * (c * z[:, np.newaxis] + math.sqrt(1 - c * c) * z),
    )
    return float(weight @ (function(u) * function(v)) @ weight)


def test_rectifiers_in_closed_form():
    value, _ = arc_cosine(CORRELATIONS)
    found = meanfield.correlation_map("relu", math.sqrt(2), 0.0, CORRELATIONS)
    assert found == pytest.approx(2 * value, abs=2e-6)
    response = gaussian.response(vg.activations.get("relu"), np.array([0.5, 3.0]))
    for c, one, slope in zip(CORRELATIONS, *arc_cosine(CORRELATIONS), strict=True):
        both = np.full((2, 2), c)
        assert response.value.pairs(both)[0, 1] == pytest.approx(math.sqrt(1.5) * one, abs=5e-5)
        assert response.steepness.pairs(both)[0, 1] == pytest.approx(slope, abs=8e-3)
    assert response.mean == pytest.approx(np.sqrt(np.array([0.5, 3.0]) / (2 * math.pi)), rel=1e-7)


@pytest.mark.parametrize("q", [0.01, 1.0, 30.0])
def test_erf_by_the_arcsine_law(q):
    """E erf(u) erf(v) = 2/π arcsin(2 q c / (1 + 2 q)) (Williams 1997, eq. 11), of a formula."""
    erf = vg.activations.formula("erf(z)")
    at = gaussian.exact_response(erf, q, 256)
    found = at.value.alike(CORRELATIONS)
    expected = 2 / math.pi * np.arcsin(2 * q * CORRELATIONS / (1 + 2 * q))
    assert found == pytest.approx(expected, abs=1e-6)
    slopes = 4 / math.pi / np.sqrt((1 + 2 * q) ** 2 - (2 * q * CORRELATIONS) ** 2)
    assert at.steepness.alike(CORRELATIONS) == pytest.approx(slopes, rel=2e-3)
    kept = gaussian.response(erf, np.array([q]))
    assert kept.square[0] == pytest.approx(expected[-1], rel=1e-7)
    assert kept.slope[0] == pytest.approx(slopes[-1], rel=1e-7)


@pytest.mark.parametrize("activation", UNITWISE)
def test_kept_moments_are_those_of_the_quadrature(activation):
    f = vg.activations.get(activation)
    q = np.exp(np.random.default_rng(0).uniform(-12, 4 if activation == "snake" else 8, 40))
    found = gaussian.response(f, q)
    exact = np.array([gaussian.moments(f, each) for each in q])
    assert found.square == pytest.approx(exact[:, 0], rel=1e-6)
    assert found.slope == pytest.approx(exact[:, 1], rel=1e-6)
    assert found.growth == pytest.approx(exact[:, 2], rel=1e-5, abs=1e-12)
    some = gaussian.scalars(f, q.reshape(8, 5))
    assert some.square.ravel() == pytest.approx(found.square, rel=1e-12)
    assert some.slope.ravel() == pytest.approx(found.slope, rel=1e-12)


def test_moments_go_on_as_powers_where_none_are_kept():
    q = np.array([0, 1e-200, 1e-30, 1e30, 1e200])
    relu, tanh = (gaussian.response(vg.activations.get(name), q) for name in ("relu", "tanh"))
    assert relu.square == pytest.approx(q / 2, rel=1e-6)
    assert relu.slope == pytest.approx(0.5)
    assert tanh.square == pytest.approx([0, 1e-200, 1e-30, 1, 1], rel=1e-4)
    assert tanh.slope[:3] == pytest.approx(1)
    sigmoid = gaussian.response(vg.activations.get("sigmoid"), q)
    assert sigmoid.square == pytest.approx([0.25] * 3 + [0.5] * 2, rel=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gelu", "elu", "softsign"])
@pytest.mark.parametrize("c", [-0.6, 0.3, 0.95])
def test_pairs_by_another_quadrature(activation, c):
    f = vg.activations.get(activation)

    def function(x):
        return gaussian.evaluate(f.function, x)[0]

    for q in (0.2, 2.0):
        found = gaussian.exact_response(f, q, 128).value.alike(np.array([c]))[0]
        assert found == pytest.approx(sampled(function, q, c), rel=2e-6)
        kept = gaussian.response(f, np.array([q])).value.pairs(np.array([[c]]))[0, 0]
        assert kept == pytest.approx(sampled(function, q, c), rel=1e-4)


def test_critical_weights_of_tanh_by_another_solver():
    """σb² = 0.05 has σw² = 1.76 on the edge of chaos (Schoenholz et al. 2017, figure 5)."""

    def mean(function):
        return integrate.quad(
            lambda z: function(z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi), -12, 12,
            epsabs=1e-13, epsrel=1e-13, limit=200,
        )[0]  # fmt: skip

    def surplus(q):
        slope = mean(lambda z: (1 - math.tanh(math.sqrt(q) * z) ** 2) ** 2)
        return q - mean(lambda z: math.tanh(math.sqrt(q) * z) ** 2) / slope - 0.05

    q = optimize.brentq(surplus, 0.1, 2, xtol=1e-13)
    found = vg.critical("tanh", math.sqrt(0.05))
    expected = 1 / mean(lambda z: (1 - math.tanh(math.sqrt(q) * z) ** 2) ** 2)
    assert found.q == pytest.approx(q, rel=1e-10)
    assert found.sigma_w**2 == pytest.approx(expected, rel=1e-10)
    assert found.sigma_w**2 == pytest.approx(1.76096, abs=1e-5)


def test_fixed_points_of_the_correlation_on_both_sides_of_the_edge():
    edge = vg.critical("tanh", math.sqrt(0.05))
    for ratio in (0.3, 0.9, 0.999):
        assert meanfield.correlation("tanh", edge.sigma_w * ratio, edge.sigma_b) == 1
    found = [
        meanfield.correlation("tanh", edge.sigma_w * r, edge.sigma_b) for r in (1.01, 1.1, 2, 4)
    ]
    assert (np.diff(found) < 0).all()
    assert 0 < found[-1] < found[0] < 1
    for ratio, c in zip((1.01, 1.1, 2, 4), found, strict=True):
        again = meanfield.correlation_map("tanh", edge.sigma_w * ratio, edge.sigma_b, c)
        assert again == pytest.approx(c, rel=1e-9)
    assert meanfield.correlation("tanh", 2.0) == 0  # an odd f and no bias: nothing is in common
    assert meanfield.correlation("relu", math.sqrt(2)) == 1
    assert meanfield.correlation("relu", 3.0) == 1
    assert meanfield.correlation("tanh", 0.5) == 1
    assert meanfield.correlation("tanh", 0.0, 0.0) == 1


def test_depth_scales_on_both_sides_of_the_edge():
    edge = vg.critical("tanh", math.sqrt(0.05))

    def scale(ratio, of):
        return meanfield.depth_scale("tanh", edge.sigma_w * ratio, edge.sigma_b, of=of)

    assert scale(0.9, "correlation") == pytest.approx(scale(0.9, "gradient"), rel=1e-9)
    assert scale(1.0, "correlation") == math.inf
    assert scale(1.1, "gradient") < 0 < scale(1.1, "correlation")
    near = [scale(r, "correlation") for r in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0)]
    assert near[0] < near[1] < near[2]
    assert near[3] > near[4] > near[5] > 0
    assert 0 < scale(1.0, "length") < 3  # lengths settle within a few layers, edge or not


@pytest.mark.parametrize("sigma_w", [1.0, 1.8])
def test_depth_scales_are_what_the_maps_do(sigma_w):
    """Distances from q* and c*, followed from layer to layer, shrink by e within ξ layers."""
    sigma_b = 0.3
    fixed = meanfield.length_map("tanh", sigma_w, sigma_b)
    f, q, far = vg.activations.get("tanh"), fixed * (1 + 1e-4), []
    for _ in range(4):
        far.append(q - fixed)
        q = sigma_w**2 * gaussian.moments(f, q).square + sigma_b**2
    ratio = far[3] / far[2]
    found = meanfield.depth_scale("tanh", sigma_w, sigma_b, of="length")
    assert -1 / math.log(ratio) == pytest.approx(found, rel=1e-3)
    end = meanfield.correlation("tanh", sigma_w, sigma_b)
    c, far = end - 1e-4, []
    for _ in range(4):
        far.append(c - end)
        c = meanfield.correlation_map("tanh", sigma_w, sigma_b, c)
    found = meanfield.depth_scale("tanh", sigma_w, sigma_b, of="correlation")
    assert -1 / math.log(far[3] / far[2]) == pytest.approx(found, rel=1e-3)


def test_a_wide_network_tells_inputs_apart_as_the_map_says():
    width, sigma_w, sigma_b = 2000, 2.0, 0.5
    q = meanfield.length_map("tanh", sigma_w, sigma_b)
    rng = np.random.default_rng(0)
    z = rng.standard_normal((2, width))
    z[1] = 0.8 * z[0] + 0.6 * z[1]
    z *= math.sqrt(q)
    expected = 0.8
    for _ in range(8):
        weight = rng.standard_normal((width, width)) * sigma_w / math.sqrt(width)
        z = np.tanh(z) @ weight + sigma_b * rng.standard_normal(width)
        expected = meanfield.correlation_map("tanh", sigma_w, sigma_b, expected)
        measured = z[0] @ z[1] / np.linalg.norm(z[0]) / np.linalg.norm(z[1])
        assert measured == pytest.approx(expected, abs=0.07)
    for _ in range(60):
        expected = meanfield.correlation_map("tanh", sigma_w, sigma_b, expected)
    assert expected == pytest.approx(meanfield.correlation("tanh", sigma_w, sigma_b), abs=1e-3)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "sigmoid", "softplus"])
def test_the_phase_diagram_is_the_map_of_single_points(activation):
    sigma_w, sigma_b = np.linspace(0, 4, 7), np.array([0, 0.3, 0.5, 1.5])
    found = meanfield.phase_diagram(activation, sigma_w, sigma_b)
    for row, b in enumerate(sigma_b):
        for column, w in enumerate(sigma_w):
            chi, q = meanfield.chi(activation, w, b), meanfield.length_map(activation, w, b)
            assert found.chi[row, column] == pytest.approx(chi, rel=1e-6, abs=1e-9)
            assert found.q[row, column] == pytest.approx(q, rel=1e-6, abs=1e-12)
        if activation == "relu":
            assert found.critical[row] == pytest.approx(math.sqrt(2))
            continue
        try:
            assert found.critical[row] == pytest.approx(
                vg.critical(activation, b).sigma_w, rel=1e-7
            )
        except ValueError:
            assert math.isnan(found.critical[row])


def test_the_phase_diagram_of_a_formula():
    found = meanfield.phase_diagram(vg.activations.formula("tanh(z)"), [1.0, 2.0], [0.0, 0.3])
    plain = meanfield.phase_diagram("tanh", [1.0, 2.0], [0.0, 0.3])
    for one, other in zip(found, plain, strict=True):
        assert one == pytest.approx(other, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.depth_scale("tanh", 1, of="x"), ValueError, "of: expected one of gradient"),
        (lambda m: m.depth_scale("tanh", 1, of=1), TypeError, "of: expected a name (str), got int"),
        (
            lambda m: m.correlation("softmax", 1),
            ValueError,
            "activation: expected an activation of",
        ),
        (lambda m: m.correlation("tanh", -1), ValueError, "sigma_w: expected a finite number"),
        (lambda m: m.correlation_map("tanh", 1, 0, 2), ValueError, "c: expected correlations from"),
        (lambda m: m.correlation_map("tanh", 1, 0, "x"), TypeError, "c: expected"),
        (lambda m: m.correlation_map("tanh", 1, 0, math.nan), ValueError, "c: expected finite"),
        (lambda m: m.phase_diagram("tanh", [-1], [0]), ValueError, "sigma_w: expected numbers of"),
        (lambda m: m.phase_diagram("tanh", [1], 0.0), ValueError, "sigma_b: expected numbers al"),
        (lambda m: m.phase_diagram("tanh", [], [1]), ValueError, "sigma_w: expected"),
        (lambda m: m.phase_diagram("softmin", [1], [1]), ValueError, "activation: expected an act"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error) as caught:
        call(meanfield)
    assert str(caught.value).startswith(message)
