"""Records to draw, stand-ins for what is measured elsewhere, and drawing to real bytes."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Affine2D

import vgcore as vg
from vgcore.flow import Inside, Internals
from vgcore.flow.record import FIELDS as RECORDED
from vgcore.flow.record import Walk
from vgcore.plot.fields import TIME_FIELDS

NAN, INF = np.nan, np.inf


def layered(rows: object, names: list[str] | None = None, **others: object) -> vg.GradientFlow:
    """A record (S, L) that holds ``rows`` in every field, or ``others`` in some."""
    values = {name: np.atleast_2d(np.asarray(others.get(name, rows), float)) for name in RECORDED}
    flow = vg.GradientFlow()
    flow.declare(names or [f"dense{i + 1}" for i in range(values["delta"].shape[1])])
    loss = np.asarray(others.get("loss", np.full(len(values["delta"]), NAN)), float)
    for step in range(len(values["delta"])):
        fields = {name: rows[step] for name, rows in values.items()}
        flow.add(step * 10, loss=loss[step], **fields)
    return flow


def walked(rows: object, **others: object) -> vg.GradientFlow:
    """A record (S, T) of one LSTM that holds ``rows`` in every field of time, or ``others`` in some."""
    flow = vg.GradientFlow()
    flow.declare(["lstm1", "dense1"], {"lstm1": Walk(("i", "f", "g", "o"), cell=True)})
    values = {
        name: np.atleast_2d(np.asarray(others.get(name, rows), float)) for name in TIME_FIELDS
    }
    for step in range(len(values["time"])):
        time = {
            name: {
                "lstm1": np.stack([v[step]] * 4, 1) if "gate" in name or "sat" in name else v[step]
            }
            for name, v in values.items()
        }
        flow.add(step * 10, delta=[1, 1], time=time)
    return flow


def render(figure: object) -> bytes:
    assert isinstance(figure, Figure)
    file = BytesIO()
    figure.savefig(file, dpi=40)
    return file.getvalue()


rng = np.random.default_rng(0)
RECORDS = {
    "nothing": np.empty((0, 3)),
    "one step": [[1, 2, 3]],
    "one layer": np.ones((5, 1)),
    "one value": [[1]],
    "zeros": np.zeros((4, 3)),
    "NaN": np.full((4, 3), NAN),
    "infinite": np.full((4, 3), INF),
    "negative": -rng.uniform(size=(4, 3)),
    "minus infinite": [[-INF, 1, -1], [1, -INF, INF]],
    "one lone value": [[NAN, 1, NAN], [NAN, NAN, NAN]],
    "mixed": [[1, 0, NAN], [INF, 1e-3, 0], [0, 0, 0], [-1, 5, NAN]],
    "the ends of float64": [[5e-324, 1.7e308, 1], [1, 1e308, 1e-308]],
    "large": [[1.7e308, -1.7e308, 1e308]],
    "small": [[5e-324, 1e-323, 1e-320]],
    "1,000 layers": 10.0 ** rng.uniform(-20, 2, (3, 1000)),
    "1,000 layers of anything": rng.choice([0, NAN, INF, 1e-3, 1], (7, 1000)),
    "1,000 steps": rng.choice([0, NAN, INF, 1e-3, 1], (1000, 3)),
}


def inside(values: object, *, lengths: object = None, align: str = "start") -> Internals:
    """Internals of an LSTM, a dense layer and a block that hold ``values`` (n, T)."""
    rows = np.atleast_2d(np.asarray(values, float))
    through = np.repeat(rows[:, :, np.newaxis], 3, axis=2)
    if lengths is not None:
        for sample, length in zip(through, lengths, strict=True):  # type: ignore[call-overload]
            sample[length:] = NAN
    flat = through[:, 0]
    door = 1 / (1 + np.exp(-np.clip(through, -500, 500)))
    gates = {"i": door, "f": door, "g": through, "o": door}
    lstm = Inside(
        *("lstm1", through),
        c=through,
        dh=through,
        dh_direct=through,
        dc=through,
        gates=gates,
        dgates=dict.fromkeys(gates, through),
    )
    layers = {
        "lstm1": lstm,
        "dense1": Inside("dense1", flat, z=flat, delta=flat, dh=flat),
        "residual1": Inside("residual1", flat, skip=flat, body=flat / 2),
    }
    given = None if lengths is None else np.asarray(lengths)
    return Internals(layers, output=flat, loss=1.0, dx=None, lengths=given, align=align)


class Distributed(vg.GradientFlow):
    """A record of distributions (S, L) of ``values``, a list of arrays for each step, a layer an array."""

    _given: Any = ()

    @classmethod
    def of(cls, values: list[list[object]]) -> Distributed:
        flow = cls()
        flow.declare([f"dense{i + 1}" for i in range(len(values[0]) if values else 3)])
        for step, arrays in enumerate(values):
            flow.add(step * 10, loss=1.0, delta=np.ones(len(arrays)))
        flow._given = [[np.asarray(each, float).ravel() for each in arrays] for arrays in values]
        return flow

    def distribution(self, field: str) -> SimpleNamespace:
        exponents = np.arange(-1074, 1025)
        with np.errstate(over="ignore"):
            edges = np.ldexp(1.0, exponents)

        def counted(how: Any) -> np.ndarray:
            return np.array([[how(each) for each in row] for row in self._given])

        def binned(sign: int) -> Any:
            return lambda v: np.bincount(
                np.frexp(v[np.isfinite(v) & (sign * v > 0)])[1] - 1 - exponents[0],
                minlength=len(exponents) - 1,
            )

        return SimpleNamespace(
            field=field,
            step=self.step,
            layers=self.layers,
            edges=edges,
            positive=counted(binned(1)),
            negative=counted(binned(-1)),
            zero=counted(lambda v: np.count_nonzero(v == 0)),
            nan=counted(lambda v: np.count_nonzero(np.isnan(v))),
            plus_inf=counted(lambda v: np.count_nonzero(v == INF)),
            minus_inf=counted(lambda v: np.count_nonzero(v == -INF)),
            total=counted(len),
        )


class Expected:
    """A prediction of a gradient that falls by ``factor`` a layer."""

    def __init__(self, layers: list[str], factor: float = 0.5) -> None:
        self.layers = layers
        self._mean = factor ** np.arange(len(layers))[::-1]

    def of(self, field: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if field not in ("delta", "activation_std"):
            raise ValueError(f"field: expected one of delta, activation_std; got {field!r}")
        return self._mean, self._mean / 2, self._mean * 2


def texts_of(ax: Axes) -> list[Text]:
    """What stands on or about axes, and can be seen."""
    found = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        for ticks in (axis.get_major_ticks(), axis.get_minor_ticks()):
            room = 1e-9 * (high - low)
            found += [t.label1 for t in ticks if low - room <= t.get_loc() <= high + room]
    if legend := ax.get_legend():
        found += [*legend.get_texts(), legend.get_title()]
    return [each for each in found if each.get_visible() and each.get_text().strip()]


def corners(written: Text) -> np.ndarray:
    """Of the box (4, 2) around a text, which may be turned."""
    turned = written.get_rotation()
    if turned % 90 == 0:
        return written.get_window_extent().corners()[[0, 1, 3, 2]]
    anchor = written.get_transform().transform(written.get_position())
    written.set_rotation(0)
    upright = written.get_window_extent().corners()[[0, 1, 3, 2]]
    written.set_rotation(turned)
    return Affine2D().rotate_deg_around(*anchor, turned).transform(upright)


def overlap(one: Text, other: Text) -> bool:
    """Whether no line parts the two boxes, of which one side would be along it."""
    boxes = corners(one), corners(other)
    for box in boxes:
        for side in (box[1] - box[0], box[2] - box[1]):
            normal = np.array([-side[1], side[0]]) / (np.linalg.norm(side) or 1)
            first, second = (each @ normal for each in boxes)
            if min(first.max(), second.max()) - max(first.min(), second.min()) <= 1:
                return False
    return True
