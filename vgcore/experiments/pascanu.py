"""How far back a recurrent network's gradient reaches, against its bound.

Pascanu, Mikolov and Bengio 2013, section 2.1: a step back in time multiplies the gradient by dh_t/dh_{t-1}
= diag(f'(z_t)) W, whose norm is at most γ λ, where γ is the steepest slope of f (1 of tanh, 1/4 of the
sigmoid) and λ the largest singular value of W. So k steps leave at most (γ λ)^k of it (eq. 6 and 7): λ <
1/γ is sufficient for the gradient to vanish, λ > 1/γ necessary for it to explode. (The paper's states are
those before f, which its footnote 1 shows to be equivalent.)

The paper proves this and shows no numbers. Here recurrent weights are drawn from a normal distribution and
scaled to a γ λ below and above 1; for each draw ‖dh_T/dh_{T-k}‖ is measured along random inputs; and of a
linear network with orthogonal weights, which must meet the bound. That
the second condition is not sufficient shows at once: of a random matrix of n units the eigenvalues are
within half of λ (the circular law), so between 1/γ and 2/γ the gradient still vanishes; tanh networks
explode beyond, where they are chaotic (Sompolinsky, Crisanti and Sommers 1988), and of sigmoids most units
are saturated there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.experiments import base
from vgcore.experiments.base import About, Claim, Meter, Table, silent, verdict
from vgcore.layers import RNN
from vgcore.model import Sequential

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABOUT = About(
    "What a step back in time leaves of the gradient, against its bound",
    "R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013, section 2.1, eq. 5 to 7",
)

SLOPES = {"tanh": 1.0, "sigmoid": 0.25}
"""γ, the steepest slope of an activation."""

_BOUNDS = 0.5, 0.9, 1.5, 5.0  # γ λ
_STEPS, _INPUTS = 100, 3
_COLOURS = "#0072b2", "#009e73", "#e69f00", "#d55e00"  # of Okabe and Ito
_LAGS = np.arange(1, _STEPS + 1)


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    bounds : ndarray, (B,)
        γ λ.
    norms : dict of str to ndarray, (B, draws, 100)
        ‖dh_T/dh_{T-k}‖ for k from 1, by activation.
    sharp : ndarray, (B, 100)
        The same of a linear network whose recurrent weights are γ λ times an orthogonal matrix.
    """

    bounds: NDArray[np.float64]
    norms: dict[str, NDArray[np.float64]]
    sharp: NDArray[np.float64]

    def claims(self) -> list[Claim]:
        """The bound and its two conditions."""
        return [self._bounded(), self._sharp(), self._sufficient(), self._necessary()]

    def _bounded(self) -> Claim:
        share = max(float((each / self._bound()).max()) for each in self.norms.values())
        held = share <= 1 + 1e-9
        return Claim(
            "k steps leave at most (γ λ)^k of the gradient",
            "at most 1 of the bound",
            f"at most {share:.3f} of it, of {sum(each.size for each in self.norms.values()):,} measured",
            verdict(held, held),
        )

    def _sharp(self) -> Claim:
        off = float(np.abs(self.sharp / self._bound()[:, 0] - 1).max())
        return Claim(
            "Where every slope is γ and every direction is stretched by λ, (γ λ)^k is what is left",
            "1 of the bound",
            f"1 of it, within {off:.0e}, with a linear network of orthogonal weights",
            verdict(off < 1e-9, off < 0.01),
        )

    def _sufficient(self) -> Claim:
        below = self.bounds < 1
        left = max(float(each[below, :, -1].max()) for each in self.norms.values())
        most = float(self.bounds[below].max() ** _STEPS)
        return Claim(
            "λ < 1/γ is sufficient for the gradient to vanish",
            f"at most {most:.1e} left after {_STEPS} steps (γ λ = {self.bounds[below].max():g})",
            f"at most {left:.1e}",
            verdict(left <= most, left < 1),
        )

    def _necessary(self) -> Claim:
        norms = self.norms["tanh"]
        explodes = np.median(norms[:, :, -1], axis=1) > 1
        said = ", ".join(
            f"γ λ = {bound:g}: {'explodes' if more else 'vanishes'}"
            for bound, more in zip(self.bounds, explodes, strict=True)
        )
        necessary = not explodes[self.bounds <= 1].any()
        return Claim(
            "λ > 1/γ is necessary for it to explode, and not sufficient (tanh)",
            "explodes only above 1, not always there",
            said,
            verdict(
                bool(necessary and explodes.any() and not explodes[self.bounds > 1].all()),
                necessary,
            ),
        )

    def _bound(self) -> NDArray[np.float64]:
        """(γ λ)^k, (B, 1, steps)."""
        powers: NDArray[np.float64] = self.bounds[:, np.newaxis, np.newaxis] ** _LAGS
        return powers

    def tables(self) -> list[Table]:
        """What is left after some steps, and the bound."""
        lags = [1, 10, 50, _STEPS]
        rows = [
            (
                f"{activation}, γ λ = {bound:g}",
                *(f"{np.median(norms[place, :, lag - 1]):.2e} ({bound**lag:.1e})" for lag in lags),
            )
            for activation, norms in self.norms.items()
            for place, bound in enumerate(self.bounds)
        ]
        return [
            Table(
                "‖dh_T/dh_{T-k}‖, median of the draws, and its bound",
                ("network", *(f"k = {lag}" for lag in lags)),
                rows,
            )
        ]

    def notes(self) -> list[str]:
        """How to read the norms."""
        return [
            "λ: largest singular value of the recurrent weights; γ: steepest slope of the activation. The "
            "bound is reached only where every unit has that slope at every step, and the gradient lies "
            "along the singular vector of λ at every step.",
        ]

    def picture(self) -> Figure:
        """The norms over the lag beside their bounds, a panel an activation."""
        figure, axes = plot.panels(len(self.norms), width=5)
        for ax, (activation, norms) in zip(axes, self.norms.items(), strict=True):
            for bound, each, colour in zip(self.bounds, norms, _COLOURS, strict=True):
                low, middle, high = np.percentile(each, (0, 50, 100), axis=0)
                ax.fill_between(_LAGS, low, high, color=colour, alpha=0.25, linewidth=0)
                ax.plot(_LAGS, middle, color=colour, label=f"γ λ = {bound:g}")
                ax.plot(_LAGS, bound**_LAGS, color=colour, linestyle="--", linewidth=1)
            ax.axhline(1, color="0.5", linewidth=0.8)
            ax.set(
                yscale="log",
                xlabel="steps back, $k$",
                ylabel=r"$\|\partial h_T/\partial h_{T-k}\|_2$",
                title=f"{activation} (γ = {SLOPES[activation]:g})",
                ylim=(1e-30, 1e15),
                xlim=(1, _STEPS),
            )
            ax.label_outer()
        handles, labels = axes[0].get_legend_handles_labels()
        title = "lines: median,\nbands: all draws,\ndashed: the bound"
        figure.legend(handles, labels, loc="outside right upper", title=title)
        figure.suptitle("What is left of the gradient, and the most that could be")
        return figure


