"""GradientFlow: the tracker, and the record it keeps."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _npz, _validate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from vgcore.layers.base import Walk
    from vgcore.model import Sequential
    from vgcore.parameters import Layout

Array = NDArray[np.float64]

_TIME_FIELDS = ("time", "time_direct", "time_cell", "time_gate", "time_saturated")
_MOST_GATES = 4  # of a layer, in the engine's record of a timestep
_OP_FIELDS = ("delta", "activation_mean", "activation_std", "saturated", "dead")
_PARAMETER_FIELDS = (
    "weight_grad",
    "bias_grad",
    "weight_norm",
    "update_norm",
    "weight_grad_applied",
    "bias_grad_applied",
)
_BRANCH_FIELDS = ("delta_skip", "delta_body")
FIELDS = (
    *_OP_FIELDS,
    *_BRANCH_FIELDS,
    *("update_ratio" if name == "update_norm" else name for name in _PARAMETER_FIELDS),
)


def _empty_fields(layers: int) -> dict[str, Any]:
    """No steps of so many layers."""
    fields: dict[str, Any] = {name: np.empty((0, layers)) for name in FIELDS}
    return {"step": np.empty(0, np.int64), "loss": np.empty(0), **fields}


class Records(NamedTuple):
    """What the engine writes of R steps: of operations, parameters, and timesteps of walks.

    op (R, operations, 7), parameter (R, P, 4), time (R, walks, T, 11): total, direct and cell, then each
    gate's norm, then each gate's saturation. walks: timesteps of each walk, or 0 for ``times``. steps
    (R,) and losses (R,) are known when it is done.
    """

    op: Array
    parameter: Array
    time: Array
    times: int
    walks: list[int]
    steps: NDArray[np.int64]
    losses: Array

    @classmethod
    def empty(
        cls, layout: Layout, records: int, times: int, walks: list[int], beyond: float
    ) -> Records:
        """Room for so many records; timesteps that no gradient reaches stay ``beyond``."""
        fields = 3 + 2 * _MOST_GATES
        return cls(
            np.empty((records, len(layout.offsets), 7)),
            np.empty((records, len(layout.names), 4)),
            np.full((records, len(walks), max(times, *walks, 0), fields), beyond),
            times,
            walks,
            np.empty(0, np.int64),
            np.empty(0),
        )

    def finish(self, steps: NDArray[np.int64], losses: Array) -> Records:
        """The records of the steps that were done."""
        n = len(steps)
        return Records(
            self.op[:n], self.parameter[:n], self.time[:n], self.times, self.walks, steps, losses
        )


class Rate(NamedTuple):
    """Result of `GradientFlow.rate` and `time_rate`, one entry per recorded step.

    Attributes
    ----------
    factor : ndarray, (S,)
        What one layer, or timestep, of the backward pass multiplies the gradient by: below 1 it
        vanishes, above 1 it explodes.
    r2 : ndarray, (S,)
        Coefficient of determination of the line: 1 where the decay is exactly geometric.
    """

    factor: Array
    r2: Array


class GradientFlow:
    """Records, layer by layer, how large the gradient is while a network trains.

    Parameters
    ----------
    every : int
        Record every ``every``-th step of the model: those whose number it divides.
    steps : iterable of int, optional
        Record these steps instead.

    Attributes
    ----------
    layers : list of str
        One column each below; a bidirectional layer has two, "name.forward" and "name.backward".
    step : ndarray of int, (S,)
        Steps recorded, counted from 0 since the model was compiled: step 0 applies the gradient of the
        initial parameters.
    loss : ndarray, (S,)
    delta : ndarray, (S, L)
        L2 norm of dL/dz over the whole batch: the error signal of each layer.
    delta_skip, delta_body : ndarray, (S, L)
        Of a block with a skip connection: L2 norm of the gradient that reaches its input through the skip,
        and through the body. NaN for other layers.
    weight_grad, bias_grad : ndarray, (S, L)
        L2 norms of dL/dW and dL/db as the loss's reduction gives them, before any treatment. NaN where
        a layer has none.
    weight_grad_applied, bias_grad_applied : ndarray, (S, L)
        The same of what the optimizer got: after amplification, clipping and noise, before weight decay
        and the learning rate. NaN where it got none: of frozen layers, and where nothing was updated.
    weight_norm : ndarray, (S, L)
        L2 norm of W before the update.
    update_ratio : ndarray, (S, L)
        ``norm(dW) / norm(W)`` of the update applied; NaN where none was.
    activation_mean, activation_std : ndarray, (S, L)
        Over the layer's outputs for the whole batch.
    saturated : ndarray, (S, L)
        Share of outputs where the activation's slope is below 5 % of its steepest.
    dead : ndarray, (S, L)
        Share of units whose slope is 0 for every sample of the batch.
    time : dict of str to ndarray, (S, T)
        Of each recurrent layer: L2 norm over the batch of the total dL/dh_t, the part that comes back from
        later timesteps included.
    time_direct : dict of str to ndarray, (S, T)
        The part of it that comes from the layers above at timestep t alone.
    time_cell : dict of str to ndarray, (S, T)
        The total dL/dc_t of an LSTM.
    time_gate : dict of str to ndarray, (S, T, G)
        L2 norm of dL/dz of each gate's pre-activation at timestep t.
    time_saturated : dict of str to ndarray, (S, T, G)
        Share of each gate's values where its slope is below 5 % of its steepest.
    gates : dict of str to tuple of str
        Names of the G gates: i, f, g, o of an LSTM, r, z, n of a GRU, z of an RNN.

    All are float64; norms neither overflow nor underflow. Columns behind the timesteps of a shorter step
    are NaN; timesteps that no gradient reaches are 0.

    Raises
    ------
    TypeError, ValueError
        If ``every`` is not an integer of at least 1, or ``steps`` are not integers of at least 0.
    """

    def __init__(self, every: int = 1, *, steps: Iterable[int] | None = None) -> None:
        self._every = _validate.integer("every", every, minimum=1)
        self._steps: Array | None = None
        if steps is not None:
            if every != 1:
                raise ValueError("steps: expected either every or steps, got both")
            if not isinstance(steps, Iterable):
                raise TypeError(f"steps: expected step numbers, got {steps!r}")
            chosen = [_validate.integer("steps", s, minimum=0, maximum=2**63 - 1) for s in steps]
            self._steps = np.unique(np.array(chosen, np.int64))
        self._model: object | None = None
        self._layers: list[str] = []
        self._layout: Layout
        self._pending: list[Records] = []
        self._fields: dict[str, Any] = _empty_fields(0)
        self._gates: dict[str, tuple[str, ...]] = {}
        self._time: dict[str, dict[str, Array]] = {name: {} for name in _TIME_FIELDS}

    @property
    def layers(self) -> list[str]:
        """Names of the layers, input to output."""
        return list(self._layers)

    @property
    def gates(self) -> dict[str, tuple[str, ...]]:
        """Names of the gates of each recurrent layer."""
        return dict(self._gates)

    def __len__(self) -> int:
        """Count the steps recorded."""
        return len(self.step)

    def __repr__(self) -> str:
        """Say how much is recorded of what."""
        return f"<GradientFlow: {len(self)} steps of {len(self._layers)} layers>"

    def __getattr__(self, name: str) -> Any:
        """Give a recorded field."""
        fields: dict[str, Any] = self.__dict__.get("_fields", {})
        if name in _TIME_FIELDS and fields:
            self._settle()
            return dict(self._time[name])
        if name not in fields:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        self._settle()
        return fields[name]

    def attach(self, model: Sequential) -> None:
        """Bind to ``model``; ValueError if this tracker has been used with another."""
        if self._model is not None and self._model is not model:
            raise ValueError(
                "track: expected a tracker of this model, got one that holds the record of another "
                f"(layers {', '.join(self._layers)}); make a new GradientFlow"
            )
        if self._model is None:
            self._model = model
            self._layers = list(model.layout.columns)
            for layer in model.layers:
                for walk in layer.walks():
                    self._add_walk(f"{layer.name}{walk.suffix}", walk)
            self._layout = model.layout
            self._fields = _empty_fields(len(self._layers))

    def wants(self, first: int, count: int) -> NDArray[np.bool_]:
        """Which of the steps first .. first + count - 1 to record."""
        steps = np.arange(first, first + count)
        if self._steps is not None:
            return np.isin(steps, self._steps)
        return np.equal(steps % self._every, 0)

    def _add_walk(self, name: str, walk: Walk) -> None:
        self._gates[name] = walk.gates
        for field, values in self._time.items():
            if field in ("time_gate", "time_saturated"):
                values[name] = np.empty((0, 0, len(walk.gates)))
            elif field != "time_cell" or "c" in walk.states:
                values[name] = np.empty((0, 0))

    def append(self, records: Records) -> None:
        """Add recorded steps.

        Fields are made of them when they are asked for, so that recording costs next to nothing.
        """
        self._pending.append(records)

    def _settle(self) -> None:
        """Make fields of the pending records."""
        if not self._pending:
            return
        op, parameters, steps, losses = (
            np.concatenate([getattr(records, name) for records in self._pending])
            for name in ("op", "parameter", "steps", "losses")
        )
        for field, kept in self._time.items():
            for place, (name, gates) in enumerate(self._gates.items()):
                if name in kept:
                    fields = _time_columns(field, len(gates))
                    blocks = (
                        records.time[:, place, : records.walks[place] or records.times, fields]
                        for records in self._pending
                    )
                    kept[name] = _concatenated([kept[name], *blocks])
        self._pending.clear()
        layout, count = self._layout, len(_OP_FIELDS)
        columns = np.moveaxis(op[:, layout.shown], 2, 0)
        new = dict(zip(_OP_FIELDS, columns[:count], strict=True))
        for field, values in zip(_BRANCH_FIELDS, np.moveaxis(op, 2, 0)[count:], strict=True):
            new[field] = np.full((len(op), len(self._layers)), np.nan)
            for column, operation in layout.branches.items():
                new[field][:, column] = values[:, operation]
        norms = np.moveaxis(layout.layer_norms(parameters), 2, 0)
        new.update(zip(_PARAMETER_FIELDS, norms, strict=True), step=steps, loss=losses)
        with np.errstate(divide="ignore", invalid="ignore"):
            new["update_ratio"] = new.pop("update_norm") / new["weight_norm"]
        for name, block in new.items():
            self._fields[name] = np.concatenate([self._fields[name], block])

    def rate(self) -> Rate:
        """Geometric factor of the error signal per layer, at each recorded step.

        A least-squares line through ``log delta`` over the layers' indices; the factor is e to the
        minus slope. NaN where a delta is 0 or not finite, or where there is but one layer.

        Returns
        -------
        Rate
        """
        delta = self.delta
        rate = geometric(delta)
        usable = np.all(np.isfinite(delta) & (delta > 0), axis=1)
        return Rate(np.where(usable, rate.factor, np.nan), np.where(usable, rate.r2, np.nan))

    def time_rate(self, layer: str, field: str = "time") -> Rate:
        """Geometric factor of a gradient per timestep, at each recorded step.

        Parameters
        ----------
        layer : str
            A recurrent layer.
        field : {"time", "time_direct", "time_cell"}

        Returns
        -------
        Rate
            What one timestep on its way back multiplies the norm by; timesteps where it is 0 are left out.
        """
        _validate.one_of("field", field, _TIME_FIELDS[:3])
        values = getattr(self, field)
        return geometric(values[_validate.one_of("layer", layer, values)])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record to an ``.npz`` file (no pickle), under exactly ``path``."""
        _npz.write(
            path,
            {
                "layers": np.array(self._layers, dtype=np.str_),
                **{name: getattr(self, name) for name in self._fields},
                **{
                    f"{field}/{name}": values
                    for field in _TIME_FIELDS
                    for name, values in getattr(self, field).items()
                },
                **{f"gates/{name}": np.array(gates) for name, gates in self._gates.items()},
            },
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> GradientFlow:
        """Read a record that `save` wrote; it can be read and drawn, not continued.

        Raises
        ------
        FileNotFoundError
        ValueError
            If the file is truncated or not a record.
        """
        flow = cls()
        try:
            arrays = _npz.read(path)
            flow._layers = [str(name) for name in arrays["layers"]]
            flow._fields = {name: arrays[name] for name in flow._fields}
            for key in arrays:
                field, slash, name = key.partition("/")
                if slash and field == "gates":
                    flow._gates[name] = tuple(map(str, arrays[key]))
                elif slash:
                    flow._time[field][name] = arrays[key]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"path: expected a GradientFlow record, got {os.fspath(path)!r}: {error}"
            ) from error
        steps, layers = flow._fields["step"].size, len(flow._layers)
        for name, values in flow._fields.items():
            wanted = (steps,) if name in ("step", "loss") else (steps, layers)
            if values.shape != wanted:
                raise ValueError(
                    f"path: expected {name} of shape {wanted} in {os.fspath(path)!r}, got {values.shape}"
                )
        for field, by_layer in flow._time.items():
            for name, values in by_layer.items():
                if values.ndim not in (2, 3) or len(values) != steps:
                    raise ValueError(
                        f"path: expected {field} of shape ({steps}, T, ...) of {name} in "
                        f"{os.fspath(path)!r}, got {values.shape}"
                    )
        flow._model = cls
        return flow

    def plot(self, field: str = "delta", *, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw a field over the layers on a log axis; see `vgcore.plot.flow`."""
        from vgcore import plot

        return plot.flow(self, field, ax=ax, **options)

    def plot_time(self, layer: str | Iterable[str] | None = None, **options: Any) -> Figure:
        """Draw the gradient at every timestep, over training and as curves; see `vgcore.plot.time`."""
        from vgcore import plot

        return plot.time(self, layer, **options)


def geometric(norms: Array) -> Rate:
    """The geometric law of each row of norms (S, N), from the last to the first.

    A least-squares line through the logarithms; the factor is e to minus its slope. Entries that are 0 or
    not finite are left out; NaN where fewer than two are left.
    """
    usable = np.isfinite(norms) & (norms > 0)
    count = usable.sum(axis=1, keepdims=True)

    def centred(values: Array) -> Array:
        values = np.where(usable, values, 0)
        return np.where(usable, values - values.sum(axis=1, keepdims=True) / count, 0)

    with np.errstate(divide="ignore", invalid="ignore"):
        place = centred(np.broadcast_to(np.arange(norms.shape[1], dtype=float), norms.shape))
        logs = centred(np.log(norms))
        slope = (place * logs).sum(axis=1) / (place**2).sum(axis=1)
        residual = ((logs - slope[:, np.newaxis] * place) ** 2).sum(axis=1)
        r2 = 1 - residual / (logs**2).sum(axis=1)
    low = norms.min(axis=1, where=usable, initial=np.inf)
    level = low == norms.max(axis=1, where=usable, initial=0)
    factor = np.where(level & (count[:, 0] > 1), 1, np.exp(-slope))
    return Rate(factor, np.where(level & (count[:, 0] > 1), 1, r2))


def _time_columns(field: str, gates: int) -> int | slice:
    """Where a field is in the engine's record of a timestep."""
    place = _TIME_FIELDS.index(field)
    if place < 3:
        return place
    first = 3 + (place - 3) * _MOST_GATES
    return slice(first, first + gates)


def _concatenated(blocks: list[Array]) -> Array:
    """Blocks (S_i, T_i, ...) one after the other; NaN behind the timesteps of shorter ones."""
    times = max(block.shape[1] for block in blocks)
    joined = np.full((sum(map(len, blocks)), times, *blocks[0].shape[2:]), np.nan)
    row = 0
    for block in blocks:
        joined[row : row + len(block), : block.shape[1]] = block
        row += len(block)
    return joined
