"""Gradients of batch-normalised networks: the factor beside closed forms, and a NumPy twin of it."""

from __future__ import annotations

import dataclasses
import io
import math
from typing import Any, cast

import numpy as np
import pytest
from scipy import integrate, stats

from vgcore.experiments import norm_explosion
from vgcore.experiments.base import DOES_NOT


@pytest.fixture(scope="module")
def measured() -> norm_explosion.Result:
    return norm_explosion.run(draws=1, starts=1, epochs=1)


def test_the_closed_form_is_that_of_integrals() -> None:
    assert norm_explosion.closed_form("relu") == pytest.approx(math.pi / (math.pi - 1), rel=1e-3)
    assert norm_explosion.closed_form("identity") == pytest.approx(1, rel=1e-6)

    def mean(f: Any) -> float:
        return float(integrate.quad(lambda y: f(y) * stats.norm.pdf(y), -10, 10)[0])

    tanh = mean(lambda y: np.cosh(y) ** -4) / mean(lambda y: np.tanh(y) ** 2)
    assert norm_explosion.closed_form("tanh") == pytest.approx(tanh, rel=1e-5)


def test_norms_are_those_of_a_numpy_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(norm_explosion, "_LAYERS", 3)
    monkeypatch.setattr(norm_explosion, "_UNITS", 8)
    norms = norm_explosion._norms("relu", 1.0, 20, np.random.default_rng(3))
    from vgcore import BatchNorm, Dense, Sequential, initializers

    rng = np.random.default_rng(3)
    start = initializers.Normal(std=1 / math.sqrt(8))
    layers = []
    for _ in range(3):
        layers += [Dense(8, use_bias=False, weight_initializer=start), BatchNorm("relu")]
    model = Sequential(
        [*layers, Dense(1)], input_shape=8, dtype="float64", seed=int(rng.integers(2**31))
    )
    weights = [layer.weight for layer in model.layers if isinstance(layer, Dense)]
    h, y = rng.standard_normal((20, 8)), rng.standard_normal((20, 1))
    normed, spreads = [], []
    for weight in weights[:-1]:
        z = h @ weight.T
        spreads.append(np.sqrt(z.var(axis=0) + 1e-5))
        normed.append((z - z.mean(axis=0)) / spreads[-1])
        h = np.maximum(normed[-1], 0)
    back = 2 * (h @ weights[-1].T - y) / 20 @ weights[-1]
    found = []
    for weight, n, spread in zip(weights[-2::-1], normed[::-1], spreads[::-1], strict=True):
        delta = back * (n > 0)
        found.append(np.linalg.norm(delta))
        dz = (delta - delta.mean(axis=0) - n * (delta * n).mean(axis=0)) / spread
        back = dz @ weight
    np.testing.assert_allclose(norms, found[::-1], rtol=1e-9)


def test_factors_are_measured_and_claims_can_fail(measured: norm_explosion.Result) -> None:
    assert measured.by_activation[0, 0] == pytest.approx(math.pi / (math.pi - 1), rel=0.1)
    assert measured.accuracies.shape == (5, 4, 1)
    flat = dataclasses.replace(
        measured,
        by_activation=np.ones((4, 1)),
        by_scale=np.array([[1.0], [2.0], [4.0]]),
        accuracies=np.ones((5, 4, 1)),
    )
    assert [claim.verdict for claim in flat.claims()] == [DOES_NOT] * 4


def test_it_draws_and_refuses(measured: norm_explosion.Result) -> None:
    measured.picture().savefig(io.BytesIO())
    assert [len(table.rows) for table in measured.tables()] == [6, 5]
    for name in ("draws", "starts", "epochs"):
        with pytest.raises(ValueError, match=f"{name}: expected an integer of at least 1"):
            norm_explosion.run(**cast(Any, {name: 0}))
