"""The gradient through time against its bound, and the cliff, beside NumPy twins."""

from __future__ import annotations

import dataclasses
import io
from typing import Any, cast

import numpy as np
import pytest

from vgcore.experiments import cliff, pascanu
from vgcore.experiments.base import DOES_NOT, IN_KIND, REPRODUCES


@pytest.fixture(scope="module")
def bounded() -> pascanu.Result:
    return pascanu.run(units=8, draws=3, seed=1)


@pytest.fixture(scope="module")
def descended() -> cliff.Result:
    return cliff.run(starts=6, steps=300)


def test_norms_keep_the_bound_and_claims_say_where_they_do_not(bounded: pascanu.Result) -> None:
    assert bounded.norms["tanh"].shape == (4, 3, 100)
    for norms in bounded.norms.values():
        first = norms[
            :, :, 0
        ]  # one step: the largest slope of a unit times the singular value, at most
        assert np.all(first <= bounded.bounds[:, np.newaxis]) and np.all(first > 0)
    assert [claim.verdict for claim in bounded.claims()[:3]] == [REPRODUCES] * 3
    beyond = dataclasses.replace(bounded, norms={"tanh": bounded.norms["tanh"] * 1e80})
    assert [claim.verdict for claim in beyond.claims()[::2][:2]] == [DOES_NOT] * 2
    always = bounded.norms["tanh"].copy()
    always[2:, :, -1] = 2.0
    told = dataclasses.replace(bounded, norms={"tanh": always}).claims()[3]
    assert told.verdict == IN_KIND
    for factor, verdict in ((0.999, IN_KIND), (0.5, DOES_NOT)):
        smaller = dataclasses.replace(bounded, sharp=factor * bounded.sharp)
        assert smaller.claims()[1].verdict == verdict


def test_the_norm_is_that_of_the_product_of_jacobians() -> None:
    weights = np.random.default_rng(6).standard_normal((4, 4))
    norms = pascanu._norms("tanh", weights, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    seed = int(rng.integers(2**31))
    x = rng.standard_normal((100, 3))
    from vgcore import RNN, Sequential

    model = Sequential([RNN(4, name="rnn")], input_shape=(None, 3), dtype="float64", seed=seed)
    inward = model.layers[0].weight_ih
    h, jacobians = np.zeros(4), []
    for each in x:
        h = np.tanh(inward @ each + weights @ h)
        jacobians.append((1 - h**2)[:, np.newaxis] * weights)
    product = np.eye(4)
    for lag in range(100):
        product = product @ jacobians[-1 - lag]
        assert norms[lag] == pytest.approx(np.linalg.norm(product, 2), rel=1e-9)


def test_pascanu_draws_and_refuses(bounded: pascanu.Result) -> None:
    bounded.picture().savefig(io.BytesIO())
    assert len(bounded.tables()[0].rows) == 8
    for name in ("units", "draws"):
        with pytest.raises(ValueError, match=f"{name}: expected an integer of at least 1"):
            pascanu.run(**cast(Any, {name: 0}))


def test_the_surface_is_that_of_the_network() -> None:
    x, y = cliff.data()
    for w, b in ((4.5, -2.0), (5.5, -2.7), (6.0, -3.2)):
        model = cliff.unit(w, b)
        loss, grads = model.gradients(x, y)
        value, slopes = cliff.error(np.array(w), np.array(b))
        assert loss == pytest.approx(float(value), rel=1e-9)
        found = [grads["unit.weight_hh"].item(), grads["unit.weight_ih"].item()]
        np.testing.assert_allclose(found, slopes, rtol=1e-7)


def test_clipped_descents_take_steps_of_the_threshold_at_most(descended: cliff.Result) -> None:
    longest = cliff.RATE * cliff.THRESHOLD
    assert descended.clipped.longest.max() <= longest * (1 + 1e-9)
    assert descended.without.longest.max() > 10 * longest
    np.testing.assert_array_equal(
        descended.clipped.paths[:, 0], descended.without.paths[:, 0]
    )  # from the same places
    first = descended.without.paths[0, :2]
    slopes = cliff.error(*first[0])[1]
    np.testing.assert_allclose(first[1], first[0] - cliff.RATE * slopes, rtol=1e-9)


def test_cliff_claims_can_fail(descended: cliff.Result) -> None:
    swapped = dataclasses.replace(descended, without=descended.clipped, clipped=descended.without)
    assert [claim.verdict for claim in swapped.claims()[2:]] == [DOES_NOT] * 2
    flat = dataclasses.replace(descended, slopes=np.linspace(1, 2, descended.slopes.size))
    assert flat.claims()[0].verdict == DOES_NOT


def test_the_picture_draws_what_the_paths_share_once(descended: cliff.Result) -> None:
    without, clipped = descended._drawn
    (_, _, _, shared), (_, _, first, thrown), (_, _, same, kept) = descended._parts()
    assert first == same == len(shared) - 1
    np.testing.assert_array_equal(np.concatenate([shared, thrown[1:]]), without)
    np.testing.assert_allclose(np.concatenate([shared, kept[1:]]), clipped, atol=1e-9)
    assert np.abs(thrown[1] - kept[1]).max() > 1e-9


def test_cliff_draws_and_refuses(descended: cliff.Result) -> None:
    alike = dataclasses.replace(descended, clipped=descended.without)
    assert [len(path) for *_, path in alike._parts()] == [301, 1, 1]
    descended.picture().savefig(io.BytesIO())
    assert [row[0] for row in descended.tables()[0].rows] == ["without", "with"]
    for name in ("starts", "steps"):
        with pytest.raises(ValueError, match=f"{name}: expected an integer of at least 1"):
            cliff.run(**cast(Any, {name: 0}))
