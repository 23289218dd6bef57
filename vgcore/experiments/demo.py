"""The main job: a deep sigmoid network that hardly learns, and its twin that does, on real digits.

Both are 64-30-30-30-30-10, start from the same random numbers, see the same digits in the same
order and take the same steps; they differ in the hidden activation and the scale of their first
weights.

- sigmoid after Xavier's start (Glorot and Bengio 2010, eq. 12): a sigmoid's slope is at most 1/4,
  so each layer of the backward pass takes about three quarters of what is left of the error signal;
- ReLU after He's start (He et al. 2015, eq. 10), which is made to keep the signal's size.

With 40 seeds, the sigmoid network gets 8 to 14 % of the held-out digits right after these 30
epochs, about what guessing gets, the ReLU network 96 to 99 %. The sigmoid network is slow, not
stuck: after 400 epochs it reaches about 95 %, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, data, plot
from vgcore.experiments import base
from vgcore.experiments.base import About, Claim, Meter, Table, fit_callback, silent, verdict
from vgcore.flow import GradientFlow
from vgcore.layers import Dense
from vgcore.model import Sequential
from vgcore.model.history import History
from vgcore.optimizers import SGD
from vgcore.plot.curves import name_beside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABOUT = About(
    "A deep sigmoid network that hardly learns, and its twin that does",
    "X. Glorot, Y. Bengio, AISTATS 2010, eq. 12 (Xavier's start); K. He et al., ICCV 2015, eq. 10 (He's)",
)

_HIDDEN_LAYERS, _UNITS, _CLASSES = 4, 30, 10
_LEARNING_RATE, _BATCH_SIZE = 0.1, 32


@dataclass(frozen=True)
class Course:
    """One network's course.

    Attributes
    ----------
    name : str
    start : GradientFlow
        One pass over all the training digits before the first step.
    flow : GradientFlow
        Every step of the training, each over its minibatch.
    history : History
    accuracy : float
        Share of the held-out digits that are right after training.
    """

    name: str
    start: GradientFlow
    flow: GradientFlow
    history: History
    accuracy: float

    @property
    def bias_grad(self) -> NDArray[np.float64]:
        """The norm of dL/db at the start, (L,)."""
        norms: NDArray[np.float64] = self.start.bias_grad[0]
        return norms

    @property
    def weight_grad(self) -> NDArray[np.float64]:
        """The norm of dL/dW at the start, (L,)."""
        norms: NDArray[np.float64] = self.start.weight_grad[0]
        return norms

    @property
    def factor(self) -> NDArray[np.float64]:
        """The norm of dL/db of each layer but the last over that of the next one, (L - 1,)."""
        return self.bias_grad[:-1] / self.bias_grad[1:]


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What the demo found: the course of each network, and on how many digits."""

    sick: Course
    cured: Course
    trained_on: int
    held_out: int
    epochs: int

    def claims(self) -> list[Claim]:
        """What the slopes and the starts say of the error signal, and what comes of it."""
        sick, cured = (float(course.start.rate().factor[0]) for course in (self.sick, self.cured))
        chance = 1 / _CLASSES
        learned = self.sick.accuracy < 2 * chance and self.cured.accuracy > 9 * chance
        return [
            Claim(
                "A sigmoid's slope is at most 1/4: after Xavier's start that is what a layer lets through",
                "0.25 of the error signal",
                f"{sick:.3f}",
                verdict(abs(sick - 0.25) < 0.05, sick < 0.5),
            ),
            Claim(
                "He's start keeps the error signal's size through ReLUs",
                "1",
                f"{cured:.3f}",
                verdict(0.8 < cured < 1.25, cured > 0.5),
            ),
            Claim(
                "Where the error signal does not arrive, next to nothing is learned in the same steps",
                f"{chance:.0%} right (chance), its twin most",
                f"{self.sick.accuracy:.1%}, its twin {self.cured.accuracy:.1%}",
                verdict(learned, self.sick.accuracy < self.cured.accuracy),
                "" if learned else f"after {self.epochs} epochs; by default they are 30",
            ),
        ]

    def tables(self) -> list[Table]:
        """The gradients before training, one table a network, then what was learned."""
        return [*map(_norms, (self.sick, self.cured)), self._learned()]

    def _learned(self) -> Table:
        rows = [
            (course.name, f"{course.history.history['loss'][-1]:.3f}", f"{course.accuracy:.1%}")
            for course in (self.sick, self.cured)
        ]
        rows.append(("guessing", f"{math.log(_CLASSES):.3f}", f"{1 / _CLASSES:.1%}"))
        return Table(
            f"After training on {self.trained_on:,} digits (epochs: {self.epochs})",
            ("network", "training loss", f"right, of {self.held_out} held out"),
            rows,
        )

    def notes(self) -> list[str]:
        """How to read the factors."""
        (sick, r2), (cured, _) = (
            (float(rate.factor[0]), float(rate.r2[0]))
            for rate in (course.start.rate() for course in (self.sick, self.cured))
        )
        return [
            "factor: a layer's ‖dL/db‖ over the next layer's. Below 1, the gradient shrinks on its "
            "way back to the input.",
            f"On average a layer multiplies the error signal dL/dz by {sick:.3f} on its way back "
            f"through the sigmoid network (R² of that geometric law: {r2:.3f}), by {cured:.3f} "
            "through the ReLU network.",
            "A sigmoid's slope is at most 1/4. The sigmoid network is slow rather than stuck: give "
            "it more --epochs.",
        ]

    def picture(self) -> Figure:
        """The error signal per layer at a few steps, one panel a network on one axis."""
        figure, axes = plot.panels(2)
        last = int(self.sick.flow.step[-1])
        epoch = (last + 1) // self.epochs
        steps = sorted({0, min(epoch, last), min(5 * epoch, last), last})
        for ax, course in zip(axes, (self.sick, self.cured), strict=True):
            plot.flow(course.flow, "delta", ax=ax, steps=steps, legend=False)
            ax.set_title(f"{course.name}\n{course.accuracy:.0%} of held-out digits right")
            ax.label_outer()
        figure.suptitle(
            "Error signal while training: where a network learns, it falls with the loss"
        )
        name_beside(figure, axes, "step")
        return figure


