"""What one pass leaves inside a network: the engine's arrays, as users see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore._core.program import Program
from vgcore.flow import Inside, Internals
from vgcore.layers.base import TIMESTEPS, Shape, is_image
from vgcore.model import inputs, passes, states
from vgcore.model.inputs import Data
from vgcore.model.steps import order_by_length

if TYPE_CHECKING:
    from vgcore.model.session import Session

Array = NDArray[Any]

_OF_PREDICTION = {"h", "z", "c", "gates"}
_OF_BRANCHES = {"skip", "body"}


class Extent(NamedTuple):
    """How much a look at a layer brings of each sample: bytes, units or channels, timesteps or 0."""

    size: int
    units: int
    times: int


class _Seen(NamedTuple):
    """A layer that is looked at."""

    name: str
    operation: int
    shape: Shape
    telling: int  # the operation that tells what branches bring
    branch_shape: Shape
    gates: tuple[str, ...]
    walks: bool
    reverse: bool


def internals(
    session: Session,
    x: ArrayLike,
    y: ArrayLike | None,
    *,
    layers: str | Iterable[str] | None,
    lengths: ArrayLike | None,
    sample_weight: ArrayLike | None,
    initial_state: Sequence[Any] | None,
    align: str,
) -> Internals:
    """See `Sequential.internals`."""
    _validate.one_of("align", align, ("start", "end"))
    chosen = _chosen(session, layers)
    if y is None and sample_weight is not None:
        raise ValueError("sample_weight: expected None without y, for there is no loss")
    data = (
        inputs.samples(session, x, lengths)
        if y is None
        else inputs.to_train(session, x, y, lengths, sample_weight)
    )
    output = np.full(session.output_shape(data.x), np.nan, session.dtype)
    loss = dx = None
    with session.turn:
        look = _Look(session, data, align, gradients=y is not None)
        look.at(chosen)
        if y is None:
            _predict(session, data, initial_state, look, output)
        else:
            found = passes.whole_batch(
                session, data, initial_state, wrt_inputs=True, sights=look.sights, outputs=output
            )
            loss, dx = found.loss, found.input_gradient
        inside = look.inside()
    return Internals(
        inside,
        output=look.aligned(output, in_time=session.gives_time),
        loss=loss,
        dx=None if dx is None else look.aligned(dx, in_time=session.takes_time),
        lengths=data.lengths,
        align=align,
    )


def extents(session: Session, data: Data) -> dict[str, Extent]:
    """How much a look at each layer brings of each sample, where there are targets."""
    program = session.stack.program(
        session.compiled, 1, data.times, updating=False, input_gradient=True, open_inside=True
    )
    shapes, found = _shapes(session), {}
    for name, operation in zip(session.layout.columns, session.layout.shown, strict=True):
        seen = {
            what: (data.times if places == TIMESTEPS else places, columns)
            for what, (places, columns) in program.sights(operation).items()
        }
        numbers = sum(places * columns for places, columns in seen.values())
        places, columns = seen["h"]
        shape = shapes[operation]
        in_time = name in session.layout.declared.walks or len(shape) == 2
        size = numbers * session.dtype.itemsize
        found[name] = Extent(size, int(columns), int(places) if in_time else 0)
    return found


def _chosen(session: Session, layers: str | Iterable[str] | None) -> list[str]:
    """The layers that are asked for, input to output."""
    columns = session.layout.columns
    if layers is None:
        return list(columns)
    given = (
        [layers] if isinstance(layers, str) else list(_validate.items("layers", layers, "names"))
    )
    if not given:
        raise ValueError("layers: expected at least one layer, got none")
    for name in given:
        within = [each for each in columns if each.startswith(f"{name}.")]
        if within and name not in columns:
            raise ValueError(f"layers: expected {' or '.join(within)}, got {name!r}")
        _validate.one_of("layers", name, columns)
    return [name for name in columns if name in given]


def _shapes(session: Session) -> list[Shape]:
    """Of what each operation puts out."""
    return [
        shape
        for layer, given in zip(session.layers, session.shapes, strict=False)
        for shape in layer.operation_shapes(given)
    ]


def _predict(
    session: Session, data: Data, initial_state: Sequence[Any] | None, look: _Look, output: Array
) -> None:
    """Forward alone; what stateful layers carry stays as it is."""
    rows = len(data.x)
    given = states.looked_at(session, initial_state, data)
    program = session.stack.program(
        session.planned, rows, data.times, updating=False, open_inside=True
    )
    program.forward(
        data.x,
        output,
        batch=rows,
        order=order_by_length(None, data.lengths, rows),
        lengths=data.lengths,
        states=[(start, None, None, False) for start in given],
        sights=look.sights(program),
    )


class _Look:
    """The arrays that get what is inside, first as the engine writes them: (n, places, columns)."""

    def __init__(self, session: Session, data: Data, align: str, *, gradients: bool) -> None:
        self._session, self._data, self._gradients = session, data, gradients
        self._at_end = align == "end"
        self._seen: list[_Seen] = []
        self._arrays: dict[tuple[int, str], Array] = {}
        self._in_time: set[tuple[int, str]] = set()

    def at(self, chosen: Sequence[str]) -> None:
        """Look at some layers."""
        session, layout = self._session, self._session.layout
        shapes = _shapes(session)
        for place, (name, operation) in enumerate(zip(layout.columns, layout.shown, strict=True)):
            if name in chosen:
                telling = layout.branches.get(place, operation)
                seen = _Seen(
                    *(name, operation, shapes[operation], telling, shapes[telling]),
                    gates=layout.gates.get(name, ()),
                    walks=name in layout.declared.walks,
                    reverse=name in layout.backwards,
                )
                self._seen.append(seen)

    def sights(self, program: Program) -> list[tuple[int, str, Array]]:
        """Make the arrays that a program has something for: what `Program.train` takes."""
        for seen in self._seen:
            for operation in {seen.operation, seen.telling}:
                for what, (places, columns) in program.sights(operation).items():
                    if self._wants(what, telling=operation == seen.telling):
                        self._make(operation, what, places, columns)
        return [(*where, array) for where, array in self._arrays.items()]

    def _wants(self, what: str, *, telling: bool) -> bool:
        if not self._gradients:
            return what in _OF_PREDICTION
        return telling or what not in _OF_BRANCHES

    def _make(self, operation: int, what: str, places: int, columns: int) -> None:
        data = self._data
        shape = (len(data.x), data.times if places == TIMESTEPS else places, columns)
        self._arrays[operation, what] = np.full(shape, np.nan, self._session.dtype)
        if places == TIMESTEPS:
            self._in_time.add((operation, what))

    def inside(self) -> dict[str, Inside]:
        """What was seen of each layer."""
        return {seen.name: self._inside(seen) for seen in self._seen}

    def _inside(self, seen: _Seen) -> Inside:
        shape = (None, None) if seen.walks else seen.shape  # a walk's are of all timesteps
        h, z, c, gates, delta, total, cell = (
            self._as_users_see(seen.operation, what, shape)
            for what in ("h", "z", "c", "gates", "delta", "total", "cell")
        )
        assert h is not None
        dh = self._as_users_see(seen.operation, "dh", seen.shape)
        skip, body = (
            self._as_users_see(seen.telling, what, seen.branch_shape) for what in ("skip", "body")
        )
        return Inside(
            seen.name,
            h=h,
            z=z,
            delta=delta,
            dh=total if seen.walks else dh,
            dh_direct=self._direct(dh, seen) if seen.walks and dh is not None else None,
            c=c,
            dc=cell,
            gates=_by_gate(seen.gates, h if len(seen.gates) == 1 else gates),
            dgates=_by_gate(seen.gates, delta),
            skip=skip,
            body=body,
        )

    def _as_users_see(self, operation: int, what: str, shape: Shape) -> Array | None:
        """(n, units), (n, time, units), or (n, channels, height, width)."""
        array = self._arrays.get((operation, what))
        if array is None:
            return None
        if is_image(shape):
            return array.transpose(0, 2, 1).reshape(len(array), *shape)
        if len(shape) == 1:
            return array[:, 0]
        return self.aligned(array, in_time=(operation, what) in self._in_time)

    def aligned(self, array: Array, *, in_time: bool) -> Array:
        """Of sequences of several lengths: NaN behind their ends, which stand below each other if asked."""
        lengths = self._data.lengths
        if not in_time or lengths is None:
            return array
        times = array.shape[1]
        for row, length in zip(array, lengths, strict=True):
            if self._at_end:
                row[times - length :] = row[:length].copy()
                row[: times - length] = np.nan
            else:
                row[length:] = np.nan
        return array

    def _direct(self, dh: Array, seen: _Seen) -> Array:
        """What comes from above at each timestep: of an output that is the last state, there alone."""
        if len(seen.shape) == 2:
            return dh
        direct = np.zeros_like(self._arrays[seen.operation, "h"])
        rows, times = direct.shape[:2]
        ends = np.full(rows, times) if self._data.lengths is None else self._data.lengths
        some = np.flatnonzero(ends)
        direct[some, 0 if seen.reverse else ends[some] - 1] = dh[some]
        return self.aligned(direct, in_time=True)


def _by_gate(gates: Sequence[str], values: Array | None) -> dict[str, Array]:
    """The columns of each gate."""
    if values is None or not gates:
        return {}
    return dict(zip(gates, np.split(values, len(gates), axis=-1), strict=True))
