"""GradientFlow: the tracker, and the record it keeps."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _html, _validate
from vgcore._frames import dataframe
from vgcore._locks import lock_of
from vgcore.flow import choice, files, frames, tables
from vgcore.flow.choice import Choice
from vgcore.flow.distributions import Distribution, mapping, tallied
from vgcore.flow.rates import Rate, geometric
from vgcore.flow.record import (
    DISTRIBUTION_FIELDS,
    FIELDS,
    GATE_FIELDS,
    TIME_FIELDS,
    UNIT_FIELDS,
    ByWalk,
    Column,
    Declaration,
    GrowingPart,
    Part,
    Source,
    Steps,
    Walk,
    columns_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from vgcore.diagnosis import Diagnosis

Array = NDArray[np.float64]


class NotRecordedError(AttributeError, ValueError):
    """What a record was not told to hold: an attribute that is missing, and a field that is a bad value."""


class GradientFlow:
    """Records, layer by layer, how large the gradient is while a network trains.

    Parameters
    ----------
    every : int
        Record every ``every``-th step of the model: those whose number it divides.
    steps : iterable of int, optional
        Record these steps instead.
    distributions : bool, int or iterable of int
        Record distributions, too: of each recorded step, of those whose number an integer divides, or of
        those that are listed; see `distribution`.
    units : bool, int or iterable of int
        Record what single units do, likewise.

    Attributes
    ----------
    layers : list of str
        One column each below; a bidirectional layer has two, "name.forward" and "name.backward".
    step : ndarray of int, (S,)
        Steps recorded, counted from 0 since the model was compiled: step 0 applies the gradient of the
        initial parameters. A step that ``on_nonfinite`` has refused is recorded, with nothing applied; where
        training goes on, the step that is made in its stead has the same number, and the next row.
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
        and the learning rate. NaN where it got none: of frozen layers, and where nothing was updated, as
        at a step that was refused.
    weight_norm : ndarray, (S, L)
        L2 norm of W before the update.
    update_ratio : ndarray, (S, L)
        ``norm(dW) / norm(W)`` of the update, as computed: of one below the last digit of W (1e-7 of it in
        float32) rounding leaves little or nothing. NaN where none was applied.
    activation_mean, activation_std : ndarray, (S, L)
        Over the layer's outputs for the whole batch; of a recurrent layer over its hidden states h_t at all
        timesteps that sequences reach, also where its output is the last of them alone.
    saturated : ndarray, (S, L)
        Share of outputs where the activation's slope is below 5 % of its steepest; NaN where one
        is NaN. NaN, as is dead, where outputs have no slopes of their own: behind softmax, of Flatten,
        Embedding, pools and their like.
    dead : ndarray, (S, L)
        Share of units whose slope is 0 for every sample of the batch; NaN where an output is NaN.
    time : dict of str to ndarray, (S, T)
        Of each recurrent layer: L2 norm over the batch of the total dL/dh_t, the part that comes back from
        later timesteps included. Of sigmoid outputs in front of a cross-entropy it grows as e^abs(z), and
        is told up to 2^100 times the loss's scale in float32, 2^1000 in float64; delta is exact beyond.
    time_direct : dict of str to ndarray, (S, T)
        The part of it that comes from the layers above at timestep t alone.
    time_cell : dict of str to ndarray, (S, T)
        The total dL/dc_t of an LSTM.
    time_gate : dict of str to ndarray, (S, T, G)
        L2 norm of dL/dz of each gate's pre-activation at timestep t.
    time_saturated : dict of str to ndarray, (S, T, G)
        Share of each gate's values where its slope is below 5 % of its steepest; NaN where one is NaN.
    gates : dict of str to tuple of str
        Names of the G gates: i, f, g, o of an LSTM, r, z, n of a GRU, z of an RNN.

    unit_step : ndarray of int, (P,)
        Of the steps at which units were recorded.
    unit_delta : dict of str to ndarray, (P, units)
        Of each layer: L2 norm over the batch, all places and timesteps, and all gates, of a unit's dL/dz.
    unit_weight : dict of str to ndarray, (P, units)
        L2 norm of a unit's incoming weights before the update, of those from a recurrent layer's own
        outputs, too, and of all gates; NaN where a layer has none.
    unit_saturated, unit_dead : dict of str to ndarray, (P, units)
        Share of samples (times places, timesteps, gates) where a unit's slope is below 5 % of the
        activation's steepest, and where it is 0; NaN where an output is NaN, and in layers whose
        outputs have no slopes of their own, as above.

    All are float64; norms neither overflow nor underflow. Columns behind the timesteps of a shorter step
    are NaN; timesteps that no gradient reaches are 0.

    Raises
    ------
    TypeError, ValueError
        If ``every`` is not an integer of at least 1, ``steps`` are not integers of at least 0, or
        ``distributions`` or ``units`` is none of what it may be, or lists steps that are not recorded.
    """

    _declared = Declaration()
    _run: object | None = None
    _held = 0  # trainings that are at work with it

    def __init__(
        self,
        every: int = 1,
        *,
        steps: Iterable[int] | None = None,
        distributions: bool | int | Iterable[int] = False,
        units: bool | int | Iterable[int] = False,
    ) -> None:
        self._recorded = Choice(_validate.integer("every", every, minimum=1))
        if steps is not None:
            if every != 1:
                raise ValueError("steps: expected either every or steps, got both")
            self._recorded = choice.steps_of("steps", steps)
        self._chosen = {
            "distributions": choice.among("distributions", distributions, self._recorded),
            "units": choice.among("units", units, self._recorded),
        }
        self._pending: list[Source] = []
        self._parts: dict[str, GrowingPart] = {}  # by name, of `record.PARTS`
        self._columns: dict[Any, Column] = {}  # none until there are steps, or somebody reads
        self._lock = lock_of(self, "_lock")

    @property
    def layers(self) -> list[str]:
        """Names of the layers, input to output."""
        return list(self._declared.layers)

    @property
    def gates(self) -> dict[str, tuple[str, ...]]:
        """Names of the gates of each recurrent layer."""
        return {name: walk.gates for name, walk in self._declared.walks.items()}

    def __len__(self) -> int:
        """Count the steps recorded."""
        return len(self.step)

    def __repr__(self) -> str:
        """Say how much is recorded of what."""
        return f"<{self._title()}>"

    def _title(self) -> str:
        steps, layers = len(self), len(self._declared.layers)
        which = f"step {self.step[0]}" if steps == 1 else f"{steps} steps"
        if steps > 1:
            which += f" ({self.step[0]} to {self.step[-1]})"
        return f"GradientFlow: {which} of {layers} layer{'' if layers == 1 else 's'}"

    def _repr_html_(self) -> str:
        """Show the last step in a notebook."""
        if not len(self):
            return _html.table(self._title(), ["layer"], [(name,) for name in self.layers])
        shown = [name for name in FIELDS if not np.isnan(getattr(self, name)[-1]).all()]
        rows = [
            (name, *(float(getattr(self, field)[-1, place]) for field in shown))
            for place, name in enumerate(self.layers)
        ]
        caption = f"{self._title()}; at step {self.step[-1]}, loss {self.loss[-1]:.4g}"
        return _html.table(caption, ["layer", *(name.replace("_", " ") for name in shown)], rows)

    def __dir__(self) -> list[str]:
        """The fields, and what users call."""
        own = [name for name in super().__dir__() if not name.startswith("_")]
        hidden = {"bind", "check_alike", "check_fits", "extend", "follow", "held", "newest"}
        hidden |= {"wants", "wants_part"}
        units = {*UNIT_FIELDS, "unit_step"} if self._has_part("units") else set()
        return sorted({*own, *FIELDS, *TIME_FIELDS, *units, "step", "loss"} - hidden)

    def __getitem__(self, place: int | slice) -> GradientFlow:
        """The steps at some places of the record, counted as in a list, as a record of its own."""
        if isinstance(place, slice):
            some = place
            if place.indices(len(self))[2] < 0:
                raise ValueError(
                    "expected a slice that goes forward, for steps rise; got a step below 0"
                )
        elif isinstance(place, int | np.integer) and not isinstance(place, bool):
            if not -len(self) <= place < len(self):
                raise IndexError(f"expected a place in a record of {len(self)} steps, got {place}")
            some = slice(int(place), int(place) + 1 or None)
        else:
            raise TypeError(
                f"expected a place or a slice of the record, got {_validate.kind(place)}; fields are "
                "attributes, as in flow.delta, with a row for each of flow.step and a column for each layer"
            )
        flow = type(self).__new__(type(self))
        flow.__setstate__(self._state(some))
        super(GradientFlow, flow).__setattr__("_run", self._run)
        return flow

    def _state(self, some: slice = slice(None)) -> dict[str, Any]:
        """What the record is made of, with a slice of its rows."""
        with self._lock:
            rows = self._rows()
            return {
                "every": self._recorded.every,
                "steps": self._recorded.steps,
                "chosen": dict(self._chosen),
                "declared": self._declared,
                "columns": {name: column[some].copy() for name, column in rows.items()},
                "parts": {
                    name: part.of(range(*some.indices(len(rows["step"]))))
                    for name, part in self._part_rows().items()
                },
            }

    def joined(self, others: Iterable[GradientFlow], first: int = 1) -> GradientFlow:
        """A new record of these steps and, after them, those of others; see `vgcore.concat`.

        ``first``: what messages count the others from.
        """
        joined, before = self[:], first - 1
        for place, other in enumerate(others, first):
            self.check_alike(other, place)
            rows = other._rows()
            if not len(other):
                continue
            if len(joined) and not joined._may_precede(rows):
                raise ValueError(
                    f"flows[{place}]: expected steps after {joined.step[-1]}, the last of flows[{before}], "
                    f"got step {rows['step'].min()}; tables of any records (to_dataframe) go into "
                    "pandas.concat"
                )
            joined._extend(Steps.of(rows, other._part_rows()))
            before = place
        return joined

    def check_alike(self, other: GradientFlow, place: int) -> None:
        """Raise if the record at a place in a list is of other layers, if it is of any."""
        if other.layers and other._declared != self._declared:
            raise ValueError(
                f"flows[{place}]: expected a record of the layers {_names(self._declared)}, got one of "
                f"{_names(other._declared)}"
            )

    def _may_precede(self, rows: Mapping[Any, NDArray[Any]]) -> bool:
        """Whether rows are of later steps, or begin with one of the last row's number, where that was not
        applied: it was refused, or only looked at.
        """
        last, first = self.step[-1], rows["step"].min()
        return bool(first > last or (first == last and not _applied(self.update_ratio[-1])))

    def to_dataframe(self, *, time: bool = False, units: bool = False) -> DataFrame:
        """The record as a pandas DataFrame.

        Parameters
        ----------
        time, units : bool
            What is recorded of timesteps, or of units, instead.

        Returns
        -------
        pandas.DataFrame
            A row for each step and layer, with columns step, loss, layer and a column for each field; of
            timesteps, a row for each step, walk and timestep, with a column for each gate: "time_gate_i"; of
            units, a row for each step, layer and unit.

        Raises
        ------
        ValueError
            If both are asked for, or this record was not to have units.
        ModuleNotFoundError
            If pandas is not installed.
        """
        return dataframe(self._table(time, units))

    def to_csv(
        self,
        path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
        *,
        time: bool = False,
        units: bool = False,
    ) -> None:
        """Write the table of `to_dataframe` as CSV, without pandas.

        Numbers have the digits that give them again bit for bit, "nan" and "inf" among them. A file that is
        there is replaced as a whole. For all of a record in one file, to be loaded again, see `save`.

        Parameters
        ----------
        path : str, bytes or os.PathLike
        time, units : bool
            As of `to_dataframe`.

        Raises
        ------
        OSError
            If it cannot be written; the file that was there is as it was.
        TypeError, ValueError
            If ``path`` is no path; as of `to_dataframe`.
        """
        tables.write_csv(path, self._table(time, units))

    def to_parquet(
        self,
        path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
        *,
        time: bool = False,
        units: bool = False,
    ) -> None:
        """Write the table of `to_dataframe` as Parquet, with pyarrow; NaN stays NaN, and is not missing.

        Parameters
        ----------
        path : str, bytes or os.PathLike
        time, units : bool
            As of `to_dataframe`.

        Raises
        ------
        OSError, TypeError, ValueError
            As of `to_csv`.
        ModuleNotFoundError
            If pyarrow is not installed.
        """
        tables.write_parquet(path, self._table(time, units))

    def _table(self, time: bool, units: bool) -> dict[str, Array]:
        """The columns of a table."""
        _validate.boolean("time", time)
        if _validate.boolean("units", units):
            if time:
                raise ValueError("units: expected False where time is True, got True")
            told = self._part("units")
            return frames.of_units(self.step[told.place], told.columns, self.layers)
        rows = self._rows()
        return frames.of_time(rows, self._declared) if time else frames.of_layers(rows, self.layers)

    def __getattr__(self, name: str) -> Any:
        """Give a recorded field."""
        if name in TIME_FIELDS:
            columns = self._settled()
            walks = self._declared.walks
            return ByWalk({w: columns[name, w].rows for w in walks if (name, w) in columns})
        if name in FIELDS or name in ("step", "loss"):
            return self._settled()[name].rows
        if name in UNIT_FIELDS:
            told = self._part("units").columns
            return ByWalk({layer: told[name, layer] for layer in self.layers})
        if name == "unit_step":
            return self.step[self._part("units").place]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse: a record is what was measured, and which steps is said when it is made."""
        if name[:1] != "_":
            raise AttributeError(
                f"{name}: nothing of a record may be assigned; make a new GradientFlow"
            )
        object.__setattr__(self, name, value)

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle the record alone, without what it measures."""
        return self._state()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take in a record; it goes on with whatever has the same layers."""
        self.__init__()  # type: ignore[misc]
        self._recorded = Choice(state["every"], state["steps"])
        self._chosen.update(state.get("chosen", {}))
        self._declared = state["declared"]
        self._columns = {name: Column(rows) for name, rows in state["columns"].items()}
        self._parts = {name: GrowingPart(part) for name, part in state.get("parts", {}).items()}

    def declare(
        self,
        layers: Iterable[str],
        walks: Mapping[str, Walk] | None = None,
        run: object | None = None,
    ) -> None:
        """Say what is about to be measured; a record has one set of layers.

        Parameters
        ----------
        layers : iterable of str
            Input to output: a column each.
        walks : dict of str to Walk, optional
            Of those that walk through time.
        run : object, optional
            Stands for one count of steps. A record that holds steps of another is refused.

        Raises
        ------
        TypeError, ValueError
            If a name is none or there twice, or a walk is none.
        ValueError
            If this record holds other layers, or steps of another run.
        """
        declared = Declaration(_distinct("layers", layers), dict(mapping("walks", walks)))
        _distinct("walks", declared.walks)
        for name, walk in declared.walks.items():
            if not isinstance(walk, Walk):
                raise TypeError(f"walks[{name!r}]: expected a Walk, got {walk!r}")
        self.bind(declared, run)

    def check_fits(
        self, declared: Declaration, run: object | None, argument: str = "track"
    ) -> None:
        """Raise what `bind` would of an argument of that name, and change nothing."""
        if self._declared.layers and self._declared != declared and (len(self) or self._held):
            raise ValueError(
                f"{argument}: expected a tracker of the layers {_names(declared)}, got one that holds "
                f"the record of another model (layers {_names(self._declared)}); make a new "
                "GradientFlow"
            )
        if None in (self._run, run) or self._run is run:
            return
        if len(self):
            raise ValueError(
                f"{argument}: expected a tracker of this model since it was compiled, got one that holds "
                f"steps {self.step[0]} to {self.step[-1]} of another model or an earlier compile, whose "
                "count began at 0, too; make a new GradientFlow"
            )
        if self._held:
            raise ValueError(
                f"{argument}: expected a tracker of this model alone, got one that another model is being "
                "trained with; make a new GradientFlow"
            )

    def bind(self, declared: Declaration, run: object | None) -> None:
        """Measure what is ``declared`` from now on; see `declare`."""
        with self._lock:
            self.check_fits(declared, run)
            if self._declared != declared:
                self._columns, self._parts = {}, {}
            self._declared = declared
            if run is not None or not self._held:
                self._run = run

    @property
    def recording(self) -> bool:
        """Whether a training records in it now."""
        return self._held > 0

    @contextmanager
    def held(self, declared: Declaration, run: object) -> Iterator[None]:
        """Measure what is ``declared``, and nothing else meanwhile, also before there is a step."""
        with self._lock:
            self.bind(declared, run)
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1

    def add(
        self,
        step: int,
        *,
        loss: float = np.nan,
        time: Mapping[str, Mapping[str, ArrayLike]] | None = None,
        distributions: Mapping[str, Mapping[str, ArrayLike]] | None = None,
        units: Mapping[str, Mapping[str, ArrayLike]] | None = None,
        **fields: ArrayLike,
    ) -> None:
        """Record one step that was measured by any means; what is not given is NaN.

        Parameters
        ----------
        step : int
        loss : float
        time : dict of str to dict of str to array_like
            Of fields of time, of walks: (T,), or (T, G) of gates.
        distributions : dict of str to dict of str to array_like
            Of fields that `distribution` takes, of layers: the numbers to be counted, of any shape.
        units : dict of str to dict of str to array_like, (units,)
            Of "unit_delta", "unit_weight", "unit_saturated" and "unit_dead", of layers.
        **fields : array_like, (L,)
            Of layers, in the order in which they were declared.

        Raises
        ------
        TypeError, ValueError
            For an unknown field, walk or layer, another shape, or what is no number.
        """
        number = np.array([_validate.integer("step", step, minimum=0, maximum=2**63 - 1)], np.int64)
        columns = {name: np.full((1, len(self.layers)), np.nan) for name in FIELDS}
        for name, values in fields.items():
            _validate.one_of("fields", name, FIELDS)
            columns[name] = _shaped(name, values, (len(self.layers),))
        through = self._declared.empty().time
        for name, by_walk in mapping("time", time).items():
            _validate.one_of("time", name, TIME_FIELDS)
            walks = [w for f, w in through if f == name]
            for walk, values in mapping(f"time[{name!r}]", by_walk).items():
                if not walks:
                    raise ValueError(f"time[{name!r}]: no walk that has it was declared")
                _validate.one_of(f"time[{name!r}]", walk, walks)
                gates = len(self._declared.walks[walk].gates)
                inner = (None, gates) if name in GATE_FIELDS else (None,)
                through[name, walk] = _shaped(f"time[{name!r}][{walk!r}]", values, inner)
        for key, empty in through.items():
            if not len(empty):
                through[key] = np.full((1, *empty.shape[1:]), np.nan)
        parts = {}
        if distributions is not None:
            parts["distributions"] = tallied("distributions", distributions, self._declared.layers)
        if units is not None:
            parts["units"] = self._units(units)
        self.extend(Steps(number, _shaped("loss", loss, ()), columns, through, parts))

    def extend(self, steps: Steps) -> None:
        """Record steps that are complete, with their parts, of what was declared."""
        with self._lock:
            self._settled()
            self._extend(steps)

    def _units(self, given: Mapping[str, Mapping[str, ArrayLike]]) -> Part:
        """One step's, from fields and layers; a layer has as many units at every step."""
        columns: dict[Any, Array] = {}
        known = self._parts["units"].rows.columns if "units" in self._parts else {}
        widths = {layer: rows.shape[1] for (_, layer), rows in known.items()}
        for field, by_layer in mapping("units", given).items():
            _validate.one_of("units", field, UNIT_FIELDS)
            for layer, values in mapping(f"units[{field!r}]", by_layer).items():
                _validate.one_of(f"units[{field!r}]", layer, self.layers)
                name = f"units[{field!r}][{layer!r}]"
                row = _shaped(name, values, (widths.get(layer) or None,))
                columns[field, layer], widths[layer] = row, row.shape[1]
        for field, layer in self._declared.empty_part("units").columns:
            columns.setdefault((field, layer), np.full((1, widths.get(layer, 0)), np.nan))
        return Part(np.zeros(1, np.int64), columns)

    def follow(self, source: Source) -> None:
        """Record what ``source`` measures from now on; it is asked when somebody reads."""
        with self._lock:
            self._pending.append(source)

    def newest(self) -> Steps | None:
        """The last step, without its parts, if there is one; what is still to be read is left to be read.

        For who looks in at times while others train: to read all that they record costs 2 % of a step.
        """
        with self._lock:
            for source in reversed(self._pending):
                if (step := source.last()) is not None:
                    return step
            rows = self._rows()
            if not len(rows["step"]):
                return None
            return Steps.of({name: column[-1:] for name, column in rows.items()}, {})

    def wants(self, first: int, count: int) -> NDArray[np.bool_]:
        """Which of the steps first .. first + count - 1 to record."""
        return self._recorded.of(first, count)

    def wants_part(self, name: str, first: int, count: int) -> NDArray[np.bool_] | None:
        """Of which of them to record a part of `record.PARTS`; None where it is of none at all."""
        chosen = self._chosen[name]
        return self.wants(first, count) & chosen.of(first, count) if chosen else None

    def _settled(self) -> dict[Any, Column]:
        """Every column, with what the sources have."""
        with self._lock:
            while self._pending:
                source = self._pending[0]
                measuring, steps = source.open, source.take()
                self._extend(steps)
                source.took(len(steps.step))
                if measuring:
                    break
                del self._pending[0]
            if not self._columns:
                self._columns = columns_of(self._declared.empty())
            return self._columns

    def _rows(self) -> dict[Any, NDArray[Any]]:
        """Every array of the record, all of the same steps even while others read what is measured."""
        with self._lock:
            return {name: column.rows for name, column in self._settled().items()}

    def _part_rows(self) -> dict[str, Part]:
        """The same of the parts that are recorded."""
        with self._lock:
            self._settled()
            return {name: part.rows for name, part in self._parts.items()}

    def _extend(self, steps: Steps) -> None:
        """Add steps to all columns, or, where there is no memory for them, to none."""
        if not len(steps.step):
            return
        if not self._columns:
            self._columns = columns_of(self._declared.empty())
        before = len(self._columns["step"].rows)
        columns = steps.columns()
        for name, rows in columns.items():
            self._columns[name].make_room(rows)
        for name, part in steps.parts.items():
            self._parts.setdefault(name, GrowingPart(self._declared.empty_part(name))).make_room(
                part
            )
        for name, rows in columns.items():
            self._columns[name].append(rows)
        for name, part in steps.parts.items():
            self._parts[name].append(part, before)

    def distribution(self, field: str = "delta") -> Distribution:
        """How the numbers of each layer are distributed, at the steps at which that was recorded.

        Parameters
        ----------
        field : {"delta", "weight_grad", "activation", "update_ratio"}
            Of what: of dL/dz, of dL/dW, of the outputs h, all as the fields of these names are made of
            them, or of each weight's dW/W, where dW is the update as computed, before it is rounded into W.
            Rows behind the end of a sequence do not count. Layers without weights, and steps without an
            update, have no numbers.

        Returns
        -------
        Distribution
            Histograms by sign and binary exponent.

        Raises
        ------
        TypeError, ValueError
            For an unknown field, or if this record was not to have distributions.

        Examples
        --------
        >>> import numpy as np
        >>> import vgcore as vg
        >>> model = vg.Sequential([vg.Dense(8, "relu"), vg.Dense(1)], input_shape=4, seed=0)
        >>> model.compile("mse")
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(32, 4)), rng.normal(size=(32, 1))
        >>> delta = model.gradient_flow(x, y, distributions=True).distribution("delta")
        >>> delta.total, bool(delta.zero[0, 0] > 0)  # of ReLUs that are off
        (array([[256,  32]]), True)
        >>> delta.quantile([0.5, 0.9]).shape
        (2, 1, 2)
        """
        _validate.one_of("field", field, DISTRIBUTION_FIELDS)
        part = self._part("distributions")
        return Distribution(field, self.step[part.place], self._declared.layers, part)

    def _part(self, name: str) -> Part:
        """What is recorded of a part; `NotRecordedError` if nothing is, and nothing was to be."""
        if not self._has_part(name):
            raise NotRecordedError(
                f"{name}: this record has none; record them with GradientFlow({name}=True)"
            )
        with self._lock:
            self._settled()
            part = self._parts.get(name)
            return self._declared.empty_part(name) if part is None else part.rows

    def _has_part(self, name: str) -> bool:
        with self._lock:
            self._settled()
            return name in self._parts or bool(self._chosen[name])

    def rate(self) -> Rate:
        """Geometric factor of the error signal per layer, at each recorded step.

        A least-squares line through ``log delta`` over the layers' indices; the factor is e to the
        minus slope. Layers whose delta is 0 or not finite are left out, and counted in ``left_out``; NaN
        where fewer than two layers are left.

        Returns
        -------
        Rate
        """
        return geometric(self.delta)

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
            What one timestep on its way back multiplies the norm by; timesteps where it is 0 or
            not finite are left out, and counted in ``left_out``.
        """
        _validate.one_of("field", field, TIME_FIELDS[:3])
        values = getattr(self, field)
        return geometric(values[_validate.one_of("layer", layer, values)])

    def save(self, path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> None:
        """Write the record to an ``.npz`` file (no pickle), under exactly ``path``.

        A file that is there is replaced as a whole, as `Sequential.save` does.
        """
        files.write(path, self._state())

    @classmethod
    def load(cls, path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> GradientFlow:
        """Read a record that `save` wrote; it goes on with a model of the same layers.

        Parameters
        ----------
        path : str, bytes or os.PathLike

        Raises
        ------
        FileNotFoundError, OSError
            If there is no such file, or it cannot be read.
        ValueError
            If the file is truncated or not a record.
        TypeError
            If ``path`` is no path.
        """
        flow = cls()
        flow.__setstate__(files.read(path))
        return flow

    def diagnose(self) -> Diagnosis:
        """What is wrong with the network that was recorded, as far as its record tells.

        What needs the network, its data or arrays from inside is left out, and listed in
        ``diagnosis.not_looked_at``: see `Sequential.diagnose`.

        Raises
        ------
        ValueError
            If nothing is recorded.
        """
        from vgcore.diagnosis import diagnose

        return diagnose.of_flow(self)

    def plot(self, field: str = "delta", *, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw a field over the layers on a log axis; see `vgcore.plot.flow`."""
        from vgcore import plot

        return plot.flow(self, field, ax=ax, **options)

    def plot_time(self, layers: str | Iterable[str] | None = None, **options: Any) -> Figure:
        """Draw the gradient at every timestep, over training and as curves; see `vgcore.plot.time`."""
        from vgcore import plot

        return plot.time(self, layers, **options)