def run(
    units: Annotated[int, "Units of the recurrent layer."] = 50,
    draws: Annotated[int, "Networks to draw for each γ λ."] = 10,
    seed: Annotated[int, "Seeds the weights and the inputs."] = 0,
    meter: Meter = silent,
) -> Result:
    """Measure how a recurrent network's gradient shrinks or grows with every step back in time.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    _validate.integer("units", units, minimum=1)
    _validate.integer("draws", draws, minimum=1)
    rng = np.random.default_rng(_validate.integer("seed", seed, minimum=0))
    norms = {activation: np.empty((len(_BOUNDS), draws, _STEPS)) for activation in SLOPES}
    for activation, slope in SLOPES.items():
        for place, bound in enumerate(_BOUNDS):
            for draw in range(draws):
                weights = rng.standard_normal((units, units))
                weights *= bound / slope / np.linalg.norm(weights, 2)
                norms[activation][place, draw] = _norms(activation, weights, rng)
                meter(activation, place * draws + draw + 1, len(_BOUNDS) * draws)
    orthogonal = np.linalg.qr(rng.standard_normal((units, units)))[0]
    sharp = np.array([_norms("identity", bound * orthogonal, rng) for bound in _BOUNDS])
    return Result(np.array(_BOUNDS), norms, sharp)


def _norms(
    activation: str, weights: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Norms of one network with recurrent weights, along random inputs."""
    layer = RNN(len(weights), activation, name="rnn")
    model = Sequential(
        [layer], input_shape=(None, _INPUTS), dtype="float64", seed=int(rng.integers(2**31))
    )
    layer.weight_hh = weights
    x = rng.standard_normal((1, _STEPS, _INPUTS))
    spectral: NDArray[np.float64] = model.state_jacobian(x, "rnn", _LAGS).spectral[0]
    return spectral
