"""The gradient through time: recurrent cells side by side on the adding problem.

Two marked numbers of a long sequence are to be added (Hochreiter and Schmidhuber 1997, experiment 4, in the
form of Le, Jaitly and Hinton 2015), one from each half (as in Arjovsky, Shah and Bengio 2016). The error is
known at the last timestep alone, so a cell can learn only what its gradient carries back from there: as far
as the first half.

Every cell sees the same sequences in the same order and takes the same steps. Their gradients are
measured before and after training, on the same held-out sequences. The decay is the factor by which one
timestep on the way back multiplies ‖dL/dh_t‖, the total, its own recurrent path included; of an LSTM that of
dL/dc_t, too, for its memory is c.

Hochreiter and Schmidhuber call a sequence right whose error is below 0.04 of the targets' range (table 7,
means of 10 trials): after 74,000 sequences of at least 100 timesteps an LSTM had 1 of 2,560 wrong, and after
853,000 of 1,000 as many; never were more than 3 wrong. Theirs differ in length, by up to a tenth, both marks
stand in their first half, one of them in the first ten timesteps, and their LSTM has no forget gate.
With 100 timesteps and any of the seeds 0 to 4, the simple cell ends at chance and LSTM and GRU at less than
a hundredth of it. The GRU learns first, and its gradient was the one that vanished fastest: gates are no gift
of a gradient, they can learn to let it through.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, data, plot
from vgcore.experiments import base
from vgcore.experiments.base import (
    About,
    Claim,
    KeepFolder,
    Meter,
    Table,
    fit_callback,
    names,
    silent,
    verdict,
)
from vgcore.experiments.keep import Keep
from vgcore.flow import GradientFlow
from vgcore.layers import GRU, LSTM, RNN, Dense
from vgcore.layers.recurrent import Recurrent
from vgcore.model import Sequential
from vgcore.optimizers import Adam
from vgcore.plot.curves import Curve, draw, name_beside
from vgcore.plot.fields import TIME_FIELDS
from vgcore.schedules import MultiStep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

ABOUT = About(
    "The adding problem: what the gradient of an RNN, an LSTM and a GRU carries back",
    "S. Hochreiter, J. Schmidhuber, Neural Computation 9 (1997), experiment 4, table 7; Q. V. Le, "
    "N. Jaitly, G. E. Hinton, arXiv:1504.00941 (2015), section 4.1",
)

CELLS: dict[str, type[Recurrent]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
"""The cells to choose from."""

COLOURS = {"rnn": "#d55e00", "lstm": "#0072b2", "gru": "#009e73"}  # of Okabe and Ito
_DASHES = {"h": "-", "c": "--"}
_SEQUENCES, _HELD_OUT, _BATCH_SIZE = 32_000, 2_560, 32
_MEASURED = 128  # held-out sequences that a gradient is measured on
_LEARNING_RATE, _CLIP_NORM = 3e-3, 1.0
_LATE = 0.75, 0.1  # share of the training after which the rate falls, and to what of it
_RIGHT = (
    0.04 * 2
)  # the error of a sequence that is right: targets are in [0, 2], and were in [0, 1]
_PUBLISHED_WRONG = 1
_AS_FEW = 4  # 99.6 % of draws from a Poisson distribution with the published mean are as few
_LENGTH, _FULL_LENGTH = 100, 1_000
_EPOCHS, _FULL_EPOCHS = 4, 27


@dataclass(frozen=True)
class Course:
    """One cell's course.

    Attributes
    ----------
    cell : str
        A key of `CELLS`; the layer has this name.
    start, end : GradientFlow
        One pass over the measured sequences before and after training.
    flow : GradientFlow
        A hundred steps of the training, evenly spread.
    mse : float
        Mean squared error of the held-out sequences after training.
    wrong : int
        How many of them are wrong by 0.04 of the targets' range or more.
    """

    cell: str
    start: GradientFlow
    end: GradientFlow
    flow: GradientFlow
    mse: float
    wrong: int


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured: a `Course` a cell, and on what."""

    courses: list[Course]
    length: int
    steps: int

    def claims(self) -> list[Claim]:
        """What each cell learns, beside chance."""
        return [
            self._solved(course) if course.cell != "rnn" else self._lost(course)
            for course in self.courses
        ]

    def _solved(self, course: Course) -> Claim:
        chance = data.chance.adding_problem()
        published = course.cell == "lstm"
        near = course.wrong <= _AS_FEW
        return Claim(
            f"{course.cell.upper()}: solves it",
            f"{_PUBLISHED_WRONG} of {_HELD_OUT:,} wrong" if published else "MSE near 0",
            f"{course.wrong} wrong, MSE {course.mse:.5f} (chance: {chance:.3f})",
            verdict(near if published else course.mse < chance / 10, course.mse < chance / 10),
            f"{course.wrong - _PUBLISHED_WRONG} more are wrong, beyond chance"
            if published and not near
            else "",
        )

    def _lost(self, course: Course) -> Claim:
        chance = data.chance.adding_problem()
        lost = course.mse > chance / 2
        return Claim(
            "RNN: stays at chance",
            f"MSE {chance:.3f}",
            f"MSE {course.mse:.3f}, {course.wrong:,} of {_HELD_OUT:,} wrong",
            verdict(lost, lost),
        )

    def tables(self) -> list[Table]:
        """What was learned, then the decay of the gradient before and after."""
        return [self._learned(), self._decay()]

    def _learned(self) -> Table:
        chance = data.chance.adding_problem()
        return Table(
            f"Adding problem over {self.length:,} timesteps, after {self.steps:,} steps",
            ("cell", f"MSE of {_HELD_OUT:,} held out", "share of chance", "wrong by 0.04 or more"),
            [
                *(
                    (
                        course.cell.upper(),
                        f"{course.mse:.5f}",
                        f"{course.mse / chance:.1%}",
                        f"{course.wrong:,}",
                    )
                    for course in self.courses
                ),
                ("always 1 (chance)", f"{chance:.5f}", "100.0%", ""),
            ],
        )

    def _decay(self) -> Table:
        rows = []
        for course in self.courses:
            for state, field in _states(course.start):
                laws = (flow.time_rate(course.cell, field) for flow in (course.start, course.end))
                numbers = [f"{number[0]:.4f}" for law in laws for number in law]
                rows.append((f"{course.cell.upper()}, dL/d{state}_t", *numbers))
        return Table(
            "Decay of the gradient per timestep",
            ("gradient", "factor before", "R²", "factor after", "R²"),
            rows,
        )

    def notes(self) -> list[str]:
        """How to read the factors."""
        return [
            "factor: what one timestep on its way back multiplies the gradient's norm by (a line "
            f"through its logarithm over the {self.length:,} timesteps). Below 1 it vanishes, above 1 "
            "it explodes.",
            "R²: 1 where that law is exact, near 0 where the gradient has no trend: it is carried.",
            "A cell that stays at chance has not learned to look back. Before training, gated cells "
            "need not be better at it: what counts is that their gates can learn to be.",
        ]

    def picture(self) -> Figure:
        """The gradient at every timestep, one panel before and one after training, on one axis."""
        figure, axes = plot.panels(2, width=5.4)
        titles = "before training", f"after {self.steps:,} steps"
        for ax, title, moment in zip(axes, titles, ("start", "end"), strict=True):
            lines = []
            for course in self.courses:
                flow = getattr(course, moment)
                for state, field in _states(flow):
                    norms = getattr(flow, field)[course.cell][0]
                    label = f"{course.cell.upper()}: {course.mse:.2g}"
                    label = label if state == "h" else r"its $\|\partial L/\partial c_t\|_2$"
                    look = {"color": COLOURS[course.cell], "linestyle": _DASHES[state]}
                    lines.append(Curve(norms, np.full(norms.shape, True), label, look))
            draw(ax, TIME_FIELDS["time"], np.arange(self.length, dtype=float), lines, empty="")
            ax.set(title=title, xlabel="timestep $t$")
            ax.label_outer()
        chance = data.chance.adding_problem()
        name_beside(figure, axes, f"MSE after training\n(chance: {chance:.2g})")
        figure.suptitle("Adding problem: the gradient that the last timestep's error sends back")
        return figure


