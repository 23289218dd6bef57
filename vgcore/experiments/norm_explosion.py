"""Batch normalisation makes gradients explode with depth: Yang et al. 2019.

In a deep network of dense layers that are each batch-normalised, the gradient grows exponentially on its
way back, whatever the scale of the weights, which the norm takes out again, and whatever the activation; of
rectifiers its square by π / (π - 1) = 1.467 a layer, at large batches (theorem 3.10), where the identity
alone has 1. So networks of rectifiers without skip connections do not train beyond some fifty layers, at any
batch size, by SGD or by RMSProp (figure 2).

At large batches a layer's factor has a closed form for every activation: backwards, the squared gradient is
multiplied by E[φ'(y)²] and divided by the variance of what was normalised, so the factor is E[φ'(y)²] /
Var[φ(y)] of y ~ N(0, 1). That is π / (π - 1) of the rectifier, 1 of the identity, and more than 1 of all
others (by the Poincaré inequality).

Here the factor is measured over 40 layers of 256 units on random inputs, for activations, scales of the
weights and batch sizes, and rectifier networks of 5 to 80 layers are trained on UCI's 8x8 digits at
four learning rates; the paper trains on MNIST and CIFAR-10, 384 units a layer, at a rate that is
proportional to the batch. What depth they bear depends on the width and the batch, too; 80 layers stay at
chance from all of the seeds 0 to 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, activations, data, initializers, plot
from vgcore._slopes import evaluate
from vgcore.experiments import base, side_by_side
from vgcore.experiments.base import About, Claim, Meter, Table, silent, verdict
from vgcore.layers import BatchNorm, Dense, Layer
from vgcore.model import Sequential
from vgcore.optimizers import SGD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "Batch normalisation alone makes gradients explode with depth",
    "G. Yang, J. Pennington, V. Rao, J. Sohl-Dickstein, S. S. Schoenholz, ICLR 2019, arXiv:1902.08129, "
    "theorems 3.9 and 3.10, figure 2",
)

ACTIVATIONS = "relu", "gelu", "tanh", "identity"
SCALES = 0.5, 1.0, 2.0
"""σw: weights are drawn with a variance of σw² / fan-in."""
BATCHES = 16, 64, 256
DEPTHS = 5, 10, 20, 40, 80
RATES = 1e-3, 1e-2, 1e-1, 1.0

_LAYERS, _UNITS = 40, 256
_BATCH = 256  # where the activation is varied
_ENDS = 5  # layers at either end that the factor leaves out
_TRAINED_UNITS, _CLASSES, _TRAINED_BATCH = 64, 10, 128
_COLOURS = "#d55e00", "#e69f00", "#0072b2", "0.4"  # of Okabe and Ito


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    norms : ndarray, (4, layers)
        Norm of dL/dz at each batch norm of one network of each of `ACTIVATIONS`.
    by_activation : ndarray, (4, draws)
        Factor of the squared gradient a layer.
    by_scale, by_batch : ndarray, (3, draws)
        The same of rectifiers, over `SCALES` and `BATCHES`.
    accuracies : ndarray, (depths, rates, starts)
        Of the training digits, in the last epoch.
    epochs : int
    """

    norms: Array
    by_activation: Array
    by_scale: Array
    by_batch: Array
    accuracies: Array
    epochs: int

    def claims(self) -> list[Claim]:
        """The factor, what it does not depend on, and what comes of it."""
        relu, *others = np.mean(self.by_activation, axis=1)
        laws = [closed_form(name) for name in ACTIVATIONS]
        off = max(abs(f / law - 1) for f, law in zip((relu, *others), laws, strict=True))
        scales = np.mean(self.by_scale, axis=1)
        spread = float(scales.max() / scales.min() - 1)
        best = self._best()
        chance = 1 / _CLASSES
        return [
            Claim(
                "Of rectifiers, a layer multiplies the squared gradient by π / (π - 1)",
                f"{math.pi / (math.pi - 1):.3f}",
                f"{relu:.3f} (batch of {_BATCH})",
                verdict(abs(relu / laws[0] - 1) < 0.05, relu > 1.2),
            ),
            Claim(
                "The scale of the weights does not change it",
                "the same for any σw",
                ", ".join(f"σw = {s:g}: {f:.3f}" for s, f in zip(SCALES, scales, strict=True)),
                verdict(spread < 0.05, spread < 0.2),
            ),
            Claim(
                "No activation but the identity avoids it",
                "any other explodes; by the closed form: "
                + "; ".join(
                    f"{name} {law:.3f}" for name, law in zip(ACTIVATIONS[1:], laws[1:], strict=True)
                ),
                "; ".join(
                    f"{name} {f:.3f}" for name, f in zip(ACTIVATIONS[1:], others, strict=True)
                ),
                verdict(
                    off < 0.1, bool(np.all(np.array(others[:-1]) > 1.05) and others[-1] < 1.05)
                ),
            ),
            Claim(
                "Beyond some fifty layers such networks do not train, at any of four learning rates",
                "not trainable, at any batch size",
                ", ".join(
                    f"{depth} layers: {a:.0%}" for depth, a in zip(DEPTHS, best, strict=True)
                ),
                verdict(best[0] > 0.9 and best[-1] < 2 * chance, bool(best[-1] < best[0] / 2)),
            ),
        ]

    def _best(self) -> Array:
        """The accuracy of each depth at the best of the rates, in the median."""
        best: Array = np.median(self.accuracies, axis=2).max(axis=1)
        return best

    def tables(self) -> list[Table]:
        """Factors beside the closed form, then what was learned."""
        factors = [
            (name, f"{np.mean(each):.3f}", f"{closed_form(name):.3f}")
            for name, each in zip(ACTIVATIONS, self.by_activation, strict=True)
        ]
        factors += [
            (f"relu, batch of {batch}", f"{np.mean(each):.3f}", f"{closed_form('relu'):.3f}")
            for batch, each in zip(BATCHES[:-1], self.by_batch, strict=False)
        ]
        learned = [
            (f"{depth}", *(f"{value:.1%}" for value in np.median(each, axis=1)))
            for depth, each in zip(DEPTHS, self.accuracies, strict=True)
        ]
        return [
            Table(
                f"Factor of the squared gradient per layer (batch of {_BATCH})",
                ("network", "measured", "at large batches"),
                factors,
            ),
            Table(
                f"Training digits right after {self.epochs} epochs, by learning rate",
                ("layers", *(f"{rate:g}" for rate in RATES)),
                learned,
            ),
        ]

    def notes(self) -> list[str]:
        """What was trained."""
        return [
            f"Factors: over {_LAYERS} layers of {_UNITS} units, the first and the last {_ENDS} left out. "
            f"Trained: {_TRAINED_UNITS} units a layer, rectifiers behind batch norms, minibatches of "
            f"{_TRAINED_BATCH}, plain gradient descent; medians of {self.accuracies.shape[2]} starts."
        ]

    def picture(self) -> Figure:
        """The gradient on its way back, and the accuracy against depth."""
        figure = plot.blank(10.5, 4)
        way, learned = figure.subplots(1, 2)
        layers = np.arange(1, _LAYERS + 1)
        for name, each, colour in zip(ACTIVATIONS, self.norms, _COLOURS, strict=True):
            shown = each / each[-1]
            way.plot(layers, shown, color=colour, label=name)
            law = closed_form(name) ** ((_LAYERS - layers) / 2)
            way.plot(layers, law, color=colour, linestyle="--", linewidth=1)
        way.set(yscale="log", xlabel="layer, from the input", xlim=(1, _LAYERS))
        way.set_ylabel(r"$\|\delta_l\|_2\,/\,\|\delta_L\|_2$")
        way.set_title("before training (dashed: closed form)")
        way.legend()
        for rate, each in zip(RATES, np.median(self.accuracies, axis=2).T, strict=True):
            learned.plot(DEPTHS, each, marker="o", label=f"{rate:g}")
        learned.axhline(1 / _CLASSES, color="black", linestyle=":", linewidth=1)
        learned.set(
            xscale="log", xticks=DEPTHS, xticklabels=DEPTHS, ylim=(0, 1.02), xlabel="layers"
        )
        learned.minorticks_off()
        learned.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        learned.set(
            ylabel="training digits right", title=f"after {self.epochs} epochs (dotted: chance)"
        )
        learned.legend(title="learning rate")
        figure.suptitle("Batch-normalised networks without skips: the gradient explodes with depth")
        return figure


