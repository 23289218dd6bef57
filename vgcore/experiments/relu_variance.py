"""Variance of activations and gradients in deep ReLU networks: "Understanding Deep Learning", chapter 7.

Prince's figure 7.7: 50 hidden layers of D = 100 units, 100 inputs of N(0, 1), a target of 0, least squares,
biases 0, and weights of five variances. With 2/D = 0.02, He's start, the variance of activations is stable;
with more it explodes from layer to layer, with less it vanishes, and gradients do the same on their way
back. By equation 7.31 a layer multiplies the variance by D sigma^2 / 2. The notebook to section 7.5 asks for
50 layers of 80 units that have one input, with variance 1 at first, and to find what keeps them stable: 2/80.

The book draws one network a variance; here there are many. What a layer multiplies the sum of squares by is
D sigma^2 / 2 in the mean over draws; the typical draw, whose logarithm is in the middle, loses 5/(2D) a layer
against that, and draws spread by 5/D a layer in variance (Hanin and Nica 2020). So "stable" ends, of 100
units behind 50 layers, at 0.3 of what it was, give or take a factor of five.

With any of the seeds 0 to 4 all of this comes out: growth within three standard errors of theory for the
width, forward at every variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, comb, exp, floor, log, sqrt
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.experiments import base
from vgcore.experiments.base import About, Claim, KeepFolder, Meter, Table, silent, verdict
from vgcore.experiments.gamma import digamma
from vgcore.experiments.keep import Keep
from vgcore.initializers import Normal
from vgcore.layers import Dense
from vgcore.model import Sequential
from vgcore.plot import palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "Activations and gradients of deep ReLU networks vanish and explode, but at variance 2/D",
    "S. J. D. Prince, Understanding Deep Learning, MIT Press 2023, section 7.5, figure 7.7, and notebook "
    "7.3; B. Hanin, M. Nica, Communications in Mathematical Physics 376, 2020",
)

NAME = "relu_variance"
VARIANCES = 0.001, 0.01, 0.02, 0.1, 1.0
"""Of the weights, in the book's figure."""

DEPTH = 50
_ERRORS = 3  # standard errors that an agreement may be off by
_STABLE = 10.0  # over all layers; half the variance would lose 10^15, twice as much gain it
_DRAWS, _FULL_DRAWS = 100, 1000


class Setting(NamedTuple):
    """A network's width, how many inputs it has, on how many samples, and its weights' variance."""

    width: int
    inputs: int
    samples: int
    variance: float

    @property
    def factor(self) -> float:
        """What equation 7.31 has a layer multiply the variance by."""
        return self.width * self.variance / 2


FIGURE = [Setting(100, 100, 1, variance) for variance in VARIANCES]
NOTEBOOK = [Setting(80, 1, 100, variance) for variance in (1.0, 2 / 80)]


