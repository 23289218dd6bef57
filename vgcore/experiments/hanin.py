"""What a network's shape does to the spread of its gradients: the sum of the reciprocals of its widths.

Hanin 2018: in a ReLU network with He's weights the mean of the squared entries of the input-output Jacobian
stays the same at every depth, but their spread, over random networks, grows exponentially in β, the sum of
1 / n over the widths n of the hidden layers: exponentials of β bound it from below and above. So deep,
narrow networks have gradients that vary wildly: most vanish, a few explode, and the mean says nothing.
Hanin and Nica 2018 sharpen it: the logarithm of the squared gradient is about normal, with a variance of 5
β and a mean of -5/2 β.

Here the squared norm of ∂h_L / ∂x_1 is measured in 300 random networks of each of nine shapes, at β = 0.5,
1 and 2. What 5 β is to wide layers has a closed form at any width, with digamma and trigamma functions:
each layer multiplies the squared norm by 2/n times a chi-squared number of as many degrees of freedom as
units are active, which are binomial. All nine shapes have that variance, from all of the seeds 0 to 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, log, pi
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot, theory
from vgcore.experiments import base
from vgcore.experiments.base import About, Claim, Meter, Table, near, silent, verdict
from vgcore.layers import Dense
from vgcore.model import Sequential

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "The sum of 1/width tells how widely a network's gradients are spread",
    "B. Hanin, NeurIPS 2018, arXiv:1801.03744; B. Hanin, M. Nica, Communications in Mathematical Physics "
    "376 (2020), arXiv:1812.05994",
)

SHAPES = (
    ((10, 5), (20, 10), (50, 25)),
    ((10, 10), (20, 20), (50, 50)),
    ((10, 20), (20, 40), (50, 100)),
)
"""(width, depth), a row for each β: 0.5, 1 and 2."""

_INPUTS = 10
_COLOURS = {10: "#d55e00", 20: "#009e73", 50: "#0072b2"}  # of Okabe and Ito
_ERRORS = 4  # standard errors that a measured variance may be from the closed form's


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    logs : ndarray, (3, 3, draws)
        Logarithm of the squared norm of ∂h_L / ∂x_1, over its mean, n_L / n_0, in the order of `SHAPES`; NaN
        where no path is active.
    """

    logs: Array

    @property
    def beta(self) -> Array:
        """The sum of 1 / width, (3, 3)."""
        return np.array([[depth / width for width, depth in row] for row in SHAPES])

    @property
    def variance(self) -> Array:
        """Over the draws, (3, 3)."""
        variances: Array = np.nanvar(self.logs, axis=2)
        return variances

    @property
    def expected(self) -> Array:
        """What the variance is by the closed form, (3, 3)."""
        return np.array([[depth * layer_variance(width) for width, depth in row] for row in SHAPES])

    def claims(self) -> list[Claim]:
        """The mean, the spread, and what it depends on."""
        wide = [width >= 50 for width, _ in SHAPES[0]]
        slope = float(np.mean(self.variance[:, wide] / self.beta[:, wide]))
        off = float(np.abs((self.variance - self.expected) / self._errors()).max())
        rows = np.log(self.variance.max(axis=1) / self.variance.min(axis=1)).max()
        growth = np.log(self.variance[-1].min() / self.variance[0].max())
        typical = np.exp(np.nanmedian(self.logs[-1], axis=1))
        means = np.nanmean(np.exp(self.logs[0]), axis=1)
        error = np.nanstd(np.exp(self.logs[0]), axis=1) / np.sqrt(self.logs.shape[2])
        kept = np.abs(means - 1) / error
        return [
            Claim(
                "The mean of the squared gradient does not change with depth (β = 0.5)",
                "1",
                ", ".join(f"{mean:.2f} ± {e:.2f}" for mean, e in zip(means, error, strict=True)),
                verdict(bool(kept.max() < _ERRORS), bool(np.abs(np.log(means)).max() < 1)),
            ),
            Claim(
                "The variance of its logarithm is 5 β in wide networks (width 50)",
                "5",
                f"{slope:.2f} (closed form at this width: {layer_variance(50) * 50:.2f})",
                verdict(abs(slope - 5) < 1, slope > 2.5),
            ),
            Claim(
                "At any width it is what the closed form says",
                "that, with all nine shapes",
                f"within {off:.1f} standard errors",
                verdict(off < _ERRORS, off < 2 * _ERRORS),
            ),
            Claim(
                "Shapes of one β are alike; β tells them apart",
                "a smaller difference within a β than from 0.5 to 2",
                f"at most a factor of {np.exp(rows):.2f} within one, at least {np.exp(growth):.2f} between",
                verdict(bool(rows < growth), bool(growth > 0)),
            ),
            Claim(
                "Where β is large, most gradients vanish although their mean does not (β = 2)",
                f"a median of about exp(-5/2 β) = {np.exp(-5):.3f}",
                f"{typical[-1]:.3f} at width 50; {typical[0]:.3f} and {typical[1]:.3f} at 10 and 20",
                verdict(
                    near(float(typical[-1]), np.exp(-5))[0],  # in wide networks, as 5 β
                    bool(typical.max() < 0.5),
                ),
            ),
        ]

    def _errors(self) -> Array:
        """Standard errors of the variances, by the fourth moments of what was drawn."""
        centred = self.logs - np.nanmean(self.logs, axis=2, keepdims=True)
        spread = np.nanvar(centred**2, axis=2)
        errors: Array = np.sqrt(spread / self.logs.shape[2])
        return errors

    def tables(self) -> list[Table]:
        """A row a shape."""
        rows = [
            (
                f"{depth} layers of {width}",
                f"{self.beta[place]:.1f}",
                f"{self.variance[place]:.2f}",
                f"{self.expected[place]:.2f}",
                f"{5 * self.beta[place]:.2f}",
                f"{np.exp(np.nanmedian(self.logs[place])):.3f}",
            )
            for row, shapes in enumerate(SHAPES)
            for column, (width, depth) in enumerate(shapes)
            for place in [(row, column)]
        ]
        return [
            Table(
                f"Logarithm of the squared gradient in {self.logs.shape[2]} random networks",
                ("network", "β", "variance", "closed form", "5 β", "median of the gradient²"),
                rows,
            )
        ]

    def notes(self) -> list[str]:
        """What is left out."""
        dead = int(np.isnan(self.logs).sum())
        return [
            f"Gradients are over their mean, n_L / n_0. {dead} of {self.logs.size:,} networks had a layer "
            "without any active unit, and so no gradient: they are left out."
        ]

    def picture(self) -> Figure:
        """Histograms, a panel a β, and the variance against β."""
        figure = plot.blank(12, 3.8)
        *panels, last = figure.subplots(1, len(SHAPES) + 1)
        edges = np.linspace(-20, 8, 43)
        for ax, row, logs in zip(panels, SHAPES, self.logs, strict=True):
            for (width, depth), each in zip(row, logs, strict=True):
                label = f"{depth} × {width}"
                ax.hist(
                    each, edges, histtype="step", color=_COLOURS[width], label=label, linewidth=1.5
                )
            ax.axvline(0, color="0.6", linewidth=0.8)
            ax.set(
                title=f"β = {row[0][1] / row[0][0]:g}",
                xlabel=r"$\ln\, \|\partial h_L/\partial x_1\|^2$, over its mean",
            )
            ax.legend(
                title="layers × units", fontsize="small", title_fontsize="small", loc="upper left"
            )
        panels[0].set_ylabel("networks")
        last.plot([0, 2.2], [0, 11], color="0.6", linestyle="--", label="5 β")
        for place, (width, _) in enumerate(SHAPES[0]):
            colour = _COLOURS[width]
            last.plot(
                self.beta[:, place],
                self.variance[:, place],
                "o",
                color=colour,
                label=f"width {width}",
            )
            last.plot(self.beta[:, place], self.expected[:, place], color=colour, linewidth=1)
        last.set(
            xlabel="β, sum of 1/width", ylabel="variance of the logarithm", xlim=(0, 2.2), ylim=0
        )
        last.set_title("points: measured, lines: closed form", fontsize="medium")
        last.legend(fontsize="small")
        figure.suptitle("Gradients of ReLU networks are spread as the sum of 1/width says")
        return figure


