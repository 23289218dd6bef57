"""What a picture that moves is shown on: a background that is kept, and the few artists that move over it.

What a frame costs is what its pixels cost on their way to the eye. A window therefore gets those alone that
have changed, and a notebook gets none: the lines as SVG, over the still picture of all else.
"""

from __future__ import annotations

import base64
import html
import io
import sys
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore.plot import style
from vgcore.plot.fields import Array, Mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

# Seconds in which nobody reads a text twice; to draw one takes as long as a frame.
_READ = 1.0
_MARK = 8  # dots that a mark may reach beyond the frame
_NOTEBOOKS = "inline", "ipympl", "nbagg", "widget", "notebook"  # in the names of backends


class Screen:
    """A canvas in memory, the lines that move on it, and a text that changes now and then."""

    _stale = True  # whether what is kept is not what the canvas shows

    def __init__(self, ax: Axes, moving: Sequence[Line2D], text: Text) -> None:
        self._ax, self._moving, self._text = ax, list(moving), text
        self._figure = figure = style.figure_of(ax)
        self._canvas: Any = figure.canvas
        if not hasattr(self._canvas, "copy_from_bbox"):  # of a figure without pyplot
            from matplotlib.backends.backend_agg import FigureCanvasAgg

            self._canvas = FigureCanvasAgg(figure)
        self._layout = self._laid_out = figure.get_layout_engine()
        self._connection = self._canvas.mpl_connect("draw_event", self._redrawn)

    def begin(self) -> None:
        """Show the whole; Ctrl-C may come in between, and `close` undoes what was done."""
        self._canvas.draw()
        self._figure.set_layout_engine("none")  # it is laid out: that takes as long as drawing it
        self._laid_out = self._figure.get_layout_engine()

    @property
    def open(self) -> bool:
        """Whether pyplot has not closed the figure, if it is one of its own."""
        from matplotlib import pyplot

        manager = self._canvas.manager
        there = manager is None or pyplot.fignum_exists(manager.num)
        return bool(there and self._figure.canvas is self._canvas)

    @property
    def whole(self) -> bool:
        """Whether all that moves is still there: not once somebody has cleared the figure or the Axes."""
        artists = (*self._moving, self._text)
        return on_figure(self._ax) and all(artist.axes is self._ax for artist in artists)

    @property
    def _place(self) -> Bbox:
        """Where lines and text are."""
        return self._ax.bbox.padded(_MARK)

    def _redrawn(self, event: Any) -> None:
        """Whoever draws the whole, such as a window that grows, takes the moving artists along.

        A file gets them by itself, in pixels of its own or as shapes; the next frame draws all anew.
        """
        if event.canvas is not self._canvas or self._canvas.is_saving():
            self._stale = True
        elif self.whole:
            self._drawn()
            self._stale = False

    def _drawn(self) -> None:
        self._ground = self._canvas.copy_from_bbox(self._place)
        self._say()
        self._draw_lines()

    def _say(self) -> None:
        self._figure.draw_artist(self._text)
        self._background = self._canvas.copy_from_bbox(self._place)  # with the text on it
        self._said = time.perf_counter()

    def _draw_lines(self) -> None:
        for line in self._moving:
            if line.get_visible():
                self._figure.draw_artist(line)
        self._covered = self._extent()

    def _extent(self) -> Bbox:
        """What the lines cover."""
        from matplotlib.transforms import Bbox

        dots = np.concatenate([_dots(line) for line in self._moving if line.get_visible()])
        seen = dots[np.isfinite(dots).all(axis=1)]
        if not len(seen):
            return self._place
        return Bbox([seen.min(axis=0) - _MARK, seen.max(axis=0) + _MARK])

    def _erase_lines(self) -> None:
        """Lay the background over what they cover."""
        from matplotlib.transforms import Bbox

        left, top, _, _ = self._background.get_extents()  # regions count from the upper edge
        height, box = self._figure.bbox.height, self._covered
        part = Bbox.from_extents(box.x0, height - box.y1, box.x1, height - box.y0)
        self._canvas.restore_region(self._background, part, (left, top))

    def show(self, *, whole: bool) -> None:
        """Show a frame; the ``whole`` of it, where the axes have changed."""
        from matplotlib.transforms import Bbox

        changed = self._place
        if whole or self._stale:
            self._canvas.draw()
        elif time.perf_counter() - self._said > _READ:
            self._canvas.restore_region(self._ground)
            self._say()
            self._draw_lines()
        else:
            before = self._covered
            self._erase_lines()
            self._draw_lines()
            changed = Bbox.union([before, self._covered])
        self._publish(changed)

    def _publish(self, changed: Bbox) -> None:
        """Bring what has changed before the eyes."""

    def close(self) -> None:
        """Let go of the figure; show the whole for good, if anybody looks."""
        self._canvas.mpl_disconnect(self._connection)
        if self._layout is not None and self._figure.get_layout_engine() is self._laid_out:
            self._figure.set_layout_engine(self._layout)
        if self.open and self.whole:
            self._canvas.draw()
            self._publish(self._place)


class _Window(Screen):
    """A canvas of a window, whose events are seen to between two frames."""

    def begin(self) -> None:
        """Open it."""
        super().begin()
        if (manager := self._canvas.manager) is not None:
            manager.show()
        for _ in range(3):  # until it has its place and its size
            self._canvas.flush_events()

    def _publish(self, changed: Bbox) -> None:
        self._canvas.blit(changed)
        self._canvas.flush_events()