@dataclass(frozen=True)
class Draws:
    """What was measured of random networks of one setting.

    Attributes
    ----------
    forward, backward : ndarray, (draws, layers)
        Mean square of each hidden layer's activations; squared norm of dL/dz there.
    """

    forward: Array
    backward: Array

    @property
    def growth(self) -> Array:
        """Logarithm of what a layer multiplies them by, forward and backward, of each draw, (2, draws)."""
        steps = self.forward.shape[1] - 1
        forward = np.log(self.forward[:, -1] / self.forward[:, 0]) / steps
        backward = np.log(self.backward[:, 0] / self.backward[:, -1]) / steps
        return np.stack([forward, backward])


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured: `Draws` of each setting of `FIGURE`, and of each of `NOTEBOOK`."""

    figure: list[Draws]
    notebook: list[Draws]

    def claims(self) -> list[Claim]:
        """He's variance, the others both ways, the notebook's network, and what a finite width costs."""
        he = VARIANCES.index(0.02)
        return [
            _stable(FIGURE[he], self.figure[he]),
            self._grows(
                0, "Activations explode with larger variances and vanish with smaller ones"
            ),
            self._grows(1, "So do gradients, on their way back"),
            _stable(NOTEBOOK[1], self.notebook[1]),
            self._spread(),
        ]

    def _grows(self, way: int, statement: str) -> Claim:
        rows = [draws.growth[way] for draws in self.figure]
        factors = [exp(row.mean()) for row in rows]
        right = [_agrees(row, each) for row, each in zip(rows, FIGURE, strict=True)]
        trend = [
            f < 0.8 if s.factor < 1 else f > 1.25 for f, s in zip(factors, FIGURE, strict=True)
        ]
        kind = all(trend[place] for place, each in enumerate(FIGURE) if each.factor != 1)
        return Claim(
            f"{statement}: by Dσ²/2 per layer, for σ² = {', '.join(f'{v:g}' for v in VARIANCES)}",
            ", ".join(f"{each.factor:g}" for each in FIGURE),
            ", ".join(f"{factor:.3g}" for factor in factors)
            + f" (geometric means; 5/(2D) = {2.5 / FIGURE[0].width:.1%} less is expected of this width)",
            verdict(all(right), kind),
        )

    def _spread(self) -> Claim:
        logs = np.concatenate([each.growth[0] - each.growth[0].mean() for each in self.figure])
        steps = DEPTH - 1
        variance = float((logs**2).sum() / (logs.size - len(self.figure)) * steps)
        theory = 5 / FIGURE[0].width
        error = variance * sqrt(2 / (logs.size - len(self.figure)))
        return Claim(
            "Draws differ: the variance of the logarithm grows by 5/D per layer (Hanin and Nica)",
            f"{theory:.3f}",
            f"{variance:.4f} ± {error:.4f}",
            verdict(abs(variance - theory) < _ERRORS * error, 0.5 < variance / theory < 2),
        )

    def tables(self) -> list[Table]:
        """Growth by a layer, of all settings."""
        rows = []
        for setting, draws in zip(FIGURE + NOTEBOOK, self.figure + self.notebook, strict=True):
            forward, backward = draws.growth
            low, high = _total(draws)
            rows.append(
                (
                    f"D = {setting.width}, σ² = {setting.variance:g}",
                    f"{setting.factor:g}",
                    f"{exp(typical(setting)):.4g}",
                    f"{exp(forward.mean()):.4g}",
                    f"{exp(backward.mean()):.4g}",
                    f"{low:.2g} to {high:.2g}",
                )
            )
        return [
            Table(
                f"What a layer multiplies the variance by, and {DEPTH - 1} layers",
                (
                    "network",
                    "Dσ²/2",
                    "typical draw",
                    "activations",
                    "gradients",
                    "all (90 % of draws)",
                ),
                rows,
            )
        ]

    def notes(self) -> list[str]:
        """What the columns are, and on how many draws."""
        return [
            f"Draws: {len(self.figure[0].forward):,} of each of the figure's networks, "
            f"{len(self.notebook[0].forward):,} of the notebook's.",
            "typical draw: the exact mean of the logarithm for this width. It is below the logarithm of the "
            "mean, which Dσ²/2 is: a few draws that grow hold up the mean.",
        ]

    def picture(self) -> Figure:
        """The book's two panels, and the stable variance from near."""
        figure = plot.blank(14, 4.8)
        forward, backward, near = figure.subplots(1, 3)
        layers = np.arange(1, DEPTH + 1)
        looks = palette.looks(len(FIGURE))
        for setting, draws, look in zip(FIGURE, self.figure, looks, strict=True):
            colour = look["color"]
            for ax, values in ((forward, draws.forward), (backward, draws.backward)):
                _band(ax, layers, values, colour, f"σ² = {setting.variance:g}")
            start, end = np.median(draws.forward[:, 0]), np.median(draws.backward[:, -1])
            theory = {"color": palette.ink(), "linestyle": ":", "linewidth": 1}
            forward.plot(layers, start * setting.factor ** (layers - 1), **theory)
            backward.plot(layers, end * setting.factor ** (DEPTH - layers), **theory)
        forward.plot([], [], label=r"$D\sigma^2/2$ per layer", **theory)
        forward.set(title="Forward", xlabel="layer", ylabel="mean square of activations")
        backward.set(title="Backward", xlabel="layer", ylabel=r"$\|\partial L/\partial z\|^2$")
        he = VARIANCES.index(0.02)
        for setting, draws, colour in (
            (FIGURE[he], self.figure[he], looks[he]["color"]),
            (NOTEBOOK[1], self.notebook[1], palette.hue(3)),
        ):
            label = f"D = {setting.width}, σ² = {setting.variance:g}"
            _band(near, layers, draws.forward / draws.forward[:, :1], colour, label)
            mean = np.exp(typical(setting) * (layers - 1))
            near.plot(layers, mean, **theory)
        near.plot([], [], label="theory of this width", **theory)
        near.set(title=r"Stable: $\sigma^2 = 2/D$", xlabel="layer")
        near.set_ylabel("mean square, over the first layer's")
        for ax in (forward, backward, near):
            ax.set_yscale("log")
        for ax in (forward, backward):
            _tick_by(ax, 50)
            ax.grid(axis="y", alpha=0.3)
        handles, labels = forward.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=len(labels))
        near.legend(loc="lower left")
        figure.suptitle(f"{DEPTH} layers of ReLUs: lines are medians, bands hold 90 % of draws")
        return figure


