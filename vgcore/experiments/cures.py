"""The cures side by side: one disease, many cures, the same data and the same number of steps.

Two networks so deep that the error signal hardly reaches the first layer:

- 50 sigmoid layers of 64 units on UCI's 8x8 digits: a sigmoid's slope is at most 1/4, so each layer
  takes three quarters of what is left;
- 55 convolutions with 8 filters and ReLUs on MNIST, and a dense layer: plain, as the 56 layers that He et al.
  2016 (arXiv 1512.03385, section 4.2) trained worse than 20, and narrower, which here does not learn at all
  (of theirs 110 layers did not: over 60 % wrong). A ReLU takes half of the squared signal.

All networks of a disease see the same samples, are made from the same seed and take as many steps. They
differ in the learning rates they bear: each is trained at a large and at a small one, and the run with the
lower training loss is shown. What is held out has no say in it. Of the sigmoid layers, skips and BatchNorm
each teach most of the digits; of the convolutions neither does alone in so few steps, and both together do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.data import digits, mnist_files, train_test_split
from vgcore.experiments import base, diseases
from vgcore.experiments import images as mnist_images
from vgcore.experiments.base import About, Claim, KeepFolder, Meter, Table, names, silent, verdict
from vgcore.experiments.diseases import CLASSES, CONVOLUTIONAL, DENSE, Cure, Disease
from vgcore.experiments.keep import Keep
from vgcore.layers import Conv2d, Dense, Highway
from vgcore.model import Sequential
from vgcore.model.callbacks import OnProgress
from vgcore.model.history import Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]
Parts = tuple[Array, Array, Array, Array]
"""Samples to train on and their labels, and those held out."""

ABOUT = About(
    "Fifty layers that do not learn, and every known cure of them side by side",
    "K. He et al., CVPR 2016, section 4.2 (plain networks and skips); S. Ioffe, C. Szegedy, ICML 2015 "
    "(BatchNorm); and the papers of docs/cures.md",
)

DISEASES = {"dense": DENSE, "conv": CONVOLUTIONAL}
"""The diseases to choose from."""

_BATCH_SIZE = 32
_MEASURED = 256  # training samples that a gradient is measured on
_HELD_OUT = 1_000  # images of MNIST
_WITH_WEIGHTS = Dense, Conv2d, Highway
_SICK, _FAILED, _LEARNED = "#d55e00", "0.65", "#0072b2"


@dataclass(frozen=True)
class Course:
    """One cure's course.

    Attributes
    ----------
    cure : str
    rate : float
        The learning rate, of those tried.
    depth : ndarray of int, (K,)
        Which layer with weights each of the layers and blocks is, or ends with.
    before, after : ndarray, (K,)
        Norms of their error signals before and after training: dL/dz of a layer, dL/dh of a block.
    training_loss : float
        Of the last epoch.
    loss, accuracy : float
        Of the held-out samples after training.
    seconds : float
        Of the training.
    """

    cure: str
    rate: float
    depth: NDArray[np.int64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    training_loss: float
    loss: float
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """All courses of one disease.

    Attributes
    ----------
    disease : Disease
    courses : list of Course
        In the order of the disease's cures.
    trained_on, held_out, steps : int
    """

    disease: Disease
    courses: list[Course]
    trained_on: int
    held_out: int
    steps: int


def ratio(norms: NDArray[np.float64]) -> float:
    """Norm of the error signal at the first layer over that at the last."""
    return float(norms[0] / norms[-1])


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """A `Comparison` a disease."""

    comparisons: list[Comparison]

    def claims(self) -> list[Claim]:
        """That plain networks do not learn; with skips and BatchNorm they do, better than without skips."""
        return [claim for comparison in self.comparisons for claim in _claims(comparison)]

    def tables(self) -> list[Table]:
        """A table a disease, a row a cure."""
        return [_table(comparison) for comparison in self.comparisons]

    def notes(self) -> list[str]:
        """How to read the columns."""
        held_out = ", ".join(f"{comparison.held_out:,}" for comparison in self.comparisons)
        return [
            "δ: norm of the error signal at the first layer over that at the last, at the start and the end, "
            f"of the first {_MEASURED} samples. Far below 1 it vanishes, far above 1 it explodes.",
            "rate: of the two learning rates tried, that with the lower training loss. loss, right: of the "
            f"held-out samples ({held_out}). –: the network diverged.",
            "skip: a residual connection around each pair of layers. AGC: adaptive gradient clipping. ReLU "
            "and PReLU come with He's start, tanh with that of its edge of chaos.",
            "A gradient that arrives is needed, not enough: activations must keep samples apart on their way "
            "forward, and both must last while the weights move.",
        ]

    def picture(self) -> Figure:
        """A row a disease: the way back of the error signal, the cures' names, and what was learned."""
        counts = [len(comparison.courses) for comparison in self.comparisons]
        figure = plot.blank(12, sum(1.0 + 0.24 * count for count in counts))
        grid = {"height_ratios": counts, "width_ratios": (5, 2.4, 3.4)}
        axes = figure.subplots(len(counts), 3, squeeze=False, gridspec_kw=grid)
        figure.set_layout_engine("constrained", w_pad=0, wspace=0, rect=(0.01, 0, 0.98, 1))
        for comparison, row in zip(self.comparisons, axes, strict=True):
            _draw(comparison, *row)
        return figure


