"""Degradation, and skip connections that end it: He et al. 2016, section 4.2.

Plain networks of 56 layers have a higher training error on CIFAR-10 than those of 20, and a higher test error
(figure 6, left); with a skip around each pair of layers, which adds no parameter, the deeper one is better:
8.75 % of the test images are wrong from ResNet-20, 6.97 % from ResNet-56 (table 6; figure 6, middle). Of
plain networks there are curves alone, and that of 110 layers, beyond 60 %, is not shown. Section 4.1 says of
plain networks of 34 layers on ImageNet that gradients have healthy norms, for batch normalisation follows
each convolution, and that vanishing gradients are unlikely to be the cause.

Here networks are those of the paper, by default with half of its filters, on MNIST's digits averaged to
7 x 7 pixels: 19 epochs at a fifth of the paper's learning rate, which falls at half and three quarters of
them as the paper's does. With any of the seeds 0 to 4 plain-56 has 38 % to 51 % of the images wrong that it
is trained on, plain-20 1.1 % to 1.3 %, and residual networks at most 0.2 %, of either depth; of the held-out
images these have some 4 % wrong, and neither depth is better beyond the error of that: there is no gain from
depth to be seen, but no loss. The gradient of plain-56 does not vanish, and its norms are not healthy either:
it explodes, a hundredfold or more; that of a plain network of 32 layers some 10- to 30-fold.

In full, on CIFAR-10's files, all is as in the paper: its filters and rate, mirrored and shifted
images, 64,124 updates, for they are whole epochs, where the paper makes 64,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot, zoo
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
from vgcore.experiments.cifar import SHAPE, cifar10
from vgcore.experiments.cifar import files as cifar_files
from vgcore.experiments.images import files, images
from vgcore.experiments.keep import Keep
from vgcore.experiments.shifting import Shifted
from vgcore.flow import GradientFlow
from vgcore.model import Sequential
from vgcore.optimizers import Momentum
from vgcore.plot import palette
from vgcore.schedules import MultiStep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "Plain networks get worse with depth, in training, too; residual networks do not",
    "K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016, sections 4.1 "
    "and 4.2, figure 6, table 6",
)

NAME = "resnet"
DEPTHS = 20, 56
ERRORS = 8.75, 6.97
"""Percent of CIFAR-10's test images that are wrong from the residual networks, as table 6 has them."""
SPREAD = 0.16
"""Standard deviation of five such errors, published of 110 layers."""
MOMENTUM, DECAY = 0.9, 1e-4

_KINDS = {"plain": zoo.plain, "resnet": zoo.resnet}
_NAMES = {"plain": "plain", "resnet": "ResNet"}
_MEASURED = 300  # held-out images that gradients are measured on
_ERRORS = 2.0  # standard deviations that a difference must exceed
_STARTS = 7e-4  # that of what two residual networks have wrong in training, over the seeds 0 to 4
_HEALTHY = 10.0  # from layer to layer


class Scale(NamedTuple):
    """Pixels of a side that are averaged, filters of the first stage, images, and how they are trained on."""

    pool: int
    width: int
    images: int
    held_out: int
    epochs: int
    batch_size: int
    rate: float


DEFAULT = Scale(4, 8, images=8_000, held_out=2_000, epochs=19, batch_size=64, rate=0.02)
FULL = Scale(1, 16, images=60_000, held_out=10_000, epochs=164, batch_size=128, rate=0.1)