def _distinct(argument: str, names: Iterable[str]) -> tuple[str, ...]:
    """Names of layers, each there once."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"{argument}: expected names, got {names!r} ({type(names).__name__})")
    given = tuple(names)
    for name in given:
        _validate.name(argument, name)
    if len(set(given)) < len(given):
        raise ValueError(f"{argument}: expected each name once, got {', '.join(given)}")
    return given


def _applied(update_ratios: Array) -> bool:
    """Whether a step changed any layer."""
    return not np.isnan(update_ratios).all()


def _names(declared: Declaration) -> str:
    """A few of the layers, and the gates that they have through time: alike names may be of other cells."""
    gates = {
        name: f" (gates {', '.join(w.gates)})" for name, w in declared.walks.items() if w.gates
    }
    layers = [name + gates.get(name, "") for name in declared.layers]
    return ", ".join(layers if len(layers) <= 8 else (*layers[:4], "...", *layers[-2:]))


def _shaped(argument: str, values: ArrayLike, shape: tuple[int | None, ...]) -> Array:
    """One row of values of ``shape``, in double."""
    array = _validate.array(argument, values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{argument}: expected real numbers, got {_validate.described(array)}")
    files.check_shape(argument, array, shape)
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large for a double is infinite
        return array[np.newaxis].astype(np.float64)
