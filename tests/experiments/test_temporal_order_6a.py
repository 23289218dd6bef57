"""Temporal order: what counts as right, when a training ends, and what is said of it."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest

from vgcore import data
from vgcore.experiments import temporal_order_6a as order
from vgcore.experiments.base import DOES_NOT, IN_KIND, REPRODUCES, silent
from vgcore.experiments.keep import Keep

SMALL = order.Scale(units=3, trials=2, lots=(1, 1))


@pytest.fixture(scope="module")
def measured() -> order.Result:
    return order.compare(SMALL, 0, Keep(None, "temporal_order_6a"), silent)


def test_right_is_what_is_sure(measured: order.Result) -> None:
    x, y = data.temporal_order(50, 105, "6a", 3)
    model = order.network("RNN", 3, 0)
    odds = model.predict(x)[np.arange(50), y]
    assert order._wrong(model, x, y) == (odds < 0.7).sum() == 50
    model.layers[-1].bias = np.eye(4)[2] * 100  # always the third class
    assert order._wrong(model, x, y) == (y != 2).sum()


def test_a_training_ends_where_all_of_a_lot_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([7, 3, 0, 1])
    monkeypatch.setattr(order, "_wrong", lambda *_: next(answers))
    trial = order.train(order.network("LSTM", 2, 0), 0, lots=3)
    np.testing.assert_array_equal(trial.wrong, [7, 3, 0])
    assert (trial.learned, trial.tested_wrong) == (4000, 1)


def test_no_lot_is_another() -> None:
    lots = [order.lot(seed, number) for seed in (0, 1) for number in (0, 1)]
    assert len({x.tobytes() for x, _ in lots}) == 4
    np.testing.assert_array_equal(order.lot(0, 1)[0], lots[1][0])


def test_claims_can_fail(measured: order.Result) -> None:
    assert measured.claims()[0].verdict == DOES_NOT  # three units learn nothing of one lot
    trial = measured.trials["LSTM"][0]
    solved = dataclasses.replace(trial, learned=30_000, tested_wrong=1, accuracy=1.0)
    good = dataclasses.replace(measured, trials=measured.trials | {"LSTM": [solved, solved]})
    assert [claim.verdict for claim in good.claims()] == [REPRODUCES] * 4
    early = dataclasses.replace(solved, learned=8_000)
    sooner = dataclasses.replace(measured, trials=measured.trials | {"LSTM": [early]})
    assert sooner.claims()[1].verdict == IN_KIND
    careless = dataclasses.replace(solved, tested_wrong=4)
    worse = dataclasses.replace(measured, trials=measured.trials | {"LSTM": [careless, trial]})
    assert [claim.verdict for claim in worse.claims()][::2] == [DOES_NOT, IN_KIND]
    swapped = dataclasses.replace(measured, trials={"LSTM": [trial], "RNN": [solved]})
    assert swapped.claims()[3].verdict == DOES_NOT


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, measured: order.Result) -> None:
    class StoppedError(Exception):
        pass

    def stop(part: str, done: int, whole: int) -> None:
        if part.startswith("RNN"):
            raise StoppedError

    with pytest.raises(StoppedError):
        order.compare(SMALL, 0, Keep(tmp_path, "temporal_order_6a"), stop)
    again = order.compare(SMALL, 0, Keep(tmp_path, "temporal_order_6a"), silent)
    assert again.tables() == measured.tables()


def test_it_draws_and_refuses(measured: order.Result) -> None:
    measured.picture().savefig(io.BytesIO())
    assert len(measured.tables()[0].rows) == 4
    with pytest.raises(TypeError, match="full: expected True or False"):
        order.run(full=1)  # type: ignore[arg-type]
