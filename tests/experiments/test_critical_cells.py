"""Critical starts: cells are what theory is of, and claims follow from what was measured."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgcore.experiments import critical_cells
from vgcore.experiments.base import silent
from vgcore.experiments.keep import Keep

TINY = critical_cells._Scale((0.5, 1.1, 2.0), (2, 3), 8, 3, 8, 2, 5)
NOWHERE = Keep(None, "critical_cells")


@pytest.fixture(scope="module")
def measured() -> critical_cells.Result:
    return critical_cells.compared(TINY, 0, NOWHERE, silent)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def test_the_gated_cell_starts_as_a_minimal_rnn() -> None:
    units = 8
    model = critical_cells.network("minimal", 1.5, units, 0)
    x = np.random.default_rng(0).standard_normal((1, 6, 64))
    state = {name: value.astype(float) for name, value in model.state_dict().items()}
    update = slice(units, 2 * units)
    w, v = state["cell.weight_hh"][update], state["cell.weight_ih"][update]
    seen = np.tanh(x[0] @ state["dense1.weight"].T)
    h = np.zeros(units)
    walked = model.internals(x)["cell"].h
    for t in range(6):
        u = sigmoid(w @ h + v @ seen[t] + 4)
        h = u * h + (1 - u) * seen[t]
        np.testing.assert_allclose(walked[0, t], h, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.8, 3.0, 12.0])
def test_chi_is_what_many_random_units_give(sigma: float) -> None:
    """Of a minimal RNN that is drawn, with weights that are drawn anew at each timestep."""
    rng = np.random.default_rng(0)
    units = 2_000
    h = np.zeros(units)
    squares = []
    for t in range(250):
        seen = np.tanh(0.1 * rng.standard_normal(units))
        z = sigma * np.sqrt(np.mean(h**2)) * rng.standard_normal(units)
        u = sigmoid(z + np.sqrt(np.mean(seen**2)) * rng.standard_normal(units) + 4)
        if t >= 150:  # dh_t/dh_{t-1} = diag(u) + diag(u' (h - x')) W
            squares.append(np.mean(u**2) + sigma**2 * np.mean((u * (1 - u) * (h - seen)) ** 2))
        h = u * h + (1 - u) * seen
    assert critical_cells.minimal_chi(sigma) == pytest.approx(np.mean(squares), rel=2e-3)


def test_vanilla_chi_solves_the_map_of_lengths() -> None:
    z = np.random.default_rng(0).standard_normal(100_000)
    for sigma in (0.7, 1.1, 2.0):
        q = 1.0
        for _ in range(200):
            q = sigma**2 * np.mean(np.tanh(np.sqrt(q) * z) ** 2) + 0.05**2
        chi = sigma**2 * np.mean((1 - np.tanh(np.sqrt(q) * z) ** 2) ** 2)
        assert critical_cells.vanilla_chi(sigma) == pytest.approx(chi, rel=5e-3)


def test_digits_that_are_held_out_are_others() -> None:
    x, y = critical_cells._sequences(600, 3, 0)
    assert x.shape == (600, 3, 64) and y.shape == (600,)
    assert np.std(x[:, 1:]) == pytest.approx(0.1, rel=0.02)
    first, held_out = ({each.tobytes() for each in part[:, 0]} for part in (x[:-512], x[-512:]))
    assert not first & held_out


def test_claims_come_out_both_ways(measured: critical_cells.Result) -> None:
    def of(off: float, right: dict[str, Any]) -> list[str]:
        factors = {
            cell: critical_cells.Measured(np.tile(measured.theory(cell) * (1 + off), (2, 1)))
            for cell in measured.measured
        }
        trained = {
            cell: critical_cells.Trained(np.array(share, float)) for cell, share in right.items()
        }
        result = replace(measured, measured=factors, trained=trained)
        return [claim.verdict for claim in result.claims()]

    peak, flat, none = [[0.5, 0.9, 0.6], [0.1, 0.8, 0.3]], [[1.0] * 3] * 2, [[0.1] * 3] * 2
    published = {"vanilla": peak, "orthogonal": flat, "minimal": flat}
    assert of(0.005, published) == ["reproduces", "in kind", "reproduces", "in kind"]
    turned = {"vanilla": [[0.9, 0.1, 0.8]] * 2, "orthogonal": none, "minimal": none}
    assert of(0.3, turned) == ["does not"] * 4
    partly = {"vanilla": peak, "orthogonal": flat, "minimal": [[1.0, 0.1, 1.0], [1.0] * 3]}
    assert of(0.03, partly)[:3] == ["in kind", "in kind", "in kind"]


def test_ranks_share_ties() -> None:
    ranks = critical_cells._ranks(np.array([3.0, 1.0, 3.0, 2.0]))
    np.testing.assert_array_equal(ranks, [3.5, 1, 3.5, 2])


def test_it_is_drawn_and_told(measured: critical_cells.Result) -> None:
    measured.picture().savefig(io.BytesIO())
    (table,) = measured.tables()
    assert [row[0] for row in table.rows] == ["0.5", "1.1", "2"]
    right = np.ones((len(measured.lengths), 3))
    right[-1, 0] = 0
    trained = dict.fromkeys(critical_cells.CELLS, critical_cells.Trained(right))
    (table,) = replace(measured, trained=trained).tables()
    less, most = measured.lengths[-2:]
    assert [row[-1] for row in table.rows] == [f"{less}", f"≥ {most}", f"≥ {most}"]
    assert measured.notes()


def test_a_run_that_was_stopped_goes_on(measured: critical_cells.Result, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(part: str, done: int, whole: int) -> None:
        if part == "minimalRNN, 2 timesteps":
            raise StoppedError

    with pytest.raises(StoppedError):
        critical_cells.compared(TINY, 0, Keep(tmp_path, "critical_cells"), stop)
    again = critical_cells.compared(TINY, 0, Keep(tmp_path, "critical_cells"), silent)
    for cell, trained in measured.trained.items():
        np.testing.assert_array_equal(trained.right, again.trained[cell].right)
    for cell, factors in measured.measured.items():
        np.testing.assert_array_equal(factors.factor, again.measured[cell].factor)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"seed": -1}, ValueError), ({"full": 1}, TypeError), ({"keep": 3}, TypeError)],
)
def test_bad_input_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        critical_cells.run(**options)
