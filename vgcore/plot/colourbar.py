"""A colour bar beside its axes, which covers nothing in any layout of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.transforms import Transform

_DECADES = 300  # of a log scale, from which on the ticks of matplotlib overflow
_ENDS = {  # of a colour bar, where there are values below and above
    (False, False): "neither",
    (True, False): "min",
    (False, True): "max",
    (True, True): "both",
}


def beside(ax: Axes, cells: Any, label: str, *, numbers: Sequence[float] = ()) -> None:
    """A colour bar that belongs to the axes, so that every layout of a figure has room for both.

    Where nobody lays the figure out it takes its room from the axes. Its label is broken to their height.
    """
    figure, size = style.figure_of(ax), float(ax.yaxis.label.get_fontsize())
    place: dict[str, Any] = {"ax": ax}
    if figure.get_layout_engine() is not None:
        place = {"cax": ax.inset_axes((0.6 * size, 0, 1.5 * size, 1), transform=_behind(ax))}
    shown, (least, most) = np.ma.compressed(cells.get_array()), cells.get_clim()
    below, above = bool((shown < least).any()), bool((shown > most).any())
    made = figure.colorbar(cells, extend=_ENDS[below, above], **place)
    made.set_label(label, fontsize=size)
    style.break_text(made.ax.yaxis.label, style.height(ax))
    made.ax.tick_params(which="both", labelsize=size)
    _fit_ticks(made)
    if numbers:
        made.set_ticks(list(numbers), labels=[f"{number:g}" for number in numbers])
        made.minorticks_off()


def _behind(ax: Axes) -> Transform:
    """From points behind the right edge and shares of the height: as wide in any layout of the figure."""
    from matplotlib.transforms import Affine2D, ScaledTranslation, blended_transform_factory

    whole: Any = ax.transAxes
    points = Affine2D().scale(1 / 72) + style.figure_of(ax).dpi_scale_trans
    return blended_transform_factory(points + ScaledTranslation(1, 0, whole), whole)


def _fit_ticks(made: Colorbar) -> None:
    """Have a log scale of hundreds of decades ticks that no float is too small or large for."""
    from matplotlib.colors import LogNorm

    from vgcore.plot import ticks

    if not isinstance(made.norm, LogNorm):
        return
    low, high = np.log10(made.mappable.get_clim())
    if high - low > _DECADES:
        exponents = np.arange(np.ceil(low / 50) * 50, high, 50)
        made.set_ticks(list(10.0**exponents), labels=[f"$10^{{{e:.0f}}}$" for e in exponents])
        made.minorticks_off()
    elif low > -_DECADES:
        made.formatter, made.minorformatter = ticks.Decades(), ticks.BetweenDecades()
