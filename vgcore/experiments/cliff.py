"""The cliff: a wall in the error surface of a single recurrent unit, with and without clipping.

Pascanu, Mikolov and Bengio 2013, section 2.3 and figure 6: a unit x_t = w σ(x_{t-1}) + b that has to be at
a target after 50 steps has an error surface over (w, b) with a wall of high curvature. A step of gradient
descent on the wall is thrown far away; where the gradient's norm is rescaled to a threshold (section 3.2,
algorithm 1) it stays near, and goes on into the valley at the foot of the wall.

The figure shows the surface of (σ(x_50) - 0.7)^2 from x_0 = 0.5, so σ(x_0) = 0.62, and sketches paths that
gradient descent might take. Here the state is h = σ(x), is to end at 0.7, too, and starts in the middle, h_0
= 1/2: for w > 4 two states are stable, and the wall stands where 1/2 lies between them, at b = -w / 2.
Gradient descent with a rate of 0.1 begins at many places above the wall, without clipping and with the
threshold 1. From any of the seeds 0 to 4 all of the clipped ones end in the valley, and a third of the
others at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.experiments import base
from vgcore.experiments.base import About, Claim, Meter, Table, silent, verdict
from vgcore.layers import RNN
from vgcore.model import Sequential
from vgcore.optimizers import SGD

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "The cliff in the error surface of a recurrent unit, with and without clipping",
    "R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013, sections 2.3 and 3.2, figure 6",
)

TARGET, START = 0.7, 0.5
RATE, THRESHOLD = 0.1, 1.0
_TIME = 50
_SOLVED = 1e-3  # of the squared error
_W, _B = (3.5, 7.0), (-3.6, -1.6)  # of the surface that is drawn
_GRID = 300
_ALIKE = 1e-9  # by which paths that are alike differ at most
_BOTH, _WITHOUT, _WITH = "#009e73", "#d55e00", "#0072b2"  # of Okabe and Ito


@dataclass(frozen=True)
class Descents:
    """Gradient descent from many places.

    Attributes
    ----------
    paths : ndarray, (starts, steps + 1, 2)
        (w, b) before each step and at the end.
    losses : ndarray, (starts,)
        At the end.
    """

    paths: Array
    losses: Array

    @property
    def solved(self) -> float:
        """Share of the starts that end in the valley."""
        return float((self.losses < _SOLVED).mean())

    @property
    def longest(self) -> Array:
        """The longest step of each, (starts,)."""
        steps: Array = np.linalg.norm(np.diff(self.paths, axis=1), axis=2).max(axis=1)
        return steps


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    slopes, curvatures : ndarray, (P,)
        Norm of the gradient at points of the surface above the wall, and curvature along it.
    without, clipped : Descents
    """

    slopes: Array
    curvatures: Array
    without: Descents
    clipped: Descents

    def claims(self) -> list[Claim]:
        """The wall, its curvature, and the two ways on from it."""
        steepest = float(self.slopes.max() / np.median(self.slopes))
        together = self._together()
        thrown = float(np.median(self.without.longest))
        kept = float(self.clipped.longest.max())
        return [
            Claim(
                "The error surface has walls",
                "slopes that are much steeper than elsewhere",
                f"{steepest:,.0f} times the median slope",
                verdict(steepest > 100, steepest > 10),
            ),
            Claim(
                "Where the gradient explodes, so does the curvature along it",
                "both at once",
                f"correlation of their logarithms: {together:.2f}",
                verdict(together > 0.8, together > 0.5),
            ),
            Claim(
                "A step at the wall is thrown off; rescaled, it stays near",
                "far away, and near",
                f"longest step {thrown:.2g} (median of the starts), and {kept:.2g} at most",
                verdict(thrown > 10 * kept, thrown > kept),
            ),
            Claim(
                "Clipping lets gradient descent end in the valley",
                "with clipping, not without",
                f"{self.clipped.solved:.0%} of the starts, {self.without.solved:.0%} without",
                verdict(
                    self.clipped.solved > 0.9 and self.without.solved < 0.75,
                    self.clipped.solved > self.without.solved,
                ),
            ),
        ]

    def _together(self) -> float:
        slopes, curvatures = np.log(self.slopes), np.log(np.abs(self.curvatures))
        return float(np.corrcoef(slopes, curvatures)[0, 1])

    def tables(self) -> list[Table]:
        """How the descents ended."""
        rows = [
            (
                name,
                f"{each.solved:.0%}",
                f"{np.median(each.losses):.1e}",
                f"{np.median(each.longest):.2g}",
                f"{each.longest.max():.2g}",
            )
            for name, each in (("without", self.without), ("with", self.clipped))
        ]
        starts, steps, _ = self.without.paths.shape
        return [
            Table(
                f"Gradient descent from {starts} places, {steps - 1:,} steps",
                ("clipping", "in the valley", "median loss", "longest step (median)", "of all"),
                rows,
            )
        ]

    def notes(self) -> list[str]:
        """What counts as the valley."""
        return [
            f"In the valley: a squared error below {_SOLVED:g}. Learning rate {RATE:g}, gradients clipped to "
            f"a norm of {THRESHOLD:g}. The path that is drawn is that of the start nearest to w = 5.5.",
        ]

    def picture(self) -> Figure:
        """The surface with a path each, which part at the wall, and the loss along them."""
        figure = plot.blank(11, 4.8)
        surface, course = figure.subplots(1, 2)
        _draw_surface(surface)
        for label, colour, first, path in self._parts():
            surface.plot(*path.T, color=colour, marker=".", markersize=4, linewidth=1)
            losses = error(*path.T)[0]
            steps = np.arange(first, first + len(path))
            course.plot(steps, losses, color=colour, linewidth=1, label=label)
        surface.plot(*self._drawn[0][0], "o", color="black", markerfacecolor="white", zorder=3)
        course.set(yscale="log", xlabel="steps taken", ylabel="squared error")
        course.set_title("the error along the two paths")
        handles, labels = course.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        figure.suptitle("A step on the cliff is thrown off, unless it is rescaled")
        return figure

    @property
    def _drawn(self) -> tuple[Array, Array]:
        """The paths that are drawn, without clipping and with it."""
        place = int(np.argmin(np.abs(self.without.paths[:, 0, 0] - 5.5)))
        return self.without.paths[place], self.clipped.paths[place]

    def _parts(self) -> list[tuple[str, str, int, Array]]:
        """What the two paths share, and each of them from there on: label, colour, first step, path."""
        without, clipped = self._drawn
        apart = np.flatnonzero(np.abs(without - clipped).max(axis=1) > _ALIKE)
        last = int(apart[0]) - 1 if apart.size else len(without) - 1
        longest = np.linalg.norm(np.diff(without, axis=0), axis=1).max()
        return [
            (f"both, alike for {last} steps", _BOTH, 0, without[: last + 1]),
            (f"without clipping: a step of length {longest:.3g}", _WITHOUT, last, without[last:]),
            (f"clipped: {RATE * THRESHOLD:g} at most", _WITH, last, clipped[last:]),
        ]


