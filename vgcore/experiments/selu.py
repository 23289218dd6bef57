"""Self-normalizing networks: Klambauer et al. 2017, and a hundred layers of them in Géron's chapter 11.

SELU's constants are chosen so that mean 0 and variance 1 of a layer's inputs are those of its outputs:
alpha = 1.6733, lambda = 1.0507. There the Jacobian of the map from (mean, variance) to (mean, variance) has
spectral norm 0.7877 (equation 6), so that it is attracting; theorem 1 says for which starts, theorems 2 and 3
that larger variances fall and smaller ones rise. Géron's notebook sends 500 inputs through 1,000 layers of
100 units and prints mean and standard deviation of units every 100 layers; then it trains 100 layers on
Fashion MNIST, where SELU after LeCun's start gets 73 % of the held-out images right after one epoch and 84 %
after five, ReLU after He's start 38 % and 70 %.

Here the map is measured, on the activation alone and in networks of 1,000 units; the 1,000 layers are drawn
many times over. The training is shorter, by default, and on MNIST, unless ``data`` holds Fashion MNIST, whose
files have the same names. With any of the seeds 0 to 4 constants, map and the notebook's numbers come out,
and the SELU networks learn much faster. Behind 100 layers of ReLU all inputs look nearly the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.experiments import base
from vgcore.experiments.base import About, Claim, KeepFolder, Meter, Table, silent, verdict
from vgcore.experiments.courses import GUESSING, Course, Training, count, standardized, train
from vgcore.experiments.images import files, images
from vgcore.experiments.keep import Keep
from vgcore.experiments.normalizing import (
    EVERY,
    FROM,
    LOOKS,
    NETWORKS,
    Deep,
    Paths,
    cosine,
    deep,
    mapped,
    network,
    paths,
    selu,
)
from vgcore.plot import palette
from vgcore.theory import meanfield

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "SELU layers pull mean and variance to 0 and 1; a hundred of them learn faster than ReLU's",
    "G. Klambauer et al., Self-Normalizing Neural Networks, NeurIPS 2017, equation 6, theorems 1 to 3; A. "
    "Géron, Hands-On Machine Learning, O'Reilly 2019, chapter 11 and its notebook",
)

NAME = "selu"
CONSTANTS = 1.6733, 1.0507
"""Alpha and lambda, as published."""
JACOBIAN = 0.088834, 0.782648
"""Of the outputs' mean and variance by the inputs' variance, at mean 0 and variance 1."""
PRINTED = (
    (0.0, 0.02, 0.01, -0.02, 0.05, 0.01, 0.02, -0.02, 0.05, 0.02),
    (1.0, 0.96, 0.90, 0.92, 0.89, 0.93, 0.92, 0.90, 0.83, 1.0),
)
"""Means and standard deviations that the notebook prints, of layers 0, 100, ..., 900."""
RIGHT = {"SELU": 0.8358, "ReLU": 0.7032}
"""Share of held-out images that are right in the notebook, after five epochs of Fashion MNIST."""

DOMAIN = (-0.03106, 0.06773), (0.80009, 1.48617)
"""Where theorem 1 has the fixed points of weights that are nearly normalized, as random ones are."""

_SPREAD = 3.0  # standard deviations that a printed number may be off by


class Scale(NamedTuple):
    """Units and layers that starts go through, draws of 1,000 layers, networks of each kind to train."""

    wide: int
    layers: int
    draws: int
    networks: int
    training: Training


DEFAULT = Scale(1_000, 30, 10, 3, Training(9_000, 1_000, epochs=5, batch_size=32, every=5))
FULL = Scale(4_000, 30, 100, 3, Training(60_000, 10_000, epochs=5, batch_size=32, every=20))


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    paths : Paths
    deep : Deep
    courses : dict of str to list of Course
        By the activation.
    alike : dict of str to float
        Mean cosine between two images in the last hidden layer before training, by the activation.
    images : str
        On what they were trained.
    """

    paths: Paths
    deep: Deep
    courses: dict[str, list[Course]]
    alike: dict[str, float]
    images: str

    @property
    def right(self) -> dict[str, float]:
        """Median share of the held-out images that are right, by the activation."""
        return {
            name: 1 - float(np.median([course.error for course in courses]))
            for name, courses in self.courses.items()
        }

    def claims(self) -> list[Claim]:
        """The constants, the map, networks from other starts, 1,000 layers, and training."""
        return [_constants(), _contracts(), self._attracts(), self._printed(), self._trains()]

    def _attracts(self) -> Claim:
        ends = self.paths.moments[:, -1]
        low, high = ends.min(axis=0), ends.max(axis=0)
        inside = all(
            bottom <= least and most <= top
            for (bottom, top), least, most in zip(DOMAIN, low, high, strict=True)
        )
        return Claim(
            f"Networks go to mean 0 and variance 1 from {len(FROM)} starts, variances of 0.02 to 16",
            f"0 and 1; {_range(DOMAIN[0])} and {_range(DOMAIN[1])} where weights are nearly normalized",
            f"{_range((low[0], high[0]))} and {_range((low[1], high[1]))} after "
            f"{self.paths.moments.shape[1] - 1} layers",
            verdict(inside, bool(low[1] > 0.5 and high[1] < 2)),
        )

    @property
    def _off(self) -> Array:
        """By how many standard deviations of the draws each of `PRINTED` is off, (2, 10)."""
        spread = self.deep.moments.std(axis=1, ddof=1)
        spread[:, 1:] = np.sqrt(
            (spread[:, 1:] ** 2).mean(axis=1, keepdims=True)
        )  # they have settled
        spread = np.maximum(spread, 0.005)  # half of the last digit that is printed
        return np.asarray(np.abs(self.deep.moments.mean(axis=1) - PRINTED) / spread)

    def _printed(self) -> Claim:
        means, deviations = self.deep.moments.mean(axis=1)
        last = (LOOKS - 1) * EVERY
        return Claim(
            "Mean and standard deviation hardly change over 1,000 layers (units' own, averaged)",
            f"means of {min(PRINTED[0])} to {max(PRINTED[0])}, deviations of {min(PRINTED[1])} to 1.0",
            f"means of {means.min():.2f} to {means.max():.2f}, deviations of {deviations.min():.2f} to "
            f"{deviations.max():.2f} up to layer {last} (averages of draws); printed ones off by "
            f"{self._off.max():.1f} of the draws' standard deviations at most",
            verdict(
                bool(self._off.max() < _SPREAD),
                bool(deviations.min() > 0.5 and deviations.max() < 2),
            ),
        )

    def _trains(self) -> Claim:
        right = self.right
        near = all(abs(right[name] - RIGHT[name]) < 0.05 for name in RIGHT)
        updates = self.courses["SELU"][0].updates
        pairs = [
            (one.error, other.error)
            for one, other in zip(self.courses["SELU"], self.courses["ReLU"], strict=True)
        ]
        return Claim(
            "100 layers of SELU learn faster than 100 of ReLU after He's start",
            f"{RIGHT['SELU']:.1%} right against {RIGHT['ReLU']:.1%} after 8,595 updates (Fashion MNIST)",
            f"{right['SELU']:.1%} against {right['ReLU']:.1%} after {updates:,}, medians of {len(pairs)}",
            verdict(near, right["SELU"] > right["ReLU"]),
            "" if near else f"{self._off_by}: {updates:,} updates, not 8,595, on {self.images}",
        )

    @property
    def _off_by(self) -> str:
        """By how much what is right differs from the notebook's."""
        points = {name: 100 * (self.right[name] - share) for name, share in RIGHT.items()}
        return ", ".join(
            f"{name} {abs(off):.0f} points {'below' if off < 0 else 'above'} the notebook's"
            for name, off in points.items()
        )

    def tables(self) -> list[Table]:
        """The layers beside the notebook's, then what was learned."""
        values = [
            (
                f"{place * EVERY}",
                *(f"{m:.2f} ± {s:.2f} ({p:.2f})" for m, s, p in zip(*row, strict=True)),
            )
            for place, row in enumerate(
                zip(
                    self.deep.moments.mean(axis=1).T,
                    self.deep.moments.std(axis=1, ddof=1).T,
                    np.transpose(PRINTED),
                    strict=True,
                )
            )
        ]
        rows = [
            (
                name,
                count(Course.learned(courses[0])),
                f"{self.right[name]:.1%}",
                f"{RIGHT[name]:.1%}",
                f"{self.alike[name]:.3f}",
            )
            for name, courses in self.courses.items()
        ]
        return [
            Table("1,000 layers: draws (printed)", ("layer", "mean", "standard deviation"), values),
            Table(
                f"100 layers after {self.courses['SELU'][0].updates:,} updates",
                (
                    "activation",
                    "loss halved after (the first)",
                    "right",
                    "right (notebook)",
                    "cosine",
                ),
                rows,
            ),
        ]

    def notes(self) -> list[str]:
        """On what, and why ReLU learns slowly though its start keeps the signal's size."""
        apart = meanfield.correlation("selu", 1.0)
        return [
            f"Images: {self.images}; each pixel with mean 0 and standard deviation 1.",
            "cosine: between two images in the last hidden layer before training. He's start keeps the "
            "signal's size and not what tells images apart: with depth the cosine goes to 1, in theory, for "
            f"ReLU, and to {apart:.2f} for SELU.",
        ]

    def picture(self) -> Figure:
        """Figure 2 of the paper with networks' paths, the 1,000 layers, and both trainings."""
        figure = plot.blank(14.5, 4.4)
        plane, layered, course = figure.subplots(1, 3)
        self._draw_paths(plane)
        layers = np.arange(LOOKS) * EVERY
        for row, (name, printed) in enumerate(
            zip(("standard deviation", "mean"), PRINTED[::-1], strict=True)
        ):
            moments = self.deep.moments[1 - row]
            low, middle, high = np.percentile(moments, (5, 50, 95), axis=0)
            layered.plot(layers, middle, color=palette.hue(row), label=name)
            layered.fill_between(layers, low, high, color=palette.hue(row), alpha=0.2, linewidth=0)
            label = "Géron's notebook" if row else None
            layered.plot(layers, printed, "D", ms=4, color=palette.ink(), label=label)
        layered.set(
            title="1,000 layers of SELU: units' own, 90 % of draws",
            xlabel="layer",
            ylim=(-0.2, 1.6),
        )
        layered.legend(loc="upper right")
        for family, (name, courses) in enumerate(self.courses.items()):
            for each in courses:
                course.plot(each.flow.step, each.loss, color=palette.hue(family), lw=0.7, alpha=0.5)
            middle = np.median([each.loss for each in courses], axis=0)
            label = f"{name}: {self.right[name]:.0%} right"
            course.plot(
                courses[0].flow.step, middle, color=palette.hue(family), lw=2.2, label=label
            )
        course.axhline(GUESSING, color=palette.faint(0.5), linewidth=0.8, linestyle="--")
        course.set(
            title="Training 100 layers", xlabel="update", ylabel="loss", ylim=(0, 1.3 * GUESSING)
        )
        course.legend(loc="lower left")
        return figure

    def _draw_paths(self, ax: Axes) -> None:
        for place, path in enumerate(self.paths.moments):
            ax.plot(path[:, 0], path[:, 1], ".-", color=palette.hue(0), linewidth=1, markersize=3)
            ax.plot(*path[0], "s", color=palette.hue(1), label=None if place else "inputs")
        ax.plot(0, 1, "*", markersize=14, color=palette.hue(2), label="(0, 1)", zorder=3)
        ax.set(
            title="Mean and variance from layer to layer",
            xlabel="mean of the outputs",
            ylabel="variance",
            yscale="log",
        )
        ax.legend()


