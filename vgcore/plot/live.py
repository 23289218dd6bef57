"""A field over the layers while it is measured: one line that moves as the network trains.

Only what changes is drawn (screens.py), and drawing has a purse: of the time that goes by a share is put in,
what a frame costs is taken out, and there is no frame while it is empty. So training is never slower by more
than that share, be it a window, a notebook or a file that is drawn to; but for what opens the picture, and
an advance, for a training that is over in a second is one to look at, too.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.model.callbacks import Callback
from vgcore.model.history import Progress
from vgcore.plot import curves, marks, palette, screens, style
from vgcore.plot.fields import FIELDS, Array, Field, Mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from vgcore.model import Sequential

_ADVANCE = 0.1  # seconds that frames may take before training has earned them
_ROOM = 10.0  # a log axis that becomes too short grows by so much beyond the line
_GID = "vgcore.live"  # of all that a live picture draws
_KINDS = "zero", "below", "huge", "plus", "minus", "nan"
_TAKEN: dict[Axes, Live] = {}  # what moves on Axes, while it trains


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

    def __init__(
        self, flow: GradientFlow, field: str, fps: float, share: float, ax: Axes | None
    ) -> None:
        self._flow, self._field, self._about = flow, field, FIELDS[field]
        self._fps, self._share, self._ax = fps, share, ax
        self._own = ax is None  # whether the Axes are, and may be replaced
        self._picture: _Picture | None = None
        self._left: _Picture | None = None  # the one of the training before
        self._trains = False
        self.figure: Figure | None = None if ax is None else style.figure_of(ax)
        self._begin()

    def _begin(self) -> None:
        self.frames, self.seconds = 0, 0.0
        self._started = self._due = time.perf_counter()

    def on_train_begin(self, model: Sequential) -> None:
        """Begin to count; ValueError if nothing is recorded in the flow, or another has the Axes."""
        if not self._flow.recording:
            raise ValueError(
                "flow: expected the one that this training records into, fit(track=flow); got another"
            )
        self._take()
        self._trains = True
        self._begin()

    def on_progress(self, progress: Progress) -> None:
        """Draw a frame, if it is time and there is time for it."""
        now = time.perf_counter()
        broke = self.seconds > _ADVANCE + self._share * (now - self._started)
        closed = self._picture is not None and not self._picture.seen
        if now < self._due or broke or closed:
            return
        # One that comes late is no reason for the next to be late.
        self._due = max(self._due + 1 / self._fps, now)
        if self._picture is None:
            self._open()
            self._started = time.perf_counter()  # opening a picture is no frame
            return
        self._picture.update()
        self.frames += 1
        self.seconds += time.perf_counter() - now

    def on_train_end(self, model: Sequential) -> None:
        """Draw the last step, and leave a picture that can be saved."""
        self._settle()

    def _leave_training(self) -> None:
        """Do the same where training was broken off."""
        if self._trains:
            self._settle()

    def _settle(self) -> None:
        try:
            if self._picture is None:
                self._open()
            if self._picture is not None:
                self._picture.settle()
        finally:
            self._left, self._picture, self._trains = self._picture, None, False
            if self._ax is not None and _TAKEN.get(self._ax) is self:
                del _TAKEN[self._ax]

    def _take(self) -> None:
        """Have the Axes, if there are some, for this picture alone."""
        if self._ax is not None and _TAKEN.setdefault(self._ax, self) is not self:
            raise ValueError(
                f"ax: expected Axes of its own for live(field={self._field!r}), got those on which "
                f"live(field={_TAKEN[self._ax]._field!r}) moves"
            )

    def _open(self) -> None:
        if self._own and self._left is not None and not self._left.seen:
            self._ax = self._left = None
        gone = self._ax is not None and not screens.on_figure(self._ax)
        if gone or not len(self._flow):
            return
        self._ax = style.axes_or_new(self._ax)
        self._take()
        self.figure = style.figure_of(self._ax)
        self._picture = _Picture(self._ax, self._flow, self._field, self._about)
        self._picture.begin()


def live(
    flow: GradientFlow,
    field: str = "delta",
    *,
    fps: float = 21.0,
    share: float = 0.05,
    ax: Axes | None = None,
) -> Live:
    """A callback of `Sequential.fit` that draws a field over the layers while the network trains.

    The line of the last recorded step moves; that of the first one stays, faint. What the axis cannot show is
    marked and counted as in `vgcore.plot.flow`. Frames may take a share of the time: where one costs more
    there are fewer. What opens the picture and the first tenth of a second that frames take do not count.
    When training ends, in whatever way, the picture shows the last step; another training goes on with it.
    A figure that is closed, or whose Axes are cleared, is not drawn on any more in this training.

    Parameters
    ----------
    flow : GradientFlow
        What the training records into: ``model.fit(x, y, track=flow, callbacks=[vg.plot.live(flow)])``.
    field : str
        A field of layers.
    fps : float, > 0
        Frames a second, at most; `fit` gives time for one about every 40 ms.
    share : float, 0 < share <= 1
        Of the time of training, what frames may take; more where a short one is to be watched.
    ax : matplotlib.axes.Axes, optional
        Where to draw, in a window or a notebook, one live picture alone; left out, a new figure of pyplot.

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
    share = _validate.real("share", share, above=0, maximum=1)
    style.require_matplotlib()
    return Live(flow, field, rate, share, None if ax is None else style.axes_or_new(ax))


