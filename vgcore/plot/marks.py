"""What an axis cannot show, as marks on its edges that the legend counts.

All state is in the artists, by their ``gid``, so that the next flow on the same Axes finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vgcore.plot.fields import Array, Field, Mask
from vgcore.plot.style import smallness

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LARGEST = 1e300  # that a linear axis bears: its range must not overflow
_MARKS = "vgcore.marks"
_MOST_SEEN = 400  # marks beside each other that can be told apart


class Mark(NamedTuple):
    name: str
    marker: str
    edge: float  # of the axis, from 0 to 1
    rise: float  # from one line's to the next one's


MARKS = {
    "zero": Mark("0", "v", 0.02, 0.011),
    "rounded": Mark("0 or rounding", "v", 0.02, 0.011),
    "below": Mark("0 or less", "v", 0.02, 0.011),
    "huge": Mark(f"beyond {LARGEST:g}", "2", 0.98, -0.011),
    "plus": Mark("infinite", "^", 0.98, -0.011),
    "minus": Mark("−infinite", "v", 0.02, 0.011),
    "nan": Mark("NaN", "x", 0.4, 0.03),
}


def kinds(about: Field, y: Array) -> dict[str, Mask]:
    """What of ``y`` an axis cannot show, by the name of its mark."""
    found = {"nan": np.isnan(y), "plus": y == np.inf}
    if about.log:
        found[about.nothing] = y == 0
        found["below"] = y < 0
    else:
        found["minus"] = y == -np.inf
        found["huge"] = np.isfinite(y) & (abs(y) > LARGEST)
    return {name: where for name, where in found.items() if where.any()}


def mark(ax: Axes, kind: str, marks: list[tuple[Array, int, str]]) -> None:
    """Mark places x of lines on the edge of the axis, the lines' marks above each other."""
    from matplotlib import rcParams
    from matplotlib.collections import PathCollection
    from matplotlib.markers import MarkerStyle
    from matplotlib.transforms import IdentityTransform

    about = MARKS[kind]
    low = min(x.min() for x, _, _ in marks)
    width = max(max(x.max() for x, _, _ in marks) - low, 1e-9) / _MOST_SEEN
    offsets, colours = [], []
    for x, place, colour in marks:
        seen = x[np.unique(((x - low) / width).round(), return_index=True)[1]]
        height = about.edge + about.rise * (place % 8)
        offsets.append(np.stack([seen, np.full(len(seen), height)], axis=1))
        colours += [colour] * len(seen)
    marker = MarkerStyle(about.marker)
    drawn = PathCollection(
        [marker.get_path().transformed(marker.get_transform())],
        sizes=[0.78 * (rcParams["lines.markersize"] * smallness(ax)) ** 2],
        offsets=np.concatenate(offsets),
        offset_transform=ax.get_xaxis_transform(),
        facecolors=colours if marker.is_filled() else "none",
        edgecolors=colours,
        linewidths=0.8 * rcParams["lines.linewidth"],
        zorder=4,
        clip_on=False,
        rasterized=len(colours) > 5000,
        gid=f"{_MARKS}.{kind}.{sum(len(x) for x, _, _ in marks)}",
    )
    drawn.set_transform(IdentityTransform())
    ax.add_collection(drawn, autolim=False)


def counts_on(*axes: Axes) -> dict[str, int]:
    """How many values are marks, by kind."""
    total: dict[str, int] = {}
    for artist in (artist for ax in axes for artist in ax.collections):
        if str(artist.get_gid()).startswith(_MARKS):
            kind, count = str(artist.get_gid()).split(".")[-2:]
            total[kind] = total.get(kind, 0) + int(count)
    return total


def counted(name: str, count: int, what: str = "value") -> str:
    """What the legend says of so many values."""
    return f"{name} ({count:,} {what}{'' if count == 1 else 's'})"
