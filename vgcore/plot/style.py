"""What pictures share: figures, names on axes, legends, and the checks before drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _extras, _validate
from vgcore.flow import GradientFlow
from vgcore.plot.palette import evenly, few

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

MOST_STEPS = 6  # lines of a picture over the layers
MOST_NAMES = 9  # layers that an axis or a legend names; of more, some


def blank(width: float, height: float) -> Figure:
    """Make an empty figure, without pyplot, of so many inches.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


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
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(_extras.missing("matplotlib", "plot", "pictures need")) from error


def axes_or_new(ax: Axes | None) -> Axes:
    """``ax``, or that of a new figure of pyplot."""
    require_matplotlib()
    from matplotlib.axes import Axes

    if ax is None:
        from matplotlib import pyplot

        return pyplot.subplots(layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise TypeError(f"ax: expected matplotlib Axes, got {ax!r} ({type(ax).__name__})")
    _make_room(ax)
    return ax


def figure_or_new(figure: Figure | None, width: float, height: float) -> Figure:
    """``figure``, laid out so that nothing is cut off, or a new one of pyplot."""
    require_matplotlib()
    from matplotlib.figure import Figure

    if figure is None:
        from matplotlib import pyplot

        from vgcore.plot.notebook import ShownOnce

        return pyplot.figure(FigureClass=ShownOnce, figsize=(width, height), layout="constrained")
    if not isinstance(figure, Figure):
        raise TypeError(
            f"figure: expected a matplotlib Figure, got {figure!r} ({type(figure).__name__})"
        )
    if figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
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
    """Where the record holds ``steps``, or a few of all, or all."""
    if steps is None:
        return few(len(record.step), len(record.step) if limit is None else limit)
    given = _validate.items(called, steps, "step numbers")
    place = {int(step): row for row, step in enumerate(record.step)}
    wanted = [_validate.integer(called, step, minimum=0) for step in given]
    missing = [step for step in wanted if step not in place]
    if missing or not wanted:
        raise ValueError(f"{called}: expected steps that are recorded, got {missing or 'none'}")
    return [place[step] for step in wanted]


def names_of(given: str | Iterable[str] | None, options: Sequence[str]) -> list[str]:
    """The layers that are to be drawn: one, some, or all."""
    if given is None:
        return list(options)
    one = isinstance(given, str) or not isinstance(given, Iterable)
    chosen = [given] if one else list(_validate.items("layers", given, "names"))
    if not chosen:
        raise ValueError("layers: expected at least one layer, got none")
    return [_validate.one_of("layers", name, options) for name in chosen]


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
    """1, or less for a small panel, whose text and marks shrink with it."""
    points = figure_of(ax).dpi
    box = ax.get_window_extent()
    return float(np.clip(min(box.width / points / 2.8, box.height / points / 2.2), 0.65, 1))


def fit_text(ax: Axes) -> None:
    """Shrink title, labels and names in a small panel."""
    from matplotlib import rcParams

    if (small := smallness(ax)) < 1:
        size = rcParams["font.size"] * small
        ax.title.set_fontsize(1.2 * size)
        ax.tick_params(which="both", labelsize=size)
        for axis in (ax.xaxis, ax.yaxis):
            axis.label.set_fontsize(size)
            axis.offsetText.set_fontsize(size)


def legend_size(ax: Axes) -> float:
    """Of the text in a legend: a little smaller than that on the axes."""
    from matplotlib import rcParams

    return float(0.85 * rcParams["font.size"] * smallness(ax))


def name_layers(ax: Axes, names: Sequence[str]) -> None:
    """Name the places 0, 1, ... of the x axis, as many of them as there is room for, in full."""
    width = ax.get_window_extent().width / figure_of(ax).dpi * 72
    points = legend_size(ax)
    ticks = evenly(len(names), max(2, min(MOST_NAMES, int(width / (2 * points)))))
    shown = [names[i] for i in ticks]
    ax.set_xticks(ticks, shown)
    crowded = sum(len(name) + 2 for name in shown) * 0.62 * points > width
    for label in ax.get_xticklabels():
        label.set(fontsize=points, parse_math=False)
        if crowded:
            label.set(rotation=40, ha="right", rotation_mode="anchor")


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the places 0, 1, ... of the y axis, as many of them as there is room for, in full."""
    height = ax.get_window_extent().height / figure_of(ax).dpi * 72
    points = legend_size(ax)
    ticks = evenly(len(names), max(2, min(2 * MOST_NAMES, int(height / (1.6 * points)))))
    ax.set_yticks(ticks, [names[i] for i in ticks])
    for label in ax.get_yticklabels():
        label.set(fontsize=points, parse_math=False)


def say(ax: Axes, message: str) -> None:
    """Say in an empty frame why it is empty."""
    ax.text(0.5, 0.5, message, ha="center", va="center", transform=ax.transAxes, gid="vgcore.empty")
    ax.tick_params(which="both", left=False, labelleft=False, bottom=False)


def legend(
    where: Axes | Figure, handles: Sequence[Artist], labels: Sequence[str], ax: Axes, **options: Any
) -> Legend:
    """A legend that names everything as it is called, in a size that fits ``ax``.

    matplotlib leaves out what begins with "_" and reads "$" as mathematics; layers may be called so.
    """
    size = legend_size(ax)
    options |= {"fontsize": size, "title_fontsize": size, "handlelength": 2.5}
    made = where.legend(handles, [f"{place}" for place in range(len(labels))], **options)
    for text, label in zip(made.get_texts(), labels, strict=True):
        text.set(text=label, parse_math="$" in label and "\\" in label)
    return made


def legend_below(ax: Axes, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """A legend below the axes, under what they are labelled with."""
    from matplotlib.transforms import ScaledTranslation

    figure = figure_of(ax)
    lines = legend_size(ax) / 72 * (2.6 + 1.2 * len(ax.get_xlabel().splitlines()))
    below = ax.transAxes + ScaledTranslation(0, -lines, figure.dpi_scale_trans)
    width = ax.get_window_extent().width / figure.dpi
    legend(
        ax,
        handles,
        labels,
        ax,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=below,
        borderaxespad=0.4,
        ncols=max(1, int(width / 2.2)),
    )