def run(
    cell: Annotated[str, "Cells to compare, separated by commas."] = "rnn,lstm,gru",
    length: Annotated[
        int | None, f"Timesteps of a sequence; left out, {_LENGTH}, with full {_FULL_LENGTH}."
    ] = None,
    units: Annotated[int, "Units of each cell."] = 64,
    epochs: Annotated[
        int | None,
        f"Passes over the {_SEQUENCES:,} sequences; left out, {_EPOCHS}, with full {_FULL_EPOCHS}.",
    ] = None,
    seed: Annotated[int, "Seeds the sequences and the first weights."] = 0,
    full: Annotated[bool, "The paper's longest sequences, and as many as it took."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train recurrent cells on the adding problem, and compare their gradients through time.

    What it takes and raises is said in `vgcore.experiments.base`; cells are those
    of `CELLS`, and ``length`` is at least 2.
    """
    cells = names("cell", cell, CELLS)
    full = _validate.boolean("full", full)
    if length is None:
        length = _FULL_LENGTH if full else _LENGTH
    if epochs is None:
        epochs = _FULL_EPOCHS if full else _EPOCHS
    length = _validate.integer("length", length, minimum=2)
    epochs = _validate.integer("epochs", epochs, minimum=1)
    units = _validate.integer("units", units, minimum=1)
    x, y = data.adding_problem(_SEQUENCES + _HELD_OUT, length, seed)
    kept = Keep(keep, "time", length=length, units=units, epochs=epochs, seed=seed)
    courses = [
        kept.part(name, Course, partial(_train, name, units, x, y, epochs, seed, kept, meter))
        for name in cells
    ]
    return Result(courses, length, epochs * (_SEQUENCES // _BATCH_SIZE))


def _train(
    cell: str, units: int, x: Array, y: Array, epochs: int, seed: int, kept: Keep, meter: Meter
) -> Course:
    held_out = x[_SEQUENCES:], y[_SEQUENCES:]
    measured = held_out[0][:_MEASURED], held_out[1][:_MEASURED]
    layers = [CELLS[cell](units, name=cell), Dense(1)]
    model = Sequential(layers, input_shape=x.shape[1:], seed=seed)
    steps = epochs * (_SEQUENCES // _BATCH_SIZE)
    rate = MultiStep(_LEARNING_RATE, (int(_LATE[0] * steps),), _LATE[1])
    model.compile("mse", Adam(rate), clip_norm=_CLIP_NORM)
    start = model.gradient_flow(*measured)
    trained = kept.fit(
        cell,
        model,
        x[:_SEQUENCES],
        y[:_SEQUENCES],
        epochs=epochs,
        batch_size=_BATCH_SIZE,
        shuffle=False,  # a shuffled order would differ from cell to cell
        track=GradientFlow(every=10 * epochs),
        callbacks=[fit_callback(meter, cell.upper())],
    )
    assert trained.flow is not None
    end = trained.model.gradient_flow(*measured)
    errors = trained.model.predict(held_out[0]) - held_out[1]
    wrong = int((np.abs(errors) >= _RIGHT).sum())
    return Course(cell, start, end, trained.flow, float(np.mean(errors**2)), wrong)


def _states(flow: GradientFlow) -> list[tuple[str, str]]:
    """The states of the cell, and the fields of their gradients."""
    return [("h", "time"), *([("c", "time_cell")] if flow.time_cell else [])]