def run(
    data: Annotated[
        Path | None,
        "Folder of MNIST's files, or of Fashion MNIST's. Left out, MNIST's are downloaded once and kept.",
    ] = None,
    seed: Annotated[int, "Seeds networks, inputs and the order of the images."] = 0,
    full: Annotated[
        bool, "Five epochs of all images (the notebook's: 55,000), more draws."
    ] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Watch SELU networks normalize themselves, and train a hundred layers of SELU and of ReLU.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    seed = _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    kept = Keep(keep, NAME, data=files(data), seed=seed, full=full)
    return measure(data, FULL if full else DEFAULT, seed, kept, meter)


def measure(data: Any, scale: Scale, seed: int, kept: Keep, meter: Meter) -> Result:
    """All of it at some scale."""
    given = standardized(images(data, scale.training.images, scale.training.held_out))
    ways = kept.part("paths", Paths, lambda: paths(scale.wide, scale.layers, seed, meter))
    thousand = kept.part("deep", Deep, lambda: deep(scale.draws, seed, meter))
    courses: dict[str, list[Course]] = {name: [] for name in NETWORKS}
    alike = {}
    for name in NETWORKS:
        for place in range(scale.networks):
            model = network(name, [seed, 2, place])
            if not place:
                alike[name] = cosine(model, given.held_out_x[:100])
            part = f"{name}-{place}"
            courses[name].append(train(part, model, given, scale.training, kept, meter))
    return Result(ways, thousand, courses, alike, given.about)


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}"