def layer_variance(width: int) -> float:
    """Variance of ln(2/n χ²_K), K binomial (n, 1/2) and at least 1: what a layer adds to the logarithm's."""
    odds = np.array([comb(width, k) for k in range(1, width + 1)], float)
    odds /= odds.sum()
    means, variances = _log_chi_squared(width)
    mean = float(odds @ means)
    return float(odds @ (variances + (means - mean) ** 2))


def _log_chi_squared(most: int) -> tuple[Array, Array]:
    """Means and variances of ln χ²_k for k from 1: digamma(k/2) + ln 2 and trigamma(k/2), by recurrence."""
    digamma = {1: -np.euler_gamma - 2 * log(2), 2: -np.euler_gamma}
    trigamma = {1: pi**2 / 2, 2: pi**2 / 6}
    for k in range(3, most + 1):
        digamma[k] = digamma[k - 2] + 2 / (k - 2)
        trigamma[k] = trigamma[k - 2] - 4 / (k - 2) ** 2
    places = range(1, most + 1)
    return np.array([digamma[k] + log(2) for k in places]), np.array([trigamma[k] for k in places])


def run(
    draws: Annotated[int, "Random networks of each shape."] = 300,
    seed: Annotated[int, "Seeds weights and inputs."] = 0,
    meter: Meter = silent,
) -> Result:
    """Measure how the gradients of random ReLU networks are spread, by the networks' shape.

    What it takes and raises is said in `vgcore.experiments.base`; ``draws`` is at
    least 10.
    """
    _validate.integer("draws", draws, minimum=10)
    rng = np.random.default_rng(_validate.integer("seed", seed, minimum=0))
    logs = np.empty((len(SHAPES), len(SHAPES[0]), draws))
    for done, (row, column) in enumerate(np.ndindex(logs.shape[:2])):
        logs[row, column] = [_log_gradient(*SHAPES[row][column], rng) for _ in range(draws)]
        meter("shapes", done + 1, logs[..., 0].size)
    return Result(logs)


def _log_gradient(width: int, depth: int, rng: np.random.Generator) -> float:
    layers = [
        Dense(width, "relu", use_bias=False, weight_initializer="he_normal") for _ in range(depth)
    ]
    model = Sequential(layers, input_shape=_INPUTS, dtype="float64", seed=int(rng.integers(2**31)))
    squared = (theory.input_jacobian(model, rng.standard_normal((1, _INPUTS)))[0, :, 0] ** 2).sum()
    return float(np.log(squared * _INPUTS / width)) if squared else np.nan
