"""Lines over layers, steps or timesteps, and what an axis cannot show, as what it is.

NaN is a hatched gap with a cross for each line; other marks are in `vgcore.plot.marks`. All state is in the
artists, by their ``gid``, so that the next flow on the same Axes finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vgcore.flow import GradientFlow
from vgcore.plot import palette
from vgcore.plot.fields import Array, Field, Mask
from vgcore.plot.legends import legend_beside
from vgcore.plot.marks import LARGEST, MARKS, counted, counts_on, kinds, mark
from vgcore.plot.palette import Look
from vgcore.plot.style import fit_text, legend, say, smallness

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

UNNAMED = "_nolegend_"  # the label of a line that no legend names, to matplotlib
BAND = "vgcore.band"  # the ``gid`` of a band
_FLOW = "vgcore.flow"
MOST_MARKED = 20  # points of a line that each get a marker
MOST_LINES = 200  # that are artists of their own
BORNE = 150  # powers of ten, up and down, that matplotlib makes a log axis of
_SMALL_SHARE = 0.1  # up to which an axis from 0 to 1 would show nothing
_DECADE = 0.5  # a log axis spans a decade at least: in less, mere noise looks like a course
_MARGIN = 0.13  # above and below the lines where there are marks


class Curve(NamedTuple):
    """Values (n,) over what all lines of a flow stand over, where there are any.

    Of a line that is a summary: the band (2, n) around it, and the values whose marks are drawn, where they
    are not its own.
    """

    y: Array
    present: Mask
    label: str
    look: Look
    band: Array | None = None
    marked: Array | None = None

    @property
    def telling(self) -> Array:
        """The values of which nothing may be passed over."""
        return self.y if self.marked is None else self.marked


def draw(ax: Axes, about: Field, x: Array, curves: Sequence[Curve], *, empty: str) -> None:
    """Draw a flow's lines over x (n,), and marks, and set up the axes.

    ``empty`` is said where there is no value at all.
    """
    gid = f"{_FLOW}.{flows_on(ax)}.{len(x)}"
    spread: dict[str, list[tuple[Array, int, str]]] = {}
    bundle: list[tuple[Array, Array, str]] = []
    for place, curve in enumerate(curves):
        over, shown = x[curve.present], curve.y[curve.present]
        for kind, where in kinds(about, curve.telling[curve.present]).items():
            spread.setdefault(kind, []).append((over[where], place, curve.look["color"]))
        for where in kinds(about, shown).values():
            shown = np.where(where, np.nan, shown)
        if curve.band is not None:
            fill(ax, about, over, curve.band[:, curve.present], curve.look["color"])
        if len(curves) > MOST_LINES and curve.label == UNNAMED:
            bundle.append((over, shown, curve.look["color"]))
            continue
        every = _marked(shown, place, crowded=len(curves) > palette.MOST_TOLD)
        (line,) = ax.plot(over, shown, label=curve.label, gid=gid, markevery=every, **curve.look)
        line.set_markersize(line.get_markersize() * smallness(ax))
        if not every:  # nor has the legend's
            line.set_marker("")
    if bundle:
        _bundle(ax, bundle, gid)
    if len(x):
        ax.update_datalim([(x.min(), 0), (x.max(), 0)], updatey=False)
        ax.autoscale_view(scaley=False)
    for kind, marks in spread.items():
        mark(ax, kind, marks)
    if "nan" in spread:
        gone = [np.isnan(curve.telling) & curve.present for curve in curves]
        hatch(ax, x, np.any(gone, axis=0))
    _finish(ax, about, empty)


def _bundle(ax: Axes, lines: Sequence[tuple[Array, Array, str]], gid: str) -> None:
    """Draw many lines that nobody names as one artist, for thousands take minutes one by one.

    Values alone between two gaps, which no line would show, are dots.
    """
    from matplotlib.collections import LineCollection

    drawn = LineCollection(
        [np.stack(line[:2], axis=1) for line in lines],
        colors=[colour for _, _, colour in lines],
        linewidths=stroke(0.5),
        gid=gid,
        rasterized=True,
    )
    ax.add_collection(drawn)
    dots = [(x[at], y[at], colour) for x, y, colour in lines for at in _alone(y)]
    if dots:
        x, y, colours = zip(*dots, strict=True)
        ax.scatter(x, y, c=colours, s=6 * smallness(ax), rasterized=True)


def fill(
    ax: Axes,
    about: Field,
    x: Array,
    band: Array,
    colour: str,
    *,
    gid: str = BAND,
    outlined: bool = False,
) -> None:
    """Fill or outline a band (2, n); to the edge of the axis where it has no end that the axis can show."""
    from matplotlib.collections import PolyCollection

    ends = (10.0**-BORNE, 10.0**BORNE) if about.log else (-LARGEST, LARGEST)
    low, high = np.clip(band, *ends)
    boxes = []
    for begin, end in runs(np.logical_not(np.isnan(band).any(axis=0))):
        there = np.concatenate([x[begin:end], x[begin:end][::-1]])
        edge = np.concatenate([low[begin:end], high[begin:end][::-1]])
        if end - begin == 1:  # a lone place has no width of its own
            there, edge = np.repeat(x[begin], 2), np.array([low[begin], high[begin]])
        boxes.append(np.stack([there, edge], axis=1))
    alone = [len(box) == 2 for box in boxes]
    look = _band(colour, outlined=outlined)
    if any(alone):
        look["edgecolors"] = [look["facecolors"] if lone else look["edgecolors"] for lone in alone]
        look["linewidths"] = [stroke(2.7) if lone else look["linewidths"] for lone in alone]
    drawn = PolyCollection(boxes, closed=True, gid=gid, **look)
    ax.add_collection(drawn, autolim=False)
    seen = band[(band > ends[0]) & (band < ends[1])]
    if seen.size:
        ax.update_datalim([(0, seen.min()), (0, seen.max())], updatex=False)


def stroke(share: float) -> float:
    """So much of the width of the user's lines."""
    from matplotlib import rcParams

    return share * float(rcParams["lines.linewidth"])


