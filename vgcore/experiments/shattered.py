"""Shattered gradients: in deep plain networks the gradients at neighbouring inputs have nothing to do with
each other.

Balduzzi et al. 2017: the gradient of a rectifier network as a function of its input resembles brown noise
where there is one layer, white noise where there are 24, and lies between the two in a residual network of
50 layers; scaling its blocks by a β below 1 brings it near to brown noise again (figures 1 and 2, of inputs
on a grid). Their theorems take it that at two different inputs a quarter of the units is active at both:
then the correlation of gradients falls as 2^-L in plain networks (theorem 1), and as a power of depth alone,
1 / (β sqrt(L)), in residual ones with batch normalisation (theorem 3).

Here both are measured: the autocorrelation over 256 inputs from -2 to 2, and the correlation of gradients at
independent random inputs, against depth, 200 units a layer. Plain networks are batch-normalised, too; to a
rectifier that is no more than to centre its inputs. Statistics are those of the inputs that are measured. A
block of the residual networks is x + β W relu(BN(x)), for which the theorem's product can be written out:
the correlation is the product of 1 + β²/2 / (1 + β² l) over the blocks, over that of 1 + β² / (1 + β² l),
which falls as 1 / sqrt(L). The verdicts are the same from all of the seeds 0 to 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, initializers, plot, theory
from vgcore.experiments import base
from vgcore.experiments.base import About, Claim, Meter, Table, silent, verdict
from vgcore.layers import Activation, BatchNorm, Dense, Layer, Residual
from vgcore.model import Sequential
from vgcore.optimizers import SGD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "Gradients at neighbouring inputs: brown noise of shallow networks, white noise of deep ones",
    "D. Balduzzi, M. Frean, L. Leary, J. P. Lewis, K. W.-D. Ma, B. McWilliams, ICML 2017, arXiv:1702.08591, "
    "figures 1 and 2, theorems 1 and 3",
)

CURVES = {
    "plain, 1 layer": (1, None),
    "plain, 24 layers": (24, None),
    "residual, 50 blocks, β = 1": (50, 1.0),
    "residual, 50 blocks, β = 0.1": (50, 0.1),
}
"""Depth and β of the networks whose gradients are drawn; β is None of plain ones."""
DEPTHS: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 16, 32)

_UNITS = 200
_GRID = np.linspace(-2, 2, 256)[:, np.newaxis]
_LAGS = 16
_SAMPLES, _FEATURES = 128, 100  # of the independent inputs
_NO_STEP = 1e-30  # a learning rate at which a step moves the running statistics alone
_BETA = 1.0  # of the residual networks against depth
_FITTED = slice(3, len(DEPTHS))  # depths of the power law
_COLOURS = "#0072b2", "#d55e00", "#009e73", "#cc79a7"  # of Okabe and Ito


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    gradients : ndarray, (4, 256)
        Of one network each of `CURVES` at every input.
    autocorrelation : ndarray, (4, draws, 16)
        Of such gradients, at lags from 0.
    plain, residual : ndarray, (depths, draws, 2)
        Mean product of gradients at two different inputs, and mean square, for each of `DEPTHS`.
    """

    gradients: Array
    autocorrelation: Array
    plain: Array
    residual: Array

    def claims(self) -> list[Claim]:
        """What the gradients resemble, and how their correlation falls with depth."""
        shallow, deep, residual, scaled = np.mean(self.autocorrelation, axis=1)
        factor = _factor(_correlation(self.plain))
        power = _power(_correlation(self.residual))
        off = float(np.abs(_correlation(self.residual) / expected(_BETA) - 1).max())
        reach = np.mean(self.autocorrelation[:, :, 1:], axis=(1, 2))  # one lag alone may be noise
        between = bool(deep[1] < residual[1] < shallow[1] and reach[1] < reach[2] < reach[0])
        nearer = bool(residual[1] < scaled[1] and reach[2] < reach[3])
        return [
            Claim(
                "One layer: gradients resemble brown noise",
                "correlated over many neighbours",
                f"autocorrelation {shallow[1]:.2f} at the next input, {shallow[-1]:.2f} at the {_LAGS - 1}th",
                verdict(shallow[1] > 0.9 and shallow[-1] > 0.5, shallow[1] > 0.5),
            ),
            Claim(
                "24 layers: gradients resemble white noise",
                "not correlated",
                f"autocorrelation {deep[1]:.2f} at the next input, within {np.abs(deep[1:]).max():.2f} of 0",
                verdict(np.abs(deep[1:]).max() < 0.1, deep[1] < 0.5),
            ),
            Claim(
                "50 residual blocks with batch normalisation: between the two",
                "between",
                f"autocorrelation {residual[1]:.2f} at the next input, {reach[2]:.2f} on average over 15 "
                f"({reach[0]:.2f} of one layer, {reach[1]:.2f} of 24)",
                verdict(between, bool(residual[1] > deep[1])),
            ),
            Claim(
                "Blocks that are scaled by β = 0.1 bring it near to brown noise again",
                "near to brown noise",
                f"autocorrelation {scaled[1]:.2f} at the next input, {reach[3]:.2f} on average over 15",
                verdict(nearer and scaled[1] > 0.9, nearer),
            ),
            Claim(
                "In plain networks a layer halves the correlation of gradients (theorem 1)",
                "0.5 a layer",
                f"{factor:.2f} a layer over the first {_fitted_plain()[-1]}",
                verdict(abs(factor - 0.5) < 0.05, factor < 0.75),
            ),
            Claim(
                "In residual networks with batch normalisation it falls as a power of depth (theorem 3)",
                "L^-0.5",
                f"L^{power:.2f} from {DEPTHS[_FITTED][0]} blocks on; within {off:.0%} of the product",
                verdict(abs(power + 0.5) < 0.25, -1 < power < 0),
            ),
        ]

    def tables(self) -> list[Table]:
        """The correlations against depth, with the laws."""
        laws = 0.5 ** np.array(DEPTHS), expected(_BETA)
        measured = _correlation(self.plain), _correlation(self.residual)
        rows = [
            (
                f"{depth}",
                *(f"{one[place]:.4f}" for pair in zip(measured, laws, strict=True) for one in pair),
            )
            for place, depth in enumerate(DEPTHS)
        ]
        return [
            Table(
                "Correlation of gradients at two independent inputs",
                ("layers, or blocks", "plain", "2^-L", "residual, β = 1", "product"),
                rows,
            )
        ]

    def notes(self) -> list[str]:
        """How it was measured."""
        return [
            f"{_UNITS} units a layer; means over {self.plain.shape[1]} random networks. Correlations: mean "
            "product of the gradients at two different inputs, over their mean square."
        ]

    def picture(self) -> Figure:
        """Gradients over the inputs, their autocorrelation, and the correlation against depth."""
        figure = plot.blank(14, 6)
        grid = figure.add_gridspec(2, 2 * len(CURVES))
        for place, (name, gradient) in enumerate(zip(CURVES, self.gradients, strict=True)):
            ax = figure.add_subplot(grid[0, 2 * place : 2 * place + 2])
            ax.plot(_GRID[:, 0], gradient, color=_COLOURS[place], linewidth=0.9)
            ax.set(title=name, xlabel="input $x$", yticks=[0])
        figure.axes[0].set_ylabel("$df/dx$")
        lags, depths = figure.add_subplot(grid[1, :4]), figure.add_subplot(grid[1, 4:])
        for name, each, colour in zip(CURVES, self.autocorrelation, _COLOURS, strict=True):
            lags.plot(each.mean(axis=0), color=colour, marker=".", label=name)
        lags.axhline(0, color="0.6", linewidth=0.8)
        lags.set(
            xlabel="lag, in inputs",
            ylabel="autocorrelation",
            title="autocorrelation of the gradient",
            ylim=(-0.2, 1.5),
        )
        lags.legend(loc="upper right", ncols=2)
        for name, each, law, colour in (
            ("plain", self.plain, 0.5 ** np.array(DEPTHS), _COLOURS[1]),
            ("residual, β = 1", self.residual, expected(_BETA), _COLOURS[2]),
        ):
            shown = np.where(
                _correlation(each) > 1e-3, _correlation(each), np.nan
            )  # what noise leaves
            depths.plot(DEPTHS, shown, "o", color=colour, label=name)
            depths.plot(DEPTHS, law, color=colour, linewidth=1)
        depths.set(xscale="log", yscale="log", ylim=(5e-4, 1.5), xlabel="layers, or blocks")
        depths.set(ylabel="correlation", title="two independent inputs (lines: theory)")
        depths.legend()
        figure.suptitle("Gradients of deep plain networks are shattered")
        return figure


