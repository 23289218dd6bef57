"""Pictures of a live page: arrays, and how the page is to draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate

Picture = dict[str, Any]
Places = Sequence[str] | ArrayLike
KINDS = "lines", "heat", "plane"
_MOST_CLASSES = 100  # of a plane: each is an entry of its legend


def lines(
    title: str,
    values: ArrayLike | Mapping[str, ArrayLike],
    x: Places | None = None,
    *,
    log: bool = False,
    label: str = "",
    xlabel: str = "",
    note: str = "",
    key: str = "",
    **more: Any,
) -> Picture:
    """Lines over the places of an axis.

    Parameters
    ----------
    title : str
        Above the picture.
    values : array_like, or dict of str to array_like
        Of one line, (n,), or of several by their names. NaN, infinite and, on a log axis, 0 are marked.
    x : sequence of str, or array_like of rising numbers, (n,)
        Places of the axis; left out, 0 to n - 1.
    log : bool
        Whether values are shown on a logarithmic axis.
    label, xlabel : str
        Beside the axes.
    note : str
        Behind the title, in a few words.
    key : str
        By which the page knows it from frame to frame; left out, the title.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or lines have other lengths than the axis.
    """
    named = values if isinstance(values, Mapping) else {title: values}
    if not named:
        raise ValueError("values: expected at least one line, got none")
    drawn = [
        {"name": str(name), "values": _numbers("values", each, 1), "look": {"hue": i % 6}}
        for i, (name, each) in enumerate(named.items())
    ]
    longest = max(len(each["values"]) for each in drawn)
    count, axis = _axis(np.arange(longest) if x is None else x, xlabel)
    for each in drawn:
        if len(each["values"]) != count:
            raise ValueError(
                f"values: expected {count} numbers for each line, as many as places of x; got "
                f"{len(each['values'])} for {each['name']!r}"
            )
    return {
        **_about("lines", title, key, note, label),
        "log": _validate.boolean("log", log),
        "x": axis,
        "lines": drawn,
        **more,
    }


def heat(
    title: str,
    values: ArrayLike,
    x: Places | None = None,
    rows: Sequence[str] | None = None,
    *,
    log: bool = False,
    diverging: bool = False,
    label: str = "",
    xlabel: str = "",
    note: str = "",
    key: str = "",
    **more: Any,
) -> Picture:
    """A heatmap.

    Parameters
    ----------
    title : str
    values : array_like, (rows, n)
        The lowest row first. What a logarithmic scale of colours cannot show is hatched.
    x : sequence of str, or array_like of rising numbers, (n,)
        Places of the axis; left out, 0 to n - 1.
    rows : sequence of str
        Names of the rows; left out, 0 to rows - 1.
    log, label, xlabel, note, key
        As in `lines`; the label is that of the rows.
    diverging : bool
        Whether colours go both ways from 0, which is as light, or dark, as the ground; for a scale that is
        not logarithmic.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or there are other numbers of places or rows.
    """
    cells = _numbers("values", values, 2)
    count, columns = cells.shape
    places, axis = _axis(np.arange(columns) if x is None else x, xlabel)
    names = [str(i) for i in range(count)] if rows is None else [str(each) for each in rows]
    if log and diverging:
        raise ValueError("diverging: expected False with log=True, which has no 0")
    if len(names) != count:
        raise ValueError(f"rows: expected {count} names, got {len(names)}")
    if places != columns:
        raise ValueError(f"x: expected {columns} places, as many as values has columns")
    return {
        **_about("heat", title, key, note, label),
        "log": _validate.boolean("log", log),
        "diverging": _validate.boolean("diverging", diverging),
        "x": {**axis, "whole": True},
        "rows": names,
        "values": cells,
        **more,
    }


def plane(
    title: str,
    values: ArrayLike,
    x: tuple[float, float],
    y: tuple[float, float],
    *,
    points: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    labels: tuple[str, str] = ("x₁", "x₂"),
    note: str = "",
    key: str = "",
    **more: Any,
) -> Picture:
    """What a network says of a plane: shares of the second of two classes, with data points above.

    Parameters
    ----------
    title : str
    values : array_like, (rows, columns)
        From 0 to 1, or the number of a class, as integers; the lowest row first.
    x, y : (float, float)
        From where to where columns and rows go.
    points : array_like, (n, 2), optional
    classes : array_like of int, (n,), optional
        Of the points.
    labels : (str, str)
        Of the axes.
    note, key
        As in `lines`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or shape.
    """
    given = np.asarray(values)
    cells = _numbers("values", given, 2).astype(np.float32)
    number = _classes("values", given) if given.dtype.kind in "iu" else 0
    told: Picture = {
        **_about("plane", title, key, note, ""),
        "x": [float(each) for each in x],
        "y": [float(each) for each in y],
        "labels": list(labels),
        "size": list(cells.shape),
        "values": cells,
        **({"classes": max(number, 2)} if number else {}),
    }
    if points is not None:
        told["points"] = _numbers("points", points, 2).astype(np.float32)
        which = np.zeros(len(told["points"]), int) if classes is None else np.asarray(classes)
        _classes("classes", which)
        told["point_classes"] = which.astype(np.uint8)
        if which.shape != (len(told["points"]),):
            raise ValueError(
                f"classes: expected one for each of {len(told['points'])} points, got {which.shape}"
            )
    return {**told, **more}


def _classes(argument: str, given: NDArray[Any]) -> int:
    """How many classes there are, up to the largest number of one."""
    if not given.size:
        return 0
    if given.min() < 0 or given.max() >= _MOST_CLASSES:
        raise ValueError(
            f"{argument}: expected classes from 0 to {_MOST_CLASSES - 1}, got {given.min()} to {given.max()}"
        )
    return int(given.max()) + 1


def _about(kind: str, title: str, key: str, note: str, label: str) -> Picture:
    _validate.name("title", title)
    return {"kind": kind, "key": key or title, "title": title, "note": note, "label": label}


def _axis(places: Any, label: str) -> tuple[int, Picture]:
    """How many places there are, and the axis."""
    names = [*places]
    if names and isinstance(names[0], str):
        return len(names), {"names": names, "label": label}
    return len(names), {"values": _numbers("x", places, 1), "label": label}


def _numbers(argument: str, values: ArrayLike, axes: int) -> NDArray[np.float64]:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{argument}: expected numbers, got an array of {array.dtype}")
    if array.ndim != axes:
        raise ValueError(
            f"{argument}: expected an array of {axes} {'axis' if axes == 1 else 'axes'}, got one of "
            f"shape {array.shape}"
        )
    return array.astype(np.float64)
