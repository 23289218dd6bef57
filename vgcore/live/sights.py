"""The playground's pictures, of one network's course or of two side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.flow import GradientFlow
from vgcore.live import pictures
from vgcore.live.course import Course
from vgcore.live.pictures import Picture
from vgcore.live.theory import Expected
from vgcore.plot.fields import present

Array = NDArray[Any]

NAMES = "A", "B"
_MOST_ROWS = 40  # of a histogram
_GRID = 32  # cells of a plane, either way
_TOLD = 24  # samples whose predictions are drawn
_LOOKED_AT = 128  # samples that a prediction is made of


def loss(courses: Sequence[Course], _: Sequence[Expected | None]) -> Picture:
    """The loss of minibatches, over the steps that are kept."""
    kept = [each.losses() for each in courses]
    steps = np.unique(np.concatenate([own for own, _ in kept]))
    lines = []
    for i, (own, losses) in enumerate(kept):
        values, none = np.full(len(steps), np.nan), np.ones(len(steps), np.uint8)
        places = np.searchsorted(steps, own)
        values[places], none[places] = losses, 0
        lines.append(_line(i, len(courses), values, none))
    return {
        **_about("lines", "loss", "Loss", "of minibatches, over the steps", "loss"),
        "log": True,
        "x": {"values": steps.astype(np.int32), "label": "step", "place": "step"},
        "lines": lines,
    }


def delta(courses: Sequence[Course], expected: Sequence[Expected | None]) -> Picture:
    """The gradient over the layers, with theory's line."""
    told = _over_layers(courses, "delta", "Gradient", "‖∂L/∂z‖ of each layer", log=True)
    for i, (course, theory) in enumerate(zip(courses, expected, strict=True)):
        if theory is not None:
            deepest = len(told["lines"][0]["values"])
            values, none = _up_to(deepest, theory.over_layers(course))
            told["lines"].append(
                {**_theory(i, len(courses), values), "none": none.astype(np.uint8)}
            )
    return told


def weight_grad(courses: Sequence[Course], _: Sequence[Expected | None]) -> Picture:
    """The gradient of the weights over the layers."""
    about = "Gradient of the weights", "‖∂L/∂W‖ of each layer"
    return _over_layers(courses, "weight_grad", *about, log=True)


def update_ratio(courses: Sequence[Course], _: Sequence[Expected | None]) -> Picture:
    """How large updates are, over the layers."""
    about = "Update ratio", "‖ΔW‖ / ‖W‖ of each layer"
    return {**_over_layers(courses, "update_ratio", *about, log=True), "guide": 1e-3}


def saturated(courses: Sequence[Course], _: Sequence[Expected | None]) -> Picture:
    """The share of saturated outputs."""
    return {**_over_layers(courses, "saturated", "Saturated outputs", "share"), "share": True}


def dead(courses: Sequence[Course], _: Sequence[Expected | None]) -> Picture:
    """The share of dead units."""
    return {**_over_layers(courses, "dead", "Dead units", "share"), "share": True}


def through_time(courses: Sequence[Course], expected: Sequence[Expected | None]) -> Picture | None:
    """The gradient of the hidden state over the timesteps, of the first recurrent layer."""
    if not courses[0].task.in_time:
        return None
    lines = []
    for i, course in enumerate(courses):
        flow = course.last
        lines.append(_line(i, len(courses), flow.time[course.layers[0]][-1]))
    for i, (course, theory) in enumerate(zip(courses, expected, strict=True)):
        if theory is not None:
            lines.append(_theory(i, len(courses), theory.over_time(course)))
    length = max(len(line["values"]) for line in lines)
    return {
        **_about(
            "lines",
            "time",
            "Gradient through time",
            "of the first recurrent layer",
            "‖∂L/∂hₜ‖",
        ),
        "log": True,
        "x": _timesteps(length),
        "lines": lines,
    }


def activations(course: Course, side: int | None) -> Picture:
    """Histograms of each layer's outputs."""
    return _histogram(course, side, "activations", "Outputs by magnitude", "activation")


def gradients(course: Course, side: int | None) -> Picture:
    """Histograms of each layer's gradients."""
    return _histogram(course, side, "gradients", "Gradients by magnitude", "delta")


def prediction(course: Course, side: int | None) -> Picture:
    """What the network says: of the plane, the curve, classes or sequences."""
    made = _PREDICTIONS[course.task.kind](course)
    return {**made, **_side("prediction", made["title"], side)}


