"""A forget gate that starts open (Jozefowicz, Zaremba and Sutskever 2015).

Small random weights leave the forget gate at s(b), the sigmoid of its bias: the cell's gradient shrinks by
that factor at each timestep, by 0.5 where the bias is 0. The paper would have it start at 1 or 2. It compares
cells on arithmetic, XML and language modelling. The best accuracy on arithmetic (table 1) is 0.892 for the
LSTM, 0.902 for the same with a bias of 1, 0.896 for the GRU; it finds that the bias closes the gap between
the two, and warns that without it one may wrongly conclude that an LSTM cannot learn long dependencies.

Here the same cells learn the adding problem over 60 timesteps, from the smallest start that the paper
searched, uniform within 0.3 / sqrt(units), with five networks each. The gradient dL/dc_t is measured before
training, over all timesteps; of the GRU, which has no c, it is dL/dh_t.

With any of the seeds 0 to 4, dL/dc_t shrinks by 0.53 to 0.54 a timestep with a bias of 0 and by 0.76 to 0.77
with 1 (medians): a few hundredths above s(b), for h sends gradients back, too. After 1,500 steps no LSTM with
a bias of -2 has learned anything, of five with 0 none to two, and all five with 1 or 2, as all GRUs. With 0
it comes later, not never: of seed 2, all five have learned after 2,500 steps. The GRU starts with a gradient
that vanishes as fast as that of the LSTM with a bias of 0: what the start lets through does not decide alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, data, plot
from vgcore.experiments import base, side_by_side
from vgcore.experiments.base import About, Claim, KeepFolder, Meter, Table, silent, verdict
from vgcore.experiments.keep import Keep
from vgcore.flow import GradientFlow
from vgcore.initializers import Uniform
from vgcore.layers import GRU, LSTM, Dense
from vgcore.model import Sequential
from vgcore.optimizers import Adam

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Float64 = NDArray[np.float64]

ABOUT = About(
    "A forget gate that starts open: what its bias does to the LSTM's gradient and memory",
    "R. Jozefowicz, W. Zaremba, I. Sutskever, An empirical exploration of recurrent network architectures, "
    "ICML 2015, table 1",
)

BIASES = -2.0, 0.0, 1.0, 2.0
_START = 0.3  # over sqrt(units): the smallest of the paper's scales
_BATCH_SIZE, _LEARNING_RATE, _CLIP_NORM = 32, 5e-3, 1.0
_HELD_OUT, _MEASURED, _EVERY = 1_024, 64, 25
_COLOURS = "#d55e00", "#e69f00", "#56b4e9", "#0072b2", "#009e73"  # of Okabe and Ito


class _Scale(NamedTuple):
    length: int
    units: int
    steps: int
    networks: int


DEFAULT = _Scale(length=60, units=32, steps=1_500, networks=5)
FULL = _Scale(length=200, units=128, steps=6_000, networks=10)


@dataclass(frozen=True)
class Cell:
    """What networks with one cell came to.

    Attributes
    ----------
    name : str
        Of the cell.
    bias : float
        Of the forget gate at the start; NaN for the GRU.
    norms : ndarray, (networks, time)
        ‖dL/dc_t‖ before training, of the GRU ‖dL/dh_t‖.
    factor : ndarray, (networks,)
        What one timestep multiplies these by on their way back.
    step : ndarray, (S,)
    loss : ndarray, (networks, S)
        Of the minibatches of these steps.
    mse : ndarray, (networks,)
        Of the held-out sequences after training.
    """

    name: str
    bias: float
    norms: Float64
    factor: Float64
    step: NDArray[np.int64]
    loss: Float64
    mse: Float64

    @property
    def gate(self) -> float:
        """What the forget gate starts as."""
        return float(1 / (1 + np.exp(-self.bias)))

    @property
    def solved(self) -> int:
        """How many networks are below a tenth of chance."""
        return int(np.sum(self.mse < data.chance.adding_problem() / 10))


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured: a `Cell` a bias, in the order of `BIASES`, and the GRU; on how long sequences."""

    cells: list[Cell]
    length: int

    def claims(self) -> list[Claim]:
        """The gradient's factor at the start, and what comes of it."""
        shut, half, opened, _, gru = self.cells
        of_half, of_open = (float(np.median(cell.factor)) for cell in (half, opened))
        alike = [
            abs(value / cell.gate - 1) < 0.1 for value, cell in ((of_half, half), (of_open, opened))
        ]
        count = len(half.mse)
        tenth = "within a tenth of s(b)"
        most = count / 2
        return [
            Claim(
                "A forget bias of 0 halves the cell's gradient at each timestep",
                "a factor of 0.5",
                f"{of_half:.3f}",
                verdict(alike[0], of_half < of_open),
                "" if alike[0] else f"not {tenth}: h sends gradients back, too",
            ),
            Claim(
                "A bias of 1 opens the gate to 0.73",
                f"a factor near {opened.gate:.2f}",
                f"{of_open:.3f}",
                verdict(alike[1], of_half < of_open),
                "" if alike[1] else f"not {tenth}: h sends gradients back, too",
            ),
            Claim(
                "Without that bias one may conclude that an LSTM cannot learn what takes a long memory",
                "it seems incapable",
                f"{half.solved} of {count} networks solve it; with a bias of {shut.bias:g}, {shut.solved}",
                verdict(*[half.solved < most and shut.solved < most] * 2),
            ),
            Claim(
                "A bias of 1 closes the gap to the GRU",
                "arithmetic: LSTM 0.892 right, with a bias of 1 0.902, GRU 0.896",
                f"{half.solved}, {opened.solved} and {gru.solved} of {count} solve it; MSE "
                + ", ".join(f"{np.median(cell.mse):.4f}" for cell in (half, opened, gru)),
                verdict(False, half.solved < most < min(opened.solved, gru.solved)),
                f"its MSE is still {self._behind:.2g} times the GRU's; the adding problem over {self.length} "
                "timesteps, not arithmetic; smaller networks",
            ),
        ]

    @property
    def _behind(self) -> float:
        """The MSE with a bias of 1 over that of the GRU, of medians."""
        opened, gru = (float(np.median(self.cells[place].mse)) for place in (2, -1))
        return opened / gru

    def tables(self) -> list[Table]:
        """A row a cell."""
        rows = [
            (
                cell.name,
                "–" if np.isnan(cell.bias) else f"{cell.gate:.3f}",
                f"{np.median(cell.factor):.3f}",
                f"{np.median(cell.mse):.5f}",
                f"{cell.solved} of {len(cell.mse)}",
            )
            for cell in self.cells
        ]
        return [
            Table(
                f"Adding problem over {self.length} timesteps (chance: {data.chance.adding_problem():.3f})",
                ("cell", "s(b)", "factor", "MSE", "solved"),
                rows,
            )
        ]

    def notes(self) -> list[str]:
        """How to read the columns."""
        return [
            "factor: what a timestep multiplies ‖dL/dc_t‖ by before training, of the GRU ‖dL/dh_t‖; MSE: of "
            "what is held out. Medians of the networks. solved: below a tenth of chance.",
            "The GRU's gradient vanishes as fast as that of the LSTM whose gate is half open, and yet it "
            "learns: what the start lets through does not decide alone.",
        ]

    def picture(self) -> Figure:
        """The gradient before training, the course of the loss, and where each network ends."""
        figure = plot.blank(13, 4.2)
        before, course, end = figure.subplots(1, 3)
        chance = data.chance.adding_problem()
        time = np.arange(1, self.length + 1)
        for place, (cell, colour) in enumerate(zip(self.cells, _COLOURS, strict=True)):
            relative = np.median(cell.norms / cell.norms[:, -1:], axis=0)
            before.semilogy(time, relative, color=colour, label=cell.name)
            if not np.isnan(cell.bias):
                before.semilogy(time, cell.gate ** (self.length - time), ":", color=colour)
            low, high = cell.loss.min(axis=0), cell.loss.max(axis=0)
            course.fill_between(cell.step, low, high, color=colour, alpha=0.15, linewidth=0)
            course.semilogy(cell.step, np.median(cell.loss, axis=0), color=colour)
            end.semilogy(np.full(len(cell.mse), place), cell.mse, "o", color=colour, alpha=0.7)
        before.set(xlabel="timestep $t$", title=r"before training (dotted: $\sigma(b)^{T-t}$)")
        before.set_ylabel(r"$\|\partial L/\partial c_t\|\,/\,\|\partial L/\partial c_T\|$")
        course.set(xlabel="step", ylabel="MSE of a minibatch", title="training: median and range")
        names = [cell.name.replace("LSTM, ", "") for cell in self.cells]
        end.set(title="after training: each network", ylabel="MSE of what is held out")
        end.set_xticks(range(len(names)), names)
        end.set_xlim(-0.5, len(names) - 0.5)
        for ax in (course, end):
            ax.axhline(chance, color="black", linestyle=":")
            ax.set_ylim(top=3 * chance)
        end.text(len(names) - 0.6, chance, "chance", ha="right", va="bottom")
        for ax in (before, course, end):
            ax.grid(alpha=0.3)
        before.legend(loc="lower right")
        figure.suptitle(
            "A forget gate that starts open lets the gradient through, and the LSTM learns"
        )
        return figure


