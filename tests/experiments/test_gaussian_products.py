"""Products of Gaussian matrices grow as theory says, and the claims can fail."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from vgcore.experiments import gaussian_products
from vgcore.experiments.base import DOES_NOT, IN_KIND, REPRODUCES
from vgcore.experiments.streams import stream


@pytest.fixture(scope="module")
def drawn() -> gaussian_products.Result:
    return gaussian_products.run(draws=500)


def test_rates_are_means_of_ln_chi() -> None:
    """The i-th rate is E ln chi of n - i + 1 degrees of freedom, here by integration."""
    logarithm = np.linspace(-30, 3, 200_001)
    r = np.exp(logarithm)
    for place, rate in enumerate(gaussian_products.rates(5)):
        density = r ** (5 - place) * np.exp(-(r**2) / 2)
        assert rate == pytest.approx(np.average(logarithm, weights=density), abs=1e-6)


def test_lengths_and_largest_are_of_plain_products(drawn: gaussian_products.Result) -> None:
    """The first draw, multiplied in one go from the same numbers."""
    rng = stream(0, 0)
    product = rng.normal(size=(250, 4, 4))[0]
    vector = np.eye(4)[0]
    grown = np.eye(4)
    for place in range(gaussian_products.MATRICES):
        matrix = rng.normal(size=(250, 4, 4))[0]
        vector, product, grown = matrix @ vector, matrix @ product, matrix @ grown
        length = drawn.products.lengths[0, place]
        assert length == pytest.approx(np.log(np.linalg.norm(vector)), rel=1e-10, abs=1e-10)
    assert drawn.products.largest[0] == pytest.approx(np.log(np.abs(product).max()), rel=1e-10)
    _, triangle = np.linalg.qr(grown)
    rate = np.log(abs(triangle[0, 0])) / gaussian_products.MATRICES
    assert drawn.products.rates[0, 0] == pytest.approx(rate, rel=1e-10)


def test_claims_agree_with_theory_and_can_fail(drawn: gaussian_products.Result) -> None:
    assert drawn.verdict == REPRODUCES
    products = drawn.products
    lengths = products.lengths + 0.02 * np.arange(1, 101)  # by 0.02 a matrix too fast
    faster = gaussian_products.Result(replace(products, lengths=lengths))
    assert [claim.verdict for claim in faster.claims()][1] == IN_KIND
    tame = gaussian_products.Result(replace(products, largest=products.largest - 60))
    assert tame.claims()[0].verdict == DOES_NOT
    turned = gaussian_products.Result(replace(products, rates=products.rates[:, ::-1]))
    assert turned.claims()[3].verdict == DOES_NOT


def test_it_is_shown(drawn: gaussian_products.Result) -> None:
    drawn.picture().savefig(BytesIO())
    (table,) = drawn.tables()
    assert float(table.rows[-1][1]) == pytest.approx(
        np.exp(np.median(drawn.products.lengths[:, -1])), rel=0.01
    )
    assert "500" in " ".join(drawn.notes())


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, drawn: gaussian_products.Result) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        if done > 250:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gaussian_products.run(draws=500, keep=tmp_path / "kept", meter=stop)
    again = gaussian_products.run(draws=500, keep=tmp_path / "kept")
    for name in ("lengths", "largest", "rates", "gradients"):
        np.testing.assert_array_equal(getattr(again.products, name), getattr(drawn.products, name))


@pytest.mark.parametrize(("name", "value"), [("draws", 9), ("seed", -1)])
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{name}: expected an integer of at least"):
        gaussian_products.run(**cast(Any, {name: value}))