def _constants() -> Claim:
    scale, low = selu(np.array([1.0, -60.0]))
    alpha = -low / scale
    mean, variance = mapped(1.0)
    near = abs(alpha - CONSTANTS[0]) < 5e-5 and abs(scale - CONSTANTS[1]) < 5e-5
    return Claim(
        "With α and λ, mean 0 and variance 1 come out as they went in",
        f"α = {CONSTANTS[0]}, λ = {CONSTANTS[1]}",
        f"α = {alpha:.4f}, λ = {scale:.4f}, of which mean {mean:.0e} and variance {variance:.5f} come",
        verdict(near, abs(mean) < 1e-5 and abs(variance - 1) < 1e-5),
    )


def _contracts() -> Claim:
    step = 1e-4
    by_variance = (np.array(mapped(1 + step)) - mapped(1 - step)) / (2 * step)
    norm = float(
        np.linalg.norm(by_variance)
    )  # the other column, by the mean, is 0 for normalized weights
    return Claim(
        "That is attracting: the map's Jacobian there is less than 1",
        f"∂/∂ν: {JACOBIAN[0]} and {JACOBIAN[1]}; spectral norm 0.7877",
        f"{by_variance[0]:.6f} and {by_variance[1]:.6f}; {norm:.4f}",
        verdict(bool(np.abs(by_variance - JACOBIAN).max() < 5e-6), norm < 1),
    )