def run(
    epochs: Annotated[int, "Passes over the training digits."] = 30,
    seed: Annotated[int, "Seeds the split, the first weights and the order of the digits."] = 0,
    meter: Meter = silent,
) -> Result:
    """Train a deep sigmoid network and its cured twin on real digits, and compare their gradients.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    epochs = _validate.integer("epochs", epochs, minimum=1)
    seed = _validate.integer("seed", seed, minimum=0)
    parts = data.train_test_split(*data.digits(), seed=seed)
    sick, cured = (
        _train(name, activation, start, parts, epochs, seed, meter)
        for name, activation, start in (
            ("sigmoid, Xavier start", "sigmoid", "xavier_normal"),
            ("ReLU, He start", "relu", "he_normal"),
        )
    )
    return Result(sick, cured, len(parts[0]), len(parts[2]), epochs)


def _train(
    name: str,
    activation: str,
    start: str,
    parts: tuple[NDArray[Any], ...],
    epochs: int,
    seed: int,
    meter: Meter,
) -> Course:
    x, y, held_out_x, held_out_y = parts
    # Both starts draw from one normal distribution and scale it: the twins get the same numbers.
    hidden = [Dense(_UNITS, activation, weight_initializer=start) for _ in range(_HIDDEN_LAYERS)]
    output = Dense(_CLASSES, "softmax", weight_initializer="xavier_normal")
    model = Sequential([*hidden, output], input_shape=x.shape[1], seed=seed)
    model.compile("sparse_categorical_crossentropy", SGD(_LEARNING_RATE))
    before = model.gradient_flow(x, y)
    flow = GradientFlow()
    history = model.fit(
        x,
        y,
        epochs=epochs,
        batch_size=_BATCH_SIZE,
        track=flow,
        callbacks=[fit_callback(meter, name)],
        verbose=0,
    )
    return Course(name, before, flow, history, model.evaluate(held_out_x, held_out_y).accuracy)


def _norms(course: Course) -> Table:
    """The norms of each layer before training."""
    factors = [f"{factor:.3f}" for factor in course.factor] + ["–"]
    norms = zip(course.start.layers, course.bias_grad, factors, course.weight_grad, strict=True)
    rows = [(layer, f"{b:.5f}", factor, f"{w:.5f}") for layer, b, factor, w in norms]
    return Table(f"{course.name}: before training", ("layer", "‖dL/db‖", "factor", "‖dL/dW‖"), rows)