def closed_form(activation: str) -> float:
    """E[φ'(y)²] / Var[φ(y)], y ~ N(0, 1): the factor of the squared gradient at large batches."""
    y = np.linspace(-12, 12, 24_001)
    weights = np.exp(-(y**2) / 2)
    weights /= weights.sum()
    h, slopes = evaluate(activations.get(activation).function, y)
    return float(weights @ slopes**2 / (weights @ h**2 - (weights @ h) ** 2))


def run(
    draws: Annotated[int, "Random networks that a factor is the mean of."] = 3,
    starts: Annotated[int, "Networks to train at each depth and rate."] = 2,
    epochs: Annotated[int, "Passes over the digits."] = 15,
    seed: Annotated[int, "Seeds weights, inputs and the split."] = 0,
    meter: Meter = silent,
) -> Result:
    """Measure how gradients explode in batch-normalised networks, and train them at growing depths.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    for name, value in (("draws", draws), ("starts", starts), ("epochs", epochs)):
        _validate.integer(name, value, minimum=1)
    rng = np.random.default_rng(_validate.integer("seed", seed, minimum=0))
    kinds = [(name, 1.0, _BATCH) for name in ACTIVATIONS]
    kinds += [("relu", scale, 64) for scale in SCALES] + [("relu", 1.0, batch) for batch in BATCHES]
    norms = np.empty((len(kinds), draws, _LAYERS))
    for place, kind in enumerate(kinds):
        norms[place] = [_norms(*kind, rng) for _ in range(draws)]
        meter("factors", place + 1, len(kinds))
    factors = (norms[..., _ENDS] / norms[..., -1 - _ENDS]) ** (2 / (_LAYERS - 1 - 2 * _ENDS))
    by_activation, by_scale, by_batch = np.split(
        factors, np.cumsum([len(ACTIVATIONS), len(SCALES)])
    )
    accuracies = _train(starts, epochs, seed, meter)
    one = norms[: len(ACTIVATIONS), 0]
    return Result(one, by_activation, by_scale, by_batch, accuracies, epochs)


def _norms(activation: str, scale: float, batch: int, rng: np.random.Generator) -> Array:
    """Norms of dL/dz at the batch norms of a random network."""
    start = initializers.Normal(std=scale / math.sqrt(_UNITS))
    layers: list[Layer] = []
    for number in range(_LAYERS):
        layers += [
            Dense(_UNITS, use_bias=False, weight_initializer=start),
            BatchNorm(activation, name=f"norm{number + 1}"),
        ]
    model = Sequential(
        [*layers, Dense(1)], input_shape=_UNITS, dtype="float64", seed=int(rng.integers(2**31))
    )
    model.compile("mse")
    flow = model.gradient_flow(
        rng.standard_normal((batch, _UNITS)), rng.standard_normal((batch, 1))
    )
    columns = [flow.layers.index(f"norm{number + 1}") for number in range(_LAYERS)]
    norms: Array = flow.delta[0, columns]
    return norms


def _train(starts: int, epochs: int, seed: int, meter: Meter) -> Array:
    """Accuracies of networks of every depth at every rate."""
    x, y, *_ = data.train_test_split(*data.digits(), seed=seed)
    accuracies = np.empty((len(DEPTHS), len(RATES), starts))
    for place, depth in enumerate(DEPTHS):
        models = [
            network(depth, rate, starts * seed + start) for rate in RATES for start in range(starts)
        ]
        histories = side_by_side.train(
            models,
            x,
            y,
            part=f"{depth} layers",
            meter=meter,
            epochs=epochs,
            batch_size=_TRAINED_BATCH,
            drop_last=True,
        )
        ends = [history["accuracy"][-1] for history in histories]
        accuracies[place] = np.reshape(ends, accuracies.shape[1:])
    return accuracies


def network(depth: int, rate: float, seed: int) -> Sequential:
    """Rectifiers behind batch norms, compiled."""
    layers: list[Layer] = []
    for _ in range(depth):
        layers += [Dense(_TRAINED_UNITS, use_bias=False), BatchNorm("relu")]
    model = Sequential([*layers, Dense(_CLASSES, "softmax")], input_shape=64, seed=seed)
    model.compile("sparse_categorical_crossentropy", SGD(rate), on_nonfinite="ignore")
    return model
