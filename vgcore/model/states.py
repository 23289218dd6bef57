"""The states that recurrent layers start from and end in, as users see them and as the engine does.

Users give and get one entry per recurrent layer: an array h (n, units), a pair (h, c) of an LSTM, a pair of
entries, forwards and backwards, of a bidirectional layer, and of a stack or a block a tuple with one entry
for each of its recurrent layers. The engine takes a flat list of arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vgcore import _validate
from vgcore.layers.base import Layer, Walk

if TYPE_CHECKING:
    from vgcore.model.inputs import Data
    from vgcore.model.session import Session

Array = NDArray[Any]


class Carried(NamedTuple):
    """The states of stateful layers, row by row; None for layers that are not."""

    rows: int
    times: int
    arrays: list[Array | None]


class State(NamedTuple):
    """One state of one walk: its name, such as "lstm1.h", its units, and whether it is carried."""

    name: str
    units: int
    carried: bool


def listed(layers: Sequence[Layer]) -> list[State]:
    """Every state of every layer, as the engine lists them."""
    walks = [(layer, walk) for layer in layers for walk in layer.walks()]
    carried = [part.stateful for layer in layers for part in layer.parts() for _ in part.walks()]
    return [
        State(f"{layer.name}{walk.suffix}.{state}", walk.units, stateful)
        for (layer, walk), stateful in zip(walks, carried, strict=True)
        for state in walk.states
    ]


def by_name(session: Session) -> dict[str, Array]:
    """The states that stateful layers carry."""
    if session.carried is None:
        return {}
    pairs = zip(listed(session.layers), session.carried.arrays, strict=True)
    return {state.name: array for state, array in pairs if array is not None}


def recurrent(layers: Sequence[Layer]) -> list[Layer]:
    """The layers that have states."""
    return [layer for layer in layers if layer.walks()]


def empty(layers: Sequence[Layer], samples: int, dtype: DTypeLike) -> list[Array]:
    """Arrays of zeros for every state of every layer, flat."""
    return [np.zeros((samples, state.units), dtype) for state in listed(layers)]


@dataclass(frozen=True)
class Nest:
    """What has a tuple of entries: their names, and what each is."""

    names: tuple[str, ...]
    entries: tuple[Nest | Walk, ...]


def nest(layer: Layer) -> Nest | Walk:
    """The walks of a layer as they are named within each other; a single one stands for what it is in."""
    return _nest([(walk.suffix.split(".")[1:], walk) for walk in layer.walks()])


def _nest(walks: list[tuple[list[str], Walk]]) -> Nest | Walk:
    if len(walks) == 1:
        return walks[0][1]
    within: dict[str, list[tuple[list[str], Walk]]] = {}
    for (name, *rest), walk in walks:
        within.setdefault(name, []).append((rest, walk))
    entries = tuple(_nest(each) for each in within.values())
    return entries[0] if len(entries) == 1 else Nest(tuple(within), entries)


def nested(layers: Sequence[Layer], flat: Sequence[Array]) -> list[Any]:
    """A flat list as users see it."""
    arrays = iter(flat)
    return [_entry(nest(layer), arrays) for layer in recurrent(layers)]


def _entry(wanted: Nest | Walk, arrays: Iterator[Array]) -> Any:
    if isinstance(wanted, Nest):
        return tuple(_entry(each, arrays) for each in wanted.entries)
    found = tuple(next(arrays) for _ in wanted.states)
    return found[0] if len(found) == 1 else found


def flat(
    argument: str, given: Any, layers: Sequence[Layer], samples: int, dtype: DTypeLike
) -> list[Array | None]:
    """What the user gave, checked and flat; None where a layer starts from its own states."""
    wanted = recurrent(layers)
    if not wanted:
        raise ValueError(f"{argument}: the model has no recurrent layer to start from a state")
    if not isinstance(given, list | tuple):
        raise TypeError(
            f"{argument}: expected a list with one entry per recurrent layer, got "
            f"{type(given).__name__}"
        )
    if len(given) != len(wanted):
        names = ", ".join(str(layer.name) for layer in wanted)
        raise ValueError(
            f"{argument}: expected {len(wanted)} entries, one for each of {names}; got {len(given)}"
        )
    arrays: list[Array | None] = []
    for place, (entry, layer) in enumerate(zip(given, wanted, strict=True)):
        for walk, label, part in _flat(f"{argument}[{place}]", entry, nest(layer), layer):
            if part is not None and walk.learned:
                raise ValueError(f"{label}: {layer.name} learns its initial state; expected None")
            for where, value in _parts(label, part, walk.states, layer):
                arrays.append(
                    None if value is None else _state(where, value, (samples, walk.units), dtype)
                )
    return arrays


def _flat(
    argument: str, entry: Any, wanted: Nest | Walk, layer: Layer
) -> Iterator[tuple[Walk, str, Any]]:
    """Each walk, where its entry stands, and the entry."""
    if isinstance(wanted, Walk):
        yield wanted, argument, entry
        return
    parts = _parts(argument, entry, wanted.names, layer)
    for (label, part), each in zip(parts, wanted.entries, strict=True):
        yield from _flat(label, part, each, layer)


def initial(session: Session, given: Sequence[Any] | None, rows: int) -> list[Array | None]:
    """Checked initial states, flat; all None where none are given."""
    if given is not None:
        return flat("initial_state", given, session.layers, rows, session.dtype)
    return [None for _ in listed(session.layers)] if session.layout.declared.walks else []


def carried(session: Session, data: Data, rows: int) -> list[Array | None]:
    """The states that stateful layers carry; zeros at first."""
    if data.lengths is not None:
        raise ValueError(
            "lengths: expected None with stateful layers, whose rows keep their places"
        )
    if session.carried is None:
        arrays = [
            np.zeros((rows, state.units), session.dtype) if state.carried else None
            for state in listed(session.layers)
        ]
        session.carried = Carried(rows, data.times, arrays)
    before = session.carried
    if (rows, data.times) != (before.rows, before.times):
        raise ValueError(
            f"x: expected minibatches of {before.rows} samples of {before.times} timesteps, as before, for "
            f"a stateful layer; got {rows} of {data.times}; reset_states() makes it start anew"
        )
    return before.arrays


def looked_at(session: Session, given: Sequence[Any] | None, data: Data) -> list[Array | None]:
    """What a single look starts from: given states, else what stateful layers carry, else the layers' own."""
    if given is None and session.carried is not None:
        return carried(session, data, len(data.x))
    return initial(session, given, len(data.x))


def _parts(
    argument: str, entry: Any, names: tuple[str, ...], layer: Layer
) -> list[tuple[str, Any]]:
    """An entry's parts and where they stand: itself, if there is but one."""
    if len(names) == 1:
        return [(argument, entry)]
    if entry is None:
        return [(argument, None) for _ in names]
    if not isinstance(entry, list | tuple) or len(entry) != len(names):
        came = (
            f"{len(entry)} parts" if isinstance(entry, list | tuple) else f"{type(entry).__name__}"
        )
        raise ValueError(
            f"{argument}: {layer.name} expects a tuple ({', '.join(names)}), got {came}"
        )
    return [(f"{argument}[{place}]", part) for place, part in enumerate(entry)]


def _state(argument: str, value: Any, shape: tuple[int, int], dtype: DTypeLike) -> Array:
    array = _validate.array(argument, value)
    if array.shape != shape:
        raise ValueError(f"{argument}: expected shape {shape}, got {array.shape}")
    return _validate.finite(argument, array, dtype)
