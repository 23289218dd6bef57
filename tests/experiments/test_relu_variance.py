"""Variances in deep ReLU networks are those of a plain twin, and the claims can fail."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from vgcore.experiments import relu_variance
from vgcore.experiments.base import DOES_NOT, IN_KIND
from vgcore.experiments.gamma import digamma, trigamma


@pytest.fixture(scope="module")
def drawn() -> relu_variance.Result:
    return relu_variance.run(draws=10)


def test_psi_is_the_mean_of_ln_chi_squared_and_its_slope_the_variance() -> None:
    logarithm = np.linspace(-30, 5, 200_001)
    for twice in (1, 2, 3, 4, 9, 80):
        power = twice / 2 * logarithm - np.exp(logarithm) / 2
        density = np.exp(power - power.max())
        mean = np.average(logarithm, weights=density)
        assert np.log(2) + digamma(twice) == pytest.approx(mean, abs=1e-5)
        spread = np.average((logarithm - mean) ** 2, weights=density)
        assert trigamma(twice) == pytest.approx(spread, rel=1e-3)


def test_variances_are_those_of_a_plain_network(drawn: relu_variance.Result) -> None:
    """The first draw of the figure's stable network, in NumPy."""
    setting = relu_variance.FIGURE[2]
    state = relu_variance.network(setting, [0, 2, 0, 1]).state_dict()
    weights = [np.asarray(v) for name, v in state.items() if name.endswith("weight")]
    h = np.random.default_rng([0, 2, 0, 0]).normal(size=(1, 100))
    hidden = []
    for w in weights[:-1]:
        h = np.maximum(h @ w.T, 0)
        hidden.append(h)
    np.testing.assert_allclose(drawn.figure[2].forward[0], [(h**2).mean() for h in hidden])
    delta = 2 * hidden[-1] @ weights[-1].T
    for place in reversed(range(relu_variance.DEPTH)):
        delta = (delta @ weights[place + 1]) * (hidden[place] > 0)
        assert drawn.figure[2].backward[0, place] == pytest.approx((delta**2).sum(), rel=1e-9)


def test_the_typical_draw_loses_what_a_finite_width_costs() -> None:
    """5/(2D) to first order, and next to nothing of a wide network; one unit at a time for D = 1."""
    for width in (50, 400):
        setting = relu_variance.Setting(width, 1, 1, 2 / width)
        assert relu_variance.typical(setting) == pytest.approx(-2.5 / width, rel=0.1)
    squares = np.random.default_rng(0).normal(size=400_000) ** 2
    one = relu_variance.typical(relu_variance.Setting(1, 1, 1, 1.0))
    assert one == pytest.approx(np.log(squares).mean(), abs=0.02)


def test_claims_can_fail(drawn: relu_variance.Result) -> None:
    assert [claim.verdict for claim in drawn.claims()].count(DOES_NOT) == 0
    layers = np.arange(relu_variance.DEPTH)

    def grown(by: float) -> relu_variance.Result:
        figure = [
            replace(each, forward=each.forward * np.exp(by * layers)) for each in drawn.figure
        ]
        return replace(drawn, figure=figure)

    slightly = [claim.verdict for claim in grown(0.03).claims()]
    assert slightly[:2] == [IN_KIND, IN_KIND]
    much = [claim.verdict for claim in grown(1.0).claims()]  # 0.5 is no longer below 1
    assert much[:2] == [DOES_NOT, DOES_NOT]
    assert much[2:] == [claim.verdict for claim in drawn.claims()][2:]


def test_it_is_shown(drawn: relu_variance.Result) -> None:
    forward, _, near = drawn.picture().axes
    line = forward.get_lines()[0]
    np.testing.assert_allclose(line.get_ydata(), np.median(drawn.figure[0].forward, axis=0))
    assert near.get_yscale() == "log"
    for ax in drawn.picture().axes[:2]:
        exponents = np.log10(ax.get_yticks())
        assert len(exponents) > 2 and np.all(np.round(exponents, 6) % 50 == 0)
    drawn.picture().savefig(BytesIO())
    (table,) = drawn.tables()
    assert len(table.rows) == 7
    assert drawn.notes()


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, drawn: relu_variance.Result) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        if part == "D = 100, variance 0.02":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        relu_variance.run(draws=10, keep=tmp_path / "kept", meter=stop)
    again = relu_variance.run(draws=10, keep=tmp_path / "kept")
    for one, other in zip(
        again.figure + again.notebook, drawn.figure + drawn.notebook, strict=True
    ):
        np.testing.assert_array_equal(one.forward, other.forward)
        np.testing.assert_array_equal(one.backward, other.backward)


@pytest.mark.parametrize(("name", "value"), [("draws", 9), ("seed", -1)])
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{name}: expected an integer of at least"):
        relu_variance.run(**cast(Any, {name: value}))
