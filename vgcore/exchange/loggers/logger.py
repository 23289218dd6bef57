"""Numbers of a training, told to other tools' logs: the base of all who do, and what it tells."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.flow.record import DISTRIBUTION_FIELDS, FIELDS
from vgcore.model.callbacks import Callback, Logs
from vgcore.plot import style
from vgcore.plot.distributions import recorded
from vgcore.plot.fields import present

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vgcore.model import Sequential

Array = NDArray[Any]

TOLD = ("delta", "weight_grad", "update_ratio", "saturated", "dead")
"""Fields of a flow that are told by default."""


class Logger(Callback):
    """Tell a log what happens in training: base of those that have a `log`.

    After each epoch it is told, with the number of the last step, the epoch's numbers by the names that they
    have in the logs of callbacks: "loss", "accuracy", "val_loss", "learning_rate", "seconds", ... Where
    training tracks a flow it is told, with the number of each step that was recorded since, "step/loss",
    "rate" and "time_rate/lstm1", the factors of `GradientFlow.rate` and `time_rate`, and fields of each
    layer: "delta/dense1".

    A flow with distributions also gives histograms of the numbers' magnitudes, "log10_delta/dense1". Zeros
    and what is not finite have no place there: they are told as shares, "zero_delta/dense1" and, where there
    are any, "not_finite_delta/dense1".

    Attributes
    ----------
    fields : tuple of str
        Which fields of the flow are told layer by layer.
    pictures : bool
        Whether pictures of the flow are drawn when training ends, if the log takes any.

    Examples
    --------
    >>> import vgcore as vg
    >>> class Lines(vg.callbacks.Logger):
    ...     fields = ("delta",)
    ...
    ...     def __init__(self):
    ...         self.lines = []
    ...
    ...     def log(self, step, name, value):
    ...         self.lines.append(f"{step} {name} {value:.3g}")
    >>> x, y = vg.data.circles(64, seed=0)
    >>> model = vg.Sequential([vg.Dense(8, "tanh"), vg.Dense(2, "softmax")], input_shape=2, seed=0)
    >>> model.compile("sparse_categorical_crossentropy")
    >>> log = Lines()
    >>> history = model.fit(x, y, track=vg.GradientFlow(), callbacks=[log])
    >>> [line.rpartition(" ")[0] for line in log.lines[:4]]
    ['0 step/loss', '0 rate', '0 delta/dense1', '0 delta/dense2']
    """

    fields: tuple[str, ...] = TOLD
    pictures: bool = True
    _flow: GradientFlow | None = None
    _model: Sequential | None = None
    _told = 0  # steps of the flow
    _ended = False

    @abstractmethod
    def log(self, step: int, name: str, value: float) -> Any:
        """Take a number; steps count from 0 and `Sequential.compile` on, and never go back in a training."""

    def log_all(self, step: int, values: Mapping[str, float]) -> Any:
        """Take all numbers of a step at once: for logs that would rather have them so. Calls `log`."""
        for name, value in values.items():
            self.log(step, name, value)

    def log_histogram(self, step: int, name: str, edges: Array, counts: Array) -> Any:
        """Take a histogram: B + 1 rising edges, and how many numbers lie in each of B bins."""

    def log_picture(self, step: int, name: str, figure: Figure) -> Any:
        """Take a picture, matplotlib's Figure, which is the log's own."""

    def open(self, model: Sequential) -> Any:
        """Get ready, before the first epoch."""

    def close(self, complete: bool) -> Any:
        """Be done with this training; ``complete``: it has ended by itself or by a callback."""

    def on_train_begin(self, model: Sequential) -> None:
        """Get ready."""
        if self._draws:
            style.require_matplotlib()
        self._told = 0 if self._flow is None else len(self._flow)
        self._ended = False
        self.open(model)
        self._model = model

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Tell what the flow has recorded, and the numbers of the epoch."""
        assert self._model is not None
        self._tell_flow()
        numbers = {
            name: float(value)
            for name, value in {"epoch": epoch, **logs}.items()
            if isinstance(value, int | float) and name != "model"
        }
        self.log_all(max(0, self._model.step - 1), numbers)

    def on_train_end(self, model: Sequential) -> None:
        """Hand over the pictures."""
        if self._draws and self._flow is not None and len(self._flow):
            for name, figure in _pictures(self._flow):
                self.log_picture(max(0, model.step - 1), name, figure)
        self._ended = True

    def _follow(self, flow: GradientFlow | None) -> None:
        """Tell of this flow."""
        self._flow = flow

    def _leave_training(self) -> None:
        """Close what was opened."""
        opened = self._model is not None
        self._model = self._flow = None
        if opened:
            self.close(self._ended)

    @property
    def _draws(self) -> bool:
        return self.pictures and type(self).log_picture is not Logger.log_picture

    def _tell_flow(self) -> None:
        """Tell of the steps that came since."""
        if self._flow is None:
            return
        flow = self._flow[self._told :]
        self._told += len(flow)
        histograms = self._histograms(flow)
        for row, (step, values) in enumerate(_values(flow, self.fields)):
            drawn = histograms.get(row, [])
            shares = {name: share for _, _, _, more in drawn for name, share in more.items()}
            self.log_all(step, {**values, **shares})
            for name, edges, counts, _ in drawn:
                if len(counts):
                    self.log_histogram(step, name, edges, counts)

    def _histograms(self, flow: GradientFlow) -> dict[int, list[Any]]:
        """By row of the flow: names, edges, counts, and shares of what has no place in the bins."""
        found: dict[int, list[Any]] = {}
        if type(self).log_histogram is Logger.log_histogram or not recorded(flow):
            return found
        places = {int(step): row for row, step in enumerate(flow.step)}
        for field in DISTRIBUTION_FIELDS:
            told = flow.distribution(field)
            edges = np.log10(told.edges)
            if len(edges) and np.isinf(edges[-1]):  # 2^1024 is
                edges[-1] = edges[-2] + np.log10(2)
            odd = told.nan + told.plus_inf + told.minus_inf
            for at, layer in zip(*np.nonzero(told.total), strict=True):
                name, total = flow.layers[layer], told.total[at, layer]
                shares = {f"zero_{field}/{name}": float(told.zero[at, layer] / total)}
                if odd[at, layer]:
                    shares[f"not_finite_{field}/{name}"] = float(odd[at, layer] / total)
                some = np.flatnonzero(told.counts[at, layer])
                mine = slice(some[0], some[-1] + 1) if len(some) else slice(0)
                counts = told.counts[at, layer, mine]
                entry = f"log10_{field}/{name}", edges[mine.start : mine.stop + 1], counts, shares
                found.setdefault(places[int(told.step[at])], []).append(entry)
        return found