class _Cell(Screen):
    """A picture in a notebook's cell that is replaced by the next one."""

    _handle: Any = None  # of what the cell shows

    def __init__(self, ax: Axes, moving: Sequence[Line2D], text: Text) -> None:
        from matplotlib import pyplot

        pyplot.close(style.figure_of(ax))  # or the cell would show it once more when it is done
        super().__init__(ax, moving, text)

    def begin(self) -> None:
        """Show the first frame."""
        super().begin()
        self._display(self._frame())

    @property
    def open(self) -> bool:
        """A cell cannot be closed."""
        return True

    def _drawn(self) -> None:
        self._still = base64.b64encode(self._png()).decode()

    def _display(self, data: dict[str, Any]) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)

    def _png(self) -> bytes:
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(np.asarray(self._canvas.buffer_rgba())).save(file, "png")
        return file.getvalue()

    def _frame(self) -> dict[str, str]:
        width, height = self._canvas.get_width_height()
        scale = self._figure.dpi / 72
        shapes = [_svg_line(line, height, scale) for line in self._moving if line.get_visible()]
        return {
            "image/svg+xml": f'<svg xmlns="http://www.w3.org/2000/svg" '
            'xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
            f'<image width="{width}" height="{height}" '
            f'xlink:href="data:image/png;base64,{self._still}"/>'
            f"{''.join(shapes)}{_svg_text(self._text, height, scale)}</svg>"
        }

    def show(self, *, whole: bool) -> None:
        """Replace the frame; the still picture, too, where the axes have changed."""
        if whole or self._stale:
            self._canvas.draw()
        self._display(self._frame())

    def _publish(self, changed: Bbox) -> None:
        self._display({"image/png": self._png()})


def _dots(line: Line2D) -> Array:
    """Where a line's points are on the canvas, (n, 2)."""
    return np.asarray(line.get_transform().transform(line.get_xydata()), float)


def _svg_line(line: Line2D, height: float, scale: float) -> str:
    """A line and its markers, in dots from the upper left corner; ``scale``: dots of a point."""
    dots = (_dots(line) * (1, -1) + (0, height)).round(1)
    there: Mask = np.logical_and.reduce(np.isfinite(dots), axis=1)
    pen, course, places = "M", [], []
    for (x, y), seen in zip(dots.tolist(), there.tolist(), strict=True):
        if seen:
            course.append(f"{pen}{x} {y}")
            places.append(f"M{x} {y}")
        pen = "L" if seen else "M"
    colour, drawn = line.get_color(), ""
    if line.get_linestyle() != "None" and course:
        drawn += (
            f'<path d="{"".join(course)}" fill="none" stroke="{colour}" '
            f'stroke-width="{line.get_linewidth() * scale:.2f}" stroke-linejoin="round"/>'
        )
    if (marker := str(line.get_marker())) not in ("", "None") and places:
        shape, filled = _svg_marker(marker, line.get_markersize() * scale)
        drawn += (
            f'<path d="{"".join(place + shape for place in places)}" '
            f'fill="{colour if filled else "none"}" stroke="{colour}" '
            f'stroke-width="{line.get_markeredgewidth() * scale:.2f}"/>'
        )
    return drawn


@lru_cache
def _svg_marker(marker: str, size: float) -> tuple[str, bool]:
    """What a pen draws that stands in the marker's middle, and whether it is filled."""
    from matplotlib.markers import MarkerStyle

    style = MarkerStyle(marker)
    path = style.get_transform().transform_path(style.get_path())
    shape = ""
    x, y = 0.0, 0.0
    for polygon in path.to_polygons(closed_only=False):
        pen = "m"
        for to_x, to_y in (np.asarray(polygon) * (size, -size)).round(2).tolist():
            shape += f"{pen}{to_x - x:.2f} {to_y - y:.2f}"
            pen, x, y = "l", to_x, to_y
    return shape, style.is_filled()


def _svg_text(text: Text, height: float, scale: float) -> str:
    """Lines of a text below its upper left corner."""
    x, y = text.get_transform().transform(text.get_position())
    size = float(text.get_fontsize()) * scale
    look = f'font-family="{text.get_fontname()}, sans-serif" font-size="{size:.1f}"'
    return "".join(
        f'<text x="{x:.1f}" y="{height - y + (0.9 + 1.2 * place) * size:.1f}" {look} '
        f'fill="{text.get_color()}">{html.escape(line)}</text>'
        for place, line in enumerate(text.get_text().splitlines())
    )


def on_figure(ax: Axes) -> bool:
    """Whether nobody has taken the axes from their figure."""
    return ax.figure is not None and ax in style.figure_of(ax).axes


def screen_of(ax: Axes, moving: Sequence[Line2D], text: Text) -> Screen:
    """The screen of the figure that axes are on."""
    import matplotlib

    backend = matplotlib.get_backend().lower()
    if "IPython" in sys.modules and any(name in backend for name in _NOTEBOOKS):
        return _Cell(ax, moving, text)
    canvas: Any = style.figure_of(ax).canvas
    if getattr(canvas, "required_interactive_framework", None) and canvas.supports_blit:
        return _Window(ax, moving, text)
    return Screen(ax, moving, text)
