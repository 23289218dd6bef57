"""Gradient amplification: the gradients of early layers, multiplied in the first epochs.

Basodi, Ji, Zhang and Pan 2020 multiply the gradients of chosen layers of VGG-19, ResNet-18 and ResNet-34 by
a factor in some epochs of their training on CIFAR-10, and not in others: the networks get better, at high
learning rates, too, and so in less time.

Here it is tried where gradients do vanish: four sigmoid layers on UCI's 8x8 digits, at three learning
rates, with the gradients of the four times 1, 2, 5 and 10 in the first half of the epochs. At the small and
at the middle rate it is what makes the network learn in the time; the large one is nearly too large
without, and times 10 is too much there. So it is from all of the seeds 0 to 4. Deeper networks get
nothing: of a gradient that is 1e-6 of what it should be, ten times is nothing, too. `vgcore.Amplification`
multiplies gradients of parameters, and what goes on to the layers below stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, data, plot
from vgcore.experiments import base, side_by_side
from vgcore.experiments.base import About, Claim, Meter, Table, silent, verdict
from vgcore.layers import Dense
from vgcore.model import Sequential
from vgcore.optimizers import SGD
from vgcore.treatment import Amplification

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ABOUT = About(
    "Gradients of early layers, multiplied for some epochs",
    "S. Basodi, C. Ji, H. Zhang, Y. Pan, Big Data Mining and Analytics 3 (2020), arXiv:2006.10560",
)

RATES = 0.03, 0.1, 0.3
FACTORS = 1.0, 2.0, 5.0, 10.0
_LAYERS, _UNITS, _CLASSES = 4, 30, 10
_COLOURS = "0.4", "#56b4e9", "#0072b2", "#d55e00"  # of Okabe and Ito
_WHY = f"{_LAYERS} sigmoid layers of {_UNITS} units on digits, not VGG-19 or a ResNet on CIFAR-10"


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    accuracies : ndarray, (rates, factors, starts)
        Of held-out digits after training.
    losses : ndarray, (rates, factors, starts, epochs)
        Of each epoch.
    amplified : int
        Epochs that were amplified, from the first.
    """

    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    amplified: int

    def claims(self) -> list[Claim]:
        """That it learns more, in less time, at high rates, too."""
        typical = np.median(self.accuracies, axis=2)
        plain, best = typical[:, 0], typical[:, 1:].max(axis=1)
        places = 1 + typical[:, 1:].argmax(axis=1)
        epochs, place = self.losses.shape[3], int(places[1])
        reached = self._epochs_to(place)
        rates = [
            f"{more:.1%} at the rate {rate:g} (times {FACTORS[which]:g}), without {less:.1%}"
            for rate, which, more, less in zip(RATES, places, best, plain, strict=True)
        ]
        return [
            Claim(
                "Amplified for some epochs, a network gets better than without in as many epochs",
                "a higher accuracy",
                rates[0],
                verdict(False, best[0] > plain[0]),
                _WHY,
            ),
            Claim(
                "So at a higher learning rate, too",
                "a higher accuracy",
                rates[1],
                verdict(False, best[1] > plain[1]),
                f"{_WHY}; {self._at_the_largest(typical[2])}",
            ),
            Claim(
                "What takes all epochs without is reached sooner",
                "less training time",
                f"after {reached} of {epochs} epochs, times {FACTORS[place]:g} at the rate {RATES[1]:g}",
                verdict(False, reached < epochs),
                _WHY,
            ),
        ]

    def _at_the_largest(self, typical: NDArray[np.float64]) -> str:
        """What the factors do at the largest rate, by their accuracies there."""
        each = [f"{a:.1%} times {f:g}" for f, a in zip(FACTORS[1:], typical[1:], strict=True)]
        helps = "every factor helps" if typical[1:].min() > typical[0] else "not every factor helps"
        return (
            f"at the rate {RATES[2]:g}, which is nearly too large by itself, {helps}: "
            f"{typical[0]:.1%} without, {', '.join(each)}"
        )

    def _epochs_to(self, place: int) -> int:
        """Epochs that a factor needs, at the middle rate, for the loss without it at the end."""
        losses = np.median(self.losses[1], axis=1)
        below = np.flatnonzero(losses[place] <= losses[0, -1])
        return int(below[0]) + 1 if below.size else self.losses.shape[3]

    def tables(self) -> list[Table]:
        """Accuracies, a row a rate."""
        rows = [
            (
                f"{rate:g}",
                *(
                    f"{np.median(each):.1%} ({each.min():.0%} to {each.max():.0%})"
                    for each in accuracies
                ),
            )
            for rate, accuracies in zip(RATES, self.accuracies, strict=True)
        ]
        starts, epochs = self.losses.shape[2:]
        return [
            Table(
                f"Held-out digits right after {epochs} epochs: median of {starts} starts (least to most)",
                ("learning rate", "without", *(f"times {factor:g}" for factor in FACTORS[1:])),
                rows,
            )
        ]

    def notes(self) -> list[str]:
        """When it acts."""
        return [
            f"Gradients of all {_LAYERS} hidden layers are multiplied in the first {self.amplified} epochs. "
            "With plain gradient descent that is a larger learning rate for these layers alone."
        ]

    def picture(self) -> Figure:
        """The loss over the epochs, a panel a rate."""
        figure, axes = plot.panels(len(RATES), width=4)
        for ax, rate, losses in zip(axes, RATES, self.losses, strict=True):
            self._draw(ax, losses)
            ax.set(
                title=f"learning rate {rate:g}",
                xlabel="epoch",
                ylabel="training loss",
                yscale="log",
            )
            ax.label_outer()
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper")
        figure.suptitle("Four sigmoid layers whose gradients are amplified for some epochs")
        return figure

    def _draw(self, ax: Axes, losses: NDArray[np.float64]) -> None:
        epochs = np.arange(1, losses.shape[2] + 1)
        ax.axvspan(0.5, self.amplified + 0.5, color="0.93", label="amplified")
        for factor, each, colour in zip(FACTORS, losses, _COLOURS, strict=True):
            name = "without" if factor == 1 else f"times {factor:g}"
            ax.plot(epochs, np.median(each, axis=0), color=colour, label=name)


