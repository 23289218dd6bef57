"""One step of a watched module: what was noted of it, and the row of a record that this makes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.exchange.watching import measures
from vgcore.exchange.watching.activations import Seen
from vgcore.exchange.watching.layers import Column
from vgcore.exchange.watching.recurrent import Pass, Walked
from vgcore.flow import FIELDS, Steps
from vgcore.flow.distributions import narrowed
from vgcore.flow.record import DISTRIBUTION_FIELDS, GATE_FIELDS, Part

Array = NDArray[np.float64]
Tensor = Any
Key = tuple[Any, ...]
Note = tuple[Key, Tensor]


def notes_of(column: int, seen: Seen, tallies: bool) -> list[Note]:
    """What a pass has shown of a layer's outputs, which may be changed in place afterwards."""
    count = seen.outputs.numel()
    if not count:
        return []
    notes: list[Note] = [(("moments", column, count), measures.moments(seen.outputs))]
    if seen.flat is not None:
        notes += [(("flat", column, count), seen.flat), (("alive", column), seen.alive)]
    if tallies:
        notes.append((("tally", "activation", column), measures.tally(seen.outputs)))
    return notes


class Node:
    """A tensor of a pass forward, whose gradient is told.

    Attributes
    ----------
    kind : str
        As what: "delta", "skip" or "body".
    column : int
    notes : list
        What is known of the tensor itself.
    """

    def __init__(self, kind: str, column: int) -> None:
        self.kind, self.column = kind, column
        self.notes: list[Note] = []


class End(Node):
    """What a recurrent module has put out: with its gradient a second pass begins."""

    def __init__(self, kind: str, column: int, made: Pass) -> None:
        super().__init__(kind, column)
        self.made = made


