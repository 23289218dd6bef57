"""The unstable gradient of Nielsen, "Neural Networks and Deep Learning" (2015), chapter 5.

Sigmoid networks [784, 30, ..., 30, 10] of two, three and four hidden layers, weights
N(0, 1/fan_in), biases N(0, 1), on the first 1,000 images of MNIST, with the cross-entropy summed
over the outputs and averaged over the images. The book gives the norm of dL/db ("speed of
learning") of each hidden layer of one random network before training, and draws its course over 500
epochs of gradient descent on all 1,000 images at once, with eta = 0.1 and lambda = 5.

The book's images are the first 1,000 to train on. Where a folder holds only the images to test on, the first
1,000 of those stand in. Its regularisation, w -> (1 - eta lambda / n) w, spares the biases
(``decay="weights"``); without that the curves come out up to 40 % higher. In training the first of four
hidden layers is 48 to 101 times slower than the last with the seeds 0 to 4, where the book has about 100.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.data import one_hot
from vgcore.experiments import base
from vgcore.experiments.base import (
    About,
    Claim,
    Meter,
    MnistFolder,
    Table,
    fit_callback,
    near,
    silent,
    verdict,
)
from vgcore.experiments.images import images
from vgcore.flow import GradientFlow
from vgcore.layers import Dense
from vgcore.model import Sequential
from vgcore.optimizers import SGD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABOUT = About(
    "The speed of learning of each layer of deep sigmoid networks on MNIST",
    "M. Nielsen, Neural Networks and Deep Learning, Determination Press 2015, chapter 5",
)

PUBLISHED = {
    2: (0.0657, 0.3092),
    3: (0.01184, 0.05997, 0.28314),
    4: (0.002975, 0.01708, 0.06954, 0.28514),
}
"""Norm of dL/db of each hidden layer before training, by how many there are; the book's text rounds them."""

IMAGES = 1000
_ETA, _LAMBDA = 0.1, 5.0
_SLOWER = 100  # times, in training: the first of four hidden layers than the last


@dataclass(frozen=True)
class Network:
    """One depth's measurement.

    Attributes
    ----------
    draws : ndarray, (draws, hidden layers)
        Norms of dL/db before training; one random network a row, of seeds that count up.
    flow : GradientFlow
        Every step of the training of the first of them.
    """

    draws: NDArray[np.float64]
    flow: GradientFlow

    @property
    def hidden(self) -> list[str]:
        """Names of the hidden layers."""
        return self.flow.layers[:-1]

    @property
    def published(self) -> tuple[float, ...]:
        """The book's norms."""
        return PUBLISHED[len(self.hidden)]

    @property
    def median(self) -> NDArray[np.float64]:
        """Median of the draws, (hidden layers,)."""
        return np.median(self.draws, axis=0)

    @property
    def middle(self) -> NDArray[np.float64]:
        """The 5th and the 95th percentile of the draws, (2, hidden layers)."""
        return np.percentile(self.draws, (5, 95), axis=0)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which of the published values lie where 90 % of the draws do, (hidden layers,)."""
        low, high = self.middle
        inside: NDArray[np.bool_] = (low <= self.published) & (self.published <= high)
        return inside


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured: a `Network` a depth, and the images it was measured on."""

    networks: list[Network]
    images: str

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which of the published values lie where 90 % of the draws do, of all networks."""
        return np.concatenate([network.inside for network in self.networks])

    def claims(self) -> list[Claim]:
        """A claim a depth, and one of the course of training."""
        return [*map(_claim, self.networks), self._in_training()]

    def _in_training(self) -> Claim:
        flow = self.networks[-1].flow
        speeds = np.median(flow.bias_grad[:, :-1], axis=0)
        slower = float(speeds[-1] / speeds[0])
        about, of_its_order = near(slower, _SLOWER)
        return Claim(
            "In training, too, earlier layers learn more slowly (4 hidden layers)",
            f"the first about {_SLOWER} times slower than the last (up to twice or half of that)",
            f"{slower:.0f} times (medians over {len(flow):,} steps)",
            verdict(about, of_its_order and bool(np.all(np.diff(speeds) > 0))),
            "" if about else f"{slower / _SLOWER:.2g} of {_SLOWER}; from another random start",
        )

    def tables(self) -> list[Table]:
        """Norms before training beside the published ones, a table a depth."""
        return [_norms(network) for network in self.networks]

    def notes(self) -> list[str]:
        """Where the published values lie among the draws, and on what images."""
        return [
            f"Images: {self.images}.",
            "Published: M. Nielsen, Neural Networks and Deep Learning, chapter 5; one random "
            f"network each. Of these {self.inside.size} values, {self.inside.sum()} lie where 90 % of the "
            "draws do.",
        ]

    def picture(self) -> Figure:
        """The speed of learning over the training, a panel a depth."""
        figure, axes = plot.panels(len(self.networks), width=4)
        for ax, network in zip(axes, self.networks, strict=True):
            plot.over_training(network.flow, "bias_grad", ax=ax, layers=network.hidden)
            for line, published in zip(ax.get_lines(), network.published, strict=True):
                ax.plot(0, published, "D", color=line.get_color(), markeredgecolor="black")
            ax.set_title(f"{len(network.hidden)} hidden layers")
            ax.set_xlabel("step (one pass over all images)")
            ax.label_outer()
        figure.suptitle("Speed of learning. Diamonds: published values before training")
        return figure


def run(
    data: MnistFolder = None,
    draws: Annotated[int, "Random networks to take the median of."] = 100,
    epochs: Annotated[int, "Steps of training, each on all the images."] = 500,
    seed: Annotated[int, "Seeds the networks; no two seeds share one."] = 0,
    meter: Meter = silent,
) -> Result:
    """Measure the speed of learning in deep sigmoid networks on MNIST, beside Nielsen's values.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    _validate.integer("draws", draws, minimum=1)
    _validate.integer("epochs", epochs, minimum=1)
    _validate.integer("seed", seed, minimum=0)
    given = images(data, IMAGES)
    x, y = given.x, one_hot(given.y, 10)
    networks = []
    for depth in PUBLISHED:
        rows = []
        for number in range(draws):
            rows.append(network(depth, draws * seed + number).gradient_flow(x, y).bias_grad[0, :-1])
            meter(f"{depth} hidden layers: draws", number + 1, draws)
        flow = _train(network(depth, draws * seed), x, y, epochs, meter)
        networks.append(Network(np.array(rows), flow))
    return Result(networks, given.about)


