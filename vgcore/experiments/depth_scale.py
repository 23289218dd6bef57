"""How deep a network can be trained: as deep as inputs can still be told apart, a multiple of ξ_c.

Schoenholz et al. 2017, with the mean-field theory of Poole et al. 2016: in a wide tanh network with weights
N(0, σw²/n) and biases N(0, σb²) the correlation of two inputs runs into a fixed point, and its distance
from there shrinks by a factor of e in ξ_c layers. ξ_c diverges on the edge of chaos, which lies at σw² =
1.76 for σb² = 0.05. Networks that are trained on MNIST and CIFAR-10, by SGD and by RMSProp, learn up to a
depth of about 6 ξ_c, on both sides of the edge.

Here networks of 5 to 80 layers of 100 units are trained on 1,000 images of MNIST by gradient descent, for
1,200 steps by default; the paper's are up to some 300 layers deep, and trained for up to some 14,000 steps.
From all of the seeds 0 to 4 the deepest learn best at the edge of chaos, and elsewhere networks learn up to
about 4 to 8 ξ_c. The factor is of the training as well: it grows with the steps, and another optimizer has
another one. From the seed 0 RMSProp at a rate of 1e-4 gets 12 ξ_c at σw² = 1, where gradients vanish, and
4 ξ_c at σw² = 4, where they explode. So the factor is also of what was chosen: nine other settings of
optimizer and rate were tried before plain gradient descent at 1e-3 was taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

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
from vgcore.experiments.images import files, images
from vgcore.experiments.keep import Keep
from vgcore.initializers import Normal, VarianceScaling
from vgcore.layers import Dense
from vgcore.model import Sequential
from vgcore.optimizers import SGD
from vgcore.sweeps import fit_many
from vgcore.theory import meanfield

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "Networks are trainable as deep as information travels: depth and σw², with 6 ξ_c over them",
    "S. Schoenholz, J. Gilmer, S. Ganguli, J. Sohl-Dickstein, Deep Information Propagation, ICLR 2017, "
    "arXiv:1611.01232; B. Poole et al., NIPS 2016, arXiv:1606.05340",
)

NAME = "depth_scale"
BIAS = 0.05
"""σb²."""

_MULTIPLE = 6
_LEARNED = 0.55  # half-way between guessing and every image right
_RATE, _BATCH = 1e-3, 25
_PAPER = 14_000  # steps, about


class Scale(NamedTuple):
    """Of the networks, and of their training."""

    widths: int
    depths: tuple[int, ...]
    variances: tuple[float, ...]
    images: int
    epochs: int


DEFAULT = Scale(100, (5, 10, 20, 30, 40, 60, 80), (1.0, 1.4, 1.76, 2.5, 3.2, 4.0), 1000, 30)
FULL = Scale(
    300,
    (10, *range(20, 301, 20)),
    (1.0, 1.25, 1.5, 1.76, 2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0),
    50_000,
    7,
)


@dataclass(frozen=True)
class _Row:
    """The networks of one depth: ``accuracies`` is (variances, epochs)."""

    accuracies: Array


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    depths : ndarray, (D,)
        Hidden layers.
    variances : ndarray, (V,)
        σw².
    accuracies : ndarray, (D, V, epochs)
        Share of the images that were right in each epoch of training.
    steps : int
        Of an epoch.
    about : str
        Which images, how wide the networks.
    """

    depths: Array
    variances: Array
    accuracies: Array
    steps: int
    about: str

    @property
    def scales(self) -> Array:
        """ξ_c at each σw², (V,)."""
        return np.array([_scale(variance) for variance in self.variances])

    def trainable(self, epoch: int = -1) -> Array:
        """Depth up to which more than half is learned at each σw², between depths on a line, (V,).

        Where even the deepest networks learn it is their depth, of which the true one is no less.
        """
        return np.array(
            [_crossing(self.depths, column) for column in self.accuracies[:, :, epoch].T]
        )

    def claims(self) -> list[Claim]:
        """Where networks are trainable deepest, how that falls, and how many ξ_c it is."""
        edge = meanfield.critical("tanh", sqrt(BIAS)).sigma_w ** 2
        nearest = int(np.abs(self.variances - edge).argmin())
        deepest, deep = self.accuracies[-1, :, -1], self.trainable()
        sides = deep[: nearest + 1], deep[nearest:][::-1]
        falls = all(bool(np.all(np.diff(side) >= 0)) and side[0] < side[-1] for side in sides)
        others = np.delete(deepest, nearest)
        return [
            Claim(
                f"The deepest networks learn at the edge of chaos, σw² = {edge:.2f}, where ξ_c diverges",
                "networks of any depth do, close enough to it",
                f"{self.depths[-1]:.0f} layers: {deepest[nearest]:.0%} right at "
                f"{self.variances[nearest]:g}, at most {others.max():.0%} elsewhere",
                verdict(
                    bool(deepest[nearest] > max(_LEARNED, others.max())),
                    bool(deepest[nearest] > max(deepest[0], deepest[-1])),
                ),
            ),
            Claim(
                "On both sides of it the trainable depth falls, with ξ_c",
                "the farther from the edge, the shallower",
                ", ".join(
                    f"{self._said(depth)} at {variance:g}"
                    for depth, variance in zip(deep, self.variances, strict=True)
                ),
                verdict(falls, bool(deep[nearest] > max(deep[0], deep[-1]))),
            ),
            self._multiple(),
        ]

    def _multiple(self) -> Claim:
        """How many ξ_c the trainable depth is, where some networks are deeper than 6 ξ_c."""
        where = _MULTIPLE * self.scales < self.depths[-1]
        share, early = (self.trainable(epoch)[where] / self.scales[where] for epoch in self._shown)
        least = self.trainable()[where] >= self.depths[-1]
        steps = self.steps * self.accuracies.shape[2]
        typical, before = float(np.median(share)), float(np.median(early))
        # A lower bound moves the median unless it is above the middle.
        bounded = bool(np.any(share[least] <= np.sort(share)[len(share) // 2]))
        median = f"{'≥ ' if bounded else ''}{typical:.1f}"
        return Claim(
            f"Networks are trainable up to about {_MULTIPLE} ξ_c",
            f"{_MULTIPLE} ξ_c",
            ", ".join(
                f"{'≥ ' if more else ''}{part:.1f} ξ_c at {variance:g}"
                for part, more, variance in zip(share, least, self.variances[where], strict=True)
            )
            + f"; median {median} ξ_c",
            verdict(
                steps >= _PAPER and abs(typical - _MULTIPLE) < 1 and not bounded,
                bool(share.min() > _MULTIPLE / 2 and share.max() < _MULTIPLE * 2),
            ),
            f"a median of {median} instead of {_MULTIPLE}; it grows with training: {before:.1f} after "
            f"{self.steps * (self._shown[1] + 1):,} steps, {median} after {steps:,}; the paper's are up to "
            f"some {_PAPER:,}",
        )

    def _said(self, depth: float) -> str:
        """A trainable depth; that of the deepest networks is a lower bound."""
        return f"{'≥ ' if depth >= self.depths[-1] else ''}{depth:.0f}"

    @property
    def _shown(self) -> tuple[int, int]:
        """The last epoch, and one early in training."""
        epochs = self.accuracies.shape[2]
        return epochs - 1, max(1, epochs // 4) - 1

    def tables(self) -> list[Table]:
        """Accuracies in the last epoch, a row a depth."""
        rows = [
            (f"{depth:.0f}", *(f"{accuracy:.0%}" for accuracy in accuracies))
            for depth, accuracies in zip(self.depths, self.accuracies[:, :, -1], strict=True)
        ]
        rows += [(f"{_MULTIPLE} ξ_c", *(f"{_MULTIPLE * scale:.0f}" for scale in self.scales))]
        rows += [("trainable depth", *map(self._said, self.trainable()))]
        return [
            Table(
                "Training accuracy in the last epoch",
                ("hidden layers", *(f"σw² = {variance:g}" for variance in self.variances)),
                rows,
            )
        ]

    def notes(self) -> list[str]:
        """On what, and what counts as trainable."""
        return [
            f"{self.about}; σb² = {BIAS:g}.",
            f"Trainable: more than {_LEARNED:.0%} of the images are right in the last epoch, which is "
            "half-way between guessing and all of them. ≥ stands where the deepest networks are, of "
            f"{self.depths[-1]:.0f} layers.",
        ]

    def picture(self) -> Figure:
        """Depth against σw², early in training and at its end, with 6 ξ_c."""
        figure = plot.blank(10, 4.2)
        axes = figure.subplots(1, 2, sharey=True)
        fine = np.linspace(self.variances[0], self.variances[-1], 49)
        bound = [_MULTIPLE * _scale(variance) for variance in fine]
        for ax, epoch in zip(axes, self._shown[::-1], strict=True):
            cells = ax.pcolormesh(
                self.variances,
                self.depths,
                self.accuracies[:, :, epoch],
                shading="nearest",
                cmap="inferno",
                vmin=0,
                vmax=1,
            )
            shown = ax.get_ylim()
            ax.plot(fine, bound, color="white", linewidth=3.5)
            ax.plot(fine, bound, color="#0072b2", linewidth=2, label=rf"${_MULTIPLE}\,\xi_c$")
            ax.set(
                title=f"after {(epoch + 1) * self.steps:,} steps",
                xlabel=r"$\sigma_w^2$",
                ylim=shown,
            )
            ax.label_outer()
        axes[0].set_ylabel("hidden layers")
        axes[0].legend(loc="upper right")
        figure.colorbar(cells, ax=list(axes), label="training accuracy")
        figure.suptitle(
            f"Tanh networks are trainable as deep as information travels ($\\sigma_b^2$ = {BIAS:g})"
        )
        return figure


def run(
    data: MnistFolder = None,
    seed: Annotated[int, "Seeds weights and the order of images."] = 0,
    full: Annotated[bool, "Up to 300 layers of 300 units, 14,000 steps: days of one core."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train tanh networks of many depths and weights, and draw where they learn.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    kept = Keep(keep, NAME, data=files(data), seed=seed, full=full)
    return measure(FULL if full else DEFAULT, data, seed, kept, meter)


def measure(
    scale: Scale, data: Path | None, seed: int, kept: Keep, meter: Meter = silent
) -> Result:
    """`run` at a given scale."""
    given = images(data, scale.images)
    x = ((given.x - given.x.mean()) / given.x.std()).astype(np.float32)

    def row(depth: int) -> _Row:
        models = [network(scale, depth, variance, seed) for variance in scale.variances]
        histories = fit_many(models, x, given.y, epochs=scale.epochs, batch_size=_BATCH, verbose=0)
        for history in histories:
            if isinstance(history, Exception):
                raise history
        return _Row(np.array([history["accuracy"] for history in histories]))

    rows = []
    for number, depth in enumerate(scale.depths):
        rows.append(kept.part(f"depth-{depth}", _Row, partial(row, depth)).accuracies)
        meter("depths", number + 1, len(scale.depths))
    return Result(
        np.array(scale.depths, float),
        np.array(scale.variances),
        np.array(rows),
        -(-len(x) // _BATCH),
        f"Networks of {scale.widths} units a layer on {given.about}",
    )


def network(scale: Scale, depth: int, variance: float, seed: int) -> Sequential:
    """A tanh network of a depth and σw², compiled."""
    weights, biases = VarianceScaling(sqrt(variance), "fan_in", "normal"), Normal(std=sqrt(BIAS))
    layers = [
        Dense(scale.widths, "tanh", weight_initializer=weights, bias_initializer=biases)
        for _ in range(depth)
    ]
    model = Sequential([*layers, Dense(10, "softmax")], input_shape=784, seed=seed)
    model.compile("sparse_categorical_crossentropy", SGD(_RATE))
    return model


def _scale(variance: float) -> float:
    return meanfield.depth_scale("tanh", sqrt(variance), sqrt(BIAS), of="correlation")


def _crossing(depths: Array, accuracies: Array) -> float:
    """Where a line through accuracies falls below what counts as learned; 0 if none is above."""
    below = np.flatnonzero(accuracies < _LEARNED)
    if not below.size:
        return float(depths[-1])
    place = int(below[0])
    if not place:
        return 0.0
    low, high = accuracies[place], accuracies[place - 1]
    part = (high - _LEARNED) / (high - low)
    return float(depths[place - 1] + part * (depths[place] - depths[place - 1]))