class Row:
    """What is noted of one step, as tensors on their devices until `steps` fetches them all at once.

    Parameters
    ----------
    columns : list of Column
    tallies : bool
        Whether distributions are wanted, too.
    """

    def __init__(self, columns: list[Column], tallies: bool) -> None:
        self._columns = columns
        self.tallies = tallies
        self._notes: list[Note] = []  # joined where several are of one kind
        self._latest: dict[Key, Tensor] = {}
        self._losses: list[Tensor] = []
        self._seen: dict[Node, None] = {}
        self._held: dict[Node, Tensor] = {}  # gradients that more may be added to
        self._reached: dict[Pass, int] = {}  # that gradients have come to, and their first columns
        self._walks: dict[Pass, list[Note]] = {}  # of those that more may come to
        self._loss: float | None = None

    def add_loss(self, loss: Tensor) -> None:
        """Add what a backward pass began with to the loss of the step."""
        self._losses.append(measures.double(loss.detach()).clone())

    def set_loss(self, loss: float) -> None:
        """Say what the loss is instead."""
        self._loss = loss

    def see(self, node: Node) -> None:
        """Note what is known of a tensor itself, once."""
        self._seen[node] = None

    def hear(self, node: Node, gradient: Tensor, retained: bool) -> None:
        """Note the gradient of a tensor: the sum over backward passes, where the graph is retained."""
        gradient = gradient.detach()
        before = self._held.pop(node, None)
        if before is not None:
            gradient = before + gradient
        elif retained:
            gradient = gradient.clone()  # its memory may become a parameter's .grad
        if isinstance(node, End):
            self._reached[node.made] = node.column
        else:
            self.see(node)
        if retained or isinstance(node, End):
            self._held[node] = gradient
        else:
            self._notes += self._norm(node.kind, node.column, gradient)

    def take_passes(
        self, parameters: list[Any] | None
    ) -> Iterator[tuple[Pass, int, dict[str, Tensor]]]:
        """Passes of recurrent modules (of some parameters) that a backward pass has come to since.

        Their first columns come with them, and the gradients of their ends.
        """
        among = None if parameters is None else {id(each) for each in parameters}
        for made, first in list(self._reached.items()):
            if among is None or any(id(each) in among for each in made.module.parameters()):
                del self._reached[made]
                ends = [node for node in self._held if isinstance(node, End) and node.made is made]
                yield made, first, {node.kind: self._held[node] for node in ends}

    def set_walks(self, made: Pass, first: int, walks: list[Walked], retained: bool) -> None:
        """Note the walks of a pass, in place of what was noted of them before."""
        notes = [
            note for place, each in enumerate(walks) for note in self._walk(first + place, each)
        ]
        self._walks.pop(made, None)
        if retained:
            self._walks[made] = notes
        else:
            self._notes += notes
            for node in [
                each for each in self._held if isinstance(each, End) and each.made is made
            ]:
                del self._held[node]

    def _walk(self, column: int, walked: Walked) -> Iterator[Note]:
        yield from self._norm("delta", column, walked.deltas)
        yield from notes_of(column, walked.seen, self.tallies)
        for kind, values in (("time", walked.total), ("time_direct", walked.direct)):
            yield (kind, column), values
        if walked.cell is not None:
            yield ("time_cell", column), walked.cell
        yield ("time_gate", column), walked.gates
        cells = tuple(rows * walked.units for rows in walked.rows)
        yield ("time_saturated", column, cells), walked.flat

    def _norm(self, kind: str, column: int, gradient: Tensor) -> Iterator[Note]:
        """The norm of "delta", "skip" or "body"; of several the root of the sum of squares."""
        yield (kind, column), measures.norm(gradient)
        if self.tallies and kind == "delta":
            yield ("tally", "delta", column), measures.tally(gradient)

    def set_norm(self, kind: str, parameter: Any, tensor: Tensor) -> None:
        """Note the norm of a parameter's "gradient", "applied" gradient, "value" or "update"."""
        self._latest[kind, id(parameter)] = measures.norm(tensor)

    def set_tally(self, field: str, parameter: Any, tensor: Tensor) -> None:
        """Note how a parameter's numbers are distributed."""
        if self.tallies:
            self._latest["tally", field, id(parameter)] = measures.tally(tensor)

    def has(self, kind: str, parameter: Any) -> bool:
        """Whether a norm of it is noted."""
        return (kind, id(parameter)) in self._latest

    def steps(self, number: int) -> Steps:
        """The row, fetched from where it lies."""
        for node, gradient in self._held.items():
            if not isinstance(node, End):
                self._notes += self._norm(node.kind, node.column, gradient)
        for notes in self._walks.values():
            self._notes += notes
        for node in self._seen:
            self._notes += node.notes
            node.notes = []
        keys = [
            *(key for key, _ in self._notes),
            *self._latest,
            *((("loss",),) * len(self._losses)),
        ]
        arrays = measures.fetched(
            [*(tensor for _, tensor in self._notes), *self._latest.values(), *self._losses]
        )
        noted: dict[Key, list[tuple[Key, Array]]] = {}
        for key, array in zip(keys, arrays, strict=True):
            noted.setdefault(key[:2] if key[0] != "tally" else key, []).append((key, array))
        read = _Read(noted)
        losses = [float(array[0]) for _, array in read.of("loss")]
        loss = sum(losses) if losses else math.nan
        fields = {name: np.full((1, len(self._columns)), np.nan) for name in FIELDS}
        time: dict[tuple[str, str], Array] = {}
        for place, column in enumerate(self._columns):
            for name, value in {**read.outputs(place), **read.parameters(column)}.items():
                fields[name][0, place] = value
            if column.walk is not None:
                for name in column.walk.fields():
                    gates = len(column.walk.gates) if name in GATE_FIELDS else None
                    time[name, column.name] = read.time(name, place, gates)[np.newaxis]
        return Steps(
            np.array([number], np.int64),
            np.array([loss if self._loss is None else self._loss]),
            fields,
            time,
            {"distributions": self._distributions(read)} if self.tallies else {},
        )

    def _distributions(self, read: _Read) -> Part:
        """The tallies of each field and layer."""
        made: dict[Any, NDArray[Any]] = {}
        for field in DISTRIBUTION_FIELDS:
            cells = []
            for place, column in enumerate(self._columns):
                owners = (
                    [id(parameter) for parameter in column.weights]
                    if field in ("weight_grad", "update_ratio")
                    else [place]
                )
                cells.append(measures.tallied(read.tally(field, owners)))
            widest = max(len(counts) for _, counts, _ in cells)
            counts = np.zeros((1, len(cells), widest, 2), np.int64)
            for place, (_, mine, _) in enumerate(cells):
                counts[0, place, : len(mine)] = mine
            made[field, "lowest"] = np.array([[lowest for lowest, _, _ in cells]], np.int16)
            made[field, "counts"] = narrowed(counts)
            made[field, "special"] = narrowed(np.stack([special for _, _, special in cells])[None])
        return Part(np.zeros(1, np.int64), made)


