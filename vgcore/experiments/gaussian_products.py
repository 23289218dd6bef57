"""The product of many Gaussian matrices: "Dive into Deep Learning", section 5.4.

The book draws a 4 x 4 matrix of N(0, 1), multiplies it by 100 more, and prints the product: it explodes. The
entries that an edition of it printed (an early one, with MXNet) reach 4.7e23 in size. It is one draw; here
there are many, and what theory says of them:

- a product of k Gaussian matrices lengthens a fixed vector by a factor whose logarithm is a sum of k
  independent ln chi(n) (Cohen and Newman 1984): (ln 2 + psi(n/2)) / 2 a matrix in the mean, psi'(n/2) / 4 in
  variance; for n = 4 that is 0.558 a matrix, 1.7e24 over 100, give or take a factor of 55;
- Newman (1986) has all n growth rates: the i-th is (ln 2 + psi((n - i + 1) / 2)) / 2.

Matrices of variance 1/n keep the mean square of a vector's length exactly, and still make it vanish: the
mean of a logarithm is below the logarithm of the mean, by 0.135 a matrix for n = 4. The gradient of a linear
network of as many layers goes through the transposed product, and explodes at the same rate.

With any of the seeds 0 to 4, the book's largest entry lies where 90 % of the draws do, and rates and spread
are within three standard errors of theory.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.experiments import base
from vgcore.experiments.base import About, Claim, KeepFolder, Meter, Table, silent, verdict
from vgcore.experiments.gamma import digamma, trigamma
from vgcore.experiments.keep import Keep
from vgcore.experiments.streams import stream
from vgcore.initializers import Normal
from vgcore.layers import Dense
from vgcore.model import Sequential
from vgcore.plot import palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "A product of 100 Gaussian matrices explodes, at the rate that theory gives",
    "A. Zhang et al., Dive into Deep Learning, Cambridge University Press 2023, section 5.4.1; C. M. Newman, "
    "Communications in Mathematical Physics 103, 1986",
)

NAME = "gaussian_products"
SIZE, MATRICES = 4, 100
PRINTED = 4.66338554e23
"""The largest entry, in size, of the product that the book printed: of the first matrix and 100 more."""

_CHUNK = 250  # draws at once
_ERRORS = 3  # standard errors that an agreement may be off by
_DRAWS, _FULL_DRAWS = 1000, 100_000
_NETWORKS = 100  # linear networks whose gradient is measured


@dataclass(frozen=True)
class Products:
    """What was measured of the draws.

    Attributes
    ----------
    lengths : ndarray, (draws, matrices)
        Logarithm of the length of a fixed unit vector after each matrix.
    largest : ndarray, (draws,)
        Logarithm of the largest entry, in size, of the first matrix times all of the others.
    rates : ndarray, (draws, size)
        Growth of each singular direction by a matrix, the mean over all of a draw's matrices.
    gradients : ndarray, (networks, layers)
        Norm of the gradient that reaches each layer of a linear network, over that at its last one.
    """

    lengths: Array
    largest: Array
    rates: Array
    gradients: Array


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured: `Products`."""

    products: Products

    @property
    def rate(self) -> tuple[float, float]:
        """Growth of the logarithm of a length by one matrix, and the mean's standard error."""
        return _mean(self.products.lengths[:, -1] / self._matrices)

    @property
    def spread(self) -> tuple[float, float]:
        """Variance, by one matrix, of the logarithm of a length, and its standard error."""
        ends = self.products.lengths[:, -1]
        variance = float(np.var(ends, ddof=1)) / self._matrices
        return variance, variance * sqrt(2 / (len(ends) - 1))

    @property
    def gradient_rate(self) -> tuple[float, float]:
        """Growth of the logarithm of the gradient by a layer on its way back, and the standard error."""
        norms = self.products.gradients
        return _mean(np.log(norms[:, 0] / norms[:, -1]) / (norms.shape[1] - 1))

    @property
    def _matrices(self) -> int:
        return int(self.products.lengths.shape[1])

    def claims(self) -> list[Claim]:
        """The book's product among the draws, then theory's rates and spread."""
        low, median, high = np.percentile(self.products.largest, (5, 50, 95)) / log(10)
        return [
            Claim(
                f"A product of {SIZE} x {SIZE} Gaussian matrices, the first and {MATRICES} more, explodes",
                f"largest entry {PRINTED:.2g} in size (one draw)",
                f"{10**median:.2g} (median); {10**low:.2g} to {10**high:.2g} in 90 % of draws",
                verdict(low <= np.log10(PRINTED) <= high, bool(low > 0)),
            ),
            _agreement(
                "A vector's length grows by (ln 2 + ψ(n/2)) / 2 per matrix, in its logarithm",
                rates(SIZE)[0],
                self.rate,
            ),
            _agreement(
                "That logarithm's variance grows by ψ'(n/2) / 4 per matrix",
                trigamma(SIZE) / 4,
                self.spread,
            ),
            self._spectrum(),
            _agreement(
                "The gradient of a linear network grows as fast on its way back",
                rates(SIZE)[0],
                self.gradient_rate,
            ),
        ]

    def _spectrum(self) -> Claim:
        measured = [_mean(column) for column in self.products.rates.T]
        theory = rates(SIZE)
        off = [
            abs(mean - rate) / error for (mean, error), rate in zip(measured, theory, strict=True)
        ]
        return Claim(
            f"Each of the {SIZE} singular values has a growth rate of its own (Newman)",
            ", ".join(f"{rate:.3f}" for rate in theory),
            ", ".join(f"{mean:.3f}" for mean, _ in measured)
            + f" (off by {max(off):.1f} standard errors at most)",
            verdict(max(off) < _ERRORS, all(np.diff([mean for mean, _ in measured]) < 0)),
        )

    def tables(self) -> list[Table]:
        """The length after some matrices, of variance 1 and of variance 1/n."""
        rows = []
        for count in (1, 10, 25, 50, 75, 100):
            logs = self.products.lengths[:, count - 1]
            low, median, high = np.exp(np.percentile(logs, (5, 50, 95)))
            thin = np.exp(np.median(logs) - count * log(SIZE) / 2)
            rows.append((f"{count}", f"{median:.3g}", f"{low:.3g} to {high:.3g}", f"{thin:.3g}"))
        return [
            Table(
                f"Length of a unit vector after so many {SIZE} x {SIZE} matrices",
                ("matrices", "median, variance 1", "90 % of draws", "median, variance 1/n"),
                rows,
            )
        ]

    def notes(self) -> list[str]:
        """How a start that keeps the mean square does, and what is exact."""
        shrink = rates(SIZE)[0] - log(SIZE) / 2
        return [
            f"With variance 1/{SIZE} the mean square of the length stays 1, and the typical length still "
            f"vanishes: by {shrink:.3f} per matrix in its logarithm. A few draws hold up the mean. Wider "
            "matrices lose less: about 1/(2n) per matrix.",
            f"Draws: {len(self.products.lengths):,}; linear networks: {len(self.products.gradients):,}. The "
            "rates hold at any number of matrices, not in the limit alone, for a Gaussian matrix looks the "
            "same from every direction.",
        ]

    def picture(self) -> Figure:
        """The length over the matrices, where the book's product stands among the draws, and the rates."""
        figure = plot.blank(13.5, 4.2)
        over, draws, spectrum = figure.subplots(1, 3, width_ratios=(1.4, 1, 1))
        self._draw_lengths(over)
        draws.hist(self.products.largest / log(10), bins=40, color=palette.hue(0), alpha=0.7)
        draws.axvline(np.log10(PRINTED), color=palette.hue(1), label=f"the book's: {PRINTED:.2g}")
        draws.set(
            title="Largest entry of the product",
            xlabel=r"$\log_{10}$ of its size",
            ylabel=f"draws, of {len(self.products.largest):,}",
        )
        draws.set_ylim(0, 1.25 * draws.get_ylim()[1])
        draws.legend(loc="upper right", fontsize="small")
        places = np.arange(1, SIZE + 1)
        measured = [_mean(column) for column in self.products.rates.T]
        spectrum.plot(
            places, rates(SIZE), "_", ms=30, mew=2, color=palette.hue(1), label="Newman 1986"
        )
        spectrum.plot(places, [m for m, _ in measured], "o", color=palette.hue(0), label="measured")
        spectrum.axhline(0, color=palette.faint(0.5), linewidth=0.8)
        spectrum.set(
            title="Growth rate of each singular value",
            xlabel="singular value",
            ylabel="growth of its logarithm per matrix",
            xticks=places,
            xlim=(0.5, SIZE + 0.5),
        )
        spectrum.legend()
        return figure

    def _draw_lengths(self, ax: Axes) -> None:
        count = np.arange(1, self._matrices + 1)
        mean, spread = rates(SIZE)[0] * count, 1.645 * np.sqrt(trigamma(SIZE) / 4 * count)
        for variance, shift, colour in (
            ("1", 0.0, palette.hue(1)),
            ("1/n", log(SIZE) / 2, palette.hue(0)),
        ):
            for draw in self.products.lengths[:20]:
                ax.plot(count, np.exp(draw - shift * count), color=colour, linewidth=0.5, alpha=0.4)
            middle = mean - shift * count
            ax.plot(count, np.exp(middle), color=colour, lw=2, label=f"variance {variance}: theory")
            band = np.exp(middle - spread), np.exp(middle + spread)
            ax.fill_between(count, *band, color=colour, alpha=0.15, linewidth=0)
        ax.set(
            title=f"20 draws, and theory's 90 %, of products of {SIZE} x {SIZE} matrices",
            xlabel="matrices",
            ylabel="length of what was a unit vector",
            yscale="log",
        )
        ax.legend(loc="upper left")