def run(
    disease: Annotated[str, "Diseases to treat, separated by commas."] = "dense,conv",
    data: Annotated[
        Path | None, "Folder with MNIST's IDX files, for conv; left out, they are downloaded."
    ] = None,
    images: Annotated[int, "Images of MNIST to train on."] = 2_000,
    dense_epochs: Annotated[int | None, "Passes over the digits: 12; with full, 30."] = None,
    conv_epochs: Annotated[int | None, "Passes over the images: 2; with full, 5."] = None,
    full: Annotated[bool, "Train as long as for the picture in README."] = False,
    keep: KeepFolder = None,
    seed: Annotated[int, "Seeds the first weights and the order of the samples."] = 0,
    meter: Meter = silent,
) -> Result:
    """Treat networks too deep to learn with one cure after the other, and compare.

    What it takes and raises is said in `vgcore.experiments.base`; diseases are
    those of `DISEASES`.
    """
    chosen = names("disease", disease, DISEASES)
    _validate.integer("seed", seed, minimum=0)
    epochs = {
        name: usual if given is None else _validate.integer(f"{name}_epochs", given, minimum=1)
        for name, given, usual in (
            ("dense", dense_epochs, 30 if full else 12),
            ("conv", conv_epochs, 5 if full else 2),
        )
    }
    images = _validate.integer("images", images, minimum=_BATCH_SIZE)
    sources = {"dense": lambda: _digits(seed), "conv": lambda: _mnist(data, images)}
    samples = {name: sources[name]() for name in chosen}  # what is missing shows before any work
    read = mnist_files.files(data, "test", "data") if "conv" in chosen else ()
    kept = Keep(keep, "cures", data=read, disease=disease, images=images, seed=seed, **epochs)
    return Result(
        [compare(DISEASES[name], samples[name], epochs[name], seed, kept, meter) for name in chosen]
    )


def compare(
    disease: Disease, parts: Parts, epochs: int, seed: int, kept: Keep, meter: Meter
) -> Comparison:
    """Treat a disease with each of its cures."""
    steps = epochs * math.ceil(len(parts[0]) / _BATCH_SIZE)
    trials = [(cure, rate) for cure in disease.cures for rate in (disease.sick + cure).rates or ()]
    best: dict[str, Course] = {}
    for number, (cure, rate) in enumerate(trials):

        def report(progress: Progress, done: int = number * steps) -> bool:
            meter(disease.title, done + progress.step, len(trials) * steps)
            return not math.isfinite(progress.loss)

        work = partial(_train, disease, cure, rate, parts, epochs, seed, report)
        course = kept.part(f"{disease.depth}-layers-{number}", Course, work)
        meter(disease.title, (number + 1) * steps, len(trials) * steps)
        if cure.name not in best or _rank(course) < _rank(best[cure.name]):
            best[cure.name] = course
    return Comparison(disease, list(best.values()), len(parts[0]), len(parts[2]), steps)


