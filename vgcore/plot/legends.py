"""A legend beside the axes that is no higher than they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore.plot import text
from vgcore.plot.style import figure_of, legend, legend_size, longest, room

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_APART = 0.5  # of its text's size: between two entries
_BESIDE = 0.88  # of the height of a panel


def legend_beside(
    ax: Axes,
    handles: Sequence[Artist],
    labels: Sequence[str],
    *,
    ordered: int = 0,
    title: str | None = None,
    widest: float | None = None,
) -> None:
    """A legend beside the axes, where nothing is covered; inside, where nobody makes room.

    Of the first ``ordered`` entries, of layers or steps, it names some where it would be too high.
    """
    if not handles:
        return
    place: dict[str, Any] = {"loc": "best"}
    if figure_of(ax).get_layout_engine() is not None:
        place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0}
    shown = text.fitted(labels, longest(ax, ax, widest))
    heights = [text.LINE * len(label.split("\n")) + _APART for label in shown]
    high = _BESIDE * room(ax)[1] / legend_size(ax) - (2 if title else 1)
    for most in range(max(ordered, 2), 1, -1):
        named = [*text.evenly(ordered, most), *range(ordered, len(labels))]
        height = sum(heights[entry] for entry in named)
        if height <= high:
            break
    legend(
        ax,
        [handles[entry] for entry in named],
        [labels[entry] for entry in named],
        ax,
        ncols=max(1, int(np.ceil(height / high))),
        title=title,
        widest=widest,
        **place,
    )
