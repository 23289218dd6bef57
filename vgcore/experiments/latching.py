"""Latching a bit against noise, and the gradient that it costs.

Bengio, Simard and Frasconi 1994, section III: of two classes of sequences only the first L = 3 inputs
differ, and are learned; noise with the variance s follows up to T; the net is one unit x_t = tanh(w x_{t-1}
+ u_t) that has to end at 0.8 or -0.8. For w > 1 the unit has two attractors and can latch. Figure 3 shows
that gradient descent converges the less often, the smaller the first weight w_0 and the larger s (T = 20, a
share of 18 runs), and the longer the sequences (w_0 = 1.25, s = 0.2); its numbers are in the picture alone.
Section IV proves why: where a state is kept robustly, |dx_t/dx_{t-1}| < 1, so that dx_T/dx_t vanishes
exponentially.

Here first inputs start from U(-0.1, 0.1), and a training is 500 steps of full-batch gradient descent on
20 sequences a class. It has converged where all of them end on the side of their class; the paper's own
criterion is not known to us. From any of the seeds 0 to 4 all of the 18 runs converge at T = 5 and none at
T = 50 and 100, though a unit whose weight is set by hand does it at any length. And no weight has both:
where 99 % of the bits are held for 100 steps, a step leaves a ninth of the gradient at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.experiments import base
from vgcore.experiments.base import About, Claim, KeepFolder, Meter, Table, silent, verdict
from vgcore.experiments.keep import Keep
from vgcore.experiments.streams import stream
from vgcore.layers import RNN
from vgcore.model import Sequential
from vgcore.optimizers import SGD
from vgcore.sweeps import fit_many

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "Latching a bit against noise: what is held robustly has a gradient that vanishes",
    "Y. Bengio, P. Simard, P. Frasconi, IEEE Transactions on Neural Networks 5 (1994), sections III and "
    "IV, figure 3",
)

FIRST = 3  # inputs that tell the class, L
_TARGET, _RATE, _NEAR_ZERO = 0.8, 0.5, 0.1
_WEIGHT, _NOISE = 1.25, 0.2  # w_0 and s where the length grows
_EACH = 20  # sequences of a class
_UNMOVED = 1e6  # weight of the noise: so large, and noise so small, that no step changes it
_HELD_FOR, _APART = 100, 5
_HELD = 0.99


class Scale(NamedTuple):
    """How much is trained."""

    lengths: tuple[int, ...]
    weights: tuple[float, ...]
    noises: tuple[float, ...]
    runs: int  # of each length
    grid_runs: int  # of each weight and noise
    steps: int


DEFAULT = Scale(
    (5, 10, 15, 20, 30, 50, 100),
    (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5),
    (0.01, 0.05, 0.1, 0.2, 0.3, 0.5),
    18,
    6,
    500,
)
FULL = Scale(
    (5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100),
    tuple(np.arange(0.25, 3.01, 0.25).tolist()),
    (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
    18,
    18,
    2_000,
)


@dataclass(frozen=True)
class Trained:
    """Trainings of one setting: which of them converged, and w at the end, each (runs,)."""

    converged: NDArray[np.bool_]
    weights: Array


@dataclass(frozen=True)
class Held:
    """What single units hold, one a weight.

    Attributes
    ----------
    weights : ndarray, (W,)
    held : ndarray, (W,)
        Share of bits that are still there after 100 steps of noise.
    left : ndarray, (W, 20)
        |dx_T/dx_{T-k}| for every fifth k from 0, the median of the sequences.
    """

    weights: Array
    held: Array
    left: Array

    @property
    def factors(self) -> Array:
        """What one step leaves of the gradient, (W,)."""
        logs = np.log(self.left)
        slopes: Array = np.polyfit(np.arange(logs.shape[1]) * _APART, logs.T, 1)[0]
        return np.exp(slopes)


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    lengths : ndarray, (T,)
    converged : ndarray, (T, runs)
        Which runs converged at each length, with w_0 = 1.25 and s = 0.2.
    final : ndarray, (T, runs)
        w at their end.
    weights, noises : ndarray, (W,) and (S,)
    density : ndarray, (S, W)
        Share of the runs that converged at T = 20.
    grid_runs : int
        Of each of them.
    by_hand : ndarray, (T,)
        Share of sequences that a unit with w = 3 and large first inputs ends on the right side.
    unit : Held
    """

    lengths: NDArray[np.int64]
    converged: NDArray[np.bool_]
    final: Array
    weights: Array
    noises: Array
    density: Array
    grid_runs: int
    by_hand: Array
    unit: Held

    def claims(self) -> list[Claim]:
        """The trade-off, and what gradient descent makes of it."""
        return [self._vanishes(), self._length(), self._density()]

    def _vanishes(self) -> Claim:
        robust = self.unit.held >= _HELD
        factors = self.unit.factors[robust]
        shown = f"{factors.min():.2f} to {factors.max():.2f}" if factors.size else "none is held"
        vanishes = bool(factors.size and factors.max() < 1)
        return Claim(
            "Where a bit is held robustly, dx_T/dx_t vanishes exponentially",
            "a factor below 1 at every step",
            f"{shown} per step, with the {robust.sum()} of {robust.size} weights that hold {_HELD:.0%}",
            verdict(vanishes, vanishes),
        )

    def _length(self) -> Claim:
        share = self.converged.mean(axis=1)
        error = np.sqrt(
            0.25 * 2 / self.converged.shape[1]
        )  # of a difference of two shares, at most
        said = ", ".join(
            f"{count} at T = {length}"
            for length, count in zip(self.lengths, self.converged.sum(axis=1), strict=True)
        )
        return Claim(
            "The longer the sequences, the less often gradient descent converges",
            "less and less often",
            f"of {self.converged.shape[1]} runs: {said}",
            verdict(
                bool(np.all(np.diff(share) <= 2 * error) and share[-1] < share[0] - 2 * error),
                bool(share[-1] < share[0]),
            ),
        )

    def _density(self) -> Claim:
        rows, columns = len(self.noises) // 2, len(self.weights) // 2
        hard, easy = self.density[rows:, :columns], self.density[:rows, columns:]
        apart = float(easy.mean() - hard.mean())
        return Claim(
            "From small weights and with much noise it hardly ever converges (T = 20)",
            "densest where weights are large and noise is small",
            f"{hard.mean():.0%} of the runs there, {easy.mean():.0%} with large weights and little noise",
            verdict(apart > 2 * _error(self.grid_runs * easy.size), apart > 0),
        )

    def tables(self) -> list[Table]:
        """The lengths, then the weights."""
        lengths = [
            (f"{length}", f"{done.sum()} of {done.size}", f"{np.median(final):.2f}", f"{hand:.1%}")
            for length, done, final, hand in zip(
                self.lengths, self.converged, self.final, self.by_hand, strict=True
            )
        ]
        units = [
            (f"{w:g}", f"{held:.1%}", f"{factor:.3f}", f"{left[50 // _APART]:.1e}")
            for w, held, factor, left in zip(
                self.unit.weights, self.unit.held, self.unit.factors, self.unit.left, strict=True
            )
        ]
        return [
            Table(
                f"Gradient descent from w_0 = {_WEIGHT:g} with noise of variance {_NOISE:g}",
                ("T", "converged", "w at the end (median)", "right with w = 3 set by hand"),
                lengths,
            ),
            Table(
                "A unit of weight w that holds a bit",
                ("w", f"held for {_HELD_FOR} steps", "factor per step", "gradient left after 50"),
                units,
            ),
        ]

    def notes(self) -> list[str]:
        """What is said of convergence, and what fails."""
        return [
            "Converged: all sequences trained on end on the side of their class.",
            "What fails is not the network: with w = 3 set by hand it holds the bit at every length. "
            "Gradient descent does not find it, for what the first inputs send to the end is lost in what "
            "the noise does there, and the weight falls to where nothing is held.",
        ]

    def picture(self) -> Figure:
        """The trade-off, and the two panels of the paper's figure 3."""
        figure = plot.blank(15, 4.3)
        trade, grid, course = figure.subplots(1, 3)
        self._draw_trade(trade)
        mesh = grid.imshow(
            self.density, origin="lower", cmap="Greys_r", vmin=0, vmax=1, aspect="auto"
        )
        grid.set_xticks(range(len(self.weights)), [f"{w:g}" for w in self.weights])
        grid.set_yticks(range(len(self.noises)), [f"{s:g}" for s in self.noises])
        grid.set(
            xlabel="first weight $w_0$",
            ylabel="variance of the noise $s$",
            title="how often it converges, $T$ = 20",
        )
        figure.colorbar(mesh, ax=grid, label="share of the runs")
        course.plot(
            self.lengths, self.converged.mean(axis=1), "o-", color="#d55e00", label="descent"
        )
        course.plot(
            self.lengths,
            self.by_hand,
            "--",
            color="0.4",
            label="$w$ = 3, by hand\n(sequences right)",
        )
        course.set(
            xlabel="length $T$",
            ylabel="share of the runs",
            ylim=(-0.04, 1.04),
            title=f"... and with the length, $w_0$ = {_WEIGHT:g}, $s$ = {_NOISE:g}",
        )
        course.legend(loc="center right")
        figure.suptitle(
            "What is held robustly sends no gradient back: descent does not learn to hold it for long"
        )
        return figure

    def _draw_trade(self, ax: Axes) -> None:
        unit = self.unit
        ax.plot(unit.weights, unit.held, "o-", color="#0072b2", label="bits held for 100 steps")
        ax.plot(unit.weights, unit.factors, "s-", color="#d55e00", label="gradient left by a step")
        ax.axhline(1, color="0.7", linewidth=0.8)
        ax.set(
            xlabel="weight $w$",
            ylabel="share",
            ylim=(-0.04, 1.3),
            title="a bit that is held has no gradient",
        )
        ax.legend(loc="upper right", ncols=1)


