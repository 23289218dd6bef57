"""The forget gate's bias: networks start as they say, and claims follow from what was measured."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgcore import data
from vgcore.experiments import forget_bias
from vgcore.experiments.base import silent
from vgcore.experiments.keep import Keep

TINY = forget_bias._Scale(length=8, units=6, steps=30, networks=2)
NOWHERE = Keep(None, "forget_bias")


@pytest.fixture(scope="module")
def measured() -> forget_bias.Result:
    return forget_bias.compared(TINY, 0, NOWHERE, silent)


def test_cells_are_those_of_the_biases_and_a_gru(measured: forget_bias.Result) -> None:
    assert [cell.bias for cell in measured.cells[:-1]] == [-2, 0, 1, 2]
    assert measured.cells[-1].name == "GRU" and np.isnan(measured.cells[-1].bias)
    for cell in measured.cells:
        assert cell.norms.shape == (2, 8) and cell.loss.shape == (2, len(cell.step))
        assert cell.factor.shape == cell.mse.shape == (2,)
    for bias in forget_bias.BIASES:
        layer = forget_bias.network(bias, TINY, 3).layers[0]
        np.testing.assert_array_equal(layer.bias_ih + layer.bias_hh, np.repeat([0, bias, 0, 0], 6))
        assert np.abs(layer.weight_hh).max() <= 0.3 / 6**0.5


def test_the_gradient_is_that_of_the_equations() -> None:
    model = forget_bias.network(1.0, TINY, 0, "float64")
    x, y = data.adding_problem(1, TINY.length)
    flow = model.gradient_flow(x, y)
    state = model.state_dict()
    w, u, b = (state[f"cell.{name}"] for name in ("weight_ih", "weight_hh", "bias_ih"))

    def loss(start: int, offset: Any) -> float:
        """Of the walk with ``offset`` added to c behind timestep ``start``."""
        h, c = np.zeros(6), np.zeros(6)
        for t in range(TINY.length):
            i, f, g, o = np.split(w @ x[0, t] + u @ h + b, 4)
            i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
            c = f * c + i * np.tanh(g) + (offset if t == start else 0)
            h = o * np.tanh(c)
        out = state["dense1.weight"] @ h + state["dense1.bias"]
        return float((out[0] - y[0, 0]) ** 2)

    step = 1e-5
    for t in range(TINY.length):
        slopes = [(loss(t, step * unit) - loss(t, -step * unit)) / (2 * step) for unit in np.eye(6)]
        assert flow.time_cell["cell"][0, t] == pytest.approx(np.linalg.norm(slopes), rel=1e-4)


def test_claims_come_out_both_ways(measured: forget_bias.Result) -> None:
    def of(mse: list[float], factor: list[float]) -> list[str]:
        cells = [
            replace(cell, mse=np.full(5, one), factor=np.full(5, rate))
            for cell, one, rate in zip(measured.cells, mse, factor, strict=True)
        ]
        result = forget_bias.Result(cells, 8)
        assert f"{mse[2] / mse[4]:.2g} times the GRU's" in result.claims()[3].why
        return [claim.verdict for claim in result.claims()]

    as_published = of([0.16, 0.16, 0.001, 0.001, 0.001], [0.1, 0.53, 0.75, 0.9, 0.5])
    assert as_published == ["reproduces", "reproduces", "reproduces", "in kind"]
    flat = of([0.16] * 5, [0.6] * 5)
    assert flat == ["does not", "does not", "reproduces", "does not"]
    easy = of([0.001] * 5, [0.1, 0.6, 0.9, 0.9, 0.5])
    assert easy == ["in kind", "in kind", "does not", "does not"]


def test_it_is_drawn_and_told(measured: forget_bias.Result) -> None:
    measured.picture().savefig(io.BytesIO())
    (table,) = measured.tables()
    assert [row[1] for row in table.rows] == ["0.119", "0.500", "0.731", "0.881", "–"]
    assert measured.notes()


def test_a_run_that_was_stopped_goes_on(measured: forget_bias.Result, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    parts = []

    def stop(part: str, done: int, whole: int) -> None:
        parts.append(part)
        if part == "LSTM, b = 1":
            raise StoppedError

    with pytest.raises(StoppedError):
        forget_bias.compared(TINY, 0, Keep(tmp_path, "forget_bias"), stop)
    parts.clear()
    again = forget_bias.compared(
        TINY, 0, Keep(tmp_path, "forget_bias"), lambda *part: parts.append(part[0])
    )
    assert set(parts) == {"LSTM, b = 1", "LSTM, b = 2", "GRU"}
    for one, other in zip(measured.cells, again.cells, strict=True):
        np.testing.assert_array_equal(one.mse, other.mse)
        np.testing.assert_array_equal(one.loss, other.loss)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"seed": -1}, ValueError),
        ({"seed": "0"}, TypeError),
        ({"full": 1}, TypeError),
        ({"keep": 3}, TypeError),
    ],
)
def test_bad_input_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        forget_bias.run(**options)