def _draw_surface(ax: Axes) -> None:
    w, b = np.meshgrid(np.linspace(*_W, _GRID), np.linspace(*_B, _GRID))
    mesh = ax.pcolormesh(w, b, error(w, b)[0], cmap="Greys", rasterized=True)
    ax.figure.colorbar(mesh, ax=ax, label="squared error after 50 steps")
    ax.set(xlim=_W, ylim=_B, xlabel="recurrent weight $w$", ylabel="bias $b$")
    ax.set_title("error surface, and two paths from one start (○)")


def error(w: Array, b: Array) -> tuple[Array, Array]:
    """The squared error after 50 steps, and its gradient (2, ...), by the chain rule through time."""
    h, slopes = np.full_like(w, START), np.zeros((2, *w.shape))
    for _ in range(_TIME):
        z = w * h + b
        before, h = h, np.exp(-np.logaddexp(0, -z))
        slopes = h * (1 - h) * (np.array([before, np.ones_like(h)]) + w * slopes)
    return (h - TARGET) ** 2, 2 * (h - TARGET) * slopes


def run(
    starts: Annotated[int, "Places to start from."] = 40,
    steps: Annotated[int, "Steps of gradient descent."] = 1_000,
    seed: Annotated[int, "Seeds the places."] = 0,
    meter: Meter = silent,
) -> Result:
    """Descend an error surface with a cliff, with and without clipping of the gradient.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    _validate.integer("starts", starts, minimum=1)
    _validate.integer("steps", steps, minimum=1)
    rng = np.random.default_rng(_validate.integer("seed", seed, minimum=0))
    w = rng.uniform(4.5, 7, starts)
    above = rng.uniform(0.02, 0.5, starts)
    places = np.stack([w, above - w / 2], axis=1)
    without = _descend(places, steps, {}, meter)
    clipped = _descend(places, steps, {"clip_norm": THRESHOLD}, meter)
    return Result(*_surface(), without, clipped)


def _surface() -> tuple[Array, Array]:
    """Slopes above the wall, and curvatures along them by central differences."""
    w, above = np.meshgrid(np.linspace(4.5, 7, 40), np.geomspace(1e-4, 0.5, 60))
    b = above - w / 2
    gradient = error(w, b)[1]
    slopes = np.linalg.norm(gradient, axis=0)
    along = gradient / slopes * 1e-7
    change = error(w + along[0], b + along[1])[1] - error(w - along[0], b - along[1])[1]
    curvatures = (change * along).sum(axis=0) / (2 * 1e-14)
    return slopes.ravel(), curvatures.ravel()


def unit(w: float, b: float, **treatment: Any) -> Sequential:
    """The recurrent unit, compiled: b comes in as the weight of an input that is 1, but 0 at first."""
    layer = RNN(1, "sigmoid", use_bias=False, name="unit")
    model = Sequential([layer], input_shape=(_TIME + 1, 1), dtype="float64", seed=0)
    layer.weight_hh, layer.weight_ih = [[w]], [[b]]
    model.compile("mse", SGD(RATE), **treatment)
    return model


def data() -> tuple[Array, Array]:
    """The input of the unit, which holds its state at 1/2 at first, and its target."""
    x = np.ones((1, _TIME + 1, 1))
    x[0, 0] = 0
    return x, np.full((1, 1), TARGET)


def _descend(places: Array, steps: int, treatment: dict[str, Any], meter: Meter) -> Descents:
    x, y = data()
    paths = np.empty((len(places), steps + 1, 2))
    part = "with clipping" if treatment else "without clipping"
    for start, (w, b) in enumerate(places):
        model = unit(w, b, **treatment)
        layer: Any = model.layers[0]
        for step in range(steps):
            paths[start, step] = layer.weight_hh[0, 0], layer.weight_ih[0, 0]
            model.train_on_batch(x, y)
        paths[start, steps] = layer.weight_hh[0, 0], layer.weight_ih[0, 0]
        meter(part, start + 1, len(places))
    return Descents(paths, error(*paths[:, -1].T)[0])
