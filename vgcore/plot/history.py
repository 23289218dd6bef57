"""The course of a training, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore import _validate
from vgcore.plot import curves, style
from vgcore.plot.curves import Curve
from vgcore.plot.fields import Array, Field

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def history(
    history: Mapping[str, Any],
    name: str = "loss",
    *,
    ax: Axes | None = None,
    label: str | None = None,
    color: Any = None,
    legend: bool = True,
) -> Axes:
    """Draw an entry of a `History` over the epochs, and that of the validation data on the same Axes.

    What the axis cannot show stands as what it is, as in `vgcore.plot.flow`.

    Parameters
    ----------
    history : History
        Or another mapping from names to a number per epoch; None is NaN.
    name : str
        "loss", "accuracy", "gradient_norm", ...; with ``"val_"`` before it, that of the validation
        data alone.
    ax : matplotlib.axes.Axes, optional
        Where to draw; several trainings may share it.
    label : str, optional
        Names the training in the legend: "relu, loss".
    color : color, optional
        The training's own.
    legend : bool
        Whether to name the lines.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or there are no numbers of that name.
    ImportError
        If matplotlib is not installed.
    """
    entries = _entries(history)
    if entries or not isinstance(name, str):
        _validate.one_of("name", name, entries)
    style.check_look(label, color)
    legend = _validate.boolean("legend", legend)
    shown = [key for key in (name, f"val_{name}") if key in entries]
    epochs = np.array(getattr(history, "epoch", range(len(entries.get(name, [])))), float)
    columns = [_numbers(key, entries[key], len(epochs)) for key in shown]
    ax = style.axes_or_new(ax)
    looks = curves.looks_on(ax, len(shown), label, color)
    drawn = [
        Curve(
            column,
            np.ones(len(epochs), bool),
            key if label is None else f"{label}, {key}",
            look,
        )
        for key, column, look in zip(shown, columns, looks, strict=True)
    ]
    share = name.removeprefix("val_").startswith(("accuracy", "top_", "r2"))
    negative = any(np.any(curve.y < 0) for curve in drawn)
    words = name.replace("_", " ")
    about = Field(words.capitalize(), words, log=not share and not negative)
    curves.draw(ax, about, epochs, drawn, empty="no epoch yet")
    ax.set_xlabel("epoch")
    style.number_x(ax)
    style.fit_text(ax)
    if legend:
        curves.name_lines(ax, None)
    return ax


def _entries(history: Any) -> dict[str, list[Any]]:
    """Those entries of a history that are one thing for each epoch, and no array."""
    if not isinstance(history, Mapping):
        raise TypeError(f"history: expected a History, got {_validate.kind(history)}")
    found = {}
    for name, values in history.items():
        if not isinstance(name, str):
            raise TypeError(f"history: expected names (str), got {name!r} ({type(name).__name__})")
        expected = "a list with a number for each epoch"
        column = list(_validate.items(f"history[{name!r}]", values, expected))
        if all(np.ndim(each) == 0 for each in column):
            found[name] = column
    if history and not found:
        raise ValueError(
            f"history: expected an entry with a number for each epoch, got {', '.join(history)} "
            "with arrays"
        )
    return found


def _numbers(name: str, column: list[Any], epochs: int) -> Array:
    """An entry as real numbers, as many as there are epochs."""
    argument = f"history[{name!r}]"
    numbers = style.reals(argument, [np.nan if each is None else each for each in column])
    if len(numbers) != epochs:
        raise ValueError(
            f"{argument}: expected {epochs} numbers, one for each epoch, got {len(numbers)}"
        )
    return numbers
