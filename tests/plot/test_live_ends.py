"""Live pictures that are broken off, saved, cleared and taken up again while networks train."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from pictures import layered, render
from PIL import Image

import vgcore as vg
from vgcore import plot
from vgcore.model.history import Progress

matplotlib.use("Agg")
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(400, 6)), RNG.normal(size=(400, 2))
FORMATS = ["png", "svg", "pdf"]


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def network(on_nonfinite: Any = "warn", rate: float = 0.01) -> vg.Sequential:
    stack = [*(vg.Dense(9, "tanh") for _ in range(4)), vg.Dense(2)]
    model = vg.Sequential(stack, input_shape=6, seed=0)
    model.compile("mse", vg.SGD(rate), on_nonfinite=on_nonfinite)
    return model


class Epochs(vg.callbacks.Callback):
    """Does something behind each epoch."""

    def __init__(self, act: Callable[[int], Any]) -> None:
        self._act = act

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self._act(epoch)


def fit(model: vg.Sequential, flow: vg.GradientFlow, *callbacks: Any, epochs: int = 5) -> None:
    model.fit(X, Y, epochs=epochs, batch_size=20, track=flow, callbacks=callbacks, verbose=0)


def check_settled(figure: Figure | None, flow: vg.GradientFlow, field: str = "delta") -> None:
    """One picture of the last step, that is saved as any other."""
    assert figure is not None
    (ax,) = figure.axes
    lines = [line for line in ax.get_lines() if line.get_linestyle() != "None"]  # no marks
    np.testing.assert_array_equal(lines[0].get_ydata(), getattr(flow, field)[0])
    np.testing.assert_array_equal(lines[1].get_ydata(), getattr(flow, field)[-1])
    assert len(lines) == 2 and len(ax.texts) == 1
    assert ax.texts[0].get_text().startswith(f"step {flow.step[-1]:,}: loss ")
    assert not any(artist.get_animated() for artist in ax.get_children())
    assert "draw_event" not in figure.canvas.callbacks.callbacks
    engine = type(figure.get_layout_engine()).__name__
    assert engine in ("ConstrainedLayoutEngine", "TightLayoutEngine")
    for kind in FORMATS:
        figure.savefig(BytesIO(), format=kind)


def breaking(error: type[BaseException]) -> Epochs:
    def act(epoch: int) -> None:
        if epoch == 3:
            raise error

    return Epochs(act)


@pytest.mark.parametrize("error", [KeyboardInterrupt, StopIteration])
@pytest.mark.parametrize("share", [1.0, 1e-9])
@pytest.mark.parametrize("first", [False, True])
def test_a_training_that_is_broken_off_leaves_a_picture_of_its_last_step(
    error: type[BaseException], share: float, first: bool
) -> None:
    flow = vg.GradientFlow()
    live = plot.live(flow, share=share)
    told = [breaking(error), live] if first else [live, breaking(error)]
    with pytest.raises(error):
        fit(network(), flow, *told)
    assert len(flow) == 80
    check_settled(live.figure, flow)


def test_so_does_one_that_meets_a_step_that_is_not_finite() -> None:
    flow = vg.GradientFlow()
    live = plot.live(flow, share=1)
    with pytest.raises(FloatingPointError):
        fit(network("raise", rate=1e30), flow, live)
    check_settled(live.figure, flow)


@pytest.mark.parametrize("draws", range(4))
def test_so_does_one_that_is_broken_off_while_it_is_drawn(
    draws: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow, done = vg.GradientFlow(), []
    live = plot.live(flow, share=1, fps=1e9, ax=plot.blank(4, 3).subplots())
    draw = Axes.draw

    def breaking_off(self: Axes, renderer: Any) -> None:
        draw(self, renderer)
        done.append(1)
        if len(done) == draws + 1:
            raise KeyboardInterrupt

    def save(epoch: int) -> None:  # after which the whole is drawn
        assert live.figure is not None
        live.figure.savefig(BytesIO(), format="png")

    monkeypatch.setattr(Axes, "draw", breaking_off)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), flow, live, Epochs(save))
    check_settled(live.figure, flow)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_so_does_one_of_many(error: type[BaseException]) -> None:
    flows = [vg.GradientFlow(), vg.GradientFlow()]
    lives = [plot.live(flow) for flow in flows]
    own = [[lives[0], breaking(error)], [lives[1]]]
    models = [network(), network()]
    try:
        vg.fit_many(models, X, Y, epochs=5, batch_size=20, track=flows, callbacks=own, verbose=0)
    except KeyboardInterrupt:
        assert error is KeyboardInterrupt
    check_settled(lives[0].figure, flows[0])
    if error is ValueError:
        assert len(flows[1]) == 100
        check_settled(lives[1].figure, flows[1])


def test_one_that_ends_before_its_first_step_has_no_picture_and_leaves_the_axes_free() -> None:
    class Failing(vg.callbacks.Callback):
        def on_train_begin(self, model: Any) -> None:
            raise LookupError

    ax = plot.blank(4, 3).subplots()
    flow = vg.GradientFlow()
    with pytest.raises(LookupError):
        fit(network(), flow, plot.live(flow, ax=ax), Failing())
    assert not ax.get_lines()
    flow = vg.GradientFlow()
    live = plot.live(flow, ax=ax)
    fit(network(), flow, live)
    check_settled(live.figure, flow)


def test_on_train_end_is_of_trainings_that_are_not_broken_off() -> None:
    # EarlyStopping restores parameters there, which Ctrl-C leaves as they are.
    ends: list[Any] = []

    class Told(vg.callbacks.Callback):
        def on_train_end(self, model: Any) -> None:
            ends.append(model)

    with pytest.raises(ValueError):  # noqa: PT011
        fit(network(), vg.GradientFlow(), Told(), breaking(ValueError))
    assert not ends


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("pyplots", [False, True])
@pytest.mark.parametrize("options", [{}, {"dpi": 31}, {"bbox_inches": "tight"}])
def test_a_picture_is_saved_while_it_moves_and_moves_on(
    kind: str, pyplots: bool, options: dict[str, Any]
) -> None:
    flow = vg.GradientFlow()
    flow.declare(list("abcd"))
    figure = pyplot.figure() if pyplots else plot.blank(4, 3)
    live = plot.live(flow, fps=1e9, share=1, ax=figure.subplots())
    for step in range(4):
        flow.add(step, loss=1.0, delta=[1 + step, 2, 3 - step / 2, 1])
        live.on_progress(Progress(0, 1, step, None, 1.0))
        picture: Any = live._picture
        picture._text.set_visible(False)  # which is drawn now and then
        canvas = picture._screen._canvas
        if step == 0:
            canvas.draw()
        frame = np.asarray(canvas.buffer_rgba()).copy()
        canvas.draw()
        picture._screen._stale = False
        np.testing.assert_array_equal(frame, np.asarray(canvas.buffer_rgba()), f"{step}")
        file = BytesIO()
        figure.savefig(file, format=kind, **options)
        if kind == "png" and not options:
            with Image.open(file) as saved:  # a file has the line among the rest, not upon it
                pixels = np.asarray(saved.convert("RGBA"))
            blue = np.array(to_rgba(picture._line.get_color())) * 255
            there, moving = ((each == blue.round()).all(axis=2).sum() for each in (pixels, frame))
            assert 0.9 * moving <= there <= moving and moving
        if kind == "svg":
            assert len(re.findall('id="vgcore.live"', file.getvalue().decode())) == 2
    live.on_train_end(None)  # type: ignore[arg-type]
    check_settled(figure, flow)


def test_callbacks_save_a_picture_while_a_network_trains() -> None:
    flow = vg.GradientFlow()
    live = plot.live(flow, share=1)

    def save(epoch: int) -> None:
        assert live.figure is not None
        for kind in FORMATS:
            live.figure.savefig(BytesIO(), format=kind)

    fit(network(), flow, live, Epochs(save))
    check_settled(live.figure, flow)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("broken", [False, True])
def test_a_second_training_goes_on_in_one_picture(given: bool, broken: bool) -> None:
    model, flow = network(), vg.GradientFlow()
    live = plot.live(flow, share=1, ax=plot.blank(4, 3).subplots() if given else None)
    if broken:
        with pytest.raises(ValueError):  # noqa: PT011
            fit(model, flow, live, breaking(ValueError))
    else:
        fit(model, flow, live)
    figure = live.figure
    fit(model, flow, live)
    assert live.figure is figure and len(pyplot.get_fignums()) == (not given)
    assert len(flow) == 180 if broken else 200
    check_settled(figure, flow)


def test_another_picture_takes_the_place_of_one_that_is_done_but_of_nothing_else() -> None:
    ax = plot.blank(4, 3).subplots()
    mine = ax.axhline(0.5)
    for field in ("delta", "saturated", "activation_mean", "delta"):
        flow = vg.GradientFlow()
        live = plot.live(flow, field, ax=ax)
        fit(network(), flow, live)
        assert ax.get_yscale() == ("log" if field == "delta" else "linear")
        assert mine in ax.get_lines()
    mine.remove()
    check_settled(live.figure, flow)


@pytest.mark.parametrize("known", [False, True])
def test_two_pictures_on_the_same_axes_are_refused(known: bool) -> None:
    model, flow, ax = network(), vg.GradientFlow(), plot.blank(4, 3).subplots()
    live = plot.live(flow, ax=ax)
    with pytest.raises(ValueError, match=r"^ax: expected Axes of its own for live\(field='satur"):
        fit(model, flow, live, plot.live(flow, "saturated", ax=ax))
    assert model.step == 0 and not ax.get_lines()
    fit(model, flow, live, plot.live(flow, "saturated"))
    check_settled(live.figure, flow)


def clear_figure(live: Any) -> None:
    live.figure.clf()


def clear_axes(live: Any) -> None:
    live.figure.axes[0].clear()


def remove_axes(live: Any) -> None:
    live.figure.axes[0].remove()


def remove_line(live: Any) -> None:
    live.figure.axes[0].get_lines()[1].remove()


def close_figure(live: Any) -> None:
    pyplot.close(live.figure)


@pytest.mark.parametrize("clear", [clear_figure, clear_axes, remove_axes, remove_line])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("more", [False, True])
def test_a_picture_that_is_cleared_is_not_drawn_any_more(
    clear: Callable[[Any], None], given: bool, more: bool
) -> None:
    model, flow = network(), vg.GradientFlow()
    ax: Axes | None = plot.blank(4, 3).subplots() if given else None
    live = plot.live(flow, share=1, fps=1e9, ax=ax)
    left: list[Any] = []

    def act(epoch: int) -> None:
        assert live.figure is not None
        if epoch == 2:
            clear(live)
            left.append((live.frames, [len(each.get_children()) for each in live.figure.axes]))
        if epoch > 2 and more:  # somebody draws, or saves, what is left
            live.figure.canvas.draw()
            live.figure.savefig(BytesIO(), format="pdf")

    fit(model, flow, live, Epochs(act))
    figure = live.figure
    assert figure is not None and len(flow) == 100
    assert left == [(live.frames, [len(each.get_children()) for each in figure.axes])]
    assert "draw_event" not in figure.canvas.callbacks.callbacks
    assert len(render(figure)) > 0
    fit(model, flow, live)
    assert len(flow) == 200
    if not given:
        assert live.figure is not figure
    if not given or clear in (clear_axes, remove_line):
        check_settled(live.figure, flow)


@pytest.mark.parametrize("given", [False, True])
def test_what_is_closed_is_settled_and_the_next_training_has_a_figure(given: bool) -> None:
    model, flow = network(), vg.GradientFlow()
    live = plot.live(flow, share=1, ax=pyplot.figure().subplots() if given else None)
    fit(model, flow, live, Epochs(lambda epoch: close_figure(live)))
    figure = live.figure
    check_settled(figure, flow)
    fit(model, flow, live)
    assert (live.figure is figure) == given and len(pyplot.get_fignums()) == (not given)
    check_settled(live.figure, flow)


def test_a_layout_that_somebody_has_chosen_meanwhile_stays() -> None:
    flow = layered([[1, 2], [2, 3]])
    live = plot.live(flow, ax=plot.blank(4, 3).subplots())
    live.on_progress(Progress(0, 1, 0, None, 1.0))
    assert live.figure is not None
    live.figure.set_layout_engine("tight")
    mine = live.figure.get_layout_engine()
    live.on_train_end(None)  # type: ignore[arg-type]
    assert live.figure.get_layout_engine() is mine