OVER_BOTH: dict[str, Callable[..., Picture | None]] = {
    "delta": delta,
    "time": through_time,
    "loss": loss,
    "weight_grad": weight_grad,
    "update_ratio": update_ratio,
    "saturated": saturated,
    "dead": dead,
}
OF_EACH: dict[str, Callable[..., Picture]] = {
    "prediction": prediction,
    "activations": activations,
    "gradients": gradients,
}


def _about(kind: str, key: str, title: str, note: str, label: str) -> Picture:
    return {"kind": kind, "key": key, "title": title, "note": note, "label": label, "side": None}


def key_of(name: str, side: int | None) -> str:
    """The key of a picture of one network alone, or of the one on a side."""
    return name if side is None else f"{name}{NAMES[side]}"


def _side(name: str, title: str, side: int | None) -> Picture:
    """What of a picture depends on which network it is of."""
    titled = title if side is None else f"{title}, {NAMES[side]}"
    return {"key": key_of(name, side), "base": name, "title": titled, "side": side}


def _line(i: int, count: int, values: Array, none: Array | None = None) -> Picture:
    """A network's line; ``none``: where it has no value, which is not NaN."""
    name = NAMES[i] if count > 1 else "now"
    told = {"name": name, "values": _drawn(values), "look": {"hue": i}}
    return told if none is None or not none.any() else {**told, "none": none.astype(np.uint8)}


def _theory(i: int, count: int, values: Array) -> Picture:
    name = "theory, at the start" if count == 1 else f"{NAMES[i]}, theory at the start"
    look = {"hue": "theory", **({} if count == 1 else {"of": i})}
    return {"name": name, "values": _drawn(values), "look": look}


def _drawn(values: Array) -> Array:
    """Values in half the bytes, where float32 has all of them to the digits that a picture shows."""
    with np.errstate(over="ignore", under="ignore"):
        narrow = np.asarray(values, np.float32)
    return narrow if np.allclose(narrow, values, rtol=1e-6, atol=0, equal_nan=True) else values


def _over_layers(
    courses: Sequence[Course], field: str, title: str, label: str, *, log: bool = False
) -> Picture:
    deepest = max(len(course.layers) for course in courses)
    lines = []
    for i, course in enumerate(courses):
        if len(courses) == 1 and log:
            start = _of_layers(course.first, field, course, deepest)
            lines.append({**_line(i, 2, *start), "name": "at the start", "look": {"hue": "faint"}})
        lines.append(_line(i, len(courses), *_of_layers(course.last, field, course, deepest)))
    return {
        **_about("lines", field, title, "over the layers with weights", label),
        "log": log,
        "x": _layers(deepest),
        "lines": lines,
    }


def _layers(count: int) -> Picture:
    return _numbered(count, "layer, from the input on; the last one is the output", "layer", 1)


def _timesteps(count: int) -> Picture:
    return _numbered(count, "timestep t", "timestep", 0)


def _numbered(count: int, label: str, place: str, first: int) -> Picture:
    """An axis of numbers from the first on, all of which is shown."""
    return {
        "values": np.arange(first, first + count, dtype=np.int32),
        "label": label,
        "place": place,
        "whole": True,
    }


def _of_layers(flow: GradientFlow, field: str, course: Course, count: int) -> tuple[Array, Array]:
    """One step's values of layers with weights, and where there are none: behind the last layer, and of
    outputs without slopes of their own.
    """
    columns = [flow.layers.index(name) for name in course.layers]
    values, none = _up_to(count, getattr(flow, field)[0, columns])
    none[: len(columns)] = ~present(flow, field)[0, columns]
    return values, none


def _up_to(count: int, given: Array) -> tuple[Array, Array]:
    """Values on an axis of so many places, and where there are none."""
    values = np.full(count, np.nan)
    values[: len(given)] = given
    return values, np.arange(count) >= len(given)