def name_band(ax: Axes, name: str, *, gid: str = BAND, outlined: bool = False) -> None:
    """Have the legend say, once, what the bands of ``ax`` are: in grey, for they may be of many colours."""
    from matplotlib.collections import PolyCollection

    if name in [c.get_label() for c in ax.collections]:
        return
    if any(c.get_gid() == gid for c in ax.collections):
        look = _band(palette.faint(0.7), outlined=outlined)
        look["facecolors"] = (
            "none" if outlined else palette.faint(0.35)
        )  # no paler on a dark ground
        ax.add_collection(PolyCollection([], label=name, **look), autolim=False)


def _band(colour: str, *, outlined: bool) -> dict[str, Any]:
    """How a band is drawn: paler where its outline tells where it ends."""
    from matplotlib.colors import to_rgba

    return {
        "facecolors": to_rgba(colour, 0.06 if outlined else 0.25),
        "edgecolors": to_rgba(colour, 0.7) if outlined else "none",
        "linewidths": stroke(0.5) if outlined else 0.0,
        "zorder": 1.5,
    }


def _guide(ax: Axes, value: float) -> None:
    """A line right across, at a value to look for."""
    if any(c.get_gid() == "vgcore.guide" for c in ax.collections):
        return
    drawn = ax.hlines(
        value,
        0,
        1,
        transform=ax.get_yaxis_transform(),
        colors=palette.faint(0.6),
        linestyles=(0, (1, 1.5)),
        linewidths=stroke(0.8),
        label=f"{value:g}, a rule of thumb",
        zorder=1,
    )
    drawn.set_gid("vgcore.guide")


