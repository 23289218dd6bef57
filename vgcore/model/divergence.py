"""What is said, and done, where a step's loss or gradient is not finite.

The engine stops at such a step with everything of it still in its buffers; here it is found where that began.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore._core import arrays
from vgcore._core.program import Program
from vgcore.model.inputs import Data
from vgcore.model.steps import Steps

if TYPE_CHECKING:
    from vgcore.model.session import Session

Array = NDArray[Any]

_ADVICE = {
    "raise": "nothing of it was applied",
    "stop": "nothing of it was applied, and training stops",
    "warn": 'training goes on; compile(on_nonfinite="stop" or "raise") keeps the last good parameters',
}


# Who warns in the stead of a thread that no user has called; None: the thread itself
speaker: ContextVar[Callable[[str, type[Warning]], None] | None] = ContextVar(
    "speaker", default=None
)


class Place(NamedTuple):
    """Where in training it was: the optimizer's step, the epoch of `fit` or None, and the place in it."""

    step: int
    epoch: int | None
    place: int


def tell(session: Session, message: str) -> bool:
    """Raise or warn as `compile` was told to; whether training shall stop.

    Raises
    ------
    FloatingPointError
    """
    mode = session.compiled.on_nonfinite
    message = f"{message}; {_ADVICE[mode]}"
    if mode == "raise":
        raise FloatingPointError(message)
    session.warned = True
    warn_caller(message, RuntimeWarning)
    return mode == "stop"


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn whoever called vgcore."""
    speak = speaker.get()
    if speak is not None:
        speak(message, category)
    else:
        warnings.warn(message, category, stacklevel=_levels_to_caller())


def _levels_to_caller() -> int:
    """How far up, counted from `warn_caller`, the caller of vgcore is."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("vgcore."):
        frame, level = frame.f_back, level + 1
    return level


def parameters_message(session: Session) -> str | None:
    """What to say of parameters that are not finite after the last step; None if all are."""
    if arrays.all_finite(session.values):
        return None
    spoilt = _not_finite(session, session.values)
    return f"not finite after step {session.step - 1}: {_some(spoilt)}"


def _some(names: list[str]) -> str:
    """A few of the names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _not_finite(session: Session, vector: Array) -> list[str]:
    """The parameters whose part of a flat vector is not finite, input to output."""
    views = session.layout.views(vector).items()
    return [name for name, view in views if not np.isfinite(view).all()]


def message(
    session: Session, program: Program, data: Data, steps: Steps, at: Place, loss: float
) -> str:
    """Where the step that ``program`` has stopped at went wrong: layer, timestep and sample."""
    epoch = "" if at.epoch is None else f", epoch {at.epoch}"
    said = f"not finite at step {at.step}{epoch}: "
    said += "the gradient" if np.isfinite(loss) else f"the loss is {loss:g}"
    window = _Window(session, program, data, steps, at.place)
    where = window.output() or (window.gradient() if np.isfinite(loss) else None)
    if where is not None:
        said += f", first {where}"
    elif window.is_one_of_several:
        said += f", behind timestep {window.times - 1}"
    spoilt = _not_finite(session, session.values) if session.compiled.refuses else []
    if spoilt:
        when = "the step before has made" if at.step else "it began with"
        said += f" ({when} {_some(spoilt)} not finite)"
    return said


class _Window:
    """What the engine's buffers hold: the last window of time of a step."""

    def __init__(
        self, session: Session, program: Program, data: Data, steps: Steps, place: int
    ) -> None:
        self.session, self.program = session, program
        minibatch, chunk = divmod(place, len(steps.chunks))
        first = minibatch * steps.batch
        everything = np.arange(len(data.x)) if steps.order is None else steps.order
        self.samples = everything[first : first + steps.batch]
        self.lengths = None if data.lengths is None else data.lengths[self.samples]
        self.time = int(steps.chunks[:chunk].sum())
        times = int(steps.chunks[chunk]) if session.takes_time else 1
        self.times = min(times, program.times)
        self.is_one_of_several = self.times < times
        self.names = dict(zip(session.layout.shown, session.layout.columns, strict=True))
        self.backwards = session.layout.backwards

    def output(self) -> str | None:
        """The first layer whose output is not finite, and where in it that began."""
        for operation, name in self.names.items():
            outputs = self.program.outputs(operation, len(self.samples), self.times)
            where = self._where(outputs, -1 if name in self.backwards else 0)
            if where is not None:
                return f"in the output of {name}{where}"
        return None

    def gradient(self) -> str | None:
        """The last layer with a gradient that is not finite, and where in it that began."""
        layout = self.session.layout
        spoilt = _not_finite(self.session, self.session.gradients)
        if not spoilt:
            return None
        operation, name = max(
            (layout.operations[layout.names.index(name)], name) for name in spoilt
        )
        layer = self.names.get(operation, name.rpartition(".")[0])
        totals = self.program.totals(operation, len(self.samples), self.times)
        where = None
        if totals is not None:
            where = self._where(totals, 0 if layer in self.backwards else -1)
        return f"in that of {layer}{where or ''}"

    def _where(self, values: Array, end: int) -> str | None:
        """The timestep, if there are any, and the sample: nearest to the first (0) or last (-1) timestep."""
        bad: NDArray[np.bool_] = np.any(~np.isfinite(values), axis=2)
        in_time = self.session.takes_time and len(bad) == self.times
        if in_time and self.lengths is not None:
            bad &= np.arange(self.time, self.time + self.times)[:, np.newaxis] < self.lengths
        if not bad.any():
            return None
        place = int(np.flatnonzero(bad.any(axis=1))[end])
        sample = int(self.samples[np.flatnonzero(bad[place])[0]])
        timestep = f"timestep {self.time + place}, " if in_time else ""
        return f" at {timestep}sample {sample}"
