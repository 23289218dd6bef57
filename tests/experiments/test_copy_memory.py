"""Copy memory: losses are those of the task, gradients those of its last ten steps, and claims can fail."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest

from vgcore import data
from vgcore.experiments import copy_memory
from vgcore.experiments.base import silent

SCALE = copy_memory.Scale(12, 2, {4: tuple(copy_memory.CELLS), 8: ("lstm", "linear")})


@pytest.fixture(scope="module")
def measured() -> copy_memory.Result:
    return copy_memory.measured(SCALE, 0, None, silent)


def test_cells_have_about_as_many_parameters() -> None:
    counts = []
    for cell in copy_memory.CELLS:
        model = copy_memory.network(cell, 0)
        counts.append(sum(value.size for value in model.state_dict().values()))
    assert max(counts) / min(counts) < 1.25 and min(counts) > 6_500


def test_a_linear_recurrence_sends_back_what_a_product_of_its_matrix_does() -> None:
    model = copy_memory.network("linear", 3)
    model.compile("sparse_categorical_crossentropy")
    x, y = data.copy_memory(100, 6, 0, one_hot=False)
    found = copy_memory._gradient(model, "linear", x, y)
    _, w_in, w_h, b_in, b_h, v, b = (
        np.asarray(value, float) for value in model.state_dict().values()
    )
    steps, h, states = x.shape[1], np.zeros((100, 80)), []
    for time in range(steps):
        h = w_in[:, x[:, time]].T + b_in + b_h + h @ w_h.T
        states.append(h)
    back, norms = np.zeros((100, 80)), np.zeros(steps)
    for time in range(steps - 1, -1, -1):
        back = back @ w_h
        if time >= steps - 10:
            z = states[time] @ v.T + b
            odds = np.exp(z - z.max(axis=1, keepdims=True))
            odds /= odds.sum(axis=1, keepdims=True)
            odds[np.arange(100), y[:, time]] -= 1
            back = back + odds @ v
        norms[time] = np.linalg.norm(back)
    np.testing.assert_allclose(found / found[-1], norms / norms[-1], rtol=1e-3)
    np.testing.assert_allclose(
        found[:10] / found[10], 1, rtol=1e-4
    )  # what is orthogonal keeps norms


def test_the_baseline_is_what_memory_must_beat(measured: copy_memory.Result) -> None:
    assert [(each.cell, each.delay) for each in measured.courses] == [
        *((cell, 4) for cell in copy_memory.CELLS),
        *(("lstm", 8), ("linear", 8)),
    ]
    for each in measured.courses:
        assert len(each.step) == len(each.loss) == 12
        assert each.start.shape == each.end.shape == (each.delay + 20,)
        assert 0 <= each.right <= 1
        assert each.share == pytest.approx(each.held_out * (each.delay + 20) / (10 * np.log(8)))
    assert [table.rows[-1][0] for table in measured.tables()] == ["baseline"] * 2
    assert measured.notes()
    measured.picture().savefig(io.BytesIO())


def test_claims_can_come_out_both_ways(measured: copy_memory.Result) -> None:
    def verdicts(shares: dict[tuple[str, int], float]) -> list[str]:
        courses = [
            dataclasses.replace(
                each,
                held_out=shares.get((each.cell, each.delay), 1.0)
                * data.chance.copy_memory(each.delay),
            )
            for each in measured.courses
        ]
        return [claim.verdict for claim in copy_memory.Result(courses, 12).claims()]

    good = {("lstm", 4): 0.95, ("linear", 4): 0.01, ("linear", 8): 0.02}
    assert verdicts(good) == ["in kind", "reproduces", "in kind", "in kind"]
    bad = {("rnn", 4): 0.5, ("lstm", 8): 0.9, ("linear", 8): 0.5}
    assert verdicts(bad) == ["does not"] * 4


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, measured: copy_memory.Result) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        if part.startswith("GRU") and done > 8:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        copy_memory.measured(SCALE, 0, tmp_path / "kept", stop)
    again = copy_memory.measured(SCALE, 0, tmp_path / "kept", silent)
    for one, other in zip(measured.courses, again.courses, strict=True):
        for field in dataclasses.fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_bad_input_is_refused() -> None:
    with pytest.raises(TypeError, match="full: expected"):
        copy_memory.run(full=1)  # type: ignore[arg-type]
