"""He's start and Xavier's in deep ReLU networks: He et al. 2015, section 2.2.

A ReLU halves the mean square of what reaches it, so weights must have variance 2/n (equation 10) and not 1/n,
as Xavier's have in the form that the paper compares with: that is 1/sqrt(2) of the signal per layer. The
paper trains convolutional networks on ImageNet: of 22 layers (figure 2) both starts converge, and He's starts
to reduce the error earlier; of 30 (figure 3) He's converges, and Xavier's stalls completely, with gradients
that diminish.

Here layers are dense, on MNIST, with the paper's momentum (0.9) and weight decay (0.0005); five networks of
each kind, whose starts differ in the scale of the weights alone. The factor of 1/sqrt(2) comes out as it is
said, 22 layers converge from both, and 30 stall from Xavier's while from He's the loss is halved within 350
updates, with any of the seeds 0 to 4. They do not stall for good: at this scale the plateau ends. Of the
first three networks of each of these seeds ten had left it after 2,256 updates, the first after 700.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
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
from vgcore.experiments.courses import GUESSING, Course, Training, count, standardized, train
from vgcore.experiments.images import files, images
from vgcore.experiments.keep import Keep
from vgcore.initializers import VarianceScaling
from vgcore.layers import Dense
from vgcore.model import Sequential
from vgcore.optimizers import Momentum
from vgcore.plot import palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "30 ReLU layers learn from He's start at once, from Xavier's late or never; 22 learn from both",
    "K. He, X. Zhang, S. Ren, J. Sun, Delving Deep into Rectifiers, ICCV 2015, section 2.2, figures 2 and 3",
)

NAME = "he"
DEPTHS = 22, 30
_STARTS = {"He": VarianceScaling(sqrt(2)), "Xavier": VarianceScaling(1.0)}
_LEARNING_RATE, _MOMENTUM, _DECAY = 0.005, 0.9, 5e-4
_DRAWS = 5
_STALLED = 0.99 * GUESSING


class Scale(NamedTuple):
    """Units of a layer, and how they are trained."""

    units: int
    training: Training


DEFAULT = Scale(128, Training(images=6_000, held_out=1_000, epochs=12, batch_size=32, every=5))
FULL = Scale(512, Training(images=60_000, held_out=10_000, epochs=20, batch_size=128, every=20))


class Cell(NamedTuple):
    """The networks of one depth and start."""

    courses: list[Course]

    @property
    def loss(self) -> Array:
        """Median over them of the averaged loss, (updates,)."""
        return np.asarray(np.median([course.loss for course in self.courses], axis=0))

    @property
    def learned(self) -> int | None:
        """The first update by which it is half of that of guessing."""
        low = np.flatnonzero(self.loss < GUESSING / 2)
        return int(self.step[low[0]]) if len(low) else None

    @property
    def step(self) -> NDArray[np.int64]:
        """The updates that are recorded."""
        return np.asarray(self.courses[0].flow.step)

    @property
    def error(self) -> float:
        """Median of the shares of held-out images that are wrong."""
        return float(np.median([course.error for course in self.courses]))

    def factor(self, field: str) -> Array:
        """What a hidden layer multiplies the signal ("activation_std") or its gradient ("delta") by."""
        ends = [getattr(course.start, field)[0, :-1][[0, -1]] for course in self.courses]
        steps = len(self.courses[0].start.layers) - 2
        first, last = np.array(ends).T
        return np.asarray(
            (last / first if field == "activation_std" else first / last) ** (1 / steps)
        )


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured: a `Cell` by depth and start; the units of a layer; on what."""

    cells: dict[int, dict[str, Cell]]
    units: int
    images: str

    def claims(self) -> list[Claim]:
        """The factor of the starts, forward and backward, then figures 2 and 3."""
        return [
            self._factor("activation_std", "signal is 1/√2 per layer of that from He's start"),
            self._factor("delta", "gradient diminishes as much on its way back"),
            self._both(),
            self._alone(),
            self._stalls(),
        ]

    def _factor(self, field: str, statement: str) -> Claim:
        cells = self.cells[DEPTHS[-1]]
        he, xavier = (float(np.exp(np.log(cells[name].factor(field)).mean())) for name in _STARTS)
        return Claim(
            f"From Xavier's start the {statement} ({DEPTHS[-1]} layers)",
            f"{sqrt(0.5):.4f}; 1 from He's itself",
            f"{xavier / he:.4f}; {he:.3f} from He's itself",
            verdict(
                abs(xavier / he * sqrt(2) - 1) < 0.05 and abs(he - 1) < 0.05,
                xavier / he < 0.85,
            ),
        )

    def _both(self) -> Claim:
        he, xavier = (self.cells[DEPTHS[0]][name].learned for name in _STARTS)
        return Claim(
            f"{DEPTHS[0]} layers converge from both starts, from He's earlier",
            "both converge, He's earlier",
            f"loss halved after {count(he)} updates from He's, {count(xavier)} from Xavier's",
            verdict(False, he is not None and xavier is not None and he < xavier),
            self._differs,
        )

    def _alone(self) -> Claim:
        he, xavier = (self.cells[DEPTHS[-1]][name] for name in _STARTS)
        then = float(xavier.loss[xavier.step == he.learned].min(initial=np.inf))
        return Claim(
            f"{DEPTHS[-1]} layers converge from He's start, while Xavier's are still guessing",
            "He's converges, Xavier's stalls",
            f"loss halved after {count(he.learned)} updates from He's"
            + (
                f"; {then:.3f} from Xavier's then, {GUESSING:.3f} by guessing" if he.learned else ""
            ),
            verdict(False, he.learned is not None and then > _STALLED),
            self._differs,
        )

    def _stalls(self) -> Claim:
        courses = self.cells[DEPTHS[-1]]["Xavier"].courses
        left = [each for course in courses if (each := course.learned(_STALLED)) is not None]
        after = f": after {_listed(left)}" if left else ""
        return Claim(
            "and from Xavier's they do not leave guessing to the end",
            "completely stalled to the end of figure 3",
            f"{len(left) or 'none'} of {len(courses)} left guessing in {courses[0].updates:,} updates"
            f"{after}",
            verdict(False, not left),
            f"at this scale the plateau ends for {len(left)} of {len(courses)}: {self._differs}"
            if left
            else self._differs,
        )

    @property
    def _differs(self) -> str:
        return f"dense layers of {self.units} units on MNIST; there, convolutions on ImageNet"

    def tables(self) -> list[Table]:
        """A row for each depth and start."""
        rows = [
            (
                f"{depth} layers, {name}",
                *(f"{np.median(cell.factor(field)):.3f}" for field in ("activation_std", "delta")),
                count(cell.learned),
                f"{cell.error:.1%}",
            )
            for depth, cells in self.cells.items()
            for name, cell in cells.items()
        ]
        updates = self.cells[DEPTHS[0]]["He"].courses[0].updates
        columns = "network", "signal per layer", "gradient per layer", "loss halved after", "wrong"
        return [Table(f"Medians of {_DRAWS} networks, {updates:,} updates", columns, rows)]

    def notes(self) -> list[str]:
        """On what, and how."""
        return [
            f"Images: {self.images}; each pixel with mean 0 and standard deviation 1.",
            f"Momentum {_MOMENTUM} and weight decay {_DECAY}, as in the paper; the rate is {_LEARNING_RATE}. "
            "Losses are averaged over fifty updates.",
        ]

    def picture(self) -> Figure:
        """The signal over the layers, then figures 2 and 3."""
        figure = plot.blank(14, 4.4)
        signal, *courses = figure.subplots(1, 3)
        layers = np.arange(1, DEPTHS[-1])
        for family, (name, cell) in enumerate(self.cells[DEPTHS[-1]].items()):
            values = np.array([course.start.activation_std[0, :-1] for course in cell.courses])
            middle = np.median(values, axis=0)
            signal.plot(layers, middle, color=palette.hue(1 - family), label=f"{name}'s start")
            if name == "Xavier":
                theory = middle[0] * sqrt(0.5) ** (layers - 1)
        signal.plot(
            layers, theory, color=palette.ink(), ls=":", lw=1, label=r"$1/\sqrt{2}$ per layer"
        )
        signal.set(
            title=f"{DEPTHS[-1]} ReLU layers before training",
            xlabel="hidden layer",
            ylabel="standard deviation of outputs",
            yscale="log",
        )
        signal.legend()
        for ax, (depth, cells) in zip(courses, self.cells.items(), strict=True):
            self._draw(ax, depth, cells)
        return figure

    def _draw(self, ax: Axes, depth: int, cells: dict[str, Cell]) -> None:
        for family, (name, cell) in enumerate(cells.items()):
            colour = palette.hue(1 - family)
            for course in cell.courses:
                ax.plot(cell.step, course.loss, color=colour, linewidth=0.7, alpha=0.5)
            ax.plot(cell.step, cell.loss, color=colour, linewidth=2.2, label=f"{name}'s start")
        ax.axhline(GUESSING, color=palette.faint(0.5), linewidth=0.8, linestyle="--")
        ax.set(title=f"{depth} layers", xlabel="update", ylabel="loss", ylim=(0, 1.3 * GUESSING))
        ax.text(0.98, 1.03 * GUESSING, "guessing", ha="right", transform=ax.get_yaxis_transform())
        ax.legend(loc="upper left", ncols=2)


