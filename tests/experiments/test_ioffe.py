"""What goes into sigmoids is that of a plain twin, with and without batch norms, and the claims can fail."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from vgcore.experiments import ioffe
from vgcore.experiments.base import DOES_NOT, IN_KIND, REPRODUCES, Meter, silent
from vgcore.experiments.images import images
from vgcore.experiments.keep import Keep

TINY = ioffe.Scale(240, 100, epochs=2, draws=2)


def measured(data: Path, folder: Path | None = None, meter: Meter = silent) -> ioffe.Result:
    return ioffe.measure(data, TINY, 0, Keep(folder, "ioffe", seed=0), meter)


@pytest.fixture(scope="module")
def seen(mnist_directory: Path) -> ioffe.Result:
    return measured(mnist_directory)


@pytest.mark.parametrize("kind", ioffe.KINDS)
def test_inputs_and_accuracy_before_training_are_those_of_a_plain_network(
    mnist_directory: Path, seen: ioffe.Result, kind: str
) -> None:
    given = images(mnist_directory, 240, 100)
    state = ioffe.network(kind, [0, 1]).state_dict()
    weights = [np.asarray(v, float) for name, v in state.items() if np.ndim(v) == 2]
    assert weights[0].std() == pytest.approx(0.1, rel=0.02)
    h = (given.held_out_x > 0.5).astype(float)
    assert set(np.unique(h)) == {0, 1}
    for weight in weights[:3]:
        z = h @ weight.T
        if kind == "with":
            z = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5)
        h = 1 / (1 + np.exp(-z))
    course = seen.courses[kind][1]
    wanted = np.percentile(z, ioffe.PERCENTILES, axis=0)
    # a norm divides by deviations of some 1e-2 behind small weights, whose float32 has fewer digits
    np.testing.assert_allclose(course.inputs[0], wanted, rtol=2e-3, atol=2e-3)
    if kind == "without":
        right = (h @ weights[3].T).argmax(axis=1) == given.held_out_y
        assert course.accuracy[0] == pytest.approx(right.mean(), abs=0.011)


def course(median: list[float], spread: list[float], accuracy: list[float]) -> ioffe.Course:
    middle, half = np.array(median)[:, None], np.array(spread)[:, None] / 2
    inputs = np.stack([middle - half, middle, middle + half], axis=1)
    return ioffe.Course(np.array(accuracy), np.repeat(inputs, 4, axis=2))


def test_measures_of_a_known_course() -> None:
    known = course([0, 3, 1], [1, 4, 2], [0.1, 0.5, 0.9])
    np.testing.assert_array_equal(known.moves, [3] * 4)
    np.testing.assert_array_equal(known.widens, [4] * 4)
    np.testing.assert_array_equal(known.typical, [[-0.5, 0, 0.5], [1, 3, 5], [0, 1, 2]])
    known.inputs[1, :, 0] += 5
    np.testing.assert_array_equal(known.typical[:, 1], [0, 3, 1])


def test_claims_can_fail(seen: ioffe.Result) -> None:
    steady = course([0, 0.1, 0], [2, 2.5, 2], [0.1, 0.95, 0.95])
    drifts = course([0, 2, 0], [0.1, 2, 3], [0.1, 0.5, 0.92])
    stuck = course([0, 0, 0], [1, 1, 1], [0.1, 0.1, 0.1])

    def verdicts(without: ioffe.Course, norms: ioffe.Course, paper: bool = False) -> list[str]:
        courses = {"without": [without], "with": [norms]}
        result = replace(seen, courses=courses, paper=paper)
        return [claim.verdict for claim in result.claims()]

    assert verdicts(drifts, steady) == [IN_KIND] * 4
    assert verdicts(drifts, steady, paper=True) == [REPRODUCES] * 4
    assert verdicts(steady, drifts) == [DOES_NOT] * 4
    assert verdicts(stuck, steady) == [IN_KIND, IN_KIND, DOES_NOT, DOES_NOT]
    assert verdicts(stuck, stuck)[:2] == [DOES_NOT] * 2
    result = replace(seen, courses={"without": [stuck], "with": [drifts]}, every=100)
    assert (result.reached("without"), result.reached("with")) == (None, 200)
    assert "200 updates with, more than all without" in result.claims()[0].measured


def test_it_is_shown(seen: ioffe.Result) -> None:
    seen.picture().savefig(BytesIO())
    (table,) = seen.tables()
    assert len(table.rows) == 2 and "8 updates" in table.title
    assert "MNIST's" in seen.notes()[0] and not seen.paper


def test_a_run_that_was_stopped_goes_on(
    mnist_directory: Path, tmp_path: Path, seen: ioffe.Result
) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        if part == "with-0":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(mnist_directory, tmp_path / "kept", stop)
    again = measured(mnist_directory, tmp_path / "kept")
    for kind in ioffe.KINDS:
        for one, other in zip(again.courses[kind], seen.courses[kind], strict=True):
            np.testing.assert_array_equal(one.inputs, other.inputs)
            np.testing.assert_array_equal(one.accuracy, other.accuracy)


def test_bad_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="data: expected a folder that holds MNIST"):
        ioffe.run(tmp_path)
    with pytest.raises(ValueError, match="seed: expected"):
        ioffe.run(tmp_path, seed=-1)