class _Picture:
    """The artists that move, on the background that stays."""

    def __init__(self, ax: Axes, flow: GradientFlow, field: str, about: Field) -> None:
        self._ax, self._flow, self._field, self._about = ax, flow, field, about
        _remove_old(ax)
        self._x = np.arange(len(flow.layers), dtype=float)
        rows: Array = getattr(flow, field)
        self._known = np.logical_not(np.isnan(rows).all(axis=0))
        self._first, _ = self._shown(rows[0])
        shown, _ = self._shown(rows[-1])
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
        self._move()
        moving = [self._line, *self._marks.values()]
        for artist in (first, *moving, self._text):
            artist.set_gid(_GID)
        self._screen = screens.screen_of(ax, moving, self._text)

    @property
    def seen(self) -> bool:
        """Whether anybody looks: not once the figure was closed or cleared."""
        return self._screen.open and self._screen.whole

    def begin(self) -> None:
        """Show the first frame."""
        self._screen.begin()
        self.update()

    def _mark(self, kind: str, colour: str) -> Line2D:
        about = marks.MARKS[kind]
        (line,) = self._ax.plot(
            [],
            [],
            transform=self._ax.get_xaxis_transform(),
            color=colour,
            linestyle="",
            marker=about.marker,
            clip_on=False,
            animated=True,
            in_layout=False,  # it lies in the figure's corner while there is nothing to mark
        )
        return line

    def _shown(self, values: Array) -> tuple[Array, dict[str, Mask]]:
        """What of layers' values the axis can show, and where it cannot, by the name of its mark.

        Layers that have never had a value pass by; those that have had one have it from then on.
        """
        self._known |= np.logical_not(np.isnan(values))
        found = marks.kinds(self._about, np.where(self._known, values, 1.0))
        hidden = np.logical_or.reduce([np.logical_not(self._known), *found.values()])
        return np.where(hidden, np.nan, values), found

    def update(self) -> None:
        """Draw the last step."""
        self._screen.show(whole=self._move())

    def _move(self) -> bool:
        """Have lines and text tell of the last step; whether the axis has become another."""
        last = self._flow.newest()
        assert last is not None
        shown, found = self._shown(last.fields[self._field][0])
        self._line.set_ydata(shown)
        said = [f"step {last.step[0]:,}: loss {last.loss[0]:.4g}"]
        for kind, line in self._marks.items():
            where = found.get(kind)
            line.set_visible(where is not None)
            if where is not None:
                at = self._x[where]
                line.set_data(at, np.full(len(at), marks.MARKS[kind].edge))
                said.append(marks.counted(marks.MARKS[kind].name, len(at)))
        self._text.set_text("\n".join(said))
        return self._fit(shown)

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
        if self._screen.whole:
            self._limits = None
            self._fit(self._first)
            if self._screen.open:
                self.update()
            else:
                self._move()
            for artist in (self._line, *self._marks.values(), self._text):
                artist.set_animated(False)
        self._screen.close()


def _remove_old(ax: Axes) -> None:
    """Take away what a live picture of another training has left on axes."""
    old = [artist for artist in ax.get_children() if artist.get_gid() == _GID]
    for artist in old:
        artist.remove()
    if old:
        ax.set_yscale("linear")
