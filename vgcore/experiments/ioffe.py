"""Batch normalisation keeps the inputs of a sigmoid where they are: Ioffe and Szegedy 2015, section 4.1.

Three hidden layers of 100 sigmoids learn MNIST's digits, as black and white pixels, from small Gaussian
weights, 50,000 updates of 60 images each, with and without a batch norm in each hidden layer. In figure 1 the
network with norms has the higher test accuracy, and gets there sooner; of one typical unit of the last hidden
layer the 15th, 50th and 85th percentiles of what goes into the sigmoid change significantly over training,
both in mean and in variance, without a norm, and are much more stable with it.

The figure's curves are all that is published: neither the learning rate (here 0.1) nor the standard deviation
of the weights (here 0.1) is given. Shown are units of median movement; what is claimed is of the median over
all of them. By default 5,985 updates are made on 8,000 images, of three networks of each kind. With any of
the seeds 0 to 4 nine tenths of the held-out images are right after 399 updates with norms and after
some 3,500 without; a typical unit's median moves by 0.2 and by 0.7, its spread grows by 1.6 and by 30.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    silent,
    verdict,
)
from vgcore.experiments.courses import count
from vgcore.experiments.images import Images, files, images
from vgcore.experiments.keep import Keep
from vgcore.initializers import Normal
from vgcore.layers import BatchNorm, Dense, Layer
from vgcore.model import Sequential
from vgcore.optimizers import SGD
from vgcore.plot import palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "With batch norms a sigmoid network learns faster, and its last sigmoids' inputs stay where they are",
    "S. Ioffe, C. Szegedy, Batch Normalization, ICML 2015, section 4.1, figure 1",
)

NAME = "ioffe"
KINDS = "without", "with"
"""A batch norm in each hidden layer."""
PERCENTILES = 15, 50, 85
LAYERS, UNITS, BATCH = 3, 100, 60
RATE = STD = 0.1
REACHED = 0.9
"""Share of the held-out images right by which the speed of learning is told."""

_MEASURED = 1_000  # held-out images that distributions are over
_LAST = 5  # looks that the accuracy at the end is the mean of


class Scale(NamedTuple):
    """Images to train on and held out, passes over them, networks of each kind."""

    images: int
    held_out: int
    epochs: int
    draws: int


DEFAULT = Scale(8_000, 2_000, epochs=45, draws=3)
FULL = Scale(60_000, 10_000, epochs=50, draws=5)


@dataclass(frozen=True)
class Course:
    """What was measured of one network, before training and behind each epoch.

    Attributes
    ----------
    accuracy : ndarray, (epochs + 1,)
        Share of the held-out images that are right.
    inputs : ndarray, (epochs + 1, 3, units)
        `PERCENTILES` over held-out images of what goes into each sigmoid of the last hidden layer.
    """

    accuracy: Array
    inputs: Array

    @property
    def moves(self) -> Array:
        """How far the median of each unit's input moves over training, from lowest to highest, (units,)."""
        return np.asarray(np.ptp(self.inputs[:, 1], axis=0))

    @property
    def widens(self) -> Array:
        """Each unit's largest distance of the outer percentiles over its smallest, (units,)."""
        width = self.inputs[:, 2] - self.inputs[:, 0]
        return np.asarray(width.max(axis=0) / width.min(axis=0))

    @property
    def typical(self) -> Array:
        """The percentiles of the unit whose median moves as far as the median unit's, (epochs + 1, 3)."""
        unit = np.argsort(self.moves)[len(self.moves) // 2]
        return np.asarray(self.inputs[..., unit])


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    courses : dict of str to list of Course
        Of networks without and with batch norms.
    every : int
        Updates from one look to the next.
    images : str
        Which.
    paper : bool
        Whether as many updates on as many images as in the paper.
    """

    courses: dict[str, list[Course]]
    every: int
    images: str
    paper: bool

    def accuracy(self, kind: str) -> Array:
        """Mean over the networks at each look."""
        return np.asarray(np.mean([course.accuracy for course in self.courses[kind]], axis=0))

    def ends(self, kind: str) -> Array:
        """Accuracy of each network at the end, over the last few looks."""
        return np.array([course.accuracy[-_LAST:].mean() for course in self.courses[kind]])

    def reached(self, kind: str) -> int | None:
        """Updates until `REACHED`."""
        there = np.flatnonzero(self.accuracy(kind) >= REACHED)
        return int(there[0]) * self.every if len(there) else None

    def median(self, kind: str, what: str) -> float:
        """Over the units of all networks, of `Course.moves` or `Course.widens`."""
        return float(np.median([getattr(course, what) for course in self.courses[kind]]))

    def claims(self) -> list[Claim]:
        """Figure 1a, twice, then 1b and 1c: means, and variances."""
        return [
            self._faster(),
            self._higher(),
            self._steady("moves", "mean", "the median unit's median moves by {:.2f} {}"),
            self._steady("widens", "variance", "its spread changes by a factor of {:.1f} {}"),
        ]

    def _faster(self) -> Claim:
        without, norms = (self.reached(kind) for kind in KINDS)
        faster = norms is not None and (without is None or norms < without)
        return Claim(
            "With batch norms it learns faster",
            "sooner (curves)",
            f"{REACHED:.0%} right after {count(norms)} updates with, {count(without)} without",
            verdict(self.paper and faster, faster),
            self._differs,
        )

    def _higher(self) -> Claim:
        without, norms = (self.ends(kind) for kind in KINDS)
        higher = bool(norms.mean() > without.mean())
        return Claim(
            "With batch norms the test accuracy is higher",
            "higher (curves)",
            f"{norms.mean():.1%} with ({norms.min():.1%} to {norms.max():.1%}), {without.mean():.1%} without "
            f"({without.min():.1%} to {without.max():.1%})",
            verdict(self.paper and higher, higher),
            ""
            if self.paper
            else f"by {100 * (norms.mean() - without.mean()):.1f} points; {self._differs}",
        )

    def _steady(self, what: str, moment: str, told: str) -> Claim:
        without, norms = (self.median(kind, what) for kind in KINDS)
        measured = f"{told.format(without, 'without')}, {norms:.2f} with"
        # a factor is as far from 1 as its logarithm is from 0
        change = np.log([without, norms]) if what == "widens" else np.array([without, norms])
        steadier = bool(change[1] < change[0] / 2)
        return Claim(
            f"The {moment} of what goes into the last sigmoids is much more stable with them",
            "changes significantly without, much more stable with (one unit, curves)",
            measured,
            verdict(self.paper and steadier, steadier),
            self._differs,
        )

    @property
    def _updates(self) -> int:
        return self.every * (len(self.courses["with"][0].accuracy) - 1)

    @property
    def _differs(self) -> str:
        return "" if self.paper else f"{self._updates:,} updates, not 50,000, on {self.images}"

    def tables(self) -> list[Table]:
        """A row a kind of network."""
        rows = [
            (
                f"{kind} batch norms",
                count(self.reached(kind)),
                f"{self.ends(kind).mean():.2%}",
                f"{self.median(kind, 'moves'):.2f}",
                f"{self.median(kind, 'widens'):.2f}",
            )
            for kind in KINDS
        ]
        columns = "network", f"{REACHED:.0%} after", "right", "median moves", "spread changes by"
        draws = len(self.courses["with"])
        return [Table(f"{draws} networks of each kind, {self._updates:,} updates", columns, rows)]

    def notes(self) -> list[str]:
        """On what, and how."""
        return [
            f"Images: {self.images}, as black and white; batches of {BATCH}. Learning rate and standard "
            f"deviation of the first weights are {RATE}: the paper gives neither.",
            "right: of the held-out images, at the end. Distributions are over "
            f"{_MEASURED:,} of them; norms take their statistics from these, as in training.",
            "median moves, spread changes: the lowest and the highest value over training, their distance "
            "and their ratio; the median of all units. Spread: from the 15th to the 85th percentile.",
        ]

    def picture(self) -> Figure:
        """The figure's three panels."""
        figure = plot.blank(14, 4.4)
        right, *inputs = figure.subplots(1, 3)
        inputs[1].sharey(inputs[0])
        for family, (ax, kind) in enumerate(zip(inputs, KINDS, strict=True)):
            colour = palette.hue(1 - family)
            for course in self.courses[kind]:
                right.plot(self._steps, course.accuracy, color=colour, lw=0.7, alpha=0.5)
            right.plot(
                self._steps, self.accuracy(kind), color=colour, lw=2.2, label=f"{kind} batch norms"
            )
            self._draw(ax, kind, colour)
        right.set(
            title="held-out images right",
            xlabel="update",
            xlim=(0, self._steps[-1]),
            ylim=(0, 1),
        )
        right.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        right.legend(loc="lower right")
        bottom, top = inputs[0].get_ylim()
        inputs[0].set_ylim(bottom - (top - bottom) / 8, top)  # room for the legends
        inputs[0].set_ylabel("input of a typical sigmoid, last hidden layer")
        return figure

    @property
    def _steps(self) -> Array:
        return self.every * np.arange(len(self.courses["with"][0].accuracy), dtype=float)

    def _draw(self, ax: Axes, kind: str, colour: str) -> None:
        low, middle, high = self.courses[kind][0].typical.T
        ax.fill_between(self._steps, low, high, color=colour, alpha=0.2, lw=0)
        for values, name, line in (
            (high, "85th percentile", "--"),
            (middle, "50th", "-"),
            (low, "15th", ":"),
        ):
            ax.plot(self._steps, values, line, color=colour, label=name)
        ax.set(title=f"{kind} batch norms", xlabel="update", xlim=(0, self._steps[-1]))
        ax.legend(loc="lower left", ncols=3)


def run(
    data: MnistFolder = None,
    seed: Annotated[int, "Seeds the first weights and the order of the images."] = 0,
    full: Annotated[bool, "The paper's 50,000 updates on all images."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train sigmoid networks without and with batch norms, and look at what goes into the last sigmoids.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    seed = _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    kept = Keep(keep, NAME, data=files(data), seed=seed, full=full)
    return measure(data, FULL if full else DEFAULT, seed, kept, meter)


def measure(data: Any, scale: Scale, seed: int, kept: Keep, meter: Meter = silent) -> Result:
    """All of it at some scale."""
    grey = images(data, scale.images, scale.held_out)
    x, held_out_x = ((each > 0.5).astype(np.float32) for each in (grey.x, grey.held_out_x))
    given = grey._replace(x=x, held_out_x=held_out_x)

    def part(kind: str, draw: int) -> Course:
        name = f"{kind}-{draw}"

        def work() -> Course:
            model = network(kind, [seed, draw])
            return _course(model, given, scale.epochs, lambda e: meter(name, e, scale.epochs))

        return kept.part(name, Course, work)

    courses = {kind: [part(kind, draw) for draw in range(scale.draws)] for kind in KINDS}
    every = len(x) // BATCH
    return Result(courses, every, given.about, scale == FULL and len(x) == FULL.images)


def _course(model: Sequential, given: Images, epochs: int, report: Any) -> Course:
    accuracy = np.empty(epochs + 1)
    inputs = np.empty((epochs + 1, len(PERCENTILES), UNITS))
    for epoch in range(epochs + 1):
        if epoch:
            model.fit(given.x, given.y, batch_size=BATCH, drop_last=True, verbose=0)
        accuracy[epoch] = model.evaluate(given.held_out_x, given.held_out_y).accuracy
        seen = given.held_out_x[:_MEASURED], given.held_out_y[:_MEASURED]  # y: as in training
        z = model.internals(*seen, layers="last")["last"].z
        assert z is not None
        inputs[epoch] = np.percentile(z, PERCENTILES, axis=0)
        report(epoch)
    return Course(accuracy, inputs)


def network(kind: str, seed: Any) -> Sequential:
    """A compiled network; of a seed both kinds start from the same weights."""
    start = Normal(std=STD)
    layers: list[Layer] = []
    for number in range(LAYERS):
        name = "last" if number == LAYERS - 1 else None
        if kind == "with":
            layers += [
                Dense(UNITS, use_bias=False, weight_initializer=start),
                BatchNorm("sigmoid", name=name),
            ]
        else:
            layers.append(Dense(UNITS, "sigmoid", weight_initializer=start, name=name))
    output = Dense(10, "softmax", weight_initializer=start)
    model = Sequential([*layers, output], input_shape=784, seed=seed)
    model.compile("sparse_categorical_crossentropy", SGD(RATE))
    return model
