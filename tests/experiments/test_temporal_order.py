"""Temporal order with clipping and Ω: starts, methods, new sequences every time, claims that can fail."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgcore.experiments import endless, temporal_order
from vgcore.experiments.base import DOES_NOT, IN_KIND, REPRODUCES, silent
from vgcore.experiments.keep import Keep

TINY = temporal_order.Scale(("basic tanh", "smart tanh"), (6, 30), 20, 2, 40, 20, 50)


def measured(folder: Path | None = None, meter: Any = silent) -> temporal_order.Result:
    kept = Keep(folder, "temporal_order", seed=1, full=False)
    return temporal_order.measure(TINY, 1, kept, meter)


@pytest.fixture(scope="module")
def result() -> temporal_order.Result:
    return measured()


@pytest.mark.parametrize("start", list(temporal_order.STARTS))
def test_networks_start_as_in_the_published_code(start: str) -> None:
    layer, output = temporal_order.network("SGD-CR", start, 50, (0, 1)).layers
    recurrent, deviation = layer.weight_hh, temporal_order.STARTS[start]
    assert layer.activation.name == start.split()[-1] and layer.omega == 2
    for weights in (layer.weight_ih, output.weight):
        assert np.std(weights) == pytest.approx(deviation, rel=0.2)
    assert not layer.bias_ih.any() and not layer.bias_hh.any() and not output.bias.any()
    if start == "smart tanh":
        np.testing.assert_array_equal(np.count_nonzero(recurrent, axis=1), 15)
        assert np.abs(np.linalg.eigvals(recurrent)).max() == pytest.approx(0.95, rel=1e-4)
    else:
        assert np.std(recurrent) == pytest.approx(deviation, rel=0.1)


def test_a_clipped_step_is_that_of_gradient_descent_rescaled() -> None:
    x, y = temporal_order.temporal_order(20, 10, seed=2)
    for method, (clip, omega) in temporal_order.METHODS.items():
        model = temporal_order.network(method, "basic tanh", 20, (3,))
        before = model.state_dict()
        model.train_on_batch(x, y)
        after = model.state_dict()
        moved = np.sqrt(sum(((after[key] - before[key]) ** 2).sum() for key in before))
        assert moved > 0
        if clip is not None:
            assert moved <= 0.01 * clip * (1 + 1e-5)
        if omega == 0:
            _, gradients = temporal_order.network(method, "basic tanh", 20, (3,)).gradients(x, y)
            norm = np.sqrt(sum((each**2).sum() for each in gradients.values()))
            assert moved == pytest.approx(0.01 * min(norm, clip or np.inf), rel=1e-3)


def test_epochs_are_new_and_the_same_again() -> None:
    def make(count: int, seed: int) -> tuple[Any, Any]:
        return np.random.default_rng(seed).random((count, 2)), np.zeros(count)

    source = endless.Endless(make, 4, 250, (1, 2), lambda model: False)
    epochs = []
    for epoch in (0, 1, 0):
        source.on_epoch_begin(epoch, {})
        epochs.append(np.array([x for x, _ in source]))
    assert epochs[0].shape == (250, 4, 2)
    np.testing.assert_array_equal(epochs[0], epochs[2])
    assert len(np.unique(np.array(epochs[:2]))) == 2 * epochs[0].size


def test_training_ends_where_the_task_is_solved() -> None:
    seen: list[int] = []

    def wrong(model: Any) -> float:
        seen.append(1)
        return 0.5 if len(seen) < 3 else 0.0

    ended = endless.practise(
        Keep(None, "some"),
        "part",
        temporal_order.network("SGD", "basic tanh", 4, (0,)),
        lambda count, seed: temporal_order.temporal_order(count, 6, seed=seed),
        wrong,
        batch_size=5,
        below=0.01,
        steps=100,
        every=10,
        seed=(0,),
        meter=silent,
    )
    assert ended == endless.Practised(30, 0.0)


def test_a_stopped_run_goes_on(
    result: temporal_order.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    def stop(part: str, done: int, whole: int) -> None:
        if part == "SGD-C-smart-tanh-30-1" and done == 2:
            raise StoppedError

    monkeypatch.setattr("vgcore.experiments.keep._SECONDS", 0)
    with pytest.raises(StoppedError):
        measured(tmp_path / "kept", stop)
    again = measured(tmp_path / "kept")
    for method in temporal_order.METHODS:
        np.testing.assert_array_equal(again.wrong[method], result.wrong[method])
        np.testing.assert_array_equal(again.steps[method], result.steps[method])
    assert result.wrong["SGD"].shape == (2, 2, 2)


def test_claims_come_out_both_ways(result: temporal_order.Result) -> None:
    def shares(*wrong: float) -> Any:
        return np.broadcast_to(np.array(wrong)[:, np.newaxis], (2, 3, 2)).copy()

    solved = {"SGD": shares(0, 0.5, 0.5), "SGD-C": shares(0, 0.5, 0.7), "SGD-CR": shares(0, 0, 0)}
    paper = dataclasses.replace(result, lengths=np.array([10, 100, 200]), wrong=solved)
    assert [claim.verdict for claim in paper.claims()] == [REPRODUCES] * 4
    shorter = dataclasses.replace(paper, lengths=np.array([10, 30, 50]))
    assert [claim.verdict for claim in shorter.claims()] == [REPRODUCES, *[IN_KIND] * 3]
    half = solved | {"SGD-CR": solved["SGD-CR"] + [[[0, 0], [0, 0], [0, 0.5]]]}
    missed = dataclasses.replace(shorter, wrong=half)
    assert [claim.verdict for claim in missed.claims()] == [
        *(REPRODUCES, DOES_NOT, IN_KIND, IN_KIND)
    ]
    assert "50% of the runs do not at 50; sequences of at most 50 steps" in missed.claims()[1].why
    assert all(claim.why for claim in missed.claims()[1:])
    other = {"SGD": solved["SGD-CR"], "SGD-C": solved["SGD-CR"], "SGD-CR": solved["SGD-C"] + 0.5}
    assert [claim.verdict for claim in dataclasses.replace(paper, wrong=other).claims()] == (
        [DOES_NOT] * 4
    )


def test_it_draws_and_tells(result: temporal_order.Result) -> None:
    result.picture().savefig(io.BytesIO())
    assert [len(table.rows) for table in result.tables()] == [3, 3]
    assert result.notes()


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="seed: expected an integer of at least 0"):
        temporal_order.run(seed=-1)
    with pytest.raises(TypeError, match="full: expected True or False"):
        temporal_order.run(full=1)  # type: ignore[arg-type]