def _marked(y: Array, place: int, *, crowded: bool) -> list[int]:
    """Which points get a marker: all of a few; of many some, not where neighbouring lines have theirs.

    Those alone between two gaps always do, for no line would show them.
    """
    if len(y) <= MOST_MARKED and not crowded:
        return list(range(len(y)))
    alone = _alone(y)
    if crowded:
        return alone
    apart = max(1, len(y) // 8)
    return sorted({*alone, *range(place * apart // 7 % apart, len(y), apart)})


def _alone(y: Array) -> list[int]:
    """Where there is a value between two gaps."""
    there = np.pad(np.isfinite(y), 1)
    return [int(i) for i in np.flatnonzero(there[1:-1] & ~there[:-2] & ~there[2:])]


def hatch(ax: Axes, x: Array, gone: Mask) -> None:
    """Hatch where a line is NaN."""
    from matplotlib.collections import PolyCollection

    lines = borders(x)
    boxes = [
        [(lines[begin], 0), (lines[end], 0), (lines[end], 1), (lines[begin], 1)]
        for begin, end in runs(gone)
    ]
    drawn = PolyCollection(
        boxes,
        transform=ax.get_xaxis_transform(),
        facecolors="none",
        edgecolors=palette.faint(0.25),
        hatch="///",
        linewidths=0,
        zorder=0.5,
    )
    ax.add_collection(drawn, autolim=False)


def reason(flow: GradientFlow) -> str:
    """Why a frame may be empty."""
    return "no value to draw" if len(flow) else "nothing recorded"


def runs(where: Mask) -> list[tuple[int, int]]:
    """Begin and end of each run of True."""
    change = np.flatnonzero(np.diff(np.pad(where, 1).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in change.reshape(-1, 2)]


def borders(centres: Array) -> Array:
    """Borders halfway between the centres, and as far away behind the first and the last."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    between = (centres[1:] + centres[:-1]) / 2
    return np.array([2 * centres[0] - between[0], *between, 2 * centres[-1] - between[-1]])


def _finish(ax: Axes, about: Field, empty: str) -> None:
    finite = _finite_on(ax)
    counted = counts_on(ax)
    for text in [text for text in ax.texts if text.get_gid() == "vgcore.empty"]:
        text.remove()
        ax.tick_params(which="both", left=True, labelleft=True, bottom=True)
    if not finite.size:
        if counted:
            ax.tick_params(axis="y", which="both", left=False, labelleft=False)
        else:
            say(ax, empty)
    if finite.size:
        ax.grid(alpha=0.2 if palette.on_dark() else 0.3)
    else:
        ax.grid(visible=False)
    if counted.keys() - {"nan"}:
        ax.margins(y=_MARGIN)
    _scale(ax, about, finite)
    if finite.size and about.guide is not None:
        _guide(ax, about.guide)
    ax.set_ylabel(about.axis)
    ax.set_title(about.title)
    fit_text(ax)


def _scale(ax: Axes, about: Field, finite: Array) -> None:
    if about.share and finite.size:
        whole = _SMALL_SHARE if 0 < finite.max() < _SMALL_SHARE else 1.0
        ax.set_ylim(min(-0.03 * whole, finite.min()), max(1.03 * whole, finite.max()))
    if not about.log:
        return
    if finite.size:
        low, high = np.log10([finite.min(), finite.max()])
        if low < -BORNE or high > BORNE:
            scale_to_the_ends(ax, low, high)
            return
        middle = (low + high) / 2
        ends = [10 ** (middle - _DECADE), 10 ** (middle + _DECADE)]
        ends += [] if about.guide is None else [about.guide]
        ax.update_datalim([(0, end) for end in ends], updatex=False)
    from vgcore.plot.ticks import number_decades

    ax.set_yscale("log")
    number_decades(ax.yaxis)
    if ax.get_ylim()[0] <= 0:  # nothing to show yet, and so the limits of a linear axis
        ax.set_ylim(0.1, 1, auto=True)


def scale_to_the_ends(ax: Axes, low: float, high: float) -> None:
    """Set a log axis from 10**low to 10**high, where matplotlib's margins and ticks would overflow."""
    room = _MARGIN * (high - low) + 1
    low, high = max(low - room, -323), min(high + room, 308)
    ax.set_autoscaley_on(False)  # it would be done once more, on a linear axis
    ax.set_ylim(10.0**low, 10.0**high)
    ax.set_yscale("log")
    apart = max(1, int((high - low) / 6))
    ax.set_yticks(10.0 ** np.arange(np.ceil(low), high, apart))
    ax.set_yticks([], minor=True)


def lines_on(ax: Axes) -> list[Line2D]:
    """The lines of flows."""
    return [line for line in ax.get_lines() if str(line.get_gid()).startswith(_FLOW)]


def _finite_on(ax: Axes) -> Array:
    """Every finite value that lines of flows show."""
    values = [np.asarray(line.get_ydata(), float) for line in lines_on(ax)]
    for bundle in ax.collections:
        if str(bundle.get_gid()).startswith(_FLOW):
            values += [np.asarray(path.vertices)[:, 1] for path in bundle.get_paths()]
    return np.concatenate([y[np.isfinite(y)] for y in values] or [np.empty(0)])


def flows_on(ax: Axes) -> int:
    """How many flows have been drawn."""
    return len({line.get_gid() for line in lines_on(ax)})


def longest_on(ax: Axes) -> int:
    """How many places the longest of the flows has."""
    return max((int(str(line.get_gid()).split(".")[-1]) for line in lines_on(ax)), default=-1)


def looks_on(ax: Axes, count: int, label: str | None, color: Any) -> list[Look]:
    """How to draw the next flow: in colours from cold to warm, or beside others in one hue."""
    family = flows_on(ax)
    if color is None and (family or label is not None):
        color = palette.hue(family)
    return palette.looks(count, color, family)


def named(*axes: Axes, reverse: bool = False) -> tuple[list[Artist], list[str]]:
    """What a legend has to name: the first axes' lines, whatever the user has drawn and named, all marks."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    ours = [line for line in lines_on(axes[0]) if line.get_label() != UNNAMED]
    handles: list[Any] = ours[::-1] if reverse else list(ours)
    handles += [h for h in axes[0].get_legend_handles_labels()[0] if h not in ours]
    labels = [str(handle.get_label()) for handle in handles]
    for kind, count in counts_on(*axes).items():
        about = MARKS[kind]
        handle: Any = Line2D([], [], color=palette.ink(), linestyle="none", marker=about.marker)
        if kind == "nan":
            handle = (
                Patch(facecolor="none", edgecolor=palette.faint(0.4), hatch="///", linewidth=0),
                handle,
            )
        handles.append(handle)
        labels.append(counted(about.name, count))
    return handles, labels


def name_beside(figure: Figure, axes: Sequence[Axes], title: str) -> float:
    """One legend beside panels: lines by the first one's names, and the marks of all of them.

    How many points wide it is.
    """
    handles, labels = named(*axes)
    if not handles:
        return 0.0
    made = legend(figure, handles, labels, axes[0], title=title, loc="outside right center")
    return made.get_window_extent().width * 72 / figure.dpi


def name_lines(
    ax: Axes, title: str | None, *, ordered: bool = False, reverse: bool = False
) -> None:
    """Name lines and marks beside the axes; of lines that are ``ordered``, as many as there is room for."""
    handles, labels = named(ax, reverse=reverse)
    lines = [line for line in lines_on(ax) if line.get_label() != UNNAMED]
    legend_beside(ax, handles, labels, title=title, ordered=len(lines) if ordered else 0)


def name_beside_axes(
    ax: Axes, handles: Sequence[Artist], labels: Sequence[str], title: str | None
) -> None:
    """A legend beside the axes."""
    legend_beside(ax, handles, labels, title=title)