def run(
    draws: Annotated[
        int | None, f"Products; left out, {_DRAWS:,}, and {_FULL_DRAWS:,} with full."
    ] = None,
    seed: Annotated[int, "Seeds the matrices."] = 0,
    full: Annotated[bool, "Draw a hundred times as many."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Multiply Gaussian matrices, and hold the product against the book's and against theory.

    What it takes and raises is said in `vgcore.experiments.base`; ``draws`` is at least 10.
    """
    seed = _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    count = _FULL_DRAWS if full else _DRAWS
    if draws is not None:
        count = _validate.integer("draws", draws, minimum=10)
    kept = Keep(keep, NAME, seed=seed, full=full, draws=count)
    chunks = [
        kept.part(
            f"draws-{first}",
            Products,
            lambda first=first: _products(min(_CHUNK, count - first), seed, first, meter, count),  # type: ignore[misc]
        )
        for first in range(0, count, _CHUNK)
    ]
    return Result(
        Products(
            *(
                np.concatenate([getattr(chunk, name) for chunk in chunks])
                for name in ("lengths", "largest", "rates", "gradients")
            )
        )
    )


def rates(size: int) -> list[float]:
    """Growth of the logarithm of each singular value by a Gaussian matrix, largest first."""
    return [(log(2) + digamma(size - place)) / 2 for place in range(size)]


def _products(draws: int, seed: int, first: int, meter: Meter, whole: int) -> Products:
    rng = stream(seed, first)
    vector = np.tile(np.eye(SIZE)[:, :1], (draws, 1, 1))
    product = rng.normal(size=(draws, SIZE, SIZE))
    frame = np.tile(np.eye(SIZE), (draws, 1, 1))
    lengths = np.empty((draws, MATRICES))
    grown = np.zeros((draws, SIZE))
    scale = np.zeros(draws)
    for place in range(MATRICES):
        matrices = rng.normal(size=(draws, SIZE, SIZE))
        vector = matrices @ vector
        norm = np.linalg.norm(vector, axis=1, keepdims=True)
        scale += np.log(norm[:, 0, 0])
        vector = vector / norm
        lengths[:, place] = scale
        product = matrices @ product
        frame, triangle = np.linalg.qr(matrices @ frame)
        grown += np.log(np.abs(np.diagonal(triangle, axis1=1, axis2=2)))
    networks = -(-_NETWORKS * draws // max(whole, _CHUNK))
    gradients = np.stack([_gradient(seed, first + place) for place in range(networks)])
    meter("draws", first + draws, whole)
    largest = np.log(np.abs(product).max(axis=(1, 2)))
    return Products(lengths, largest, grown / MATRICES, gradients)


def _gradient(seed: int, place: int) -> Array:
    """Norm of the gradient that reaches each layer of a linear network, over that at its last one.

    Of an input of 0, for whose error the output's gradient does not depend on the weights.
    """
    layers = [Dense(SIZE, use_bias=False, weight_initializer=Normal()) for _ in range(MATRICES + 1)]
    model = Sequential(layers, input_shape=SIZE, dtype="float64", seed=[seed, place])
    model.compile("mse")
    delta = model.gradient_flow(np.zeros((1, SIZE)), np.ones((1, SIZE))).delta[0]
    return np.asarray(delta / delta[-1])


def _agreement(statement: str, theory: float, measured: tuple[float, float]) -> Claim:
    value, error = measured
    return Claim(
        statement,
        f"{theory:.4f}",
        f"{value:.4f} ± {error:.4f}",
        verdict(abs(value - theory) < _ERRORS * error, 0.5 < value / theory < 2),
    )


def _mean(values: Array) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / sqrt(len(values)))