def _histogram(course: Course, side: int | None, key: str, title: str, field: str) -> Picture:
    """Shares of each layer's numbers in bins by magnitude, in percent: what is there at all is 1 at least."""
    told = course.newest.distribution(field)
    if not len(told.step):
        told = course.record().distribution(field)
    columns = [told.layers.index(name) for name in course.layers]
    counts = told.counts[-1, columns].T
    bins = len(counts)
    group = max(-(-bins // _MOST_ROWS), 1)
    rows = np.add.reduceat(counts, np.arange(0, bins, group), axis=0) if bins else counts
    with np.errstate(over="ignore"):
        low = (np.frexp(told.edges[:-1:group])[1] - 1).tolist()
    infinite = (told.plus_inf + told.minus_inf)[-1, columns]
    every = np.vstack([told.zero[-1, columns], rows, infinite, told.nan[-1, columns]])
    names = ["0", *(f"2{_raised(exponent)}" for exponent in low), "∞", "NaN"]
    if not every[-2:].any():
        every, names = every[:-2], names[:-2]
    total = np.maximum(told.total[-1, columns], 1)
    factor = f"from, to {2**group} times that" if group < 10 else f"from, to 2^{group} times that"
    return {
        **_about("heat", key, title, f"at step {told.step[-1]:,}", f"magnitude {factor}"),
        **_side(key, title, side),
        "x": _layers(len(columns)),
        "rows": names,
        "values": np.ceil(100 * every / total).astype(np.uint8),
        "percent": True,
        "log": False,
    }


def _raised(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _plane(course: Course) -> Picture:
    """The plane, and the data in it."""
    reach = float(np.ceil(np.abs(course.x).max() * 10.5) / 10)
    at = (np.arange(_GRID) + 0.5) / _GRID * 2 * reach - reach
    grid = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2).astype(np.float32)
    shares = course.model.predict(grid)[:, 1].reshape(_GRID, _GRID)
    ends = (-reach, reach)
    return {
        **pictures.plane("Decision boundary", shares, ends, ends, note=_now(course)),
        "values": np.nan_to_num(255 * shares, nan=127.0).astype(np.uint8),
        "points": np.clip(255 * (course.x + reach) / (2 * reach), 0, 255).astype(np.uint8),
        "point_classes": course.y.astype(np.uint8),
    }


def _curve(course: Course) -> Picture:
    """The curve, and the data on it."""
    order = np.argsort(course.x[:, 0], kind="stable")[:: max(len(course.x) // 64, 1)]
    x = course.x[order]
    lines = {"data": course.y[order, 0], "network": course.model.predict(x)[:, 0]}
    return _lines("Curve", course, lines, x[:, 0], "x", "y")


def _classes(course: Course) -> Picture:
    """How often each class is taken for which: of each, in percent."""
    some = slice(_LOOKED_AT * (2 if course.task.outputs > 4 else 1))
    said, y = course.model.predict(course.x[some]).argmax(axis=-1), course.y[some]
    count = course.task.outputs
    table = np.zeros((count, count))
    np.add.at(table, (said.ravel(), y.ravel()), 1)
    share = 100 * table / np.maximum(table.sum(axis=0), 1)
    names = [str(i) for i in range(count)]
    right = float(np.mean(said == y))
    note = f"{100 * right:.0f} % right, {_now(course)}"
    told = pictures.heat("Confusion matrix", share, names, names, label="predicted", note=note)
    return {
        **told,
        "x": {"names": names, "label": "true"},
        "values": np.round(share).astype(np.uint8),
        "percent": True,
    }


def _sequences(course: Course) -> Picture:
    """The targets of a few sequences, and what the network says."""
    if course.task.numbers:
        y = course.y[:_TOLD, 0]
        order = np.argsort(y, kind="stable")
        said = course.model.predict(course.x[:_TOLD])[:, 0]
        lines = {"target": y[order], "network": said[order]}
        axis = np.arange(1, len(y) + 1)
        return _lines("Predicted sums", course, lines, axis, "sequence, by its target", "sum")
    if not course.task.at_each:
        return _classes(course)
    target = course.y[0]
    share = 100 * course.model.predict(course.x[:1])[0].T
    names = [*map(str, range(len(share) - 1)), "blank"]
    told = pictures.heat(
        "Predicted sequence", share, None, names, label="symbol", note=_now(course)
    )
    return {
        **told,
        "x": {
            "values": np.arange(1, len(target) + 1, dtype=np.int32),
            "label": "timestep t",
            "place": "timestep",
            "whole": True,
        },
        "values": np.nan_to_num(np.round(share)).astype(np.uint8),
        "percent": True,
        "path": target.astype(np.uint8),
    }


def _lines(
    title: str, course: Course, lines: dict[str, Array], x: Array, xlabel: str, label: str
) -> Picture:
    made = pictures.lines(title, lines, x, xlabel=xlabel, label=label, note=_now(course))
    made["lines"][0]["look"] = {"hue": "faint"}
    return made


def _now(course: Course) -> str:
    return f"at step {course.step:,}"


_PREDICTIONS = {"plane": _plane, "curve": _curve, "images": _classes, "sequences": _sequences}