class _Read:
    """The notes of a step, by what they are of."""

    def __init__(self, noted: dict[Key, list[tuple[Key, Array]]]) -> None:
        self._noted = noted

    def of(self, *key: Any) -> list[tuple[Key, Array]]:
        return self._noted.get(key, [])

    def _norm(self, kind: str, owners: Iterable[Any]) -> float:
        """Joined; NaN where there is none."""
        found = [float(array[0]) for owner in owners for _, array in self.of(kind, owner)]
        return math.hypot(*found) if found else math.nan

    def outputs(self, place: int) -> dict[str, float]:
        told = {"delta": self._norm("delta", [place])}
        told["delta_skip"] = self._norm("skip", [place])
        told["delta_body"] = self._norm("body", [place])
        moments = [(key[2], *array) for key, array in self.of("moments", place)]
        if moments:
            told["activation_mean"], told["activation_std"] = _joined(moments)
        flat = [(key[2], float(array[0])) for key, array in self.of("flat", place)]
        if flat and len(flat) == len(moments):
            told["saturated"] = sum(count for _, count in flat) / sum(count for count, _ in flat)
            alive = [array for _, array in self.of("alive", place)]
            told["dead"] = math.nan
            if not math.isnan(told["saturated"]) and len({len(each) for each in alive}) == 1:
                told["dead"] = 1 - float(np.max(alive, axis=0).mean())
        return told

    def parameters(self, column: Column) -> dict[str, float]:
        weights, biases = ([id(p) for p in some] for some in (column.weights, column.biases))
        told = {
            "weight_grad": self._norm("gradient", weights),
            "bias_grad": self._norm("gradient", biases),
            "weight_grad_applied": self._norm("applied", weights),
            "bias_grad_applied": self._norm("applied", biases),
            "weight_norm": self._norm("value", weights),
        }
        with np.errstate(divide="ignore", invalid="ignore"):
            update = np.float64(self._norm("update", weights))
            told["update_ratio"] = float(update / np.float64(told["weight_norm"]))
        return told

    def time(self, name: str, place: int, gates: int | None) -> Array:
        """(T,), or (T, gates): norms joined, or shares."""
        shape = (-1,) if gates is None else (-1, gates)
        arrays = [array.reshape(shape) for _, array in self.of(name, place)]
        longest = max((len(array) for array in arrays), default=0)
        joined = np.zeros((longest, *shape[1:]))
        cells = np.zeros((longest, *((1,) * (len(shape) - 1))))
        for (key, _), array in zip(self.of(name, place), arrays, strict=True):
            here = joined[: len(array)]
            if name == "time_saturated":
                here += array
                cells[: len(array), 0] += key[2]
            else:
                here[...] = np.hypot(here, array)
        return joined / cells if name == "time_saturated" else joined

    def tally(self, field: str, owners: list[Any]) -> NDArray[Any]:
        """Of all of them together."""
        found = [array for owner in owners for _, array in self.of("tally", field, owner)]
        empty: NDArray[Any] = np.zeros(measures.TALLY)
        return np.sum(found, axis=0) if found else empty


def _joined(parts: list[tuple[int, float, float]]) -> tuple[float, float]:
    """Mean and standard deviation, of counts, means and norms of differences (Chan et al. 1979, eq. 2.1)."""
    count, mean, deviation = 0, 0.0, 0.0
    for new, middle, spread in parts:
        apart = middle - mean
        deviation = math.hypot(deviation, spread, apart * math.sqrt(count * new / (count + new)))
        mean += apart * (new / (count + new))
        count += new
    return mean, deviation / math.sqrt(count)
