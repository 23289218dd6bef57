"""What pictures share: figures, names on axes, legends, and the checks before drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _extras, _validate
from vgcore.flow import GradientFlow
from vgcore.plot import text
from vgcore.plot.palette import few

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.legend import Legend
    from matplotlib.text import Text

MOST_STEPS = 6  # lines of a picture over the layers
MOST_NAMES = 9  # layers that an axis or a legend names; of more, some
SHORTEST = 10  # characters of a name that is cut to fit
_WIDE, _HIGH = 24, 19  # of the font's size: a panel that is not small for it
_READABLE = 7.0  # points
_WIDEST, _WIDEST_OF_ALL = 0.45, 0.25  # of its room: a legend of one panel, of all of them, at most
_AROUND = 5.5  # of the font's size: title, numbers and label above and below axes


def blank(width: float, height: float) -> Figure:
    """Make an empty figure, without pyplot, of so many inches.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    require_matplotlib()
    from vgcore.plot.notebook import Shown

    return Shown(figsize=(width, height), dpi=120, layout="constrained")


def panels(columns: int, *, width: float = 4.6, height: float = 4.2) -> tuple[Figure, list[Axes]]:
    """Make a figure, without pyplot, of ``columns`` panels side by side that share the value axis.

    Parameters
    ----------
    columns : int
    width, height : float
        Inches of a panel.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    figure = blank(width * columns, height)
    return figure, list(figure.subplots(1, columns, sharey=True, squeeze=False)[0])


def check_path(path: Path) -> None:
    """Check, before any work, that a picture can be written to ``path``.

    Raises
    ------
    FileNotFoundError
        If its folder is missing.
    ValueError
        If its ending is of no format that matplotlib writes.
    ImportError
        If matplotlib is not installed.
    """
    formats = panels(1)[0].canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in formats:
        raise ValueError(f"out: expected a name ending in .{', .'.join(formats)}; got {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"out: expected a folder that exists, got {path.parent}")


def require_matplotlib() -> None:
    with _extras.needing("matplotlib", "pictures need", "plot"):
        import matplotlib  # noqa: F401


def axes_or_new(ax: Axes | None) -> Axes:
    """``ax``, or that of a new figure of pyplot."""
    require_matplotlib()
    from matplotlib.axes import Axes

    if ax is None:
        from matplotlib import pyplot

        return pyplot.subplots(layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise TypeError(f"ax: expected matplotlib Axes, got {ax!r} ({type(ax).__name__})")
    if ax.figure is None:
        raise ValueError("ax: expected Axes of a figure, got ones that were removed from theirs")
    if ax.name in ("3d", "polar"):
        raise ValueError(f"ax: expected Axes of x and y, got {ax.name} ones")
    _make_room(ax)
    return ax


def check_free(ax: Axes) -> None:
    """ValueError where a picture stands already, for one that has all of its axes' scales to itself."""
    if any(str(artist.get_gid()).startswith("vgcore.") for artist in ax.get_children()):
        raise ValueError(
            "ax: expected Axes without another picture of vgcore, got Axes with one; give each its own, or "
            "clear these with ax.clear()"
        )


def grown(ready: float = 10.0) -> float:
    """By how much the sides of a new figure grow with a font of more than so many points: half as it does."""
    from matplotlib import rcParams

    return float(np.sqrt(max(1.0, rcParams["font.size"] / ready)))


def figure_or_new(figure: Figure | SubFigure | None, width: float, height: float) -> Any:
    """``figure``, or a part of one, laid out so that nothing is cut off, or a new one of pyplot."""
    require_matplotlib()
    from matplotlib.figure import Figure, SubFigure

    if figure is None:
        from matplotlib import pyplot

        from vgcore.plot.notebook import ShownOnce

        return pyplot.figure(FigureClass=ShownOnce, figsize=(width, height), layout="constrained")
    if not isinstance(figure, Figure | SubFigure):
        raise TypeError(
            f"figure: expected a matplotlib Figure, got {figure!r} ({type(figure).__name__})"
        )
    if figure.get_layout_engine() is None:
        whole: Any = figure.figure  # a Figure is its own
        whole.set_layout_engine("constrained")
    return figure