def _rank(course: Course) -> float:
    return course.training_loss if math.isfinite(course.training_loss) else math.inf


def _train(
    disease: Disease,
    cure: Cure,
    rate: float,
    parts: Parts,
    epochs: int,
    seed: int,
    report: Callable[[Progress], bool],
) -> Course:
    x, y, held_out_x, held_out_y = parts
    measured = x[:_MEASURED], y[:_MEASURED]
    chosen: Any = disease.sick + cure
    model = disease.network(cure, x.shape[1:], seed)
    if chosen.prepare:
        chosen.prepare(model, measured[0])
    model.compile(
        "sparse_categorical_crossentropy",
        chosen.rule(rate),
        on_nonfinite="ignore",  # a rate that is too large is left by `report`
        **(chosen.treatment or {}),
    )
    names, depth = _stations(model)
    before = model.gradient_flow(*measured)
    start = time.perf_counter()
    history = model.fit(
        x, y, epochs=epochs, batch_size=_BATCH_SIZE, callbacks=[OnProgress(report)], verbose=0
    )
    seconds = time.perf_counter() - start
    after = model.gradient_flow(*measured)
    columns = [before.layers.index(name) for name in names]
    loss, accuracy = model.evaluate(held_out_x, held_out_y)
    return Course(
        cure.name,
        rate,
        depth,
        before.delta[0, columns],
        after.delta[0, columns],
        history.history["loss"][-1],
        loss,
        accuracy,
        seconds,
    )