def run(
    draws: Annotated[
        int | None, f"Networks of each kind; left out, {_DRAWS}, and {_FULL_DRAWS:,} with full."
    ] = None,
    seed: Annotated[int, "Seeds the networks."] = 0,
    full: Annotated[bool, "Draw ten times as many."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Measure variances in random deep ReLU networks beside what the book says of them.

    What it takes and raises is said in `vgcore.experiments.base`; ``draws`` is at least 10.
    """
    seed = _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    count = _FULL_DRAWS if full else _DRAWS
    if draws is not None:
        count = _validate.integer("draws", draws, minimum=10)
    kept = Keep(keep, NAME, seed=seed, full=full, draws=count)

    def drawn(place: int, setting: Setting) -> Draws:
        return kept.part(
            f"setting-{place}", Draws, lambda: _draws(setting, count, [seed, place], meter)
        )

    every = [drawn(place, setting) for place, setting in enumerate(FIGURE + NOTEBOOK)]
    return Result(every[: len(FIGURE)], every[len(FIGURE) :])


def network(setting: Setting, seed: list[int]) -> Sequential:
    """A random network, compiled for least squares."""
    start = Normal(0.0, sqrt(setting.variance))
    layers = [Dense(setting.width, "relu", weight_initializer=start) for _ in range(DEPTH)]
    output = Dense(1, weight_initializer=start)
    model = Sequential([*layers, output], input_shape=setting.inputs, dtype="float64", seed=seed)
    model.compile("mse")
    return model


def typical(setting: Setting) -> float:
    """Mean over draws of the logarithm of what a layer multiplies the sum of squares by.

    Of a ReLU's outputs, K of D are not 0, where K is binomial; their squares are chi-squared of K.
    """
    n = setting.width
    share = 2**n - 1
    mean = sum(comb(n, k) / share * (log(2) + digamma(k)) for k in range(1, n + 1))
    return float(mean) + log(setting.variance)


def _draws(setting: Setting, count: int, seed: list[int], meter: Meter) -> Draws:
    forward, backward = [], []
    for draw in range(count):
        rng = np.random.default_rng([*seed, draw, 0])
        x = rng.normal(size=(setting.samples, setting.inputs))
        flow = network(setting, [*seed, draw, 1]).gradient_flow(x, np.zeros((len(x), 1)))
        forward.append(flow.activation_mean[0, :-1] ** 2 + flow.activation_std[0, :-1] ** 2)
        backward.append(flow.delta[0, :-1] ** 2)
        meter(f"D = {setting.width}, variance {setting.variance:g}", draw + 1, count)
    return Draws(np.array(forward), np.array(backward))


def _agrees(growth: Array, setting: Setting) -> bool:
    error = growth.std(ddof=1) / sqrt(len(growth))
    return bool(abs(growth.mean() - typical(setting)) < _ERRORS * error)


def _total(draws: Draws) -> tuple[float, float]:
    """What all layers multiply the variance by in 90 % of draws."""
    low, high = np.percentile(draws.forward[:, -1] / draws.forward[:, 0], (5, 95))
    return float(low), float(high)


def _stable(setting: Setting, draws: Draws) -> Claim:
    low, high = _total(draws)
    change = draws.growth[0].mean() * (DEPTH - 1)
    return Claim(
        f"{DEPTH} x {setting.width} ReLUs are stable with σ² = 2/D = {setting.variance:g}",
        "1 per layer",
        f"{exp(draws.growth[0].mean()):.3f} per layer (geometric mean); {low:.2g} to {high:.2g} over "
        f"{DEPTH - 1} layers in 90 % of draws",
        verdict(_agrees(draws.growth[0], setting), abs(change) < log(_STABLE)),
    )


def _tick_by(ax: Axes, decades: int) -> None:
    """Ticks of a log axis at round powers of ten."""
    low, high = np.log10(ax.get_ylim())
    first, last = ceil(low / decades), floor(high / decades)
    ax.set_yticks(10.0 ** (decades * np.arange(first, last + 1)))
    ax.minorticks_off()


def _band(ax: Axes, x: Array | NDArray[np.int_], rows: Array, colour: str, label: str) -> None:
    low, middle, high = np.percentile(rows, (5, 50, 95), axis=0)
    ax.plot(x, middle, color=colour, label=label)
    ax.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
