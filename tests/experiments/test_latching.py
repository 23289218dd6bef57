"""Latching a bit: trainings and gradients beside NumPy twins, and claims that can fail."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgcore.experiments import latching
from vgcore.experiments.base import DOES_NOT, REPRODUCES, silent
from vgcore.experiments.keep import Keep
from vgcore.experiments.streams import stream

TINY = latching.Scale((4, 30), (0.5, 2.0), (0.01, 0.5), 3, 2, 60)


def measured(folder: Path | None = None, meter: Any = silent) -> latching.Result:
    kept = Keep(folder, "latching", seed=1, full=False)
    return latching.measure(TINY, 1, kept, meter)


@pytest.fixture(scope="module")
def result() -> latching.Result:
    return measured()


def descended(
    x: Any, y: Any, w: float, first: Any, steps: int, rate: float
) -> tuple[float, np.ndarray]:
    """Gradient descent on the mean squared error, with w and the first inputs, by the chain rule."""
    first = np.array(first, np.float64)
    noise = x[:, :, -1] * 1e6
    for _ in range(steps):
        states = [np.zeros(len(x))]
        for t in range(x.shape[1]):
            states.append(np.tanh(w * states[-1] + x[:, t, :-1] @ first + noise[:, t]))
        delta, change, changes = 2 * (states[-1] - y[:, 0]) / len(x), 0.0, np.zeros_like(first)
        for t in range(x.shape[1])[::-1]:
            delta = delta * (1 - states[t + 1] ** 2)
            change += delta @ states[t]
            changes += delta @ x[:, t, :-1]
            delta = delta * w
        w, first = w - rate * change, first - rate * changes
    return w, first


def test_the_unit_is_trained_by_gradient_descent_and_its_noise_is_not() -> None:
    rng = np.random.default_rng(3)
    x, y = latching.sequences(8, 0.2, 5, rng)
    assert x.shape == (10, 8, 7) and x[:, : latching.FIRST, :-1].sum() == 30
    assert not x[:, latching.FIRST :, :-1].any() and not x[:, : latching.FIRST, -1].any()
    assert np.std(x[:, latching.FIRST :, -1] * 1e6) == pytest.approx(np.sqrt(0.2), rel=0.3)
    first = rng.uniform(-0.1, 0.1, 6)
    model = latching.unit(1.25, first)
    model.fit(x, y, epochs=30, batch_size=10, shuffle=False, verbose=0)
    w, first = descended(x, y, 1.25, first, 30, 0.5)
    weights = model.state_dict()
    assert weights["unit.weight_hh"].item() == pytest.approx(w, rel=1e-3)
    np.testing.assert_allclose(weights["unit.weight_ih"][0, :-1], first, rtol=1e-3, atol=1e-5)
    assert weights["unit.weight_ih"][0, -1] == 1e6


def test_what_is_left_is_the_product_of_slopes() -> None:
    right, left = latching.hold(1.5, 20, (4, 2))
    x, y = latching.sequences(20, 0.2, 500, stream(4, 2))
    inputs = x[:, :, :-1] @ np.repeat([2.0, -2.0], latching.FIRST) + x[:, :, -1] * 1e6
    states = [np.zeros(len(x))]
    for t in range(20):
        states.append(np.tanh(1.5 * states[-1] + inputs[:, t]))
    assert right == pytest.approx(np.mean(np.sign(states[-1]) == np.sign(y[:, 0])), abs=0.002)
    slopes = np.array([1.5 * (1 - state[::10] ** 2) for state in states[1:]])[::-1]
    products = np.cumprod(slopes, axis=0)[[4, 9, 14]]
    np.testing.assert_allclose(left, [1, *np.median(products, axis=1)], rtol=1e-3)


def test_a_stopped_run_goes_on(result: latching.Result, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(part: str, done: int, whole: int) -> None:
        if part == "grid" and done == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        measured(tmp_path / "kept", stop)
    again = measured(tmp_path / "kept")
    for field in ("converged", "final", "density", "by_hand"):
        np.testing.assert_array_equal(getattr(again, field), getattr(result, field))


def test_claims_come_out_both_ways(result: latching.Result) -> None:
    assert result.converged.shape == (2, 3) and result.density.shape == (2, 2)
    falls = np.array([[True] * 3, [False] * 3])
    grid = np.array([[0.5, 1], [0, 0.5]])
    good = dataclasses.replace(result, converged=falls, density=grid, grid_runs=9)
    assert [claim.verdict for claim in good.claims()] == [REPRODUCES] * 3
    unit = dataclasses.replace(result.unit, left=np.ones_like(result.unit.left) * 1.0)
    bad = dataclasses.replace(
        result, converged=falls[::-1], density=np.array([[0.5, 0], [1, 0.5]]), unit=unit
    )
    assert [claim.verdict for claim in bad.claims()][1:] == [DOES_NOT] * 2
    lost = dataclasses.replace(result.unit, held=np.zeros_like(result.unit.held))
    assert dataclasses.replace(result, unit=lost).claims()[0].verdict == DOES_NOT


def test_it_draws_and_tells(result: latching.Result) -> None:
    result.picture().savefig(io.BytesIO())
    lengths, units = result.tables()
    assert [row[0] for row in lengths.rows] == ["4", "30"] and len(units.rows) == 15
    assert result.notes()


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="seed: expected an integer of at least 0"):
        latching.run(seed=-1)
    with pytest.raises(TypeError, match="full: expected True or False"):
        latching.run(full=1)  # type: ignore[arg-type]
