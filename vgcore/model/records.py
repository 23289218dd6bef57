"""The engine's record of one call, and the steps of a `GradientFlow` that are made of it."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore._locks import lock_of
from vgcore.flow import GradientFlow, Steps, Walk
from vgcore.flow.record import FIELDS, GATE_FIELDS, TIME_FIELDS
from vgcore.model.parameters import Layout
from vgcore.model.told import Told

Array = NDArray[np.float64]

_MOST_GATES = 4  # of a layer, in the engine's record of a timestep
_OP_FIELDS = ("delta", "activation_mean", "activation_std", "saturated", "dead")
_BRANCH_FIELDS = ("delta_skip", "delta_body")
_PARAMETER_FIELDS = (
    *("weight_grad", "bias_grad", "weight_norm", "update_norm"),
    *("weight_grad_applied", "bias_grad_applied"),
)


class Records:
    """What the engine writes of the recorded ones of N steps: a `Source` of a flow.

    The engine counts the steps that it has completed in ``done``, so what it was interrupted in is no
    part of the record and what it has completed is never lost.

    Parameters
    ----------
    layout : Layout
    extents : list of int
        Timesteps of each walk, or 0 for ``times``.
    wanted : ndarray of bool, (N,)
        Which steps to record.
    parts : dict of str to Told
        What else it writes of some of them, by the flow's names.
    first : int
        Number of the first step.
    done : ndarray of int64, (1,)
        Where the engine counts the steps that are complete.
    losses : ndarray, (N,)
        Where the engine writes the steps' losses.
    times : int
        Timesteps of the longest step.
    beyond : float
        What timesteps hold that no gradient reaches.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        extents: list[int],
        wanted: NDArray[np.bool_],
        parts: dict[str, Told],
        first: int,
        done: NDArray[np.int64],
        losses: Array,
        times: int,
        beyond: float,
    ) -> None:
        self.open = True
        self._lock = lock_of(self, "_lock")
        self._layout, self._losses, self._first = layout, losses, first
        self._parts = parts
        self._times = [extent or times for extent in extents]
        self._steps = wanted.nonzero()[0].astype(np.int64, copy=False)
        self._taken = 0
        self._done = done
        rows, gates = len(self._steps), 3 + 2 * _MOST_GATES
        self._row = np.empty(len(wanted), np.int64)
        self._row.fill(-1)
        self._row[wanted] = np.arange(rows)
        self._op = np.empty((rows, len(layout.offsets), 7))
        self._parameter = np.empty((rows, len(layout.names), 4))
        self._time = np.empty((rows, len(extents), max(times, *extents, 0), gates))
        self._time.fill(beyond)

    def places(self) -> dict[str, Any]:
        """Where the engine writes: arguments of `Program.train`."""
        return {
            "record": self._row,
            "op_record": self._op,
            "parameter_record": self._parameter,
            "time_record": self._time,
            "told": {name: part.places() for name, part in self._parts.items()},
        }

    def close(self) -> None:
        """Give back the room that was not needed: the engine writes no more."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        self._done = self._done.copy()
        rows = self._complete()
        if rows < len(self._op) * 3 // 4:
            self._op, self._parameter, self._time = (
                array[:rows].copy() for array in (self._op, self._parameter, self._time)
            )
        for part in self._parts.values():
            part.close(self._steps[:rows])
        self._losses = self._losses[self._steps[:rows]]
        self._steps = self._steps[:rows]
        self.open = False

    @property
    def some(self) -> bool:
        """Whether a step is recorded and complete."""
        return self._complete() > 0

    def gradient_norm(self) -> float:
        """Of all trained parameters at the last step that is recorded and complete, before treatment."""
        norms = self._parameter[self._complete() - 1, :, 1]
        return math.hypot(*norms[self._layout.is_trained])

    def _complete(self) -> int:
        """Recorded steps that are done."""
        return int(self._steps.searchsorted(self._done[0]))

    def take(self) -> Steps:
        """The steps that are complete and have not been taken yet."""
        with self._lock:
            mine = slice(self._taken, self._complete())
            parts = {name: part.take(self._steps[mine]) for name, part in self._parts.items()}
            return self._made(mine)._replace(parts=parts)

    def last(self) -> Steps | None:
        """The last step that is complete, taken or not, without its parts."""
        with self._lock:
            rows = self._complete()
            return self._made(slice(rows - 1, rows)) if rows else None

    def took(self, count: int) -> None:
        """So many steps are somebody else's now."""
        self._taken += count

    def _made(self, mine: slice) -> Steps:
        """Some of the recorded steps, without their parts."""
        steps = self._steps[mine]
        losses = self._losses[steps] if self.open else self._losses[mine]
        time = {
            (field, name): self._time[
                mine, place, : self._times[place], _in_record(field, walk)
            ].copy()
            for place, (name, walk) in enumerate(self._layout.declared.walks.items())
            for field in walk.fields()
        }
        return Steps(self._first + steps, losses, self._fields(mine), time)

    def _fields(self, mine: slice) -> dict[str, Array]:
        layout, op = self._layout, self._op[mine].transpose(2, 0, 1)
        shown = np.ascontiguousarray(op[:, :, layout.shown])
        if layout.slopeless:
            shown[3:5, :, layout.slopeless] = np.nan
        branches = shown[len(_OP_FIELDS) :]
        branches.fill(np.nan)
        for column, operation in layout.branches.items():
            branches[:, :, column] = op[len(_OP_FIELDS) :, :, operation]
        fields = dict(zip((*_OP_FIELDS, *_BRANCH_FIELDS), shown, strict=True))
        norms = layout.layer_norms(self._parameter[mine])
        fields.update(zip(_PARAMETER_FIELDS, norms, strict=True))
        with np.errstate(divide="ignore", invalid="ignore"):
            fields["update_ratio"] = fields.pop("update_norm") / fields["weight_norm"]
        return {name: fields[name] for name in FIELDS}


def _in_record(field: str, walk: Walk) -> int | slice:
    """Where a field is in the engine's record of a timestep: norms, gates' norms, gates' flat shares."""
    if field not in GATE_FIELDS:
        return TIME_FIELDS.index(field)
    first = 3 + GATE_FIELDS.index(field) * _MOST_GATES
    return slice(first, first + len(walk.gates))


def check(flow: GradientFlow, layout: Layout, run: object) -> None:
    """Raise what `attach` would, and change nothing."""
    flow.check_fits(layout.declared, run)


def held(flow: GradientFlow, layout: Layout, run: object) -> AbstractContextManager[None]:
    """As `attach`; meanwhile nothing else may be recorded in it."""
    return flow.held(layout.declared, run)


def attach(flow: GradientFlow, layout: Layout, run: object) -> None:
    """Declare a network's layers to a flow; ValueError if it holds the record of another."""
    flow.bind(layout.declared, run)
