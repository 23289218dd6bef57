"""Animations, and pictures that move while a network trains."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from pictures import INF, NAN, layered, render
from PIL import Image

import vgcore as vg
from vgcore import plot
from vgcore.model.history import Progress

matplotlib.use("Agg")
moving = importlib.import_module("vgcore.plot.live")  # whose name the function has


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def fit(flow: vg.GradientFlow, callback: object, seconds: float) -> None:
    """Train for some time."""
    rng = np.random.default_rng(0)
    stack = [*(vg.Dense(60, "tanh") for _ in range(8)), vg.Dense(2)]
    model = vg.Sequential(stack, input_shape=20, seed=0)
    model.compile("mse", vg.SGD(0.01))
    x, y = rng.normal(size=(512, 20)), rng.normal(size=(512, 2))
    until = time.monotonic() + seconds
    late = lambda epoch, logs: time.monotonic() > until  # noqa: E731
    model.fit(x, y, epochs=10_000, batch_size=16, track=flow, callbacks=[callback, late], verbose=0)


def test_a_live_picture_shows_the_last_step_and_can_be_saved() -> None:
    flow = vg.GradientFlow()
    callback = plot.live(flow)
    fit(flow, callback, 0.8)
    assert callback.figure is not None
    (ax,) = callback.figure.axes
    first, line = ax.get_lines()[:2]
    np.testing.assert_array_equal(line.get_ydata(), flow.delta[-1])
    np.testing.assert_array_equal(first.get_ydata(), flow.delta[0])
    assert f"step {flow.step[-1]:,}" in ax.texts[0].get_text()
    assert not any(artist.get_animated() for artist in ax.get_children())
    assert len(render(callback.figure)) > 2000


class Clock:
    """Seconds that pass when a test says so; a breath of training is one of 40 ms."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def train(self, callback: Any, seconds: float) -> None:
        callback._begin()
        for _ in range(round(seconds / 0.04)):
            self.now += 0.04
            callback.on_progress(Progress(0, 1, 0, None, 1.0))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(moving, "time", made)
    return made


@pytest.mark.parametrize("cost", [0.001, 0.004, 0.03, 0.5])
def test_frames_take_their_share_of_the_time_and_no_more(
    cost: float, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def update(self: Any) -> None:
        clock.now += cost

    callback = plot.live(layered([[1, 2], [2, 3]]), ax=plot.blank(4, 3).subplots())
    callback.on_progress(Progress(0, 1, 0, None, 1.0))  # opens the picture
    monkeypatch.setattr(moving._Picture, "update", update)
    clock.train(callback, 40.0)
    assert callback.seconds == pytest.approx(callback.frames * cost)
    affordable = 0.05 * clock.now / cost
    least, most = min(0.9 * affordable, 20 * 40.0), min(affordable, 22 * clock.now)
    assert least <= callback.frames <= most + 1


def test_a_callback_serves_one_training_after_another_on_axes_that_are_given() -> None:
    figure = plot.blank(4, 3)
    ax = figure.subplots()
    for _ in range(2):
        flow = vg.GradientFlow()
        fit(flow, plot.live(flow, ax=ax), 0.3)
        ax.clear()
    assert not pyplot.get_fignums()


@pytest.mark.parametrize(
    "rows",
    [[[1, 1]], [[0, 0], [NAN, INF]], [[NAN, NAN]], [[1e-3, 0], [INF, 1e9]], [[1.7e308, 5e-324]]],
)
@pytest.mark.parametrize("field", ["delta", "saturated", "activation_mean"])
def test_a_live_picture_of_anything(rows: list[list[float]], field: str) -> None:
    recorded, flow = layered(rows), vg.GradientFlow()
    flow.declare(recorded.layers)
    callback = plot.live(flow, field, fps=1e9, ax=plot.blank(4, 3).subplots())
    for row in range(len(recorded)):
        flow.add(
            row, loss=1.0, delta=recorded.delta[row], saturated=rows[row], activation_mean=rows[row]
        )
        callback.on_progress(Progress(0, 1, row, None, 1.0))
    callback.on_train_end(None)  # type: ignore[arg-type]
    assert isinstance(callback.figure, Figure)
    (ax,) = callback.figure.axes
    render(callback.figure)
    bad = np.array(rows[-1])
    unseen = np.count_nonzero(~np.isfinite(bad)) if field != "delta" else np.count_nonzero(bad == 0)
    if unseen and not np.isnan(np.array(rows)).all():
        assert "value" in ax.texts[0].get_text()


@pytest.mark.parametrize("given", [False, True])
def test_a_picture_that_is_closed_is_not_drawn_any_more(given: bool) -> None:
    class Closing(vg.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            pyplot.close("all")

    flow = vg.GradientFlow()
    callback = plot.live(flow, ax=pyplot.figure().subplots() if given else None)
    model = vg.Sequential([vg.Dense(3)], input_shape=4, seed=0)
    model.compile("mse")
    x, y = np.ones((8, 4)), np.ones((8, 3))
    model.fit(x, y, epochs=9, track=flow, verbose=0, callbacks=[callback, Closing()])
    assert len(flow) == 9 and not pyplot.get_fignums()


def test_a_training_that_records_elsewhere_does_not_begin() -> None:
    callback = plot.live(vg.GradientFlow())
    with pytest.raises(ValueError, match=r"flow: expected the one .* fit\(track=flow\)"):
        fit(vg.GradientFlow(), callback, 0.1)
    assert callback.figure is None and callback.frames == 0 and not pyplot.get_fignums()


def test_an_animation_has_a_frame_for_each_step(tmp_path: Path) -> None:
    flow = layered([[10.0**-n, 1] for n in range(5)])
    made = plot.animate(flow, tmp_path / "all.gif", fps=10)
    with Image.open(tmp_path / "all.gif") as image:
        assert image.n_frames == 5  # type: ignore[attr-defined]
    assert not pyplot.get_fignums()
    plot.animate(flow, tmp_path / "some.gif", steps=[0, 40])
    with Image.open(tmp_path / "some.gif") as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]
    assert made is not None


def test_the_axis_of_an_animation_holds_every_frame() -> None:
    flow = layered([[10.0**-n, 1] for n in range(5)])
    figure = plot.blank(4, 3)
    made = plot.animate(flow, figure=figure)
    limits = []
    for frame in range(5):
        made._func(frame)  # type: ignore[attr-defined]
        limits.append(figure.axes[0].get_ylim())
        assert "e-" not in figure.axes[0].get_title() or frame
    assert len(set(limits)) == 1 and limits[0][0] <= 1e-4 and limits[0][1] >= 1
    made._draw_was_started = True  # or matplotlib warns that nobody looked


def test_a_path_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = layered([[1, 2]])
    (tmp_path / "flow.gif").mkdir()
    with pytest.raises(IsADirectoryError, match="path: expected a file, got the folder"):
        plot.animate(flow, tmp_path / "flow.gif")
    for rate in (0.001, 1000):
        with pytest.raises(ValueError, match="fps: expected"):
            plot.animate(flow, tmp_path / "a.gif", fps=rate)
    monkeypatch.setattr("matplotlib.animation.writers.is_available", lambda name: False)
    with pytest.raises(ValueError, match=r"path: expected a name ending in .gif, got .* no ffmpeg"):
        plot.animate(flow, tmp_path / "flow.mp4")
    with pytest.raises(TypeError, match="path"):
        plot.animate(flow, 3)  # type: ignore[arg-type]
