"""Amplified gradients: what is multiplied, when, and what is said of it."""

from __future__ import annotations

import dataclasses
import io
from typing import Any, cast

import numpy as np
import pytest

from vgcore.experiments import amplification
from vgcore.experiments.base import DOES_NOT, IN_KIND


@pytest.fixture(scope="module")
def measured() -> amplification.Result:
    return amplification.run(epochs=4, starts=2)


def test_hidden_layers_alone_are_amplified_in_the_first_epochs() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 64)), np.arange(8)
    states = {}
    for factor in (1.0, 5.0):
        model = amplification.network(0.1, factor, 1, seed=0)
        before = model.state_dict()
        model.fit(x, y, epochs=1, batch_size=8, verbose=0)
        states[factor] = {name: model.state_dict()[name] - before[name] for name in before}
    for name, change in states[1.0].items():
        times = 5.0 if name.startswith("hidden") else 1.0
        np.testing.assert_allclose(states[5.0][name], times * change, rtol=2e-2, atol=1e-7)


def test_twins_without_are_the_same_whatever_is_amplified(measured: amplification.Result) -> None:
    assert measured.accuracies.shape == (3, 4, 2)
    assert measured.losses.shape == (3, 4, 2, 4)
    assert measured.amplified == 2
    model = amplification.network(0.1, 1.0, 2, seed=1)
    from vgcore import data

    x, y, held_out_x, held_out_y = data.train_test_split(*data.digits(), seed=0)
    history = model.fit(x, y, epochs=4, verbose=0)
    np.testing.assert_array_equal(measured.losses[1, 0, 1], history["loss"])
    assert measured.accuracies[1, 0, 1] == model.evaluate(held_out_x, held_out_y).accuracy


def test_claims_can_fail(measured: amplification.Result) -> None:
    better = np.full((3, 4, 2), 0.5)
    better[:, 3] = 0.9
    losses = np.ones((3, 4, 2, 4))
    losses[:, 3, :, 1:] = 0.1
    good = dataclasses.replace(measured, accuracies=better, losses=losses)
    assert [claim.verdict for claim in good.claims()] == [IN_KIND] * 3
    bad = dataclasses.replace(measured, accuracies=better[:, ::-1], losses=2 - losses)
    assert {claim.verdict for claim in bad.claims()[:2]} == {DOES_NOT}
    assert good.claims()[2].measured.startswith("after 1 of 4 epochs, times 10")


def test_what_factors_do_at_the_largest_rate_is_told_as_measured(
    measured: amplification.Result,
) -> None:
    accuracies = np.full((3, 4, 2), 0.5)
    accuracies[:, 1:] = 0.9
    each = dataclasses.replace(measured, accuracies=accuracies)
    assert "every factor helps: 50.0% without, 90.0% times 2, 90.0%" in each.claims()[1].why
    accuracies[2, 3] = 0.1
    assert "not every factor helps: 50.0% without" in each.claims()[1].why
    assert each.claims()[1].why.endswith("10.0% times 10")
    assert each.claims()[0].measured == "90.0% at the rate 0.03 (times 2), without 50.0%"


def test_it_draws_and_refuses(measured: amplification.Result) -> None:
    measured.picture().savefig(io.BytesIO())
    assert len(measured.tables()[0].rows) == 3
    for name, least in (("epochs", 2), ("starts", 1)):
        with pytest.raises(ValueError, match=f"{name}: expected an integer of at least {least}"):
            amplification.run(**cast(Any, {name: 0}))