@dataclass(frozen=True)
class Course:
    """What was measured of one network.

    Attributes
    ----------
    start : GradientFlow
        One pass over held-out images before the first update.
    loss, error, held_out_error : ndarray, (epochs,)
        Loss and share wrong of the images that are trained on, over each epoch, and share wrong of the
        held-out ones behind it.
    """

    start: GradientFlow
    loss: Array
    error: Array
    held_out_error: Array

    @property
    def gradient(self) -> Array:
        """Norm of dL/dW of each convolution before training."""
        places = [place for place, name in enumerate(self.start.layers) if "conv" in name]
        return np.asarray(self.start.weight_grad[0, places])

    @property
    def way(self) -> tuple[Array, Array]:
        """Norm of the gradient that comes back through each block's skip and through its body."""
        blocks = np.isfinite(self.start.delta_skip[0])
        return self.start.delta_skip[0, blocks], self.start.delta_body[0, blocks]


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    courses : dict of str to dict of int to Course
        Of "plain" and "resnet", by depth.
    counts : tuple of int
        Images that were trained on, and held out.
    updates : int
    images : str
        Which.
    paper : bool
        Whether all is as in the paper.
    """

    courses: dict[str, dict[int, Course]]
    counts: tuple[int, int]
    updates: int
    images: str
    paper: bool

    def claims(self) -> list[Claim]:
        """Figure 6, left and middle, the two beside each other, and section 4.1's of the gradient."""
        return [self._degrades(), self._residual(), self._better(), *self._signals()]

    def errors(self, kind: str) -> Array:
        """Shares wrong at the end, (training and held out, depths)."""
        courses = self.courses[kind].values()
        return np.array(
            [[course.error[-1], course.held_out_error[-1]] for course in courses], float
        ).T

    def _degrades(self) -> Claim:
        errors = self.errors("plain")
        worse = all(
            above(deep, shallow, count)
            for (shallow, deep), count in zip(errors, self.counts, strict=True)
        )
        return Claim(
            "The deeper plain network is worse, in training, too",
            "plain-56 is above plain-20 (curves)",
            _told(errors),
            verdict(worse and self.paper, worse),
            self._differs,
        )

    def _residual(self) -> Claim:
        errors = self.errors("resnet")
        worse = any(
            above(deep, shallow, count)
            for (shallow, deep), count in zip(errors, self.counts, strict=True)
        )
        near = bool(np.all(np.abs(100 * errors[1] - ERRORS) < _ERRORS * SPREAD))
        shallow, deep = errors[1]
        gains = above(shallow, deep, self.counts[1])
        gained = (
            f"{100 * (shallow - deep):.1f} points of the held-out images are gained by depth, "
            f"{'beyond' if gains else 'within'} the error of that, not {ERRORS[0] - ERRORS[1]:.1f}"
        )
        return Claim(
            "The deeper residual network is not",
            f"test images: {ERRORS[0]} % and {ERRORS[1]} % wrong",
            _told(errors),
            verdict(near and self.paper, not worse),
            f"{gained}: {self._differs}" if self._differs else "" if near else gained,
        )

    def _better(self) -> Claim:
        plain, residual = self.errors("plain")[1, -1], self.errors("resnet")[1, -1]
        better = above(plain, residual, self.counts[1])
        return Claim(
            f"Of {DEPTHS[-1]} layers the residual network is the better one",
            f"{ERRORS[-1]} % of the test images are wrong; plain-{DEPTHS[-1]} is above (curves)",
            f"{residual:.1%} of the held-out images are wrong; plain-{DEPTHS[-1]}: {plain:.1%}",
            verdict(better and self.paper, better),
            self._differs,
        )

    def _signals(self) -> list[Claim]:
        """What section 4.1 says of the gradient: that it does not vanish, and that its norms are healthy."""
        ends = (each.gradient[[0, -1]] for each in self.courses["plain"].values())
        shallow, (first, last) = ends
        factor = first / last
        remains, healthy = factor > 1 / _HEALTHY, 1 / _HEALTHY < factor < _HEALTHY
        return [
            Claim(
                "Behind batch norms the gradient of a plain network does not vanish",
                "it does not (34 layers)",
                f"{DEPTHS[-1]} layers: {first:.3g} at the first convolution, {last:.3g} at the last",
                verdict(remains, remains),
            ),
            Claim(
                f"Behind batch norms it has healthy norms (first over last within a factor of {_HEALTHY:g})",
                "healthy norms (34 layers)",
                f"first over last: {factor:.3g} of {DEPTHS[-1]} layers, "
                f"{shallow[0] / shallow[1]:.3g} of {DEPTHS[0]}",
                verdict(healthy, healthy),
                f"it explodes, by {factor:.0f} over {DEPTHS[-1]} layers, where the paper has 34: a batch "
                "norm enlarges it at every layer (Yang et al. 2019, norm_explosion)"
                if factor > _HEALTHY
                else "",
            ),
        ]

    @property
    def _differs(self) -> str:
        return "" if self.paper else f"{self.images}, {self.updates:,} updates"

    def tables(self) -> list[Table]:
        """A row for each network."""
        rows = [
            (
                f"{_NAMES[kind]}-{depth}",
                f"{course.loss[-1]:.3f}",
                f"{course.error[-1]:.2%}",
                f"{course.held_out_error[-1]:.2%}",
                f"{course.gradient[0] / course.gradient[-1]:.3g}",
            )
            for kind, courses in self.courses.items()
            for depth, course in courses.items()
        ]
        columns = "network", "loss", "wrong in training", "wrong held out", "gradient, first / last"
        return [Table(f"After {self.updates:,} updates", columns, rows)]

    def notes(self) -> list[str]:
        """On what, and how."""
        skip, body = self.courses["resnet"][DEPTHS[-1]].way
        return [
            f"Images: {self.images}; the mean of each pixel is taken off. Momentum {MOMENTUM}, weight decay "
            f"{DECAY:g}; the learning rate falls to a tenth at half and at three quarters of the updates.",
            f"One error is above another if by more than {_ERRORS:g} standard errors of a share, and than "
            f"{_ERRORS * _STARTS:.2%}, as training errors of residual networks differ from seed to seed.",
            "gradient: norm of dL/dW of the first convolution over that of the last, before training, over "
            f"{min(_MEASURED, self.counts[1])} held-out images.",
            f"On its way back through ResNet-{DEPTHS[-1]}, {np.mean(skip > body):.0%} of the blocks pass "
            "more of the gradient through the skip than through the body; at the last, "
            f"{skip[-1] / body[-1]:.1f} times as much.",
        ]

    def picture(self) -> Figure:
        """Figure 6's two panels, and the gradient over the layers."""
        figure = plot.blank(14, 4.4)
        *panels, gradient = figure.subplots(1, 3)
        panels[1].sharey(panels[0])
        for ax, (kind, courses) in zip(panels, self.courses.items(), strict=True):
            self._draw(ax, kind, courses)
        panels[0].set(ylabel="images wrong", ylim=(0, 1))
        for family, depth in enumerate(DEPTHS):
            for kind, line in (("plain", "-"), ("resnet", "--")):
                values = self.courses[kind][depth].gradient
                gradient.plot(
                    np.arange(1, depth),
                    values,
                    line,
                    color=palette.hue(family),
                    label=f"{_NAMES[kind]}-{depth}",
                )
        gradient.set(
            title="before training: gradient of the weights",
            xlabel="convolution, from the input",
            ylabel=r"$\|\partial L/\partial W_l\|_2$",
            yscale="log",
        )
        gradient.legend()
        return figure

    def _draw(self, ax: Axes, kind: str, courses: dict[int, Course]) -> None:
        for family, (depth, course) in enumerate(courses.items()):
            steps = np.linspace(0, self.updates, len(course.error) + 1)[1:]
            colour, name = palette.hue(family), f"{_NAMES[kind]}-{depth}"
            ax.plot(steps, course.held_out_error, color=colour, lw=2.2, label=f"{name}, held out")
            ax.plot(steps, course.error, "--", color=colour, lw=1.2, label=f"{name}, training")
        title = "plain networks" if kind == "plain" else "residual networks"
        ax.set(title=title, xlabel="update", xlim=(0, self.updates))
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        ax.legend()


