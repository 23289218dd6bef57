"""The identity start of Le, Jaitly and Hinton (2015): ReLUs whose recurrent matrix begins as the identity.

Section 4.2: MNIST's images are read pixel by pixel, 784 steps, and told at the end. 100 units, stochastic
gradient descent at the best of several rates with clipped gradients, for a million steps: an IRNN gets 97 %
of the test images right, an LSTM fewer; simple cells fail. The reason given is that, at the identity start,
"when the error derivatives for the hidden units are backpropagated through time they remain constant provided
no extra error-derivatives are added".

Here an image is read row by row (28 steps), and pixel by pixel after 2 x 2 pixels were made one (196 steps),
from few images and by Adam, at the better of two rates by the training loss. The recurrent weights of the
tanh cell start as was usual then, uniform up to 1/sqrt(units); from Glorot's, which are larger, it learns at
some seeds. Weights of inputs start by Glorot's rule: at the source's 0.001 Adam's first steps turn their
signs, and all ReLUs die.

With any of the seeds 0 to 4: by rows all cells learn. Pixel by pixel the tanh cell falls far behind, as in
the source, and the IRNN, whose gradient is carried whole from where ink is, learns. An LSTM, trained by Adam,
learns as much as the IRNN or more in as many steps: that it is worse does not come out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.experiments import base
from vgcore.experiments.base import (
    About,
    Claim,
    KeepFolder,
    Meter,
    MnistFolder,
    Table,
    fit_callback,
    silent,
    verdict,
)
from vgcore.experiments.images import Images, files, images
from vgcore.experiments.keep import Keep
from vgcore.flow import GradientFlow
from vgcore.initializers import VarianceScaling
from vgcore.layers import LSTM, RNN, Dense
from vgcore.layers.recurrent import Recurrent
from vgcore.model import Sequential
from vgcore.optimizers import Adam
from vgcore.schedules import Cosine

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

ABOUT = About(
    "Recurrent ReLUs that start as the identity, beside tanh and an LSTM, on MNIST row by row and by pixels",
    "Q. V. Le, N. Jaitly, G. E. Hinton, arXiv:1504.00941 (2015), sections 2 and 4.2",
)

NAMES = {"rnn": "RNN, tanh", "irnn": "IRNN", "lstm": "LSTM"}
"""The cells, by the name of their layer."""

PUBLISHED = 0.97
"""Share of MNIST's test images that an IRNN has right, read pixel by pixel."""

_COLOURS = {"rnn": "#d55e00", "irnn": "black", "lstm": "#0072b2"}
_STANDARD = VarianceScaling(1 / np.sqrt(3), "fan_in", "uniform")  # ±1/sqrt(units), of the tanh cell
_SIDE, _CLASSES, _CLIP_NORM = 28, 10, 1.0
_MEASURED = 128  # held-out images that a gradient is measured on
_FLOOR = 1e-15  # of the gradients that are drawn


class Scale(NamedTuple):
    """Images, those held out, the side of an image read by pixels, units, epochs, minibatch, Adam's rates."""

    images: int
    held_out: int
    side: int
    units: int
    epochs: int
    batch_size: int
    rates: tuple[float, ...]


DEFAULT = Scale(4_000, 2_000, 14, 100, 8, 32, (1e-3, 3e-4))
FULL = Scale(60_000, 10_000, _SIDE, 100, 50, 16, (1e-3, 3e-4, 1e-4))