def expected(beta: float) -> Array:
    """The correlation in residual networks of `DEPTHS` blocks, by the product of the docstring."""
    share = beta**2 / (1 + beta**2 * np.arange(max(DEPTHS), dtype=np.float64))
    products = np.cumprod((1 + share / 2) / (1 + share))
    at: Array = products[np.array(DEPTHS) - 1]
    return at


def _correlation(products: Array) -> Array:
    """(depths,): the ratio of the means over the draws."""
    ratio: Array = products[:, :, 0].mean(axis=1) / products[:, :, 1].mean(axis=1)
    return ratio


def _fitted_plain() -> list[int]:
    """Depths at which the plain networks' correlation stands out of the noise."""
    return [depth for depth in DEPTHS if depth <= 6]


def _factor(correlation: Array) -> float:
    depths = _fitted_plain()
    logs = np.log(np.maximum(correlation[: len(depths)], 1e-12))
    return float(np.exp(np.polyfit(depths, logs, 1)[0]))


def _power(correlation: Array) -> float:
    logs = np.log(np.maximum(correlation[_FITTED], 1e-12))
    return float(np.polyfit(np.log(DEPTHS[_FITTED]), logs, 1)[0])


def run(
    draws: Annotated[int, "Random networks of each kind and depth."] = 6,
    seed: Annotated[int, "Seeds weights and inputs."] = 0,
    meter: Meter = silent,
) -> Result:
    """Measure how gradients at different inputs are correlated, in plain and in residual networks.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    _validate.integer("draws", draws, minimum=1)
    rng = np.random.default_rng(_validate.integer("seed", seed, minimum=0))
    curves = np.empty((len(CURVES), draws, len(_GRID)))
    products = np.empty((2, len(DEPTHS), draws, 2))
    for draw in range(draws):
        for place, (depth, beta) in enumerate(CURVES.values()):
            curves[place, draw] = gradients(network(depth, beta, 1, rng), _GRID)[:, 0]
        for kind, beta in enumerate((None, _BETA)):
            for place, depth in enumerate(DEPTHS):
                x = rng.standard_normal((_SAMPLES, _FEATURES))
                found = gradients(network(depth, beta, _FEATURES, rng), x)
                products[kind, place, draw] = _products(found)
        meter("networks", draw + 1, draws)
    return Result(curves[:, 0], _autocorrelation(curves), *products)


def network(depth: int, beta: float | None, features: int, rng: np.random.Generator) -> Sequential:
    """A random network of ``depth`` rectifier layers, or of as many residual blocks with a factor β.

    A single feature has biases in the first layer, or all units would have their kink at one input.
    """
    he, plain = initializers.get("he_normal", "relu"), initializers.get("lecun_normal")
    biases = initializers.Normal(std=1.0) if features == 1 else "zeros"
    layers: list[Layer] = [Dense(_UNITS, weight_initializer=plain, bias_initializer=biases)]
    for number in range(depth):
        first = number == 0 and features == 1
        body: list[Layer] = [Activation("relu") if first else BatchNorm("relu", momentum=1.0)]
        body += [Dense(_UNITS, use_bias=False, weight_initializer=he)]
        layers += body if beta is None or first else [Residual(body, gate=beta)]
    layers.append(Dense(1, use_bias=False, weight_initializer=plain))
    return Sequential(layers, input_shape=features, dtype="float64", seed=int(rng.integers(2**31)))


def gradients(model: Sequential, x: Array) -> Array:
    """df/dx at each input, (n, features), with the batch statistics of all of them."""
    model.compile("mse", SGD(_NO_STEP))
    model.train_on_batch(x, np.zeros((len(x), 1)))
    return theory.input_jacobian(model, x)[:, 0]


def _products(found: Array) -> tuple[float, float]:
    """Mean product of two different gradients, and mean square."""
    inner = found @ found.T
    count, trace = len(found), np.trace(inner)
    return (inner.sum() - trace) / (count * (count - 1)), trace / count


def _autocorrelation(curves: Array) -> Array:
    """(kinds, draws, lags)."""
    centred = curves - curves.mean(axis=2, keepdims=True)
    length = centred.shape[2]
    lagged = [
        (centred[..., : length - lag] * centred[..., lag:]).mean(axis=2) for lag in range(_LAGS)
    ]
    shares: Array = np.stack(lagged, axis=2) / lagged[0][..., np.newaxis]
    return shares
