"""Where frames are shown: in a window, in a notebook's cell, or nowhere but in memory."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore.plot import style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# Seconds in which nobody reads a text twice; drawing one costs as much as all else.
_READ = 1.0
_MARK = 8  # dots that a mark may reach beyond the frame


class Screen:
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
        self._canvas.draw()
        self._publish()


class Window(Screen):
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


class Cell(Screen):
    """A picture in a notebook's cell that is replaced by the next one."""

    def __init__(self, ax: Axes, moving: Sequence[Artist], texts: Sequence[Artist]) -> None:
        from IPython.display import display
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


def of(ax: Axes, moving: Sequence[Artist], texts: Sequence[Artist]) -> Screen:
    """The screen of the figure that axes are on."""
    import matplotlib

    if "inline" in matplotlib.get_backend() and "IPython" in sys.modules:
        return Cell(ax, moving, texts)
    canvas: Any = style.figure_of(ax).canvas
    if getattr(canvas, "required_interactive_framework", None) and canvas.supports_blit:
        return Window(ax, moving, texts)
    return Screen(ax, moving, texts)