@dataclass(frozen=True)
class Course:
    """One cell's course on one order of reading, at the better one of the rates.

    Attributes
    ----------
    cell : str
        A key of `NAMES`.
    steps : int
        Timesteps of an image.
    rate : float
        The one whose training loss ended lowest.
    loss : ndarray, (epochs,)
        Of the training.
    accuracy : float
        Share of the held-out images that are right.
    start, end : ndarray, (timesteps,)
        Norm of the gradient at each hidden state before and after training.
    """

    cell: str
    steps: int
    rate: float
    loss: Array
    accuracy: float
    start: Array
    end: Array


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured: a `Course` a cell, by rows and by pixels; on which images, and how many held out."""

    courses: list[Course]
    images: str
    held_out: int

    @property
    def pixels(self) -> dict[str, Course]:
        """The courses pixel by pixel, by cell."""
        most = max(each.steps for each in self.courses)
        return {each.cell: each for each in self.courses if each.steps == most}

    def claims(self) -> list[Claim]:
        """What the identity start does to the gradient, and to what is learned."""
        rnn, irnn, lstm = (self.pixels[cell] for cell in NAMES)
        quarter = irnn.steps // 4
        kept, tanh, gated = (
            float(each.start[quarter] / each.start[-quarter]) for each in (irnn, rnn, lstm)
        )
        error = np.sqrt(2 * irnn.accuracy * (1 - irnn.accuracy) / self.held_out)
        better = bool(irnn.accuracy - lstm.accuracy > 3 * error)
        smaller = (
            f"{irnn.accuracy:.1%} instead of {PUBLISHED:.0%}: {irnn.steps} steps, {self.images}; Adam in "
            f"{len(irnn.loss)} epochs"
        )
        return [
            Claim(
                "At the identity start, error derivatives remain constant on their way back",
                "1",
                f"{kept:.3f} over the middle half of {irnn.steps} steps; tanh {tanh:.2g}, LSTM {gated:.2g}",
                verdict(abs(kept - 1) < 0.1, abs(np.log(kept)) < abs(np.log(gated))),
            ),
            Claim(
                "Pixel by pixel an IRNN learns where a simple cell fails (by three standard errors)",
                f"{PUBLISHED:.0%} right; simple cells fail",
                f"{irnn.accuracy:.1%}, tanh {rnn.accuracy:.1%}",
                verdict(
                    irnn.accuracy > PUBLISHED - 0.01 and rnn.accuracy < 0.5,
                    bool(irnn.accuracy - rnn.accuracy > 3 * error),
                ),
                smaller,
            ),
            Claim(
                "and better than an LSTM (by three standard errors, too)",
                f"{PUBLISHED:.0%}, LSTM fewer",
                f"{irnn.accuracy:.1%}, LSTM {lstm.accuracy:.1%}",
                verdict(irnn.accuracy > PUBLISHED - 0.01 and better, better),
                f"the LSTM has {abs(lstm.accuracy - irnn.accuracy):.1%} "
                f"{'more' if lstm.accuracy > irnn.accuracy else 'less'} right; {smaller}, which suit an LSTM "
                "better than the source's plain gradient descent",
            ),
        ]

    def tables(self) -> list[Table]:
        """What each cell learned, in both orders."""
        rows = [
            (
                NAMES[each.cell],
                f"{each.steps}",
                f"{each.rate:g}",
                f"{each.loss[-1]:.3f}",
                f"{each.accuracy:.1%}",
                *(
                    f"{g[each.steps // 4] / g[-(each.steps // 4)]:.2g}"
                    for g in (each.start, each.end)
                ),
            )
            for each in self.courses
        ]
        columns = (
            "cell",
            "timesteps",
            "rate",
            "training loss",
            "held out right",
            "gradient back",
            "after",
        )
        return [Table("MNIST row by row and pixel by pixel", columns, rows)]

    def notes(self) -> list[str]:
        """On what images, and how to read the gradients."""
        return [
            f"Images: {self.images}; {self.held_out:,} others are held out.",
            "Gradient back: ‖dL/dh‖ a quarter of the way over that at three quarters, before training and "
            "after. An IRNN's is 0 in front of the first ink: its states are 0 there, where a ReLU is off.",
        ]

    def picture(self) -> Figure:
        """The gradient over time before training, and the losses, pixel by pixel."""
        figure = plot.blank(10.5, 4.4)
        gradient, training = figure.subplots(1, 2)
        for cell, each in self.pixels.items():
            look: dict[str, Any] = {"color": _COLOURS[cell]}
            shown = np.where(each.start > 0, each.start, np.nan)
            gradient.plot(np.arange(1, each.steps + 1), shown, label=_beginning(each), **look)
            label = f"{NAMES[cell]}: {each.accuracy:.0%} of held-out images right"
            epochs = np.arange(1, len(each.loss) + 1)
            training.plot(epochs, each.loss, marker="o", label=label, **look)
        gradient.set(xlabel="timestep (one pixel)", title="‖dL/dh$_t$‖ before training")
        gradient.set(yscale="log", ylim=(_FLOOR, 10))
        gradient.legend(loc="center left", fontsize="small")
        training.axhline(np.log(_CLASSES), color="0.6", linewidth=1, label="equal odds")
        training.set(xlabel="epoch", ylim=(0, None), title="training loss")
        training.legend(loc="lower left")
        figure.suptitle(
            f"MNIST pixel by pixel, {each.steps} steps: the identity start carries the error to the first ink"
        )
        return figure


def run(
    data: MnistFolder = None,
    seed: Annotated[int, "Seeds the first weights and the order of the images."] = 0,
    full: Annotated[bool, "All images, every pixel, minibatches of 16."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train recurrent cells to tell digits that they read row by row and pixel by pixel.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    seed = _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    return measured(data, FULL if full else DEFAULT, seed, keep, meter)


def measured(data: Path | None, scale: Scale, seed: int, keep: Path | None, meter: Meter) -> Result:
    """What `run` does, of any scale."""
    kept = Keep(keep, "irnn", seed=seed, scale=str(tuple(scale)), data=files(data))
    given = images(data, scale.images, scale.held_out)
    courses = []
    for side, width in ((_SIDE, _SIDE), (scale.side, 1)):
        for cell in NAMES:
            work = partial(_course, cell, side, width, given, scale, seed, kept, meter)
            courses.append(kept.part(f"{cell}-{side}x{width}", Course, work))
    return Result(courses, given.about, len(given.held_out_x))


def sequences(x: Array, side: int, width: int) -> Array:
    """Images (n, 784) as sequences (n, timesteps, width) in reading order, made side pixels wide by means."""
    each = _SIDE // side
    small: Array = x.reshape(-1, side, each, side, each).mean(axis=(2, 4), dtype=np.float32)
    return small.reshape(len(x), side * side // width, width)


def network(cell: str, width: int, units: int, seed: int) -> Sequential:
    """A new network, not compiled."""
    options: dict[str, Any] = {"name": cell, "weight_initializer": "glorot_uniform"}
    layer: Recurrent
    if cell == "lstm":
        layer = LSTM(units, **options)
    elif cell == "irnn":
        layer = RNN(units, "relu", recurrent_initializer="identity", **options)
    else:
        layer = RNN(units, "tanh", recurrent_initializer=_STANDARD, **options)
    layers = [layer, Dense(_CLASSES, "softmax")]
    return Sequential(layers, input_shape=(None, width), dtype="float32", seed=seed)


def _course(
    cell: str,
    side: int,
    width: int,
    given: Images,
    scale: Scale,
    seed: int,
    kept: Keep,
    meter: Meter,
) -> Course:
    x, held_out = (sequences(each, side, width) for each in (given.x, given.held_out_x))
    steps = scale.epochs * -(-len(x) // scale.batch_size)
    trained = {}
    for place, rate in enumerate(scale.rates):
        model = network(cell, width, scale.units, seed)
        model.compile(
            "sparse_categorical_crossentropy", Adam(Cosine(rate, steps)), clip_norm=_CLIP_NORM
        )
        start = _gradient(model, cell, held_out, given.held_out_y)
        trained[rate] = kept.fit(
            f"{cell}-{side}x{width}-{place}",
            model,
            x,
            given.y,
            epochs=scale.epochs,
            batch_size=scale.batch_size,
            callbacks=[fit_callback(meter, f"{NAMES[cell]}, {x.shape[1]} steps, rate {rate:g}")],
        )
    best = min(trained, key=lambda rate: trained[rate].history["loss"][-1])
    model = trained[best].model
    return Course(
        cell,
        x.shape[1],
        best,
        np.array(trained[best].history["loss"]),
        float(model.evaluate(held_out, given.held_out_y).accuracy),
        start,
        _gradient(model, cell, held_out, given.held_out_y),
    )


def _beginning(course: Course) -> str:
    """A cell's name, and what its gradient before training is at the first timesteps."""
    name, seen = NAMES[course.cell], np.flatnonzero(course.start >= _FLOOR)
    step = int(seen[0]) if seen.size else course.steps
    if not step:
        return name
    if not course.start[:step].any():
        return f"{name}: 0 up to step {step}" + (
            ", no ink yet (ReLUs are off)" if course.cell == "irnn" else ""
        )
    return f"{name}: below $10^{{{np.log10(_FLOOR):.0f}}}$ up to step {step}"


def _gradient(model: Sequential, cell: str, x: Array, y: Array) -> Array:
    """Norms of dL/dh_t, (timesteps,)."""
    flow: GradientFlow = model.gradient_flow(x[:_MEASURED], y[:_MEASURED])
    return np.asarray(flow.time[cell][0])