def run(
    epochs: Annotated[int, "Passes over the digits; the first half of them is amplified."] = 40,
    starts: Annotated[int, "Networks of each rate and factor."] = 15,
    seed: Annotated[int, "Seeds the split and the networks."] = 0,
    meter: Meter = silent,
) -> Result:
    """Train sigmoid networks with amplified gradients, and without.

    What it takes and raises is said in `vgcore.experiments.base`; ``epochs`` is at
    least 2.
    """
    _validate.integer("epochs", epochs, minimum=2)
    _validate.integer("starts", starts, minimum=1)
    _validate.integer("seed", seed, minimum=0)
    x, y, held_out_x, held_out_y = data.train_test_split(*data.digits(), seed=seed)
    accuracies = np.empty((len(RATES), len(FACTORS), starts))
    losses = np.empty((*accuracies.shape, epochs))
    for row, column in np.ndindex(accuracies.shape[:2]):
        models = [
            network(RATES[row], FACTORS[column], epochs // 2, starts * seed + start)
            for start in range(starts)
        ]
        part = f"rate {RATES[row]:g}, times {FACTORS[column]:g}"
        histories = side_by_side.train(models, x, y, part=part, meter=meter, epochs=epochs)
        losses[row, column] = [history["loss"] for history in histories]
        for start, model in enumerate(models):
            accuracies[row, column, start] = model.evaluate(held_out_x, held_out_y).accuracy
    return Result(accuracies, losses, epochs // 2)


def network(rate: float, factor: float, amplified: int, seed: int) -> Sequential:
    """Four sigmoid layers, compiled; their gradients are times ``factor`` in the first epochs."""
    names = [f"hidden{number + 1}" for number in range(_LAYERS)]
    layers = [Dense(_UNITS, "sigmoid", name=name) for name in names]
    model = Sequential([*layers, Dense(_CLASSES, "softmax")], input_shape=64, seed=seed)
    treatment: dict[str, Any] = {}
    if factor != 1:
        treatment["amplify"] = Amplification(names, factor, epochs=range(amplified))
    model.compile("sparse_categorical_crossentropy", SGD(rate, momentum=0.9), **treatment)
    return model