def _make_room(ax: Axes) -> None:
    """Have the figure's margins fit its names, unless somebody has set them."""
    from matplotlib.figure import SubplotParams

    figure = figure_of(ax)
    if figure.get_layout_engine() is not None or ax.get_subplotspec() is None:
        return
    if vars(figure.subplotpars) == vars(SubplotParams()):
        figure.set_layout_engine("tight")


def figure_of(ax: Axes) -> Figure:
    """The whole figure that the axes are on, also in a part of it."""
    figure: Any = ax.figure
    root: Figure = figure.figure  # a Figure is its own
    return root


def rows_of(
    record: GradientFlow | Any,
    steps: Iterable[int] | None,
    *,
    limit: int | None = MOST_STEPS,
    called: str = "steps",
) -> list[int]:
    """Where the record holds ``steps``, or a few of all, or all; -1 is the last that is recorded."""
    count = len(record.step)
    if steps is None:
        return few(count, count if limit is None else limit)
    wanted = [
        _validate.integer(called, step, minimum=-(2**63), maximum=2**63 - 1)
        for step in _validate.items(called, steps, "step numbers")
    ]
    place = {int(step): row for row, step in enumerate(record.step)}
    place |= {row - count: row for row in range(count)}
    missing = [step for step in wanted if step not in place]
    if missing or not wanted:
        raise ValueError(
            f"{called}: expected steps that are recorded, got {missing or 'none'}{_recorded(record)}"
        )
    return [place[step] for step in wanted]


def _recorded(record: Any) -> str:
    """The end of a message that says which steps there are."""
    if not len(record.step):
        return "; none is recorded"
    last, count = int(record.step[-1]), len(record.step)
    return f"; {count:,} of {int(record.step[0]):,} to {last:,} are, and -1 is the last of them"


def names_of(given: str | Iterable[str] | None, options: Sequence[str]) -> list[str]:
    """The layers that are to be drawn: one, some, or all; "bidirectional1" is both its directions."""
    if given is None:
        return list(options)
    one = isinstance(given, str) or not isinstance(given, Iterable)
    chosen = [given] if one else list(_validate.items("layers", given, "names"))
    if not chosen:
        raise ValueError("layers: expected at least one layer, got none")
    found = [
        name
        for each in chosen
        for name in _within(each, options) or [_validate.one_of("layers", each, options)]
    ]
    return list(dict.fromkeys(found))


def name_of(argument: str, given: Any, options: Sequence[str]) -> str:
    """One of some layers, by its name or by its place among them, -1 for the last."""
    if isinstance(given, str):
        inner = _within(given, options)
        if len(inner) > 1:
            raise ValueError(
                f"{argument}: expected one layer, got {given!r}, which is {', '.join(inner)}"
            )
        return inner[0] if inner else _validate.one_of(argument, given, options)
    if not isinstance(given, int | np.integer) or isinstance(given, bool):
        raise TypeError(
            f"{argument}: expected a layer's name, or its place as 0 or -1; got {given!r} "
            f"({type(given).__name__})"
        )
    if not -len(options) <= given < len(options):
        raise ValueError(f"{argument}: expected a place among {len(options)} layers, got {given}")
    return options[int(given)]


def _within(given: Any, options: Sequence[str]) -> list[str]:
    """What a name stands for: a layer, or those of a layer of several, as "lstm1.forward" and its like."""
    if not isinstance(given, str) or given in options:
        return [given] if isinstance(given, str) else []
    return [name for name in options if name.startswith(f"{given}.")]