def check_fields(fields: Any) -> tuple[str, ...]:
    """Names of fields of a flow that are of layers."""
    given = tuple(_validate.items("fields", fields, "a sequence of fields of a flow"))
    for name in given:
        _validate.one_of("fields", name, FIELDS)
    return given


def png(figure: Figure) -> bytes:
    """A picture as a file, without pyplot."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def settings(model: Sequential) -> dict[str, Any]:
    """What a network is, in a few words."""
    return {
        "layers": len(model.layers),
        "input_shape": str(model.input_shape),
        "parameters": model.session.values.size,
        "dtype": model.dtype.name,
        "loss": model.loss.name,
        "optimizer": repr(model.optimizer),
    }


def _values(flow: GradientFlow, fields: Iterable[str]) -> Iterator[tuple[int, dict[str, float]]]:
    """Each step of a flow, and its numbers by name; what a layer does not have is left out."""
    columns: list[tuple[str, Array, Array]] = [("step/loss", flow.loss, np.full(len(flow), True))]
    factor = flow.rate().factor
    columns.append(("rate", factor, np.isfinite(factor)))
    for walk in flow.time:
        factor = flow.time_rate(walk).factor
        columns.append((f"time_rate/{walk}", factor, np.isfinite(factor)))
    for field in fields:
        there, values = present(flow, field), getattr(flow, field)
        for place, layer in enumerate(flow.layers):
            columns.append((f"{field}/{layer}", values[:, place], there[:, place]))
    for row, step in enumerate(flow.step):
        yield int(step), {name: float(values[row]) for name, values, there in columns if there[row]}


def _pictures(flow: GradientFlow) -> Iterator[tuple[str, Figure]]:
    """Pictures of a flow, by name, that pyplot does not know."""
    from matplotlib.figure import Figure

    from vgcore import plot

    rows = 2 + (bool(flow.time) or present(flow, "delta_skip").any())
    yield "flow", plot.dashboard(flow, figure=Figure(figsize=(13.33, 3.75 * rows)))
    over_layers = Figure(figsize=(8, 5), layout="constrained")
    plot.flow(flow, ax=over_layers.subplots())
    yield "delta", over_layers
    if flow.time:
        height = 0.8 + 3.4 * len(flow.time)
        yield "time", plot.time(flow, figure=Figure(figsize=(11.1, height)))