def run(
    seed: Annotated[int, "Seeds the noise and the first inputs."] = 0,
    full: Annotated[bool, "18 runs of every setting, finer grids, and longer training."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train a unit to latch a bit against noise, and measure what holding it costs.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    seed = _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    kept = Keep(keep, "latching", seed=seed, full=full)
    return measure(FULL if full else DEFAULT, seed, kept, meter)


def measure(scale: Scale, seed: int, kept: Keep, meter: Meter) -> Result:
    """What `run` does, at any scale."""
    trained, by_hand = [], []
    for place, length in enumerate(scale.lengths):
        numbers = seed, length
        work = partial(train, length, _WEIGHT, _NOISE, scale.runs, scale.steps, numbers)
        trained.append(kept.part(f"length-{length}", Trained, work))
        by_hand.append(hold(3.0, length, numbers)[0])
        meter("lengths", place + 1, len(scale.lengths))
    density = np.empty((len(scale.noises), len(scale.weights)))
    for cell, (row, column) in enumerate(np.ndindex(*density.shape)):
        setting = 20, scale.weights[column], scale.noises[row]
        work = partial(train, *setting, scale.grid_runs, scale.steps, (seed, 20, row, column))
        density[row, column] = kept.part(f"grid-{row}-{column}", Trained, work).converged.mean()
        meter("grid", cell + 1, density.size)
    return Result(
        np.array(scale.lengths),
        np.array([each.converged for each in trained]),
        np.array([each.weights for each in trained]),
        np.array(scale.weights),
        np.array(scale.noises),
        density,
        scale.grid_runs,
        np.array(by_hand),
        _unit(seed),
    )


def sequences(
    length: int, noise: float, each: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sequences of both classes: the first inputs as one of 2 L places each, then noise."""
    x = np.zeros((2 * each, length, 2 * FIRST + 1), np.float32)
    second = np.repeat([0, 1], each)
    for t in range(FIRST):
        x[np.arange(2 * each), t, second * FIRST + t] = 1
    x[:, FIRST:, -1] = rng.normal(0, np.sqrt(noise), (2 * each, length - FIRST)) / _UNMOVED
    return x, np.where(second, -_TARGET, _TARGET)[:, np.newaxis].astype(np.float32)


def unit(weight: float, first: Array) -> Sequential:
    """The unit with a weight, and its first inputs of both classes, (2 L,)."""
    layer = RNN(1, "tanh", use_bias=False, name="unit")
    model = Sequential([layer], input_shape=(None, 2 * FIRST + 1), seed=0)
    layer.weight_hh, layer.weight_ih = [[weight]], np.append(first, _UNMOVED)[np.newaxis]
    model.compile("mse", SGD(_RATE))
    return model


def train(
    length: int, weight: float, noise: float, runs: int, steps: int, seed: tuple[int, ...]
) -> Trained:
    """Gradient descent, some times, each on sequences of its own."""
    rng = stream(*seed)
    models = [unit(weight, rng.uniform(-_NEAR_ZERO, _NEAR_ZERO, 2 * FIRST)) for _ in range(runs)]
    data = [sequences(length, noise, _EACH, rng) for _ in models]
    xs, ys = ([pair[place] for pair in data] for place in (0, 1))
    fit_many(models, xs, ys, epochs=steps, batch_size=2 * _EACH, shuffle=False, verbose=0)
    return Trained(
        np.array([_right(model, x, y) == 1 for model, x, y in zip(models, xs, ys, strict=True)]),
        np.array([model.state_dict()["unit.weight_hh"].item() for model in models]),
    )


def hold(weight: float, length: int, seed: tuple[int, ...]) -> tuple[float, Array]:
    """Set a unit by hand: the share of sequences that it ends right, and what is left of its gradient."""
    first = np.repeat([2.0, -2.0], FIRST)
    model = unit(weight, first)
    x, y = sequences(length, _NOISE, 500, stream(*seed))
    lags = range(0, length - FIRST - 1, _APART)
    left: Array = np.median(model.state_jacobian(x[::10], "unit", lags).spectral, axis=0)
    return _right(model, x, y), left


def _error(runs: int) -> float:
    """Of a difference of two shares of so many runs, at most."""
    return float(np.sqrt(0.25 * 2 / runs))


def _right(model: Sequential, x: Any, y: Any) -> float:
    return float(np.mean(np.sign(model.predict(x)) == np.sign(y)))


def _unit(seed: int) -> Held:
    weights = np.arange(0.5, 4.01, 0.25)
    each = [hold(w, _HELD_FOR, (seed, 1, place)) for place, w in enumerate(weights)]
    held = np.array([2 * right - 1 for right, _ in each])  # of a bit that is lost half is right
    return Held(weights, np.maximum(held, 0), np.array([left for _, left in each]))
