"""A field over the layers while it is measured: one line that moves as the network trains.

Only what changes is drawn, over a background that is kept (blitting), and drawing has a purse: of the time
that goes by a share is put in, what a frame costs is taken out, and there is no frame while it is empty. So
training is never slower by more than that share, be it a window, a notebook or a file that is drawn to.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.model.callbacks import Callback
from vgcore.model.history import Progress
from vgcore.plot import curves, palette, style
from vgcore.plot.fields import FIELDS, Array, Field

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from vgcore.model import Sequential

_SHARE = 0.05  # of training's time that frames may take
_ROOM = 10.0  # a log axis that becomes too short grows by so much beyond the line
# Seconds in which nobody reads a text twice; drawing one costs as much as all else.
_READ = 1.0
_MARK = 8  # dots that a mark may reach beyond the frame
_KINDS = "zero", "below", "huge", "plus", "minus", "nan"


class Live(Callback):
    """The callback that `live` makes.

    Attributes
    ----------
    figure : matplotlib.figure.Figure or None
        What is drawn on; None before the first step is recorded, if no Axes were given.
    frames : int
        How many were drawn in the last training.
    seconds : float
        How long they took.
    """

    def __init__(self, flow: GradientFlow, field: str, fps: float, ax: Axes | None) -> None:
        self._flow, self._field, self._about = flow, field, FIELDS[field]
        self._fps, self._ax = fps, ax
        self._picture: _Picture | None = None
        self.figure: Figure | None = None if ax is None else style.figure_of(ax)
        self._begin()

    def _begin(self) -> None:
        self.frames, self.seconds = 0, 0.0
        self._started = self._due = time.perf_counter()

    def on_train_begin(self, model: Sequential) -> None:
        """Begin to count; ValueError if nothing is recorded in the flow."""
        if not self._flow.recording:
            raise ValueError(
                "flow: expected the one that this training records into, fit(track=flow); got another"
            )
        self._begin()

    def on_progress(self, progress: Progress) -> None:
        """Draw a frame, if it is time and there is time for it."""
        now = time.perf_counter()
        broke = self.seconds > _SHARE * (now - self._started)
        closed = self._picture is not None and not self._picture.seen
        if now < self._due or broke or closed or not len(self._flow):
            return
        # One that comes late is no reason for the next to be late.
        self._due = max(self._due + 1 / self._fps, now)
        if self._picture is None:
            self._open()
            self._started = time.perf_counter()  # opening a window is no frame
            return
        self._picture.update()
        self.frames += 1
        self.seconds += time.perf_counter() - now

    def on_train_end(self, model: Sequential) -> None:
        """Draw the last step, and leave a picture that can be saved."""
        if self._picture is None and len(self._flow):
            self._open()
        if self._picture is not None and self._picture.seen:
            self._picture.settle()
        self._picture = None

    def _open(self) -> None:
        self._ax = style.axes_or_new(self._ax)
        self.figure = style.figure_of(self._ax)
        self._picture = _Picture(self._ax, self._flow, self._field, self._about)


def live(
    flow: GradientFlow, field: str = "delta", *, fps: float = 22.0, ax: Axes | None = None
) -> Live:
    """A callback of `Sequential.fit` that draws a field over the layers while the network trains.

    The line of the last recorded step moves; that of the first one stays, faint. What the axis cannot show is
    marked and counted as in `vgcore.plot.flow`. Frames may take 5 % of the time: where one costs more there
    are fewer.

    Parameters
    ----------
    flow : GradientFlow
        What the training records into: ``model.fit(x, y, track=flow, callbacks=[vg.plot.live(flow)])``.
    field : str
        A field of layers.
    fps : float, > 0
        Frames a second, at most.
    ax : matplotlib.axes.Axes, optional
        Where to draw, in a window or a notebook; left out, a new figure of pyplot.

    Returns
    -------
    Live
        A callback, whose ``frames`` and ``seconds`` tell how many there were and what they took.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or the field is unknown.
    ImportError
        If matplotlib is not installed.
    """
    style.check_flow(flow)
    _validate.one_of("field", field, FIELDS)
    rate = _validate.real("fps", fps, above=0)
    style.require_matplotlib()
    return Live(flow, field, rate, None if ax is None else style.axes_or_new(ax))


class _Picture:
    """The artists that move, on the background that stays."""

    def __init__(self, ax: Axes, flow: GradientFlow, field: str, about: Field) -> None:
        self._ax, self._flow, self._field, self._about = ax, flow, field, about
        self._x = np.arange(len(flow.layers), dtype=float)
        self._known = np.full(len(flow.layers), False)
        self._read = 0
        shown = self._shown(self._values())
        self._first = self._shown(getattr(flow, field)[0])
        (first,) = ax.plot(
            self._x, self._first, color=palette.faint(0.3), linewidth=1.0, marker="."
        )
        look = palette.looks(1, palette.hue(0))[0]
        (self._line,) = ax.plot(self._x, shown, animated=True, **look)
        if len(self._x) > curves.MOST_MARKED:
            self._line.set_marker("")
        self._marks = {kind: self._mark(kind, look["color"]) for kind in _KINDS}
        self._text = ax.text(
            0.02, 0.98, "", transform=ax.transAxes, va="top", animated=True, parse_math=False
        )
        lines = [first, self._line]
        style.legend(ax, lines, [f"step {flow.step[0]:,}", "now"], ax, loc="lower right")
        style.name_layers(ax, flow.layers)
        ax.set(xlabel="layer, from input to output", ylabel=about.axis, title=about.title)
        ax.set_xlim(-0.5, max(len(self._x) - 0.5, 0.5))
        ax.grid(alpha=0.2 if palette.on_dark() else 0.3)
        if about.log:
            ax.set_ylim(0.1, 1)
            ax.set_yscale("log")
        self._limits: tuple[float, float] | None = None
        self._fit(self._first)
        self._fit(shown)
        moving = [self._line, *self._marks.values()]
        self._screen = _screen(ax, moving, [self._text])
        self.update()

    @property
    def seen(self) -> bool:
        """Whether anybody looks: not once the figure was closed."""
        return self._screen.open

    def _mark(self, kind: str, colour: str) -> Line2D:
        about = curves.MARKS[kind]
        (line,) = self._ax.plot(
            [],
            [],
            transform=self._ax.get_xaxis_transform(),
            color=colour,
            linestyle="",
            marker=about.marker,
            clip_on=False,
            animated=True,
        )
        return line

    def _values(self) -> Array:
        """The last recorded step; layers that have had a value are known from then on."""
        rows: Array = getattr(self._flow, self._field)
        self._known |= np.logical_not(np.isnan(rows[self._read :]).all(axis=0))
        self._read = len(rows)
        last: Array = rows[-1]
        return last

    def _shown(self, values: Array) -> Array:
        """What the axis can show."""
        shown = np.where(self._known, values, np.nan)
        for where in curves.kinds(self._about, shown).values():
            shown = np.where(where, np.nan, shown)
        return shown

    def update(self) -> None:
        """Draw the last step."""
        values = self._values()
        shown = self._shown(values)
        self._line.set_ydata(shown)
        found = curves.kinds(self._about, np.where(self._known, values, 1.0))
        said = [f"step {self._flow.step[-1]:,}: loss {self._flow.loss[-1]:.4g}"]
        for kind, line in self._marks.items():
            where = found.get(kind)
            line.set_visible(where is not None)
            if where is not None:
                at = self._x[where]
                line.set_data(at, np.full(len(at), curves.MARKS[kind].edge))
                said.append(curves.counted(curves.MARKS[kind].name, len(at)))
        self._text.set_text("\n".join(said))
        self._screen.show(whole=self._fit(shown))

    def _fit(self, shown: Array) -> bool:
        """Have the axis hold the line, with room to move; whether it has become another."""
        finite = shown[np.isfinite(shown)]
        if not finite.size:
            return False
        low, high = float(finite.min()), float(finite.max())
        if self._limits and self._limits[0] <= low and high <= self._limits[1]:
            return False
        if self._limits:
            low, high = min(low, self._limits[0]), max(high, self._limits[1])
        if self._about.share:
            low, high = min(-0.03, low), max(1.03, high)
        elif self._about.log:
            ends = float(np.log10(low)), float(np.log10(high))
            if max(map(abs, ends)) > curves.BORNE:
                curves.scale_to_the_ends(self._ax, *ends)
                self._limits = low, high
                return True
            low, high = low / _ROOM, high * _ROOM
        else:
            room = (high - low) / 4 or max(abs(high), 1.0) / 4
            low, high = low - room, high + room
        self._limits = low, high
        self._ax.set_ylim(low, high)
        return True

    def settle(self) -> None:
        """Draw the last step for good, on an axis that does not tell of the ones between."""
        self._limits = None
        self._fit(self._first)
        self.update()
        moving: list[Artist] = [self._line, *self._marks.values(), self._text]
        for artist in moving:
            artist.set_animated(False)
        self._screen.close()


class _Screen:
    """A canvas whose background is kept, the artists that move on it, and texts that change now and then."""

    def __init__(self, ax: Axes, moving: Sequence[Artist], texts: Sequence[Artist]) -> None:
        self._ax, self._moving, self._texts = ax, list(moving), list(texts)
        self._figure = figure = style.figure_of(ax)
        self._canvas: Any = figure.canvas
        if not hasattr(self._canvas, "copy_from_bbox"):  # of a figure without pyplot
            from matplotlib.backends.backend_agg import FigureCanvasAgg

            self._canvas = FigureCanvasAgg(figure)
        self._ground: Any = None
        self._background: Any = None  # with the texts on it
        self._said = 0.0
        # Whoever draws the whole, such as a window that grows, takes the moving artists along.
        self._connection = self._canvas.mpl_connect("draw_event", self._drawn)
        self._canvas.draw()
        self._layout = figure.get_layout_engine()
        figure.set_layout_engine("none")  # it is laid out: that takes as long as drawing it

    @property
    def open(self) -> bool:
        """Whether pyplot has not closed the figure, if it is one of its own."""
        from matplotlib import pyplot

        manager = self._canvas.manager
        there = manager is None or pyplot.fignum_exists(manager.num)
        return bool(there and self._figure.canvas is self._canvas)

    def _drawn(self, event: Any) -> None:
        self._place = self._ax.bbox.padded(_MARK)
        self._ground = self._canvas.copy_from_bbox(self._place)
        self._say()
        self._draw(self._moving)

    def _say(self) -> None:
        self._draw(self._texts)
        self._background = self._canvas.copy_from_bbox(self._place)
        self._said = time.perf_counter()

    def _draw(self, artists: Sequence[Artist]) -> None:
        for artist in artists:
            if artist.get_visible():
                self._figure.draw_artist(artist)

    def show(self, *, whole: bool) -> None:
        """Show a frame; the ``whole`` of it, where the axes have changed."""
        if whole:
            self._canvas.draw()
        elif time.perf_counter() - self._said > _READ:
            self._canvas.restore_region(self._ground)
            self._say()
            self._draw(self._moving)
        else:
            self._canvas.restore_region(self._background)
            self._draw(self._moving)
        self._publish()

    def _publish(self) -> None:
        """Bring what is drawn before the eyes."""

    def close(self) -> None:
        """Show the whole for good."""
        self._canvas.mpl_disconnect(self._connection)
        self._figure.set_layout_engine(self._layout)
        self._canvas.draw()
        self._publish()


class _Window(_Screen):
    """A canvas of a window, whose events are seen to between two frames."""

    def __init__(self, ax: Axes, moving: Sequence[Artist], texts: Sequence[Artist]) -> None:
        super().__init__(ax, moving, texts)
        if (manager := self._canvas.manager) is not None:
            manager.show()
        for _ in range(3):  # until it has its place and its size
            self._canvas.flush_events()

    def _publish(self) -> None:
        self._canvas.blit(self._place)
        self._canvas.flush_events()


class _Cell(_Screen):
    """A picture in a notebook's cell that is replaced by the next one."""

    def __init__(self, ax: Axes, moving: Sequence[Artist], texts: Sequence[Artist]) -> None:
        from IPython.display import display  # type: ignore[import-not-found]
        from matplotlib import pyplot

        pyplot.close(style.figure_of(ax))  # or the cell would show it once more when it is done
        self._handle: Any = None
        super().__init__(ax, moving, texts)
        self._handle = display(self._image("png"), raw=True, display_id=True)

    def _image(self, kind: str) -> dict[str, bytes]:
        """A still picture as PNG; one of many as JPEG, which is made in a third of the time."""
        from PIL import Image

        file = io.BytesIO()
        pixels = Image.fromarray(np.asarray(self._canvas.buffer_rgba())[..., :3])
        pixels.save(file, kind, **({"quality": 85} if kind == "jpeg" else {}))
        return {f"image/{kind}": file.getvalue()}

    def _publish(self) -> None:
        if self._handle is not None:
            self._handle.update(self._image("jpeg"), raw=True)

    def close(self) -> None:
        """Show the whole for good."""
        super().close()
        self._handle.update(self._image("png"), raw=True)


def _screen(ax: Axes, moving: Sequence[Artist], texts: Sequence[Artist]) -> _Screen:
    """The screen of the figure that axes are on."""
    import matplotlib

    if "inline" in matplotlib.get_backend() and "IPython" in sys.modules:
        return _Cell(ax, moving, texts)
    canvas: Any = style.figure_of(ax).canvas
    if getattr(canvas, "required_interactive_framework", None) and canvas.supports_blit:
        return _Window(ax, moving, texts)
    return _Screen(ax, moving, texts)
