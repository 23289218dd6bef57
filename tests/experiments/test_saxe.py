"""Linear networks learn as plain gradient descent does, and the claims can fail."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from vgcore.experiments import linear, saxe
from vgcore.experiments.base import DOES_NOT, IN_KIND, REPRODUCES, Meter, silent
from vgcore.experiments.images import images
from vgcore.experiments.keep import Keep

TINY = saxe.Scale(
    mode_updates=1000, images=300, components=8, units=16, depths=(2, 6), rates=6, updates=300
)


def measured(data: Path, folder: Path | None = None, meter: Meter = silent) -> saxe.Result:
    return saxe.measure(data, TINY, 0, Keep(folder, "saxe", seed=0), meter)


@pytest.fixture(scope="module")
def learned(mnist_directory: Path) -> saxe.Result:
    return measured(mnist_directory)


def test_equation_12_solves_its_differential_equation() -> None:
    """Tau du/dt = 2 u (s - u), from u0 and half of s where it is said."""
    for s in (3.0, 50.0):
        half = linear.half_learned(np.array([s]))[0]
        assert linear.strength(0, s) == pytest.approx(linear.STRENGTH)
        assert linear.strength(half, s) == pytest.approx(s / 2)
        u = linear.strength(half + np.array([-1.0, 1.0]) * 1e-3, s)
        assert np.diff(u)[0] / 2e-3 == pytest.approx(2 * linear.RATE * (s / 2) ** 2, rel=1e-6)
    assert linear.strength(1e9, 80.0) == 80


def test_features_are_inherited_through_a_tree() -> None:
    features = linear.tree(np.random.default_rng(0))
    assert features.shape == (32, 1000) and set(np.unique(features)) == {-1, 1}
    alike = features @ features.T / 1000
    for levels, pairs in ((1, alike[0, 1]), (5, alike[:16, 16:].mean())):
        assert pairs == pytest.approx(0.8 ** (2 * levels), abs=0.1)  # each flip: 1 - 2 * 0.1


def test_modes_are_learned_as_by_plain_gradient_descent(learned: saxe.Result) -> None:
    features = linear.tree(np.random.default_rng([0, 0]))
    u, s, v = np.linalg.svd(features.T, full_matrices=False)
    np.testing.assert_allclose(learned.strengths, s)
    course = learned.courses["decoupled"]
    w1, w2 = linear.STRENGTH**0.5 * v, linear.STRENGTH**0.5 * u
    for step in range(301):
        if step in course.step:
            look = int(np.flatnonzero(course.step == step)[0])
            np.testing.assert_allclose(
                course.strength[look], np.diag(u.T @ w2 @ w1 @ v.T), rtol=1e-6
            )
        error = features.T - w2 @ w1
        w1, w2 = w1 + linear.RATE * w2.T @ error, w2 + linear.RATE * error @ w1.T


def test_half_of_a_mode_is_interpolated() -> None:
    strength = np.array([[0.0, 0.0], [0.4, 0.0], [0.8, 0.9]])
    times = linear.Course(np.array([0, 5, 10]), strength).half_learned(np.array([1.0, 2.0]))
    assert times[0] == pytest.approx(6.25) and np.isnan(times[1])


def test_condensed_images_have_the_same_error_but_for_a_constant(mnist_directory: Path) -> None:
    given = images(mnist_directory, 200)
    task = linear.condensed(given.x, given.y, 12)
    x, y = given.x.astype(float), np.eye(10)[given.y]
    _, s, v = np.linalg.svd(x, full_matrices=False)
    inputs = x @ v[:12].T / s[0] * np.sqrt(200)  # of which the samples are condensed
    rng = np.random.default_rng(0)
    apart = [
        ((inputs @ w / np.sqrt(200) - y / np.sqrt(200)) ** 2).sum()
        - ((task.x @ w - task.y) ** 2).sum()
        for w in rng.normal(size=(3, 12, 10))
    ]
    np.testing.assert_allclose(apart, apart[0], rtol=1e-9)


def test_a_search_finds_what_plain_gradient_descent_needs(mnist_directory: Path) -> None:
    given = images(mnist_directory, 300)
    task = linear.condensed(given.x, given.y, 8)
    found = linear.search(
        task, 1, "Gaussian", 16, 3, 300, [0]
    )  # one matrix: the start hardly matters
    assert found.best < 300 and found.rates[0] > found.rates[-1]
    network = linear.Sequential(
        [linear.Dense(10, use_bias=False, weight_initializer=linear.VarianceScaling())],
        input_shape=8,
        seed=[0],
    )
    w = np.asarray(network.layers[0].weight, float)
    target = linear.LEARNED * (task.y**2).sum()
    updates = 0
    while (((error := task.x @ w.T - task.y) ** 2).sum()) >= target:
        w = w - found.rate * error.T @ task.x
        updates += 1
    assert found.best == updates


def test_claims_can_fail(learned: saxe.Result) -> None:
    assert learned.claims()[0].verdict == REPRODUCES
    late = {
        kind: linear.Course(each.step * (1.2 if kind == "decoupled" else 1.5), each.strength)
        for kind, each in learned.courses.items()
    }
    assert [c.verdict for c in replace(learned, courses=late).claims()][:3] == [
        DOES_NOT,
        *[IN_KIND] * 2,
    ]

    def times(
        orthogonal: list[float], gaussian: list[float], scale: saxe.Scale, power: float = 1
    ) -> list[str]:
        rates = np.array([1.0])
        searches = {
            start: [
                linear.Search(rates / d**power, np.array([t]))
                for d, t in zip((2, 6), ts, strict=True)
            ]
            for start, ts in (("orthogonal", orthogonal), ("Gaussian", gaussian))
        }
        changed = replace(learned, searches=searches, scale=scale)
        return [claim.verdict for claim in changed.claims()][3:]

    assert times([9, 9], [9, 90], TINY) == [REPRODUCES, IN_KIND, *[REPRODUCES] * 2]
    assert times([9, 9], [9, np.inf], TINY._replace(units=1000)) == [REPRODUCES] * 4
    assert times([9, 9], [9, 90], TINY, 0.58)[2:] == [REPRODUCES, DOES_NOT]
    assert times([9, 9], [9, 90], TINY, -0.1)[2:] == [DOES_NOT] * 2
    assert times([9, 18], [9, 90], TINY)[0] == IN_KIND
    assert times([9, 90], [9, 9], TINY)[:2] == [DOES_NOT] * 2


def test_it_is_shown(learned: saxe.Result) -> None:
    learned.picture().savefig(BytesIO())
    modes, depths = learned.tables()
    assert [row[0] for row in modes.rows] == ["1", "2", "3", "5", "12", "18", "31"]
    assert len(depths.rows) == 2 and learned.notes()


def test_a_run_that_was_stopped_goes_on(
    mnist_directory: Path, tmp_path: Path, learned: saxe.Result
) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        if part == "depths":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(mnist_directory, tmp_path / "kept", stop)
    again = measured(mnist_directory, tmp_path / "kept")
    for kind, each in learned.courses.items():
        np.testing.assert_array_equal(again.courses[kind].strength, each.strength)
    for start, each_depth in learned.searches.items():
        for one, other in zip(again.searches[start], each_depth, strict=True):
            np.testing.assert_array_equal(one.updates, other.updates)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="data: expected a folder that holds MNIST"):
        saxe.run(tmp_path)