def _stations(model: Sequential) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the layers and blocks with weights; which layer with weights each is, or ends with."""
    weights = [
        sum(isinstance(part, _WITH_WEIGHTS) for part in layer.parts()) for layer in model.layers
    ]
    depth = np.cumsum(weights)
    has = np.flatnonzero(weights)
    return [str(model.layers[place].name) for place in has], depth[has]


def _digits(seed: int) -> Parts:
    return train_test_split(*digits(), seed=seed)


def _mnist(directory: Path | None, images: int) -> Parts:
    """Images of the test split, averaged to 14 x 14: the first to train on, the last held out."""
    x, y = mnist_images.read(directory, "test")
    if len(x) <= _HELD_OUT:
        raise ValueError(f"data: expected more than {_HELD_OUT:,} images, got {len(x):,}")
    if images > len(x) - _HELD_OUT:
        raise ValueError(
            f"images: expected at most {len(x) - _HELD_OUT:,}, for {_HELD_OUT:,} are held out; got "
            f"{images:,}"
        )
    small = x.reshape(len(x), 1, 14, 2, 14, 2).mean(axis=(3, 5))
    return small[:images], y[:images], small[-_HELD_OUT:], y[-_HELD_OUT:]


def _table(comparison: Comparison) -> Table:
    rows = [
        (
            course.cure,
            _number(ratio(course.before), ".2g"),
            _number(ratio(course.after), ".2g"),
            f"{course.rate:g}",
            _number(course.loss, ".3f"),
            f"{course.accuracy:.1%}",
            f"{course.seconds:.1f}",
        )
        for course in comparison.courses
    ]
    return Table(
        f"{comparison.disease.title}: {comparison.steps:,} steps on {comparison.trained_on:,} samples",
        ("cure", "δ start", "δ end", "rate", "loss", "right", "s"),
        rows,
    )


def _claims(comparison: Comparison) -> list[Claim]:
    right = {course.cure: course.accuracy for course in comparison.courses}
    plain, chance = right[diseases.NOTHING.name], 1 / CLASSES
    norm, both = right[diseases.BATCH_NORM.name], right[(diseases.SKIP + diseases.BATCH_NORM).name]
    title = comparison.disease.title
    scale = f"{comparison.steps:,} steps on {comparison.trained_on:,} samples"
    return [
        Claim(
            f"{title}: too deep to learn",
            "the deeper, the worse: 56 plain layers than 20 (He et al.)",
            f"{plain:.1%} are right ({chance:.0%} by chance)",
            verdict(False, plain < 1.5 * chance),
            "one depth alone, narrower and without a norm: nothing is learned here, less there"
            if plain < 1.5 * chance
            else f"{plain / chance:.1f} times chance: something is learned",
        ),
        Claim(
            f"{title}: learned with skip connections and BatchNorm",
            "most are right (He et al.)",
            f"{both:.1%} are right",
            verdict(False, both > 0.5),
            f"{scale}; there convolutions with ReLUs on CIFAR-10, trained to the end",
        ),
        Claim(
            f"{title}: better than with BatchNorm alone",
            "56 plain layers, which have it, too, are worse than 56 residual ones (He et al.)",
            f"{norm:.1%} with BatchNorm alone, {right[diseases.SKIP.name]:.1%} with skips alone, "
            f"{both:.1%} with both",
            verdict(False, both - norm > 2 * math.sqrt(0.5 / comparison.held_out)),
            f"{scale}; there both are trained to the end",
        ),
    ]


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "–"


def _draw(comparison: Comparison, curves: Axes, names: Axes, bars: Axes) -> None:
    """The error signal's way back, the names of the cures where it ends, and what they learned."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("learned", [_FAILED, _LEARNED])
    courses = sorted(comparison.courses, key=lambda course: ratio(course.before))
    sick, chance = comparison.courses[0], 1 / CLASSES
    learned = [max(0.0, (course.accuracy - chance) / (1 - chance)) for course in courses]
    shades = [
        _SICK if course is sick else colours(s) for course, s in zip(courses, learned, strict=True)
    ]
    for course, share, shade in zip(courses, learned, shades, strict=True):
        norms = course.before / course.before[-1]
        drawn = np.where(norms > 0, norms, np.nan)
        curves.plot(course.depth, drawn, color=shade, zorder=3 if course is sick else 2 + share)
    curves.axhline(1, color="black", linewidth=0.8)
    curves.set(
        yscale="log", xlim=(comparison.disease.depth, 1), xlabel="layer, from output to input"
    )
    curves.set_ylabel(r"error signal  $\|\delta_l\|_2\,/\,\|\delta_L\|_2$")
    curves.set_title(f"{comparison.disease.title}: before training", loc="left")
    curves.grid(alpha=0.3)

    low, high = np.log(curves.get_ylim())
    height = 1 / len(courses)
    for row, (course, shade) in enumerate(zip(courses, shades, strict=True)):
        place = (row + 0.5) * height
        name = course.cure
        first = ratio(course.before)
        if 0 < first < math.inf:
            end = (math.log(first) - low) / (high - low)
            names.plot((0, 0.12), (end, place), color=shade, linewidth=0.8)
        else:
            name += f" ({first:g} at first)"
        names.text(0.14, place, name, va="center", color=shade)
        bars.barh(place, course.accuracy, 0.8 * height, color=shade)
        score = f" {course.accuracy:.0%}, {course.seconds:.1f} s"
        bars.text(max(course.accuracy, chance), place, score, va="center", fontsize="small")
    names.set(xlim=(0, 1), ylim=(0, 1))
    names.axis("off")
    bars.axvline(chance, color="black", linestyle=":")
    bars.set(
        xlim=(0, 1.25), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(), xlabel="held-out samples right"
    )
    bars.xaxis.set_major_formatter("{x:.0%}")
    bars.set_title(f"after {comparison.steps:,} steps (dotted: chance)", loc="left")
    bars.spines[["top", "right"]].set_visible(False)