def run(
    data: MnistFolder = None,
    seed: Annotated[int, "Seeds the first weights and the order of the images."] = 0,
    full: Annotated[bool, "Four times as wide, on all images, 20 times over: hours."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train deep ReLU networks from He's start and from Xavier's.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    seed = _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    kept = Keep(keep, NAME, data=files(data), seed=seed, full=full)
    return measure(data, FULL if full else DEFAULT, seed, kept, meter)


def _listed(updates: list[int]) -> str:
    """Numbers as a sentence has them, the least first."""
    *most, last = (f"{each:,}" for each in sorted(updates))
    return f"{', '.join(most)} and {last}" if most else last


def measure(data: Any, scale: Scale, seed: int, kept: Keep, meter: Meter) -> Result:
    """All of it at some scale."""
    given = standardized(images(data, scale.training.images, scale.training.held_out))

    def cell(depth: int, start: str) -> Cell:
        return Cell(
            [
                train(
                    f"{depth}-{start}-{draw}",
                    network(depth, start, scale.units, [seed, draw]),
                    given,
                    scale.training,
                    kept,
                    meter,
                )
                for draw in range(_DRAWS)
            ]
        )

    cells = {depth: {start: cell(depth, start) for start in _STARTS} for depth in DEPTHS}
    return Result(cells, scale.units, given.about)


def network(depth: int, start: str, units: int, seed: list[int]) -> Sequential:
    """A network of so many layers of weights; of a seed, starts differ in the weights' scale alone."""
    weights = _STARTS[start]
    hidden = [Dense(units, "relu", weight_initializer=weights) for _ in range(depth - 1)]
    output = Dense(10, "softmax", weight_initializer=weights)
    model = Sequential([*hidden, output], input_shape=784, seed=seed)
    optimizer = Momentum(_LEARNING_RATE, _MOMENTUM, weight_decay=_DECAY)
    model.compile("sparse_categorical_crossentropy", optimizer)
    return model
