"""The experiments find what they are there to show, by the rules they state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from vgcore.data import mnist, one_hot
from vgcore.experiments import demo, nielsen
from vgcore.experiments.base import DOES_NOT, IN_KIND, REPRODUCES
from vgcore.flow import GradientFlow


@pytest.fixture(scope="module")
def shown() -> demo.Result:
    return demo.run()


@pytest.fixture(scope="module")
def measured(mnist_directory: Path) -> nielsen.Result:
    return nielsen.run(mnist_directory, draws=100, epochs=2)


def test_demo_trains_twins_that_differ_in_activation_and_scale_alone(shown: demo.Result) -> None:
    sick, cured = shown.sick, shown.cured
    for course in (sick, cured):
        assert course.start.layers == ["dense1", "dense2", "dense3", "dense4", "dense5"]
        assert len(course.start) == 1
        np.testing.assert_array_equal(course.flow.step, np.arange(30 * 45))  # 1,438 digits, by 32
        assert len(course.history.epoch) == 30
    assert (shown.trained_on, shown.held_out) == (1438, 359)
    # Variances 1/fan_in and 2/fan_in between the hidden layers, of the same numbers.
    ratio = cured.start.weight_norm / sick.start.weight_norm
    np.testing.assert_allclose(ratio[0, 1:4], np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(ratio[0, 4], 1, rtol=1e-6)


def test_demo_shows_the_disease_and_the_cure(shown: demo.Result) -> None:
    sick, cured = shown.sick.start.rate(), shown.cured.start.rate()
    # A sigmoid's slope is at most 1/4 and the weights keep the norm: a quarter a layer.
    assert 0.2 < sick.factor[0] < 0.3
    assert sick.r2[0] > 0.99
    assert 0.8 < cured.factor[0] < 1.25
    assert np.all(np.diff(shown.sick.bias_grad) > 0)
    assert shown.sick.bias_grad[0] < shown.sick.bias_grad[-1] / 100
    assert shown.cured.bias_grad[0] > shown.cured.bias_grad[-1] / 3
    assert shown.sick.accuracy < 0.2
    assert shown.cured.accuracy > 0.93


def test_demo_prints_the_numbers_of_the_flows(shown: demo.Result) -> None:
    *norms, learned = shown.tables()
    for table, course in zip(norms, (shown.sick, shown.cured), strict=True):
        start = course.start
        assert [row[0] for row in table.rows] == start.layers
        assert [row[1] for row in table.rows] == [f"{v:.5f}" for v in start.bias_grad[0]]
        assert [row[3] for row in table.rows] == [f"{v:.5f}" for v in start.weight_grad[0]]
        factors = start.bias_grad[0, :-1] / start.bias_grad[0, 1:]
        assert [row[2] for row in table.rows] == [*(f"{v:.3f}" for v in factors), "–"]
    accuracies = [row[2] for row in learned.rows]
    assert accuracies == [f"{shown.sick.accuracy:.1%}", f"{shown.cured.accuracy:.1%}", "10.0%"]
    notes = " ".join(shown.notes())
    for course in (shown.sick, shown.cured):
        assert f"{course.start.rate().factor[0]:.3f}" in notes


def test_demo_draws_both_networks_on_one_log_axis(shown: demo.Result) -> None:
    left, right = shown.picture().axes
    assert left.get_yscale() == right.get_yscale() == "log"
    assert left.get_ylim() == right.get_ylim()
    for ax, course in ((left, shown.sick), (right, shown.cured)):
        assert course.name in ax.get_title()
        assert f"{course.accuracy:.0%}" in ax.get_title()
        for line in ax.get_lines():
            step = int(str(line.get_label()).replace(",", ""))
            np.testing.assert_array_equal(line.get_ydata(), course.flow.delta[step])


@pytest.mark.parametrize("epochs", [1, 4])
def test_demo_is_reproducible_and_draws_short_runs(epochs: int) -> None:
    parts: list[tuple[str, int, int]] = []
    first, again = (
        demo.run(epochs=epochs, seed=3, meter=lambda *part: parts.append(part)) for _ in range(2)
    )
    other = demo.run(epochs=epochs, seed=4)
    np.testing.assert_array_equal(first.sick.flow.delta, again.sick.flow.delta)
    assert not np.array_equal(first.sick.flow.delta, other.sick.flow.delta)
    assert parts[-1] == (first.cured.name, 45 * epochs, 45 * epochs)
    first.picture().canvas.draw()


@pytest.mark.parametrize("name", ["epochs", "seed"])
def test_demo_refuses_numbers_out_of_range(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: expected an integer of at least"):
        demo.run(**cast(Any, {name: -1}))


def test_nielsen_agrees_with_the_published_values(measured: nielsen.Result) -> None:
    """Each published value is one random draw, so it is held against the spread of 100.

    Here the medians are 0.71 to 1.04 of the published values, and every published value lies between
    the 5th and the 95th percentile.
    """
    assert [len(network.hidden) for network in measured.networks] == [2, 3, 4]
    for network in measured.networks:
        assert network.draws.shape == (100, len(network.hidden))
        published = np.array(nielsen.PUBLISHED[len(network.hidden)])
        low, high = np.percentile(network.draws, (5, 95), axis=0)
        assert np.all((low < published) & (published < high))
        ratio = np.median(network.draws, axis=0) / published
        assert np.all((ratio > 1 / 1.5) & (ratio < 1.5))


def test_nielsen_prints_what_it_measured(measured: nielsen.Result) -> None:
    for table, network in zip(measured.tables(), measured.networks, strict=True):
        published = nielsen.PUBLISHED[len(network.hidden)]
        assert table.columns[2] == "median of 100"
        for place, row in enumerate(table.rows):
            assert row[0] == f"hidden{place + 1}"
            assert float(row[1]) == pytest.approx(network.flow.bias_grad[0, place], rel=1e-3)
            assert float(row[2]) == pytest.approx(np.median(network.draws[:, place]), rel=1e-3)
            assert float(row[4]) == published[place]
    notes = " ".join(measured.notes())
    assert "MNIST's test split" in notes
    assert "Of these 9 values, 9 lie" in notes


def test_nielsen_draws_a_panel_a_depth(measured: nielsen.Result) -> None:
    axes = measured.picture().axes
    assert [ax.get_title() for ax in axes] == [f"{n} hidden layers" for n in (2, 3, 4)]
    for ax, network in zip(axes, measured.networks, strict=True):
        hidden = len(network.hidden)
        lines = ax.get_lines()
        for place, line in enumerate(lines[:hidden]):
            np.testing.assert_array_equal(line.get_ydata(), network.flow.bias_grad[:, place])
        diamonds = [float(np.ravel(line.get_ydata())[0]) for line in lines[hidden:]]
        assert diamonds == list(nielsen.PUBLISHED[hidden])


def test_nielsen_follows_the_book_step_by_step(mnist_directory: Path) -> None:
    """A plain NumPy twin: w decays by eta lambda / n, b does not (network2.py's update)."""
    steps, seed = 5, 11
    result = nielsen.run(mnist_directory, draws=1, epochs=steps, seed=seed)
    x, y = mnist(mnist_directory, "test")
    x, y = x[:1000].astype(float), one_hot(y[:1000], 10).astype(float)
    for network in result.networks:
        state = nielsen.network(len(network.hidden), seed).state_dict()
        weights = [v.astype(float) for name, v in state.items() if name.endswith("weight")]
        biases = [v.astype(float) for name, v in state.items() if name.endswith("bias")]
        for step in range(steps):
            outputs = [x]
            for w, b in zip(weights, biases, strict=True):
                outputs.append(1 / (1 + np.exp(-(outputs[-1] @ w.T + b))))
            delta = (outputs[-1] - y) / len(x)
            norms = []
            for layer in reversed(range(len(weights))):
                h, w = outputs[layer], weights[layer]
                db, dw = delta.sum(axis=0), delta.T @ h
                delta = delta @ w * h * (1 - h)
                norms.append(np.linalg.norm(db))
                weights[layer] = (1 - 0.1 * 5 / 1000) * w - 0.1 * dw
                biases[layer] = biases[layer] - 0.1 * db
            np.testing.assert_allclose(network.flow.bias_grad[step], norms[::-1], rtol=2e-5)


@pytest.mark.parametrize(
    ("speeds", "verdict", "why"),
    [
        ((1, 4, 20, 51), REPRODUCES, ""),
        ((1, 4, 20, 48), IN_KIND, "0.48 of 100"),
        ((1, 4, 20, 201), IN_KIND, "2 of 100"),
        ((1, 4, 20, 100), REPRODUCES, ""),
        ((1, 20, 4, 100), DOES_NOT, ""),
        ((1, 2, 4, 9), DOES_NOT, "0.09 of 100"),
    ],
)
def test_about_100_times_slower_is_up_to_twice_or_half(
    measured: nielsen.Result, speeds: tuple[int, ...], verdict: str, why: str
) -> None:
    class Flow(SimpleNamespace):
        def __len__(self) -> int:
            return 2

    flow = Flow(bias_grad=np.array([[*speeds, 1], [*speeds, 1]]))
    deepest = replace(measured.networks[-1], flow=cast(Any, flow))
    claim = replace(measured, networks=[deepest])._in_training()
    assert claim.verdict == verdict
    assert claim.why.startswith(why) and bool(claim.why) == bool(why)


def test_nielsen_says_which_published_values_are_no_likely_draws(measured: nielsen.Result) -> None:
    network = measured.networks[0]
    off = replace(network, draws=network.draws * [1, 4])
    claim = replace(measured, networks=[off, *measured.networks[1:]]).claims()[0]
    assert claim.verdict == IN_KIND
    assert claim.why.startswith("outside of 90 % of the draws: hidden2's, 0.2")


def test_nielsen_prefers_the_images_to_train_on(mnist_directory: Path, tmp_path: Path) -> None:
    for kind in ("images-idx3", "labels-idx1"):
        source = mnist_directory / f"t10k-{kind}-ubyte.gz"
        (tmp_path / f"train-{kind}-ubyte.gz").symlink_to(source)
    result = nielsen.run(tmp_path, draws=1, epochs=1)
    assert result.images == "the first 1,000 of MNIST's train split"
    assert isinstance(result.networks[0].flow, GradientFlow)


def test_nielsen_names_a_folder_without_mnist(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"data: expected a folder that holds MNIST's files"
    ):
        nielsen.run(tmp_path)


@pytest.mark.parametrize(("name", "value"), [("draws", 0), ("epochs", 0), ("seed", -1)])
def test_nielsen_refuses_numbers_out_of_range(tmp_path: Path, name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{name}: expected an integer of at least"):
        nielsen.run(tmp_path, **cast(Any, {name: value}))