def run(
    full: Annotated[bool, "Longer sequences and wider cells, for some hours."] = False,
    keep: KeepFolder = None,
    seed: Annotated[int, "Seeds the sequences and the first weights."] = 0,
    meter: Meter = silent,
) -> Result:
    """Train LSTMs whose forget gates start with different biases, and a GRU, on the adding problem.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    _validate.integer("seed", seed, minimum=0)
    _validate.boolean("full", full)
    kept = Keep(keep, "forget_bias", seed=seed, full=full)
    return compared(FULL if full else DEFAULT, seed, kept, meter)


def compared(scale: _Scale, seed: int, kept: Keep, meter: Meter) -> Result:
    """All cells at one scale."""
    x, y = data.adding_problem(scale.steps * _BATCH_SIZE + _HELD_OUT, scale.length, seed)
    cells = []
    for bias in (*BIASES, np.nan):
        name = "GRU" if np.isnan(bias) else f"LSTM, b = {bias:g}"

        def work(name: str = name, bias: float = bias) -> Cell:
            return _trained(name, bias, scale, seed, x, y, meter)

        cells.append(kept.part(name.replace(", b = ", ""), Cell, work))
    return Result(cells, scale.length)


def network(bias: float, scale: _Scale, seed: int, dtype: str = "float32") -> Sequential:
    """An LSTM whose forget gate has this bias, or a GRU where it is NaN, and a unit that reads it."""
    start = Uniform(-_START / scale.units**0.5, _START / scale.units**0.5)
    options: dict[str, Any] = {
        "name": "cell", "weight_initializer": start, "recurrent_initializer": start,
    }  # fmt: skip
    cell = GRU(scale.units, **options) if np.isnan(bias) else LSTM(scale.units, **options)
    model = Sequential([cell, Dense(1)], input_shape=(scale.length, 2), dtype=dtype, seed=seed)
    if not np.isnan(bias):
        gate = slice(scale.units, 2 * scale.units)  # of i, f, g, o
        cell.bias_ih[gate] = bias
    model.compile("mse", Adam(_LEARNING_RATE), clip_norm=_CLIP_NORM)
    return model


def _trained(
    name: str, bias: float, scale: _Scale, seed: int, x: Any, y: Any, meter: Meter
) -> Cell:
    seeds = range(scale.networks * seed, scale.networks * (seed + 1))
    models = [network(bias, scale, each) for each in seeds]
    field = "time" if np.isnan(bias) else "time_cell"
    held_out = x[-_HELD_OUT:], y[-_HELD_OUT:]
    starts = [
        network(bias, scale, each, "float64").gradient_flow(
            *(part[:_MEASURED] for part in held_out)
        )
        for each in seeds
    ]
    flows = [GradientFlow(every=_EVERY) for _ in models]

    count = scale.steps * _BATCH_SIZE
    side_by_side.train(
        models,
        x[:count],
        y[:count],
        part=name,
        meter=meter,
        batch_size=_BATCH_SIZE,
        shuffle=False,  # new sequences at every step, the same ones for all
        track=flows,
    )
    return Cell(
        name,
        bias,
        np.array([getattr(start, field)["cell"][0] for start in starts]),
        np.array([start.time_rate("cell", field).factor[0] for start in starts]),
        np.asarray(flows[0].step),
        np.array([flow.loss for flow in flows]),
        np.array([model.evaluate(*held_out).loss for model in models]),
    )
