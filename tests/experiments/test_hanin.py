"""The spread of gradients by shape, beside sums of random numbers and SciPy's special functions."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from scipy import special, stats

from vgcore.experiments import hanin
from vgcore.experiments.base import DOES_NOT, REPRODUCES


@pytest.fixture(scope="module")
def measured() -> hanin.Result:
    return hanin.run(draws=20)


@pytest.mark.parametrize("width", [1, 2, 5, 10, 50])
def test_a_layers_variance_is_that_of_scipys_distributions(width: int) -> None:
    k = np.arange(1, width + 1)
    odds = stats.binom.pmf(k, width, 0.5)
    odds /= odds.sum()
    means, variances = special.psi(k / 2) + np.log(2), special.polygamma(1, k / 2)
    expected = odds @ (variances + means**2) - (odds @ means) ** 2
    assert hanin.layer_variance(width) == pytest.approx(expected, rel=1e-10)


def test_wide_layers_add_five_over_width() -> None:
    assert hanin.layer_variance(400) * 400 == pytest.approx(5, rel=0.01)


def test_gradients_are_those_of_the_product_of_matrices() -> None:
    from vgcore import Dense, Sequential

    value = hanin._log_gradient(6, 3, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    seed = int(rng.integers(2**31))
    layers = [Dense(6, "relu", use_bias=False, weight_initializer="he_normal") for _ in range(3)]
    model = Sequential(layers, input_shape=10, dtype="float64", seed=seed)
    h = rng.standard_normal((1, 10))[0]
    column = np.eye(10)[0]
    for layer in model.layers:
        z = layer.weight @ h
        h, column = np.maximum(z, 0), (layer.weight @ column) * (z > 0)
    assert value == pytest.approx(np.log(column @ column * 10 / 6), rel=1e-12)


def test_claims_hold_of_the_law_and_not_of_another(measured: hanin.Result) -> None:
    rng = np.random.default_rng(0)
    spread = measured.expected[..., np.newaxis]
    # The logarithm of the mean is 0 where the median is minus half of the variance
    lawful = dataclasses.replace(
        measured, logs=rng.normal(-spread / 2, np.sqrt(spread), (3, 3, 4000))
    )
    assert [claim.verdict for claim in lawful.claims()[:4]] == [REPRODUCES] * 4
    alike = dataclasses.replace(measured, logs=rng.normal(-1, 0.3, (3, 3, 4000)))
    assert [claim.verdict for claim in alike.claims()[1:4]] == [DOES_NOT] * 3


def test_it_draws_and_refuses(measured: hanin.Result) -> None:
    measured.logs[0, 0, 0] = np.nan
    measured.picture().savefig(io.BytesIO())
    assert len(measured.tables()[0].rows) == 9
    assert "networks had a layer" in measured.notes()[0]
    with pytest.raises(ValueError, match="draws: expected an integer of at least 10"):
        hanin.run(draws=9)