def network(depth: int, seed: int) -> Sequential:
    """A random network of ``depth`` hidden layers, compiled to learn as in the book."""
    names = [f"hidden{number}" for number in range(1, depth + 1)]
    units = dict.fromkeys(names, 30) | {"output": 10}
    model = Sequential(
        [
            Dense(n, "sigmoid", weight_initializer="nielsen", bias_initializer="nielsen", name=name)
            for name, n in units.items()
        ],
        input_shape=784,
        seed=seed,
    )
    optimizer = SGD(_ETA, weight_decay=_LAMBDA / IMAGES)
    model.compile("binary_crossentropy", optimizer, reduction="batchmean", decay="weights")
    return model


def _train(
    model: Sequential,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    epochs: int,
    meter: Meter,
) -> GradientFlow:
    """Gradient descent on all of x at once; weights decay, biases do not."""
    flow = GradientFlow()
    report = fit_callback(meter, f"{len(model.layers) - 1} hidden layers: training")
    model.fit(x, y, epochs=epochs, batch_size=len(x), track=flow, callbacks=[report], verbose=0)
    return flow


def _claim(network: Network) -> Claim:
    inside = network.inside
    slower = np.all(np.diff(network.median) > 0)
    return Claim(
        f"Earlier layers learn more slowly: ‖dL/db‖ of {len(network.hidden)} hidden layers",
        ", ".join(f"{value:g}" for value in network.published),
        ", ".join(f"{value:.3g}" for value in network.median)
        + f" (medians; {inside.sum()} of {inside.size} published values within 90 % of the draws)",
        verdict(bool(inside.all()), bool(slower)),
        "" if inside.all() else f"outside of 90 % of the draws: {_outside(network)}",
    )


def _outside(network: Network) -> str:
    """The published values that are no likely draw."""
    shares = zip(network.hidden, network.published / network.median, network.inside, strict=True)
    return ", ".join(
        f"{name}'s, {share:.2f} of the median" for name, share, inside in shares if not inside
    )


def _norms(network: Network) -> Table:
    low, high = network.middle
    rows = [
        (layer, f"{one:.4g}", f"{median:.4g}", f"{low:.4g} to {high:.4g}", f"{published:g}")
        for layer, one, median, low, high, published in zip(
            network.hidden,
            network.draws[0],
            network.median,
            low,
            high,
            network.published,
            strict=True,
        )
    ]
    draws = len(network.draws)
    return Table(
        f"[784{', 30' * len(network.hidden)}, 10]: ‖dL/db‖ before training",
        ("layer", "one draw", f"median of {draws}", "90 % of draws", "published"),
        rows,
    )
