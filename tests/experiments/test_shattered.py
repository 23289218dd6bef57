"""Shattered gradients: gradients beside central differences, and the laws of their correlation."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest

from vgcore.experiments import shattered
from vgcore.experiments.base import DOES_NOT, REPRODUCES


@pytest.fixture(scope="module")
def measured() -> shattered.Result:
    """As the laws say, with a little noise: a real run takes long."""
    rng = np.random.default_rng(0)
    brown = np.cumsum(rng.normal(size=(4, 256)), axis=1)
    white = rng.normal(size=(4, 256))
    curves = np.stack([brown, white, brown + 6 * white, brown + white / 2])
    one = np.ones((len(shattered.DEPTHS), 4, 1))
    plain = np.concatenate([0.5 ** np.array(shattered.DEPTHS)[:, None, None] * one, one], axis=2)
    residual = np.concatenate([shattered.expected(1.0)[:, None, None] * one, one], axis=2)
    return shattered.Result(curves[:, 0], shattered._autocorrelation(curves), plain, residual)


@pytest.mark.parametrize(("depth", "beta"), [(3, None), (3, 0.5), (1, None)])
def test_gradients_are_those_of_central_differences(depth: int, beta: float | None) -> None:
    x = np.linspace(-2, 2, 21)[:, np.newaxis] + 0.0123  # off the kink of the whole at 0
    model = shattered.network(depth, beta, 1, np.random.default_rng(1))
    found = shattered.gradients(model, x)
    step = 1e-6
    differences = (model.predict(x + step) - model.predict(x - step)) / (2 * step)
    np.testing.assert_allclose(found, differences, rtol=1e-4, atol=1e-6)


def test_statistics_are_those_of_the_inputs_and_weights_stay() -> None:
    model = shattered.network(2, None, 5, np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(40, 5))
    before = model.state_dict()
    shattered.gradients(model, x)
    after = model.state_dict()
    z = x @ before["dense1.weight"].T + before["dense1.bias"]
    np.testing.assert_allclose(
        after["batchnorm1.running_mean"], z.mean(axis=0), rtol=1e-12, atol=1e-12
    )
    for name, value in before.items():
        if "running" not in name and "batches" not in name:
            np.testing.assert_allclose(after[name], value, rtol=0, atol=1e-30)


def test_products_and_autocorrelation_are_numpys() -> None:
    rng = np.random.default_rng(2)
    found = rng.normal(size=(7, 3))
    inner, square = shattered._products(found)
    pairs = [a @ b for i, a in enumerate(found) for j, b in enumerate(found) if i != j]
    assert inner == pytest.approx(np.mean(pairs))
    assert square == pytest.approx(np.mean((found**2).sum(axis=1)))
    curve = rng.normal(size=(1, 1, 256))
    lagged = shattered._autocorrelation(curve)[0, 0]
    centred = curve[0, 0] - curve.mean()
    expected = np.correlate(centred, centred, "full")[255:][:16] / np.arange(256, 240, -1)
    np.testing.assert_allclose(lagged, expected / expected[0], rtol=1e-12)


def test_claims_hold_of_the_laws_and_not_of_others(measured: shattered.Result) -> None:
    assert [claim.verdict for claim in measured.claims()] == [REPRODUCES] * 6
    other = dataclasses.replace(
        measured,
        autocorrelation=measured.autocorrelation[[1, 0, 3, 2]],
        plain=measured.residual,
        residual=measured.plain,
    )
    verdicts = [claim.verdict for claim in other.claims()]
    assert verdicts[0] == DOES_NOT and verdicts[3:] == [DOES_NOT] * 3


def test_a_run_is_repeatable_draws_and_refuses(measured: shattered.Result) -> None:
    measured.picture().savefig(io.BytesIO())
    assert len(measured.tables()[0].rows) == len(shattered.DEPTHS)
    with pytest.raises(ValueError, match="draws: expected an integer of at least 1"):
        shattered.run(draws=0)
