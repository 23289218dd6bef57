"""Points to tell apart and a curve: as scikit-learn, TensorFlow Playground or a formula has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import vgcore as vg
from vgcore.data import circles, moons, sine, spirals, xor

Points = tuple[NDArray[np.float32], NDArray[np.int64]]
SHAPES: dict[str, Callable[..., Points]] = {
    "spirals": spirals,
    "circles": circles,
    "moons": moons,
    "xor": xor,
}
ALL: dict[str, Callable[..., tuple[NDArray[Any], NDArray[Any]]]] = {**SHAPES, "sine": sine}
SIZES = st.integers(4, 60)
SEEDS = st.integers(0, 2**31 - 1)
MANY = 100_000


def in_order(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """A row for each point and label, sorted: what is left of a set without its order."""
    rows = np.column_stack((y, np.round(x.astype(np.float64), 5) + 0.0))  # -0.0 is 0.0
    return rows[np.lexsort(rows.T[::-1])]


def playground_spirals(n: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """TensorFlow Playground's, point by point, without noise; its -1 is 1 and its 1 is 0."""
    points, labels = [], []
    for start, label in ((0.0, 0), (math.pi, 1)):
        for i in range(n // 2):
            r = i / (n // 2) * 5
            t = 1.75 * i / (n // 2) * 2 * math.pi + start
            points.append((r * math.sin(t), r * math.cos(t)))
            labels.append(label)
    return np.array(points), np.array(labels)


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
class TestAll:
    @pytest.mark.parametrize("noise", [0.0, 0.1])
    def test_the_seed_decides(self, make: Callable[..., Points], noise: float) -> None:
        first, again, other = (make(40, noise=noise, seed=seed) for seed in (0, 0, 1))
        for part in range(2):
            np.testing.assert_array_equal(first[part], again[part], strict=True)
            np.testing.assert_array_equal(first[part], make(40, noise)[part], strict=True)
            assert not np.array_equal(first[part], other[part])

    @pytest.mark.parametrize("noise", [0.01, 1.0])
    def test_noise_is_gaussian_of_that_deviation(
        self, make: Callable[..., Points], noise: float
    ) -> None:
        clean, noisy = make(MANY), make(MANY, noise)
        still, moved = (0, 1) if make is sine else (1, 0)
        np.testing.assert_array_equal(clean[still], noisy[still])
        added = (noisy[moved].astype(np.float64) - clean[moved]).ravel() / noise
        assert abs(added.mean()) < 5 / math.sqrt(added.size)
        assert added.std() == pytest.approx(1, abs=5 / math.sqrt(2 * added.size))
        within = math.erf(1 / math.sqrt(2))
        assert (np.abs(added) < 1).mean() == pytest.approx(within, abs=0.01)

    def test_numbers_stay_finite(self, make: Callable[..., Points]) -> None:
        assert all(np.isfinite(part).all() for part in make(1000, 1e30))

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"n": 0}, ValueError, r"n: expected an integer of at least [12], got 0"),
            ({"n": 9.0}, TypeError, "n: expected an integer, got 9.0"),
            (
                {"noise": -0.1},
                ValueError,
                "noise: expected a finite number of at least 0 .*got -0.1",
            ),
            ({"noise": 1e31}, ValueError, r"noise: .* of at most 1e\+30, got 1e\+31"),
            ({"noise": None}, TypeError, "noise: expected a number, got None"),
            ({"seed": -1}, ValueError, "seed: expected an integer of at least 0, got -1"),
            ({"seed": None}, TypeError, "seed: expected an integer, got None"),
        ],
    )
    def test_wrong_arguments(
        self,
        make: Callable[..., Points],
        arguments: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        with pytest.raises(error, match=message):
            make(**{"n": 9, **arguments})

    def test_more_than_memory_holds(self, make: Callable[..., Points]) -> None:
        with pytest.raises((MemoryError, ValueError), match="n: expected"):
            make(2**60)


@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
class TestAllShapes:
    @given(n=SIZES, seed=SEEDS)
    def test_classes_are_of_equal_size_and_mixed(
        self, make: Callable[..., Points], n: int, seed: int
    ) -> None:
        x, y = make(n, 0.0, seed)
        assert x.shape == (n, 2) and x.dtype == np.float32 and x.flags.c_contiguous
        assert y.shape == (n,) and y.dtype == np.int64 and y.flags.c_contiguous
        assert np.abs(x).max() <= 1
        counts = np.bincount(y, minlength=2)
        assert len(counts) == 2 and abs(int(counts[0]) - int(counts[1])) <= n % 2

    def test_order_tells_nothing(self, make: Callable[..., Points]) -> None:
        _, y = make(MANY)
        halves = y[: MANY // 2].mean(), y[MANY // 2 :].mean()
        assert max(abs(half - 0.5) for half in halves) < 5 * 0.5 / math.sqrt(MANY / 2)
        together = (y[1:] == y[:-1]).mean()
        assert together == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(MANY))


class TestSpirals:
    @given(n=SIZES, turns=st.floats(0, 20), classes=st.integers(2, 4))
    def test_the_angle_follows_from_the_radius(self, n: int, turns: float, classes: int) -> None:
        x, y = spirals(n, turns=turns, classes=classes)
        assert set(y.tolist()) == set(range(classes))
        r = np.hypot(*x.astype(np.float64).T)
        t = np.arctan2(x[:, 0], x[:, 1])
        off = t - 2 * np.pi * (turns * r + y / classes)
        # float32 radii are off by 1e-7, which turns multiply; angles by that over the radius
        np.testing.assert_allclose(np.exp(1j * off), 1, atol=1e-6 * (turns + n))
        for label in range(classes):
            m = np.count_nonzero(y == label)
            np.testing.assert_allclose(np.sort(r[y == label]), np.arange(1, m + 1) / m, rtol=1e-6)

    def test_as_tensorflow_playground_has_them(self) -> None:
        n = 200
        ours, theirs = in_order(*spirals(n)), playground_spirals(n)
        theirs = in_order(theirs[0] / 5, theirs[1])
        shared = {tuple(row) for row in np.round(ours, 4)} & {
            tuple(row) for row in np.round(theirs, 4)
        }
        assert len(shared) == n - 2  # but for the origins, in place of which are the two ends
        ends = np.hypot(ours[:, 1], ours[:, 2]) > 1 - 1e-4
        assert np.count_nonzero(ends) == 2

    def test_no_point_is_of_two_classes(self) -> None:
        x, _ = spirals(300, classes=3)
        assert len(np.unique(x.round(4), axis=0)) == 300

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"turns": -1}, ValueError, "turns: expected a finite number of at least 0"),
            ({"turns": "2"}, TypeError, "turns: expected a number, got '2'"),
            ({"classes": 1}, ValueError, "classes: expected an integer of at least 2, got 1"),
            ({"classes": 10}, ValueError, "n: expected an integer of at least 10, got 9"),
        ],
    )
    def test_wrong_arguments(
        self, arguments: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            spirals(9, **arguments)


class TestCircles:
    @pytest.mark.parametrize(("n", "factor"), [(100, 0.8), (101, 0.3), (2, 0.5), (5, 0.0)])
    def test_as_scikit_learn_has_them(self, n: int, factor: float) -> None:
        datasets = pytest.importorskip("sklearn.datasets")
        ours, theirs = circles(n, factor=factor), datasets.make_circles(n, factor=factor)
        np.testing.assert_allclose(in_order(*ours), in_order(*theirs), atol=2e-5)

    @given(n=SIZES, factor=st.floats(0, 0.99))
    def test_the_radius_is_the_class(self, n: int, factor: float) -> None:
        x, y = circles(n, factor=factor)
        np.testing.assert_allclose(np.hypot(*x.T), np.where(y == 1, factor, 1), atol=1e-6)

    def test_the_default_is_scikit_learns(self) -> None:
        x, y = circles(10)
        np.testing.assert_allclose(np.hypot(*x[y == 1].T), 0.8, rtol=1e-6)

    @pytest.mark.parametrize("factor", [1, -0.1, float("nan")])
    def test_wrong_factor(self, factor: float) -> None:
        with pytest.raises(ValueError, match="factor: expected a finite number of at least 0 and"):
            circles(9, factor=factor)


class TestMoons:
    @pytest.mark.parametrize("n", [100, 101, 2, 7])
    def test_as_scikit_learn_has_them(self, n: int) -> None:
        datasets = pytest.importorskip("sklearn.datasets")
        points, labels = datasets.make_moons(n)
        x, y = moons(n)
        np.testing.assert_allclose(
            in_order(x * 1.5 + (0.5, 0.25), y), in_order(points, labels), atol=2e-5
        )

    @given(n=SIZES)
    def test_each_point_is_on_its_half_circle(self, n: int) -> None:
        x, y = moons(n)
        side = np.where(y == 0, 1, -1)
        away = x + side[:, None] * np.array((0.5, 0.25)) / 1.5  # from the middle of its circle
        np.testing.assert_allclose(np.hypot(*away.T), 1 / 1.5, rtol=1e-5)
        assert np.all(away[:, 1] * side >= -1e-6)


class TestXor:
    @given(n=SIZES, seed=SEEDS)
    def test_the_sign_of_the_product(self, n: int, seed: int) -> None:
        x, y = xor(n, 0.0, seed)
        np.testing.assert_array_equal(y, x[:, 0] * x[:, 1] < 0)
        assert np.abs(x).min() >= np.float32(3 / 53)
        quadrants = np.bincount((x[:, 0] < 0) * 2 + (x[:, 1] < 0), minlength=4)
        assert quadrants.max() - quadrants.min() <= 1

    def test_sizes_are_uniform(self) -> None:
        sizes = np.abs(xor(MANY)[0].astype(np.float64)).ravel()
        counts, _ = np.histogram(sizes, bins=20, range=(3 / 53, 1))
        mean = len(sizes) / 20
        assert counts.sum() == len(sizes) and np.abs(counts - mean).max() < 5 * math.sqrt(mean)


class TestSine:
    @given(n=st.integers(1, 60), seed=SEEDS, periods=st.floats(0.1, 20))
    def test_the_formula(self, n: int, seed: int, periods: float) -> None:
        x, y = sine(n, 0.0, seed, periods=periods)
        assert x.shape == y.shape == (n, 1) and x.dtype == y.dtype == np.float32
        assert x.flags.c_contiguous and y.flags.c_contiguous
        np.testing.assert_allclose(y, np.sin(np.pi * periods * x.astype(np.float64)), atol=1e-5)

    @pytest.mark.parametrize("periods", [1, 2, 3])
    def test_numbers_are_uniform_and_go_through_whole_periods(self, periods: int) -> None:
        x, y = sine(MANY, periods=periods)
        counts, _ = np.histogram(x, bins=20, range=(-1, 1))
        assert counts.sum() == MANY and np.abs(counts - MANY / 20).max() < 5 * math.sqrt(MANY / 20)
        order = np.argsort(x[:, 0])
        assert np.count_nonzero(np.diff(np.sign(y[order, 0]))) == 2 * periods - 1
        np.testing.assert_array_equal(sine(9)[1], sine(9, periods=1)[1])
        assert (y.astype(np.float64) ** 2).mean() == pytest.approx(1 / 2, abs=0.01)

    @pytest.mark.parametrize("periods", [0, -1, float("inf")])
    def test_wrong_periods(self, periods: float) -> None:
        with pytest.raises(ValueError, match="periods: expected a finite number above 0"):
            sine(9, periods=periods)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [circles, moons, xor])
def test_networks_learn_them_where_a_line_does_not(make: Callable[..., Points], seed: int) -> None:
    x, y = make(400, 0.05, seed)
    right = []
    for hidden in ([], [vg.Dense(32, "relu")]):
        model = vg.Sequential([*hidden, vg.Dense(2, "softmax")], input_shape=2, seed=seed)
        model.compile("sparse_categorical_crossentropy", vg.Adam(0.03))
        model.fit(x, y, epochs=100, batch_size=20, verbose=0)
        right.append(model.evaluate(*make(400, 0.05, seed + 1000)).accuracy)
    assert right[1] > max(0.9, right[0] + 0.05), right