def reals(argument: str, values: Any) -> NDArray[np.float64]:
    """An array of real numbers."""
    array = _validate.array(argument, values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{argument}: expected real numbers, got {_validate.described(array)}")
    return np.asarray(array, float)


def check_flow(flow: Any) -> None:
    """TypeError unless it is a flow."""
    if not isinstance(flow, GradientFlow):
        raise TypeError(f"flow: expected a GradientFlow, got {_validate.kind(flow)}")


def check_log(log: Any) -> None:
    """TypeError unless it is None, True or False."""
    if log is not None:
        _validate.boolean("log", log)


def check_look(label: Any, color: Any) -> None:
    """TypeError or ValueError unless they name a flow and its colour."""
    require_matplotlib()
    from matplotlib.colors import is_color_like

    if label is not None and not isinstance(label, str):
        raise TypeError(f"label: expected a str, got {label!r} ({type(label).__name__})")
    if color is not None and not is_color_like(color):
        raise ValueError(f"color: expected a colour that matplotlib knows, got {color!r}")


def smallness(ax: Axes) -> float:
    """1, or less for a panel that is small for the user's font, whose text and marks shrink with it."""
    from matplotlib import rcParams

    em = float(rcParams["font.size"])
    across, upward = room(ax)
    fit = min(across / (_WIDE * em), upward / (_HIGH * em))
    return float(np.clip(fit, min(_READABLE / em, 1), 1))


def room(ax: Axes) -> tuple[float, float]:
    """How many points wide and high the part of a figure is in which axes stand with all their texts."""
    across = upward = 72 / figure_of(ax).dpi
    if (place := ax.get_subplotspec()) is not None:
        place = place.get_topmost_subplotspec()
        rows, columns = place.get_gridspec().get_geometry()
        across, upward = across * len(place.colspan) / columns, upward * len(place.rowspan) / rows
    return ax.figure.bbox.width * across, ax.figure.bbox.height * upward


def fit_text(ax: Axes, *, taken: float = 0.0) -> None:
    """Fit title, labels and numbers to the panel: smaller in a small one, on two lines where one is short.

    ``taken`` is how many points of its width something has that stands beside all panels.
    """
    from matplotlib import rcParams

    sizes: Any = rcParams
    small = smallness(ax)
    across = room(ax)[0]
    place = ax.get_subplotspec()
    alone = place is None or place.get_topmost_subplotspec().get_gridspec().ncols == 1
    for label, size, most in (
        (ax.title, "axes.titlesize", (1.0 if alone else 0.7) * (across - taken)),
        (ax.xaxis.label, "axes.labelsize", across - _legend_width(ax)),
        (ax.yaxis.label, "axes.labelsize", height(ax)),
    ):
        points = text.points(sizes[size]) * small
        if label is ax.title:  # above the uppermost number, which it may reach over
            number = 0.78 * text.points(sizes["ytick.labelsize"]) * small
            number += 0.3 * points * text.mathematical(label.get_text())  # below its baseline
            ax.set_title(label.get_text(), pad=max(sizes["axes.titlepad"], number))
        if small < 1:
            label.set_fontsize(points)
        break_text(label, 0.9 * most)
    if small < 1:
        for axis in (ax.xaxis, ax.yaxis):
            points = text.points(sizes[f"{axis.axis_name}tick.labelsize"]) * small
            axis.set_tick_params(which="both", labelsize=points)
            axis.offsetText.set_fontsize(points)


def _legend_width(ax: Axes) -> float:
    """How many points a legend takes from the axes."""
    beside = ax.get_legend()
    return 0.0 if beside is None else beside.get_window_extent().width * 72 / figure_of(ax).dpi


def height(ax: Axes) -> float:
    """About how many points high axes are, at least, when all is laid out."""
    from matplotlib import rcParams

    share, place = 1.0, ax.get_subplotspec()
    if place is not None:
        figure: Any = ax.figure
        whole = place.get_topmost_subplotspec().get_position(figure).height
        share = place.get_position(figure).height / whole
    em = float(rcParams["font.size"]) * smallness(ax)
    return max(share * (room(ax)[1] - _AROUND * em), text.LINE * em)


def break_text(label: Text, points: float) -> None:
    """Break a text that is longer than so many points between words, or beside its formula."""
    written = label.get_text()
    if not text.mathematical(written):
        label.set_wrap(True)  # what somebody writes there later, at the figure's edge
        label.set_text(text.broken(written, int(points / _letter(label))))
    elif too_long(label, points):
        label.set_text(written.replace("  $", "\n$").replace("$ ", "$\n"))


def too_long(label: Text, points: float) -> bool:
    """Whether a line of a text is longer than so many points."""
    longest = max(map(text.length, label.get_text().split("\n")))
    return longest * _letter(label) > points


def _letter(label: Text) -> float:
    """About how many points a letter is wide."""
    return text.CHARACTER * float(label.get_fontsize())


def legend_size(ax: Axes) -> float:
    """Of the text in a legend, in points."""
    from matplotlib import rcParams

    return text.points(rcParams["legend.fontsize"]) * smallness(ax)


def name_layers(ax: Axes, names: Sequence[str]) -> None:
    """Name the places 0, 1, ... of the x axis, as many of them as there is room for.

    To be called when the legend stands: it takes room from the axes.
    """
    from vgcore.plot import ticks

    across, upward = room(ax)
    size = ticks.size(ax.xaxis)
    longest = min(0.3 * across / 0.77, 0.27 * upward / 0.64)  # turned by 40 degrees
    most = max(int(longest / (text.CHARACTER * size)), SHORTEST)
    shown = text.shortened(names, most)
    ticks.name(ax.xaxis, shown, MOST_NAMES)
    wanted = text.evenly(len(names), MOST_NAMES)
    needed = sum(len(shown[place]) + 2 for place in wanted) * text.CHARACTER * size
    if needed > across - _legend_width(ax) - 6 * size:
        for tick in ax.xaxis.get_major_ticks(MOST_NAMES):
            tick.label1.set(rotation=40, ha="right", rotation_mode="anchor")


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the places 0, 1, ... of the y axis, as many of them as there is room for."""
    from vgcore.plot import ticks

    most = int(0.3 * room(ax)[0] / (text.CHARACTER * ticks.size(ax.yaxis)))
    ticks.name(ax.yaxis, text.shortened(names, max(most, SHORTEST)), 2 * MOST_NAMES)


def number_x(ax: Axes) -> None:
    """Whole numbers on the x axis, as many as there is room for."""
    number(ax.xaxis)


def number(axis: Axis) -> None:
    """Whole numbers on an axis, as many as there is room for, whatever stood there before."""
    from vgcore.plot.ticks import Numbers

    axis.set_major_locator(Numbers())


def say(ax: Axes, message: str) -> None:
    """Say in an empty frame why it is empty."""
    middle: dict[str, Any] = {"ha": "center", "va": "center", "transform": ax.transAxes}
    ax.text(0.5, 0.5, message, gid="vgcore.empty", wrap=True, **middle)
    ax.tick_params(which="both", left=False, labelleft=False, bottom=False)


def legend(
    where: Axes | Figure,
    handles: Sequence[Artist],
    labels: Sequence[str],
    ax: Axes,
    *,
    widest: float | None = None,
    **options: Any,
) -> Legend:
    """A legend that names everything as it is called, in the user's size.

    Its entries are no wider than so many points: long names are cut in the middle.
    matplotlib leaves out what begins with "_" and reads "$" as mathematics; layers may be called so.
    """
    from matplotlib import rcParams

    size = legend_size(ax)
    shown = text.fitted(labels, longest(where, ax, widest))
    if smallness(ax) < 1:
        options |= {"fontsize": size, "title_fontsize": size, "labelspacing": 0.3}
    elif rcParams["legend.title_fontsize"] is None:
        options["title_fontsize"] = size
    made = where.legend(handles, [f"{place}" for place in range(len(labels))], **options)
    for written, label in zip(made.get_texts(), shown, strict=True):
        written.set(text=label, parse_math=text.mathematical(label))
    return made


def longest(where: Axes | Figure, ax: Axes, widest: float | None = None) -> int:
    """How many characters an entry of a legend has on a line, at most."""
    if widest is None:
        figure = figure_of(ax)
        widest = _WIDEST_OF_ALL * ax.figure.bbox.width * 72 / figure.dpi
        if where is ax:
            widest = _WIDEST * room(ax)[0]
    size = legend_size(ax)
    return max(int((widest - 4 * size) / (text.CHARACTER * size)), SHORTEST)


def legend_below(ax: Axes, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """A legend below the axes, under what they are labelled with."""
    from matplotlib.transforms import ScaledTranslation

    figure, size = figure_of(ax), legend_size(ax)
    named = ax.xaxis.get_tightbbox()
    lowest = ax.bbox.y0 if named is None else min(named.y0, ax.bbox.y0)
    offset = ScaledTranslation(0, (lowest - ax.bbox.y0) / figure.dpi, figure.dpi_scale_trans)
    width = ax.bbox.width * 72 / figure.dpi
    entry = (max(map(len, labels), default=0) * text.CHARACTER + 4.5) * size
    legend(
        ax,
        handles,
        labels,
        ax,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=ax.transAxes + offset,
        borderaxespad=0.4,
        widest=width,
        ncols=max(1, int(width / entry)),
    )