def above(one: float, other: float, count: int) -> bool:
    """Whether a share of so many images is above another by more than images drawn and starts explain."""
    images_drawn = sqrt((one * (1 - one) + other * (1 - other)) / count)
    return bool(one - other > _ERRORS * max(images_drawn, _STARTS))


def run(
    data: MnistFolder = None,
    cifar: Annotated[
        Path | None, "Folder of CIFAR-10's binary version, to train on that instead."
    ] = None,
    seed: Annotated[int, "Seeds the first weights and the order of the images."] = 0,
    full: Annotated[bool, "As in the paper, on all images: days."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train plain and residual networks of 20 and of 56 layers.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    seed = _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    read = files(data) if cifar is None else cifar_files(cifar)
    kept = Keep(keep, NAME, data=read, seed=seed, full=full)
    return measure(data, cifar, FULL if full else DEFAULT, seed, kept, meter)


def measure(
    data: Any, cifar: Any, scale: Scale, seed: int, kept: Keep, meter: Meter = silent
) -> Result:
    """All of it at some scale."""
    if cifar is None:
        given, shape = images(data, scale.images, scale.held_out), (1, 28, 28)
    else:
        given, shape = cifar10(cifar, scale.images, scale.held_out), SHAPE
    x, held_out_x = (averaged(each, shape, scale.pool) for each in (given.x, given.held_out_x))
    mean = x.mean(axis=0)
    x, held_out_x = x - mean, held_out_x - mean
    paper = cifar is not None and scale == FULL
    updates = scale.epochs * -(-len(x) // scale.batch_size)

    def course(kind: str, depth: int) -> Course:
        name = f"{kind}-{depth}"
        model = network(kind, depth, x.shape[1:], scale, updates, seed)
        start = model.gradient_flow(held_out_x[:_MEASURED], given.held_out_y[:_MEASURED])
        callbacks: list[Any] = [fit_callback(meter, name)]
        options: dict[str, Any] = {"batch_size": scale.batch_size}
        samples: tuple[Any, Any] = x, given.y
        if paper:
            shifted = Shifted(x, given.y, scale.batch_size, seed)
            samples, options = (shifted, None), {}
            callbacks.append(shifted.follow())
        history = kept.fit(
            name,
            model,
            *samples,
            epochs=scale.epochs,
            callbacks=callbacks,
            validation_data=(held_out_x, given.held_out_y),
            **options,
        ).history
        right, held_out_right = (np.array(history[key]) for key in ("accuracy", "val_accuracy"))
        return Course(start, np.array(history["loss"]), 1 - right, 1 - held_out_right)

    courses = {
        kind: {
            depth: kept.part(f"{kind}-{depth}", Course, lambda k=kind, d=depth: course(k, d))  # type: ignore[misc]
            for depth in DEPTHS
        }
        for kind in _KINDS
    }
    side = f"{x.shape[2]} x {x.shape[3]} pixels"
    about = f"{given.about}, {side}, {scale.width} filters in the first stage"
    return Result(courses, (len(x), len(held_out_x)), updates, about, paper)


def averaged(x: NDArray[np.float32], shape: tuple[int, int, int], pool: int) -> Any:
    """Images (n, channels, height, width), each square of pixels averaged."""
    channels, height, width = shape
    blocks = x.reshape(-1, channels, height // pool, pool, width // pool, pool)
    return blocks.mean(axis=(3, 5))


def network(kind: str, depth: int, shape: Any, scale: Scale, updates: int, seed: int) -> Sequential:
    """A compiled network; plain and residual ones of a depth start from the same weights."""
    model = _KINDS[kind](depth, input_shape=tuple(shape), width=scale.width, seed=seed)
    falls = (max(1, updates // 2), max(2, 3 * updates // 4))
    rule = Momentum(MultiStep(scale.rate, falls), MOMENTUM, weight_decay=DECAY)
    model.compile("sparse_categorical_crossentropy", rule)
    return model


def _told(errors: Array) -> str:
    (train, train_deep), (test, test_deep) = errors
    return f"{train:.2%} and {train_deep:.2%} wrong in training, {test:.1%} and {test_deep:.1%} held out"
