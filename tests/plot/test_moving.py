"""Animations, and pictures that move while a network trains."""

from __future__ import annotations

import base64
import importlib
import re
import shutil
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pictures import INF, NAN, layered, render
from PIL import Image
from processes import run_python

import vgcore as vg
from vgcore import plot
from vgcore.model.history import Progress
from vgcore.plot import screens

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


def costly(
    cost: float, clock: Clock, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> moving.Live:
    """A live picture that is open, and whose frames take ``cost`` seconds each."""

    def update(self: Any) -> None:
        clock.now += cost

    callback = plot.live(layered([[1, 2], [2, 3]]), ax=plot.blank(4, 3).subplots(), **options)
    callback.on_progress(Progress(0, 1, 0, None, 1.0))
    monkeypatch.setattr(moving._Picture, "update", update)
    return callback


@pytest.mark.parametrize("cost", [0.001, 0.004, 0.03, 0.5])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_frames_take_their_share_of_the_time_and_no_more(
    cost: float, share: float, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    callback = costly(cost, clock, monkeypatch, share=share)
    clock.train(callback, 40.0)
    assert callback.seconds == pytest.approx(callback.frames * cost)
    affordable = (moving._ADVANCE + share * clock.now) / cost
    at_most = min(1 / (cost + 0.04), 21) * clock.now
    least, most = min(0.9 * affordable, 0.9 * at_most), min(affordable, at_most)
    assert least <= callback.frames <= most + 1


@pytest.mark.parametrize("cost", [0.002, 0.01, 0.09])
def test_a_training_of_a_second_has_a_picture_that_moves(
    cost: float, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    callback = costly(cost, clock, monkeypatch)
    clock.train(callback, 0.2)
    assert callback.frames >= 2  # at once, whatever opening it has cost
    clock.train(callback, 1.0)
    assert callback.frames >= min(20, 0.1 / cost)


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


def canvas_of(callback: moving.Live) -> NDArray[np.uint8]:
    """What is drawn, (height, width, 4)."""
    return np.asarray(callback._picture._screen._canvas.buffer_rgba())  # type: ignore[union-attr]


def steps_of_all_kinds() -> Iterator[list[float]]:
    """Values of four layers, step after step: near and far, and such as no axis can show."""
    rng = np.random.default_rng(1)
    for step in range(30):
        row = 10 ** rng.uniform(-2, 2, 4)
        row[step % 4] = [row[0], 0, INF, NAN, 1e-5][step % 5]
        yield list(row)


class Window(FigureCanvasAgg):
    """A window's canvas, of which is seen what was brought before the eyes."""

    required_interactive_framework = "none"
    seen: Any = None

    def draw(self) -> None:
        super().draw()
        self.blit(self.figure.bbox)

    def blit(self, box: Any) -> None:
        pixels = np.asarray(self.buffer_rgba())
        if self.seen is None:
            self.seen = np.zeros_like(pixels)
        (left, low), (right, high) = np.clip(box.get_points(), 0, self.figure.bbox.size)
        rows = slice(int(len(pixels) - high), int(np.ceil(len(pixels) - low)))
        columns = slice(int(left), int(np.ceil(right)))
        self.seen[rows, columns] = pixels[rows, columns]


@pytest.mark.parametrize("field", ["delta", "activation_mean", "saturated"])
@pytest.mark.parametrize("canvas", [FigureCanvasAgg, Window])
def test_what_moves_leaves_nothing_behind(
    field: str, canvas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each frame is what a whole picture of the step would be, though it is drawn over the one before.
    monkeypatch.setattr(screens, "_READ", np.inf)
    flow, ax = vg.GradientFlow(), plot.blank(4, 3).subplots()
    flow.declare(list("abcd"))
    canvas(ax.figure)
    callback = plot.live(flow, field, fps=1e9, share=1, ax=ax)
    frames = 0
    for step, row in enumerate(steps_of_all_kinds()):
        flow.add(step, loss=1.0, **{field: row})
        callback.on_progress(Progress(0, 1, step, None, 1.0))
        picture: Any = callback._picture
        picture._text.set_visible(False)  # which is drawn now and then
        if step == 0:
            picture._screen._canvas.draw()
            continue
        frame = canvas_of(callback).copy()
        if canvas is Window:
            np.testing.assert_array_equal(picture._screen._canvas.seen, frame)
        picture._screen._canvas.draw()
        np.testing.assert_array_equal(frame, canvas_of(callback), f"{step}: {row}")
        if canvas is Window:
            left, low, right, high = picture._ax.bbox.extents.astype(int)
            inner = slice(frame.shape[0] - high, frame.shape[0] - low), slice(left, right)
            np.testing.assert_array_equal(picture._screen._canvas.seen[inner], frame[inner])
        frames += 1
    assert frames == callback.frames == 29


def test_an_axis_takes_the_room_there_is() -> None:
    # Marks of which there are none lie in the figure's corner, and want no room there.
    callback = plot.live(layered([[1, 2], [2, 3]]), ax=plot.blank(4, 3).subplots())
    callback.on_progress(Progress(0, 1, 0, None, 1.0))
    figure: Any = callback.figure
    for settled in (False, True):
        if settled:
            callback.on_train_end(None)  # type: ignore[arg-type]
        (ax,) = figure.axes
        assert ax.yaxis.label.get_window_extent().x0 < 0.03 * figure.bbox.width
        assert ax.xaxis.label.get_window_extent().y0 < 0.03 * figure.bbox.height


class Cell:
    """Stands for IPython's display of one cell, and its handle."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []

    def display(self, data: dict[str, Any], **options: Any) -> Cell:
        assert options == {"raw": True, "display_id": True}
        self.shown.append(data)
        return self

    def update(self, data: dict[str, Any], *, raw: bool) -> None:
        assert raw
        self.shown.append(data)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    made = Cell()
    ipython: Any = types.ModuleType("IPython")
    ipython.version_info, ipython.get_ipython = (9, 0), lambda: None  # which matplotlib asks for
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", made)
    inline = "module://matplotlib_inline.backend_inline"
    monkeypatch.setattr(matplotlib, "get_backend", lambda: inline)
    return made


SVG = "{http://www.w3.org/2000/svg}"


def test_a_notebook_gets_lines_over_a_still_picture_and_in_the_end_one_picture(cell: Cell) -> None:
    flow = vg.GradientFlow()
    flow.declare(["a", "<b>", "c", "d"])
    callback = plot.live(flow, fps=1e9, share=1)
    for step, row in enumerate(steps_of_all_kinds()):
        flow.add(step, loss=step / 8, delta=row)
        callback.on_progress(Progress(0, 1, step, None, 1.0))
        picture: Any = callback._picture
        root = ElementTree.fromstring(cell.shown[-1]["image/svg+xml"])
        width, height = (int(root.get(name) or 0) for name in ("width", "height"))
        assert (width, height) == picture._screen._canvas.get_width_height()
        said = "\n".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))
        assert said.startswith(f"step {step}: loss {step / 8:.4g}")
        course, dots, *marks = (path.get("d") or "" for path in root.iter(f"{SVG}path"))
        there = np.isfinite(row) & (np.array(row) > 0)
        expected = picture._ax.transData.transform(np.stack([np.arange(4), row], 1)[there])
        found = np.array([place.split() for place in re.split("[ML]", course)[1:]], float)
        np.testing.assert_allclose(found, expected * (1, -1) + (0, height), atol=0.06)
        assert dots.count("M") == there.sum() and len(marks) == (1 if not there.all() else 0)
        assert course.count("M") == 1 + (step % 4 in (1, 2) and not there.all())
    assert not pyplot.get_fignums()  # or the cell would show it once more
    callback.on_train_end(None)  # type: ignore[arg-type]
    last = cell.shown[-1]["image/png"]
    with Image.open(BytesIO(last)) as image:
        assert image.size == (width, height)
    assert len(cell.shown) == 33  # opened and filled, moved 29 times, and settled in two


def test_a_still_picture_is_as_dark_as_the_slide(cell: Cell) -> None:
    with pyplot.style.context("dark_background"):
        callback = plot.live(layered([[1, 2], [2, 3]]))
        callback.on_progress(Progress(0, 1, 0, None, 1.0))
    frame = cell.shown[-1]["image/svg+xml"]
    still = re.findall('base64,([^"]+)', frame)[0]
    with Image.open(BytesIO(base64.b64decode(still))) as image:
        assert image.convert("RGB").getpixel((3, 3)) == (0, 0, 0)
    assert 'fill="white"' in frame


def test_a_window_shows_what_is_drawn() -> None:
    pytest.importorskip("tkinter")
    if shutil.which("xvfb-run") is None:
        pytest.skip("no display")
    code = """
import matplotlib
matplotlib.use("tkagg")
import numpy as np
import vgcore as vg
rng = np.random.default_rng(0)
model = vg.Sequential([*(vg.Dense(9, "tanh") for _ in range(5)), vg.Dense(2)], input_shape=4, seed=0)
model.compile("mse", vg.SGD(0.1))
flow, same = vg.GradientFlow(), []
live = vg.plot.live(flow, share=1)
class Compare(vg.callbacks.Callback):
    def on_progress(self, progress):
        canvas = live.figure.canvas
        drawn = np.asarray(canvas.buffer_rgba())
        photo = canvas._tkphoto
        for y, x in rng.integers(0, drawn.shape[:2], (40, 2)).tolist():
            same.append(tuple(drawn[y, x, :3].tolist()) == photo.tk.call(photo, "get", x, y))
x, y = rng.normal(size=(4000, 4)), rng.normal(size=(4000, 2))
model.fit(x, y, epochs=8, batch_size=2, track=flow, callbacks=[live, Compare()], verbose=0)
print(all(same), live.frames > 1, len(same))
"""
    done = run_python("-c", code, through=["xvfb-run", "-a"])
    assert done.stdout.split()[:2] == ["True", "True"], done.stderr


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
    for rate in (1e-320, 1e-300, 0.0, np.nan):  # of no file, too
        with pytest.raises(ValueError, match="fps: expected"):
            plot.animate(flow, fps=rate)
    assert not pyplot.get_fignums()
    monkeypatch.setattr("matplotlib.animation.writers.is_available", lambda name: False)
    with pytest.raises(ValueError, match=r"path: expected a name ending in .gif, got .* no ffmpeg"):
        plot.animate(flow, tmp_path / "flow.mp4")
    with pytest.raises(TypeError, match="path"):
        plot.animate(flow, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [[[1, 2], [3, 4]], [[1, 0], [NAN, 2]]])
@pytest.mark.parametrize("size", [10, 18])
def test_an_animation_fills_its_figure(rows: list[list[float]], size: int) -> None:
    with matplotlib.rc_context({"font.size": size}):
        figure = plot.blank(7.2, 4.05)
        made = plot.animate(layered(rows), figure=figure)
        for frame in range(2):
            made._func(frame)  # type: ignore[attr-defined]
            figure.canvas.draw()
            box = figure.axes[0].get_tightbbox()
            assert box is not None
            left, low, right, high = box.extents / np.tile(figure.bbox.size, 2)
            assert 0 <= left < 0.03 and 0 <= low < 0.03 and 0.97 < right <= 1 and 0.95 < high <= 1
    made._draw_was_started = True  # type: ignore[attr-defined]


def test_an_animation_is_a_film_where_ffmpeg_is(tmp_path: Path) -> None:
    ffmpeg = shutil.which("ffmpeg") or pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    flow = layered([[10.0**-n, 1] for n in range(5)])
    with matplotlib.rc_context({"animation.ffmpeg_path": ffmpeg}):
        for name, figure in [("a.mp4", None), ("odd.MP4", plot.blank(2.01, 1.51))]:
            plot.animate(flow, tmp_path / name, figure=figure)
            assert (tmp_path / name).read_bytes()[4:8] == b"ftyp"
            seen = subprocess.run(
                [ffmpeg, "-i", tmp_path / name, "-f", "null", "-"],
                capture_output=True,
                text=True,
                check=True,
            )
            assert re.findall(r"frame= *(\d+)", seen.stderr)[-1] == "5"


def test_without_ffmpeg_a_film_is_refused_and_says_what_helps(tmp_path: Path) -> None:
    with (
        matplotlib.rc_context({"animation.ffmpeg_path": str(tmp_path / "none")}),
        pytest.raises(ValueError, match=r"path: expected a name ending in .gif, .*ffmpeg_path"),
    ):
        plot.animate(layered([[1, 2]]), tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())
