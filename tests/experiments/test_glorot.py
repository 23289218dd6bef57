"""What is measured of Glorot's networks is that of a plain twin, and the claims can fail."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from vgcore.experiments import glorot
from vgcore.experiments.base import DOES_NOT, IN_KIND, REPRODUCES, Meter, silent
from vgcore.experiments.courses import GUESSING, Course, Training
from vgcore.experiments.images import images
from vgcore.experiments.keep import Keep

TINY = glorot.Scale(40, Training(images=400, held_out=300, epochs=2, batch_size=10, every=2))


def measured(data: Path, folder: Path | None = None, meter: Meter = silent) -> glorot.Result:
    return glorot.measure(data, TINY, 0, Keep(folder, "glorot", seed=0), meter)


@pytest.fixture(scope="module")
def seen(mnist_directory: Path) -> glorot.Result:
    return measured(mnist_directory)


@pytest.mark.parametrize(("start", "bound"), [("standard", 1 / 40**0.5), ("normalized", 0.273861)])
def test_starts_are_uniform_within_the_bounds_of_the_paper(start: str, bound: float) -> None:
    weights = glorot.network("tanh", 5, start, 40, 0).layers[2].weight
    assert (
        np.abs(weights).max() == pytest.approx(bound, rel=0.01)
        and (pytest.approx(0.273861, rel=1e-5)) == (6 / 80) ** 0.5
    )
    assert weights.var() == pytest.approx(bound**2 / 3, rel=0.1)


def test_the_start_is_that_of_a_plain_network(mnist_directory: Path, seen: glorot.Result) -> None:
    given = images(mnist_directory, 400, 300)
    state = glorot.network("tanh", 5, "normalized", 40, 0).state_dict()
    weights = [np.asarray(v, float) for name, v in state.items() if name.endswith("weight")]
    h, outputs = given.held_out_x[:300].astype(float), []
    for w in weights[:-1]:
        h = np.tanh(h @ w.T)
        outputs.append(h)
    start = seen.tanh["normalized"].start
    np.testing.assert_allclose(start.activation_std[0, :-1], [o.std() for o in outputs], rtol=1e-4)
    logits = np.exp(outputs[-1] @ weights[-1].T)
    delta = logits / logits.sum(axis=1, keepdims=True) - np.eye(10)[given.held_out_y[:300]]
    for place in reversed(range(5)):
        delta = delta @ weights[place + 1] * (1 - outputs[place] ** 2)
        norm = np.linalg.norm(delta) / 300
        assert start.delta[0, place] == pytest.approx(norm, rel=1e-4)
    jacobian = (1 - outputs[1][0] ** 2)[:, None] * weights[1]
    average = np.linalg.svd(jacobian, compute_uv=False).mean()
    assert seen.singular["normalized"][0] == pytest.approx(average, rel=1e-4)


def test_the_tiny_scale_shows_what_does_not_need_training(seen: glorot.Result) -> None:
    verdicts = [claim.verdict for claim in seen.claims()]
    assert DOES_NOT not in verdicts[:4]
    assert 0.3 < seen.factor < 1 / 3


def test_claims_can_fail(seen: glorot.Result) -> None:
    swapped = replace(
        seen,
        tanh={"standard": seen.tanh["normalized"], "normalized": seen.tanh["standard"]},
        singular={"standard": seen.singular["normalized"], "normalized": seen.singular["standard"]},
    )
    assert [claim.verdict for claim in swapped.claims()][:3] == [DOES_NOT] * 3
    for left, verdict in ((0.95, REPRODUCES), (0.75, IN_KIND), (0.4, DOES_NOT)):
        start = SimpleNamespace(delta=np.array([[left, 1, 1, 1, 1, 1]]))
        course = replace(seen.tanh["normalized"], start=cast(Any, start))
        claim = replace(seen, tanh=seen.tanh | {"normalized": course}).claims()[2]
        assert claim.verdict == verdict
        assert ("25% are lost" in claim.why) == (left == 0.75)
    for top, verdict in ((0.05, REPRODUCES), (0.2, IN_KIND), (0.5, DOES_NOT)):
        pushed = doctored(seen.sigmoid, activation_mean=np.tile([0.5, 0.52, 0.6, top, 0], (9, 1)))
        assert replace(seen, sigmoid=pushed).claims()[6].verdict == verdict
    slow, quick = (
        replace(doctored(each, delta=each.flow.delta, loss=np.full(40, loss)), error=error)
        for each, loss, error in zip(seen.tanh.values(), (2.3, 0.1), (0.0176, 0.0164), strict=True)
    )
    there = {"standard": slow, "normalized": quick}
    assert replace(seen, tanh=there).claims()[5].verdict == REPRODUCES
    turned = {"standard": quick, "normalized": slow}
    assert replace(seen, tanh=turned).claims()[5].verdict == DOES_NOT
    still = doctored(seen.tanh["standard"], delta=np.ones((8, 6)), loss=np.ones(8))
    assert replace(seen, tanh=there | {"standard": still}).claims()[4].verdict == DOES_NOT


def doctored(course: Course, **arrays: np.ndarray) -> Course:
    """The course with other numbers of its training."""
    step = np.arange(0, 2 * len(next(iter(arrays.values()))), 2)

    class Flow(SimpleNamespace):
        def __len__(self) -> int:
            return len(step)

    return replace(course, flow=cast(Any, Flow(step=step, **arrays)))


def test_a_loss_is_that_of_the_fifty_updates_before(seen: glorot.Result) -> None:
    course = seen.tanh["standard"]
    assert course.updates == 80 and len(course.loss) == len(course.flow) == 40
    assert course.loss[24] == pytest.approx(course.flow.loss[:25].mean())
    assert np.isnan(course.loss[:24]).all()
    assert doctored(course, loss=np.linspace(4, 0, 100)).learned(1.5) == 148
    assert doctored(course, loss=np.full(100, GUESSING)).learned() is None


def test_it_is_shown(seen: glorot.Result) -> None:
    seen.picture().savefig(BytesIO())
    starts, ends = seen.tables()
    assert (len(starts.rows), len(ends.rows)) == (10, 3)
    assert "MNIST's" in seen.notes()[0]
    assert "80 updates" in ends.title


def test_a_run_that_was_stopped_goes_on(
    mnist_directory: Path, tmp_path: Path, seen: glorot.Result
) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        if part == "tanh-normalized" and done > 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(mnist_directory, tmp_path / "kept", stop)
    again = measured(mnist_directory, tmp_path / "kept")
    pairs = [
        *zip(again.tanh.values(), seen.tanh.values(), strict=True),
        (again.sigmoid, seen.sigmoid),
    ]
    for one, other in pairs:
        np.testing.assert_array_equal(one.flow.delta, other.flow.delta)
        assert one.error == other.error


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="data: expected a folder that holds MNIST"):
        glorot.run(tmp_path)
