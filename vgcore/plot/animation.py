"""A field over the layers, step after step."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.plot import palette, style
from vgcore.plot.fields import FIELDS
from vgcore.plot.layers import flow as over_layers

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

_SLOWEST = 0.01  # frames a second: a GIF knows no fewer, and a timer counts milliseconds
_MOST_FRAMES = 150
_WRITERS = {".gif": "pillow", ".mp4": "ffmpeg"}


def animate(
    flow: GradientFlow,
    path: str | os.PathLike[str] | None = None,
    *,
    field: str = "delta",
    steps: Iterable[int] | None = None,
    fps: float = 15.0,
    figure: Figure | None = None,
) -> FuncAnimation:
    """Show a field over the layers, a frame for each step, on axes that stay.

    Parameters
    ----------
    flow : GradientFlow
    path : path-like, optional
        Where to write it: .gif, or .mp4 where ffmpeg is installed. Whether it can be written there is seen
        before any frame is drawn.
    field : str
        A field of layers.
    steps : iterable of int, optional
        Recorded steps; left out, 150 at most, evenly from the first to the last.
    fps : float, >= 0.01
        Frames a second; of a GIF at most 100.
    figure : matplotlib.figure.Figure, optional
        An empty one to draw on; left out, a new one, without a ``path`` of pyplot.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        Keep it as long as it is to run; ``to_jshtml()`` is it for a notebook.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, the ending is of no format that can be written, the field is
        unknown, or a step is not recorded.
    FileNotFoundError, IsADirectoryError, PermissionError
        If nothing can be written to ``path``.
    ImportError
        If matplotlib is not installed.
    """
    style.check_flow(flow)
    _validate.one_of("field", field, FIELDS)
    rows = style.rows_of(flow, steps, limit=_MOST_FRAMES)
    rate = _validate.real("fps", fps, minimum=_SLOWEST)
    style.require_matplotlib()
    target = None if path is None else _checked(path)
    if target is not None and target.suffix.lower() == ".gif":  # delays are hundredths of a second
        _validate.real("fps", fps, maximum=100)
    if figure is None and target is not None:  # pyplot's would draw every frame once more
        figure = style.blank(7.2, 4.05)
    figure = style.figure_or_new(figure, 7.2, 4.05)
    from matplotlib.animation import FuncAnimation, writers

    ax = figure.subplots()
    chosen = flow.step[rows] if rows else None
    over_layers(flow, field, ax=ax, steps=chosen, band=(0, 1), legend=False)
    limits, colours = ax.get_ylim(), palette.many(len(rows))

    def draw(frame: int) -> list[Any]:
        ax.clear()
        if rows:
            row = rows[frame]
            over_layers(flow[row], field, ax=ax, color=colours[frame], legend=False)
            ax.set_ylim(limits)
            ax.set_title(
                f"{FIELDS[field].title} at step {flow.step[row]:,}: loss {flow.loss[row]:.3g}"
            )
        else:
            over_layers(flow, field, ax=ax, legend=False)
        return []

    if rows:  # laid out once, as frames are: that takes longer than drawing one
        draw(0)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    made = FuncAnimation(
        figure,
        draw,
        frames=max(1, len(rows)),
        interval=1000 / rate,
        repeat=False,
        cache_frame_data=False,
    )
    if target is not None:
        writer = writers[_WRITERS[target.suffix.lower()]](fps=rate)  # type: ignore[arg-type]
        made.save(target, writer=writer)
    return made


def _checked(path: Any) -> Path:
    """Where to write; raises if that cannot be."""
    target = Path(_validate.path("path", path))
    from matplotlib.animation import writers

    ending = target.suffix.lower()
    if ending not in _WRITERS:
        raise ValueError(f"path: expected a name ending in .gif or .mp4, got {str(target)!r}")
    if not writers.is_available(_WRITERS[ending]):
        raise ValueError(
            f"path: expected a name ending in .gif, got {str(target)!r}, and no ffmpeg; install it, or say "
            "where it is in matplotlib.rcParams['animation.ffmpeg_path']"
        )
    folder = target.parent
    if not folder.is_dir():
        raise FileNotFoundError(f"path: expected a folder that exists, got {str(folder)!r}")
    if target.is_dir():
        raise IsADirectoryError(f"path: expected a file, got the folder {str(target)!r}")
    if not os.access(target if target.exists() else folder, os.W_OK):
        raise PermissionError(f"path: expected somewhere to write, got {str(target)!r}")
    return target
